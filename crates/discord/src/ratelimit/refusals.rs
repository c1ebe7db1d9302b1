//! Discord blocks an address that was refused too often (Discord docs, "Invalid Request Limit").

use std::time::Duration;

/// Discord blocks at 10,000 answers of 401, 403 or 429 within ten minutes, counted over all
/// processes of the address. One process stops long before, …
pub(super) const REFUSALS: u64 = 2_000;
/// … and lets what stops an attack go on for longer.
pub(super) const REFUSALS_IN_CONTAINMENT: u64 = 5_000;
const MINUTE: u64 = 60;
const MINUTES: usize = 10;

/// Refused requests by minute.
#[derive(Debug, Default)]
pub struct Refusals {
    by_minute: [u64; MINUTES],
    latest: u64,
}

impl Refusals {
    /// One more, now.
    pub fn count(&mut self, now: Duration) {
        let minute = self.roll(now);
        self.by_minute[minute % MINUTES] += 1;
    }

    /// How long until fewer than `limit` are left, if there are as many now.
    pub fn wait(&mut self, limit: u64, now: Duration) -> Option<Duration> {
        let minute = self.roll(now);
        let mut left: u64 = self.by_minute.iter().sum();
        if left < limit {
            return None;
        }
        let mut minutes = 0;
        while left >= limit && minutes < MINUTES {
            minutes += 1;
            left -= self.by_minute[(minute + minutes) % MINUTES];
        }
        let ends = (self.latest + minutes as u64) * MINUTE;
        Some(Duration::from_secs(ends).saturating_sub(now))
    }

    /// Of the last ten minutes, by whole minutes.
    pub fn total(&mut self, now: Duration) -> u64 {
        self.roll(now);
        self.by_minute.iter().sum()
    }

    /// By minute, the latest first: what outlives the process.
    pub fn minutes(&mut self, now: Duration) -> Vec<u64> {
        let minute = self.roll(now);
        (0..MINUTES)
            .map(|back| self.by_minute[(minute + MINUTES - back) % MINUTES])
            .collect()
    }

    /// Those of [`Refusals::minutes`], which an earlier process counted some whole minutes ago.
    pub fn remember(&mut self, minutes: &[u64], ago: u64, now: Duration) {
        let minute = self.roll(now);
        let ago = usize::try_from(ago).unwrap_or(MINUTES);
        for (back, count) in minutes.iter().enumerate() {
            let back = back.saturating_add(ago);
            if back < MINUTES {
                let place = &mut self.by_minute[(minute + MINUTES - back) % MINUTES];
                *place = place.saturating_add(*count);
            }
        }
    }

    /// Forgets minutes that are over.
    fn roll(&mut self, now: Duration) -> usize {
        let minute = now.as_secs() / MINUTE;
        let passed = minute.saturating_sub(self.latest).min(MINUTES as u64);
        for step in 0..passed {
            self.by_minute[((minute - step) % MINUTES as u64) as usize] = 0;
        }
        self.latest = self.latest.max(minute);
        (self.latest % MINUTES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_forgotten_after_ten_minutes() {
        let at = Duration::from_secs;
        let mut refusals = Refusals::default();
        for _ in 0..3 {
            refusals.count(at(30));
        }
        refusals.count(at(90));
        assert_eq!(refusals.wait(5, at(100)), None);
        assert_eq!(
            refusals.wait(4, at(100)),
            Some(at(500)),
            "the first minute's"
        );
        assert_eq!(refusals.wait(1, at(100)), Some(at(560)), "all of them");
        assert_eq!(refusals.wait(4, at(600)), None);
        assert_eq!(refusals.wait(1, at(600)), Some(at(60)));
        assert_eq!(refusals.wait(1, at(100_000)), None);
    }

    #[test]
    fn a_later_process_goes_on_counting() {
        let at = Duration::from_secs;
        let mut before = Refusals::default();
        for (second, times) in [(30, 3), (90, 2)] {
            for _ in 0..times {
                before.count(at(second));
            }
        }
        let kept = before.minutes(at(100));
        assert_eq!(kept, [2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
        // Another process has another start of its time.
        let mut after = Refusals::default();
        after.remember(&kept, 1, at(5));
        after.count(at(6));
        assert_eq!(after.total(at(7)), 6);
        assert_eq!(after.minutes(at(7)), [1, 2, 3, 0, 0, 0, 0, 0, 0, 0]);
        after.remember(&kept, 9, at(7));
        assert_eq!(after.total(at(8)), 8, "the rest is over");
        assert_eq!(
            after.wait(8, at(8)),
            Some(at(52)),
            "it was in the last minute"
        );
    }
}
