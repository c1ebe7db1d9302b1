//! Discord fails, refuses or is not there.

use std::net::Ipv4Addr;
use std::time::Duration;

use chrono::DateTime;
use http::Method;
use serde_json::json;
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_discord::proxied;
use splashtail_proxy::rest::{Rest, Settings};
use tokio_util::task::TaskTracker;

use crate::fake::{PATIENCE, TOKEN, bench, bench_with, html, of_bucket, ok, status};

fn forbidden() -> axum::response::Response {
    status(
        403,
        json!({"message": "Missing Permissions", "code": 50_013}),
    )
}

#[tokio::test]
async fn what_is_refused_again_and_again_stays_here() {
    let b = bench(SystemClock::shared(), |_, _| forbidden()).await;
    for _ in 0..5 {
        assert_eq!(b.get("/guilds/1/bans").await.status(), 403);
    }
    let known = b.get("/guilds/1/bans").await;
    assert_eq!(known.headers()[proxied::GENERATED], "forbidden");
    let body: serde_json::Value = known.json().await.unwrap();
    assert_eq!(body["code"], 50_013);
    assert_eq!(b.count(), 5);
    // Another server, and whoever stops an attack, may ask.
    assert_eq!(b.get("/guilds/2/bans").await.status(), 403);
    let urgent = b.call(Method::GET, "/guilds/1/bans");
    urgent
        .header(proxied::PRIORITY, "containment")
        .send()
        .await
        .unwrap();
    assert_eq!(b.count(), 7);
    assert_eq!(b.rest.report().refused_in_ten_minutes, 7);
}

/// Another role, reason or member in the body can make all the difference.
#[tokio::test]
async fn a_refusal_is_repeated_to_the_very_same_call_only() {
    let b = bench(SystemClock::shared(), |_, _| forbidden()).await;
    let patch = |path: &'static str, body: &'static str| b.call(Method::PATCH, path).body(body);
    let member = "/guilds/1/members/2";
    for _ in 0..5 {
        patch(member, "{\"roles\":[\"9\"]}").send().await.unwrap();
    }
    let known = patch(member, "{\"roles\":[\"9\"]}").send().await.unwrap();
    assert_eq!(known.headers()[proxied::GENERATED], "forbidden");
    assert_eq!(b.count(), 5);
    let others = [
        patch(member, "{\"nick\":\"x\"}"),
        patch("/guilds/1/members/2?x=1", "{\"roles\":[\"9\"]}"),
        patch(member, "{\"roles\":[\"9\"]}").header("content-type", "text/plain"),
    ];
    for other in others {
        let got = other.send().await.unwrap();
        assert!(!got.headers().contains_key(proxied::GENERATED));
    }
    assert_eq!(b.count(), 8);
}

/// Callers that sign in by themselves share their limits, and nothing else.
#[tokio::test]
async fn a_refusal_of_one_who_signs_in_by_itself_is_nobody_elses() {
    let b = bench(SystemClock::shared(), |_, _| forbidden()).await;
    let ask = |name: &'static str| {
        let call = b.http.get(b.url("/oauth2/applications/@me"));
        call.header("authorization", name).send()
    };
    for _ in 0..5 {
        ask("Basic YQ==").await.unwrap();
    }
    let known = ask("Basic YQ==").await.unwrap();
    assert_eq!(known.headers()[proxied::GENERATED], "forbidden");
    let other = ask("Basic Yg==").await.unwrap();
    assert!(!other.headers().contains_key(proxied::GENERATED));
    assert_eq!(b.count(), 6);
}

/// It used to be asked before a call stood in line alone.
#[tokio::test]
async fn a_call_that_waited_is_not_sent_to_a_discord_that_blocks_us() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let b = bench_with(
        clock.shared(),
        |_| {},
        |_, before| match before {
            0 => of_bucket(1, 0, 30.0),
            1 => html(429),
            _ => ok(),
        },
    )
    .await;
    assert_eq!(b.get("/guilds/1").await.status(), 200);
    let waiting = tokio::spawn(b.call(Method::GET, "/guilds/1").send());
    clock.wait_for_sleepers(1).await;
    let other = b.http.get(b.url("/users/1"));
    let other = other.header("authorization", "Bot other");
    let other = other.header(proxied::PATIENCE, "1000").send();
    assert_eq!(other.await.unwrap().status(), 429);
    clock.advance(Duration::from_secs(31));
    let told = waiting.await.unwrap().unwrap();
    assert_eq!(told.headers()[proxied::GENERATED], "guard");
    assert_eq!(b.count(), 2);
}

