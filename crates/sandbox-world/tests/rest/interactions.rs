//! Interactions: callbacks, responses, follow-ups and their deadlines.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, NewInteraction};

use crate::harness::{Case, GUILD, code};

struct Asked<'c> {
    case: &'c Case,
    id: Id,
    token: String,
    channel: Id,
}

fn ask(case: &Case, kind: u8, data: Value, message: Option<Id>) -> Asked<'_> {
    let channel = case.channel("general");
    let new = NewInteraction {
        app: small::APPLICATION,
        kind,
        guild: Some(GUILD),
        channel,
        user: small::MEMBER,
        data,
        message,
    };
    let id = case.sandbox.with_world(|w| w.start_interaction(new));
    let token = case
        .sandbox
        .with_world(|w| w.interactions[&id].token.clone());
    Asked {
        case,
        id,
        token,
        channel,
    }
}

fn slash(case: &Case) -> Asked<'_> {
    ask(case, 2, json!({"id": "1", "name": "ping", "type": 1}), None)
}

impl Asked<'_> {
    fn callback(&self, body: Value) -> Response {
        self.case.http(
            &[],
            Method::POST,
            &format!("/interactions/{}/{}/callback", self.id, self.token),
            &body,
        )
    }

    fn webhook(&self, method: Method, rest: &str, body: Value) -> Response {
        self.case.http(
            &[],
            method,
            &format!("/webhooks/{}/{}{rest}", small::APPLICATION, self.token),
            &body,
        )
    }
}

/// Discord's documentation, resolved data: partial channels have no overwrites, whatever the bot sees.
#[test]
fn channels_are_told_in_part() {
    let case = Case::unlimited();
    case.events();
    slash(&case);
    let told = &case.events()[0].1["channel"];
    let keys: Vec<&str> = told
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "id",
            "type",
            "flags",
            "guild_id",
            "name",
            "parent_id",
            "position",
            "nsfw",
            "rate_limit_per_user",
            "last_message_id",
            "topic",
            "last_pin_timestamp",
            "permissions"
        ]
    );
    let (channel, member) = (case.channel("general"), small::MEMBER);
    let bot = case.sandbox.with_world(|w| w.apps[&small::APPLICATION].bot);
    let hide = json!({"type": 1, "allow": "0", "deny": (1 << 10).to_string()});
    let path = format!("/channels/{channel}/permissions/{bot}");
    assert_eq!(
        case.user(small::OWNER, Method::PUT, &path, hide).status,
        204
    );
    case.sandbox.with_world(|world| {
        let bits = |user| world.permissions_in(channel, user).to_string();
        let resolved = world.resolved_channel_json(channel, member, bot).unwrap();
        assert_eq!(resolved["permissions"], bits(member));
        assert_eq!(resolved["app_permissions"], bits(bot));
        assert_ne!(bits(member), bits(bot));
        assert_eq!(resolved["name"], "general");
        assert_eq!(resolved.get("permission_overwrites"), None);
        assert_eq!(world.resolved_channel_json(Id(5), member, bot), None);
    });
    let (thread, parent) = case.sandbox.with_world(|world| {
        let thread = world.channels.values().find(|c| c.is_thread()).unwrap();
        (
            world.resolved_channel_json(thread.id, member, bot).unwrap(),
            thread.parent_id,
        )
    });
    assert_eq!(thread["parent_id"], json!(parent));
    assert!(thread["thread_metadata"]["archived"].is_boolean());
    assert_eq!(thread.get("message_count"), None);
    case.finish();
}

