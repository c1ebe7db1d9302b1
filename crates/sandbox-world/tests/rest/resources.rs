//! The limits and side effects of single resources.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, Message, User};

use crate::harness::{Case, GUILD, code};

/// What is accepted and what is not: request body and status.
fn accepts(case: &Case, method: &Method, path: &str, rows: &[(Value, u16)]) {
    for (body, status) in rows {
        let answer = case.bot(method.clone(), path, body.clone());
        let shown: String = body.to_string().chars().take(120).collect();
        assert_eq!(
            answer.status,
            *status,
            "{method} {path} {shown}: {}",
            answer.json()
        );
        if *status == 400 {
            assert_eq!(code(&answer), 50035, "{shown}: {}", answer.json());
        }
    }
}

fn x(n: usize) -> String {
    "x".repeat(n)
}

// Channels: name 1–100, topic 1024 or 4096, slow mode 0–21600; create is 201.
#[test]
fn channels_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/channels");
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"name": ""}), 400),
            (json!({"name": x(100)}), 201),
            (json!({"name": x(101)}), 400),
            (json!({"name": "a", "topic": x(1024)}), 201),
            (json!({"name": "a", "topic": x(1025)}), 400),
            (json!({"name": "a", "type": 15, "topic": x(4096)}), 201),
            (json!({"name": "a", "type": 15, "topic": x(4097)}), 400),
            (json!({"name": "a", "rate_limit_per_user": 21_600}), 201),
            (json!({"name": "a", "rate_limit_per_user": 21_601}), 400),
            (
                json!({"name": "a", "type": 2, "user_limit": 99, "bitrate": 8000}),
                201,
            ),
            (json!({"name": "a", "type": 2, "user_limit": 100}), 400),
            (json!({"name": "a", "type": 2, "bitrate": 7999}), 400),
            (json!({"name": "a", "parent_id": "1"}), 400),
        ],
    );
    let made = |body: Value| case.bot(Method::POST, &path, body).json();
    assert_eq!(made(json!({"name": "Pier Nine"}))["name"], "pier-nine");
    assert_eq!(
        made(json!({"name": "Pier Nine", "type": 2}))["name"],
        "Pier Nine",
        "only text channels"
    );
    case.finish();
}

// 50 channels in a category, whoever is moved there and however.
#[test]
fn categories_hold_fifty() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/channels");
    let category = case
        .bot(Method::POST, &path, json!({"name": "c", "type": 4}))
        .json()["id"]
        .clone();
    for n in 0..50 {
        let made = case.bot(
            Method::POST,
            &path,
            json!({"name": format!("c{n}"), "parent_id": category}),
        );
        assert_eq!(made.status, 201, "{n}");
    }
    let leaf =
        |answer: Response| answer.json()["errors"]["parent_id"]["_errors"][0]["code"].clone();
    let full = json!("CHANNEL_PARENT_MAX_CHANNELS");
    assert_eq!(
        leaf(case.bot(
            Method::POST,
            &path,
            json!({"name": "over", "parent_id": category})
        )),
        full
    );
    let moved = format!("/channels/{}", case.channel("media"));
    assert_eq!(
        leaf(case.bot(Method::PATCH, &moved, json!({"parent_id": category}))),
        full
    );
    assert_eq!(
        leaf(case.bot(
            Method::PATCH,
            &path,
            json!([{"id": case.channel("media"), "parent_id": category}])
        )),
        full
    );
    // Deleting the category only orphans them, with one update each.
    case.events();
    let gone = case.bot(
        Method::DELETE,
        &format!("/channels/{}", category.as_str().unwrap()),
        Value::Null,
    );
    assert_eq!(gone.status, 200);
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "CHANNEL_UPDATE").count(), 50);
    assert_eq!(kinds.iter().filter(|k| **k == "CHANNEL_DELETE").count(), 1);
    let orphan = case
        .get(&format!("/channels/{}", case.channel("c7")))
        .json();
    assert_eq!(orphan["parent_id"], Value::Null);
    case.finish();
}

