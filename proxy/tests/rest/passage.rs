//! What goes through comes out as it was.

use axum::response::IntoResponse;
use http::Method;
use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_discord::{Discord, Lane, proxied};

use crate::fake::{TOKEN, bench, bench_with, ok, status};

#[tokio::test]
async fn calls_and_answers_are_passed_on_byte_by_byte() {
    let answer = b"{\"a\" : 1.0,\n \"b\":\"\xc3\xbc\"}";
    let b = bench(SystemClock::shared(), move |_, _| {
        let headers = [("x-odd", "answer"), ("content-type", "application/json")];
        (headers, &answer[..]).into_response()
    })
    .await;
    let sent = b"{\"content\" :  \"hi\"}";
    let call = b.call(
        Method::POST,
        "/channels/1/messages?wait=true&x=%F0%9F%91%8D",
    );
    let call = call
        .header("content-type", "application/json")
        .header("x-audit-log-reason", "why%20not")
        .header(proxied::PRIORITY, "bulk")
        .body(&sent[..]);
    let got = call.send().await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["x-odd"], "answer");
    assert!(!got.headers().contains_key(proxied::GENERATED));
    assert_eq!(got.bytes().await.unwrap(), &answer[..]);
    let seen = &b.seen()[0];
    assert_eq!(
        seen.path,
        "/api/v10/channels/1/messages?wait=true&x=%F0%9F%91%8D"
    );
    assert_eq!(seen.body, &sent[..]);
    assert_eq!(seen.headers["authorization"], format!("Bot {TOKEN}"));
    assert_eq!(seen.headers["x-audit-log-reason"], "why%20not");
    assert_eq!(seen.headers["host"], b.origin.to_string());
    assert!(
        seen.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("DiscordBot (")
    );
    let ours = |name: &&http::HeaderName| name.as_str().starts_with("x-proxy-");
    assert_eq!(seen.headers.keys().find(ours), None);
}

#[tokio::test]
async fn bodies_of_any_length_go_through() {
    let b = bench(SystemClock::shared(), |seen, _| {
        seen.body.clone().into_response()
    })
    .await;
    for length in [0, 1, 100 << 10, 9 << 20] {
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let call = b
            .call(Method::POST, "/channels/1/messages")
            .body(body.clone());
        let got = call.send().await.unwrap().bytes().await.unwrap();
        assert!(got == body, "{length}");
    }
}

#[tokio::test]
async fn what_is_no_call_to_discord_is_answered_here() {
    let b = bench(SystemClock::shared(), |_, _| ok()).await;
    for (path, expected) in [
        ("/users/@me", 404),
        ("/apiary/x", 404),
        ("/api/v10", 404),
        ("/api/v10/guilds%2f1", 400),
    ] {
        let url = format!("http://{}{path}", b.address);
        let got = b.http.get(url).send().await.unwrap();
        assert_eq!(got.status(), expected, "{path}");
        assert_eq!(got.headers()[proxied::GENERATED], "path");
        let body: Value = got.json().await.unwrap();
        assert!(body["message"].is_string());
    }
    // A page in a browser is no program.
    let page = b
        .call(Method::GET, "/users/@me")
        .header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403);
    assert_eq!(b.count(), 0);
}

#[tokio::test]
async fn the_gateway_is_ours_unless_discords_is_asked_for() {
    let b = bench(SystemClock::shared(), |_, _| {
        status(200, json!({"url": "wss://real"}))
    })
    .await;
    for path in ["/gateway", "/gateway/bot"] {
        // It is not known yet.
        assert_eq!(b.get(path).await.status(), 503, "{path}");
        let real = b.call(Method::GET, path).header("x-proxy-real", "1");
        let real: Value = real.send().await.unwrap().json().await.unwrap();
        assert_eq!(real["url"], "wss://real");
    }
    assert_eq!(b.count(), 2);
}

#[tokio::test]
async fn who_knows_the_secret_needs_no_token() {
    let change = |settings: &mut splashtail_proxy::rest::Settings| {
        settings.secret = Some("open".into());
    };
    let b = bench_with(SystemClock::shared(), change, |_, _| ok()).await;
    let call = |secret: Option<&'static str>, token: Option<&'static str>| {
        let mut call = b.http.get(b.url("/users/@me"));
        if let Some(secret) = secret {
            call = call.header("x-proxy-secret", secret);
        }
        if let Some(token) = token {
            call = call.header("authorization", token);
        }
        call.send()
    };
    call(Some("open"), None).await.unwrap();
    call(Some("shut"), None).await.unwrap();
    call(None, None).await.unwrap();
    call(Some("open"), Some("Bearer own")).await.unwrap();
    let seen = b.seen();
    let token = |at: usize| {
        seen[at]
            .headers
            .get("authorization")
            .map(|value| value.to_str().unwrap())
    };
    let lent = format!("Bot {TOKEN}");
    let tokens: Vec<_> = (0..4).map(token).collect();
    assert_eq!(
        tokens,
        [Some(lent.as_str()), None, None, Some("Bearer own")]
    );
}

/// The client of the platform leaves its own lines out, and says what it is about.
#[tokio::test]
async fn the_platforms_own_client_stands_in_line_here() {
    let b = bench(SystemClock::shared(), |_, _| ok()).await;
    let proxy = format!("http://{}", b.address).parse().unwrap();
    let discord = Discord::new(
        &proxy,
        &proxy,
        &TOKEN.to_owned().into(),
        SystemClock::shared(),
    );
    let discord = discord
        .unwrap()
        .behind(Some(&proxy), "test")
        .in_lane(Lane::Bulk);
    let calls = (0..20).map(|guild| discord.get(format!("/guilds/{guild}/roles")).send());
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(b.count(), 20);
    assert_eq!(discord.load(), splashtail_discord::Load::default());
}
