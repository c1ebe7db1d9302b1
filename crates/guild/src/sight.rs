//! Channels that a bot may not see (Discord docs, Channel resource, "Obfuscated Channels").

use serde_json::Value;

use crate::Id;
use crate::permissions::bits::VIEW_CHANNEL;
use crate::read::{array, bit_set};

/// Flag of a channel that is hidden from the bot: only id, type, position and parent are true.
pub const HIDDEN_FLAG: u64 = 1 << 17;
/// Its name.
pub const HIDDEN_NAME: &str = "___hidden___";
/// Type of a member's overwrite.
const OF_MEMBER: u64 = 1;

/// Whether a channel object only stands for a channel that cannot be seen. The flag decides: anybody
/// may name a channel so and deny everyone its sight. Only where a reader lost the flags do the false
/// name and the one overwrite of @everyone count.
pub fn is_hidden(channel: &Value) -> bool {
    is_hidden_in(channel, Id::read(&channel["guild_id"]))
}

/// The same of a channel that may not name its guild.
pub(crate) fn is_hidden_in(channel: &Value, guild: Option<Id>) -> bool {
    if let Some(flags) = channel["flags"].as_u64() {
        return flags & HIDDEN_FLAG != 0;
    }
    let [only] = array(&channel["permission_overwrites"]) else {
        return false;
    };
    let of_everyone = match guild {
        Some(guild) => Id::of(only) == Some(guild),
        None => only["type"] != OF_MEMBER,
    };
    let denied = bit_set(&only["deny"]) & VIEW_CHANNEL != 0;
    channel["name"] == HIDDEN_NAME && of_everyone && denied
}