// Messages: 2000 characters, ten embeds of 6000 together, ten files of 10 MiB.
#[test]
fn messages_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let embed = |n: usize| json!({"description": x(n)});
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"content": "ä".repeat(2000)}), 200),
            (json!({"content": "ä".repeat(2001)}), 400),
            (json!({"embeds": vec![embed(600); 10]}), 200),
            (json!({"embeds": vec![embed(601); 10]}), 400),
            (json!({"embeds": vec![embed(1); 11]}), 400),
            (json!({"embeds": [embed(4096)]}), 200),
            (json!({"embeds": [embed(4097)]}), 400),
            (
                json!({"embeds": [{"fields": vec![json!({"name": "n", "value": "v"}); 25]}]}),
                200,
            ),
            (
                json!({"embeds": [{"fields": vec![json!({"name": "n", "value": "v"}); 26]}]}),
                400,
            ),
            (json!({"content": "x", "nonce": x(25)}), 200),
            (json!({"content": "x", "nonce": x(26)}), 400),
            (
                json!({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}),
                400,
            ),
        ],
    );
    let files = |n: usize, bytes: &[u8]| {
        let list: Vec<(&str, &[u8])> = (0..n).map(|_| ("f.bin", bytes)).collect();
        case.upload(Method::POST, &path, &json!({}), &list)
    };
    assert_eq!(files(10, b"x").status, 200);
    let over = files(11, b"x");
    assert_eq!((over.status, code(&over)), (400, 50035));
    let big = vec![0; 10 * 1024 * 1024 + 1];
    let over = files(1, &big);
    assert_eq!((over.status, code(&over)), (413, 40005));
    assert_eq!(files(1, &big[1..]).status, 200);
    // The same nonce with `enforce_nonce` is the same message.
    let body = json!({"content": "x", "nonce": "once", "enforce_nonce": true});
    let once = |body: &Value| case.bot(Method::POST, &path, body.clone()).json()["id"].clone();
    assert_eq!(once(&body), once(&body));
    case.finish();
}

// Bulk deletion: 2–100 ids, 14 days, unknown ids count but are ignored.
#[test]
fn bulk_deletion_is_all_or_nothing() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let old = case.get(&format!("{path}?limit=1")).json()[0]["id"].clone();
    let fresh: Vec<Value> = (0..3)
        .map(|_| {
            case.bot(Method::POST, &path, json!({"content": "x"}))
                .json()["id"]
                .clone()
        })
        .collect();
    let young = case.sandbox.with_world(|w| w.next_id());
    let bulk = |ids: Value| {
        case.bot(
            Method::POST,
            &format!("{path}/bulk-delete"),
            json!({"messages": ids}),
        )
    };
    assert_eq!(
        code(&bulk(json!([fresh[0], fresh[0]]))),
        50016,
        "unique ids"
    );
    assert_eq!(code(&bulk(json!([fresh[0], old]))), 50034);
    let there = |id: &Value| case.get(&format!("{path}/{}", id.as_str().unwrap())).status;
    assert_eq!(there(&fresh[0]), 200, "nothing deleted");
    case.events();
    assert_eq!(bulk(json!([fresh[0], fresh[1], young])).status, 204);
    let (kind, told) = case.events().remove(0);
    assert_eq!(
        (kind, told["ids"].as_array().unwrap().len()),
        ("MESSAGE_DELETE_BULK", 2)
    );
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        (
            &entry["action_type"],
            &entry["target_id"],
            &entry["options"]["count"]
        ),
        (&json!(73), &json!(general), &json!("2"))
    );
    assert_eq!((there(&fresh[0]), there(&fresh[2])), (404, 200));
    case.finish();
}

// Message types, column "Deletable": discord-api-docs#1063 and #6551, Teufelsbot#171.
#[test]
fn bulk_deletion_takes_only_what_can_be_deleted() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let (plain, notice, pin) = case.sandbox.with_world(|w| {
        let mut say = |kind| {
            let id = w.next_id();
            let mut message = Message::new(id, general, small::OWNER, "x");
            message.kind = kind;
            w.add_message(message)
        };
        (say(0), say(4), say(6))
    });
    let bulk = |ids: [Id; 2]| {
        let body = json!({"messages": ids});
        case.bot(Method::POST, &format!("{path}/bulk-delete"), body)
    };
    let refused = bulk([plain, notice]);
    assert_eq!((refused.status, code(&refused)), (403, 50021));
    assert_eq!(case.get(&format!("{path}/{plain}")).status, 200);
    assert_eq!(bulk([plain, pin]).status, 204);
    case.finish();
}

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

