//! One server's engine.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use splashtail_antinuke::{Engine, Mode, Moment, Policy, Saved, TagKey};
use splashtail_core::ids::GuildId;
use splashtail_guild::{Id, Structure};
use splashtail_storage::ProtectionRow;

use crate::guilds::GuildView;

/// The engine is asked by one event at a time; everything else waits for its turn.
pub(super) struct Server {
    pub(super) guild: GuildId,
    inner: Mutex<Inner>,
    /// When the engine wants to be asked again, by the pulse.
    wake: AtomicU64,
    /// Whether anything is judged here at all.
    judges: AtomicBool,
    /// Something changed since it was written down.
    dirty: AtomicBool,
    /// Of the policy, as it was read.
    pub(super) version: AtomicI64,
}

struct Inner {
    engine: Engine,
    view: GuildView,
}

impl Server {
    /// From what was written down; a document of another program's version counts as none.
    pub(super) fn new(me: Id, view: &GuildView, tags: TagKey, row: Option<ProtectionRow>) -> Self {
        let guild = Id::new(view.id().get());
        let read = |text: Option<&String>| text.map(String::as_str).unwrap_or("{}").to_owned();
        let policy = read(row.as_ref().and_then(|row| row.policy.as_ref()));
        let policy: Policy = serde_json::from_str(&policy).unwrap_or_default();
        let saved = row.as_ref().and_then(|row| row.state.as_deref());
        let saved = saved.and_then(|text| serde_json::from_str::<Saved>(text).ok());
        let saved = saved.unwrap_or_default();
        Self {
            guild: view.id(),
            judges: AtomicBool::new(policy.mode != Mode::Off),
            inner: Mutex::new(Inner {
                engine: Engine::warm(guild, me, Arc::new(policy), tags, saved),
                view: view.clone(),
            }),
            wake: AtomicU64::new(u64::MAX),
            dirty: AtomicBool::new(false),
            version: AtomicI64::new(row.map_or(0, |row| row.version)),
        }
    }

    /// The server as it is from now on.
    pub(super) fn see(&self, view: &GuildView) {
        let members = view.facts().member_count;
        let mut inner = self.lock();
        inner.view = view.clone();
        inner.engine.count_members(members);
    }

    pub(super) fn judges(&self) -> bool {
        self.judges.load(Ordering::Relaxed)
    }

    pub(super) fn set_policy(&self, policy: Arc<Policy>) {
        self.judges
            .store(policy.mode != Mode::Off, Ordering::Relaxed);
        self.ask(|engine, _| engine.set_policy(policy));
    }

    /// Asks the engine, which may change.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&mut Engine, &Structure) -> T) -> T {
        let mut inner = self.lock();
        let Inner { engine, view } = &mut *inner;
        let answer = view.structure(|structure| ask(engine, structure));
        let wake = engine.next_wake().map_or(u64::MAX, |wake| wake.0);
        self.wake.store(wake, Ordering::Relaxed);
        answer
    }

    /// Reads without changing anything.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Engine, &Structure) -> T) -> T {
        let inner = self.lock();
        inner
            .view
            .structure(|structure| read(&inner.engine, structure))
    }

    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.wake.load(Ordering::Relaxed) <= now.0
    }

    /// Its state, when it changed since this was asked last.
    pub(super) fn changed(&self) -> Option<Saved> {
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return None;
        }
        let inner = self.lock();
        Some(inner.engine.save())
    }

    /// Something is to be written down.
    pub(super) fn is_unsaved(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
