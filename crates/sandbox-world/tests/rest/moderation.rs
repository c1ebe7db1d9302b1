//! Members, bans, pruning and AutoMod.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, User};

use crate::harness::{Case, GUILD, code};

#[test]
fn kicks_bans_and_timeouts_follow_the_hierarchy() {
    let case = Case::unlimited();
    let members = format!("/guilds/{GUILD}/members");
    let bans = format!("/guilds/{GUILD}/bans");
    assert_eq!(
        code(&case.bot(
            Method::DELETE,
            &format!("{members}/{}", small::OWNER),
            Value::Null
        )),
        50013
    );
    assert_eq!(
        code(&case.user(
            small::MANAGER,
            Method::DELETE,
            &format!("{members}/{}", small::ADMIN),
            Value::Null
        )),
        50013
    );
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::PUT,
            &format!("{bans}/{}", small::SPARE),
            json!({})
        )),
        50013
    );
    case.events();
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("{members}/{}", small::SPARE),
            Value::Null
        )
        .status,
        204
    );
    assert_eq!(
        case.events()[0],
        (
            "GUILD_MEMBER_REMOVE",
            json!({"guild_id": GUILD, "user": case.get(&format!("/users/{}", small::SPARE)).json()})
        )
    );
    assert_eq!(case.audit().pop().unwrap()["action_type"], 20);
    assert_eq!(
        code(&case.get(&format!("{members}/{}", small::SPARE))),
        10007
    );
    assert_eq!(code(&case.get(&format!("{members}/7"))), 10013);
    // Strangers can be banned too.
    assert_eq!(
        case.bot(
            Method::PUT,
            &format!("{bans}/{}", small::SPARE),
            json!({"delete_message_seconds": 0})
        )
        .status,
        204
    );
    let events: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(
        events,
        ["GUILD_BAN_ADD", "GUILD_AUDIT_LOG_ENTRY_CREATE"],
        "no removal of a stranger"
    );
    assert_eq!(case.get(&format!("{bans}/{}", small::SPARE)).status, 200);
    assert_eq!(case.get(&bans).json().as_array().unwrap().len(), 1);
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("{bans}/{}", small::SPARE),
            Value::Null
        )
        .status,
        204
    );
    assert_eq!(
        code(&case.bot(
            Method::DELETE,
            &format!("{bans}/{}", small::SPARE),
            Value::Null
        )),
        10026
    );
    let out = |until: &str| {
        case.bot(
            Method::PATCH,
            &format!("{members}/{}", small::MEMBER),
            json!({"communication_disabled_until": until}),
        )
    };
    assert_eq!(out("2026-03-02T12:00:00Z").status, 200);
    let spoke = case.user(
        small::MEMBER,
        Method::POST,
        &format!("/channels/{}/messages", case.channel("general")),
        json!({"content": "x"}),
    );
    assert_eq!(code(&spoke), 50013);
    assert_eq!(out("2026-03-30T12:00:00Z").status, 400, "28 days at most");
    // Administrators cannot be timed out.
    let admin = case.bot(
        Method::PATCH,
        &format!("{members}/{}", small::ADMIN),
        json!({"communication_disabled_until": "2026-03-02T12:00:00Z"}),
    );
    assert_eq!(code(&admin), 50013);
    case.finish();
}

#[test]
fn member_changes_and_their_entries() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/members/{}", small::MEMBER);
    let (regular, muted) = (case.role("Regular"), case.role("Muted"));
    let changed = case.bot(
        Method::PATCH,
        &path,
        json!({"nick": "P", "roles": [regular, muted]}),
    );
    assert_eq!(changed.status, 200, "{}", changed.json());
    assert_eq!(changed.json()["nick"], "P");
    let entries = case.audit();
    assert_eq!(
        entries[entries.len() - 2]["changes"],
        json!([{"key": "nick", "new_value": "P"}])
    );
    let roles = entries.last().unwrap();
    assert_eq!(roles["action_type"], 25);
    assert_eq!(roles["changes"][0]["key"], "$add");
    assert_eq!(
        roles["changes"][0]["new_value"].as_array().unwrap().len(),
        2
    );
    let gone = case.bot(
        Method::DELETE,
        &format!("{path}/roles/{muted}"),
        Value::Null,
    );
    assert_eq!(gone.status, 204);
    assert_eq!(
        case.audit().pop().unwrap()["changes"],
        json!([{"key": "$remove", "new_value": [{"id": muted, "name": "Muted"}]}])
    );
    let voice = case.bot(Method::PATCH, &path, json!({"mute": true}));
    assert_eq!((voice.status, code(&voice)), (400, 40032));
    let log = case
        .get(&format!(
            "/guilds/{GUILD}/audit-logs?action_type=25&limit=1"
        ))
        .json();
    assert_eq!(
        log["audit_log_entries"][0]["changes"][0]["key"], "$remove",
        "newest first"
    );
    let after = case
        .get(&format!("/guilds/{GUILD}/audit-logs?after=1&limit=1"))
        .json();
    assert_eq!(
        after["audit_log_entries"][0]["action_type"], 24,
        "ascending with `after`"
    );
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::GET,
            &format!("/guilds/{GUILD}/audit-logs"),
            Value::Null
        )),
        50013
    );
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("/guilds/{GUILD}/members/@me"),
            json!({"nick": "Tail"})
        )
        .status,
        200
    );
    case.finish();
}

