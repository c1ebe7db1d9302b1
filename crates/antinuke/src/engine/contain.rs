//! What is done about it.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::retention::bounded;
use super::{Engine, OwnCall};
use crate::act::Act;
use crate::actor::State;
use crate::bits::{self, PANIC, POWER};
use crate::effect::{Call, Effect, Reason, Rung, Timing};
use crate::incident::{CallRecord, IncidentState, MAX_CALLS, Rule};
use crate::ladder::{self, Case, Next};
use crate::members::{permissions, role_bits};
use crate::moment::{DAY, MINUTE, Moment, SECOND};
use crate::policy::Mode;

/// A step that has no answer for so long is given up for the next.
pub(super) const STUCK: u64 = 2 * SECOND;
/// Acts that were on their way when somebody was contained.
const IN_FLIGHT: u64 = 2 * SECOND;
/// Punishments in a minute after which something is wrong with us, and only permissions are taken.
const BREAKER: usize = 10;
/// People contained in a minute, and colluders, from which on it is more than a few.
const MANY_CONTAINED: usize = 3;
const MANY_COLLUDERS: usize = 3;

/// Suspects whose acts were read in the log.
pub(super) const MAX_LATE: usize = 256;

impl Engine {
    /// Somebody who was contained acts again.
    pub(super) fn went_on(
        &mut self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let state = self.actor_state(actor);
        let open = self.actors.get(&actor).and_then(|a| a.incident);
        let Some(incident) = open.filter(|id| self.incidents.contains_key(id)) else {
            return;
        };
        let again = match state {
            State::Contained { since } => act.at() > since.plus(IN_FLIGHT),
            State::Watch { .. } => true,
            // Their next attack is told anew.
            State::Unreachable { .. } if self.begins_anew(actor, now) => return,
            State::Acting { .. } | State::Unreachable { .. } => false,
            State::Idle | State::Suspect { .. } => return,
        };
        self.add_evidence(actor, act, raw, structure, now, out);
        let acts = self
            .incidents
            .get(&incident)
            .is_some_and(|i| i.mode == Mode::On);
        if again && acts && act.destructive {
            let held = self.actor(actor);
            held.state = State::Idle;
            held.round = held.round.saturating_add(1);
            if let Some(open) = self.incidents.get_mut(&incident) {
                open.note_rule(Rule::WentOn);
            }
            self.contain(incident, &[actor], structure, now, out);
            self.publish(incident, false, now, out);
        }
    }

    /// Contains suspects of an incident, with as few calls as stop them all.
    pub(super) fn contain(
        &mut self,
        incident: Id,
        who: &[Id],
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.reads_log && self.late.len() < MAX_LATE {
            self.late.extend(who);
        }
        let mut open: Vec<Id> = who
            .iter()
            .copied()
            .filter(|user| !self.is_spared(*user, structure) && !self.actor(*user).is_held())
            .collect();
        if self.is_broken_until(now).is_some() {
            // Whoever stands above the bot cannot be punished, and waits all the same.
            open.retain(|user| self.sight(structure).roles(*user).is_some());
            open.retain(|user| self.stands_above(*user, structure));
            for user in open {
                self.set_unreachable(incident, user, structure, now);
            }
            self.begin_panic(incident, PANIC, structure, now, out);
            return;
        }
        if let Some(known) = self.incidents.get_mut(&incident) {
            known.state = IncidentState::Containing;
            for suspect in known.suspects.iter_mut().filter(|s| who.contains(&s.id)) {
                let state = self.actors.get(&suspect.id).map(|actor| actor.state);
                suspect.unreachable |= matches!(state, Some(State::Unreachable { .. }));
            }
            // Nobody is left to hold when all were held before: no answer will come that says so.
            if open.is_empty() {
                for suspect in known.suspects.iter_mut().filter(|s| who.contains(&s.id)) {
                    if self
                        .actors
                        .get(&suspect.id)
                        .is_some_and(|actor| actor.is_contained())
                    {
                        suspect.contained.get_or_insert(now);
                    }
                }
                known.settle();
            }
        }
        // In a panic the role loses what all others lost.
        let mask = POWER | self.panic.as_ref().map_or(0, |panic| panic.mask);
        while let Some((role, held)) = self.best_role(&open, structure) {
            let case_of = held[0];
            let call = self.with_case(incident, case_of, |case, engine| {
                ladder::disarm(&case, engine.sight(structure), Rung::DisarmRole, role, mask)
            });
            let Some(call) = call else { break };
            for user in &held {
                self.punished.push_back(now);
                self.actor(*user).state = State::Acting { since: now };
            }
            self.issue(incident, call, structure, now, out);
            open.retain(|user| !held.contains(user));
        }
        for user in open {
            self.contain_one(incident, user, structure, now, out);
        }
        let suspects = self
            .incidents
            .get(&incident)
            .map_or(0, |i| i.suspects.len());
        if suspects >= MANY_COLLUDERS || self.punished.len() > MANY_CONTAINED {
            self.begin_panic(incident, PANIC, structure, now, out);
        }
    }

