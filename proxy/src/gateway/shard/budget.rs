//! When a shard may identify: one per key and five seconds, and never the last of the day's starts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_api_types::clusters::SessionStartLimit;
use splashtail_core::clock::SharedClock;
use splashtail_ipc::launcher::IDENTIFY_REST;
use tracing::warn;

/// Starts that are left for whoever has to repair something.
const KEPT: u64 = 5;

/// Shards with equal `id % max_concurrency` share a key (gateway documentation, "Max Concurrency").
pub struct Budget {
    clock: SharedClock,
    /// When each key may be used again. Whoever waits holds it: turns come in the order of arrival.
    keys: Vec<Arc<tokio::sync::Mutex<Duration>>>,
    day: Mutex<Day>,
}

#[derive(Debug)]
struct Day {
    total: u64,
    remaining: u64,
    resets: Duration,
}

/// The key is held until this is dropped.
pub struct Turn {
    next: tokio::sync::OwnedMutexGuard<Duration>,
}

impl Budget {
    pub fn new(limit: &SessionStartLimit, clock: SharedClock) -> Self {
        let now = clock.monotonic();
        let keys = usize::from(limit.max_concurrency.max(1));
        Self {
            keys: (0..keys).map(|_| Arc::default()).collect(),
            day: Mutex::new(Day {
                total: u64::from(limit.total),
                remaining: u64::from(limit.remaining),
                resets: now + Duration::from_millis(limit.reset_after),
            }),
            clock,
        }
    }

    pub async fn turn(&self, shard: u16) -> Turn {
        let key = &self.keys[usize::from(shard) % self.keys.len()];
        let next = Arc::clone(key).lock_owned().await;
        loop {
            let wait = next.saturating_sub(self.clock.monotonic());
            let wait = wait.max(self.until_reset());
            if wait.is_zero() {
                return Turn { next };
            }
            self.clock.sleep(wait).await;
        }
    }

    /// The shard has identified just now.
    pub fn taken(&self, mut turn: Turn) {
        *turn.next = self.clock.monotonic() + IDENTIFY_REST;
        let mut day = self.day();
        day.remaining = day.remaining.saturating_sub(1);
    }

    pub fn remaining(&self) -> u64 {
        self.day().remaining
    }

    fn until_reset(&self) -> Duration {
        let now = self.clock.monotonic();
        let mut day = self.day();
        if day.remaining > KEPT {
            return Duration::ZERO;
        }
        let wait = day.resets.saturating_sub(now);
        if wait.is_zero() {
            day.remaining = day.total;
            day.resets = now + Duration::from_secs(24 * 60 * 60);
        } else {
            warn!(
                remaining = day.remaining,
                wait_s = wait.as_secs(),
                "hardly any session starts are left today"
            );
        }
        wait
    }

    fn day(&self) -> MutexGuard<'_, Day> {
        self.day.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use futures_util::FutureExt;
    use splashtail_core::clock::ManualClock;

    use super::*;

    fn budget(remaining: u16, clock: &ManualClock) -> Budget {
        let limit = SessionStartLimit {
            total: 1000,
            remaining: remaining.into(),
            reset_after: 60_000,
            max_concurrency: 2,
        };
        Budget::new(&limit, clock.shared())
    }

    fn clock() -> ManualClock {
        ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap())
    }

    fn take(budget: &Budget, shard: u16) -> bool {
        match budget.turn(shard).now_or_never() {
            Some(turn) => {
                budget.taken(turn);
                true
            }
            None => false,
        }
    }

    #[test]
    fn a_key_rests_and_others_do_not_wait_for_it() {
        let clock = clock();
        let budget = budget(1000, &clock);
        assert!(take(&budget, 0) && take(&budget, 1));
        assert!(!take(&budget, 2));
        clock.advance(IDENTIFY_REST);
        assert!(take(&budget, 2));
        assert_eq!(budget.remaining(), 997);
    }

    #[test]
    fn the_last_starts_are_not_spent() {
        let clock = clock();
        let budget = budget(6, &clock);
        assert!(take(&budget, 0));
        assert!(!take(&budget, 1));
        clock.advance(Duration::from_secs(60));
        assert!(take(&budget, 1));
        assert_eq!(budget.remaining(), 999);
    }
}
