//! Webhooks.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::caps::Caps;
use splashtail_sandbox_world::rest::limits::{Hidden, Rate, Rules};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

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

/// A webhook of the bot, by its address.
fn hook(case: &Case, channel: Id) -> String {
    let path = format!("/channels/{channel}/webhooks");
    let made = case.bot(Method::POST, &path, json!({"name": "h"})).json();
    format!(
        "/webhooks/{}/{}",
        made["id"].as_str().unwrap(),
        made["token"].as_str().unwrap()
    )
}

// "Start Thread in Forum or Media Channel" has these limits and rules; a webhook that starts one by
// `thread_name` has no others (webhook resource, "Execute Webhook").
#[test]
fn posts_of_webhooks_obey_the_rules_of_every_post() {
    let case = Case::unlimited();
    let help = case.channel("help");
    let address = hook(&case, help);
    let post = |body: Value| case.http(&[], Method::POST, &address, &body);
    let unknown = post(json!({"content": "x", "thread_name": "t", "applied_tags": ["5"]}));
    assert_eq!(code(&unknown), 50035);
    let tag = case.sandbox.with_world(|w| {
        let forum = w.channels.get_mut(&help).unwrap();
        forum.flags |= 1 << 4;
        forum.available_tags[0].id
    });
    let untagged = json!({"content": "x", "thread_name": "t"});
    assert_eq!(code(&post(untagged)), 40067);
    let tagged = json!({"content": "x", "thread_name": "t", "applied_tags": [tag]});
    assert_eq!(post(tagged.clone()).status, 204);
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        (&entry["action_type"], &entry["user_id"]),
        (&json!(110), &Value::Null),
        "{entry}"
    );
    let caps = Caps {
        active_threads: 1,
        ..Caps::default()
    };
    case.sandbox.limits.set_rules(Rules {
        enabled: false,
        caps,
        ..Rules::default()
    });
    assert_eq!(code(&post(tagged)), 160_006);
    case.finish();
}

// discord-api-docs#7816: starting threads has a limit that all share.
#[test]
fn posts_of_webhooks_count_as_threads_that_are_started() {
    let case = Case::new();
    let address = hook(&case, case.channel("help"));
    let hidden = Hidden {
        threads: Rate::fixed(1, 300_000),
        ..Hidden::default()
    };
    case.sandbox.limits.set_rules(Rules {
        hidden,
        ..Rules::default()
    });
    let post = || {
        let body = json!({"content": "x", "thread_name": "t"});
        case.http(&[], Method::POST, &address, &body)
    };
    assert_eq!(post().status, 204);
    let over = post();
    assert_eq!(over.status, 429);
    assert!(
        over.headers
            .contains(&("X-RateLimit-Scope", "shared".into()))
    );
    case.finish();
}

// "The thread will automatically be unarchived"; a locked one is opened by those who manage threads, and
// no thread is opened past the cap (160006).
#[test]
fn nobody_opens_a_locked_thread_or_one_too_many_by_a_webhook() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let address = hook(&case, general);
    let old = case.channel("Old plans");
    let post = || {
        let path = format!("{address}?thread_id={old}");
        case.http(&[], Method::POST, &path, &json!({"content": "x"}))
    };
    let lock = |on: bool| {
        case.sandbox.with_world(|w| {
            let thread = w.channels.get_mut(&old).unwrap().thread.as_mut().unwrap();
            (thread.locked, thread.archived) = (on, true);
        });
    };
    lock(true);
    assert_eq!(code(&post()), 50083);
    lock(false);
    let full = |most: usize| {
        let caps = Caps {
            active_threads: most,
            ..Caps::default()
        };
        case.sandbox.limits.set_rules(Rules {
            enabled: false,
            caps,
            ..Rules::default()
        });
    };
    full(1);
    assert_eq!(code(&post()), 160_006);
    let said = case.user(
        small::MEMBER,
        Method::POST,
        &format!("/channels/{old}/messages"),
        json!({"content": "x"}),
    );
    assert_eq!(code(&said), 160_006, "people neither");
    full(1000);
    assert_eq!(post().status, 204);
    case.finish();
}

// A channel has fifteen webhooks, whichever way they come (30007), and not every channel has any (50024).
#[test]
fn a_webhook_moves_only_where_one_could_be_made() {
    let case = Case::unlimited();
    let (general, media) = (case.channel("general"), case.channel("media"));
    let made = |channel: Id| {
        let path = format!("/channels/{channel}/webhooks");
        case.bot(Method::POST, &path, json!({"name": "h"})).json()
    };
    let one = made(general);
    for _ in 0..15 {
        made(media);
    }
    let path = format!("/webhooks/{}", one["id"].as_str().unwrap());
    let to = |channel: Id| case.bot(Method::PATCH, &path, json!({"channel_id": channel}));
    assert_eq!(code(&to(media)), 30007);
    let category = case.sandbox.with_world(|w| w.channels[&general].parent_id);
    let category = category.unwrap();
    assert_eq!(code(&to(category)), 50024);
    assert_eq!(to(general).status, 200, "where it is, it may stay");
    case.finish();
}
