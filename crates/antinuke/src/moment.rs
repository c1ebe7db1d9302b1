//! Time as Discord's ids tell it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

/// Milliseconds between the Unix epoch and the first second of 2015.
const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;
/// A snowflake's time lies above worker, process and increment.
const SHIFT: u32 = 22;

pub const SECOND: u64 = 1000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// Milliseconds since the first second of 2015, by Discord's clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// When an id was given.
    pub const fn of(id: Id) -> Self {
        Self(id.get() >> SHIFT)
    }

    /// The smallest id of this moment.
    pub const fn id(self) -> Id {
        Id::new(self.0 << SHIFT)
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

    /// Milliseconds between the two, whichever is first.
    pub const fn apart(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    pub const fn unix_ms(self) -> u64 {
        self.0.saturating_add(DISCORD_EPOCH_MS)
    }

    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms.saturating_sub(DISCORD_EPOCH_MS))
    }
}

/// The present by Discord's clock: the newest id seen and the monotonic time since. The wall clock
/// of this machine has no part in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pulse {
    seen: Moment,
    at: Duration,
}

impl Pulse {
    /// Notes an id given by Discord, at a monotonic time of this process.
    pub fn see(&mut self, id: Id, monotonic: Duration) {
        let moment = Moment::of(id);
        if moment > self.now(monotonic) {
            *self = Self {
                seen: moment,
                at: monotonic,
            };
        }
    }

    /// Never goes backwards.
    pub fn now(&self, monotonic: Duration) -> Moment {
        let since = monotonic.saturating_sub(self.at).as_millis();
        self.seen.plus(u64::try_from(since).unwrap_or(u64::MAX))
    }
}