    /// When people are punished again, if too many were within the minute.
    pub(super) fn is_broken_until(&mut self, now: Moment) -> Option<Moment> {
        self.punished.retain(|at| now.since(*at) < MINUTE);
        let broken = self.punished.len() >= BREAKER;
        let place = self.punished.len().checked_sub(BREAKER)?;
        self.punished
            .get(place)
            .filter(|_| broken)
            .map(|at| at.plus(MINUTE))
    }

    /// The role whose power holds most of these people, if one edit of it stops two of them.
    fn best_role(&self, open: &[Id], structure: &Structure) -> Option<(Id, Vec<Id>)> {
        let sight = self.sight(structure);
        if sight.my_permissions() & bits::MANAGE_ROLES == 0 {
            return None;
        }
        let mine = sight.roles(self.me).unwrap_or_default();
        let people = open.iter().filter(|user| !sight.is_bot(**user));
        let people: Vec<(Id, &[Id])> = people
            .filter(|user| {
                !self
                    .actors
                    .get(user)
                    .is_some_and(|a| a.tried.contains(&Rung::DisarmRole))
            })
            .filter_map(|user| Some((*user, self.members.get(*user)?.roles.as_slice())))
            .collect();
        let roles: BTreeSet<Id> = people
            .iter()
            .flat_map(|(_, roles)| roles.iter().copied())
            .collect();
        let candidates = roles.into_iter().filter(|role| {
            let managed = structure.get(Kind::Role, *role);
            role_bits(structure, *role) & POWER != 0
                && sight.is_below_me(*role)
                && !mine.contains(role)
                && managed.is_none_or(|r| r["managed"] != true)
        });
        let covered = candidates.map(|role| {
            let held = people.iter().filter(|(user, roles)| {
                let left: Vec<Id> = roles.iter().copied().filter(|r| *r != role).collect();
                roles.contains(&role) && permissions(structure, *user, &left) & POWER == 0
            });
            (role, held.map(|(user, _)| *user).collect::<Vec<_>>())
        });
        let best = covered.max_by_key(|(_, held)| held.len());
        best.filter(|(_, held)| held.len() >= 2)
    }

