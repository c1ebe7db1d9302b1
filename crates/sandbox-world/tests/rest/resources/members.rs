//! Members, one by one and pruned.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use super::accepts;
use crate::harness::{Case, GUILD, code};

// Members: nick 32, timeout at most 28 days, a role set replaces.
#[test]
fn members_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/members/{}", small::MEMBER);
    // The clock stands at 2026-03-01T12:00:00Z.
    accepts(
        &case,
        &Method::PATCH,
        &path,
        &[
            (json!({"nick": "ä".repeat(32)}), 200),
            (json!({"nick": "ä".repeat(33)}), 400),
            (
                json!({"communication_disabled_until": "2026-03-29T12:00:00Z"}),
                200,
            ),
            (
                json!({"communication_disabled_until": "2026-03-29T12:00:01Z"}),
                400,
            ),
            (json!({"communication_disabled_until": "soon"}), 400),
            (json!({"communication_disabled_until": null}), 200),
        ],
    );
    let (regular, muted) = (case.role("Regular"), case.role("Muted"));
    let set = |roles: Value| {
        case.bot(Method::PATCH, &path, json!({"roles": roles}))
            .json()["roles"]
            .clone()
    };
    assert_eq!(set(json!([regular])), json!([regular]));
    assert_eq!(set(json!([muted])), json!([muted]));
    assert_eq!(set(json!([])), json!([]));
    assert_eq!(case.bot(Method::DELETE, &path, Value::Null).status, 204);
    case.finish();
}

// Prune: two permissions, everyone idle leaves with an event each, and one entry for all.
#[test]
fn pruning_is_one_entry_for_many_departures() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/prune");
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"days": 0}), 400),
            (json!({"days": 31}), 400),
            (json!({"include_roles": ["1"]}), 400),
        ],
    );
    // Marta manages the server but cannot kick.
    let alone = case.user(small::MANAGER, Method::POST, &path, json!({}));
    assert_eq!(code(&alone), 50013);
    case.advance_ms(7 * 86_400_000 + 1000);
    let said = case.user(
        small::SPARE,
        Method::POST,
        &format!("/channels/{}/messages", case.channel("general")),
        json!({"content": "still here"}),
    );
    assert_eq!(said.status, 200);
    let regular = case.role("Regular");
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        guild
            .members
            .get_mut(&small::MEMBER)
            .unwrap()
            .roles
            .insert(regular);
    });
    case.events();
    let before = case.audit().len();
    let none = case.bot(Method::POST, &path, json!({}));
    assert_eq!(none.json(), json!({"pruned": 0}));
    assert!(case.events().iter().all(|e| e.0 != "GUILD_MEMBER_REMOVE"));
    let some = case.bot(Method::POST, &path, json!({"include_roles": [regular]}));
    assert_eq!(some.json(), json!({"pruned": 1}));
    let events = case.events();
    let gone: Vec<_> = events
        .iter()
        .filter(|e| e.0 == "GUILD_MEMBER_REMOVE")
        .collect();
    assert_eq!(
        (gone.len(), &gone[0].1["user"]["id"]),
        (1, &json!(small::MEMBER))
    );
    let entries = case.audit().split_off(before);
    assert!(
        entries.iter().all(|e| e["action_type"] == 21),
        "no kicks: {entries:?}"
    );
    case.finish();
}
