//! Logging in, sessions, and the tokens that people make.

use std::time::Duration;

use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, user};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use splashtail_core::ids::UserId;
use splashtail_storage::UserState;
use wiremock::matchers::{body_string_contains, header as sends, method, path};
use wiremock::{Mock, ResponseTemplate};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn discord_knows(test: &TestServer) {
    Mock::given(method("POST"))
        .and(path("/api/v10/oauth2/token"))
        .and(body_string_contains("client_secret=client-secret"))
        .and(body_string_contains("grant_type=authorization_code"))
        .and(body_string_contains(format!("code_verifier={VERIFIER}")))
        .and(body_string_contains("%2Fauthorize"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "access_token": "discord-token", "token_type": "Bearer", "expires_in": 604_800,
            "refresh_token": "discord-refresh", "scope": "identify guilds"
        })))
        .mount(&test.discord)
        .await;
    for (address, body) in [
        (
            "/api/v10/users/@me",
            json!({"id": USER.to_string(), "username": "mila", "global_name": "Mila", "avatar": "a1"}),
        ),
        (
            "/api/v10/users/@me/guilds",
            json!([
                {"id": GUILD.to_string(), "name": "Harbour", "icon": null, "owner": true,
                    "permissions": "2251799813685247"},
                {"id": OTHER_GUILD.to_string(), "name": "Mill", "icon": "b2", "owner": false,
                    "permissions": "104320577"}
            ]),
        ),
    ] {
        Mock::given(method("GET"))
            .and(path(address))
            .and(sends("authorization", "Bearer discord-token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&test.discord)
            .await;
    }
}

async fn start() -> TestServer {
    let test = TestServer::start_with(|config, _| {
        config.meta.data_key = Some(
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
                .to_owned()
                .into(),
        );
    })
    .await;
    discord_knows(&test).await;
    test
}

fn login(test: &TestServer, code: &str) -> Value {
    json!({"code": code, "redirect_uri": test.url("/authorize"), "protocol": "a1",
        "scope": "normal", "code_verifier": VERIFIER, "iss": "https://discord.test"})
}

async fn post(test: &TestServer, body: &Value) -> Response {
    let request = test.client.post(test.url("/oauth2")).json(body);
    request.send().await.unwrap()
}

async fn logged_in(test: &TestServer, code: &str) -> (String, String) {
    let answer = post(test, &login(test, code)).await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["user_id"], USER.to_string());
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("token"), text("session_id"))
}

async fn ask(test: &TestServer, method: Method, at: &str, token: &str, body: Value) -> Response {
    let request = test.client.request(method, test.url(at));
    let request = request.header("authorization", format!("User {token}"));
    let request = match body {
        Value::Null => request,
        body => request.json(&body),
    };
    request.send().await.unwrap()
}

async fn get(test: &TestServer, at: &str, token: &str) -> Response {
    ask(test, Method::GET, at, token, Value::Null).await
}

