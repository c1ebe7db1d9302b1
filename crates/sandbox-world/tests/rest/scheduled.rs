//! Scheduled events, after "Guild Scheduled Event" of the documentation.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::intent;
use splashtail_sandbox_world::world::permissions as perm;

use crate::harness::{Case, GUILD, code};

const EVENTS: &str = "/guilds/1100000000001179648/scheduled-events";
const HOUR_MS: u64 = 3_600_000;

/// An event somewhere else, an hour from now (noon) and an hour long.
fn party() -> Value {
    json!({
        "name": "Party", "privacy_level": 2, "entity_type": 3,
        "scheduled_start_time": "2026-03-01T13:00:00Z", "scheduled_end_time": "2026-03-01T14:00:00Z",
        "entity_metadata": {"location": "The pier"},
    })
}

fn with(changes: Value) -> Value {
    let mut body = party();
    body.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    body
}

fn make(case: &Case, body: Value) -> Response {
    case.user(small::OWNER, Method::POST, EVENTS, body)
}

fn one(event: &Value) -> String {
    format!("{EVENTS}/{}", event["id"].as_str().unwrap())
}

#[test]
fn events_are_made_changed_and_deleted() {
    let case = Case::unlimited();
    case.events();
    let made = make(&case, party());
    assert_eq!(made.status, 200, "{}", made.json());
    let event = made.json();
    let facts = |e: &Value| {
        ["name", "status", "entity_type", "channel_id", "creator_id"].map(|key| e[key].clone())
    };
    let expected = [
        json!("Party"),
        json!(1),
        json!(3),
        Value::Null,
        json!(small::OWNER),
    ];
    assert_eq!(facts(&event), expected);
    assert_eq!(event["entity_metadata"]["location"], "The pier");
    assert_eq!(
        event["scheduled_start_time"],
        "2026-03-01T13:00:00.000000+00:00"
    );
    let told = case.events_for(small::APPLICATION, intent::GUILD_SCHEDULED_EVENTS);
    assert_eq!(told[0].0, "GUILD_SCHEDULED_EVENT_CREATE");
    assert_eq!(told[0].1, event);
    let path = one(&event);
    let renamed = json!({"name": "Ball", "description": "Masks on."});
    let changed = case.user(small::OWNER, Method::PATCH, &path, renamed);
    assert_eq!(changed.json()["name"], "Ball");
    let counted = case.get(&format!("{path}?with_user_count=true")).json();
    assert_eq!(counted["description"], "Masks on.");
    assert!(counted["user_count"].is_u64());
    assert_eq!(
        case.get(&format!("{path}/users?with_member=true")).status,
        200
    );
    let count = case.get(&format!("{path}/users/counts")).json();
    assert_eq!(count["guild_scheduled_event_exception_counts"], json!({}));
    assert_eq!(case.get(EVENTS).json()[0]["id"], event["id"]);
    let log = format!("/guilds/{GUILD}/audit-logs?action_type=101");
    let log = case.get(&log).json();
    assert_eq!(log["guild_scheduled_events"][0]["id"], event["id"]);
    let gone = case.user(small::OWNER, Method::DELETE, &path, Value::Null);
    assert_eq!(gone.status, 204);
    assert_eq!(code(&case.get(&path)), 10070);
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert!(kinds.contains(&"GUILD_SCHEDULED_EVENT_UPDATE"), "{kinds:?}");
    assert!(kinds.contains(&"GUILD_SCHEDULED_EVENT_DELETE"), "{kinds:?}");
    let actions: Vec<Value> = case
        .audit()
        .iter()
        .filter(|e| e["target_id"] == event["id"])
        .map(|e| e["action_type"].clone())
        .collect();
    assert_eq!(actions, [100, 101, 102]);
    case.finish();
}

// Lengths, the fields each entity type requires, and valid times.
#[test]
fn events_have_bounds() {
    let case = Case::unlimited();
    let (lounge, general) = (case.channel("Lounge"), case.channel("general"));
    for (body, field) in [
        (with(json!({"name": "x".repeat(101)})), "name"),
        (
            with(json!({"description": "x".repeat(1001)})),
            "description",
        ),
        (with(json!({"privacy_level": 1})), "privacy_level"),
        (with(json!({"entity_type": 4})), "entity_type"),
        (
            with(json!({"scheduled_end_time": null})),
            "scheduled_end_time",
        ),
        (
            with(json!({"entity_metadata": {"location": "x".repeat(101)}})),
            "entity_metadata",
        ),
        (with(json!({"entity_metadata": null})), "entity_metadata"),
        (with(json!({"entity_type": 2})), "channel_id"),
        (
            with(json!({"entity_type": 2, "channel_id": general})),
            "channel_id",
        ),
        (
            with(json!({"entity_type": 1, "channel_id": lounge})),
            "channel_id",
        ),
        (
            with(json!({"scheduled_start_time": "2026-03-01T11:59:59Z"})),
            "scheduled_start_time",
        ),
        (
            with(json!({"scheduled_end_time": "2026-03-01T12:59:59Z"})),
            "scheduled_end_time",
        ),
        (
            with(json!({"recurrence_rule": {"start": "2026-03-01T13:00:00Z", "frequency": 4}})),
            "recurrence_rule",
        ),
    ] {
        let refused = make(&case, body).json();
        assert!(refused["errors"][field].is_object(), "{field}: {refused}");
    }
    let weekly =
        json!({"start": "2026-03-01T13:00:00Z", "frequency": 2, "interval": 2, "by_weekday": [6]});
    let voice = json!({"entity_type": 2, "channel_id": lounge, "scheduled_end_time": null,
        "entity_metadata": null, "recurrence_rule": weekly});
    let made = make(&case, with(voice));
    assert_eq!(made.status, 200, "{}", made.json());
    let made = made.json();
    assert_eq!(
        (&made["channel_id"], &made["entity_metadata"]),
        (&json!(lounge), &Value::Null)
    );
    let rule = &made["recurrence_rule"];
    assert_eq!(
        (&rule["frequency"], &rule["interval"], &rule["by_weekday"]),
        (&json!(2), &json!(2), &json!([6]))
    );
    for _ in 1..100 {
        assert_eq!(make(&case, party()).status, 200);
    }
    assert_eq!(code(&make(&case, party())), 30038);
    case.finish();
}

