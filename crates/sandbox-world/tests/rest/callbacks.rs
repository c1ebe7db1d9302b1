//! Which callback each kind of interaction takes, and what components and modals may hold.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, NewInteraction};

use crate::harness::{Case, GUILD};

fn start(case: &Case, guild: Option<Id>, channel: Id, kind: u8, message: Option<Id>) -> Id {
    let new = NewInteraction {
        app: small::APPLICATION,
        kind,
        guild,
        channel,
        user: small::MEMBER,
        data: json!({"id": "1", "name": "x", "type": 1, "custom_id": "x", "component_type": 2}),
        message,
    };
    case.sandbox.with_world(|w| w.start_interaction(new))
}

fn answer(case: &Case, interaction: Id, body: Value) -> Response {
    let token = case
        .sandbox
        .with_world(|w| w.interactions[&interaction].token.clone());
    let path = format!("/interactions/{interaction}/{token}/callback");
    case.http(&[], Method::POST, &path, &body)
}

/// Commands 2, components 3, autocomplete 4, modals 5 (opened by a command, or by a component).
#[test]
fn each_kind_takes_its_own_callbacks() {
    let case = Case::unlimited();
    let channel = case.channel("general");
    let said = case.bot(
        Method::POST,
        &format!("/channels/{channel}/messages"),
        json!({"content": "menu", "components": row(vec![button("x")])}),
    );
    let message: Id = said.json()["id"].as_str().unwrap().parse().unwrap();
    let bodies = [
        (4, json!({"content": "answer"})),
        (5, Value::Null),
        (6, Value::Null),
        (7, json!({"content": "changed"})),
        (8, json!({"choices": []})),
        (9, modal("t", 1)),
    ];
    let rows = [
        (2, None, &[4, 5, 9][..]),
        (3, Some(message), &[4, 5, 6, 7, 9]),
        (4, None, &[8]),
        (5, None, &[4, 5]),
        (5, Some(message), &[4, 5, 6, 7]),
    ];
    for (kind, message, taken) in rows {
        for (callback, data) in &bodies {
            let id = start(&case, Some(GUILD), channel, kind, message);
            let mut body = json!({"type": callback});
            if !data.is_null() {
                body["data"] = data.clone();
            }
            let given = answer(&case, id, body);
            let expected = if taken.contains(callback) { 204 } else { 400 };
            assert_eq!(
                given.status,
                expected,
                "{callback} to {kind}: {}",
                given.json()
            );
        }
    }
}

fn button(id: &str) -> Value {
    json!({"type": 2, "style": 1, "label": "b", "custom_id": id})
}

fn row(components: Vec<Value>) -> Value {
    json!([{"type": 1, "components": components}])
}

fn select(options: usize) -> Value {
    let options: Vec<Value> = (0..options)
        .map(|n| json!({"label": format!("{n}"), "value": format!("{n}")}))
        .collect();
    json!({"type": 3, "custom_id": "s", "options": options})
}

fn modal(title: &str, inputs: usize) -> Value {
    let rows: Vec<Value> = (0..inputs)
        .map(|n| {
            let input = json!({"type": 4, "style": 1, "label": "l", "custom_id": format!("i{n}")});
            json!({"type": 1, "components": [input]})
        })
        .collect();
    json!({"custom_id": "m", "title": title, "components": rows})
}

