//! Messages of webhooks, which carry no mark.

use serde_json::{Value, json};
use splashtail_core::clock::Clock as _;
use splashtail_discord::ensure::{AUDIT_LAG, Acting, EnsureError, Ensured, Outcome, Poster};

use wiremock::matchers::{method, path};
use wiremock::{Mock, Request};

use crate::fake::{Fake, made};

const MESSAGES: &str = "/api/v10/channels/6/messages";
const WEBHOOK: &str = "/api/v10/webhooks/8/token";

async fn post(acting: Acting) -> Result<Ensured, EnsureError> {
    let poster = Poster {
        webhook: 8,
        token: "token".to_owned(),
        channel: 6,
        thread: None,
    };
    let body = json!({"content": "Hello"});
    acting.ensure_webhook_message(&poster, 0, &body, &[]).await
}

fn message(id: &str, webhook: &str) -> Value {
    json!({"id": id, "webhook_id": webhook, "content": "Hello"})
}

/// Its sender died, and Discord went on with it.
#[tokio::test]
async fn a_message_that_is_finished_later_is_not_posted_again() {
    let fake = Fake::new().await;
    fake.answers_times("GET", MESSAGES, 200, json!([]), 3).await;
    let ours = made(20, 2);
    let list = json!([message(&ours, "8"), message(&made(1, 1), "7")]);
    fake.answers("GET", MESSAGES, 200, list).await;
    let found = fake.run(post(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Adopted);
    assert_eq!(found.object["id"], json!(ours));
    assert_eq!(fake.posts().await, 0);
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_posted_after_a_while() {
    let fake = Fake::new().await;
    fake.answers("GET", MESSAGES, 200, json!([])).await;
    fake.answers("POST", WEBHOOK, 200, json!({"id": "1"})).await;
    let looked_from = fake.clock.now();
    let sent = fake.run(post(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Created);
    assert_eq!(fake.posts().await, 1);
    let looked_for = (fake.clock.now() - looked_from).to_std().unwrap();
    assert!(looked_for >= AUDIT_LAG, "{looked_for:?}");
}

/// By the sender's clock, which was turned on meanwhile, it was posted hours before its intent.
#[tokio::test]
async fn a_clock_that_was_turned_on_hides_no_message() {
    let fake = Fake::new().await;
    let ours = made(-4 * 3600, 2);
    let number: u64 = ours.parse().unwrap();
    let is_shown = move |request: &Request| {
        let mut query = request.url.query_pairs();
        let after = query.find(|(name, _)| name == "after");
        after.is_some_and(|(_, after)| after.parse::<u64>().unwrap() < number)
    };
    let list = json!([message(&ours, "8")]);
    Mock::given(method("GET"))
        .and(path(MESSAGES))
        .and(is_shown)
        .respond_with(fake.template(200, list))
        .mount(&fake.server)
        .await;
    fake.answers("GET", MESSAGES, 200, json!([])).await;
    fake.answers("POST", WEBHOOK, 200, json!({"id": "1"})).await;
    let found = fake.run(post(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.object["id"], json!(ours));
    assert_eq!(fake.posts().await, 0);
}
