//! How calls went, and what follows from it.

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::Engine;
use super::contain::is_containing;
use crate::actor::State;
use crate::bits::POWER;
use crate::effect::{Alert, CallKey, Effect, Notice, Outcome, Rung, Timing};
use crate::incident::IncidentState;
use crate::members::permissions;
use crate::moment::{DAY, MINUTE, Moment};

/// Discord's codes (docs, "JSON error codes").
const UNKNOWN_MEMBER: u64 = 10_007;
const UNKNOWN_USER: u64 = 10_013;
/// "Maximum number of bans for non-guild members have been exceeded".
const STRANGERS_BANNED: u64 = 30_035;
/// How long that is taken for true: Discord does not say.
const BANS_FULL_FOR: u64 = DAY;

impl Engine {
    pub(super) fn answered(
        &mut self,
        key: CallKey,
        outcome: Outcome,
        timing: Timing,
        structure: &Structure,
        out: &mut Vec<Effect>,
    ) {
        let now = timing.answered;
        let Some(incident) = self.incidents.get_mut(&key.incident) else {
            return;
        };
        let Some(record) = incident.calls.iter_mut().find(|c| c.call.key == key) else {
            return;
        };
        if record.outcome.is_some() {
            return;
        }
        record.outcome = Some(outcome);
        record.timing = timing;
        let body = record.call.body.clone();
        if outcome == Outcome::Done {
            incident.times.acknowledged.get_or_insert(now);
            // Against nobody, done is over.
            let open = incident.state == IncidentState::Open && incident.suspects.is_empty();
            if open && incident.calls.iter().all(|c| c.outcome.is_some()) {
                incident.state = IncidentState::Contained;
            }
        }
        if key.actor == self.guild || !is_containing(key.rung) {
            self.publish(key.incident, false, now, out);
            return;
        }
        match outcome {
            Outcome::Done => self.held(key, body.as_ref(), structure, now),
            Outcome::Refused { code, .. } => {
                if code == STRANGERS_BANNED {
                    self.on_bans_full(key, now, out);
                }
                if matches!(code, UNKNOWN_MEMBER | UNKNOWN_USER) && key.rung != Rung::Ban {
                    self.members.leave(key.actor, now);
                }
                self.failed(key, structure, now, out);
            }
            Outcome::Limited { .. } | Outcome::Down => self.failed(key, structure, now, out),
        }
        self.publish(key.incident, false, now, out);
    }

    /// Nobody outside the server is banned any more: whoever is there has their roles taken instead.
    fn on_bans_full(&mut self, key: CallKey, now: Moment, out: &mut Vec<Effect>) {
        self.members.leave(key.actor, now);
        self.bans_full = Some(now);
        let alert = Alert {
            notice: Notice::BansFull,
            incident: Some(key.incident),
            about: Some(key.actor),
            owner: false,
        };
        self.tell(alert, now, out);
    }

    pub(super) fn forget_bans_full(&mut self, now: Moment) {
        self.bans_full.take_if(|at| now.since(*at) >= BANS_FULL_FOR);
    }

    fn held(&mut self, key: CallKey, body: Option<&Value>, structure: &Structure, now: Moment) {
        self.actor(key.actor).tried.insert(key.rung);
        match key.rung {
            Rung::TakeRoles => {
                let left = body
                    .and_then(|b| b["roles"].as_array())
                    .into_iter()
                    .flatten();
                let left: Vec<Id> = left.filter_map(Id::read).collect();
                self.members
                    .lost_roles(structure, key.actor, left, now.plus(MINUTE));
            }
            Rung::Kick | Rung::Ban => self.members.leave(key.actor, now),
            Rung::DisarmRole => {
                // Everybody whose power was in this role alone is held by the same call.
                let suspects = self
                    .incidents
                    .get(&key.incident)
                    .map(|i| i.suspects.clone());
                for suspect in suspects.into_iter().flatten() {
                    let roles = self.members.get(suspect.id).map(|m| m.roles.clone());
                    let roles = roles.unwrap_or_default();
                    let left: Vec<Id> = roles
                        .iter()
                        .copied()
                        .filter(|r| *r != key.subject)
                        .collect();
                    let held = roles.contains(&key.subject)
                        && permissions(structure, suspect.id, &left) & POWER == 0;
                    if held {
                        self.actor(suspect.id).tried.insert(Rung::DisarmRole);
                        self.set_contained(key.incident, suspect.id, now);
                    }
                }
                return;
            }
            _ => {}
        }
        self.set_contained(key.incident, key.actor, now);
    }

    fn failed(&mut self, key: CallKey, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let mut open = vec![key.actor];
        if key.rung == Rung::DisarmRole {
            let suspects = self
                .incidents
                .get(&key.incident)
                .map(|i| i.suspects.clone());
            open.extend(suspects.into_iter().flatten().map(|suspect| suspect.id));
        }
        open.sort_unstable();
        open.dedup();
        for user in open {
            self.actor(user).tried.insert(key.rung);
            if !matches!(self.actor_state(user), State::Acting { .. }) {
                continue;
            }
            self.contain_one(key.incident, user, structure, now, out);
            if matches!(self.actor_state(user), State::Unreachable { .. })
                && let Some(incident) = self.incidents.get_mut(&key.incident)
                && !incident.suspects.iter().any(|s| s.contained.is_some())
            {
                incident.state = IncidentState::Failed;
            }
        }
    }

    /// Roles that were asked for.
    pub(super) fn on_member(
        &mut self,
        user: Id,
        raw: &Value,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        match raw.is_object() {
            true => self.members.learn(structure, raw, now, false),
            false => self.members.absent(user, now),
        }
        self.actor(user).fetched = true;
        self.settle_doubts_about(user, structure, now, out);
        if matches!(self.actor_state(user), State::Unreachable { .. }) {
            self.reach_again(0, structure, now, out);
        }
        let waiting = matches!(self.actor_state(user), State::Acting { .. });
        let Some(incident) = self.actor(user).incident.filter(|_| waiting) else {
            return;
        };
        let sent = self.incidents.get(&incident).is_some_and(|i| {
            let mut calls = i.calls.iter();
            calls.any(|c| c.call.key.actor == user && c.outcome.is_none())
        });
        if sent {
            return;
        }
        // Judged anew: an administrator or a bot may do more than somebody unknown.
        let windows = self
            .actors
            .get(&user)
            .map(|a| a.windows.clone())
            .unwrap_or_default();
        let at = windows.last();
        let kinds: Vec<_> = windows.kinds().collect();
        let mut over = kinds
            .iter()
            .flat_map(|kind| self.rules_of_kind(user, *kind, structure, at))
            .chain(self.rules_of_points(user, structure, at));
        let found = self.incidents.get(&incident);
        let by_instant = found.is_some_and(|i| {
            let instants = |rule: &crate::incident::Rule| {
                !matches!(
                    rule,
                    crate::incident::Rule::Limit {
                        together: false,
                        ..
                    } | crate::incident::Rule::Points {
                        together: false,
                        ..
                    }
                )
            };
            i.rules.iter().any(instants)
        });
        if !by_instant && over.next().is_none() || self.is_spared(user, structure) {
            self.actor(user).state = State::Suspect {
                until: now.plus(10 * MINUTE),
            };
            self.actor(user).incident = None;
            if let Some(incident) = self.incidents.get_mut(&incident) {
                incident.suspects.retain(|s| s.id != user);
                if incident.suspects.is_empty() {
                    incident.state = IncidentState::Closed;
                }
            }
        } else {
            self.contain_one(incident, user, structure, now, out);
        }
        self.publish(incident, false, now, out);
    }
}
