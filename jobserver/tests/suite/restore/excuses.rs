//! Parts of a restore, and what the differ forgives.

use serde_json::{Value, json};
pub use splashtail_sandbox::portrait::{shown, unexcused};

/// Everything that can be chosen.
pub fn all_parts() -> Value {
    let mut parts = usual_parts();
    let people = ["members", "bans"].map(Value::from);
    parts.as_array_mut().unwrap().extend(people);
    parts
}

/// Without members and bans.
pub fn usual_parts() -> Value {
    json!([
        "settings",
        "roles",
        "channels",
        "overwrites",
        "emojis",
        "stickers",
        "sounds",
        "automod",
        "events",
        "welcome",
        "webhooks",
        "invites",
        "threads",
        "messages"
    ])
}
