//! The sandbox's own time: every limit, timeout, session and deadline follows it.
//!
//! Time is an affine function of the machine's monotonic clock, so it can be advanced, set,
//! sped up or frozen while requests run. Gateway heartbeats alone stay in real time.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::EPOCH_MS;

/// The moments the clock can show: from Discord's epoch to the year 2150. Snowflakes hold 42 bits
/// of milliseconds, which last until 2154.
pub const RANGE_MS: RangeInclusive<i64> = EPOCH_MS..=5_680_281_600_000;

#[derive(Debug, Clone, Copy)]
struct Line {
    anchor: Instant,
    /// Microseconds since the Unix epoch at `anchor`.
    at_us: i64,
    rate: f64,
}

impl Line {
    fn at(&self, instant: Instant) -> i64 {
        let real = instant.saturating_duration_since(self.anchor);
        let passed = (real.as_secs_f64() * self.rate * 1e6) as i64;
        within(self.at_us.saturating_add(passed))
    }
}

fn within(us: i64) -> i64 {
    us.clamp(RANGE_MS.start() * 1000, RANGE_MS.end() * 1000)
}

/// A clock that control calls can move.
#[derive(Debug)]
pub struct SandboxClock {
    line: Mutex<Line>,
    moved: watch::Sender<u64>,
    started: DateTime<Utc>,
}

impl SandboxClock {
    /// A clock that shows `at` now and runs at the speed of the machine.
    pub fn new(at: DateTime<Utc>) -> Self {
        let line = Line {
            anchor: Instant::now(),
            at_us: at.timestamp_micros(),
            rate: 1.0,
        };
        Self {
            line: Mutex::new(line),
            moved: watch::Sender::new(0),
            started: at,
        }
    }

    /// A clock that shows `at` until it is advanced: scripts on it are reproducible.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        let clock = Self::new(at);
        clock.set_rate(0.0);
        clock.set(at);
        clock
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_us().div_euclid(1000)
    }

    /// Microseconds since the Unix epoch.
    pub fn now_us(&self) -> i64 {
        self.line().at(Instant::now())
    }

    /// The present, to the microsecond.
    pub fn now(&self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.now_us())
            .single()
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Seconds of sandbox time that pass in one real second.
    pub fn rate(&self) -> f64 {
        self.line().rate
    }

    /// Moves the clock forward, to the end of [`RANGE_MS`] at most; timers that fall due fire at once.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.change(|line| line.at_us = within(line.at_us.saturating_add(by)));
    }

    /// Sets the time, within [`RANGE_MS`]. Going back is allowed; ids stay monotonic regardless.
    pub fn set(&self, to: DateTime<Utc>) {
        self.change(|line| line.at_us = within(to.timestamp_micros()));
    }

    /// Changes the speed; 0 freezes the clock.
    pub fn set_rate(&self, rate: f64) {
        self.change(|line| line.rate = rate.clamp(0.0, 1e6));
    }

    fn change(&self, edit: impl FnOnce(&mut Line)) {
        {
            let mut line = self.line();
            let now = Instant::now();
            line.at_us = line.at(now);
            line.anchor = now;
            edit(&mut line);
        }
        self.moved.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Waits until the sandbox shows `at`, however it gets there.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        let mut moved = self.moved.subscribe();
        let target = at.timestamp_micros();
        loop {
            moved.mark_unchanged();
            let (left, rate) = {
                let line = self.line();
                (target - line.at(Instant::now()), line.rate)
            };
            if left <= 0 {
                return;
            }
            if rate <= 0.0 {
                // The sender lives in `self`, so this cannot fail while we are borrowed.
                let _ = moved.changed().await;
                continue;
            }
            let real = Duration::from_secs_f64((left as f64 / 1e6 / rate).min(86_400.0 * 365.0));
            tokio::select! {
                () = tokio::time::sleep(real.max(Duration::from_micros(100))) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// Waits `by` in sandbox time.
    pub async fn sleep(&self, by: Duration) {
        let by = chrono::TimeDelta::from_std(by).unwrap_or(chrono::TimeDelta::MAX);
        let at = self
            .now()
            .checked_add_signed(by)
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.sleep_until(at).await;
    }

    /// Sandbox time since the start; never negative.
    pub fn elapsed(&self) -> Duration {
        (self.now() - self.started).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(ms).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn advancing_wakes_sleepers_of_a_frozen_clock() {
        let clock = std::sync::Arc::new(SandboxClock::frozen(at(EPOCH_MS)));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now_ms(), EPOCH_MS + 60_000);
    }

    #[tokio::test(start_paused = true)]
    async fn rate_speeds_time_up() {
        let clock = SandboxClock::new(at(EPOCH_MS));
        clock.set_rate(1000.0);
        tokio::time::advance(Duration::from_millis(90)).await;
        assert_eq!(clock.now_ms(), EPOCH_MS + 90_000);
        clock.set(at(EPOCH_MS + 5));
        assert_eq!(clock.now_ms(), EPOCH_MS + 5);
    }

    #[tokio::test(start_paused = true)]
    async fn time_ends_with_the_snowflakes() {
        let clock = SandboxClock::frozen(at(EPOCH_MS));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now_ms(), *RANGE_MS.end());
        clock.set(at(0));
        assert_eq!(clock.now_ms(), EPOCH_MS);
        clock.set_rate(1e6);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now_ms(), *RANGE_MS.end());
    }
}
