//! Against a fake Discord: pacing, retries, errors, downloads.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use chrono::DateTime;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_core::ids::ApplicationId;
use splashtail_discord::{
    Application, Discord, DiscordError, DownloadError, Lane, RateLimitScope, RenewError,
    RevokeError, Witness,
};
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
async fn a_witness_hears_of_whatever_may_change_something() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Witness for Heard {
        fn sends(&self, method: &http::Method, path: &str) {
            self.0.lock().unwrap().push(format!("{method} {path}"));
        }
    }
    let (server, discord) = fake().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(status(204))
        .mount(&server)
        .await;
    let heard = Arc::new(Heard::default());
    let clone = discord.in_lane(Lane::Containment);
    assert!(discord.witnessed_by(Arc::clone(&heard) as _));
    assert!(!clone.witnessed_by(Arc::default() as Arc<Heard>));
    discord.get("/channels/1").send_empty().await.unwrap();
    let deleted = clone.delete("/channels/1").query("a", 1).send_empty();
    deleted.await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), ["DELETE /channels/1"]);
}

#[tokio::test]
async fn who_knows_another_way_tries_once_more() {
    let (server, discord) = fake().await;
    Mock::given(method("DELETE"))
        .respond_with(status(503))
        .expect(2)
        .mount(&server)
        .await;
    let call = discord.delete("/guilds/1/members/2");
    let call = call.once_more_after(Duration::from_millis(1)).send_empty();
    let error = call.await.unwrap_err();
    assert!(
        matches!(error, DiscordError::Unavailable { attempts: 2, .. }),
        "{error}"
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

/// What stands before Discord blocks addresses for a time: no answer about permissions, no effect,
/// and nothing to insist on.
#[tokio::test]
async fn a_403_that_is_not_discords_own_is_no_refusal() {
    let page = "<html><title>Access denied</title></html>";
    for answer in [
        status(403).set_body_raw(page, "text/html"),
        status(403),
        status(403).set_body_json(json!("denied")),
        status(403).set_body_json(json!({"message": "internal network error", "code": 40333})),
    ] {
        let (server, discord) = fake().await;
        Mock::given(path("/api/v10/channels/1"))
            .respond_with(answer)
            .expect(2)
            .mount(&server)
            .await;
        let posted = discord.post("/channels/1").json(&json!({}));
        for call in [discord.get("/channels/1"), posted] {
            let error = call.send().await.unwrap_err();
            assert!(error.is_transient() && !error.is_forbidden(), "{error}");
            assert!(!error.is_ambiguous(), "{error}");
        }
    }
    let (server, discord) = fake().await;
    let own = json!({"message": "403: Forbidden", "code": 0});
    Mock::given(method("GET"))
        .respond_with(status(403).set_body_json(own))
        .mount(&server)
        .await;
    let error = discord.get("/channels/1").send().await.unwrap_err();
    assert!(error.is_forbidden() && !error.is_transient(), "{error}");
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

/// A `POST` or `PATCH` that failed may have taken effect: it is neither repeated nor called failed.
#[tokio::test]
async fn effects_without_an_answer_are_ambiguous() {
    let (server, discord) = fake().await;
    Mock::given(method("POST"))
        .respond_with(status(500))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PATCH"))
        .respond_with(status(200).set_body_string("{\"id\": \"1"))
        .expect(1)
        .mount(&server)
        .await;
    let cut = discord.patch("/channels/1").json(&json!({})).send();
    let failed = discord.post("/channels/1/messages").json(&json!({})).send();
    for error in [cut.await.unwrap_err(), failed.await.unwrap_err()] {
        assert!(error.is_ambiguous(), "{error}");
        assert!(!error.is_transient() && error.status().is_none(), "{error}");
    }
}

/// The server reads the request and closes the connection.
/// What follows an attempt without an answer says nothing about that attempt.
#[tokio::test]
async fn a_refused_repetition_leaves_the_first_attempt_open() {
    let (server, discord) = fake().await;
    Mock::given(method("POST"))
        .respond_with(status(502))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    let refused = json!({"message": "Missing Permissions", "code": 50013});
    Mock::given(method("POST"))
        .respond_with(status(403).set_body_json(refused))
        .expect(1)
        .mount(&server)
        .await;
    let post = discord.post("/channels/1/messages").json(&json!({}));
    let post = post.idempotent_within(Duration::from_secs(120));
    let error = post.send().await.unwrap_err();
    assert!(error.is_ambiguous() && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_lost_connection_is_ambiguous_and_none_at_all_is_not() {
    provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let discord = Discord::new(&base, &base, &"token".to_owned().into(), clock.shared()).unwrap();
    let call = tokio::spawn(discord.post("/channels/1/messages").json(&json!({})).send());
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 64];
    tokio::io::AsyncReadExt::read(&mut stream, &mut head)
        .await
        .unwrap();
    drop((stream, listener));
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_ambiguous(), "{error}");

    let call = tokio::spawn(discord.post("/channels/1/messages").json(&json!({})).send());
    while !call.is_finished() {
        clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    let error = call.await.unwrap().unwrap_err();
    assert!(
        matches!(error, DiscordError::Network { attempts: 5, .. }),
        "nothing was ever sent: {error}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn absolute_values_may_be_set_twice() {
    let (server, discord, clock) = on_manual_clock().await;
    Mock::given(method("PATCH"))
        .respond_with(status(500))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("PATCH"))
        .respond_with(status(200).set_body_json(json!({"name": "x"})))
        .mount(&server)
        .await;
    let body = json!({"name": "x"});
    let call = discord.patch("/channels/1").json(&body).idempotent(true);
    let call = tokio::spawn(call.send());
    clock.wait_for_sleepers(1).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(call.await.unwrap().unwrap(), body);
}

fn unknown_channel() -> ResponseTemplate {
    status(404).set_body_json(json!({"message": "Unknown Channel", "code": 10003}))
}

#[tokio::test]
async fn a_repeated_delete_that_finds_nothing_has_succeeded() {
    let (server, discord, clock) = on_manual_clock().await;
    Mock::given(method("DELETE"))
        .respond_with(status(502))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(unknown_channel())
        .mount(&server)
        .await;
    let call = tokio::spawn(discord.delete("/channels/1").send());
    clock.wait_for_sleepers(1).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(call.await.unwrap().unwrap(), Value::Null);

    let error = discord
        .delete("/channels/1")
        .send_empty()
        .await
        .unwrap_err();
    assert!(error.is_not_found(), "the first try: {error}");
    let again = discord.delete("/channels/1").repeated(true).send_empty();
    again.await.unwrap();

    server.reset().await;
    Mock::given(method("DELETE"))
        .respond_with(status(404).set_body_json(json!({"message": "Unknown Guild", "code": 10004})))
        .mount(&server)
        .await;
    let call = discord
        .delete("/guilds/1/roles/2")
        .repeated(true)
        .send_empty();
    let error = call.await.unwrap_err();
    assert!(
        error.is_not_found(),
        "the bot is out, the role may live: {error}"
    );
}

/// A proxy serves the API below a path of its own.
#[tokio::test]
async fn a_base_may_have_a_path() {
    provider();
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/proxy/discord/api/v10/guilds/1/roles"))
        .and(query_param("limit", "5"))
        .respond_with(
            status(200)
                .set_body_json(json!([]))
                .insert_header("x-ratelimit-bucket", "abc")
                .insert_header("x-ratelimit-limit", "1")
                .insert_header("x-ratelimit-remaining", "0")
                .insert_header("x-ratelimit-reset-after", "1"),
        )
        .mount(&server)
        .await;
    for base in ["proxy/discord", "proxy/discord/"] {
        let base = Url::parse(&format!("{}/{base}", server.uri())).unwrap();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let token = "token".to_owned().into();
        let discord = Discord::new(&base, &base, &token, clock.shared()).unwrap();
        let roles = || discord.get("/guilds/1/roles").query("limit", 5);
        roles().send().await.unwrap();
        let second = roles().longest_wait(Duration::ZERO).send().await;
        assert!(
            matches!(second, Err(DiscordError::RateLimited { .. })),
            "limits are followed as ever"
        );
    }
}

/// Both may run on one machine, whose clock is off.
#[tokio::test]
async fn the_time_is_learned_from_discord_and_not_from_its_proxy() {
    let (server, discord, clock) = on_manual_clock().await;
    let date = |seconds| clock.shared().now() + chrono::TimeDelta::seconds(seconds);
    let answer = |code, seconds| {
        status(code).set_body_json(json!([])).insert_header(
            "date",
            date(seconds).to_rfc2822().replace("+0000", "GMT").as_str(),
        )
    };
    Mock::given(path("/api/v10/guilds/1/roles"))
        .respond_with(answer(200, -300))
        .mount(&server)
        .await;
    Mock::given(path("/api/v10/guilds/2/roles"))
        .respond_with(answer(404, 0).insert_header("x-proxy-generated", "true"))
        .mount(&server)
        .await;
    discord.get("/guilds/1/roles").send().await.unwrap();
    assert_eq!(discord.clock_ahead(), chrono::TimeDelta::seconds(300));
    discord.get("/guilds/2/roles").send().await.unwrap_err();
    assert_eq!(discord.clock_ahead(), chrono::TimeDelta::seconds(300));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_not_joined() {
    let (server, discord, _clock) = on_manual_clock().await;
    let answer = status(200)
        .set_body_json(json!({}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "250")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "101995.5");
    Mock::given(method("POST"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let create = || discord.post("/guilds/1/roles").json(&json!({}));
    create().send().await.unwrap();
    let error = create().send().await.unwrap_err();
    let DiscordError::RateLimited { retry_after, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(retry_after, Duration::from_millis(101_995_500));
}

#[tokio::test]
async fn containment_goes_before_what_waits_already() {
    let (server, discord, clock) = on_manual_clock().await;
    let answer = status(200)
        .set_body_json(json!({}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "1")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "1");
    Mock::given(method("PATCH"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let member = |user: u64| {
        discord
            .patch(format!("/guilds/1/members/{user}"))
            .json(&json!({}))
    };
    member(1).send().await.unwrap();
    let bulk = tokio::spawn(member(2).lane(Lane::Bulk).send());
    clock.wait_for_sleepers(1).await;
    let urgent = discord.in_lane(Lane::Containment);
    let urgent = tokio::spawn(urgent.patch("/guilds/1/members/3").json(&json!({})).send());
    clock.wait_for_sleepers(2).await;
    clock.advance(Duration::from_secs(1));
    urgent.await.unwrap().unwrap();
    assert!(!bulk.is_finished());
    clock.wait_for_sleepers(1).await;
    clock.advance(Duration::from_secs(1));
    bulk.await.unwrap().unwrap();
    let order: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| request.url.path().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["1", "3", "2"]);
    assert_eq!(discord.load().waiting, 0);
}

/// An effect that was sent is waited for a little; a read is not.
#[tokio::test]
async fn cancelling_waits_for_the_answer_to_an_effect() {
    provider();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let discord = Discord::new(&base, &base, &"token".to_owned().into(), clock.shared()).unwrap();
    for (request, expected) in [
        (discord.post("/channels/1/messages"), "answer"),
        (discord.post("/channels/1/messages"), "ambiguous"),
        (discord.put("/guilds/1/bans/2"), "cancelled"),
        (discord.get("/guilds/1"), "at once"),
    ] {
        let token = CancellationToken::new();
        let call = tokio::spawn(request.cancelled_by(&token).send());
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 64];
        tokio::io::AsyncReadExt::read(&mut stream, &mut head)
            .await
            .unwrap();
        token.cancel();
        if expected == "at once" {
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error, DiscordError::Cancelled), "{error}");
            continue;
        }
        clock.wait_for_sleepers(1).await;
        if expected == "answer" {
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
                .await
                .unwrap();
            assert_eq!(call.await.unwrap().unwrap(), json!({}));
            continue;
        }
        clock.advance(Duration::from_secs(4));
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.is_ambiguous(), expected == "ambiguous", "{error}");
        assert!(error.is_ambiguous() || matches!(error, DiscordError::Cancelled));
    }
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
    let error = discord.get("/gateway").send().await.unwrap_err();
    assert!(matches!(error, DiscordError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn a_consent_is_renewed_in_the_name_of_the_application() {
    let (server, discord) = fake().await;
    let place = "/api/v10/oauth2/token";
    let good = json!({"access_token": "a", "refresh_token": "b", "expires_in": 600});
    for (token, answer) in [
        ("good", status(200).set_body_json(good)),
        (
            "gone",
            status(400).set_body_json(json!({"error": "invalid_grant"})),
        ),
        (
            "ours",
            status(401).set_body_json(json!({"error": "invalid_client"})),
        ),
        ("broken", status(502)),
    ] {
        let form = format!(
            "grant_type=refresh_token&refresh_token={token}&client_id=5&client_secret=s%26t"
        );
        Mock::given(method("POST"))
            .and(path(place))
            .and(wiremock::matchers::body_string(form))
            .and(header("content-type", "application/x-www-form-urlencoded"))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
    }
    let secret = "s&t".to_owned().into();
    let application = Application::new(ApplicationId::new(5).unwrap(), secret);
    let going = CancellationToken::new();
    let renew = async |token: &str| {
        let token = token.to_owned().into();
        discord.renew(&application, &token, &going).await
    };
    let grant = renew("good").await.unwrap();
    assert_eq!(grant.refresh_token.expose_secret(), "b");
    assert_eq!(grant.lasts, Duration::from_secs(600));
    assert!(matches!(renew("gone").await, Err(RenewError::Ended)));
    assert!(matches!(renew("ours").await, Err(RenewError::Application)));
    // It may have been renewed all the same: nobody asks twice by itself.
    let Err(RenewError::Discord(error)) = renew("broken").await else {
        panic!("there was no grant")
    };
    assert!(error.is_ambiguous(), "{error}");
    for request in server.received_requests().await.unwrap() {
        assert!(!request.headers.contains_key("authorization"));
    }
    assert!(!format!("{application:?}").contains("s&t"));
}

#[tokio::test]
async fn a_consent_is_revoked_in_the_name_of_the_application() {
    let (server, discord) = fake().await;
    for (token, answer) in [
        ("good", status(200).set_body_json(json!({}))),
        (
            "ours",
            status(401).set_body_json(json!({"error": "invalid_client"})),
        ),
    ] {
        let form =
            format!("token={token}&token_type_hint=refresh_token&client_id=5&client_secret=s%26t");
        Mock::given(method("POST"))
            .and(path("/api/v10/oauth2/token/revoke"))
            .and(wiremock::matchers::body_string(form))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
    }
    let secret = "s&t".to_owned().into();
    let application = Application::new(ApplicationId::new(5).unwrap(), secret);
    let going = CancellationToken::new();
    let revoke = async |token: &str| {
        let token = token.to_owned().into();
        discord.revoke(&application, &token, &going).await
    };
    revoke("good").await.unwrap();
    let refused = revoke("ours").await;
    assert!(matches!(refused, Err(RevokeError::Application)));
    for request in server.received_requests().await.unwrap() {
        assert!(!request.headers.contains_key("authorization"));
    }
}
