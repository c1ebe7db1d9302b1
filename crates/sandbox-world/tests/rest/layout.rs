//! Components v2, forwards and polls: what may stand where, and what is refused.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::harness::{Case, code};

const V2: u64 = 1 << 15;
const LEGACY: &str = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2";

fn post(case: &Case, body: Value) -> Response {
    let path = format!("/channels/{}/messages", case.channel("general"));
    case.bot(Method::POST, &path, body)
}

fn edit(case: &Case, message: &Value, body: Value) -> Response {
    let (channel, id) = (&message["channel_id"], &message["id"]);
    let path = format!(
        "/channels/{}/messages/{}",
        channel.as_str().unwrap(),
        id.as_str().unwrap()
    );
    case.bot(Method::PATCH, &path, body)
}

fn text(content: &str) -> Value {
    json!({"type": 10, "content": content})
}

fn layout(components: Value) -> Value {
    json!({"flags": V2, "components": components})
}

fn button() -> Value {
    json!({"type": 2, "style": 1, "label": "Go", "custom_id": "go"})
}

#[test]
fn containers_hold_rows_and_rows_hold_no_text() {
    let case = Case::nonsense();
    let container = |inner: Value| layout(json!([{"type": 17, "components": [inner]}]));
    let row = json!({"type": 1, "components": [button()]});
    let sent = post(&case, container(row));
    assert_eq!(sent.status, 200, "{}", sent.json());
    for inner in [
        button(),
        json!({"type": 17, "components": [text("x")]}),
        json!({"type": 1, "components": [text("x")]}),
        json!({"type": 9, "components": [text("x")]}),
    ] {
        let refused = post(&case, container(inner.clone()));
        assert_eq!(code(&refused), 50035, "{inner}");
    }
}

#[test]
fn sections_have_one_to_three_texts() {
    let case = Case::nonsense();
    for (texts, status) in [(0, 400), (1, 200), (3, 200), (4, 400)] {
        let texts: Vec<Value> = (0..texts).map(|n| text(&n.to_string())).collect();
        let section = json!({"type": 9, "components": texts, "accessory": button()});
        let sent = post(&case, layout(json!([section])));
        assert_eq!(sent.status, status, "{}", sent.json());
    }
    let empty = post(&case, layout(json!([{"type": 17}])));
    assert_eq!(code(&empty), 50035);
}

#[test]
fn four_thousand_characters_of_text_are_the_most() {
    let case = Case::nonsense();
    for (texts, status) in [
        (vec!["x".repeat(4000)], 200),
        (vec!["x".repeat(4001)], 400),
        (vec!["x".repeat(2000), "ü".repeat(2000)], 200),
        (vec!["x".repeat(2000), "ü".repeat(2001)], 400),
        (vec![String::new()], 400),
    ] {
        let components: Vec<Value> = texts.iter().map(|t| text(t)).collect();
        assert_eq!(post(&case, layout(components.into())).status, status);
    }
}

#[test]
fn text_and_layout_do_not_go_together_in_edits_either() {
    let case = Case::nonsense();
    let laid_out = post(&case, layout(json!([text("x")]))).json();
    let refused = edit(&case, &laid_out, json!({"content": "text"}));
    assert!(
        refused.json().to_string().contains(LEGACY),
        "{}",
        refused.json()
    );
    let embed = json!({"embeds": [{"title": "t"}]});
    assert_eq!(code(&edit(&case, &laid_out, embed)), 50035);
    // The flag stays, so components alone go on being laid out.
    let again = edit(&case, &laid_out, json!({"components": [text("y")]}));
    assert_eq!(again.json()["components"][0]["content"], "y");

    let written = post(&case, json!({"content": "text"})).json();
    let refused = edit(&case, &written, layout(json!([text("x")])));
    assert!(
        refused.json().to_string().contains(LEGACY),
        "{}",
        refused.json()
    );
    let mut emptied = layout(json!([text("x")]));
    emptied["content"] = Value::Null;
    let changed = edit(&case, &written, emptied);
    assert_eq!(changed.status, 200, "{}", changed.json());
    assert_eq!(changed.json()["flags"].as_u64().unwrap() & V2, V2);
}

