//! Channels that a bot may not see (Discord docs, Channel resource, "Obfuscated Channels").

use serde_json::Value;

use crate::Id;

/// Flag of a channel whose object is obfuscated.
pub const HIDDEN_FLAG: u64 = 1 << 17;
/// Its name.
pub const HIDDEN_NAME: &str = "___hidden___";

const VIEW_CHANNEL: u64 = 1 << 10;

/// Whether a channel object only stands for a channel that cannot be seen. The flag decides: anybody
/// may name a channel so. Only where a reader lost the flags do name and the one overwrite count.
pub fn is_obfuscated(channel: &Value, guild: Id) -> bool {
    if let Some(flags) = channel["flags"].as_u64() {
        return flags & HIDDEN_FLAG != 0;
    }
    let overwrites = channel["permission_overwrites"].as_array();
    let hides_from_all = overwrites.is_some_and(|list| match list.as_slice() {
        [only] => {
            let deny = crate::fields::bit_set(&only["deny"]);
            Id::of(only) == Some(guild) && deny & VIEW_CHANNEL != 0
        }
        _ => false,
    });
    channel["name"] == HIDDEN_NAME && hides_from_all
}
