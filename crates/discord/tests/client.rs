//! Against a fake Discord: pacing, retries, errors, downloads.

#![allow(clippy::unwrap_used)]

use std::sync::Once;
use std::time::Duration;

use chrono::DateTime;
use serde_json::{Value, json};
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_discord::{Discord, DiscordError, DownloadError, RateLimitScope};
use tokio_util::sync::CancellationToken;
use url::Url;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

async fn fake() -> (MockServer, Discord) {
    provider();
    let server = MockServer::start().await;
    let base = Url::parse(&server.uri()).unwrap();
    let discord = Discord::new(
        &base,
        &base,
        &"token".to_owned().into(),
        SystemClock::shared(),
    )
    .unwrap();
    (server, discord)
}

async fn on_manual_clock() -> (MockServer, Discord, ManualClock) {
    provider();
    let server = MockServer::start().await;
    let base = Url::parse(&server.uri()).unwrap();
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let discord = Discord::new(&base, &base, &"token".to_owned().into(), clock.shared()).unwrap();
    (server, discord, clock)
}

fn status(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
}

#[tokio::test]
async fn requests_carry_what_discord_demands() {
    let (server, discord) = fake().await;
    Mock::given(method("PATCH"))
        .and(path("/api/v10/channels/1"))
        .and(header("authorization", "Bot token"))
        .and(header("x-audit-log-reason", "100%25 %C3%BC"))
        .and(header("content-type", "application/json"))
        .and(query_param("a", "b c"))
        .respond_with(status(200).set_body_json(json!({"id": "1", "new_field": [1]})))
        .expect(1)
        .mount(&server)
        .await;
    let answer = discord
        .patch("/channels/1")
        .query("a", "b c")
        .reason(" 100% ü ")
        .json(&json!({"name": "x"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer["new_field"], json!([1]));
    let sent = &server.received_requests().await.unwrap()[0];
    assert!(
        sent.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("DiscordBot (https://")
    );
}

#[tokio::test]
async fn refusals_keep_code_and_message() {
    let (server, discord) = fake().await;
    Mock::given(method("GET"))
        .respond_with(
            status(403).set_body_json(json!({"message": "Missing Access", "code": 50001})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let error = discord.get("/channels/1").send().await.unwrap_err();
    assert!(error.is_forbidden() && !error.is_transient());
    assert_eq!(error.code(), Some(50001));
    assert_eq!(
        error.to_string(),
        "Discord refused GET /channels/{id}: 403 Forbidden, Missing Access (code 50001)"
    );
}

#[tokio::test]
async fn rate_limits_are_waited_for() {
    let (server, discord, clock) = on_manual_clock().await;
    let body =
        json!({"message": "You are being rate limited.", "retry_after": 3.5, "global": false});
    Mock::given(method("GET"))
        .respond_with(
            status(429)
                .set_body_json(&body)
                .insert_header("retry-after", "4"),
        )
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(status(200).set_body_json(json!([])))
        .mount(&server)
        .await;
    let call = tokio::spawn(discord.get("/channels/1/messages").send());
    clock.wait_for_sleepers(1).await;
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    clock.advance(Duration::from_millis(3499));
    clock.wait_for_sleepers(1).await;
    assert!(!call.is_finished(), "3.5 s are not over");
    clock.advance(Duration::from_millis(1));
    assert_eq!(call.await.unwrap().unwrap(), json!([]));
}

#[tokio::test]
async fn spent_buckets_are_not_asked() {
    let (server, discord, clock) = on_manual_clock().await;
    let limits = |remaining: &str| {
        status(200)
            .set_body_json(json!({}))
            .insert_header("x-ratelimit-bucket", "abc")
            .insert_header("x-ratelimit-limit", "1")
            .insert_header("x-ratelimit-remaining", remaining)
            .insert_header("x-ratelimit-reset-after", "2.0")
    };
    Mock::given(method("GET"))
        .respond_with(limits("0"))
        .mount(&server)
        .await;
    discord.get("/guilds/1").send().await.unwrap();
    let call = tokio::spawn(discord.get("/guilds/1").send());
    clock.wait_for_sleepers(1).await;
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        1,
        "no request was made"
    );
    clock.advance(Duration::from_secs(2));
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn long_limits_are_reported() {
    let (server, discord) = fake().await;
    let body = json!({"message": "…", "retry_after": 100_000.0, "global": false});
    let answer = status(429)
        .set_body_json(&body)
        .insert_header("x-ratelimit-scope", "shared");
    Mock::given(method("POST"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let error = discord
        .post("/guilds/1/roles")
        .json(&json!({}))
        .send()
        .await
        .unwrap_err();
    let DiscordError::RateLimited {
        retry_after, scope, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(retry_after, Duration::from_secs(100_000));
    assert_eq!(scope, RateLimitScope::Shared);
}

#[tokio::test]
async fn reads_survive_a_failing_server() {
    let (server, discord, clock) = on_manual_clock().await;
    Mock::given(method("GET"))
        .respond_with(status(502).set_body_string("<html>bad gateway</html>"))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .respond_with(status(200).set_body_json(json!({})))
        .mount(&server)
        .await;
    let call = tokio::spawn(discord.get("/guilds/1").send());
    for _ in 0..2 {
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(10));
    }
    call.await.unwrap().unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

/// A `POST` that failed may have taken effect: it is not repeated.
#[tokio::test]
async fn effects_are_not_repeated() {
    let (server, discord) = fake().await;
    Mock::given(method("POST"))
        .respond_with(status(500))
        .expect(1)
        .mount(&server)
        .await;
    let error = discord
        .post("/channels/1/messages")
        .json(&json!({}))
        .send()
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(matches!(
        error,
        DiscordError::Unavailable { attempts: 1, .. }
    ));
}

#[tokio::test]
async fn waits_end_when_cancelled() {
    let (server, discord, clock) = on_manual_clock().await;
    Mock::given(method("GET"))
        .respond_with(status(503))
        .mount(&server)
        .await;
    let token = CancellationToken::new();
    let call = tokio::spawn(discord.get("/guilds/1").cancelled_by(&token).send());
    clock.wait_for_sleepers(1).await;
    token.cancel();
    assert!(matches!(call.await.unwrap(), Err(DiscordError::Cancelled)));
}

#[tokio::test]
async fn downloads_are_capped_and_byte_exact() {
    let (server, discord) = fake().await;
    let token = CancellationToken::new();
    let data: Vec<u8> = (0..=255).collect();
    let answer = status(200).set_body_raw(data.clone(), "image/png");
    Mock::given(path("/attachments/1/2/a.png"))
        .respond_with(answer)
        .mount(&server)
        .await;
    Mock::given(path("/gone"))
        .respond_with(status(404))
        .mount(&server)
        .await;
    let url = format!("{}/attachments/1/2/a.png?ex=1", server.uri());
    let file = discord.download(&url, 256, &token).await.unwrap();
    assert_eq!(
        (&file.bytes[..], file.content_type.as_deref()),
        (&data[..], Some("image/png"))
    );
    let error = discord.download(&url, 255, &token).await.unwrap_err();
    assert!(
        matches!(error, DownloadError::TooLarge { limit: 255 }),
        "{error}"
    );
    let error = discord
        .download(&format!("{}/gone", server.uri()), 9, &token)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DownloadError::Status(status) if status == 404),
        "{error}"
    );
}

#[tokio::test]
async fn only_the_cdn_is_contacted() {
    let (server, discord) = fake().await;
    let token = CancellationToken::new();
    let other = MockServer::start().await;
    for url in [
        format!("{}/x", other.uri()),
        "http://cdn.discordapp.com/x".into(),
        "https://cdn.discordapp.com:8443/x".into(),
        "https://cdn.discordapp.com.example.org/x".into(),
        "file:///etc/passwd".into(),
        "nonsense".into(),
    ] {
        let error = discord.download(&url, 10, &token).await.unwrap_err();
        assert!(
            matches!(error, DownloadError::NotAllowed(_)),
            "{url}: {error}"
        );
    }
    // A redirect leads no further than a link does.
    let away = format!("{}/inside", other.uri());
    Mock::given(path("/redirect"))
        .respond_with(status(302).insert_header("location", away.as_str()))
        .mount(&server)
        .await;
    let url = format!("{}/redirect", server.uri());
    let error = discord.download(&url, 10, &token).await.unwrap_err();
    assert!(matches!(error, DownloadError::NotAllowed(_)), "{error}");
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn answers_that_are_not_json_are_malformed() {
    let (server, discord) = fake().await;
    Mock::given(method("GET"))
        .respond_with(status(200).set_body_string("<html>"))
        .mount(&server)
        .await;
    let error = discord
        .get("/gateway")
        .send_as::<Value>()
        .await
        .unwrap_err();
    assert!(matches!(error, DiscordError::Malformed { .. }), "{error}");
}
