//! The sandbox's own time: every limit, timeout, session and deadline follows it.
//!
//! Time is an affine function of the machine's monotonic clock, so it can be advanced, set,
//! sped up or frozen while requests run. Gateway heartbeats alone stay in real time.
//!
//! What lasts so long, as a limit or a deadline, is counted in steady time, which goes on where the
//! clock is set back; what is so at a moment, as the end of a timeout, goes by the clock.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::signal::Signal;
use crate::world::EPOCH_MS;
use chrono::{DateTime, TimeZone, Utc};

/// The moments the clock can show: from Discord's epoch to the year 2150. Snowflakes hold 42 bits
/// of milliseconds, which last until 2154.
pub const RANGE_MS: RangeInclusive<i64> = EPOCH_MS..=5_680_281_600_000;

#[derive(Debug, Clone, Copy)]
struct Line {
    anchor: Instant,
    /// Microseconds since the Unix epoch at `anchor`.
    at_us: i64,
    /// Steady time at `anchor`.
    steady_us: i64,
    rate: f64,
}

impl Line {
    fn at(&self, instant: Instant) -> i64 {
        let real = instant.saturating_duration_since(self.anchor);
        let passed = (real.as_secs_f64() * self.rate * 1e6) as i64;
        within(self.at_us.saturating_add(passed))
    }

    fn steady_at(&self, instant: Instant) -> i64 {
        self.steady_us.saturating_add(self.at(instant) - self.at_us)
    }

    /// Shows another time; steady time goes along forward only.
    fn show(&mut self, to_us: i64) {
        let to_us = within(to_us);
        let passed = (to_us - self.at_us).max(0);
        self.steady_us = self.steady_us.saturating_add(passed);
        self.at_us = to_us;
    }
}

fn within(us: i64) -> i64 {
    us.clamp(RANGE_MS.start() * 1000, RANGE_MS.end() * 1000)
}

/// A clock that control calls can move.
#[derive(Debug)]
pub struct SandboxClock {
    line: Mutex<Line>,
    moved: Signal,
    machine: fn() -> Instant,
    started: DateTime<Utc>,
}

