//! Stage instances, templates and exceptions of recurring events, with their events and entries.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::intent;

use crate::harness::{Case, GUILD, code};

fn names(case: &Case, intents: u64) -> Vec<&'static str> {
    let told = case.events_for(APPLICATION, intents);
    told.into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn a_stage_opens_changes_and_closes() {
    let case = Case::unlimited();
    let body = json!({"name": "Stage", "type": 13});
    let made = case.bot(Method::POST, &format!("/guilds/{GUILD}/channels"), body);
    let stage = made.json()["id"].as_str().unwrap().to_owned();
    case.events();
    let body = json!({"channel_id": stage, "topic": "Sailing"});
    let opened = case.bot(Method::POST, "/stage-instances", body.clone());
    assert_eq!(
        (opened.status, &opened.json()["privacy_level"]),
        (200, &json!(2))
    );
    let twice = case.bot(Method::POST, "/stage-instances", body);
    assert_eq!((twice.status, code(&twice)), (400, 150_006));
    let one = format!("/stage-instances/{stage}");
    let changed = case.bot(Method::PATCH, &one, json!({"topic": "Rowing"}));
    assert_eq!(changed.json()["topic"], "Rowing");
    assert_eq!(case.get(&one).json()["topic"], "Rowing");
    assert_eq!(case.bot(Method::DELETE, &one, Value::Null).status, 204);
    let gone = case.get(&one);
    assert_eq!((gone.status, code(&gone)), (404, 10067));
    let told = names(&case, intent::GUILDS);
    assert_eq!(
        told,
        [
            "STAGE_INSTANCE_CREATE",
            "STAGE_INSTANCE_UPDATE",
            "STAGE_INSTANCE_DELETE"
        ]
    );
    let kinds: Vec<Value> = case
        .audit()
        .iter()
        .rev()
        .take(3)
        .map(|e| e["action_type"].clone())
        .collect();
    assert_eq!(kinds, [85, 84, 83]);
    let general = case.channel("general");
    let wrong = case.bot(
        Method::POST,
        "/stage-instances",
        json!({"channel_id": general, "topic": "x"}),
    );
    assert_eq!((wrong.status, code(&wrong)), (400, 50024));
    case.finish();
}

#[test]
fn a_guild_has_one_template_that_gets_dirty_and_leaves_no_entries() {
    let case = Case::unlimited();
    let all = format!("/guilds/{GUILD}/templates");
    let entries = case.audit().len();
    let made = case.bot(Method::POST, &all, json!({"name": "Harbours"}));
    assert_eq!(made.status, 200, "{}", made.json());
    let made = made.json();
    assert_eq!(made["is_dirty"], Value::Null);
    assert_eq!(
        made["serialized_source_guild"]["roles"][0]["name"],
        "@everyone"
    );
    let second = case.bot(Method::POST, &all, json!({"name": "More"}));
    assert_eq!((second.status, code(&second)), (400, 30031));
    let one = format!("{all}/{}", made["code"].as_str().unwrap());
    case.bot(
        Method::POST,
        &format!("/guilds/{GUILD}/roles"),
        json!({"name": "new"}),
    );
    assert_eq!(case.get(&all).json()[0]["is_dirty"], true);
    assert_eq!(
        case.bot(Method::PUT, &one, Value::Null).json()["is_dirty"],
        Value::Null
    );
    let open = format!("/guilds/templates/{}", made["code"].as_str().unwrap());
    assert_eq!(case.get(&open).json()["source_guild_id"], json!(GUILD));
    let answer = case.user(small::MEMBER, Method::DELETE, &one, Value::Null);
    assert_eq!((answer.status, code(&answer)), (403, 50013));
    assert_eq!(case.bot(Method::DELETE, &one, Value::Null).status, 200);
    let gone = case.get(&open);
    assert_eq!((gone.status, code(&gone)), (404, 10057));
    assert_eq!(case.audit().len(), entries + 1, "only the role's");
    case.finish();
}

#[test]
fn an_exception_is_named_by_the_time_it_replaces() {
    let case = Case::unlimited();
    let all = format!("/guilds/{GUILD}/scheduled-events");
    let rule = json!({"start": "2026-03-10T18:00:00+00:00", "frequency": 2, "interval": 1, "by_weekday": [1]});
    let body = json!({
        "name": "Regatta", "privacy_level": 2, "entity_type": 3,
        "scheduled_start_time": "2026-03-10T18:00:00+00:00",
        "scheduled_end_time": "2026-03-10T20:00:00+00:00",
        "entity_metadata": {"location": "Pier"}, "recurrence_rule": rule,
    });
    let made = case.user(small::OWNER, Method::POST, &all, body);
    assert_eq!(made.status, 200, "{}", made.json());
    let event = made.json()["id"].as_str().unwrap().to_owned();
    let exceptions = format!("{all}/{event}/exceptions");
    let owner = |method, path: &str, body| case.user(small::OWNER, method, path, body);
    let off =
        json!({"original_scheduled_start_time": "2026-03-17T18:00:00+00:00", "is_canceled": true});
    let first = owner(Method::POST, &exceptions, off).json();
    let moved = json!({
        "original_scheduled_start_time": "2026-03-17T18:00:00+00:00",
        "scheduled_start_time": "2026-03-18T18:00:00+00:00",
        "scheduled_end_time": "2026-03-18T19:00:00+00:00",
    });
    let second = owner(Method::POST, &exceptions, moved).json();
    assert_eq!(
        first["event_exception_id"], second["event_exception_id"],
        "the same occurrence"
    );
    let shown = case.get(&format!("{all}/{event}")).json();
    assert_eq!(shown["guild_scheduled_event_exceptions"], json!([second]));
    let id = second["event_exception_id"].as_str().unwrap();
    let one = format!("{exceptions}/{id}");
    let changed = owner(Method::PATCH, &one, json!({"is_canceled": true}));
    assert_eq!(changed.json()["is_canceled"], true);
    let users = case.get(&format!("{all}/{event}/{id}/users")).json();
    assert_eq!(users[0]["guild_scheduled_event_exception_id"], id);
    assert_eq!(owner(Method::DELETE, &one, Value::Null).status, 204);
    let kinds: Vec<Value> = case
        .audit()
        .iter()
        .rev()
        .take(4)
        .map(|e| e["action_type"].clone())
        .collect();
    assert_eq!(kinds, [202, 201, 200, 200]);
    case.finish();
}