#[tokio::test]
async fn a_call_that_waited_is_not_sent_with_a_token_that_is_not_known_any_more() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let b = bench_with(
        clock.shared(),
        |_| {},
        |_, before| match before {
            0 => of_bucket(1, 0, 20.0),
            _ => status(401, json!({"message": "401: Unauthorized", "code": 0})),
        },
    )
    .await;
    assert_eq!(b.get("/guilds/1").await.status(), 200);
    let waiting = tokio::spawn(b.call(Method::GET, "/guilds/1").send());
    clock.wait_for_sleepers(1).await;
    let refused = async {
        while !b
            .get("/users/1")
            .await
            .headers()
            .contains_key(proxied::GENERATED)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    let asked = b.count();
    clock.advance(Duration::from_secs(21));
    let told = waiting.await.unwrap().unwrap();
    assert_eq!(told.headers()[proxied::GENERATED], "token");
    assert_eq!(b.count(), asked);
}

/// What libraries and programs get from this port and not from Discord says so, whatever part of the
/// proxy made it.
#[tokio::test]
async fn every_answer_of_our_own_is_known_as_such() {
    let b = bench(SystemClock::shared(), |_, _| ok()).await;
    let get = |path| b.call(Method::GET, path);
    let own = [
        (get("/users/@me").header("origin", "http://x"), 403),
        (get("/users/@me").header("upgrade", "websocket"), 400),
        (get("/gateway/bot"), 503),
        (b.call(Method::POST, "/gateway/bot"), 405),
        (b.http.get(format!("http://{}/nowhere", b.address)), 404),
    ];
    for (call, status) in own {
        let got = call.send().await.unwrap();
        assert_eq!(got.status(), status);
        assert!(got.headers().contains_key(proxied::GENERATED), "{status}");
    }
    assert_eq!(b.count(), 0);
    let real = get("/gateway/bot").header("x-proxy-real", "1");
    let real = real.send().await.unwrap();
    assert!(!real.headers().contains_key(proxied::GENERATED));
    assert_eq!(b.count(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_known_is_not_sent_again() {
    let b = bench(SystemClock::shared(), |_, _| {
        status(401, json!({"message": "401: Unauthorized", "code": 0}))
    })
    .await;
    assert_eq!(b.get("/guilds/1").await.status(), 401);
    b.until_seen(2).await;
    assert_eq!(b.seen()[1].path, "/api/v10/users/@me");
    let waiting = async {
        while !b
            .get("/guilds/1")
            .await
            .headers()
            .contains_key(proxied::GENERATED)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    let asked = b.count();
    assert_eq!(b.get("/guilds/1").await.status(), 401);
    assert_eq!(b.count(), asked);
    // What carries its own token does not need it.
    assert_eq!(b.get("/webhooks/1/t").await.status(), 401);
    assert_eq!(b.count(), asked + 1);
}

#[tokio::test]
async fn a_call_that_a_bot_may_not_make_says_nothing_of_its_token() {
    let b = bench(SystemClock::shared(), |seen, _| match seen.path.as_str() {
        "/api/v10/users/@me" => ok(),
        _ => status(401, json!({"message": "401: Unauthorized", "code": 0})),
    })
    .await;
    assert_eq!(b.get("/oauth2/@me").await.status(), 401);
    b.until_seen(2).await;
    assert_eq!(b.get("/users/@me").await.status(), 200);
}

#[tokio::test]
async fn webhooks_that_are_gone_are_not_asked_for() {
    let gone = || status(404, json!({"message": "Unknown Webhook", "code": 10_015}));
    let b = bench(SystemClock::shared(), move |_, _| gone()).await;
    let post = |path: &'static str| b.http.post(b.url(path)).body("{}").send();
    assert_eq!(post("/webhooks/1/t").await.unwrap().status(), 404);
    let again = post("/webhooks/1/t").await.unwrap();
    assert_eq!(again.headers()[proxied::GENERATED], "webhook");
    assert_eq!(b.count(), 1);
    // An interaction has none until it is answered.
    for _ in 0..2 {
        post("/webhooks/1/aW50ZXJhY3Rpb246MQ").await.unwrap();
    }
    assert_eq!(b.count(), 3);
}

#[tokio::test]
async fn a_block_of_the_address_stops_everybody() {
    let b = bench(SystemClock::shared(), |_, _| html(429)).await;
    let impatient = |token: &'static str| {
        let call = b
            .http
            .get(b.url("/guilds/1"))
            .header("authorization", token);
        call.header(proxied::PATIENCE, "1000").send()
    };
    let first = impatient("Bot a").await.unwrap();
    assert_eq!(first.status(), 429);
    assert_eq!(first.text().await.unwrap(), "<html>", "as it came");
    let other = impatient("Bot b").await.unwrap();
    assert_eq!(other.headers()[proxied::GENERATED], "guard");
    assert_eq!(b.count(), 1);
}

#[tokio::test]
async fn silence_is_told_so_that_nothing_is_done_twice() {
    // A Discord that takes connections and never answers.
    let silent = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let api = format!("http://{}", silent.local_addr().unwrap());
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let change = move |settings: &mut Settings| settings.api = api.parse().unwrap();
    let b = bench_with(clock.shared(), change, |_, _| ok()).await;
    for (method, expected) in [(Method::GET, 504), (Method::POST, 408)] {
        let call = tokio::spawn(b.call(method, "/guilds/1/roles").send());
        let (_held, _) = silent.accept().await.unwrap();
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(16));
        let got = call.await.unwrap().unwrap();
        assert_eq!(got.status(), expected);
        assert_eq!(got.headers()[proxied::GENERATED], "silent");
        // One that hangs holds the others back for a moment only.
        clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let change = |settings: &mut Settings| settings.api = "http://127.0.0.1:1".parse().unwrap();
    let b = bench_with(SystemClock::shared(), change, |_, _| ok()).await;
    let got = b
        .call(Method::POST, "/channels/1/messages")
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 503);
    assert_eq!(got.headers()[proxied::GENERATED], "unsent");
}

#[tokio::test]
async fn whoever_waits_when_it_stops_is_told_to_come_again() {
    let b = bench(SystemClock::shared(), |_, _| of_bucket(1, 0, 30.0)).await;
    assert_eq!(b.get("/guilds/1").await.status(), 200);
    let waiting = tokio::spawn(b.call(Method::GET, "/guilds/1").send());
    let until = async {
        while b.rest.report().waiting == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.unwrap();
    b.rest.stopping.cancel();
    let told = waiting.await.unwrap().unwrap();
    assert_eq!(told.status(), 503);
    assert_eq!(told.headers()[proxied::GENERATED], "stopping");
    assert_eq!(told.headers()["retry-after"], "1");
    assert_eq!(b.count(), 1);
}

#[tokio::test]
async fn interactions_that_are_over_are_not_answered() {
    let b = bench(SystemClock::shared(), |_, _| ok()).await;
    // From this it is known what time Discord has.
    b.get("/users/@me").await;
    // Of the year 2015.
    let late = b
        .call(Method::POST, "/interactions/4194304/t/callback")
        .body("{}");
    let late = late.send().await.unwrap();
    assert_eq!(late.status(), 404);
    let body: serde_json::Value = late.json().await.unwrap();
    assert_eq!(body["code"], 10_062);
    assert_eq!(b.count(), 1);
}

#[tokio::test]
async fn what_was_learned_outlives_the_process() {
    let b = bench(SystemClock::shared(), |_, before| match before {
        0 => of_bucket(5, 4, 1.0),
        _ => forbidden(),
    })
    .await;
    b.get("/guilds/1/roles").await;
    b.get("/guilds/1/bans").await;
    b.rest.save();
    let path = b.state_dir().join("rest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("GET /guilds/{id}/roles") && !text.contains(TOKEN));
    let settings = || Settings {
        api: format!("http://{}", b.origin).parse().unwrap(),
        token: TOKEN.into(),
        per_second: 50,
        secret: None,
        state_dir: Some(b.state_dir().to_owned()),
    };
    let later = Rest::new(settings(), SystemClock::shared(), TaskTracker::new()).unwrap();
    assert_eq!(later.report().refused_in_ten_minutes, 1);
    std::fs::write(&path, "{").unwrap();
    let fresh = Rest::new(settings(), SystemClock::shared(), TaskTracker::new()).unwrap();
    assert_eq!(
        fresh.report().refused_in_ten_minutes,
        0,
        "damage costs what was known"
    );
}
