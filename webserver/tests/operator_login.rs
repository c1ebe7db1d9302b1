//! Operators who sign in with Discord, where no proxy stands in front.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::time::Duration;

use reqwest::Response;
use serde_json::json;
use splashtail_core::ids::UserId;
use support::{TestServer, USER, error, header};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

const PING: &str = "/mewld/api/ping";

async fn start(root: &[u64], named: &str) -> TestServer {
    let test = TestServer::start_with(|config, dir| {
        config.discord_auth.root_users = root.iter().filter_map(|id| UserId::new(*id)).collect();
        std::fs::write(dir.join("mewld-staging.yaml"), named).unwrap();
    })
    .await;
    Mock::given(method("POST"))
        .and(path("/api/v10/oauth2/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "access_token": "discord-token", "token_type": "Bearer", "expires_in": 604_800,
            "refresh_token": "discord-refresh", "scope": "identify"
        })))
        .mount(&test.discord)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/v10/users/@me"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"id": USER.to_string(), "username": "u"})),
        )
        .mount(&test.discord)
        .await;
    test
}

/// To Discord and back with its answer; the last answer, with or without the cookie.
async fn sign_in(test: &TestServer, issuer: &str) -> Response {
    let login = header(&test.get("/mewld/login").await, "location");
    let consent = test.get(&login).await;
    let cookies = consent.headers().get_all("set-cookie").iter();
    let cookies: Vec<_> = cookies
        .map(|set| set.to_str().unwrap().split(';').next().unwrap())
        .collect();
    let consent_page = reqwest::Url::parse(&header(&consent, "location")).unwrap();
    let mut pairs = consent_page.query_pairs();
    let scope = pairs.find(|(name, _)| name == "scope").unwrap().1;
    assert_eq!(scope, "identify", "no more than needed");
    let mut pairs = consent_page.query_pairs();
    let state = pairs.find(|(name, _)| name == "state").unwrap().1;
    let back = format!("/ioauth/login?code=good&state={state}&iss={issuer}");
    let back = test.request(&back).header("cookie", cookies.join("; "));
    let back = back.send().await.unwrap();
    if back.status() != 302 {
        return back;
    }
    test.get(&header(&back, "location")).await
}

async fn ping(test: &TestServer, cookie: &str) -> u16 {
    let request = test.request(PING).header("cookie", cookie);
    request.send().await.unwrap().status().as_u16()
}

fn cookie(answer: &Response) -> String {
    let set = header(answer, "set-cookie");
    for attribute in [
        "Path=/mewld;",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=1800",
    ] {
        assert!(set.contains(attribute), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_operator_signs_in_for_half_an_hour() {
    for (root, named) in [
        (&[USER][..], "allowed_ids: []\n".to_owned()),
        (&[], format!("allowed_ids: [\"{USER}\"]\n")),
    ] {
        let test = start(root, &named).await;
        let answer = sign_in(&test, "https://discord.test").await;
        assert_eq!(answer.status(), 302);
        assert_eq!(header(&answer, "location"), "/mewld/");
        let cookie = cookie(&answer);
        assert_eq!(ping(&test, &cookie).await, 200);
        assert_eq!(ping(&test, "").await, 401);
        assert_eq!(ping(&test, &cookie[..cookie.len() - 1]).await, 401);
        // It is no token of the API, and headers of a proxy are judged as such.
        let me = test.request("/users/@me").header("cookie", &cookie);
        assert_eq!(me.send().await.unwrap().status(), 401);
        let mixed = test.request(PING).header("cookie", &cookie);
        let mixed = mixed.header("x-dp-userid", USER.to_string());
        assert_eq!(mixed.send().await.unwrap().status(), 401);
        test.clock.advance(Duration::from_secs(1800));
        assert_eq!(ping(&test, &cookie).await, 401);
        test.stop().await;
    }
}

#[tokio::test]
async fn nobody_else_signs_in() {
    let test = start(&[USER + 1], "allowed_ids: []\n").await;
    let refused = sign_in(&test, "https://discord.test").await;
    assert!(!refused.headers().contains_key("set-cookie"));
    assert_eq!(error(refused).await, (401, "unauthorized".to_owned()));
    let elsewhere = error(sign_in(&test, "https://evil.test").await).await;
    assert_eq!(elsewhere, (403, "login_refused".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn no_other_site_commands_with_an_operators_cookie() {
    let test = start(&[USER], "allowed_ids: []\n").await;
    let cookie = cookie(&sign_in(&test, "https://discord.test").await);
    let command = json!({"scope": "launcher", "action": "shutdown"});
    let own = test.url("");
    for (at, origin, status) in [
        ("/mewld/api/redis/pub", "https://evil.test", 403),
        ("/mewld/api/redis/pub", "", 403),
        ("/mewld/logout", "https://evil.test", 403),
        ("/mewld/logout", own.as_str(), 204),
    ] {
        let request = test.client.post(test.url(at)).json(&command);
        let request = request.header("cookie", &cookie);
        let request = match origin {
            "" => request,
            origin => request.header("origin", origin),
        };
        assert_eq!(
            request.send().await.unwrap().status(),
            status,
            "{at} {origin}"
        );
    }
    test.stop().await;
}
