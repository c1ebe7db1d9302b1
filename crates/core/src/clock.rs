//! Time as a parameter, so that tests own it.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::{oneshot, watch};

/// The same type as `futures::future::BoxFuture`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub trait Clock: Send + Sync + Debug {
    /// Wall clock time. It may jump.
    fn now(&self) -> DateTime<Utc>;
    /// Time since an arbitrary fixed point. It never goes backwards.
    fn monotonic(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. `sleep` needs a tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where injected time comes from"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until it is told to move. Clones share one time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Manual>);

#[derive(Debug)]
struct Manual {
    state: Mutex<ManualState>,
    sleepers: watch::Sender<usize>,
}

#[derive(Debug)]
struct ManualState {
    now: DateTime<Utc>,
    monotonic: Duration,
    waiting: Vec<Waiting>,
    sleeps: u64,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    deadline: Duration,
    wake: oneshot::Sender<()>,
}

/// A sleep that is dropped is no longer pending.
struct Sleeper {
    clock: ManualClock,
    id: u64,
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        state.waiting.retain(|waiting| waiting.id != self.id);
        self.clock.report(&state);
    }
}

impl ManualClock {
    pub fn new(at: DateTime<Utc>) -> Self {
        let state = ManualState {
            now: at,
            monotonic: Duration::ZERO,
            waiting: Vec::new(),
            sleeps: 0,
        };
        Self(Arc::new(Manual {
            state: Mutex::new(state),
            sleepers: watch::Sender::new(0),
        }))
    }

    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    /// Moves both times forward and wakes every sleeper whose time has come, earliest first.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.now += by;
        state.monotonic += by;
        let monotonic = state.monotonic;
        let (mut due, waiting): (Vec<_>, Vec<_>) = state
            .waiting
            .drain(..)
            .partition(|waiting| waiting.deadline <= monotonic);
        state.waiting = waiting;
        due.sort_by_key(|waiting| waiting.deadline);
        for waiting in due {
            // A sleeper that was dropped no longer listens.
            let _ = waiting.wake.send(());
        }
        self.report(&state);
    }

    /// Sets the wall clock alone, as an operator or NTP would.
    pub fn set_now(&self, at: DateTime<Utc>) {
        self.state().now = at;
    }

    /// Waits until at least `count` sleeps are pending: the point at which a test can move time
    /// without racing the code under test.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.0.sleepers.subscribe();
        // The sender lives in `self`.
        let _ = sleepers.wait_for(|pending| *pending >= count).await;
    }

    fn state(&self) -> MutexGuard<'_, ManualState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, state: &ManualState) {
        self.0.sleepers.send_replace(state.waiting.len());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        if duration.is_zero() {
            return Box::pin(tokio::task::yield_now());
        }
        let (wake, woken) = oneshot::channel();
        let mut state = self.state();
        let deadline = state.monotonic.saturating_add(duration);
        state.sleeps += 1;
        let id = state.sleeps;
        state.waiting.push(Waiting { id, deadline, wake });
        self.report(&state);
        drop(state);
        let clock = self.clone();
        let sleeper = Sleeper { clock, id };
        Box::pin(async move {
            let _pending = sleeper;
            // The other half is dropped only together with the clock.
            let _ = woken.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn clock() -> ManualClock {
        ManualClock::new(DateTime::from_timestamp_millis(1_700_000_000_000).unwrap())
    }

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come() {
        let clock = clock();
        let before = clock.now();
        let short = clock.sleep(MINUTE);
        let long = clock.sleep(MINUTE * 2);
        clock.wait_for_sleepers(2).await;
        clock.advance(MINUTE);
        short.await;
        tokio::select! {
            biased;
            () = long => panic!("woke a minute early"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(clock.now() - before, chrono::Duration::minutes(1));
        assert_eq!(clock.monotonic(), MINUTE);
    }

    #[tokio::test]
    async fn the_wall_clock_can_jump_alone() {
        let clock = clock();
        clock.set_now(DateTime::UNIX_EPOCH);
        assert_eq!(clock.monotonic(), Duration::ZERO);
        clock.sleep(Duration::ZERO).await;
    }
}