#[test]
fn banning_in_bulk_reports_who_failed() {
    let case = Case::unlimited();
    let raiders: Vec<Id> = (0..5).map(|n| Id(1_200_000_000_000_000_000 + n)).collect();
    case.sandbox.with_world(|w| {
        for id in &raiders {
            w.users.insert(*id, User::new(*id, "raider"));
            assert!(w.add_member(GUILD, *id));
        }
    });
    let path = format!("/guilds/{GUILD}/bulk-ban");
    let mut ids = raiders.clone();
    ids.push(small::OWNER);
    let banned = case.bot(Method::POST, &path, json!({"user_ids": ids}));
    assert_eq!(banned.status, 200, "{}", banned.json());
    assert_eq!(
        (
            &banned.json()["banned_users"],
            &banned.json()["failed_users"]
        ),
        (&json!(raiders), &json!([small::OWNER]))
    );
    let again = case.bot(Method::POST, &path, json!({"user_ids": raiders}));
    assert_eq!((again.status, code(&again)), (400, 500000));
    let many: Vec<String> = (1..=201).map(|n| n.to_string()).collect();
    assert_eq!(
        code(&case.bot(Method::POST, &path, json!({"user_ids": many}))),
        50035
    );
    case.finish();
}

#[test]
fn a_ban_deletes_recent_messages_without_an_entry_of_its_own() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    for n in 0..3 {
        case.user(
            small::SPARE,
            Method::POST,
            &path,
            json!({"content": n.to_string()}),
        );
    }
    case.events();
    let ban = case.bot(
        Method::PUT,
        &format!("/guilds/{GUILD}/bans/{}", small::SPARE),
        json!({"delete_message_seconds": 3600}),
    );
    assert_eq!(ban.status, 204);
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(
        kinds,
        [
            "GUILD_BAN_ADD",
            "GUILD_MEMBER_REMOVE",
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            "MESSAGE_DELETE_BULK"
        ]
    );
    assert_eq!(case.audit().pop().unwrap()["action_type"], 22);
    case.finish();
}

// `delete_message_days`: "number of days to delete messages for (0-7) (deprecated)". A single
// message goes as a bulk too.
#[test]
fn a_ban_may_count_in_days() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let said = json!({"content": "old"});
    case.user(small::SPARE, Method::POST, &path, said);
    case.advance_ms(2 * 86_400_000);
    let said = json!({"content": "new"});
    let new = case.user(small::SPARE, Method::POST, &path, said).json();
    case.events();
    let ban = format!("/guilds/{GUILD}/bans/{}", small::SPARE);
    let days = |n: u8| case.bot(Method::PUT, &ban, json!({"delete_message_days": n}));
    assert_eq!(code(&days(8)), 50035);
    assert_eq!(days(1).status, 204);
    let events = case.events();
    let deleted: Vec<&Value> = events
        .iter()
        .filter(|(kind, _)| *kind == "MESSAGE_DELETE_BULK")
        .map(|(_, payload)| &payload["ids"])
        .collect();
    assert_eq!(deleted, [&json!([new["id"]])]);
    case.finish();
}

#[test]
fn pruning_takes_the_idle_without_roles() {
    let case = Case::unlimited();
    case.advance_ms(8 * 86_400_000);
    let path = format!("/guilds/{GUILD}/prune");
    // The plain and the spare member; the bot, the owner and those with roles stay.
    assert_eq!(
        case.get(&format!("{path}?days=7")).json(),
        json!({"pruned": 2})
    );
    assert_eq!(case.get(&format!("{path}?days=31")).status, 400);
    assert_eq!(
        case.bot(
            Method::POST,
            &path,
            json!({"days": 7, "compute_prune_count": false})
        )
        .json(),
        json!({"pruned": null})
    );
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        entry["options"],
        json!({"delete_member_days": "7", "members_removed": "2"})
    );
    assert_eq!(entry["target_id"], Value::Null);
    case.finish();
}

