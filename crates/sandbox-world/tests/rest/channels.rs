//! Channels and overwrites.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;

use crate::harness::{Case, GUILD, bot_header, code};

#[test]
fn channels_are_made_changed_and_deleted() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/channels");
    let category = case.bot(Method::POST, &path, json!({"name": "Docks", "type": 4}));
    assert_eq!(category.status, 201, "{}", category.json());
    let category = category.json()["id"].as_str().unwrap().to_owned();
    let made = case.bot(
        Method::POST,
        &path,
        json!({"name": "Pier Nine", "topic": "t", "parent_id": category}),
    );
    assert_eq!(made.json()["name"], "pier-nine");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    // 16 exists too, but the description does not know it.
    for kind in [2, 5, 13, 15] {
        let made = case.bot(Method::POST, &path, json!({"name": "k", "type": kind}));
        assert_eq!(made.status, 201, "{kind}: {}", made.json());
    }
    let reason = [
        ("authorization", bot_header()),
        ("x-audit-log-reason", "clean%20%C3%BCp"),
    ];
    let edited = case.http(
        &reason,
        Method::PATCH,
        &format!("/channels/{id}"),
        &json!({"topic": null, "rate_limit_per_user": 5}),
    );
    assert_eq!(edited.status, 200, "{}", edited.json());
    let entry = case.audit().pop().unwrap();
    assert_eq!(entry["reason"], "clean üp");
    // A property reset to null has no new value.
    assert!(
        entry["changes"]
            .as_array()
            .unwrap()
            .contains(&json!({"key": "topic", "old_value": "t"}))
    );
    case.events();
    // Deleting a category only orphans its children.
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("/channels/{category}"),
            Value::Null
        )
        .status,
        200
    );
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(
        kinds,
        [
            "CHANNEL_DELETE",
            "CHANNEL_UPDATE",
            "GUILD_AUDIT_LOG_ENTRY_CREATE"
        ]
    );
    assert_eq!(
        case.get(&format!("/channels/{id}")).json()["parent_id"],
        Value::Null
    );
    let deleted = case.bot(
        Method::DELETE,
        &format!("/channels/{}", case.channel("rules")),
        Value::Null,
    );
    assert_eq!(
        (deleted.status, code(&deleted)),
        (400, 50074),
        "communities keep their rules"
    );
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::DELETE,
            &format!("/channels/{id}"),
            Value::Null
        )),
        50013
    );
    case.finish();
}

#[test]
fn positions_move_silently_and_one_parent_at_a_time() {
    let case = Case::unlimited();
    let (general, media, info) = (
        case.channel("general"),
        case.channel("media"),
        case.channel("Information"),
    );
    let path = format!("/guilds/{GUILD}/channels");
    let before = case.audit().len();
    let moved = case.bot(
        Method::PATCH,
        &path,
        json!([{"id": general, "position": 9}, {"id": media, "position": 1}]),
    );
    assert_eq!(moved.status, 204, "{}", moved.json());
    assert_eq!(case.audit().len(), before);
    let both = case.bot(
        Method::PATCH,
        &path,
        json!([{"id": general, "parent_id": info}, {"id": media, "parent_id": info}]),
    );
    assert_eq!((both.status, code(&both)), (400, 40009));
    case.finish();
}

#[test]
fn overwrites_are_audited_wherever_they_are_changed() {
    let case = Case::unlimited();
    let (general, regular) = (case.channel("general"), case.role("Regular"));
    let path = format!("/channels/{general}/permissions/{regular}");
    let put = |allow: u64, deny: u64| {
        case.bot(
            Method::PUT,
            &path,
            json!({"type": 0, "allow": allow.to_string(), "deny": deny.to_string()}),
        )
    };
    assert_eq!(put(perm::SEND_MESSAGES, 0).status, 204);
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        (&entry["action_type"], &entry["target_id"]),
        (&json!(13), &json!(general))
    );
    assert_eq!(
        entry["options"],
        json!({"id": regular, "type": "0", "role_name": "Regular"})
    );
    assert_eq!(put(0, perm::SEND_MESSAGES).status, 204);
    assert_eq!(case.audit().pop().unwrap()["action_type"], 14);
    // Bits one lacks, and Manage Roles without being an administrator.
    assert_eq!(code(&put(perm::ADMINISTRATOR, 0)), 50013);
    assert_eq!(code(&put(perm::MANAGE_ROLES, 0)), 50013);
    let by_channel = case.bot(
        Method::PATCH,
        &format!("/channels/{general}"),
        json!({"permission_overwrites": []}),
    );
    assert_eq!(by_channel.status, 200, "{}", by_channel.json());
    let entries = case.audit();
    assert_eq!(entries.last().unwrap()["action_type"], 15);
    assert_eq!(code(&case.bot(Method::DELETE, &path, Value::Null)), 10009);
    case.finish();
}

