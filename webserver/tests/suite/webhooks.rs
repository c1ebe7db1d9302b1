//! Webhooks of a server, for its administrators.

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, TestServer, USER, error, user};
use http::Method;
use reqwest::Response;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_storage::{Busy, Tried, TriedEnd, Webhook};
use std::time::Duration;
use uuid::Uuid;

struct Client<'a> {
    test: &'a TestServer,
    token: String,
}

impl Client<'_> {
    async fn ask(&self, method: Method, below: &str, body: Value) -> Response {
        let at = self.test.url(&format!("/guilds/{GUILD}/webhooks{below}"));
        let request = self.test.client.request(method, at);
        let request = request.header("user-auth", &self.token);
        let request = match body {
            Value::Null => request,
            body => request.json(&body),
        };
        request.send().await.unwrap()
    }

    async fn ok(&self, method: Method, below: &str, body: Value) -> Value {
        let answer = self.ask(method, below, body).await;
        assert!(answer.status().is_success(), "{below}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }
}

fn new(url: &str) -> Value {
    json!({"name": " chat ", "url": url, "types": ["job.finished", "incident.opened"]})
}

#[tokio::test]
async fn a_webhook_is_made_changed_and_removed() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let client = Client { test: &test, token };
    let made = client
        .ok(Method::POST, "", new("https://example.com/a"))
        .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 50,
        "{secret}"
    );
    let list = client.ok(Method::GET, "", Value::Null).await;
    let listed = &list["webhooks"][0];
    assert_eq!(
        (&listed["name"], &listed["enabled"], &listed["created_by"]),
        (&json!("chat"), &json!(true), &json!(USER.to_string()))
    );
    assert_eq!(listed["types"], json!(["incident.opened", "job.finished"]));
    assert!(!list.to_string().contains("secret"), "{list}");
    let id: Uuid = made["id"].as_str().unwrap().parse().unwrap();
    let stored = test.storage.webhooks().webhook(id).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&stored.secret).contains(&secret[6..]));
    assert_eq!(stored.guild, GuildId::new(GUILD).unwrap());
    assert_ne!(Webhook::secret_name(id), Webhook::secret_name(Uuid::nil()));

    let one = format!("/{id}");
    let off = client
        .ok(Method::PATCH, &one, json!({"enabled": false, "name": "x"}))
        .await;
    assert_eq!(
        (&off["enabled"], &off["name"]),
        (&json!(false), &json!("x"))
    );
    let on = client
        .ok(Method::PATCH, &one, json!({"enabled": true}))
        .await;
    assert_eq!(on["off"], Value::Null);
    for (field, wrong) in [
        ("url", json!({"url": "http://example.com"})),
        ("name", json!({"name": "  "})),
        ("types", json!({"types": []})),
    ] {
        let refused = client.ask(Method::PATCH, &one, wrong).await;
        assert_eq!(refused.status(), 400);
        let body: Value = refused.json().await.unwrap();
        assert!(body["context"][field].is_string(), "{body}");
    }
    let unknown = json!({"types": ["nothing"]});
    let refused = client.ask(Method::PATCH, &one, unknown).await;
    assert_eq!(error(refused).await, (400, "invalid_body".to_owned()));

    for _ in 0..4 {
        client
            .ok(Method::POST, "", new("https://example.com"))
            .await;
    }
    let sixth = client
        .ask(Method::POST, "", new("https://example.com"))
        .await;
    assert_eq!(sixth.status(), 400);
    let gone = client.ask(Method::DELETE, &one, Value::Null).await;
    assert_eq!(gone.status(), 204);
    let again = client.ask(Method::DELETE, &one, Value::Null).await;
    assert_eq!(again.status(), 404);
    test.stop().await;
}

#[tokio::test]
async fn messages_are_shown_tested_and_sent_again() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let client = Client { test: &test, token };
    let made = client
        .ok(Method::POST, "", new("https://example.com"))
        .await;
    let one = format!("/{}", made["id"].as_str().unwrap());
    let sent = client
        .ok(Method::POST, &format!("{one}/test"), Value::Null)
        .await;
    let second = format!("{one}/test");
    let second = client.ask(Method::POST, &second, Value::Null).await;
    assert_eq!(error(second).await, (409, "test_waits".to_owned()));
    let message: Uuid = sent["message"].as_str().unwrap().parse().unwrap();
    let messages = format!("{one}/messages");
    let replay = format!("{messages}/{message}/replay");
    let early = client.ask(Method::POST, &replay, Value::Null).await;
    assert_eq!(early.status(), 404, "it is under way");
    let webhooks = test.storage.webhooks();
    let due = webhooks
        .take_due(Duration::from_secs(60), &Busy::default())
        .await
        .unwrap();
    assert_eq!(due.unwrap().id, message);
    let tried = Tried {
        end: TriedEnd::Failed,
        outcome: "it answered 500".to_owned(),
        status: Some(500),
        at: test.now(),
    };
    webhooks.tried(message, &tried).await.unwrap();
    let list = client.ok(Method::GET, &messages, Value::Null).await;
    let shown = &list["messages"][0];
    assert_eq!(
        (&shown["type"], &shown["state"], &shown["status"]),
        (&json!("test"), &json!("failed"), &json!(500))
    );
    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["data"]["guild_id"], GUILD.to_string());
    client.ok(Method::POST, &replay, Value::Null).await;
    let list = client.ok(Method::GET, &messages, Value::Null).await;
    assert_eq!(list["messages"][0]["state"], "waiting");
    let older = format!("{messages}?before={message}");
    let older = client.ok(Method::GET, &older, Value::Null).await;
    assert_eq!(older["messages"], json!([]));
    let nowhere = format!("/{}/test", Uuid::nil());
    let nowhere = client.ask(Method::POST, &nowhere, Value::Null).await;
    assert_eq!(nowhere.status(), 404);
    // Of another server there is none.
    let other = format!("/{}/messages", Uuid::nil());
    assert_eq!(
        client.ask(Method::GET, &other, Value::Null).await.status(),
        404
    );
    test.stop().await;
}
