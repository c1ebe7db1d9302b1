//! Messages, and many deleted at once.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, Message};

use super::{accepts, x};
use crate::harness::{Case, code};

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