impl SandboxClock {
    /// A clock that shows `at` now and runs at the speed of the machine.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self::on(Instant::now, at)
    }

    /// The same, on another notion of the machine's time.
    pub fn on(machine: fn() -> Instant, at: DateTime<Utc>) -> Self {
        let line = Line {
            anchor: machine(),
            at_us: at.timestamp_micros(),
            steady_us: at.timestamp_micros(),
            rate: 1.0,
        };
        Self {
            line: Mutex::new(line),
            moved: Signal::default(),
            machine,
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
        self.line().at((self.machine)())
    }

    /// The present, to the microsecond.
    pub fn now(&self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.now_us())
            .single()
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Milliseconds of the time that is never set back: as the clock, and by how much that was.
    pub fn steady_ms(&self) -> i64 {
        self.steady_us().div_euclid(1000)
    }

    /// The same in microseconds.
    pub fn steady_us(&self) -> i64 {
        self.line().steady_at((self.machine)())
    }

    /// By how much steady time is ahead of what the clock shows.
    pub fn set_back_ms(&self) -> i64 {
        let line = self.line();
        line.steady_us.saturating_sub(line.at_us).div_euclid(1000)
    }

    /// Seconds of sandbox time that pass in one real second.
    pub fn rate(&self) -> f64 {
        self.line().rate
    }

    /// Moves the clock forward, to the end of [`RANGE_MS`] at most; timers that fall due fire at once.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.change(|line| line.show(line.at_us.saturating_add(by)));
    }

    /// Sets the time, within [`RANGE_MS`]. Going back is allowed; ids and steady time grow regardless.
    pub fn set(&self, to: DateTime<Utc>) {
        self.change(|line| line.show(to.timestamp_micros()));
    }

    /// Changes the speed; 0 freezes the clock.
    pub fn set_rate(&self, rate: f64) {
        self.change(|line| line.rate = rate.clamp(0.0, 1e6));
    }

    fn change(&self, edit: impl FnOnce(&mut Line)) {
        {
            let mut line = self.line();
            let now = (self.machine)();
            (line.at_us, line.steady_us) = (line.at(now), line.steady_at(now));
            line.anchor = now;
            edit(&mut line);
        }
        self.moved.raise();
    }

    /// How long the machine takes until this moment of steady time, unless the clock is moved
    /// meanwhile. Zero when it has come, `None` while the clock stands still.
    pub fn real_time_until(&self, steady_us: i64) -> Option<Duration> {
        let line = self.line();
        let left = steady_us.saturating_sub(line.steady_at((self.machine)()));
        if left <= 0 {
            return Some(Duration::ZERO);
        }
        let year = 86_400.0 * 365.0;
        (line.rate > 0.0)
            .then(|| Duration::from_secs_f64((left as f64 / 1e6 / line.rate).min(year)))
    }

    /// Tells of every move by a control call.
    pub fn moves(&self) -> &Signal {
        &self.moved
    }

    /// Sandbox time since the start; never negative.
    pub fn elapsed(&self) -> Duration {
        (self.now() - self.started).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::LazyLock;

    use super::*;

    thread_local! {
        static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    /// The machine's time of one test.
    fn machine() -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + PASSED.get()
    }

    fn pass(time: Duration) {
        PASSED.set(PASSED.get() + time);
    }

    fn at(ms: i64) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(ms).unwrap()
    }

    #[test]
    fn rate_speeds_time_up() {
        let clock = SandboxClock::on(machine, at(EPOCH_MS));
        clock.set_rate(1000.0);
        pass(Duration::from_millis(90));
        assert_eq!(clock.now_ms(), EPOCH_MS + 90_000);
        let left = clock.real_time_until((EPOCH_MS + 91_000) * 1000);
        assert_eq!(left, Some(Duration::from_millis(1)));
        clock.set_rate(0.0);
        assert_eq!(clock.real_time_until((EPOCH_MS + 90_001) * 1000), None);
        let past = clock.real_time_until((EPOCH_MS + 90_000) * 1000);
        assert_eq!(past, Some(Duration::ZERO));
    }

    #[test]
    fn steady_time_goes_on_when_the_clock_is_set_back() {
        let clock = SandboxClock::on(machine, at(EPOCH_MS + 90_000));
        clock.set(at(EPOCH_MS + 5));
        pass(Duration::from_millis(10));
        assert_eq!(clock.now_ms(), EPOCH_MS + 15);
        assert_eq!(clock.steady_ms(), EPOCH_MS + 90_010);
        let left = clock.real_time_until((EPOCH_MS + 90_011) * 1000);
        assert_eq!(left, Some(Duration::from_millis(1)));
        clock.set(at(EPOCH_MS + 1015));
        assert_eq!(clock.steady_ms(), EPOCH_MS + 91_010, "forward counts");
    }

    #[test]
    fn steady_time_never_goes_back_however_often_the_clock_does() {
        let clock = SandboxClock::on(machine, at(EPOCH_MS));
        let mut last = clock.steady_us();
        for _ in 0..3000 {
            for ms in [*RANGE_MS.end(), EPOCH_MS] {
                clock.set(at(ms));
                let now = clock.steady_us();
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        }
        assert_eq!(clock.now_ms(), EPOCH_MS);
        assert!(clock.set_back_ms() > 0);
    }

    #[test]
    fn time_ends_with_the_snowflakes() {
        let clock = SandboxClock::on(machine, at(EPOCH_MS));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now_ms(), *RANGE_MS.end());
        clock.set(at(0));
        assert_eq!(clock.now_ms(), EPOCH_MS);
        clock.set_rate(1e6);
        pass(Duration::from_secs(86_400));
        assert_eq!(clock.now_ms(), *RANGE_MS.end());
    }
}
