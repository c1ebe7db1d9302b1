use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::StorageError;
use tracing::warn;

use super::changes::Hear;

/// A value is read anew when it is older, whatever was heard or not heard.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Guilds that are kept at a time; the least used ones go.
const MAX_GUILDS: u64 = 20_000;
/// Between two attempts to read in the background what could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Where values come from.
#[async_trait]
pub trait Source<V>: Send + Sync {
    /// The value and the version of the guild's settings, read before it: the value may be newer,
    /// never older.
    async fn load(&self, guild: GuildId) -> Result<(i64, V), StorageError>;
}

/// One value per guild.
pub struct Kept<V> {
    slots: Cache<GuildId, Arc<Slot<V>>>,
    source: Box<dyn Source<V>>,
    clock: SharedClock,
}

struct Slot<V> {
    /// Held while reading, so that who asks meanwhile waits for the same answer.
    reading: tokio::sync::Mutex<()>,
    state: Mutex<State<V>>,
}

struct State<V> {
    value: Option<Read<V>>,
    /// The newest version that anybody spoke of.
    heard: i64,
    /// How often the value was doubted.
    doubts: u64,
    /// When the background may try again.
    not_before: Duration,
}

struct Read<V> {
    value: Arc<V>,
    version: i64,
    /// Those before it was read.
    doubts: u64,
    at: Duration,
}

impl<V: Send + Sync + 'static> Kept<V> {
    pub fn new(source: impl Source<V> + 'static, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            slots: Cache::new(MAX_GUILDS),
            source: Box::new(source),
            clock,
        })
    }

    /// The guild's value, at most five minutes old and no older than the last change heard of.
    ///
    /// # Errors
    /// It had to be read and could not be.
    pub async fn get(&self, guild: GuildId) -> Result<Arc<V>, StorageError> {
        let slot = self.slot(guild);
        if let Some(value) = slot.fresh(self.clock.monotonic()) {
            return Ok(value);
        }
        let _reading = slot.reading.lock().await;
        // Somebody else may have read it while we waited.
        if let Some(value) = slot.fresh(self.clock.monotonic()) {
            return Ok(value);
        }
        let at = self.clock.monotonic();
        let doubts = slot.lock().doubts;
        let (version, value) = self.source.load(guild).await?;
        let value = Arc::new(value);
        slot.lock().value = Some(Read {
            value: Arc::clone(&value),
            version,
            doubts,
            at,
        });
        Ok(value)
    }

    /// What is known of the guild, without waiting for anything: `None` until it was read once.
    /// What is not fresh any more is read anew behind the answer, and stays the answer for as long
    /// as the database is away. Needs a running tokio runtime.
    pub fn last_known(self: &Arc<Self>, guild: GuildId) -> Option<Arc<V>> {
        let slot = self.slot(guild);
        let now = self.clock.monotonic();
        if let Some(value) = slot.fresh(now) {
            return Some(value);
        }
        let mut state = slot.lock();
        if now >= state.not_before {
            state.not_before = now + PAUSE;
            let kept = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = kept.get(guild).await {
                    warn!(guild.id = %guild, error = %Chain(&error), "going on with what was known");
                }
            });
        }
        state.value.as_ref().map(|read| Arc::clone(&read.value))
    }

    /// The guild's value as it was read last, whether it still holds or not. Reads nothing.
    pub fn as_read(&self, guild: GuildId) -> Option<Arc<V>> {
        let slot = self.slots.get(&guild)?;
        let state = slot.lock();
        state.value.as_ref().map(|read| Arc::clone(&read.value))
    }

    /// Whether [`Kept::get`] has nothing to read, for who is to act when a value changes.
    pub fn is_fresh(&self, guild: GuildId) -> bool {
        let slot = self.slots.get(&guild);
        slot.is_some_and(|slot| slot.fresh(self.clock.monotonic()).is_some())
    }

    fn slot(&self, guild: GuildId) -> Arc<Slot<V>> {
        self.slots.get_with(guild, || {
            Arc::new(Slot {
                reading: tokio::sync::Mutex::default(),
                state: Mutex::new(State {
                    value: None,
                    heard: 0,
                    doubts: 0,
                    not_before: Duration::ZERO,
                }),
            })
        })
    }
}

impl<V: Send + Sync + 'static> Hear for Kept<V> {
    fn changed(&self, guild: GuildId, version: i64) {
        // Who is not kept is read when it is asked for.
        if let Some(slot) = self.slots.get(&guild) {
            let mut state = slot.lock();
            state.heard = state.heard.max(version);
            state.not_before = Duration::ZERO;
        }
    }

    fn doubted(&self, guild: GuildId) {
        if let Some(slot) = self.slots.get(&guild) {
            slot.doubt();
        }
    }

    fn all_changed(&self) {
        // What was known stays known: it is the answer until it was read anew.
        for (_, slot) in &self.slots {
            slot.doubt();
        }
    }
}

impl<V> Slot<V> {
    fn fresh(&self, now: Duration) -> Option<Arc<V>> {
        let state = self.lock();
        let read = state.value.as_ref()?;
        let told = read.version >= state.heard && read.doubts == state.doubts;
        let fresh = told && now.saturating_sub(read.at) < MAX_AGE;
        fresh.then(|| Arc::clone(&read.value))
    }

