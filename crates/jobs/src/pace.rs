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
    known: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// What to write down, when it is time for it.
    pub fn tell(&mut self, now: Duration, what: &str, done: u64, total: u64) -> Option<Advance> {
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
            self.known.push_back((now, done));
        }
        Some(Advance {
            what,
            done,
            total,
            seconds_left: self.seconds_left(now, done, total),
        })
    }

    fn seconds_left(&self, now: Duration, done: u64, total: u64) -> Option<u64> {
        if done == total {
            return Some(0);
        }
        let (since, from) = *self.known.front()?;
        let (took, made) = (now.saturating_sub(since), done.checked_sub(from)?);
        if took.is_zero() || made == 0 {
            return None;
        }
        let left = took.as_millis() * u128::from(total - done) / u128::from(made);
        u64::try_from(left.div_ceil(1000)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
