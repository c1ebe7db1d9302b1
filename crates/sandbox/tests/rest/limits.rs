//! Rate limits as clients see them.

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox::rest::Response;
use splashtail_sandbox::rest::limits::{Rate, Rules};
use splashtail_sandbox::seed::small;

use crate::harness::{Case, GUILD};

fn headers(answer: &Response) -> HashMap<&'static str, String> {
    answer.headers.iter().cloned().collect()
}

#[tokio::test]
async fn every_bucketed_answer_carries_its_bucket() {
    let case = Case::new();
    let say = |name: &str| {
        case.bot(
            Method::POST,
            &format!("/channels/{}/messages", case.channel(name)),
            json!({"content": "x"}),
        )
    };
    let first = headers(&say("general"));
    assert_eq!(
        (
            first["X-RateLimit-Limit"].as_str(),
            first["X-RateLimit-Remaining"].as_str()
        ),
        ("5", "4")
    );
    assert_eq!(first["X-RateLimit-Reset-After"], "5.000");
    assert_eq!(first["X-RateLimit-Reset"], "1772366405.000");
    for _ in 0..4 {
        assert_eq!(say("general").status, 200);
    }
    case.advance_ms(1500);
    let over = say("general");
    assert_eq!(over.status, 429);
    assert_eq!(
        over.json(),
        json!({"message": "You are being rate limited.", "retry_after": 3.5, "global": false})
    );
    let over = headers(&over);
    assert_eq!(
        (
            over["Retry-After"].as_str(),
            over["X-RateLimit-Scope"].as_str()
        ),
        ("4", "user"),
        "whole seconds, rounded up"
    );
    assert_eq!(
        (
            over["X-RateLimit-Remaining"].as_str(),
            &over["X-RateLimit-Bucket"]
        ),
        ("0", &first["X-RateLimit-Bucket"])
    );
    // Another channel has a bucket of its own under the same hash.
    let other = say("media");
    assert_eq!(other.status, 200);
    assert_eq!(
        headers(&other)["X-RateLimit-Bucket"],
        first["X-RateLimit-Bucket"]
    );
    case.advance_ms(3500);
    assert_eq!(say("general").status, 200);
    // Errors carry the headers as well.
    assert!(
        headers(&case.get(&format!("/guilds/{GUILD}/roles/1"))).contains_key("X-RateLimit-Limit")
    );
    case.finish().await;
}

#[tokio::test]
async fn deletion_depends_on_the_age_of_the_message() {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let old = case.get(&format!("{path}?limit=1")).json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let fresh = case
        .bot(Method::POST, &path, json!({"content": "x"}))
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let limit = |id: &str| {
        let answer = headers(&case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null));
        (
            answer["X-RateLimit-Limit"].clone(),
            answer["X-RateLimit-Bucket"].clone(),
        )
    };
    let (new_limit, new_bucket) = limit(&fresh);
    let (old_limit, old_bucket) = limit(&old);
    assert_eq!((new_limit.as_str(), old_limit.as_str()), ("5", "30"));
    assert_ne!(new_bucket, old_bucket);
}

#[tokio::test]
async fn names_and_topics_have_a_hidden_limit() {
    let case = Case::new();
    let path = format!("/channels/{}", case.channel("media"));
    let rename = |name: &str| case.bot(Method::PATCH, &path, json!({"name": name}));
    assert_eq!((rename("one").status, rename("two").status), (200, 200));
    let third = rename("three");
    assert_eq!(third.status, 429);
    assert_ne!(
        headers(&third)["X-RateLimit-Remaining"],
        "0",
        "the headers do not tell"
    );
    assert!(third.json()["retry_after"].as_f64().unwrap() > 500.0);
    assert_eq!(
        case.bot(Method::PATCH, &path, json!({"topic": "other"}))
            .status,
        200
    );
}

#[tokio::test]
async fn fifty_requests_a_second_in_all() {
    let case = Case::new();
    for n in 0..50 {
        assert_eq!(
            case.get(&format!("/guilds/{GUILD}/roles")).status,
            200,
            "{n}"
        );
    }
    let over = case.get("/users/@me");
    assert_eq!((over.status, &over.json()["global"]), (429, &json!(true)));
    let over = headers(&over);
    assert_eq!(
        (
            over["X-RateLimit-Global"].as_str(),
            over["X-RateLimit-Scope"].as_str()
        ),
        ("true", "global")
    );
    assert!(!over.contains_key("X-RateLimit-Bucket"));
    case.advance_ms(1000);
    assert_eq!(case.get("/users/@me").status, 200);
}

#[tokio::test]
async fn emojis_have_a_limit_that_all_share() {
    let case = Case::new();
    let emoji = case
        .sandbox
        .with_world(|w| *w.guilds[&GUILD].emojis.keys().next().unwrap());
    let path = format!("/guilds/{GUILD}/emojis/{emoji}");
    for n in 0..50 {
        case.advance_ms(100);
        assert_eq!(
            case.bot(Method::PATCH, &path, json!({"name": format!("e{n}")}))
                .status,
            200
        );
    }
    case.advance_ms(1000);
    let over = case.bot(Method::PATCH, &path, json!({"name": "over"}));
    assert_eq!(over.status, 429);
    assert_eq!(
        over.json()["message"],
        "The resource is being rate limited."
    );
    let over = headers(&over);
    assert_eq!(over["X-RateLimit-Scope"], "shared");
    assert_ne!(over["X-RateLimit-Remaining"], "0");
}

#[tokio::test]
async fn interaction_callbacks_are_exempt() {
    let case = Case::new();
    for _ in 0..60 {
        let answer = case.http(
            &[],
            Method::POST,
            "/interactions/1/x/callback",
            &json!({"type": 5}),
        );
        assert_eq!(answer.status, 404);
        assert!(!headers(&answer).contains_key("X-RateLimit-Limit"));
    }
}

#[tokio::test]
async fn too_many_invalid_requests_block_the_address() {
    let case = Case::new();
    case.sandbox.limits.set_rules(Rules {
        invalid: Rate {
            limit: 3,
            per_ms: 600_000,
        },
        ..Rules::default()
    });
    for _ in 0..3 {
        assert_eq!(
            case.http(&[], Method::GET, "/users/@me", &Value::Null)
                .status,
            401
        );
    }
    let blocked = case.get("/users/@me");
    assert_eq!(
        (blocked.status, blocked.content_type),
        (403, Some("text/html; charset=UTF-8"))
    );
    case.advance_ms(600_000);
    assert_eq!(case.get("/users/@me").status, 200);
}

#[tokio::test]
async fn slow_mode_binds_members_only() {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("media"));
    let say = |user| case.user(user, Method::POST, &path, json!({"content": "x"}));
    assert_eq!(say(small::MEMBER).status, 200);
    let over = say(small::MEMBER);
    assert_eq!((over.status, over.code), (429, Some(20016)));
    assert_eq!(
        (say(small::ADMIN).status, say(small::ADMIN).status),
        (200, 200)
    );
    case.advance_ms(5000);
    assert_eq!(say(small::MEMBER).status, 200);
}