    pub(super) fn with_case<T>(
        &self,
        incident: Id,
        user: Id,
        build: impl FnOnce(Case<'_>, &Self) -> T,
    ) -> T {
        let (tried, round, fetched) = match self.actors.get(&user) {
            Some(actor) => (actor.tried.clone(), actor.round, actor.fetched),
            None => (BTreeSet::new(), 0, false),
        };
        let case = Case {
            incident,
            user,
            tried: &tried,
            round: if user == self.guild {
                self.round
            } else {
                round
            },
            fetched,
            late: self.late.contains(&user),
            bans_full: self.bans_full.is_some(),
            reason: Reason::Stopped,
        };
        build(case, self)
    }

    pub(super) fn contain_one(
        &mut self,
        incident: Id,
        user: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let policy = self.policy.clone();
        let next = self.with_case(incident, user, |case, engine| {
            let open = engine.incidents.get(&incident);
            let rules = open.map_or(&[][..], |open| &open.rules);
            ladder::next(case, engine.sight(structure), &policy, policy.ladder(rules))
        });
        match next {
            Next::Calls(calls) => {
                self.punished.push_back(now);
                self.actor(user).state = State::Acting { since: now };
                for call in calls {
                    self.issue(incident, call, structure, now, out);
                }
            }
            Next::Fetch => {
                let actor = self.actor(user);
                actor.state = State::Acting { since: now };
                if !std::mem::replace(&mut actor.asked, true) {
                    out.push(Effect::FetchMember { user });
                }
            }
            Next::Harmless => self.set_contained(incident, user, now),
            Next::Beyond(calls) => {
                self.set_unreachable(incident, user, structure, now);
                if let Some(open) = self.incidents.get_mut(&incident) {
                    open.state = IncidentState::Unreachable;
                }
                for call in calls {
                    self.issue(incident, call, structure, now, out);
                }
                self.begin_panic(incident, PANIC, structure, now, out);
                self.publish(incident, true, now, out);
            }
        }
    }

    /// Sends a call, once: the same one is never sent again. In dry run it is only written down.
    pub(super) fn issue(
        &mut self,
        incident: Id,
        call: Call,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let mine = self.sight(structure).my_permissions();
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        let again = open.calls.iter().any(|known| known.call.key == call.key);
        if again || open.calls.len() >= MAX_CALLS {
            return;
        }
        open.by_hand.extend(ladder::by_hand(&call, mine));
        open.calls.push(CallRecord {
            call: call.clone(),
            timing: Timing {
                sent: now,
                answered: Moment::default(),
            },
            outcome: None,
            returned: false,
        });
        if open.mode != Mode::On {
            open.state = IncidentState::DryRun;
            let holds = is_containing(call.key.rung);
            if holds && call.key.actor != self.guild {
                self.set_contained(incident, call.key.actor, now);
            }
            return;
        }
        open.times.sent.get_or_insert(now);
        if let Some(action) = call.action {
            bounded(&mut self.own, super::retention::MAX_PENDING).push_back(OwnCall {
                action,
                target: call.target,
                by: None,
                at: now,
                gives: call.key.rung == Rung::Return,
            });
        }
        out.push(Effect::Call(Box::new(call)));
    }

    pub(super) fn set_contained(&mut self, incident: Id, user: Id, now: Moment) {
        let mut covered = vec![user];
        if let Some(open) = self.incidents.get_mut(&incident) {
            let dry = open.mode != Mode::On;
            for suspect in &mut open.suspects {
                if suspect.id == user {
                    suspect.contained = Some(now);
                } else if dry && suspect.contained.is_none() {
                    covered.push(suspect.id);
                    suspect.contained = Some(now);
                }
            }
            open.settle();
        }
        for user in covered {
            self.actor(user).state = State::Contained { since: now };
        }
    }

    /// Moves every state on whose time is over.
    pub(super) fn step_states(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let mut stuck = Vec::new();
        let mut over = Vec::new();
        for (id, actor) in &mut self.actors {
            actor.state = match actor.state {
                State::Suspect { until } | State::Unreachable { until, .. } if now >= until => {
                    State::Idle
                }
                State::Unreachable { .. }
                    if actor
                        .incident
                        .is_none_or(|id| !self.incidents.contains_key(&id)) =>
                {
                    State::Idle
                }
                State::Watch { until } if now >= until => {
                    actor.tried.clear();
                    actor.incident = None;
                    State::Idle
                }
                State::Contained { since } if now.since(since) >= MINUTE => {
                    over.extend(actor.incident);
                    State::Watch {
                        until: since.plus(DAY),
                    }
                }
                State::Acting { since } if now.since(since) >= STUCK => {
                    stuck.push(*id);
                    State::Idle
                }
                state => state,
            };
        }
        // What came in meanwhile as evidence is written down with it.
        over.dedup();
        let late = over.iter().filter_map(|id| self.incidents.get(id));
        out.extend(late.map(|incident| Effect::Record(Box::new(incident.clone()))));
        for user in stuck {
            let Some(incident) = self.actor(user).incident else {
                continue;
            };
            let waiting: Vec<Rung> = self
                .incidents
                .get(&incident)
                .into_iter()
                .flat_map(|i| &i.calls)
                .filter(|c| c.call.key.actor == user && c.outcome.is_none())
                .map(|c| c.call.key.rung)
                .collect();
            let actor = self.actor(user);
            actor.tried.extend(waiting);
            // Whoever was asked for and did not come is nobody whose roles are known.
            actor.fetched |= actor.asked;
            self.contain_one(incident, user, structure, now, out);
            self.publish(incident, false, now, out);
        }
    }
}

/// Whether a step, done, holds its actor.
pub(super) fn is_containing(rung: Rung) -> bool {
    matches!(
        rung,
        Rung::TakeRoles | Rung::Kick | Rung::Ban | Rung::HoldBot | Rung::DisarmRole
    )
}