#[test]
fn channels_bots_cannot_see_are_announced_to_them_as_husks() {
    let case = Case::unlimited();
    case.events();
    let hidden = json!({"name": "hidden", "permission_overwrites": [{"id": GUILD, "type": 0, "deny": perm::VIEW_CHANNEL.to_string(), "allow": "0"}]});
    let made = case.user(
        small::ADMIN,
        Method::POST,
        &format!("/guilds/{GUILD}/channels"),
        hidden,
    );
    assert_eq!(made.status, 201, "{}", made.json());
    let seen = case.events_for(small::APPLICATION, u64::MAX);
    assert_eq!(
        seen.iter().map(|e| e.0).collect::<Vec<_>>(),
        ["CHANNEL_CREATE", "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    );
    assert_eq!(seen[0].1["name"], "___hidden___");
    case.finish();
}

#[test]
fn guild_settings_and_incident_actions() {
    let case = Case::unlimited();
    let edited = case.bot(
        Method::PATCH,
        &format!("/guilds/{GUILD}"),
        json!({"name": "New", "verification_level": 3, "description": null}),
    );
    assert_eq!(edited.status, 200, "{}", edited.json());
    assert_eq!(
        (&edited.json()["name"], &edited.json()["description"]),
        (&json!("New"), &Value::Null)
    );
    let path = format!("/guilds/{GUILD}/incident-actions");
    let lock = case.bot(
        Method::PUT,
        &path,
        json!({"invites_disabled_until": "2026-03-01T20:00:00+00:00", "dms_disabled_until": null}),
    );
    assert_eq!(
        lock.json()["invites_disabled_until"],
        "2026-03-01T20:00:00.000000+00:00"
    );
    assert_eq!(
        case.bot(
            Method::PUT,
            &path,
            json!({"invites_disabled_until": "2026-03-03T20:00:00+00:00"})
        )
        .status,
        400
    );
    assert!(case.get(&format!("/guilds/{GUILD}")).json()["incidents_data"].is_object());
    assert_eq!(
        case.bot(Method::PUT, &path, json!({"invites_disabled_until": null}))
            .status,
        200
    );
    let emoji = json!({"name": "dot", "image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="});
    let made = case.bot(Method::POST, &format!("/guilds/{GUILD}/emojis"), emoji);
    assert_eq!(made.status, 201, "{}", made.json());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("/guilds/{GUILD}/emojis/{id}"),
            json!({"name": "spot"})
        )
        .status,
        200
    );
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("/guilds/{GUILD}/emojis/{id}"),
            Value::Null
        )
        .status,
        204
    );
    let invite = case.bot(
        Method::POST,
        &format!("/channels/{}/invites", case.channel("general")),
        json!({}),
    );
    assert_eq!(invite.status, 200, "{}", invite.json());
    let code = invite.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(
        case.get(&format!("/invites/{code}?with_counts=true"))
            .status,
        200
    );
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}/invites")).json()[0]["code"],
        json!(code)
    );
    assert_eq!(
        case.bot(Method::DELETE, &format!("/invites/{code}"), Value::Null)
            .status,
        200
    );
    case.finish();
}

// "lock_permissions: syncs the permission overwrites with the new parent, if moving to a new
// category".
#[test]
fn a_channel_can_take_over_the_overwrites_of_its_new_category() {
    let case = Case::unlimited();
    let (general, staff) = (case.channel("general"), case.channel("Staff"));
    let overwrites = |channel| {
        case.sandbox
            .with_world(|w| w.channels[&channel].overwrites.clone())
    };
    let own = overwrites(general);
    assert_ne!(own, overwrites(staff));
    let path = format!("/guilds/{GUILD}/channels");
    let shift = |sync: bool| {
        let body = json!([{"id": general, "parent_id": staff, "lock_permissions": sync}]);
        case.user(small::OWNER, Method::PATCH, &path, body)
    };
    assert_eq!(shift(false).status, 204);
    assert_eq!(overwrites(general), own);
    assert_eq!(shift(true).status, 204);
    assert_eq!(overwrites(general), overwrites(staff));
    case.finish();
}
