//! Channels and the categories they stand in.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;

use super::{accepts, x};
use crate::harness::{Case, GUILD};

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
