//! What a server wants.

use serde::{Deserialize, Serialize};

use crate::moment::{DAY, Moment};

/// People whose coming can be announced at most.
const MOST_EXPECTED: u32 = 100_000;
const LONGEST_EXPECTED: u64 = 7 * DAY;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is judged.
    Off,
    /// Judged and told; nothing is done.
    #[default]
    DryRun,
    /// Newcomers are stopped and held at once; people decide who is banned.
    Ask,
    /// The same, and where there is no doubt about fresh accounts they are banned at once.
    Auto,
}

/// Many will come, and that is fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub from: Moment,
    pub until: Moment,
    pub people: u32,
}

impl Expected {
    pub const fn is_sound(&self) -> bool {
        let long = self.until.since(self.from);
        self.people > 0 && self.people <= MOST_EXPECTED && long > 0 && long <= LONGEST_EXPECTED
    }

    pub(crate) fn is_on(&self, now: Moment) -> bool {
        now >= self.from && now < self.until
    }

    /// Arrivals between two moments on top of the usual ones: those of the announced time alone, however
    /// long ago that ended.
    pub(crate) fn between(&self, from: Moment, to: Moment) -> f64 {
        let all = self.until.since(self.from) as f64;
        let within = to.min(self.until).since(from.max(self.from)) as f64;
        match all > 0.0 {
            true => f64::from(self.people) * within / all,
            false => 0.0,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// Invites are paused for a quarter of an hour when far more come than usual.
    pub pauses_waves: bool,
    pub expected: Option<Expected>,
}

impl Mode {
    /// Whether something is done, and not only told.
    pub const fn acts(self) -> bool {
        matches!(self, Self::Ask | Self::Auto)
    }
}

impl Policy {
    /// What is offered to a server of this size, when it switches it on.
    pub const fn offered(members: u64) -> Self {
        // In a small server friends come together; in a large one waves are daily.
        let (mode, pauses_waves) = match members {
            0..200 => (Mode::Ask, false),
            200..=10_000 => (Mode::Ask, true),
            _ => (Mode::Auto, false),
        };
        Self {
            mode,
            pauses_waves,
            expected: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::HOUR;

    #[test]
    fn who_is_announced_is_counted_in_the_announced_time_alone() {
        let from = Moment(1_795_996_800_000);
        let expected = Expected {
            from,
            until: from.plus(6 * HOUR),
            people: 600,
        };
        let between = |a: u64, b: u64| expected.between(from.plus(a * HOUR), from.plus(b * HOUR));
        assert_eq!(between(0, 1), 100.0);
        // A window that reaches back into it still knows them.
        assert_eq!(between(5, 9), 100.0);
        assert_eq!(between(6, 9), 0.0);
        assert_eq!(expected.between(from.minus(6 * HOUR), from), 0.0);
        assert!(expected.is_on(from) && !expected.is_on(expected.until));
    }
}
