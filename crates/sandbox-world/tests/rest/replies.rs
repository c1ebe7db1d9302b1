//! Replies, after "Message Reference" and "Allowed Mentions" of the documentation.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, code};

// `fail_if_not_exists`: "whether to error if the referenced message doesn't exist instead of
// sending as a normal (non-reply) message, default true".
#[test]
fn replies_may_outlive_what_they_answer() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let said = case.user(small::MEMBER, Method::POST, &path, json!({"content": "?"}));
    let said = said.json()["id"].clone();
    let answer = |reference: Value| {
        let body = json!({"content": "!", "message_reference": reference});
        case.bot(Method::POST, &path, body)
    };
    let reply = answer(json!({"message_id": said})).json();
    assert_eq!(
        (&reply["type"], &reply["referenced_message"]["id"]),
        (&json!(19), &said)
    );
    let gone = format!("{path}/{}", said.as_str().unwrap());
    case.bot(Method::DELETE, &gone, Value::Null);
    let reply = format!("{path}/{}", reply["id"].as_str().unwrap());
    let left = case.get(&reply).json();
    assert_eq!(
        (&left["type"], left.get("referenced_message")),
        (&json!(19), Some(&Value::Null)),
        "null: it was deleted"
    );
    assert_eq!(code(&answer(json!({"message_id": said}))), 50035);
    let lenient = json!({"message_id": said, "fail_if_not_exists": false});
    let plain = answer(lenient).json();
    assert_eq!(
        (&plain["type"], plain.get("message_reference")),
        (&json!(0), None)
    );
    case.finish();
}

// `replied_user`: "for replies, whether to mention the author of the message being replied to
// (default false)", once `allowed_mentions` is there; without it everything mentions.
#[test]
fn the_answered_author_is_mentioned_as_allowed() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let said = case.user(small::MEMBER, Method::POST, &path, json!({"content": "?"}));
    let said = said.json()["id"].clone();
    for (allowed, mentioned) in [
        (None, true),
        (Some(json!({"parse": []})), false),
        (Some(json!({"parse": [], "replied_user": true})), true),
        (Some(json!({"replied_user": false})), false),
    ] {
        let mut body = json!({"content": "!", "message_reference": {"message_id": said}});
        if let Some(allowed) = &allowed {
            body["allowed_mentions"] = allowed.clone();
        }
        let mentions = case.bot(Method::POST, &path, body).json()["mentions"].clone();
        let ids: Vec<&Value> = mentions
            .as_array()
            .unwrap()
            .iter()
            .map(|u| &u["id"])
            .collect();
        let expected = json!(small::MEMBER);
        let expected: Vec<&Value> = if mentioned { vec![&expected] } else { vec![] };
        assert_eq!(ids, expected, "{allowed:?}");
    }
    case.finish();
}
