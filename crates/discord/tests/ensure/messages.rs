//! Messages, which Discord remembers for a while only.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::ChannelId;
use splashtail_discord::ensure::{Acting, ENFORCED_FOR, EnsureError, Ensured, Nonce, Outcome};
use wiremock::matchers::{body_partial_json, method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::fake::{Fake, made, start, user};

#[tokio::test]
async fn messages_are_sent_once() {
    let fake = Fake::new().await;
    let nonce = Nonce::of(&["job", "step"]);
    let sent = json!({"nonce": nonce.as_str(), "enforce_nonce": true, "content": "Hello"});
    let messages = "/api/v10/channels/6/messages";
    Mock::given(method("POST"))
        .and(path(messages))
        .and(body_partial_json(sent))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": "1"})))
        .mount(&fake.server)
        .await;
    let channel = ChannelId::new(6).unwrap();
    let body = json!({"content": "Hello"});
    let acting = fake.acting().resumed(true);
    let first = acting
        .ensure_message(channel, user(9), &body)
        .await
        .unwrap();
    assert_eq!(
        first.outcome,
        Outcome::Created,
        "Discord still knows the nonce"
    );

    let own =
        |id: &str, author: &str| json!({"id": id, "author": {"id": author}, "content": "Hello"});
    let (theirs, ours) = (made(1, 1), made(1, 2));
    Mock::given(method("GET"))
        .and(path(messages))
        .and(query_param("limit", "100"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!([own(&ours, "9"), own(&theirs, "8")])),
        )
        .mount(&fake.server)
        .await;
    fake.clock.advance(Duration::from_secs(3600));
    let later = acting
        .ensure_message(channel, user(9), &body)
        .await
        .unwrap();
    assert_eq!(
        (later.outcome, &later.object["id"]),
        (Outcome::Adopted, &json!(ours))
    );
}

const MESSAGES: &str = "/api/v10/channels/6/messages";

fn message(id: &str) -> Value {
    json!({"id": id, "author": {"id": "9"}, "content": "Hello"})
}

async fn hello(acting: Acting) -> Result<Ensured, EnsureError> {
    let channel = ChannelId::new(6).unwrap();
    let body = json!({"content": "Hello"});
    acting.ensure_message(channel, user(9), &body).await
}

/// The line is longer than Discord remembers the nonce.
#[tokio::test]
async fn a_message_is_not_repeated_when_its_nonce_may_be_forgotten() {
    let fake = Fake::new().await;
    let slow = ResponseTemplate::new(502)
        .set_body_json(json!({}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "1")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "300");
    Mock::given(method("POST"))
        .and(path(MESSAGES))
        .respond_with(slow)
        .mount(&fake.server)
        .await;
    fake.answers_times("GET", MESSAGES, 200, json!([]), 1).await;
    let ours = made(1, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&ours)]))
        .await;
    let error = fake.run(hello(fake.acting())).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(fake.posts().await, 1);
    assert!(fake.clock.now() - start() < chrono::Duration::seconds(120));
    // The next run stands in the same line, and finds it before its turn comes.
    let found = fake.run(hello(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Adopted);
    assert_eq!(found.object["id"], json!(ours));
    assert_eq!(fake.posts().await, 1);
}

/// While it is remembered a message is repeated, and another effect's that says the same is none.
#[tokio::test]
async fn a_message_is_repeated_while_its_nonce_is_remembered() {
    let fake = Fake::new().await;
    fake.answers_times("POST", MESSAGES, 502, json!({}), 1)
        .await;
    fake.answers("POST", MESSAGES, 200, json!({"id": "2"}))
        .await;
    let sent = fake.run(hello(fake.acting())).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Created);
    assert_eq!(fake.posts().await, 2);
    let first = made(1, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&first)]))
        .await;
    fake.clock.advance(ENFORCED_FOR);
    let acting = fake.acting().resumed(true);
    let acting = acting.owned([first.parse::<u64>().unwrap()]);
    let second = fake.run(hello(acting)).await.unwrap();
    assert_eq!(second.outcome, Outcome::Created);
}

/// A look at the channel is worth nothing after a long wait in line: it is looked at again.
#[tokio::test]
async fn a_resumed_message_is_looked_up_just_before_it_is_sent() {
    let fake = Fake::new().await;
    let full = ResponseTemplate::new(200)
        .set_body_json(json!({"id": "1"}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "1")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "300");
    Mock::given(method("POST"))
        .and(path(MESSAGES))
        .respond_with(full)
        .mount(&fake.server)
        .await;
    fake.run(hello(fake.acting())).await.unwrap();
    fake.clock.advance(ENFORCED_FOR);
    fake.answers_times("GET", MESSAGES, 200, json!([]), 1).await;
    let ours = made(100, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&ours)]))
        .await;
    let found = fake.run(hello(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Adopted);
    assert_eq!(fake.posts().await, 1, "only the one that filled the line");
}