// Bans: delete_message_seconds 0–604800; at most 200 at once, with two permissions.
#[test]
fn bans_have_bounds() {
    let case = Case::unlimited();
    let ban = format!("/guilds/{GUILD}/bans/{}", small::SPARE);
    accepts(
        &case,
        &Method::PUT,
        &ban,
        &[
            (json!({"delete_message_seconds": 604_801}), 400),
            (json!({"delete_message_seconds": -1}), 400),
            (json!({"delete_message_seconds": 604_800}), 204),
            (json!({}), 204),
        ],
    );
    assert_eq!(
        case.audit()
            .iter()
            .filter(|e| e["action_type"] == 22)
            .count(),
        1,
        "a second ban changes nothing"
    );
    let raiders: Vec<Id> = (0..201)
        .map(|n| Id(1_200_000_000_000_000_000 + n))
        .collect();
    case.sandbox.with_world(|w| {
        for id in &raiders {
            w.users.insert(*id, User::new(*id, "raider"));
        }
        let manager = w
            .guilds
            .get_mut(&GUILD)
            .unwrap()
            .roles
            .values_mut()
            .find(|r| r.name == "Manager")
            .unwrap();
        manager.permissions &= !(1 << 5);
        manager.permissions |= 1 << 2;
    });
    let bulk = format!("/guilds/{GUILD}/bulk-ban");
    assert_eq!(
        code(&case.user(
            small::MANAGER,
            Method::POST,
            &bulk,
            json!({"user_ids": [raiders[0]]})
        )),
        50013,
        "both permissions"
    );
    assert_eq!(
        code(&case.bot(Method::POST, &bulk, json!({"user_ids": raiders}))),
        50035
    );
    let most = case.bot(Method::POST, &bulk, json!({"user_ids": raiders[..200]}));
    assert_eq!(
        (
            most.status,
            most.json()["banned_users"].as_array().unwrap().len()
        ),
        (200, 200)
    );
    let list = |query: &str| case.get(&format!("/guilds/{GUILD}/bans{query}"));
    assert_eq!(list("").json().as_array().unwrap().len(), 201);
    assert_eq!(
        (list("?limit=1000").status, code(&list("?limit=1001"))),
        (200, 50035)
    );
    case.finish();
}

// Incident actions: at most 24 hours ahead, null clears, joins by invite fail meanwhile.
#[test]
fn incident_actions_end_by_themselves() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/incident-actions");
    accepts(
        &case,
        &Method::PUT,
        &path,
        &[
            (
                json!({"invites_disabled_until": "2026-03-02T12:00:01Z"}),
                400,
            ),
            (json!({"dms_disabled_until": "2026-03-02T12:00:01Z"}), 400),
            (
                json!({"invites_disabled_until": "2026-03-02T12:00:00Z", "dms_disabled_until": "2026-03-01T13:00:00Z"}),
                200,
            ),
        ],
    );
    assert_eq!(
        code(&case.user(small::MEMBER, Method::PUT, &path, json!({}))),
        50013
    );
    let shown = case.get(&format!("/guilds/{GUILD}")).json()["incidents_data"].clone();
    assert_eq!(
        shown["invites_disabled_until"],
        "2026-03-02T12:00:00.000000+00:00"
    );
    accepts(
        &case,
        &Method::PUT,
        &path,
        &[(
            json!({"invites_disabled_until": null, "dms_disabled_until": null}),
            200,
        )],
    );
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}")).json()["incidents_data"],
        Value::Null
    );
    case.finish();
}

// Invites: age 0–604800 (a day), uses 0–100, and a body is needed.
#[test]
fn invites_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/invites", case.channel("general"));
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"max_age": 0}), 200),
            (json!({"max_age": 604_800}), 200),
            (json!({"max_age": 604_801}), 400),
            (json!({"max_uses": 100}), 200),
            (json!({"max_uses": 101}), 400),
            (Value::Null, 400),
        ],
    );
    let plain = case.bot(Method::POST, &path, json!({})).json();
    assert_eq!(
        (&plain["max_age"], &plain["max_uses"]),
        (&json!(86_400), &json!(0))
    );
    let invite = format!("/invites/{}", plain["code"].as_str().unwrap());
    assert_eq!(case.get(&invite).status, 200);
    case.advance_ms(86_400_000);
    assert_eq!(code(&case.get(&invite)), 10006, "gone after a day");
    case.finish();
}

// AutoMod: six keyword rules and one of each other kind; words 1000×60, patterns 10×260.
#[test]
fn rules_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = |trigger: u8, metadata: Value| {
        json!({"name": "r", "event_type": 1, "trigger_type": trigger, "trigger_metadata": metadata,
            "actions": [{"type": 1, "metadata": {}}]})
    };
    let words = |list: Vec<String>| rule(1, json!({"keyword_filter": list}));
    let patterns = |list: Vec<String>| rule(1, json!({"regex_patterns": list}));
    let with = |key: &str, value: Value| {
        let mut body = words(vec!["x".into()]);
        body[key] = value;
        body
    };
    let timeout = |seconds: i64| {
        with(
            "actions",
            json!([{"type": 3, "metadata": {"duration_seconds": seconds}}]),
        )
    };
    let ids = |n: u64| json!((1..=n).map(|n| n.to_string()).collect::<Vec<_>>());
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (words(vec![x(61)]), 400),
            (words(vec!["x".into(); 1001]), 400),
            (patterns(vec![x(261)]), 400),
            (patterns(vec!["x".into(); 11]), 400),
            (patterns(vec!["(?<=look)behind".into()]), 400),
            (with("exempt_roles", ids(21)), 400),
            (with("exempt_channels", ids(51)), 400),
            (timeout(2_419_201), 400),
            (words(vec![x(60); 1000]), 200),
            (patterns(vec![x(260); 10]), 200),
            (with("exempt_roles", ids(20)), 200),
            (with("exempt_channels", ids(50)), 200),
            (timeout(2_419_200), 200),
            (words(vec!["six".into()]), 200),
            (words(vec!["seven".into()]), 400),
            (rule(3, json!({})), 200),
            (rule(3, json!({})), 400),
            (rule(4, json!({"presets": [4]})), 400),
            (rule(4, json!({"presets": [1, 2, 3]})), 200),
            (rule(5, json!({"mention_total_limit": 51})), 400),
            (rule(5, json!({"mention_total_limit": 50})), 200),
        ],
    );
    assert_eq!(
        code(&case.user(small::MEMBER, Method::GET, &path, Value::Null)),
        50013
    );
    case.finish();
}

