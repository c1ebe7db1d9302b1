//! Entries of the audit log, act by act: type, target, options and changes.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, User};

use crate::audit::{left_by, option, say};
use crate::harness::{Case, GUILD, code};

// Every action the bot reacts to: type, target, options, and the shape of its changes.
#[test]
fn acts_and_their_entries() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let newcomer = Id(1_200_000_000_000_000_001);
    case.sandbox.with_world(|w| {
        w.users.insert(newcomer, User::new(newcomer, "newcomer"));
        assert!(w.add_member(GUILD, newcomer));
    });
    let made = |path: &str, body: Value| {
        let made = case.bot(Method::POST, path, body);
        assert!(made.is_success(), "{path}: {}", made.json());
        made.json()["id"].as_str().unwrap_or_default().to_owned()
    };
    let channel = made(&format!("/guilds/{GUILD}/channels"), json!({"name": "c"}));
    let role = made(&format!("/guilds/{GUILD}/roles"), json!({"name": "r"}));
    let hook = made(
        &format!("/channels/{general}/webhooks"),
        json!({"name": "h"}),
    );
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let emoji = made(
        &format!("/guilds/{GUILD}/emojis"),
        json!({"name": "ee", "image": picture}),
    );
    let rule = made(
        &format!("/guilds/{GUILD}/auto-moderation/rules"),
        json!({
        "name": "a", "event_type": 1, "trigger_type": 4, "trigger_metadata": {"presets": [1]},
        "actions": [{"type": 1, "metadata": {}}]}),
    );
    let thread = made(
        &format!("/channels/{general}/threads"),
        json!({"name": "t", "type": 11}),
    );
    let said = say(&case, small::SPARE, "x");
    let invite = case
        .bot(
            Method::POST,
            &format!("/channels/{general}/invites"),
            json!({}),
        )
        .json();
    let invite = invite["code"].as_str().unwrap().to_owned();
    let member = format!("/guilds/{GUILD}/members/{newcomer}");
    let ban = format!("/guilds/{GUILD}/bans/{newcomer}");
    let pin = format!("/channels/{general}/messages/pins/{said}");
    let none = Value::Null;
    type Row = (
        Method,
        String,
        Value,
        u64,
        Value,
        &'static [&'static str],
        &'static [&'static str],
    );
    // Request; action; target; options; keys of the changes.
    let rows: Vec<Row> = vec![
        (
            Method::PATCH,
            format!("/guilds/{GUILD}"),
            json!({"name": "Renamed"}),
            1,
            json!(GUILD),
            &[],
            &["name"],
        ),
        (
            Method::PATCH,
            format!("/channels/{channel}"),
            json!({"topic": "t", "nsfw": true}),
            11,
            json!(channel),
            &[],
            &["topic", "nsfw"],
        ),
        (
            Method::PUT,
            format!("/channels/{channel}/permissions/{role}"),
            json!({"type": 0, "allow": "2048", "deny": "0"}),
            13,
            json!(channel),
            &["id", "type", "role_name"],
            &["id", "type", "allow", "deny"],
        ),
        (
            Method::PUT,
            format!("/channels/{channel}/permissions/{role}"),
            json!({"type": 0, "allow": "0", "deny": "2048"}),
            14,
            json!(channel),
            &["id", "type", "role_name"],
            &["allow", "deny"],
        ),
        (
            Method::DELETE,
            format!("/channels/{channel}/permissions/{role}"),
            none.clone(),
            15,
            json!(channel),
            &["id", "type", "role_name"],
            &["id", "type", "allow", "deny"],
        ),
        (
            Method::DELETE,
            format!("/channels/{channel}"),
            none.clone(),
            12,
            json!(channel),
            &[],
            &["name", "type", "topic", "nsfw"],
        ),
        (
            Method::PATCH,
            member.clone(),
            json!({"nick": "n"}),
            24,
            json!(newcomer),
            &[],
            &["nick"],
        ),
        (
            Method::PUT,
            format!("{member}/roles/{role}"),
            none.clone(),
            25,
            json!(newcomer),
            &[],
            &["$add"],
        ),
        (
            Method::DELETE,
            format!("{member}/roles/{role}"),
            none.clone(),
            25,
            json!(newcomer),
            &[],
            &["$remove"],
        ),
        (
            Method::PATCH,
            format!("/guilds/{GUILD}/roles/{role}"),
            json!({"hoist": true}),
            31,
            json!(role),
            &[],
            &["hoist"],
        ),
        (
            Method::DELETE,
            format!("/guilds/{GUILD}/roles/{role}"),
            none.clone(),
            32,
            json!(role),
            &[],
            &["name"],
        ),
        (
            Method::DELETE,
            member.clone(),
            none.clone(),
            20,
            json!(newcomer),
            &[],
            &[],
        ),
        (
            Method::PUT,
            ban.clone(),
            json!({}),
            22,
            json!(newcomer),
            &[],
            &[],
        ),
        (
            Method::DELETE,
            ban,
            none.clone(),
            23,
            json!(newcomer),
            &[],
            &[],
        ),
        (
            Method::POST,
            format!("/guilds/{GUILD}/prune"),
            json!({"days": 1}),
            21,
            Value::Null,
            &["delete_member_days", "members_removed"],
            &[],
        ),
        (
            Method::DELETE,
            format!("/invites/{invite}"),
            none.clone(),
            42,
            Value::Null,
            &[],
            &["code", "channel_id"],
        ),
        (
            Method::PATCH,
            format!("/webhooks/{hook}"),
            json!({"name": "renamed"}),
            51,
            json!(hook),
            &[],
            &["name"],
        ),
        (
            Method::PATCH,
            format!("/webhooks/{hook}"),
            json!({"avatar": picture}),
            51,
            json!(hook),
            &[],
            &["avatar_hash"],
        ),
        (
            Method::DELETE,
            format!("/webhooks/{hook}"),
            none.clone(),
            52,
            json!(hook),
            &[],
            &["name", "channel_id"],
        ),
        (
            Method::PATCH,
            format!("/guilds/{GUILD}/emojis/{emoji}"),
            json!({"name": "ff"}),
            61,
            json!(emoji),
            &[],
            &["name"],
        ),
        (
            Method::DELETE,
            format!("/guilds/{GUILD}/emojis/{emoji}"),
            none.clone(),
            62,
            json!(emoji),
            &[],
            &["name"],
        ),
        (
            Method::PUT,
            pin.clone(),
            none.clone(),
            74,
            json!(small::SPARE),
            &["channel_id", "message_id"],
            &[],
        ),
        (
            Method::DELETE,
            pin,
            none.clone(),
            75,
            json!(small::SPARE),
            &["channel_id", "message_id"],
            &[],
        ),
        (
            Method::PATCH,
            format!("/channels/{thread}"),
            json!({"name": "tt"}),
            111,
            json!(thread),
            &[],
            &["name"],
        ),
        (
            Method::DELETE,
            format!("/channels/{thread}"),
            none.clone(),
            112,
            json!(thread),
            &[],
            &["name"],
        ),
        (
            Method::PATCH,
            format!("/guilds/{GUILD}/auto-moderation/rules/{rule}"),
            json!({"enabled": true}),
            141,
            json!(rule),
            &[],
            &["enabled"],
        ),
        (
            Method::DELETE,
            format!("/guilds/{GUILD}/auto-moderation/rules/{rule}"),
            none,
            142,
            json!(rule),
            &[],
            &["name"],
        ),
    ];
    for (method, path, body, action, target, options, keys) in rows {
        let (entries, announced) = left_by(&case, || {
            let done = case.http(
                &[
                    ("authorization", crate::harness::bot_header()),
                    ("x-audit-log-reason", "because%20of%20%C3%BC"),
                ],
                method.clone(),
                &path,
                &body,
            );
            assert!(done.is_success(), "{method} {path}: {}", done.json());
        });
        let [entry] = entries.as_slice() else {
            panic!("{method} {path}: {entries:?}")
        };
        assert_eq!(announced, 1, "{method} {path}");
        assert_eq!(
            (&entry["action_type"], &entry["target_id"]),
            (&json!(action), &target),
            "{method} {path}"
        );
        assert_eq!(
            (&entry["user_id"], &entry["reason"]),
            (&json!(small::APPLICATION), &json!("because of ü"))
        );
        let given = entry["options"].as_object();
        assert_eq!(given.map_or(0, |o| o.len()), options.len(), "{entry}");
        for key in options {
            option(entry, key);
        }
        let changed: Vec<&str> = entry["changes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|c| c["key"].as_str())
            .collect();
        for key in keys {
            assert!(changed.contains(key), "{key} in {entry}");
        }
        if keys.is_empty() {
            assert_eq!(entry.get("changes"), None, "{entry}");
        }
    }
    case.finish();
}

