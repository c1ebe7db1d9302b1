//! Channels that the bot does not see, and lists that it could not read.

use serde_json::json;
use splashtail_guild::{Id, Kind, Structure, Why, compare, plan};

use crate::{all_powerful, channel, delete, guild, role, steps, stub};

#[test]
fn hidden_channels_are_left_alone_and_named() {
    let secret = channel(20, 0, "vault", 0, None);
    let wanted = guild(
        vec![],
        vec![secret.clone(), channel(21, 0, "open", 1, None)],
    );
    let mut live = wanted.clone();
    live.apply_event(
        "CHANNEL_UPDATE",
        &json!({"id": "20", "type": 0, "name": "___hidden___", "flags": 1 << 17,
        "position": 0, "parent_id": null,
        "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]}),
    );
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    let unable: Vec<_> = plan.unable.iter().map(|u| (u.id, u.why)).collect();
    assert_eq!(unable, [(Id::new(20), Why::NotVisible)]);
    // Neither is it surplus where it is not wanted.
    let empty = guild(vec![], vec![channel(21, 0, "open", 1, None)]);
    assert!(steps(&live, &empty, all_powerful()).is_empty());
}

// A backup that saw a channel hidden has nothing against it once it is seen.
#[test]
fn what_was_hidden_once_is_not_surplus_later() {
    let wanted = guild(vec![], vec![stub(20, None)]);
    let live = guild(vec![], vec![channel(20, 0, "vault", 0, None)]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
    assert_eq!(plan.unable[0].why, Why::NotVisible);
    // Without a list of all channels nobody knows what was there.
    let rest = json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY", "NEWS"],
        "verification_level": 1, "explicit_content_filter": 2, "roles": [role(1, "@everyone", 0, 1024)]});
    let parts = splashtail_guild::Parts {
        channels: Some(vec![]),
        ..splashtail_guild::Parts::default()
    };
    let wanted = Structure::from_rest(&rest, parts).unwrap();
    assert!(steps(&live, &wanted, all_powerful()).is_empty());
}

// Settings may lead to channels that the bot never saw.
#[test]
fn references_to_hidden_channels_stay() {
    let mut state = guild(vec![], vec![stub(20, None)]);
    state.apply_event("GUILD_UPDATE", &json!({"id": "1", "afk_channel_id": "20"}));
    state.learn(
        Kind::AutomodRule,
        vec![json!({"id": "30", "name": "r", "trigger_type": 1,
        "exempt_channels": ["20"], "actions": [{"type": 2, "metadata": {"channel_id": "20"}}]})],
    );
    let found = compare(&state, &state);
    assert!(
        found.changed.is_empty() && found.surplus.is_empty(),
        "{found:?}"
    );
}

// Anybody may give a channel that name; the flag alone says that it is hidden.
#[test]
fn a_channel_called_hidden_is_put_back() {
    let wanted = guild(vec![], vec![channel(20, 0, "general", 0, None)]);
    let mut live = wanted.clone();
    let mut renamed = stub(20, None);
    renamed["flags"] = 0.into();
    live.apply_event("CHANNEL_UPDATE", &renamed);
    assert!(!live.is_hidden(Id::new(20)));
    assert_eq!(steps(&live, &wanted, all_powerful()), ["channel/20/edit"]);
}

#[test]
fn categories_with_hidden_children_stay() {
    let live = guild(
        vec![],
        vec![channel(10, 4, "Staff", 0, None), stub(20, Some(10))],
    );
    let wanted = guild(vec![], vec![stub(20, Some(10))]);
    let plan = plan(&live, &wanted, all_powerful(), &delete());
    assert!(plan.effects.is_empty(), "{:?}", plan.effects);
}
