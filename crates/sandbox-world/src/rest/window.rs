//! What is left of a limit: in a window that ends at once, or in one that slides.

use serde::{Deserialize, Serialize};

/// A limit in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub limit: u32,
    pub per_ms: i64,
    /// Uses come back one by one, each after its share of `per_ms`, instead of all at the end of a
    /// window. `Reset-After` then says when all are back and moves with every use, `Retry-After`
    /// when the next one is (discord-api-docs#7680).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sliding: bool,
}

impl Rate {
    /// A window that starts with its first use.
    pub const fn fixed(limit: u32, per_ms: i64) -> Self {
        Self {
            limit,
            per_ms,
            sliding: false,
        }
    }

    /// A window in which uses come back one by one.
    pub const fn sliding(limit: u32, per_ms: i64) -> Self {
        Self {
            limit,
            per_ms,
            sliding: true,
        }
    }
}

/// Uses of one limit by one caller in one place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Window {
    Fixed {
        used: u32,
        resets_at: i64,
    },
    Sliding {
        /// What is still to come back: each use adds `per_ms`, each millisecond takes `limit` away.
        debt: i128,
        rate: Rate,
        at: i64,
    },
}

impl Default for Window {
    fn default() -> Self {
        Self::Fixed {
            used: 0,
            resets_at: i64::MIN,
        }
    }
}

impl Window {
    /// Counts one use; `Err` with the wait when there is none left.
    pub fn take(&mut self, rate: Rate, now: i64) -> Result<(), i64> {
        if rate.sliding {
            return self.slide(rate, now);
        }
        let (mut used, mut resets_at) = match *self {
            Self::Fixed { used, resets_at } => (used, resets_at),
            // The rule was changed: what is used stays used until all of it would be back.
            Self::Sliding { .. } => (self.used(now), self.resets_at(now)),
        };
        if now >= resets_at {
            (used, resets_at) = (0, now + rate.per_ms);
        }
        let left = used < rate.limit;
        used += u32::from(left);
        *self = Self::Fixed { used, resets_at };
        if left { Ok(()) } else { Err(resets_at - now) }
    }

    fn slide(&mut self, rate: Rate, now: i64) -> Result<(), i64> {
        let (share, limit) = (i128::from(rate.per_ms), i128::from(rate.limit));
        let kept = match *self {
            Self::Sliding { rate: old, .. } if old == rate => self.debt(now),
            _ => i128::from(self.used(now)) * share,
        };
        let mut debt = kept.min(share * limit);
        let over = debt + share - share * limit;
        let taken = if over > 0 {
            Err(ceil(over, limit))
        } else {
            debt += share;
            Ok(())
        };
        *self = Self::Sliding {
            debt,
            rate,
            at: now,
        };
        taken
    }

    /// Of a sliding window.
    fn debt(&self, now: i64) -> i128 {
        match *self {
            Self::Fixed { .. } => 0,
            Self::Sliding { debt, rate, at } => {
                let passed = i128::from(now - at);
                (debt - passed * i128::from(rate.limit)).max(0)
            }
        }
    }

    /// Uses that are not back yet.
    pub fn used(&self, now: i64) -> u32 {
        match *self {
            Self::Fixed { used, resets_at } => {
                if resets_at > now {
                    used
                } else {
                    0
                }
            }
            Self::Sliding { rate, .. } => {
                let used = ceil(self.debt(now), i128::from(rate.per_ms));
                u32::try_from(used).unwrap_or(u32::MAX)
            }
        }
    }

    /// When all uses are back.
    pub fn resets_at(&self, now: i64) -> i64 {
        match *self {
            Self::Fixed { resets_at, .. } => resets_at,
            Self::Sliding { rate, .. } => now + ceil(self.debt(now), i128::from(rate.limit)),
        }
    }

    /// Whether something is not back yet.
    pub fn is_live(&self, now: i64) -> bool {
        self.resets_at(now) > now
    }
}

fn ceil(amount: i128, by: i128) -> i64 {
    let by = by.max(1);
    i64::try_from((amount + by - 1) / by).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_of_a_sliding_window_come_back_one_by_one() {
        let rate = Rate::sliding(5, 5000);
        let mut window = Window::default();
        for _ in 0..5 {
            assert_eq!(window.take(rate, 1000), Ok(()));
        }
        assert_eq!(window.take(rate, 1000), Err(1000), "the next one, not all");
        assert_eq!((window.used(1000), window.resets_at(1000)), (5, 6000));
        assert_eq!(window.take(rate, 1999), Err(1));
        assert_eq!(window.take(rate, 2000), Ok(()));
        assert_eq!(window.resets_at(2000), 7000, "it moves with every use");
        assert_eq!(window.used(4000), 3);
        assert!(window.is_live(6999) && !window.is_live(7000));
    }

    #[test]
    fn shares_that_are_no_whole_milliseconds_add_up() {
        let rate = Rate::sliding(3, 1000);
        let mut window = Window::default();
        for _ in 0..3 {
            assert_eq!(window.take(rate, 0), Ok(()));
        }
        assert_eq!(window.take(rate, 333), Err(1));
        let mut now = 0;
        for _ in 0..3000 {
            now += window.take(rate, now).err().unwrap_or_default();
        }
        assert_eq!(window.used(now + 1000), 0);
        assert_eq!(Window::default().take(Rate::sliding(1, 1), 0), Ok(()));
    }

    #[test]
    fn a_changed_rule_forgives_nothing() {
        let mut window = Window::default();
        for _ in 0..4 {
            assert_eq!(window.take(Rate::fixed(5, 5000), 0), Ok(()));
        }
        assert_eq!(window.take(Rate::sliding(5, 5000), 100), Ok(()));
        assert_eq!(window.take(Rate::sliding(5, 5000), 100), Err(1000));
        assert_eq!(window.take(Rate::sliding(5, 10_000), 100), Err(2000));
        assert_eq!(window.take(Rate::fixed(5, 5000), 100), Err(10_000));
    }

    #[test]
    fn the_widest_rules_do_not_overflow() {
        let rate = Rate::sliding(u32::MAX, 365 * 86_400_000);
        let mut window = Window::default();
        assert_eq!(window.take(rate, i64::MAX / 2), Ok(()));
        assert_eq!(window.used(i64::MAX / 2), 1);
    }
}
