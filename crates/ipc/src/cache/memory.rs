//! The cache of a single process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::clock::SharedClock;

use super::{Cache, CacheError, Window};

/// Live keys the cache holds at most; beyond it new keys are refused rather than old ones
/// forgotten, because counters and nonces fail open when they are forgotten.
const CAPACITY: usize = 1_000_000;
/// Expired keys are swept when the map has grown to this size, and again at each doubling.
const FIRST_SWEEP: usize = 1024;

#[derive(Debug)]
pub struct MemoryCache {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    entries: HashMap<String, Entry>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    expires: Duration,
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
        let state = State {
            entries: HashMap::new(),
            sweep_at: FIRST_SWEEP,
        };
        Self {
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
        self.entries
            .get_mut(key)
            .filter(|entry| entry.expires > now)
    }

    fn insert(&mut self, key: &str, entry: Entry, now: Duration) -> Result<(), CacheError> {
        if self.entries.len() >= self.sweep_at && !self.entries.contains_key(key) {
            self.entries.retain(|_, entry| entry.expires > now);
            if self.entries.len() >= CAPACITY {
                return Err(CacheError::Full);
            }
            self.sweep_at = (self.entries.len() * 2).clamp(FIRST_SWEEP, CAPACITY);
        }
        self.entries.insert(key.to_owned(), entry);
        Ok(())
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
        let entry = Entry {
            value: Value::Text(value.to_owned()),
            expires: now.saturating_add(ttl),
        };
        self.state().insert(key, entry, now)
    }

    async fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if state.live(key, now).is_some() {
            return Ok(false);
        }
        let entry = Entry {
            value: Value::Text(value.to_owned()),
            expires: now.saturating_add(ttl),
        };
        state.insert(key, entry, now)?;
        Ok(true)
    }

    async fn take(&self, key: &str) -> Result<Option<String>, CacheError> {
        let now = self.clock.monotonic();
        let entry = self.state().entries.remove(key);
        Ok(entry
            .filter(|entry| entry.expires > now)
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
                resets_in: entry.expires.saturating_sub(now),
            });
        }
        let entry = Entry {
            value: Value::Count(1),
            expires: now.saturating_add(window),
        };
        state.insert(key, entry, now)?;
        Ok(Window {
            count: 1,
            resets_in: window,
        })
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
        assert!(cache.set_if_absent("a", "2", minute).await.unwrap());
    }

    #[tokio::test]
    async fn expired_keys_do_not_pile_up() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let cache = MemoryCache::new(clock.shared());
        for n in 0..10_000 {
            cache
                .set(&n.to_string(), "", Duration::from_secs(1))
                .await
                .unwrap();
            clock.advance(Duration::from_millis(10));
        }
        assert!(cache.state().entries.len() <= FIRST_SWEEP);
    }
}
