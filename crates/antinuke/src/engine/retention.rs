//! What is kept, how much of it and for how long.

use std::collections::VecDeque;

use splashtail_guild::Id;

use super::{Engine, NOBODY};
use crate::actor::{Actor, State};
use crate::entry::Entry;
use crate::moment::{DAY, HOUR, MINUTE, Moment};

/// Entries remembered, so that none counts twice.
const SEEN: usize = 512;
/// Actors of one guild that are kept.
const MAX_ACTORS: usize = 4096;
/// Deeds waiting for their entry, or the other way round.
pub(super) const MAX_PENDING: usize = 512;
pub(super) const MAX_EVIDENCE: usize = 256;
pub(super) const MAX_OBJECTS: usize = 512;
pub(super) const MAX_INCIDENTS: usize = 32;
pub(super) const MAX_WEBHOOKS: usize = 256;

impl Engine {
    pub(super) fn forget(&mut self, now: Moment) {
        self.members.forget(now);
        self.evidence
            .retain(|e| now.since(e.act.at()) < 30 * MINUTE);
        self.graveyard
            .retain(|(_, _, _, at)| now.since(*at) < 15 * MINUTE);
        self.made.retain(|_, (_, at)| now.since(*at) < DAY);
        self.inviters.retain(|_, (_, at)| now.since(*at) < 30 * DAY);
        self.held_bots.retain(|_, (_, at)| now.since(*at) < MINUTE);
        self.merged
            .retain(|_, merged| now.since(merged.at) < 5 * MINUTE);
        self.told.retain(|_, at| now.since(*at) < HOUR);
        self.explained.retain(|(_, _, at)| now.since(*at) < MINUTE);
        self.own.retain(|own| now.since(own.at) < MINUTE);
        // As long as their marks can hold.
        self.effects.retain(|(_, _, at)| now.since(*at) < 3 * HOUR);
        self.timed_out
            .retain(|(_, at)| now.since(*at) < 10 * MINUTE);
        self.webhooks
            .retain(|_, posts| posts.last().is_some_and(|at| now.since(at) < MINUTE));
        let actors = &self.actors;
        self.late
            .retain(|user| actors.get(user).is_some_and(|actor| actor.is_held()));
        for actor in self.actors.values_mut() {
            actor.windows.forget(now);
        }
        self.actors.retain(|_, actor| {
            actor.state != State::Idle || now.since(actor.windows.last()) < 2 * DAY
        });
        while self.incidents.len() > MAX_INCIDENTS {
            let idle = self.incidents.iter().find(|(id, incident)| {
                !incident.is_open() || now.since(incident.updated) > DAY && !self.is_needed(**id)
            });
            let oldest = idle
                .or_else(|| self.incidents.iter().next())
                .map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.incidents.remove(&oldest);
        }
    }

    pub(super) fn is_needed(&self, incident: Id) -> bool {
        self.actors
            .values()
            .any(|a| a.incident == Some(incident) && a.is_held())
            || self.panic.as_ref().is_some_and(|p| p.incident == incident)
    }

    pub(super) fn actor(&mut self, user: Id) -> &mut Actor {
        if !self.actors.contains_key(&user) && self.actors.len() >= MAX_ACTORS {
            self.evict();
        }
        self.actors.entry(user).or_default()
    }

    /// Makes room for many, so that it is seldom needed: those that were quiet for longest go.
    pub(super) fn evict(&mut self) {
        let idle = self.actors.iter().filter(|(id, actor)| {
            matches!(actor.state, State::Idle | State::Suspect { .. }) && **id != NOBODY
        });
        let mut idle: Vec<(Moment, Id)> = idle
            .map(|(id, actor)| (actor.windows.last(), *id))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle.into_iter().take(MAX_ACTORS / 16) {
            self.actors.remove(&id);
        }
    }

    /// Whether the entry is new.
    pub(super) fn is_new(&mut self, entry: &Entry<'_>) -> bool {
        if !self.seen.1.insert(entry.id) {
            return false;
        }
        self.seen.0.push_back(entry.id);
        if self.seen.0.len() > SEEN
            && let Some(oldest) = self.seen.0.pop_front()
        {
            self.seen.1.remove(&oldest);
        }
        self.highest = self.highest.max(entry.id);
        true
    }
}

/// The queue with room for one more.
pub(super) fn bounded<T>(queue: &mut VecDeque<T>, most: usize) -> &mut VecDeque<T> {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue
}
