//! Webhooks.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD, code};

#[test]
fn webhooks_post_edit_and_delete_through_their_token() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let made = case.bot(
        Method::POST,
        &format!("/channels/{general}/webhooks"),
        json!({"name": "Herald"}),
    );
    assert_eq!(made.status, 200, "{}", made.json());
    let hook = made.json();
    let (id, token) = (
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap(),
    );
    let path = format!("/webhooks/{id}/{token}");
    let open = |method, path: &str, body: Value| case.http(&[], method, path, &body);
    assert_eq!(
        open(Method::POST, &path, json!({"content": "quiet"})).status,
        204
    );
    case.events();
    let sent = open(
        Method::POST,
        &format!("{path}?wait=true"),
        json!({"content": "loud", "username": "Crier"}),
    );
    assert_eq!(sent.status, 200, "{}", sent.json());
    assert_eq!(
        (&sent.json()["webhook_id"], &sent.json()["author"]["id"]),
        (&hook["id"], &hook["id"])
    );
    assert_eq!(sent.json()["author"]["username"], "Crier");
    assert!(case.events()[0].1.get("member").is_none());
    let message = format!("{path}/messages/{}", sent.json()["id"].as_str().unwrap());
    assert_eq!(
        open(Method::PATCH, &message, json!({"content": "louder"})).json()["content"],
        "louder"
    );
    assert_eq!(open(Method::GET, &message, Value::Null).status, 200);
    assert_eq!(open(Method::DELETE, &message, Value::Null).status, 204);
    assert_eq!(
        open(Method::GET, &path, Value::Null).json().get("user"),
        None
    );
    let bad = open(
        Method::POST,
        &format!("/webhooks/{id}/wrong"),
        json!({"content": "x"}),
    );
    assert_eq!((bad.status, code(&bad)), (401, 50027));
    let gone = open(Method::POST, "/webhooks/5/wrong", json!({"content": "x"}));
    assert_eq!((gone.status, code(&gone)), (404, 10015));
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("/webhooks/{id}"),
            json!({"name": "Two"})
        )
        .json()["name"],
        "Two"
    );
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}/webhooks"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(open(Method::DELETE, &path, Value::Null).status, 204);
    let named = case.bot(
        Method::POST,
        &format!("/channels/{general}/webhooks"),
        json!({"name": "My Discord"}),
    );
    assert_eq!(
        named.json()["errors"]["name"]["_errors"][0]["code"],
        "USERNAME_INVALID_CONTAINS"
    );
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::POST,
            &format!("/channels/{general}/webhooks"),
            json!({"name": "x"})
        )),
        50013
    );
    case.finish();
}

#[test]
fn forum_webhooks_need_a_thread_and_channels_hold_fifteen() {
    let case = Case::unlimited();
    let help = case.channel("help");
    let hook = case
        .bot(
            Method::POST,
            &format!("/channels/{help}/webhooks"),
            json!({"name": "h"}),
        )
        .json();
    let path = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    let open = |path: &str, body: Value| case.http(&[], Method::POST, path, &body);
    assert_eq!(code(&open(&path, json!({"content": "x"}))), 220001);
    assert_eq!(
        code(&open(
            &format!("{path}?thread_id=1"),
            json!({"content": "x", "thread_name": "t"})
        )),
        220002
    );
    let post = open(
        &format!("{path}?wait=true"),
        json!({"content": "x", "thread_name": "t"}),
    );
    assert_eq!(post.json()["id"], post.json()["channel_id"]);
    let general = case.channel("general");
    let hooks = format!("/channels/{general}/webhooks");
    let hook = case.bot(Method::POST, &hooks, json!({"name": "h"})).json();
    let path = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    assert_eq!(
        code(&open(&path, json!({"content": "x", "thread_name": "t"}))),
        220003
    );
    for _ in 1..15 {
        assert_eq!(
            case.bot(Method::POST, &hooks, json!({"name": "h"})).status,
            200
        );
    }
    assert_eq!(
        code(&case.bot(Method::POST, &hooks, json!({"name": "h"}))),
        30007
    );
    case.finish();
}
