//! Whoever stood above the bot, once they do no more.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use splashtail_guild::{Id, Structure};

use super::Engine;
use super::contain::MAX_LATE;
use crate::actor::State;
use crate::bits::{BAN_MEMBERS, KICK_MEMBERS, MANAGE_ROLES, PANIC, POWER};
use crate::effect::Effect;
use crate::incident::{MAX_ACTS, Rule};
use crate::members::permissions;
use crate::moment::{DAY, MINUTE, Moment};

/// Whoever could not be stopped is stopped as soon as that is no longer so, for so long.
pub(super) const WAITS_FOR: u64 = 30 * DAY;
/// People that a server waits for; who began first is let go first.
const MOST: usize = 256;
/// Members that are asked for together. The next are asked for with the answers.
const ASKED_AT_ONCE: usize = 8;
/// A question without an answer is asked again after so long.
const ASKED_AGAIN: u64 = MINUTE;
/// Whoever was quiet for so long begins a new attack.
const QUIET: u64 = 10 * MINUTE;

impl Engine {
    /// Whether the bot's rank lets it act on somebody, as far as their roles are known.
    pub(super) fn stands_above(&self, user: Id, structure: &Structure) -> bool {
        let sight = self.sight(structure);
        let roles = sight.roles(user);
        roles.is_none_or(|roles| !sight.outranks(user, &roles))
    }

    /// Nothing can be done about somebody for now.
    pub(super) fn set_unreachable(
        &mut self,
        incident: Id,
        user: Id,
        structure: &Structure,
        now: Moment,
    ) {
        let above = self.stands_above(user, structure);
        let until = now.plus(WAITS_FOR);
        self.actor(user).state = State::Unreachable { until, above };
        let open = self.incidents.get_mut(&incident);
        if let Some(suspect) = open.and_then(|i| i.suspects.iter_mut().find(|s| s.id == user)) {
            suspect.unreachable = true;
        }
        let waiting = self.actors.iter().filter_map(|(id, actor)| {
            let State::Unreachable { until, .. } = actor.state else {
                return None;
            };
            (*id != user).then_some((until, *id))
        });
        let waiting: Vec<(Moment, Id)> = waiting.collect();
        if waiting.len() >= MOST
            && let Some((_, first)) = waiting.into_iter().min()
        {
            self.actor(first).state = State::Idle;
        }
    }

    /// Whether somebody out of reach was quiet for so long that what they do now is another attack.
    pub(super) fn begins_anew(&self, user: Id, now: Moment) -> bool {
        let Some(actor) = self.actors.get(&user) else {
            return false;
        };
        let last = actor.incident.and_then(|id| self.incidents.get(&id));
        // Of acts that find no room it is known only that there are more.
        let last = last.map(|i| match i.acts.last() {
            Some(act) if i.acts.len() < MAX_ACTS => act.at,
            _ => i.updated,
        });
        matches!(actor.state, State::Unreachable { .. })
            && last.is_none_or(|last| now.since(last) >= QUIET)
    }

    /// Whether the owner has cleared somebody since: by trust, by a window of maintenance for all
    /// that they did, or by having such acts only told.
    fn is_cleared(&self, user: Id, incident: Id) -> bool {
        let roles = self.members.get(user).map(|member| member.roles.as_slice());
        if self.policy.trusts(user, roles.unwrap_or_default()) {
            return true;
        }
        let Some(open) = self.incidents.get(&incident) else {
            return false;
        };
        let by_number = |rule: &Rule| matches!(rule, Rule::Limit { .. } | Rule::Points { .. });
        let by_number = open.rules.iter().all(by_number);
        let acts = open.acts.iter().filter(|act| act.actor == Some(user));
        let mut covered = acts.map(|act| {
            let only_told = by_number && self.policy.only_tells(act.kind);
            only_told || self.policy.is_maintained(user, act.kind, act.at)
        });
        // Of acts that found no room nothing is known.
        let all_known = open.acts_in_all as usize == open.acts.len();
        all_known && covered.next() == Some(true) && covered.all(|it| it)
    }

