//! The audit log: what it says, and above all what it does not say.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, VoiceState};

use crate::harness::{Case, GUILD, code};

const EVENT: &str = "GUILD_AUDIT_LOG_ENTRY_CREATE";

pub fn say(case: &Case, user: Id, text: &str) -> String {
    let path = format!("/channels/{}/messages", case.channel("general"));
    let said = case.user(user, Method::POST, &path, json!({"content": text}));
    assert_eq!(said.status, 200, "{}", said.json());
    said.json()["id"].as_str().unwrap().to_owned()
}

/// Entries that `act` leaves, and how many events announce one.
pub fn left_by(case: &Case, act: impl FnOnce()) -> (Vec<Value>, usize) {
    let before = case.audit().len();
    case.events();
    act();
    let announced = case.events().iter().filter(|e| e.0 == EVENT).count();
    (case.audit().split_off(before), announced)
}

pub fn option<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry["options"][key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is a string in {entry}"))
}

// A bot deleting one message, and anyone deleting their own, leave no entry.
#[test]
fn single_deletions_of_bots_and_of_ones_own_are_silent() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let (a, b, c) = (
        say(&case, small::SPARE, "a"),
        say(&case, small::SPARE, "b"),
        say(&case, small::SPARE, "c"),
    );
    let (entries, announced) = left_by(&case, || {
        assert_eq!(
            case.bot(Method::DELETE, &format!("{path}/{a}"), Value::Null)
                .status,
            204
        );
        assert_eq!(
            case.user(
                small::SPARE,
                Method::DELETE,
                &format!("{path}/{b}"),
                Value::Null
            )
            .status,
            204
        );
    });
    assert_eq!((entries, announced), (vec![], 0));
    let (entries, announced) = left_by(&case, || {
        assert_eq!(
            case.user(
                small::ADMIN,
                Method::DELETE,
                &format!("{path}/{c}"),
                Value::Null
            )
            .status,
            204
        );
    });
    assert_eq!((entries.len(), announced), (1, 1));
    assert_eq!(
        (&entries[0]["action_type"], &entries[0]["target_id"]),
        (&json!(72), &json!(small::SPARE))
    );
    assert_eq!(option(&entries[0], "count"), "1");
    assert_eq!(
        option(&entries[0], "channel_id"),
        case.channel("general").to_string()
    );
    case.finish();
}

// 72 is merged for some minutes: the count rises, nothing is announced again.
#[test]
fn deletions_by_one_moderator_are_counted_together_for_a_while() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let ids: Vec<String> = (0..3)
        .map(|n| say(&case, small::SPARE, &n.to_string()))
        .collect();
    let other = say(&case, small::MEMBER, "other");
    let delete = |id: &str| {
        case.user(
            small::ADMIN,
            Method::DELETE,
            &format!("{path}/{id}"),
            Value::Null,
        )
    };
    let (entries, announced) = left_by(&case, || {
        delete(&ids[0]);
        delete(&ids[1]);
    });
    assert_eq!(
        (entries.len(), announced, option(&entries[0], "count")),
        (1, 1, "2")
    );
    let (entries, announced) = left_by(&case, || {
        delete(&other);
    });
    assert_eq!(
        (entries.len(), announced),
        (1, 1),
        "another target has an entry of its own"
    );
    case.advance_ms(10 * 60_000);
    let (entries, announced) = left_by(&case, || {
        delete(&ids[2]);
    });
    assert_eq!(
        (entries.len(), announced, option(&entries[0], "count")),
        (1, 1, "1")
    );
    case.finish();
}

// 26 and 27 likewise: a wave of moves or disconnects is one entry.
#[test]
fn moves_and_disconnects_are_counted_together() {
    let case = Case::unlimited();
    let (lounge, stage) = (case.channel("Lounge"), case.channel("Stage"));
    let seat = |user: Id| VoiceState {
        user,
        channel: lounge,
        session: format!("s{user}"),
        self_mute: false,
        self_deaf: false,
        suppress: false,
        request_to_speak: None,
    };
    case.sandbox.with_world(|w| {
        for user in [small::MEMBER, small::SPARE] {
            w.guilds
                .get_mut(&GUILD)
                .unwrap()
                .voice
                .insert(user, seat(user));
        }
    });
    let send = |user: Id, to: Value| {
        let path = format!("/guilds/{GUILD}/members/{user}");
        let moved = case.bot(Method::PATCH, &path, json!({"channel_id": to}));
        assert_eq!(moved.status, 200, "{}", moved.json());
    };
    let (entries, announced) = left_by(&case, || {
        send(small::MEMBER, json!(stage));
        send(small::SPARE, json!(stage));
    });
    assert_eq!(
        (entries.len(), announced, &entries[0]["action_type"]),
        (1, 1, &json!(26))
    );
    assert_eq!(
        (option(&entries[0], "count"), &entries[0]["target_id"]),
        ("2", &Value::Null)
    );
    let (entries, announced) = left_by(&case, || {
        send(small::MEMBER, Value::Null);
        send(small::SPARE, Value::Null);
    });
    assert_eq!(
        (entries.len(), announced, &entries[0]["action_type"]),
        (1, 1, &json!(27))
    );
    assert_eq!(option(&entries[0], "count"), "2");
    case.finish();
}

