//! One server's engine.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_antinuke::{Engine, Incident, Mode, Moment, Policy, Saved, TagKey};
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_guild::{Id, Kind, Structure};
use tracing::error;

use super::past::{Past, Writing};
use super::policies::Written;
use crate::guilds::GuildView;

/// Between two attempts to read a server that could not be read; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
    /// Since when events may be missing behind which the log was not read yet: milliseconds of the
    /// monotonic clock, or [`NOTHING_LOST`].
    lost: AtomicI64,
}

const NOTHING_LOST: i64 = i64::MAX;

struct Inner {
    engine: Engine,
    view: GuildView,
    knowledge: Knowledge,
    /// A state is written down, or about to be.
    has_state: bool,
    /// What could not be read is left alone until then, by the monotonic clock.
    not_before: Duration,
    pause: Duration,
    /// The log is to be read from here: what came later may not have been told.
    missed: Option<Moment>,
    past: Past,
}

/// What is known of what was written down. Nothing is overwritten that was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// The database did not answer yet: all is judged by the defaults, in a dry run.
    Nothing,
    /// The policy cannot be used: the same.
    NoPolicy,
    /// The policy holds, the state begins anew and is not written.
    NoState,
    All,
}

impl Server {
    /// Of which nothing was read yet.
    pub(super) fn new(me: Id, view: &GuildView, tags: TagKey, now: Moment) -> Self {
        let guild = Id::new(view.id().get());
        Self {
            guild: view.id(),
            judges: AtomicBool::new(true),
            inner: Mutex::new(Inner {
                engine: Engine::new(guild, me, Arc::default(), tags),
                view: view.clone(),
                knowledge: Knowledge::Nothing,
                has_state: false,
                not_before: Duration::ZERO,
                pause: FIRST_PAUSE,
                missed: None,
                past: Past::new(now),
            }),
            wake: AtomicU64::new(u64::MAX),
            dirty: AtomicBool::new(false),
            lost: AtomicI64::new(NOTHING_LOST),
        }
    }

    /// Takes in what was written down. `policy` gives it as it was read last: it is asked for while
    /// nobody else learns, so nothing older follows what is newer. The state is taken once: later it
    /// is this process's own.
    pub(super) fn learn(&self, policy: impl FnOnce() -> Arc<Written>, state: Option<String>) {
        let mut inner = self.lock();
        (inner.not_before, inner.pause) = (Duration::ZERO, FIRST_PAUSE);
        let fresh = matches!(inner.knowledge, Knowledge::Nothing | Knowledge::NoPolicy);
        let policy = match &*policy() {
            Ok(policy) => Arc::clone(policy),
            Err(error) => {
                error!(guild.id = %self.guild, error = %Chain(error), "a server's policy cannot be read");
                if inner.knowledge == Knowledge::Nothing {
                    inner.knowledge = Knowledge::NoPolicy;
                }
                return;
            }
        };
        if !fresh {
            if policy != *inner.engine.policy() {
                self.go_by(&mut inner.engine, policy);
            }
            return;
        }
        if state.is_none() && *policy == Policy::default() {
            // What was counted by the defaults was counted rightly.
            inner.knowledge = Knowledge::All;
            return;
        }
        inner.has_state = state.is_some();
        let saved = state.map_or(Ok(Saved::default()), |text| serde_json::from_str(&text));
        let saved: Saved = match saved {
            Ok(saved) => {
                inner.knowledge = Knowledge::All;
                saved
            }
            Err(error) => {
                error!(guild.id = %self.guild, %error, "a server's state cannot be read");
                inner.knowledge = Knowledge::NoState;
                Saved::default()
            }
        };
        // What was told so far was judged by the defaults, and is told again.
        let told = inner.engine.first().map(Moment::of);
        // Where no entry was seen yet, what was counted tells until when somebody listened.
        let counted = saved.actors.values().map(|actor| actor.windows.last());
        let counted = counted.max().filter(|last| last.0 > 0);
        let known = saved.highest.map(Moment::of).or(counted);
        inner.missed = known.into_iter().chain(told).min();
        inner.engine.resume(Arc::clone(&policy), saved);
        self.go_by(&mut inner.engine, policy);
    }

    fn go_by(&self, engine: &mut Engine, policy: Arc<Policy>) {
        let judges = policy.mode != Mode::Off;
        self.judges.store(judges, Ordering::Relaxed);
        engine.set_policy(policy);
        let wake = engine.next_wake().map_or(u64::MAX, |wake| wake.0);
        self.wake.store(wake, Ordering::Relaxed);
    }

    /// It could not be read: it will be tried again.
    pub(super) fn is_unread(&self, now: Duration) {
        let mut inner = self.lock();
        inner.not_before = now + inner.pause;
        inner.pause = (inner.pause * 2).min(LONGEST_PAUSE);
    }

    /// Whether it may be tried to read it.
    pub(super) fn may_be_read(&self, now: Duration) -> bool {
        self.lock().not_before <= now
    }

