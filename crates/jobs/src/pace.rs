//! How fast a job gets on, and when it may be done.

use std::collections::VecDeque;
use std::time::Duration;

use splashtail_storage::Advance;

/// Between two reports.
const EVERY: Duration = Duration::from_secs(1);
/// Reports that the estimate looks back on.
const REMEMBERED: usize = 60;
/// Characters of what is counted.
const LONGEST: usize = 40;

/// What was told of the present part of a job.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    what: String,
    told_at: Option<Duration>,
    /// When how much was done. Without the first report: a run that takes over goes through what
    /// is recorded in no time.
    known: VecDeque<Known>,
}

/// A report.
#[derive(Debug, Clone, Copy)]
struct Known {
    at: Duration,
    done: u64,
    /// How long the rest took before, where that was known.
    left: Option<Duration>,
}

/// How much faster or slower than before it may be taken to be.
const MOST_TIMES: f64 = 10.0;

impl Pace {
    /// What to write down, when it is time for it. `left`: how long the rest took before.
    pub fn tell_by(
        &mut self,
        now: Duration,
        what: &str,
        (done, total): (u64, u64),
        left: Option<Duration>,
    ) -> Option<Advance> {
        let (total, what) = (total.max(1), what.chars().take(LONGEST).collect::<String>());
        let done = done.min(total);
        if self.what != what {
            *self = Self {
                what: what.clone(),
                ..Self::default()
            };
        }
        let first = self.told_at.is_none();
        let due = self.told_at.is_none_or(|at| now >= at + EVERY);
        if !due && done < total {
            return None;
        }
        self.told_at = Some(now);
        if !first {
            if self.known.len() == REMEMBERED {
                self.known.pop_front();
            }
            self.known.push_back(Known {
                at: now,
                done,
                left,
            });
        }
        Some(Advance {
            what,
            done,
            total,
            seconds_left: self.seconds_left(now, (done, total), left),
        })
    }

    fn seconds_left(
        &self,
        now: Duration,
        (done, total): (u64, u64),
        left: Option<Duration>,
    ) -> Option<u64> {
        if done == total {
            return Some(0);
        }
        if let Some(left) = left {
            let left = left.mul_f64(self.times(now, left));
            return u64::try_from(left.as_millis().div_ceil(1000)).ok();
        }
        let Known { at, done: from, .. } = *self.known.front()?;
        let (took, made) = (now.saturating_sub(at), done.checked_sub(from)?);
        if took.is_zero() || made == 0 {
            return None;
        }
        let left = took.as_millis() * u128::from(total - done) / u128::from(made);
        u64::try_from(left.div_ceil(1000)).ok()
    }
}

impl Pace {
    /// How many times as long as before what is done takes now.
    fn times(&self, now: Duration, left: Duration) -> f64 {
        let front = self.known.front();
        let before = front.and_then(|known| Some((known.at, known.left?)));
        let Some((since, then)) = before else {
            return 1.0;
        };
        let (took, expected) = (now.saturating_sub(since), then.saturating_sub(left));
        // In so short a time nothing shows.
        if took < EVERY || expected.is_zero() {
            return 1.0;
        }
        let times = took.as_secs_f64() / expected.as_secs_f64();
        times.clamp(1.0 / MOST_TIMES, MOST_TIMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Pace {
        fn tell(&mut self, now: Duration, what: &str, done: u64, total: u64) -> Option<Advance> {
            self.tell_by(now, what, (done, total), None)
        }
    }

    /// Roles take a second each, channels ten: the number that is done says little about the rest.
    #[test]
    fn the_estimate_goes_by_what_the_rest_took_before() {
        let mut pace = Pace::default();
        let mut left = |seconds: u64, done: u64, left: u64| {
            let told = pace.tell_by(at(seconds), "changes", (done, 20), Some(at(left)));
            told.unwrap().seconds_left
        };
        assert_eq!(left(0, 0, 110), Some(110), "before anything is done");
        assert_eq!(left(1, 1, 109), Some(109));
        assert_eq!(left(10, 10, 100), Some(100));
        // From now on all takes twice as long as before.
        assert_eq!(left(29, 11, 90), Some(133));
        assert_eq!(left(30, 20, 0), Some(0));
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn reports_come_once_a_second_and_at_the_end() {
        let mut pace = Pace::default();
        assert!(pace.tell(at(0), "messages", 1, 100).is_some());
        assert!(pace.tell(at(0), "messages", 2, 100).is_none());
        assert!(pace.tell(at(1), "messages", 3, 100).is_some());
        let last = pace.tell(at(1), "messages", 100, 100).unwrap();
        assert_eq!((last.percent(), last.seconds_left), (100, Some(0)));
        assert!(pace.tell(at(1), "channels", 0, 3).is_some(), "another part");
    }

    /// A run that takes over repeats what is recorded at once: that is no speed to go by.
    #[test]
    fn the_estimate_goes_by_what_is_done_now() {
        let mut pace = Pace::default();
        assert_eq!(pace.tell(at(0), "m", 0, 1000).unwrap().seconds_left, None);
        assert_eq!(pace.tell(at(1), "m", 500, 1000).unwrap().seconds_left, None);
        let told = pace.tell(at(11), "m", 600, 1000).unwrap();
        assert_eq!((told.percent(), told.seconds_left), (60, Some(40)));
    }

    #[test]
    fn nothing_is_done_before_all_is_and_nothing_divides_by_zero() {
        let mut pace = Pace::default();
        assert_eq!(pace.tell(at(0), "m", 0, 0).unwrap().percent(), 0);
        let mut pace = Pace::default();
        assert_eq!(pace.tell(at(0), "m", 999, 1000).unwrap().percent(), 99);
        assert_eq!(pace.tell(at(0), "m", 7, 5).map(|told| told.done), Some(5));
    }
}