    /// Lets go of those whom the owner has cleared.
    pub(super) fn release_cleared(&mut self) {
        let cleared = self.actors.iter().filter_map(|(user, actor)| {
            let waits = matches!(actor.state, State::Unreachable { .. });
            let incident = actor.incident.filter(|_| waits)?;
            self.is_cleared(*user, incident).then_some(*user)
        });
        let cleared: Vec<Id> = cleared.collect();
        for user in cleared {
            let actor = self.actor(user);
            actor.state = State::Idle;
            actor.tried.clear();
        }
    }

    /// Takes up again those whom nothing could be done about, all of an incident together. To be
    /// called when a role or one of their members changed; `gained` are permissions that the bot did
    /// not have before.
    pub(super) fn reach_again(
        &mut self,
        gained: u64,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let kept = self.reach_at.take().map_or(0, |(_, gained)| gained);
        let gained = gained | kept;
        let armed = gained & (MANAGE_ROLES | KICK_MEMBERS | BAN_MEMBERS) != 0;
        let mut reached: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (user, actor) in &self.actors {
            let (State::Unreachable { above, .. }, Some(incident)) = (actor.state, actor.incident)
            else {
                continue;
            };
            let open = self.incidents.get(&incident);
            if !(above || armed) || !open.is_some_and(|i| self.goes_on(i)) {
                continue;
            }
            if self.sight(structure).roles(*user).is_none() {
                unknown.push(*user);
            } else if !self.stands_above(*user, structure)
                && !self.is_spared(*user, structure)
                && !self.is_cleared(*user, incident)
            {
                reached.entry(incident).or_default().push(*user);
            }
        }
        self.ask_for(unknown, now, out);
        for (incident, users) in reached {
            // They go on waiting: their turn comes when that is over.
            if let Some(until) = self.is_broken_until(now) {
                self.begin_panic(incident, PANIC, structure, now, out);
                self.reach_at = Some((until, gained));
                continue;
            }
            for user in &users {
                if !self.was_armed(*user, structure) && self.late.len() < MAX_LATE {
                    self.late.insert(*user);
                }
                let actor = self.actor(*user);
                actor.state = State::Idle;
                // What was refused or out of the question may work now.
                actor.tried.clear();
                actor.round = actor.round.saturating_add(1);
            }
            if let Some(open) = self.incidents.get_mut(&incident) {
                let suspects = open.suspects.iter_mut();
                let suspects = suspects.filter(|s| users.contains(&s.id));
                suspects.for_each(|s| s.unreachable = false);
            }
            self.contain(incident, &users, structure, now, out);
            self.publish(incident, true, now, out);
        }
    }

    /// Whether somebody's roles give power, or would without the panic. Whoever lost it in another way
    /// needs no answer any more.
    fn was_armed(&self, user: Id, structure: &Structure) -> bool {
        let roles = self.sight(structure).roles(user).unwrap_or_default();
        let taken = self.panic.iter().flat_map(|panic| &panic.taken);
        let taken =
            taken.filter(|taken| taken.role == structure.id() || roles.contains(&taken.role));
        let had = taken.fold(permissions(structure, user, &roles), |all, t| all | t.taken);
        had & POWER != 0
    }

    /// When those are to be taken up whose turn did not come.
    pub(super) fn reach_later(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.reach_at.is_some_and(|(at, _)| at <= now) {
            self.reach_again(0, structure, now, out);
        }
    }

    /// Has members fetched of whom nothing is known, as after a start.
    fn ask_for(&mut self, unknown: Vec<Id>, now: Moment, out: &mut Vec<Effect>) {
        let unknown: BTreeSet<Id> = unknown.into_iter().collect();
        self.asked_for
            .retain(|user, at| unknown.contains(user) && now.since(*at) < ASKED_AGAIN);
        for user in unknown {
            if self.asked_for.len() >= ASKED_AT_ONCE {
                break;
            }
            if let Entry::Vacant(place) = self.asked_for.entry(user) {
                place.insert(now);
                out.push(Effect::FetchMember { user });
            }
        }
    }
}