#[tokio::test]
async fn a_login_is_a_session_until_it_is_ended() {
    let test = start().await;
    let config: Value = test.get("/config").await.json().await.unwrap();
    assert_eq!(config["client_id"], "42");
    assert_eq!(config["redirect_uri"], test.url("/authorize"));
    let (token, session) = logged_in(&test, "c1").await;
    assert!(token.starts_with("ar_") && token.len() == 46, "{token}");

    let me: Value = get(&test, "/users/@me", &token).await.json().await.unwrap();
    assert_eq!(me["user"]["display_name"], "Mila");
    assert_eq!(me["state"], "normal");
    let guilds = get(&test, "/users/@me/guilds", &token).await;
    let guilds: Value = guilds.json().await.unwrap();
    assert_eq!(guilds["guilds"][0]["permissions"], "2251799813685247");
    assert_eq!(guilds["guilds"][0]["owner"], true);
    // No clusterer answers: that is unknown, and no failure.
    assert_eq!(
        guilds["unknown_guilds"],
        json!([GUILD.to_string(), OTHER_GUILD.to_string()])
    );
    assert_eq!(guilds["has_bot"], json!([]));

    let list: Value = get(&test, "/sessions", &token).await.json().await.unwrap();
    let own = &list["sessions"][0];
    assert_eq!(
        (&own["id"], &own["type"]),
        (&json!(session), &json!("login"))
    );
    assert_eq!(
        (&own["current"], &own["perm_limits"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(own["last_used_at"], "2023-11-14T22:13:20Z");
    assert!(!list.to_string().contains(&token), "shown once");

    let at = format!("/sessions/{session}");
    let end = ask(&test, Method::DELETE, &at, &token, Value::Null).await;
    assert_eq!(end.status(), 204);
    assert_eq!(get(&test, "/users/@me", &token).await.status(), 401);
    let account = test.storage.accounts().account(UserId::new(USER).unwrap());
    assert_eq!(
        account.await.unwrap().unwrap().grant,
        None,
        "Discord's tokens go with it"
    );
    test.stop().await;
}

#[tokio::test]
async fn a_login_that_is_not_right_is_none() {
    let test = start().await;
    let with = |name: &str, value: Value| {
        let mut body = login(&test, "c2");
        body[name] = value;
        body
    };
    for (body, expected) in [
        (with("protocol", json!("a0")), (400, "outdated_client")),
        (
            with("redirect_uri", json!("https://evil.test/authorize")),
            (400, "invalid_redirect"),
        ),
        (
            with("redirect_uri", json!(test.url("/authorize/../x"))),
            (400, "invalid_redirect"),
        ),
        (
            with("redirect_uri", json!(test.url("/authorize?a=b"))),
            (400, "invalid_redirect"),
        ),
        (
            with("redirect_uri", json!("javascript:1")),
            (400, "invalid_redirect"),
        ),
        (
            with("iss", json!("https://evil.test")),
            (403, "login_refused"),
        ),
        (with("iss", json!("data:,x")), (403, "login_refused")),
        (with("scope", json!("all")), (400, "invalid_body")),
        (with("scope", json!("ban_exempt")), (403, "forbidden")),
    ] {
        let (status, code) = error(post(&test, &body).await).await;
        assert_eq!((status, code.as_str()), expected, "{body}");
    }
    // A code works once, whatever came of it.
    let replay = error(post(&test, &login(&test, "c2")).await).await;
    assert_eq!(replay, (400, "unknown_state".to_owned()));
    logged_in(&test, "c3").await;
    let replay = error(post(&test, &login(&test, "c3")).await).await;
    assert_eq!(replay, (400, "unknown_state".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn who_is_banned_sees_their_sessions_and_nothing_else() {
    let test = start().await;
    let (before, _) = logged_in(&test, "c1").await;
    let id = UserId::new(USER).unwrap();
    let ban = test
        .storage
        .users()
        .set_state(id, UserState::Banned, test.now());
    ban.await.unwrap();
    let refused = error(post(&test, &login(&test, "c4")).await).await;
    assert_eq!(refused, (403, "forbidden".to_owned()));
    let mut exempt = login(&test, "c5");
    exempt["scope"] = json!("ban_exempt");
    let answer: Value = post(&test, &exempt).await.json().await.unwrap();
    let token = answer["token"].as_str().unwrap();
    for (at, status) in [
        ("/sessions", 200),
        ("/users/@me", 200),
        ("/users/@me/guilds", 403),
        (&format!("/entities/{USER}/tasks"), 403),
    ] {
        assert_eq!(get(&test, at, token).await.status(), status, "{at}");
        assert_eq!(get(&test, at, &before).await.status(), status, "{at}");
    }
    let make = json!({"name": "n", "type": "api", "perm_limits": [], "expiry": 60});
    let made = ask(&test, Method::POST, "/sessions", token, make).await;
    assert_eq!(made.status(), 403);
    test.stop().await;
}

#[tokio::test]
async fn a_token_is_made_limited_extended_and_revoked() {
    let test = start().await;
    let (login, _) = logged_in(&test, "c1").await;
    let make = |name: &str, limits: &[&str], seconds: u64| json!({"name": name, "type": "api", "perm_limits": limits, "expiry": seconds});
    for wrong in [
        make("", &[], 60),
        make(&"x".repeat(65), &[], 60),
        make("a\u{7}b", &[], 60),
        make("n", &[], 0),
        make("n", &[], 40_000_000),
        make("n", &["a b"], 60),
        json!({"name": "n", "type": "login", "perm_limits": [], "expiry": 60}),
    ] {
        let answer = ask(&test, Method::POST, "/sessions", &login, wrong.clone()).await;
        assert_eq!(answer.status(), 400, "{wrong}");
    }
    let limited = make("script", &["server_backups.list"], 600);
    let answer = ask(&test, Method::POST, "/sessions", &login, limited).await;
    assert_eq!(answer.status(), 201);
    let made: Value = answer.json().await.unwrap();
    let (token, id) = (
        made["token"].as_str().unwrap(),
        made["session_id"].as_str().unwrap(),
    );

    let context: Value = test
        .client
        .post(test.url("/auth/test"))
        .json(&json!({"auth_type": "User", "target_id": USER.to_string(), "token": token}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        context["data"]["perm_limits"],
        json!(["server_backups.list"])
    );

    // It makes nothing that is good for more or longer, extends nothing and ends only itself.
    for wider in [
        make("n", &[], 60),
        make("n", &["server_backups.create"], 60),
        make("n", &["server_backups.list"], 601),
    ] {
        let answer = ask(&test, Method::POST, "/sessions", token, wider.clone()).await;
        assert_eq!(answer.status(), 403, "{wider}");
    }
    let narrower = make("n", &["server_backups.list"], 60);
    let answer = ask(&test, Method::POST, "/sessions", token, narrower).await;
    assert_eq!(answer.status(), 201);
    let child: Value = answer.json().await.unwrap();
    let at = |id: &Value| format!("/sessions/{}", id.as_str().unwrap());
    let other = at(&child["session_id"]);
    let end = ask(&test, Method::DELETE, &other, token, Value::Null).await;
    assert_eq!(end.status(), 403);
    let own = at(&made["session_id"]);
    let longer = json!({"expiry": 86_400});
    let extend = ask(&test, Method::PATCH, &own, token, longer.clone()).await;
    assert_eq!(extend.status(), 403);

    let extend = ask(&test, Method::PATCH, &own, &login, longer).await;
    assert_eq!(extend.status(), 200);
    let extended: Value = extend.json().await.unwrap();
    assert_eq!(extended["expiry"], "2023-11-15T22:13:20Z");
    test.clock.advance(Duration::from_secs(700));
    assert_eq!(get(&test, "/users/@me", token).await.status(), 200);
    let list: Value = get(&test, "/sessions", &login).await.json().await.unwrap();
    let mut sessions = list["sessions"].as_array().unwrap().iter();
    assert!(
        sessions.all(|session| session["id"] != child["session_id"]),
        "it has ended"
    );

    let end = ask(&test, Method::DELETE, &own, &login, Value::Null).await;
    assert_eq!(end.status(), 204);
    assert_eq!(get(&test, "/users/@me", token).await.status(), 401);
    let again = ask(&test, Method::DELETE, &own, &login, Value::Null).await;
    assert_eq!(again.status(), 404, "{id}");
    test.stop().await;
}

#[tokio::test]
async fn a_login_lives_while_it_is_used() {
    let test = start().await;
    let (used, _) = logged_in(&test, "c1").await;
    let (idle, _) = logged_in(&test, "c2").await;
    for _ in 0..3 {
        test.clock.advance(Duration::from_secs(40 * 60));
        assert_eq!(get(&test, "/users/@me", &used).await.status(), 200);
    }
    assert_eq!(get(&test, "/users/@me", &idle).await.status(), 401);
    test.stop().await;
}

#[tokio::test]
async fn nobody_has_a_session_of_somebody_else() {
    let test = start().await;
    let (_, session) = logged_in(&test, "c1").await;
    let stranger = test.token(user(USER + 1)).await;
    let at = format!("/sessions/{session}");
    let end = ask(&test, Method::DELETE, &at, &stranger, Value::Null).await;
    assert_eq!(end.status(), 404);
    let list: Value = get(&test, "/sessions", &stranger)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    let most = json!({"name": "n", "type": "api", "perm_limits": [], "expiry": 60});
    for n in 0..26 {
        let answer = ask(&test, Method::POST, "/sessions", &stranger, most.clone()).await;
        let expected = if n < 25 { 201 } else { 409 };
        assert_eq!(answer.status(), expected, "{n}");
    }
    test.stop().await;
}

/// Discord is asked anew with what was kept, and no more than the limit allows.
#[tokio::test]
async fn the_list_of_servers_is_refreshed() {
    let test = start().await;
    let (token, _) = logged_in(&test, "c1").await;
    let refresh = "/users/@me/guilds?refresh=true";
    for n in 0..4 {
        let answer = get(&test, refresh, &token).await;
        let status = answer.status().as_u16();
        assert_eq!(status, if n < 3 { 200 } else { 429 }, "{n}");
        let limit = crate::support::header(&answer, "ratelimit");
        assert!(
            limit.starts_with("\"get_user_guilds_refresh\";r="),
            "{limit}"
        );
    }
    let asked = test.discord.received_requests().await.unwrap();
    let lists = asked
        .iter()
        .filter(|request| request.url.path().ends_with("/guilds"));
    assert_eq!(
        lists.count(),
        2,
        "at the login, and once for all who ask at a time"
    );
    // Without a grant only a login helps.
    let stranger = test.token(user(USER + 1)).await;
    let answer = get(&test, "/users/@me/guilds", &stranger).await;
    assert_eq!(error(answer).await, (401, "login_expired".to_owned()));
    test.stop().await;
}

/// Discord's word about the person ends what is kept of their login; what it says about us does not.
#[tokio::test]
async fn only_an_invalid_grant_is_forgotten() {
    for (status, code, stays) in [
        (400, "invalid_grant", false),
        (401, "invalid_client", true),
        (400, "unsupported_grant_type", true),
        (503, "", true),
    ] {
        let test = start().await;
        let (token, _) = logged_in(&test, "c1").await;
        Mock::given(path("/api/v10/users/@me/guilds"))
            .respond_with(ResponseTemplate::new(401))
            .with_priority(1)
            .mount(&test.discord)
            .await;
        let refused = ResponseTemplate::new(status).set_body_json(json!({"error": code}));
        Mock::given(path("/api/v10/oauth2/token"))
            .and(body_string_contains("grant_type=refresh_token"))
            .and(body_string_contains("discord-refresh"))
            .respond_with(refused)
            .expect(1)
            .mount(&test.discord)
            .await;
        let answer = get(&test, "/users/@me/guilds?refresh=true", &token).await;
        let expected = if stays { 502 } else { 401 };
        assert_eq!(answer.status(), expected, "{status} {code}");
        let account = test.storage.accounts().account(user_id()).await.unwrap();
        assert_eq!(account.unwrap().grant.is_some(), stays, "{status} {code}");
        test.stop().await;
    }
}

fn user_id() -> UserId {
    UserId::new(USER).unwrap()
}

/// A login is the person, and what it makes stays; what any other token makes does not.
#[tokio::test]
async fn what_a_token_makes_ends_with_it() {
    let test = start().await;
    let (login, session) = logged_in(&test, "c1").await;
    let make = async |by: &str| {
        let new = json!({"name": "n", "type": "api", "perm_limits": [], "expiry": 600});
        let answer = ask(&test, Method::POST, "/sessions", by, new).await;
        assert_eq!(answer.status(), 201);
        let made: Value = answer.json().await.unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("token"), text("session_id"))
    };
    let (one, one_id) = make(&login).await;
    let (two, two_id) = make(&one).await;
    let (three, _) = make(&two).await;
    let at = format!("/sessions/{two_id}");
    let longer = json!({"expiry": 700});
    let extend = ask(&test, Method::PATCH, &at, &login, longer.clone()).await;
    assert_eq!(extend.status(), 403, "its maker ends before");
    let operator = test.token(user(USER)).await;
    let at = format!("/sessions/{one_id}");
    let extend = ask(&test, Method::PATCH, &at, &operator, longer).await;
    assert_eq!(extend.status(), 403, "a token extends none");
    let (of_operator, _) = make(&operator).await;

    let end = async |id: &str| {
        let at = format!("/sessions/{id}");
        let end = ask(&test, Method::DELETE, &at, &operator, Value::Null).await;
        assert_eq!(end.status(), 204);
    };
    let works = async |token: &str| get(&test, "/users/@me", token).await.status() == 200;
    end(&session).await;
    assert!(works(&one).await, "a login takes nothing along");
    end(&one_id).await;
    assert!(!works(&two).await && !works(&three).await);
    assert!(works(&of_operator).await);
    let list: Value = get(&test, "/sessions", &operator)
        .await
        .json()
        .await
        .unwrap();
    let own = list["sessions"].as_array().unwrap().iter();
    let own = own
        .clone()
        .find(|session| session["current"] == true)
        .unwrap();
    end(own["id"].as_str().unwrap()).await;
    assert!(!works(&of_operator).await);
    test.stop().await;
}
