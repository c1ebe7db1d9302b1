//! Waiting in sandbox time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_sandbox_world::clock::SandboxClock;

/// Waits until the sandbox shows `at`, however it gets there.
pub async fn sleep_until(clock: &SandboxClock, at: DateTime<Utc>) {
    let mut moves = clock.moves().watch();
    loop {
        moves.mark_unchanged();
        match clock.real_time_until(at) {
            Some(Duration::ZERO) => return,
            Some(left) => tokio::select! {
                () = tokio::time::sleep(left.max(Duration::from_micros(100))) => {}
                () = moves.changed() => {}
            },
            None => moves.changed().await,
        }
    }
}

/// Waits `by` in sandbox time.
pub async fn sleep(clock: &SandboxClock, by: Duration) {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    let at = clock.now().checked_add_signed(by);
    sleep_until(clock, at.unwrap_or(DateTime::<Utc>::MAX_UTC)).await;
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn advancing_wakes_sleepers_of_a_frozen_clock() {
        let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        let clock = std::sync::Arc::new(SandboxClock::frozen(start));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { sleep(&clock, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now(), start + TimeDelta::seconds(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_faster_clock_shortens_the_wait() {
        let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        let machine = || tokio::time::Instant::now().into_std();
        let clock = SandboxClock::on(machine, start);
        clock.set_rate(1000.0);
        let before = tokio::time::Instant::now();
        sleep(&clock, Duration::from_secs(60)).await;
        assert_eq!(before.elapsed().as_millis(), 60);
    }
}