#[test]
fn automod_blocks_and_times_out() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = json!({
        "name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["badword", "evil*"], "regex_patterns": ["h[a4]x"]},
        "actions": [{"type": 1, "metadata": {"custom_message": "no"}}, {"type": 3, "metadata": {"duration_seconds": 60}}],
    });
    let made = case.bot(Method::POST, &path, rule);
    assert_eq!(made.status, 200, "{}", made.json());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let messages = format!("/channels/{}/messages", case.channel("general"));
    let say = |user, text: &str| case.user(user, Method::POST, &messages, json!({"content": text}));
    assert_eq!(
        say(small::MEMBER, "badwords are fine").status,
        200,
        "whole words"
    );
    case.events();
    let blocked = say(small::MEMBER, "a BADWORD here");
    assert_eq!((blocked.status, code(&blocked)), (400, 200000));
    let executions = case
        .events()
        .iter()
        .filter(|e| e.0 == "AUTO_MODERATION_ACTION_EXECUTION")
        .count();
    assert_eq!(executions, 2, "one for each action");
    assert_eq!(code(&say(small::MEMBER, "hello")), 50013, "timed out");
    assert_eq!(
        say(small::ADMIN, "badword").status,
        200,
        "administrators are exempt"
    );
    assert_eq!(say(small::SPARE, "h4x").status, 400);
    let bad = json!({"name": "x", "event_type": 1, "trigger_type": 1, "trigger_metadata": {"regex_patterns": ["("]}, "actions": [{"type": 1}]});
    assert_eq!(code(&case.bot(Method::POST, &path, bad)), 50035);
    let spam = json!({"name": "s", "event_type": 1, "trigger_type": 3, "actions": [{"type": 1, "metadata": {}}]});
    assert_eq!(case.bot(Method::POST, &path, spam.clone()).status, 200);
    assert_eq!(
        case.bot(Method::POST, &path, spam).status,
        400,
        "one of its kind"
    );
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("{path}/{id}"),
            json!({"enabled": false})
        )
        .status,
        200
    );
    assert_eq!(
        case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
            .status,
        204
    );
    case.finish();
}

#[test]
fn with_server_wide_two_factor_the_owner_of_the_bot_needs_it() {
    let case = Case::unlimited();
    let kick = |user| {
        case.bot(
            Method::DELETE,
            &format!("/guilds/{GUILD}/members/{user}"),
            Value::Null,
        )
    };
    case.sandbox.with_world(|w| {
        w.guilds.get_mut(&GUILD).unwrap().mfa_level = 1;
        w.users.get_mut(&small::OWNER).unwrap().mfa_enabled = false;
    });
    assert_eq!(code(&kick(small::SPARE)), 60003);
    case.sandbox
        .with_world(|w| w.users.get_mut(&small::OWNER).unwrap().mfa_enabled = true);
    assert_eq!(kick(small::SPARE).status, 204);
    case.finish();
}

// Message Types: AUTO_MODERATION_ACTION "can only be deleted by members with MANAGE_MESSAGES".
#[test]
fn whom_automod_reported_cannot_delete_the_report() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let rule = json!({
        "name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["badword"]},
        "actions": [{"type": 2, "metadata": {"channel_id": general}}],
    });
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    assert_eq!(case.bot(Method::POST, &rules, rule).status, 200);
    let path = format!("/channels/{general}/messages");
    let say = json!({"content": "badword"});
    case.user(small::MEMBER, Method::POST, &path, say);
    let list = case.bot(Method::GET, &path, Value::Null).json();
    let mut list = list.as_array().unwrap().iter();
    let notice = list.find(|m| m["type"] == 24).unwrap();
    assert_eq!(notice["author"]["id"], json!(small::MEMBER));
    let path = format!("{path}/{}", notice["id"].as_str().unwrap());
    let delete = |user| case.user(user, Method::DELETE, &path, Value::Null);
    let refused = delete(small::MEMBER);
    assert_eq!((refused.status, code(&refused)), (403, 50013));
    assert_eq!(delete(small::OWNER).status, 204);
    case.finish();
}