    fn doubt(&self) {
        let mut state = self.lock();
        state.doubts += 1;
        state.not_before = Duration::ZERO;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;

    use super::*;

    /// A database of one number, its version.
    struct Database {
        version: AtomicI64,
        reads: AtomicUsize,
        away: AtomicBool,
        gate: tokio::sync::Semaphore,
    }

    struct Numbers(Arc<Database>);

    #[async_trait]
    impl Source<i64> for Numbers {
        async fn load(&self, _: GuildId) -> Result<(i64, i64), StorageError> {
            self.0.reads.fetch_add(1, Ordering::SeqCst);
            let version = self.0.version.load(Ordering::SeqCst);
            drop(self.0.gate.acquire().await);
            if self.0.away.load(Ordering::SeqCst) {
                return Err(StorageError::Stopped);
            }
            Ok((version, version))
        }
    }

    struct World {
        kept: Arc<Kept<i64>>,
        database: Arc<Database>,
        clock: ManualClock,
    }

    fn world() -> World {
        let database = Arc::new(Database {
            version: AtomicI64::new(1),
            reads: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            gate: tokio::sync::Semaphore::new(1),
        });
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let kept = Kept::new(Numbers(Arc::clone(&database)), clock.shared());
        World {
            kept,
            database,
            clock,
        }
    }

    impl World {
        async fn ask(&self) -> i64 {
            *self.kept.get(guild()).await.unwrap()
        }

        fn reads(&self) -> usize {
            self.database.reads.load(Ordering::SeqCst)
        }
    }

    fn guild() -> GuildId {
        GuildId::new(7).unwrap()
    }

    #[tokio::test]
    async fn a_value_is_read_once_until_it_changes_or_is_old() {
        let world = world();
        for _ in 0..3 {
            assert_eq!(world.ask().await, 1);
        }
        assert_eq!(world.reads(), 1);
        world.database.version.store(2, Ordering::SeqCst);
        world.kept.changed(guild(), 2);
        assert_eq!(world.ask().await, 2);
        // Old news, and the same twice.
        world.kept.changed(guild(), 2);
        world.kept.changed(guild(), 1);
        assert_eq!((world.ask().await, world.reads()), (2, 2));
        // A change that nobody told of.
        world.database.version.store(3, Ordering::SeqCst);
        world.clock.advance(MAX_AGE - Duration::from_secs(1));
        assert_eq!(world.ask().await, 2);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!((world.ask().await, world.reads()), (3, 3));
        world.kept.all_changed();
        assert_eq!((world.ask().await, world.reads()), (3, 4));
        // Somebody wrote without raising the version.
        world.kept.doubted(guild());
        assert_eq!((world.ask().await, world.reads()), (3, 5));
        assert_eq!((world.ask().await, world.reads()), (3, 5));
    }

    #[tokio::test]
    async fn what_was_known_stays_the_answer_when_everything_may_have_changed() {
        let world = world();
        assert_eq!(world.ask().await, 1);
        world.database.version.store(2, Ordering::SeqCst);
        world.kept.all_changed();
        assert!(!world.kept.is_fresh(guild()));
        assert_eq!(world.kept.last_known(guild()).as_deref(), Some(&1));
        while world.kept.last_known(guild()).as_deref() != Some(&2) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_waits_for_the_same_answer() {
        let world = world();
        let answers = futures_util::future::join_all((0..9).map(|_| world.ask())).await;
        assert_eq!((answers, world.reads()), (vec![1; 9], 1));
    }

    #[tokio::test]
    async fn a_change_during_the_reading_is_not_missed() {
        let world = world();
        let held = world.database.gate.acquire().await.unwrap();
        let (kept, asked) = (Arc::clone(&world.kept), guild());
        let reading = tokio::spawn(async move { *kept.get(asked).await.unwrap() });
        while world.reads() == 0 {
            tokio::task::yield_now().await;
        }
        // The old version is read, and on its way.
        world.database.version.store(2, Ordering::SeqCst);
        world.kept.changed(guild(), 2);
        drop(held);
        assert_eq!(reading.await.unwrap(), 1, "asked before the change");
        assert!(!world.kept.is_fresh(guild()));
        assert_eq!(world.kept.as_read(guild()).as_deref(), Some(&1));
        assert_eq!(world.ask().await, 2);
        assert!(world.kept.is_fresh(guild()));
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let world = world();
        world.database.away.store(true, Ordering::SeqCst);
        assert!(world.kept.get(guild()).await.is_err());
        world.database.away.store(false, Ordering::SeqCst);
        assert_eq!(world.ask().await, 1);
    }

    #[tokio::test]
    async fn what_was_known_is_said_at_once_and_read_anew_behind() {
        let world = world();
        assert_eq!(world.kept.last_known(guild()), None);
        while world.kept.last_known(guild()).is_none() {
            tokio::task::yield_now().await;
        }
        world.database.away.store(true, Ordering::SeqCst);
        world.kept.changed(guild(), 2);
        for _ in 0..5 {
            assert_eq!(world.kept.last_known(guild()).as_deref(), Some(&1));
        }
        while world.reads() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.reads(), 2, "a database that is away is left alone");
        world.database.away.store(false, Ordering::SeqCst);
        world.database.version.store(2, Ordering::SeqCst);
        world.clock.advance(PAUSE);
        while world.kept.last_known(guild()).as_deref() != Some(&2) {
            tokio::task::yield_now().await;
        }
    }
}
