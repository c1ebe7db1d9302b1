//! Plans, carried out on paper: the way from any state to any other.

#![allow(clippy::unwrap_used)]

mod attack;
mod channels;
mod hidden;
mod paper;
mod roles;
mod server;

use serde_json::{Value, json};
use splashtail_guild::permissions::bits;
use splashtail_guild::{Facts, Mode, Structure, Surplus, plan};

fn delete() -> Mode {
    Mode::all(Surplus::Delete)
}

/// The bot of these tests: below role 900, with every permission.
fn all_powerful() -> Facts {
    Facts {
        permissions: bits::ADMINISTRATOR,
        top_role: None,
        owner: true,
    }
}

fn role(id: u64, name: &str, position: i64, permissions: u64) -> Value {
    json!({"id": id.to_string(), "name": name, "position": position, "permissions": permissions.to_string(),
        "color": 0, "hoist": false, "mentionable": false, "managed": false})
}

fn channel(id: u64, kind: u64, name: &str, position: i64, parent: Option<u64>) -> Value {
    json!({"id": id.to_string(), "type": kind, "name": name, "position": position, "flags": 0,
        "parent_id": parent.map(|p| p.to_string()), "permission_overwrites": []})
}

fn guild(roles: Vec<Value>, channels: Vec<Value>) -> Structure {
    let mut all = vec![role(1, "@everyone", 0, 1024)];
    all.extend(roles);
    Structure::from_guild(
        &json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY", "NEWS"],
        "verification_level": 1, "explicit_content_filter": 2, "roles": all, "channels": channels}),
    )
    .unwrap()
}

fn steps(live: &Structure, wanted: &Structure, facts: Facts) -> Vec<String> {
    let plan = plan(live, wanted, facts, &delete());
    plan.effects.into_iter().map(|e| e.step).collect()
}

fn stub(id: u64, parent: Option<u64>) -> Value {
    json!({"id": id.to_string(), "type": 0, "name": "___hidden___", "flags": 1 << 17, "position": 0,
        "parent_id": parent.map(|p| p.to_string()),
        "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]})
}