    /// There is news of it.
    pub(super) fn read_soon(&self) {
        self.lock().not_before = Duration::ZERO;
    }

    /// Whether its state has to be read with its settings.
    pub(super) fn is_fresh(&self) -> bool {
        let knowledge = self.lock().knowledge;
        matches!(knowledge, Knowledge::Nothing | Knowledge::NoPolicy)
    }

    pub(super) fn knows_policy(&self) -> bool {
        !self.is_fresh()
    }

    /// Where alerts go, once that is known.
    pub(super) fn alert_channel(&self) -> Option<Option<Id>> {
        let known = self.knows_policy();
        known.then(|| self.lock().engine.policy().alert_channel)
    }

    /// Nothing was read of it yet.
    pub(super) fn is_cold(&self) -> bool {
        self.lock().knowledge == Knowledge::Nothing
    }

    /// From when on the log has to be read, once.
    pub(super) fn take_missed(&self) -> Option<Moment> {
        self.lock().missed.take()
    }

    /// Events may be missing of the time that ends now.
    pub(super) fn lose(&self, now: Duration, lasted: Duration) {
        let since = milliseconds(now).saturating_sub(milliseconds(lasted));
        self.lost.fetch_min(since, Ordering::Relaxed);
    }

    pub(super) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed) != NOTHING_LOST
    }

    /// How many milliseconds ago the time began of which events may be missing, once.
    pub(super) fn take_lost(&self, now: Duration) -> Option<u64> {
        let since = self.lost.swap(NOTHING_LOST, Ordering::Relaxed);
        let ago = milliseconds(now).saturating_sub(since);
        (since != NOTHING_LOST).then(|| u64::try_from(ago).unwrap_or_default())
    }

    #[cfg(test)]
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(self.lock().engine.policy())
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

    /// A message was written; nothing is judged, so the structure is not opened.
    pub(super) fn note_message(&self, channel: Id, message: Id) {
        self.lock().engine.note_message(channel, message);
    }

    /// Asks the engine, which may change.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&mut Engine, &Structure) -> T) -> T {
        let mut inner = self.lock();
        let Inner { engine, view, .. } = &mut *inner;
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

    /// Its state, when it changed since this was asked last and may replace what is written.
    pub(super) fn changed(&self) -> Option<Saved> {
        let mut inner = self.lock();
        let may = inner.knowledge == Knowledge::All;
        if !may || !self.dirty.swap(false, Ordering::Relaxed) {
            return None;
        }
        let saved = inner.engine.save();
        // A server in which nothing was ever counted or seen needs no row.
        inner.has_state |= !saved.is_empty();
        inner.has_state.then_some(saved)
    }

    /// Something is to be written down.
    pub(super) fn is_unsaved(&self) {
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Remembers what an event changed, and who held the roles that it deleted.
    pub(super) fn note(&self, view: &GuildView, now: Moment) {
        let changes = view.delta().changes();
        if changes.is_empty() {
            return;
        }
        let mut inner = self.lock();
        let Inner { engine, past, .. } = &mut *inner;
        for change in changes
            .iter()
            .filter(|c| c.kind == Kind::Role && c.after.is_none())
        {
            let all = engine.members().iter();
            let holders = all.filter(|(_, m)| m.gone.is_none() && m.roles.contains(&change.id));
            past.note_holders(change.id, holders.map(|(user, _)| user).collect(), now);
        }
        past.note(view.delta(), view.structure(Structure::clone), now);
    }

    pub(super) fn past<T>(&self, ask: impl FnOnce(&mut Past) -> T) -> T {
        ask(&mut self.lock().past)
    }

    /// Has the server kept as it was before an incident, and tells of the latest of it, whole: nobody
    /// can change it meanwhile. `incident`: what it is when the engine has forgotten it.
    pub(super) fn pin(&self, incident: Incident, tell: impl FnOnce(Incident)) {
        let mut inner = self.lock();
        let Inner { engine, past, .. } = &mut *inner;
        let latest = engine.incident(incident.id).cloned();
        let latest = latest.unwrap_or(incident);
        past.pin(&latest);
        tell(latest);
    }

    /// Whether its past is written whole, and all that changes will be noted.
    pub(super) fn is_watched(&self) -> bool {
        let inner = self.lock();
        self.judges() && inner.view.is_available() && inner.past.is_written()
    }

    /// What is to be written of its past. Nobody knows what happens in an outage.
    pub(super) fn take_past(&self, until: Moment, now: Duration) -> Option<Writing> {
        let mut inner = self.lock();
        let Inner { view, past, .. } = &mut *inner;
        let unseen = view.out_since().map(|since| now.saturating_sub(since));
        let unseen = unseen.map(|unseen| u64::try_from(unseen.as_millis()).unwrap_or(u64::MAX));
        let until = until.minus(unseen.unwrap_or_default());
        past.take(until, || view.structure(Structure::clone))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(NOTHING_LOST - 1)
}