/// Sheet §9, limits: what still passes, and what is one too many.
#[test]
fn components_have_limits() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let buttons =
        |n: usize, prefix: &str| (0..n).map(|i| button(&format!("{prefix}{i}"))).collect();
    let rows = |n: usize| -> Value {
        let rows = (0..n).map(|r| row(buttons(5, &format!("{r}-")))[0].clone());
        rows.collect()
    };
    let texts = |n: usize| -> Value {
        (0..n)
            .map(|_| json!({"type": 10, "content": "t"}))
            .collect()
    };
    let v2 = 1 << 15;
    let link = json!({"type": 2, "style": 5, "label": "l", "url": "https://example.test"});
    let long = json!({"type": 2, "style": 1, "label": "b", "custom_id": "x".repeat(101)});
    let longest = json!({"type": 2, "style": 1, "label": "b", "custom_id": "x".repeat(100)});
    let cases: Vec<(&str, bool, Value)> = vec![
        (
            "five rows of five buttons",
            true,
            json!({"components": rows(5)}),
        ),
        ("six rows", false, json!({"components": rows(6)})),
        (
            "six buttons",
            false,
            json!({"components": row(buttons(6, ""))}),
        ),
        (
            "25 options",
            true,
            json!({"components": row(vec![select(25)])}),
        ),
        (
            "26 options",
            false,
            json!({"components": row(vec![select(26)])}),
        ),
        (
            "no options",
            false,
            json!({"components": row(vec![select(0)])}),
        ),
        (
            "a menu beside a button",
            false,
            json!({"components": row(vec![select(1), button("b")])}),
        ),
        (
            "a custom id of 100",
            true,
            json!({"components": row(vec![longest])}),
        ),
        (
            "a custom id of 101",
            false,
            json!({"components": row(vec![long])}),
        ),
        (
            "an empty custom id",
            false,
            json!({"components": row(vec![button("")])}),
        ),
        (
            "one id twice",
            false,
            json!({"components": row(vec![button("a"), button("a")])}),
        ),
        ("a link", true, json!({"components": row(vec![link])})),
        (
            "a button outside a row",
            false,
            json!({"components": [button("a")]}),
        ),
        (
            "40 in the new layout",
            true,
            json!({"flags": v2, "components": texts(40)}),
        ),
        (
            "41 in the new layout",
            false,
            json!({"flags": v2, "components": texts(41)}),
        ),
        (
            "text beside the new layout",
            false,
            json!({"flags": v2, "components": texts(1), "content": "c"}),
        ),
        (
            "embeds beside the new layout",
            false,
            json!({"flags": v2, "components": texts(1), "embeds": [{"title": "t"}]}),
        ),
        (
            "the new layout's parts without its flag",
            false,
            json!({"components": texts(1)}),
        ),
    ];
    for (name, fits, mut body) in cases {
        if fits && body.get("flags").is_none() {
            body["content"] = "with components".into();
        }
        let given = case.bot(Method::POST, &path, body);
        let expected = if fits { 200 } else { 400 };
        assert_eq!(given.status, expected, "{name}: {}", given.json());
        if !fits {
            assert_eq!(given.code, Some(50035), "{name}: {}", given.json());
        }
    }
}

#[test]
fn modals_have_limits() {
    let case = Case::unlimited();
    let channel = case.channel("general");
    let mut no_id = modal("t", 1);
    no_id["custom_id"] = "".into();
    let mut long_label = modal("t", 1);
    long_label["components"][0]["components"][0]["label"] = "x".repeat(46).into();
    let rows = [
        ("a title of 45", modal(&"x".repeat(45), 1), true),
        ("a title of 46", modal(&"x".repeat(46), 1), false),
        ("no title", modal("", 1), false),
        ("five inputs", modal("t", 5), true),
        ("six inputs", modal("t", 6), false),
        ("no inputs", modal("t", 0), false),
        ("no custom id", no_id, false),
        ("a label of 46", long_label, false),
    ];
    for (name, data, fits) in rows {
        let id = start(&case, Some(GUILD), channel, 2, None);
        let given = answer(&case, id, json!({"type": 9, "data": data}));
        let expected = if fits { 204 } else { 400 };
        assert_eq!(given.status, expected, "{name}: {}", given.json());
        // A refused callback is none: the interaction can still be answered.
        if !fits {
            let given = answer(&case, id, json!({"type": 5}));
            assert_eq!(given.status, 204, "{name}");
        }
    }
}

#[test]
fn in_direct_messages_there_is_a_user_and_no_member() {
    let case = Case::unlimited();
    let dm = case.user(
        small::MEMBER,
        Method::POST,
        "/users/@me/channels",
        json!({"recipient_id": small::APPLICATION}),
    );
    let channel: Id = dm.json()["id"].as_str().unwrap().parse().unwrap();
    case.events();
    start(&case, None, channel, 2, None);
    let events = case.events();
    let (name, payload) = &events[0];
    assert_eq!(*name, "INTERACTION_CREATE");
    assert_eq!(payload["user"]["id"], small::MEMBER.to_string());
    for absent in ["member", "guild_id", "guild", "guild_locale"] {
        assert!(payload.get(absent).is_none(), "{absent}");
    }
    assert_eq!(payload["context"], 1);
}
