//! What an attacker did, taken back, and what others did since.

use serde_json::json;
use splashtail_guild::{Id, Kind, Verdict, compare, plan, put_back, rehearse};

use crate::{all_powerful, channel, delete, guild, role};

#[test]
fn later_changes_by_others_are_asked_about() {
    let before = guild(
        vec![role(20, "Mod", 1, 0)],
        vec![channel(30, 0, "a", 0, None)],
    );
    let mut after = before.clone();
    after.apply_event("CHANNEL_DELETE", &json!({"id": "30"}));
    after.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Pwned", 1, 8)}),
    );
    let mut now = after.clone();
    now.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Friends", 1, 8)}),
    );
    let back = put_back(&before, &after, &now);
    assert_eq!(
        back.verdicts,
        [
            (Kind::Role, Id::new(20), Some("name"), Verdict::AskAgain),
            (
                Kind::Role,
                Id::new(20),
                Some("permissions"),
                Verdict::PutBack
            ),
            (Kind::Channel, Id::new(30), None, Verdict::PutBack),
        ]
    );
    let wanted = back.wanted.get(Kind::Role, Id::new(20)).unwrap();
    assert_eq!(
        (&wanted["name"], &wanted["permissions"]),
        (&json!("Friends"), &json!("0"))
    );
}

// What an attacker changed and somebody has removed since is not made again, and not passed over either.
#[test]
fn what_was_changed_and_then_removed_is_asked_about() {
    let before = guild(
        vec![role(20, "Mod", 2, 0), role(21, "Helper", 1, 0)],
        vec![channel(30, 0, "a", 0, None)],
    );
    let mut after = before.clone();
    after.apply_event(
        "GUILD_ROLE_UPDATE",
        &json!({"role": role(20, "Pwned", 2, 8)}),
    );
    let mut now = after.clone();
    for role in ["20", "21"] {
        now.apply_event("GUILD_ROLE_DELETE", &json!({"role_id": role}));
    }
    let back = put_back(&before, &after, &now);
    let asked = [(Kind::Role, Id::new(20), None, Verdict::AskAgain)];
    assert_eq!(back.verdicts, asked, "nobody attacked the other one");
    assert!(compare(&back.wanted, &now).is_empty());
}

// Taking a plan back, last effect first, leads where it began.
#[test]
fn inverses_lead_back() {
    let mut private = channel(30, 0, "private", 0, Some(29));
    private["permission_overwrites"] = json!([{"id": "1", "type": 0, "allow": "0", "deny": "1024"},
        {"id": "20", "type": 0, "allow": "1024", "deny": "0"}]);
    private["flags"] = (1 << 21).into();
    let before = guild(
        vec![role(20, "Mod", 1, 8)],
        vec![channel(29, 4, "Staff", 0, None), private],
    );
    let after = guild(
        vec![role(20, "Mods", 1, 0)],
        vec![channel(31, 0, "other", 0, None)],
    );
    let there = plan(&before, &after, all_powerful(), &delete());
    let reached = rehearse(&before, &there);
    let mut back = there.clone();
    back.effects = there
        .effects
        .iter()
        .rev()
        .flat_map(|effect| {
            let step = format!("undo {}", effect.step);
            effect
                .inverse
                .iter()
                .map(move |operation| splashtail_guild::Effect {
                    step: step.clone(),
                    operation: operation.clone(),
                    needs: 0,
                    inverse: Vec::new(),
                })
        })
        .collect();
    let returned = rehearse(&reached, &back);
    let left = compare(&returned, &before);
    // What the plan made is deleted by whoever knows its id.
    assert_eq!(left.surplus.len(), 1, "{left:#?}");
    assert!(
        left.changed.is_empty() && left.missing.is_empty(),
        "{left:#?}"
    );
}