#[test]
fn a_response_and_follow_ups() {
    let case = Case::unlimited();
    case.events();
    let asked = slash(&case);
    let create = case.events();
    assert_eq!(create[0].0, "INTERACTION_CREATE");
    let payload = &create[0].1;
    assert_eq!(
        (&payload["type"], &payload["version"], &payload["context"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(
        payload["authorizing_integration_owners"],
        json!({"0": GUILD})
    );
    assert!(payload["member"]["permissions"].is_string() && payload["app_permissions"].is_string());
    let url = format!(
        "/interactions/{}/{}/callback?with_response=true",
        asked.id, asked.token
    );
    let answer = case.http(
        &[],
        Method::POST,
        &url,
        &json!({"type": 4, "data": {"content": "pong"}}),
    );
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["resource"]["message"]["content"], "pong");
    let second = asked.callback(json!({"type": 4, "data": {"content": "again"}}));
    assert_eq!(
        (second.status, second.json()),
        (
            400,
            json!({"message": "Interaction has already been acknowledged.", "code": 40060})
        )
    );
    let original = asked.webhook(Method::GET, "/messages/@original", Value::Null);
    assert_eq!(
        (&original.json()["webhook_id"], &original.json()["type"]),
        (&json!(small::APPLICATION), &json!(20))
    );
    assert_eq!(
        original.json()["interaction_metadata"]["user"]["id"],
        json!(small::MEMBER)
    );
    let more = asked.webhook(Method::POST, "", json!({"content": "more"}));
    assert_eq!(more.status, 200, "wait is always true");
    let id = more.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        asked
            .webhook(
                Method::PATCH,
                &format!("/messages/{id}"),
                json!({"content": "most"})
            )
            .json()["content"],
        "most"
    );
    assert_eq!(
        asked
            .webhook(Method::DELETE, &format!("/messages/{id}"), Value::Null)
            .status,
        204
    );
    assert_eq!(
        asked
            .webhook(
                Method::PATCH,
                "/messages/@original",
                json!({"content": "edited"})
            )
            .json()["content"],
        "edited"
    );
    assert_eq!(
        asked
            .webhook(Method::DELETE, "/messages/@original", Value::Null)
            .status,
        204
    );
    assert_eq!(
        code(&asked.webhook(Method::GET, "/messages/@original", Value::Null)),
        10008
    );
    case.finish();
}

#[test]
fn a_deferred_response_is_filled_by_the_first_follow_up() {
    let case = Case::unlimited();
    let asked = slash(&case);
    assert_eq!(asked.callback(json!({"type": 5})).status, 204);
    let loading = asked
        .webhook(Method::GET, "/messages/@original", Value::Null)
        .json();
    assert_eq!(loading["flags"], 1 << 7);
    let first = asked
        .webhook(Method::POST, "", json!({"content": "done"}))
        .json();
    assert_eq!((&first["id"], &first["flags"]), (&loading["id"], &json!(0)));
    let second = asked
        .webhook(Method::POST, "", json!({"content": "and more"}))
        .json();
    assert_ne!(second["id"], loading["id"]);
    case.finish();
}

#[test]
fn ephemeral_messages_are_seen_by_two() {
    let case = Case::unlimited();
    let asked = slash(&case);
    case.events();
    assert_eq!(
        asked
            .callback(json!({"type": 4, "data": {"content": "psst", "flags": 64}}))
            .status,
        204
    );
    let events = case.events();
    assert!(events[0].1.get("guild_id").is_none() && events[0].1.get("member").is_none());
    let id = events[0].1["id"].as_str().unwrap();
    assert_eq!(
        code(&case.get(&format!("/channels/{}/messages/{id}", asked.channel))),
        10008
    );
    let list = case
        .get(&format!("/channels/{}/messages?limit=1", asked.channel))
        .json();
    assert_ne!(list[0]["id"], json!(id));
    assert_eq!(
        asked
            .webhook(Method::GET, "/messages/@original", Value::Null)
            .json()["flags"],
        64
    );
    case.finish();
}

#[test]
fn deadlines() {
    let case = Case::unlimited();
    let asked = slash(&case);
    // Before any callback there is nothing to read or follow up.
    let early = asked.webhook(Method::GET, "/messages/@original", Value::Null);
    assert_eq!((early.status, code(&early)), (404, 10015));
    assert_eq!(
        code(&asked.webhook(Method::POST, "", json!({"content": "x"}))),
        10015
    );
    case.advance_ms(3000);
    let late = asked.callback(json!({"type": 4, "data": {"content": "x"}}));
    assert_eq!((late.status, code(&late)), (404, 10062));
    let asked = slash(&case);
    case.advance_ms(2999);
    assert_eq!(asked.callback(json!({"type": 5})).status, 204);
    case.advance_ms(15 * 60_000 - 3000);
    assert_eq!(
        asked
            .webhook(Method::POST, "", json!({"content": "in time"}))
            .status,
        200
    );
    case.advance_ms(2000);
    let dead = asked.webhook(Method::POST, "", json!({"content": "too late"}));
    assert_eq!((dead.status, code(&dead)), (401, 50027));
    assert_eq!(
        code(&case.http(
            &[],
            Method::POST,
            "/interactions/1/x/callback",
            &json!({"type": 5})
        )),
        10062
    );
    case.finish();
}

#[test]
fn components_update_their_message_and_modals_do_not_open_modals() {
    let case = Case::unlimited();
    let first = slash(&case);
    let row = json!([{"type": 1, "components": [{"type": 2, "style": 1, "label": "a", "custom_id": "a"}]}]);
    first.callback(json!({"type": 4, "data": {"content": "menu", "components": row}}));
    let message: Id = first
        .webhook(Method::GET, "/messages/@original", Value::Null)
        .json()["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let button = ask(
        &case,
        3,
        json!({"custom_id": "a", "component_type": 2}),
        Some(message),
    );
    assert_eq!(
        button
            .callback(json!({"type": 7, "data": {"content": "pressed", "components": []}}))
            .status,
        204
    );
    assert_eq!(
        first
            .webhook(Method::GET, "/messages/@original", Value::Null)
            .json()["content"],
        "pressed"
    );
    let button = ask(
        &case,
        3,
        json!({"custom_id": "a", "component_type": 2}),
        Some(message),
    );
    assert_eq!(button.callback(json!({"type": 6})).status, 204);
    assert_eq!(
        button
            .webhook(
                Method::PATCH,
                "/messages/@original",
                json!({"content": "later"})
            )
            .json()["id"],
        json!(message)
    );
    let modal = json!({"type": 9, "data": {"custom_id": "m", "title": "T", "components": [
        {"type": 1, "components": [{"type": 4, "custom_id": "i", "style": 1, "label": "L"}]}]}});
    assert_eq!(slash(&case).callback(modal.clone()).status, 204);
    let submit = ask(&case, 5, json!({"custom_id": "m", "components": []}), None);
    assert_eq!(
        submit.callback(modal).json()["errors"]["type"]["_errors"][0]["code"],
        "BASE_TYPE_CHOICES"
    );
    let long =
        json!({"type": 9, "data": {"custom_id": "m", "title": "x".repeat(46), "components": []}});
    let refused = slash(&case).callback(long).json();
    assert_eq!(
        refused["errors"]["data"]["title"]["_errors"][0]["code"],
        "BASE_TYPE_BAD_LENGTH"
    );
    let typing = ask(&case, 4, json!({"name": "x", "options": []}), None);
    assert_eq!(
        typing
            .callback(json!({"type": 4, "data": {"content": "x"}}))
            .status,
        400
    );
    let choices: Vec<Value> = (0..26)
        .map(|n| json!({"name": n.to_string(), "value": n}))
        .collect();
    assert_eq!(
        typing
            .callback(json!({"type": 8, "data": {"choices": choices}}))
            .status,
        400
    );
    assert_eq!(
        typing
            .callback(json!({"type": 8, "data": {"choices": choices[..25]}}))
            .status,
        204
    );
    case.finish();
}

/// Webhooks of an interaction speak where somebody asked, and nowhere once that is gone.
#[test]
fn nothing_is_said_in_a_channel_that_is_gone() {
    let case = Case::unlimited();
    let (asked, unanswered) = (slash(&case), slash(&case));
    let said = asked.callback(json!({"type": 4, "data": {"content": "a"}}));
    assert_eq!(said.status, 204);
    let path = format!("/channels/{}", asked.channel);
    let gone = case.user(small::OWNER, Method::DELETE, &path, Value::Null);
    assert_eq!(gone.status, 200);
    let content = json!({"content": "b"});
    for (method, rest, body) in [
        (Method::POST, "", content.clone()),
        (Method::GET, "/messages/@original", Value::Null),
        (Method::PATCH, "/messages/@original", content),
        (Method::DELETE, "/messages/@original", Value::Null),
    ] {
        let answer = asked.webhook(method.clone(), rest, body);
        assert_eq!((answer.status, code(&answer)), (404, 10003), "{method}");
    }
    let late = unanswered.callback(json!({"type": 5}));
    assert_eq!((late.status, code(&late)), (404, 10003));
    let orphans = case
        .sandbox
        .with_world(|world| world.messages.contains_key(&asked.channel));
    assert!(!orphans);
    case.finish();
}

#[test]
fn interactions_that_are_over_are_forgotten() {
    let case = Case::unlimited();
    let (over, modal) = (slash(&case), slash(&case));
    let form = json!({"type": 9, "data": {"custom_id": "form", "title": "Form", "components": [
        {"type": 1, "components": [
            {"type": 4, "custom_id": "why", "label": "Why", "style": 1}]}]}});
    assert_eq!(modal.callback(form).status, 204);
    let known = |id: Id| {
        case.sandbox
            .with_world(|w| w.interactions.contains_key(&id))
    };
    case.advance_ms(15 * 60_000);
    let next = slash(&case);
    assert_eq!((known(over.id), known(next.id)), (false, true));
    assert!(known(modal.id), "somebody may still be filling it in");
    let late = over.callback(json!({"type": 5}));
    assert_eq!((late.status, code(&late)), (404, 10062));
    case.advance_ms(24 * 3_600_000);
    slash(&case);
    let left = case
        .sandbox
        .with_world(|w| (w.interactions.len(), w.interaction_tokens.len()));
    assert_eq!(left, (1, 1));
    case.finish();
}