// SCHEDULED → ACTIVE → COMPLETED and SCHEDULED → CANCELED, nothing else, and nothing afterwards.
#[test]
fn statuses_change_one_way() {
    let case = Case::unlimited();
    let set = |event: &Value, status: u8| {
        let body = json!({"status": status});
        case.user(small::OWNER, Method::PATCH, &one(event), body)
    };
    let event = make(&case, party()).json();
    assert_eq!(code(&set(&event, 3)), 50035);
    assert_eq!(set(&event, 2).json()["status"], 2);
    assert_eq!(code(&set(&event, 4)), 50035);
    assert_eq!(set(&event, 3).json()["status"], 3);
    let rename = json!({"name": "again"});
    let again = case.user(small::OWNER, Method::PATCH, &one(&event), rename);
    assert_eq!(code(&again), 180_000);
    assert_eq!(case.get(EVENTS).json(), json!([]), "over");
    let other = make(&case, party()).json();
    assert_eq!(set(&other, 4).json()["status"], 4);
    assert_eq!(code(&set(&other, 2)), 50035);
    case.finish();
}

// "An external event will automatically begin at its scheduled start time" and end at its end; any
// other that has not begun is cancelled after a few hours.
#[test]
fn events_begin_and_end_by_themselves() {
    let case = Case::unlimited();
    let lounge = case.channel("Lounge");
    let party = make(&case, party()).json();
    let voice = json!({"entity_type": 2, "channel_id": lounge, "entity_metadata": null});
    let voice = make(&case, with(voice)).json();
    let status = |event: &Value| case.get(&one(event)).json()["status"].clone();
    case.advance_ms(HOUR_MS - 1);
    assert_eq!((status(&party), status(&voice)), (json!(1), json!(1)));
    case.events();
    case.advance_ms(1);
    assert_eq!((status(&party), status(&voice)), (json!(2), json!(1)));
    let (kind, told) = case.events().remove(0);
    assert_eq!(
        (kind, &told["status"]),
        ("GUILD_SCHEDULED_EVENT_UPDATE", &json!(2))
    );
    case.advance_ms(HOUR_MS);
    assert_eq!((status(&party), status(&voice)), (json!(3), json!(1)));
    case.advance_ms(24 * HOUR_MS);
    assert_eq!(status(&voice), 4);
    case.finish();
}

// Create: CREATE_EVENTS; change and delete: MANAGE_EVENTS, or either for one's own. In a voice
// channel also VIEW_CHANNEL and CONNECT there, which getting needs as well.
#[test]
fn events_need_their_permissions() {
    let case = Case::unlimited();
    let regular = case.role("Regular");
    let lounge = case.channel("Lounge");
    let allow = |bits: u64| {
        case.sandbox.with_world(|w| {
            let guild = w.guilds.get_mut(&GUILD).unwrap();
            for role in [GUILD, regular] {
                let role = guild.roles.get_mut(&role).unwrap();
                let events = perm::CREATE_EVENTS | perm::MANAGE_EVENTS;
                role.permissions = (role.permissions & !events) | bits;
            }
        });
    };
    let theirs = make(&case, party()).json();
    let member =
        |method: Method, path: &str, body: Value| case.user(small::MEMBER, method, path, body);
    let rename = || json!({"name": "mine"});
    allow(0);
    assert_eq!(code(&member(Method::POST, EVENTS, party())), 50013);
    assert_eq!(member(Method::GET, &one(&theirs), Value::Null).status, 200);
    allow(perm::CREATE_EVENTS);
    let own = member(Method::POST, EVENTS, party()).json();
    assert_eq!(member(Method::PATCH, &one(&own), rename()).status, 200);
    assert_eq!(code(&member(Method::PATCH, &one(&theirs), rename())), 50013);
    allow(perm::MANAGE_EVENTS);
    assert_eq!(member(Method::PATCH, &one(&theirs), rename()).status, 200);
    assert_eq!(code(&member(Method::POST, EVENTS, party())), 50013);
    allow(perm::CREATE_EVENTS);
    let there = json!({"entity_type": 2, "channel_id": lounge, "entity_metadata": null});
    let there = make(&case, with(there)).json();
    let overwrites = format!("/channels/{lounge}/permissions/{GUILD}");
    let hide = json!({"type": 0, "deny": perm::VIEW_CHANNEL.to_string()});
    case.user(small::OWNER, Method::PUT, &overwrites, hide);
    assert_eq!(code(&member(Method::GET, &one(&there), Value::Null)), 10070);
    let seen = member(Method::GET, EVENTS, Value::Null).json();
    let seen: Vec<&Value> = seen.as_array().unwrap().iter().map(|e| &e["id"]).collect();
    assert_eq!(seen, [&theirs["id"], &own["id"]]);
    case.finish();
}
