use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splashtail_guild::{Id, Structure};

use crate::moment::Moment;

/// Holders of a deleted role that are kept.
pub const MAX_HOLDERS: usize = 5000;
/// Deleted roles whose holders are kept.
pub const MAX_LOST_ROLES: usize = 250;

/// A server as it was before an incident began, as far as the bot saw it. Discord does not log what
/// goes along with a deleted object: overwrites of a role, the place of a channel, holders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pinned {
    pub at: Moment,
    pub structure: Structure,
    /// Who held roles that were deleted since.
    #[serde(default)]
    pub holders: BTreeMap<Id, Vec<Id>>,
}
