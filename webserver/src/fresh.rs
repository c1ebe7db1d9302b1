//! One shared answer for everybody who asks at about the same time.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use splashtail_core::clock::SharedClock;

/// A value that is computed at most once per period. While it is being computed others wait for it
/// instead of computing it too. Failures are shared in the same way: were everybody to try, one
/// after the other, the last would wait for all who asked before.
pub struct Fresh<T, E> {
    period: Duration,
    clock: SharedClock,
    latest: Cache<(), Arc<Latest<T, E>>>,
}

/// An outcome, and when it was known.
struct Latest<T, E> {
    at: Duration,
    outcome: Result<T, Arc<E>>,
}

impl<T, E> Fresh<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    pub fn new(period: Duration, clock: SharedClock) -> Self {
        Self {
            period,
            clock,
            latest: Cache::new(1),
        }
    }

    /// # Errors
    /// What `compute` failed with, now or earlier in the period.
    pub async fn get(
        &self,
        compute: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Arc<E>> {
        let look = async {
            let outcome = compute.await.map_err(Arc::new);
            let at = self.clock.monotonic();
            Arc::new(Latest { at, outcome })
        };
        let asked_at = self.clock.monotonic();
        let is_old = |latest: &Arc<Latest<T, E>>| asked_at.saturating_sub(latest.at) >= self.period;
        let entry = self.latest.entry(()).or_insert_with_if(look, is_old);
        entry.await.into_value().outcome.clone()
    }
}

impl<T, E> std::fmt::Debug for Fresh<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fresh")
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use splashtail_core::clock::ManualClock;
    use tokio::sync::Notify;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(1);

    fn fresh(clock: &ManualClock) -> Fresh<u32, &'static str> {
        Fresh::new(PERIOD, clock.shared())
    }

    #[tokio::test]
    async fn an_outcome_is_kept_for_the_period() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let fresh = fresh(&clock);
        assert_eq!(*fresh.get(async { Err("down") }).await.unwrap_err(), "down");
        assert_eq!(*fresh.get(async { Ok(0) }).await.unwrap_err(), "down");
        clock.advance(PERIOD);
        assert_eq!(fresh.get(async { Ok(1) }).await, Ok(1));
        clock.advance(PERIOD - Duration::from_millis(1));
        assert_eq!(fresh.get(async { Ok(2) }).await, Ok(1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(fresh.get(async { Ok(3) }).await, Ok(3));
    }

    #[tokio::test]
    async fn everybody_who_waits_shares_one_failure() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let fresh = fresh(&clock);
        let (tries, fail) = (AtomicU32::new(0), Notify::new());
        let ask = || {
            fresh.get(async {
                tries.fetch_add(1, Ordering::Relaxed);
                fail.notified().await;
                Err("down")
            })
        };
        let all = join_all((0..7).map(|_| ask()));
        // One permit: a second attempt would wait for ever.
        let (answers, ()) = tokio::join!(all, async { fail.notify_one() });
        assert!(answers.iter().all(|answer| answer.is_err()), "{answers:?}");
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_value_counts_from_when_it_was_known() {
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let fresh = fresh(&clock);
        let slow = fresh.get(async {
            clock.advance(PERIOD * 5);
            Ok(1)
        });
        assert_eq!(slow.await, Ok(1));
        assert_eq!(fresh.get(async { Ok(2) }).await, Ok(1));
    }
}
