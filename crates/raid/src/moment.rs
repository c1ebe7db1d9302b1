//! Time as Discord's ids tell it.

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

pub const SECOND: u64 = 1000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// Milliseconds between the Unix epoch and the first second of 2015.
const DISCORD_EPOCH: u64 = 1_420_070_400_000;
/// A snowflake's time lies above worker, process and increment.
const SHIFT: u32 = 22;

/// Milliseconds since the Unix epoch, by Discord's clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// When an id was given.
    pub const fn of(id: Id) -> Self {
        Self((id.get() >> SHIFT) + DISCORD_EPOCH)
    }

    /// The smallest id of this moment.
    pub const fn id(self) -> Id {
        Id::new(self.0.saturating_sub(DISCORD_EPOCH) << SHIFT)
    }

    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    #[must_use]
    pub const fn minus(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds since an earlier moment; zero when it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole hours since the Unix epoch.
    pub(crate) const fn hour(self) -> u64 {
        self.0 / HOUR
    }
}