// Position-only changes of channels and roles leave none.
#[test]
fn moving_channels_and_roles_is_silent() {
    let case = Case::unlimited();
    let (entries, announced) = left_by(&case, || {
        let channels = json!([{"id": case.channel("media"), "position": 0}, {"id": case.channel("rules"), "position": 7}]);
        assert_eq!(
            case.bot(
                Method::PATCH,
                &format!("/guilds/{GUILD}/channels"),
                channels
            )
            .status,
            204
        );
        let roles = json!([{"id": case.role("Muted"), "position": 3}]);
        assert_eq!(
            case.bot(Method::PATCH, &format!("/guilds/{GUILD}/roles"), roles)
                .status,
            200
        );
        let one = format!("/channels/{}", case.channel("media"));
        assert_eq!(
            case.bot(Method::PATCH, &one, json!({"position": 3})).status,
            200
        );
    });
    assert_eq!((entries, announced), (vec![], 0));
    case.finish();
}

// Deleting a role strips members and overwrites, without entries for them.
#[test]
fn what_a_deleted_role_takes_along_is_not_mentioned() {
    let case = Case::unlimited();
    let muted = case.role("Muted");
    let (entries, _) = left_by(&case, || {
        let gone = case.bot(
            Method::DELETE,
            &format!("/guilds/{GUILD}/roles/{muted}"),
            Value::Null,
        );
        assert_eq!(gone.status, 204);
    });
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["action_type"], &entries[0]["target_id"]),
        (&json!(32), &json!(muted))
    );
    let changes = entries[0]["changes"].as_array().unwrap();
    assert!(
        changes
            .iter()
            .all(|c| c.get("old_value").is_some() && c.get("new_value").is_none()),
        "deletions have only old values"
    );
    let category = case
        .get(&format!("/channels/{}", case.channel("Talk")))
        .json();
    assert_eq!(category["permission_overwrites"], json!([]));
    case.finish();
}

// GET: newest first, ascending with `after`, filtered, at most 100, kept for 45 days.
#[test]
fn the_log_is_read_in_pages() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    for n in 0..60 {
        case.advance_ms(1000);
        case.bot(Method::POST, &path, json!({"name": format!("r{n}")}));
    }
    let log = |query: &str| {
        let answer = case.get(&format!("/guilds/{GUILD}/audit-logs{query}"));
        assert_eq!(answer.status, 200, "{query}");
        let ids = answer.json()["audit_log_entries"]
            .as_array()
            .unwrap()
            .clone();
        ids.iter()
            .map(|e| e["id"].as_str().unwrap().parse::<u64>().unwrap())
            .collect::<Vec<_>>()
    };
    let newest = log("");
    assert_eq!(newest.len(), 50);
    assert!(newest.is_sorted_by(|a, b| a > b));
    let all = log("?limit=100");
    assert_eq!(all.len(), 60);
    assert_eq!(log(&format!("?limit=100&before={}", newest[49])), all[50..]);
    let ascending = log(&format!("?limit=5&after={}", all[9]));
    assert_eq!(ascending, [all[8], all[7], all[6], all[5], all[4]]);
    assert_eq!(log("?action_type=10"), Vec::<u64>::new());
    assert_eq!(
        log(&format!("?user_id={}", small::OWNER)),
        Vec::<u64>::new()
    );
    let target = case.audit()[7]["target_id"].clone();
    let about = log(&format!("?target_id={}", target.as_str().unwrap()));
    assert_eq!(about, [all[52]]);
    for limit in ["0", "101"] {
        assert_eq!(
            code(&case.get(&format!("/guilds/{GUILD}/audit-logs?limit={limit}"))),
            50035
        );
    }
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::GET,
            &format!("/guilds/{GUILD}/audit-logs"),
            Value::Null
        )),
        50013
    );
    case.advance_ms(44 * 86_400_000);
    assert_eq!(log("?limit=100").len(), 60);
    case.advance_ms(2 * 86_400_000);
    assert_eq!(log("?limit=100"), Vec::<u64>::new());
    case.finish();
}

// The event is the entry with `guild_id`, and needs VIEW_AUDIT_LOG.
#[test]
fn entries_are_announced_to_those_who_may_read_them() {
    let case = Case::unlimited();
    let role = |name: &str| {
        case.user(
            small::OWNER,
            Method::POST,
            &format!("/guilds/{GUILD}/roles"),
            json!({"name": name}),
        )
    };
    case.events();
    role("a");
    let heard = case.events_for(small::APPLICATION, 1 << 2);
    let mut entry = case.audit().pop().unwrap();
    entry["guild_id"] = json!(GUILD);
    assert_eq!(heard, [(EVENT, entry)]);
    case.sandbox.with_world(|w| {
        let bots = w
            .guilds
            .get_mut(&GUILD)
            .unwrap()
            .roles
            .values_mut()
            .find(|r| r.managed)
            .unwrap();
        bots.permissions &= !(1 << 7);
    });
    role("b");
    assert_eq!(case.events_for(small::APPLICATION, 1 << 2), []);
    case.finish();
}