// `changes`: creations have only new values, and a reset leaves `new_value` out.
#[test]
fn values_that_are_not_there_are_left_out() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/members/{}", small::MEMBER);
    let (set, _) = left_by(&case, || {
        case.bot(Method::PATCH, &path, json!({"nick": "n"}));
    });
    assert_eq!(
        set[0]["changes"],
        json!([{"key": "nick", "new_value": "n"}])
    );
    let (reset, _) = left_by(&case, || {
        case.bot(Method::PATCH, &path, json!({"nick": null}));
    });
    assert_eq!(
        reset[0]["changes"],
        json!([{"key": "nick", "old_value": "n"}])
    );
    let (made, _) = left_by(&case, || {
        case.bot(
            Method::POST,
            &format!("/guilds/{GUILD}/roles"),
            json!({"name": "r"}),
        );
    });
    let changes = made[0]["changes"].as_array().unwrap();
    assert!(
        changes.iter().all(|c| c.get("old_value").is_none()),
        "{made:?}"
    );
    // Overwrites of a channel PATCH are entries of their own, with the channel as their target.
    let (patched, _) = left_by(&case, || {
        let list = json!({"permission_overwrites": [{"id": GUILD, "type": 0, "allow": "0", "deny": "2048"}]});
        let path = format!("/channels/{}", case.channel("media"));
        assert_eq!(case.bot(Method::PATCH, &path, list).status, 200);
    });
    let kinds: Vec<_> = patched
        .iter()
        .map(|e| (e["action_type"].as_u64(), option(e, "type")))
        .collect();
    assert!(kinds.contains(&(Some(13), "0")), "{kinds:?}");
    assert!(
        patched
            .iter()
            .all(|e| e["target_id"] == json!(case.channel("media")))
    );
    case.finish();
}

