//! Waiting in sandbox time.

use std::time::Duration;

use splashtail_sandbox_world::clock::SandboxClock;

/// Waits until a moment of steady time, however the sandbox gets there.
pub async fn sleep_until(clock: &SandboxClock, steady_ms: i64) {
    sleep_until_us(clock, steady_ms.saturating_mul(1000)).await;
}

async fn sleep_until_us(clock: &SandboxClock, at: i64) {
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
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    sleep_until_us(clock, clock.steady_us().saturating_add(by)).await;
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone, Utc};

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
    async fn a_clock_that_is_set_back_makes_no_wait_longer() {
        let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        let machine = || tokio::time::Instant::now().into_std();
        let clock = std::sync::Arc::new(SandboxClock::on(machine, start));
        let before = tokio::time::Instant::now();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { sleep(&clock, Duration::from_secs(60)).await }
        });
        tokio::time::sleep(Duration::from_secs(20)).await;
        clock.set(start - TimeDelta::days(1));
        sleeper.await.unwrap();
        assert_eq!(before.elapsed().as_secs(), 60);
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
