//! The cache of a single process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::clock::SharedClock;

use super::{Cache, CacheError, Claim, Window};

/// Live keys the cache holds at most; beyond it new keys are refused rather than old ones
/// forgotten, because counters and nonces fail open when they are forgotten.
const CAPACITY: usize = 1_000_000;
/// Expired keys that one new key sweeps out: more than come in, so that the cache shrinks, and few,
/// so that no call pays for the many before it.
const SWEPT: usize = 2;

#[derive(Debug)]
pub struct MemoryCache {
    clock: SharedClock,
    /// When it began, in whole seconds UTC and on the monotonic clock.
    since: (i64, Duration),
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: HashMap<Arc<str>, Entry>,
    /// Exactly the entries, by the time of their end.
    ends: BTreeMap<End, Arc<str>>,
    /// Tells apart what ends at the same time.
    next: u64,
    capacity: usize,
}

type End = (Duration, u64);

#[derive(Debug)]
struct Entry {
    value: Value,
    end: End,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Count(u64),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
        }
    }
}

impl MemoryCache {
    pub fn new(clock: SharedClock) -> Self {
        Self::with_capacity(clock, CAPACITY)
    }

    fn with_capacity(clock: SharedClock, capacity: usize) -> Self {
        let state = State {
            entries: HashMap::new(),
            ends: BTreeMap::new(),
            next: 0,
            capacity,
        };
        Self {
            since: (clock.now().timestamp(), clock.monotonic()),
            clock,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn live(&mut self, key: &str, now: Duration) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|entry| entry.end.0 > now)
    }

    fn insert(
        &mut self,
        key: &str,
        value: Value,
        expires: Duration,
        now: Duration,
    ) -> Result<(), CacheError> {
        self.remove(key);
        self.sweep(now);
        if self.entries.len() >= self.capacity {
            return Err(CacheError::Full);
        }
        let end = (expires, self.next);
        self.next += 1;
        let key: Arc<str> = key.into();
        self.ends.insert(end, Arc::clone(&key));
        self.entries.insert(key, Entry { value, end });
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.ends.remove(&entry.end);
        Some(entry)
    }

    /// What ends first is looked at first: a full cache of live keys costs one look.
    fn sweep(&mut self, now: Duration) {
        for _ in 0..SWEPT {
            match self.ends.first_entry() {
                Some(first) if first.key().0 <= now => {
                    let key = first.remove();
                    self.entries.remove(&key);
                }
                _ => return,
            }
        }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        let now = self.clock.monotonic();
        Ok(self.state().live(key, now).map(|entry| entry.value.text()))
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheError> {
        let now = self.clock.monotonic();
        let value = Value::Text(value.to_owned());
        self.state()
            .insert(key, value, now.saturating_add(ttl), now)
    }

    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, CacheError> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if state.live(key, now).is_some() {
            return Ok(false);
        }
        let mark = Value::Text(String::new());
        state.insert(key, mark, now.saturating_add(ttl), now)?;
        Ok(true)
    }

    async fn claim_dated(&self, key: &str, ttl: Duration) -> Result<Claim, CacheError> {
        let (since, began) = self.since;
        Ok(Claim {
            first: self.claim(key, ttl).await?,
            since,
            age: self.clock.monotonic().saturating_sub(began),
        })
    }

    async fn take(&self, key: &str) -> Result<Option<String>, CacheError> {
        let now = self.clock.monotonic();
        let entry = self.state().remove(key);
        Ok(entry
            .filter(|entry| entry.end.0 > now)
            .map(|entry| entry.value.text()))
    }

    async fn incr_window(&self, key: &str, window: Duration) -> Result<Window, CacheError> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if let Some(entry) = state.live(key, now) {
            let count = match &entry.value {
                Value::Count(count) => count.saturating_add(1),
                Value::Text(text) => text.parse::<u64>().unwrap_or(0).saturating_add(1),
            };
            entry.value = Value::Count(count);
            return Ok(Window {
                count,
                resets_in: entry.end.0.saturating_sub(now),
            });
        }
        state.insert(key, Value::Count(1), now.saturating_add(window), now)?;
        Ok(Window {
            count: 1,
            resets_in: window,
        })
    }

    async fn check(&self) -> Result<(), CacheError> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.sweep(now);
        match state.entries.len() < state.capacity {
            true => Ok(()),
            false => Err(CacheError::Full),
        }
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn keys_and_windows_end_with_their_time() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let cache = MemoryCache::new(clock.shared());
        let minute = Duration::from_secs(60);
        cache.set("a", "1", minute).await.unwrap();
        assert_eq!(cache.incr_window("w", minute).await.unwrap().count, 1);
        clock.advance(minute / 2);
        let window = cache.incr_window("w", minute).await.unwrap();
        assert_eq!(
            window,
            Window {
                count: 2,
                resets_in: minute / 2
            }
        );
        clock.advance(minute / 2);
        assert_eq!(cache.get("a").await.unwrap(), None);
        assert_eq!(cache.incr_window("w", minute).await.unwrap().count, 1);
        assert!(cache.claim("a", minute).await.unwrap());
    }

    #[tokio::test]
    async fn expired_keys_do_not_pile_up() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let cache = MemoryCache::new(clock.shared());
        for n in 0..10_000 {
            // Half of the keys are written twice, and every tenth is taken.
            let key = (n / 2).to_string();
            cache.set(&key, "", Duration::from_secs(1)).await.unwrap();
            if n % 10 == 0 {
                cache.take(&key).await.unwrap();
            }
            clock.advance(Duration::from_millis(10));
        }
        let state = cache.state();
        assert!(state.entries.len() <= 100, "{}", state.entries.len());
        assert_eq!(state.entries.len(), state.ends.len());
    }

    /// A full cache refuses without looking at what it holds, and takes again what it has room
    /// for as its keys end, whatever else they do.
    #[tokio::test]
    async fn a_full_cache_refuses_and_forgets_nothing_that_lives() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let cache = MemoryCache::with_capacity(clock.shared(), 3);
        let second = Duration::from_secs(1);
        for (key, ttl) in [("a", 1), ("b", 2), ("c", 3)] {
            assert!(cache.claim(key, second * ttl).await.unwrap());
        }
        assert!(matches!(
            cache.claim("d", second).await,
            Err(CacheError::Full)
        ));
        assert!(matches!(cache.check().await, Err(CacheError::Full)));
        assert!(!cache.claim("c", second).await.unwrap(), "c still lives");
        cache.set("b", "again", second * 9).await.unwrap();
        clock.advance(second);
        assert!(cache.claim("d", second * 9).await.unwrap(), "a has ended");
        clock.advance(second);
        assert!(matches!(
            cache.claim("e", second).await,
            Err(CacheError::Full)
        ));
        clock.advance(second);
        assert!(cache.claim("e", second).await.unwrap(), "c has ended");
        assert_eq!(cache.get("b").await.unwrap().unwrap(), "again");
    }

    /// Each refusal used to look at every key: a minute of machine time for these.
    #[tokio::test]
    async fn refusals_of_a_full_cache_cost_no_more_than_any_other_call() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let cache = MemoryCache::with_capacity(clock.shared(), 20_000);
        let hour = Duration::from_secs(3600);
        for n in 0..20_000 {
            cache.claim(&n.to_string(), hour).await.unwrap();
        }
        for n in 0..20_000 {
            let refused = cache.claim(&format!("new {n}"), hour).await;
            assert!(matches!(refused, Err(CacheError::Full)));
        }
    }
}