// AutoMod: 143 blocked, 144 flagged, 145 timed out, about the author, with the rule by name.
#[test]
fn what_automod_does_is_logged_action_by_action() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let rule = json!({
        "name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["badword"]},
        "actions": [
            {"type": 1, "metadata": {}},
            {"type": 2, "metadata": {"channel_id": case.channel("staff")}},
            {"type": 3, "metadata": {"duration_seconds": 60}},
        ],
    });
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    assert_eq!(case.bot(Method::POST, &rules, rule).status, 200);
    let (entries, announced) = left_by(&case, || {
        let path = format!("/channels/{general}/messages");
        let said = case.user(
            small::SPARE,
            Method::POST,
            &path,
            json!({"content": "badword"}),
        );
        assert_eq!((said.status, code(&said)), (400, 200000));
    });
    let kinds: Vec<_> = entries.iter().map(|e| e["action_type"].as_u64()).collect();
    assert_eq!(
        (kinds, announced),
        (vec![Some(143), Some(144), Some(145)], 3)
    );
    for entry in &entries {
        assert_eq!(entry["target_id"], json!(small::SPARE));
        assert_eq!(option(entry, "auto_moderation_rule_name"), "words");
        assert_eq!(option(entry, "auto_moderation_rule_trigger_type"), "1");
        assert_eq!(option(entry, "channel_id"), general.to_string());
    }
    case.finish();
}