#[test]
fn media_lead_to_files_that_came_along_and_say_everything() {
    let case = Case::nonsense();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let file = layout(json!([{"type": 13, "file": {"url": "attachment://a.txt"}}]));
    let missing = post(&case, file.clone());
    assert!(
        missing
            .json()
            .to_string()
            .contains("REFERENCED_ATTACHMENT_NOT_FOUND"),
        "{}",
        missing.json()
    );
    let sent = case.upload(Method::POST, &path, &file, &[("a.txt", b"hello")]);
    assert_eq!(sent.status, 200, "{}", sent.json());
    let shown = sent.json()["components"][0]["file"].clone();
    assert_eq!(shown["url"], sent.json()["attachments"][0]["url"]);
    assert_eq!(shown["attachment_id"], sent.json()["attachments"][0]["id"]);
    let foreign = layout(json!([{"type": 13, "file": {"url": "https://example.com/a"}}]));
    assert_eq!(code(&post(&case, foreign)), 50035);

    let gallery = layout(json!([{"type": 12, "items": [
        {"media": {"url": "https://example.com/a.png"}}]}]));
    let item = post(&case, gallery).json()["components"][0]["items"][0].clone();
    assert_eq!(item["media"]["proxy_url"], "https://example.com/a.png");
    assert!(item["media"]["id"].is_string());
    assert_eq!(
        (&item["spoiler"], item.get("description")),
        (&json!(false), Some(&Value::Null))
    );
}

fn forward(case: &Case, from: Id, message: &str) -> Response {
    let reference = json!({"type": 1, "channel_id": from, "message_id": message});
    post(case, json!({"message_reference": reference}))
}

#[test]
fn forwards_are_marked_and_polls_and_notices_stay_where_they_are() {
    let case = Case::nonsense();
    let general = case.channel("general");
    let said = post(&case, json!({"content": "pass it on"})).json();
    let id = said["id"].as_str().unwrap();
    let passed = forward(&case, general, id);
    assert_eq!(
        passed.json()["flags"].as_u64().unwrap() & (1 << 14),
        1 << 14
    );

    let poll =
        json!({"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}]}});
    let poll = post(&case, poll).json();
    assert_eq!(
        forward(&case, general, poll["id"].as_str().unwrap()).status,
        400
    );
    let pin = format!("/channels/{general}/messages/pins/{id}");
    assert_eq!(case.bot(Method::PUT, &pin, Value::Null).status, 204);
    let newest = case
        .get(&format!("/channels/{general}/messages?limit=1"))
        .json();
    assert_eq!(newest[0]["type"], 6);
    assert_eq!(
        forward(&case, general, newest[0]["id"].as_str().unwrap()).status,
        400
    );
}

// A bot without the message content intent cannot pass on what it cannot read.
#[test]
fn what_cannot_be_read_is_not_forwarded() {
    let case = Case::nonsense();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let said = case.user(
        small::MEMBER,
        Method::POST,
        &path,
        json!({"content": "secret"}),
    );
    case.sandbox.with_world(|w| {
        w.apps.get_mut(&small::APPLICATION).unwrap().flags &= !((1 << 18) | (1 << 19));
    });
    let refused = forward(&case, general, said.json()["id"].as_str().unwrap());
    assert_eq!((refused.status, code(&refused)), (403, 160_014));
}

#[test]
fn polls_are_ended_once_and_never_edited() {
    let case = Case::nonsense();
    let general = case.channel("general");
    let poll =
        json!({"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}]}});
    let poll = post(&case, poll).json();
    assert_eq!(code(&edit(&case, &poll, json!({"content": "x"}))), 520_003);
    let id = poll["id"].as_str().unwrap();
    let voters = format!("/channels/{general}/polls/{id}/answers");
    assert_eq!(
        case.get(&format!("{voters}/1")).json(),
        json!({"users": []})
    );
    assert_eq!(case.get(&format!("{voters}/2")).status, 404);
    let end = format!("/channels/{general}/polls/{id}/expire");
    let ended = case.bot(Method::POST, &end, Value::Null);
    assert_eq!(ended.json()["poll"]["results"]["is_finalized"], true);
    assert_eq!(code(&case.bot(Method::POST, &end, Value::Null)), 520_001);
    let plain = post(&case, json!({"content": "x"})).json();
    let end = format!(
        "/channels/{general}/polls/{}/expire",
        plain["id"].as_str().unwrap()
    );
    assert_eq!(code(&case.bot(Method::POST, &end, Value::Null)), 520_006);
}
