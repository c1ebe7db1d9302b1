//! One server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::ids::{GuildId, ShardId};
use splashtail_guild::{Id, Structure};

use super::facts::Facts;
use super::membership::Membership;
use super::stored::Stored;
use crate::events::GapCause;

/// A server's state. Its events are applied one after another; everybody reads.
#[derive(Debug)]
pub(crate) struct Guild {
    id: GuildId,
    shard: ShardId,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) available: bool,
    /// Of a server that was there before.
    pub(super) out: Option<Outage>,
    pub(super) facts: Arc<Facts>,
    pub(super) membership: Membership,
    pub(super) structure: Stored,
}

/// Events of a server do not come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// Monotonic time of its beginning.
    pub(super) since: Duration,
    pub(super) cause: GapCause,
}

impl State {
    pub(super) fn goes_out(&mut self, outage: Outage) {
        if std::mem::replace(&mut self.available, false) {
            self.out = Some(outage);
        }
    }
}

impl Guild {
    pub(super) fn new(id: GuildId, shard: ShardId) -> Self {
        Self {
            id,
            shard,
            state: Mutex::new(State {
                available: false,
                out: None,
                facts: Arc::default(),
                membership: Membership::default(),
                structure: Stored::new(Id::new(id.get())),
            }),
        }
    }

    pub(crate) fn id(&self) -> GuildId {
        self.id
    }

    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(crate) fn is_available(&self) -> bool {
        self.state().available
    }

    pub(super) fn out_since(&self) -> Option<Duration> {
        self.state().out.map(|out| out.since)
    }

    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.state().facts)
    }

    pub(crate) fn structure<T>(&self, read: impl FnOnce(&Structure) -> T) -> T {
        read(self.state().structure.open())
    }

    /// Gives back the room that nobody needed since the last call.
    pub(super) fn rest(&self) {
        self.state().structure.rest();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