// Whoever deletes a webhook by its token is nobody to the audit log.
#[test]
fn a_webhook_deleted_by_its_token_leaves_an_entry_without_a_user() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let hooks = format!("/channels/{general}/webhooks");
    let hook = case.bot(Method::POST, &hooks, json!({"name": "h"})).json();
    let (id, token) = (&hook["id"], hook["token"].as_str().unwrap());
    let path = format!("/webhooks/{}/{token}", id.as_str().unwrap());
    let (entries, announced) = left_by(&case, || {
        assert_eq!(
            case.http(&[], Method::DELETE, &path, &Value::Null).status,
            204
        );
    });
    assert_eq!((entries.len(), announced), (1, 1));
    let entry = &entries[0];
    assert_eq!(
        (&entry["action_type"], &entry["target_id"]),
        (&json!(52), id)
    );
    assert_eq!(entry.get("user_id"), Some(&Value::Null));
}

// A bot goes with its integration, whichever way it goes.
#[test]
fn kicking_or_banning_a_bot_leaves_an_entry_for_its_integration() {
    for (method, place, action) in [(Method::DELETE, "members", 20), (Method::PUT, "bans", 22)] {
        let case = Case::unlimited();
        let integration = case.sandbox.with_world(|w| {
            let own = w.guilds[&GUILD].integrations.values();
            own.clone().next().map(|i| i.id).unwrap()
        });
        let path = format!("/guilds/{GUILD}/{place}/{}", small::APPLICATION);
        let (entries, _) = left_by(&case, || {
            let done = case.user(small::OWNER, method.clone(), &path, json!({}));
            assert_eq!(done.status, 204, "{}", done.json());
        });
        let left: Vec<_> = entries
            .iter()
            .map(|e| (e["action_type"].as_u64(), e["target_id"].clone()))
            .collect();
        let bot = json!(small::APPLICATION);
        assert_eq!(left, [(Some(action), bot), (Some(82), json!(integration))]);
        assert_eq!(entries[1]["user_id"], json!(small::OWNER));
    }
}

#[test]
fn changed_word_lists_say_what_came_and_what_went() {
    let case = Case::unlimited();
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    let lists =
        |words: &[&str], allowed: &[&str]| json!({"keyword_filter": words, "allow_list": allowed});
    let rule = json!({"name": "words", "event_type": 1, "trigger_type": 1,
        "trigger_metadata": lists(&["one", "two"], &[]), "actions": [{"type": 1, "metadata": {}}]});
    let rule = case.bot(Method::POST, &rules, rule).json();
    let path = format!("{rules}/{}", rule["id"].as_str().unwrap());
    let (entries, _) = left_by(&case, || {
        let metadata = json!({"trigger_metadata": lists(&["two", "three"], &["onerous"])});
        assert_eq!(case.bot(Method::PATCH, &path, metadata).status, 200);
    });
    let change = |key: &str| {
        let mut all = entries[0]["changes"].as_array().unwrap().iter();
        all.find(|c| c["key"] == key)
            .map(|c| c["new_value"].clone())
    };
    assert_eq!(change("$add_keyword_filter"), Some(json!(["three"])));
    assert_eq!(change("$remove_keyword_filter"), Some(json!(["one"])));
    assert_eq!(change("$add_allow_list"), Some(json!(["onerous"])));
    assert_eq!(change("$remove_allow_list"), None);
    assert!(change("trigger_metadata").is_some());
}

#[test]
fn a_voice_status_is_announced_and_logged() {
    let case = Case::unlimited();
    let lounge = case.channel("Lounge");
    let path = format!("/channels/{lounge}/voice-status");
    let set =
        |status: Value| case.user(small::ADMIN, Method::PUT, &path, json!({"status": status}));
    for (status, action) in [(json!("Chess"), 192), (Value::Null, 193)] {
        case.events();
        let (entries, _) = left_by(&case, || assert_eq!(set(status.clone()).status, 204));
        assert_eq!(entries[0]["action_type"], action);
        assert_eq!(entries[0]["target_id"], json!(lounge));
    }
    let plain = case.user(small::MEMBER, Method::PUT, &path, json!({"status": "x"}));
    assert_eq!((plain.status, code(&plain)), (403, 50013));
    let general = format!("/channels/{}/voice-status", case.channel("general"));
    assert_eq!(
        code(&case.user(small::ADMIN, Method::PUT, &general, json!({"status": "x"}))),
        50024
    );
}
