//! Servers and what happens in them on an ordinary day.

use serde_json::{Value, json};
use splashtail_guild::{Id, Structure};

pub const START: u64 = 400_000_000_000;

/// A server of fifty roles and a hundred channels.
pub fn structure(guild: Id) -> Structure {
    let roles: Vec<Value> = (0..50)
        .map(|n| json!({"id": (guild.get() + n).to_string(), "position": n, "permissions": "8"}))
        .collect();
    let channels: Vec<Value> = (0..100)
        .map(|n| {
            json!({"id": (guild.get() + 1000 + n).to_string(), "type": 0, "name": "c",
            "permission_overwrites": []})
        })
        .collect();
    let whole = json!({"id": guild, "owner_id": "1", "roles": roles, "channels": channels});
    Structure::from_guild(&whole).expect("a guild")
}

/// Ordinary acts of twenty people a server, one each 100 ms, each text as the gateway brings it: the
/// place of the server, the entry's id, the text.
pub fn entries(guilds: u64, count: u64) -> Vec<(usize, Id, String)> {
    let actions = [11, 13, 24, 25, 72, 22, 10, 31, 74, 110];
    (0..count)
        .map(|n| {
            let id = Id::new(((START + n * 100) << 22) | (n & 0xfff));
            let guild = (n % guilds) as usize;
            let entry = json!({"id": id, "guild_id": "1", "action_type": actions[(n / guilds % 10) as usize],
                "user_id": (700 + n / guilds % 20).to_string(), "target_id": (9000 + n).to_string(),
                "options": {"id": "5", "type": "0", "count": "1", "channel_id": "7"},
                "changes": [{"key": "name", "old_value": "general", "new_value": "talk"},
                    {"key": "$add", "new_value": [{"id": "99", "name": "member"}]}]});
            (guild, id, entry.to_string())
        })
        .collect()
}