// Webhooks: names 1–80 without "clyde" and "discord"; `wait=false` is 204; deleted is 404.
#[test]
fn webhooks_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/webhooks", case.channel("general"));
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"name": ""}), 400),
            (json!({"name": x(81)}), 400),
            (json!({"name": "My Clyde"}), 400),
            (json!({"name": "DISCORD"}), 400),
            (json!({"name": x(80)}), 200),
        ],
    );
    let hook = case.bot(Method::POST, &path, json!({"name": "h"})).json();
    let own = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    let post = |query: &str| {
        case.http(
            &[],
            Method::POST,
            &format!("{own}{query}"),
            &json!({"content": "x"}),
        )
    };
    assert_eq!(
        (
            post("").status,
            post("?wait=false").status,
            post("?wait=true").status
        ),
        (204, 204, 200)
    );
    assert_eq!(case.bot(Method::DELETE, &own, Value::Null).status, 204);
    assert_eq!((post("").status, code(&post(""))), (404, 10015));
    case.finish();
}

// Emojis of at most 256 KiB, threads archived after one of four times.
#[test]
fn emojis_and_threads_have_bounds() {
    let case = Case::unlimited();
    let png = |n: usize| {
        use base64::Engine;
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.resize(n, 0);
        format!(
            "data:image/png;base64,{}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        )
    };
    accepts(
        &case,
        &Method::POST,
        &format!("/guilds/{GUILD}/emojis"),
        &[
            (json!({"name": "big", "image": png(256 * 1024)}), 201),
            (json!({"name": "big", "image": png(256 * 1024 + 1)}), 400),
            (json!({"name": "x", "image": png(9)}), 400),
            (json!({"name": "a-b", "image": png(9)}), 400),
            (
                json!({"name": "bad", "image": "data:image/png;base64,!!"}),
                400,
            ),
        ],
    );
    let threads = format!("/channels/{}/threads", case.channel("general"));
    let rows: Vec<(Value, u16)> = [
        (60, 201),
        (1440, 201),
        (4320, 201),
        (10_080, 201),
        (61, 400),
        (0, 400),
    ]
    .map(|(minutes, status)| {
        (
            json!({"name": "t", "type": 11, "auto_archive_duration": minutes}),
            status,
        )
    })
    .into();
    let before = case
        .get(&format!("/guilds/{GUILD}/channels"))
        .json()
        .as_array()
        .unwrap()
        .len();
    accepts(&case, &Method::POST, &threads, &rows);
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}/channels"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        before,
        "threads are no channels"
    );
    case.finish();
}

// Guilds: bots cannot create them; ownership goes to members only.
#[test]
fn guilds_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}");
    assert_eq!(
        case.bot(Method::POST, "/guilds", json!({"name": "mine"}))
            .status,
        404
    );
    accepts(
        &case,
        &Method::PATCH,
        &path,
        &[
            (json!({"name": "x"}), 400),
            (json!({"name": x(100)}), 200),
            (json!({"name": x(101)}), 400),
            (json!({"verification_level": 5}), 400),
            (json!({"preferred_locale": "xx"}), 400),
            (json!({"afk_timeout": 61}), 400),
            (json!({"system_channel_id": "2"}), 400),
        ],
    );
    assert_eq!(
        code(&case.bot(Method::PATCH, &path, json!({"owner_id": small::MEMBER}))),
        50013,
        "only the owner"
    );
    let given = case.user(
        small::OWNER,
        Method::PATCH,
        &path,
        json!({"owner_id": small::MEMBER}),
    );
    assert_eq!(
        (given.status, &given.json()["owner_id"]),
        (200, &json!(small::MEMBER))
    );
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
