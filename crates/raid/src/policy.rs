//! What a server wants.

use serde::{Deserialize, Serialize};

use crate::moment::{DAY, HOUR, Moment};

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

    /// Arrivals per hour on top of the usual ones.
    pub(crate) fn rate(&self, now: Moment) -> Option<f64> {
        let hours = self.until.since(self.from) as f64 / HOUR as f64;
        (now >= self.from && now < self.until && hours > 0.0)
            .then(|| f64::from(self.people) / hours)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// Invites are paused for a quarter of an hour when far more come than usual.
    pub pauses_waves: bool,
    pub expected: Option<Expected>,
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
