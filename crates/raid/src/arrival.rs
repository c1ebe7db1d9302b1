//! Somebody who came.

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::moment::Moment;
use crate::name::Name;

/// Somebody who came, as the event tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    pub user: Id,
    /// `joined_at`, or when the request was made.
    pub at: Moment,
    pub name: Name,
    /// A short name of the picture; zero without one.
    pub avatar: u32,
    /// Has a banner, a decoration, collectibles or a server's tag: that costs something.
    pub is_invested: bool,
    /// Discord marked the account as a spammer's once (`1 << 20`), which is a hint and no more.
    pub is_spammer: bool,
    pub exempt: Exempt,
    /// The rules are still to be accepted.
    pub is_pending: bool,
    /// It was told after a time in which nothing was: nobody is banned for it without being asked.
    pub is_late: bool,
}

impl Arrival {
    /// When the account was made.
    pub const fn made(&self) -> Moment {
        Moment::of(self.user)
    }

    /// Younger when it came than so many milliseconds.
    pub(crate) const fn is_younger(&self, ms: u64) -> bool {
        self.at.since(self.made()) < ms
    }
}

/// A short name for something that two accounts may have in common: the digest of a picture, of a text.
/// Never zero.
pub fn short(bytes: &[u8]) -> u32 {
    crate::name::Hash::of(bytes)
}

/// Why somebody is never touched, whatever they look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exempt {
    /// They may be a raider.
    #[default]
    No,
    Owner,
    Bot,
    /// Holds a dangerous permission.
    Staff,
    Trusted,
    Booster,
    /// Holds roles that newcomers do not get.
    Roles,
    /// People let them in during the last 30 days.
    Acquitted,
}
