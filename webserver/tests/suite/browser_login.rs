//! Browsers that sign in with Discord, operators among them.

use std::time::Duration;

use crate::support::{GUILD, TestServer, USER, error, header, user};
use http::Method;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use splashtail_core::ids::UserId;
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, ResponseTemplate};

const PING: &str = "/mewld/api/ping";
const DISCORD: &str = "https://discord.test";

async fn start(root: &[u64], named: &str) -> TestServer {
    let test = TestServer::start_with(|config, dir| {
        config.discord_auth.root_users = root.iter().filter_map(|id| UserId::new(*id)).collect();
        std::fs::write(dir.join("mewld-staging.yaml"), named).unwrap();
    })
    .await;
    let answers = [
        (
            "/oauth2/token",
            json!({"access_token": "discord-token", "token_type": "Bearer", "expires_in": 604_800,
                "refresh_token": "discord-refresh", "scope": "identify guilds"}),
        ),
        (
            "/users/@me",
            json!({"id": USER.to_string(), "username": "u"}),
        ),
        (
            "/users/@me/guilds",
            json!([{"id": GUILD.to_string(), "name": "g", "owner": true, "permissions": "8"}]),
        ),
    ];
    for (at, body) in answers {
        Mock::given(path(format!("/api/v10{at}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&test.discord)
            .await;
    }
    test
}

/// Cookies that an answer sets.
fn cookies(answer: &Response) -> Vec<String> {
    let set = answer.headers().get_all("set-cookie").iter();
    set.map(|set| set.to_str().unwrap().to_owned()).collect()
}

fn pair(set: &str) -> String {
    set.split(';').next().unwrap().to_owned()
}

/// Discord's consent page, and the cookies to come back with.
async fn begun(test: &TestServer, at: &str) -> (reqwest::Url, String) {
    let login = header(&test.get(at).await, "location");
    let consent = test.get(&login).await;
    let jar: Vec<_> = cookies(&consent).iter().map(|set| pair(set)).collect();
    let page = reqwest::Url::parse(&header(&consent, "location")).unwrap();
    (page, jar.join("; "))
}

async fn back(test: &TestServer, page: &reqwest::Url, jar: &str, issuer: &str) -> Response {
    let mut pairs = page.query_pairs();
    let state = pairs.find(|(name, _)| name == "state").unwrap().1;
    let back = format!("/ioauth/login?code=good&state={state}&iss={issuer}");
    let back = test.request(&back).header("cookie", jar);
    back.send().await.unwrap()
}

async fn sign_in(test: &TestServer, at: &str) -> Response {
    let (page, jar) = begun(test, at).await;
    back(test, &page, &jar, DISCORD).await
}

/// The session's cookie as a browser sends it.
fn session(answer: &Response) -> String {
    let set = cookies(answer);
    let set = set.iter().find(|set| set.starts_with("session="));
    let set = set.unwrap_or_else(|| panic!("no session: {answer:?}"));
    for attribute in ["Path=/;", "HttpOnly", "SameSite=Lax", "Max-Age=604800"] {
        assert!(set.contains(attribute), "{set}");
    }
    pair(set)
}

async fn status(request: RequestBuilder, cookie: &str) -> u16 {
    let answer = request.header("cookie", cookie).send().await.unwrap();
    answer.status().as_u16()
}

async fn who(test: &TestServer, cookie: &str) -> Value {
    let request = test.request("/session").header("cookie", cookie);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_browser_signs_in_and_out() {
    let test = start(&[], "allowed_ids: []\n").await;
    let (page, jar) = begun(&test, "/login?to=/dashboard/guilds?id=1").await;
    let asked: std::collections::BTreeMap<_, _> = page.query_pairs().collect();
    assert_eq!(asked["scope"], "identify guilds");
    assert_eq!(asked["code_challenge_method"], "S256");
    let answer = back(&test, &page, &jar, DISCORD).await;
    assert_eq!(answer.status(), 302);
    assert_eq!(header(&answer, "location"), "/dashboard/guilds?id=1");
    let cookie = session(&answer);
    let known = who(&test, &cookie).await;
    assert_eq!(known["user"]["user"]["id"], USER.to_string());
    assert_eq!(known["operator"], false);
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 200);
    // The answer of another browser's login is nobody's.
    assert_eq!(back(&test, &page, &jar, DISCORD).await.status(), 400);
    let other = begun(&test, "/login").await;
    assert_eq!(back(&test, &other.0, &jar, DISCORD).await.status(), 403);
    let leave = |origin: String| {
        let post = test.client.post(test.url("/logout"));
        post.header("cookie", &cookie).header("origin", origin)
    };
    // Browsers leave the cookie away, but would take that of the answer.
    for origin in ["https://evil.test", "null"] {
        let post = test.client.post(test.url("/logout"));
        let answer = post.header("origin", origin).send().await.unwrap();
        assert_eq!(cookies(&answer), Vec::<String>::new(), "{origin}");
        assert_eq!(error(answer).await, (403, "forbidden".to_owned()));
    }
    let foreign = leave("https://evil.test".to_owned()).send().await.unwrap();
    assert_eq!(error(foreign).await, (403, "forbidden".to_owned()));
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 200);
    let left = leave(test.url("")).send().await.unwrap();
    assert_eq!(left.status(), 204);
    assert!(cookies(&left)[0].contains("session=; Path=/; Max-Age=0"));
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 401);
    assert_eq!(who(&test, &cookie).await["user"], Value::Null);
    test.stop().await;
}

/// An open page that asks again and again is nobody who does something.
#[tokio::test]
async fn a_session_ends_before_an_open_page() {
    let test = start(&[USER], "allowed_ids: []\n").await;
    let cookie = session(&sign_in(&test, "/login").await);
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    test.clock.advance(minutes(40));
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 200);
    test.clock.advance(minutes(40));
    let jobs = format!("/guilds/{GUILD}/jobs");
    for watched in [PING, "/session", "/jobs/summary", &jobs] {
        status(test.request(watched), &cookie).await;
    }
    assert_eq!(
        who(&test, &cookie).await["user"]["user"]["id"],
        USER.to_string()
    );
    test.clock.advance(minutes(21));
    assert_eq!(who(&test, &cookie).await["user"], Value::Null);
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 401);
    test.stop().await;
}

/// What a cookie opens ends with its session, and a token for programs is none.
#[tokio::test]
async fn a_cookie_is_good_for_as_long_as_its_session() {
    let test = start(&[], "allowed_ids: []\n").await;
    let cookie = session(&sign_in(&test, "/login").await);
    test.clock.advance(Duration::from_secs(3600));
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 401);
    let token = test.token(user(USER)).await;
    let forged = format!("session={token}");
    assert_eq!(status(test.request("/users/@me"), &forged).await, 401);
    let bearer = test
        .request("/users/@me")
        .header("authorization", format!("User {token}"));
    assert_eq!(status(bearer, "session=x").await, 200, "headers win");
    test.stop().await;
}

#[tokio::test]
async fn no_other_site_changes_anything_with_a_cookie() {
    let test = start(&[USER], "allowed_ids: []\n").await;
    let cookie = session(&sign_in(&test, "/login").await);
    let own = test.url("");
    let new = json!({"name": "n", "type": "api", "expiry": 60, "perm_limits": []});
    let command = json!({"scope": "launcher", "action": "shutdown"});
    for (at, body, origin, site, expected) in [
        ("/sessions", &new, "https://evil.test", "", 403),
        ("/sessions", &new, "null", "", 403),
        ("/sessions", &new, "", "", 403),
        ("/sessions", &new, own.as_str(), "cross-site", 403),
        ("/sessions", &new, own.as_str(), "same-site", 403),
        ("/sessions", &new, own.as_str(), "", 201),
        ("/sessions", &new, own.as_str(), "same-origin", 201),
        (
            "/mewld/api/redis/pub",
            &command,
            "https://evil.test",
            "",
            403,
        ),
        ("/mewld/api/redis/pub", &command, "", "", 403),
    ] {
        let mut request = test.client.request(Method::POST, test.url(at)).json(body);
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        assert_eq!(
            status(request, &cookie).await,
            expected,
            "{at} {origin} {site}"
        );
    }
    test.stop().await;
}

#[tokio::test]
async fn an_operator_needs_no_other_sign_in() {
    for (root, named) in [
        (&[USER][..], "allowed_ids: []\n".to_owned()),
        (&[], format!("allowed_ids: [\"{USER}\"]\n")),
    ] {
        let test = start(root, &named).await;
        let answer = sign_in(&test, "/login?to=/mewld/").await;
        assert_eq!(header(&answer, "location"), "/mewld/");
        let cookie = session(&answer);
        assert_eq!(who(&test, &cookie).await["operator"], true);
        assert_eq!(status(test.request(PING), &cookie).await, 200);
        assert_eq!(status(test.request(PING), "").await, 401);
        // A cookie's token is good in no header, and headers of a proxy are judged as such.
        let token = cookie.strip_prefix("session=").unwrap();
        let bearer = test
            .request(PING)
            .header("authorization", format!("User {token}"));
        assert_eq!(status(bearer, "").await, 401);
        let bearer = test
            .request("/users/@me")
            .header("authorization", format!("User {token}"));
        assert_eq!(status(bearer, "").await, 401);
        let twice = format!("{cookie}; {cookie}");
        assert_eq!(status(test.request(PING), &twice).await, 401);
        let mixed = test.request(PING).header("x-dp-userid", USER.to_string());
        assert_eq!(status(mixed, &cookie).await, 401);
        test.stop().await;
    }
    let test = start(&[USER + 1], "allowed_ids: []\n").await;
    let cookie = session(&sign_in(&test, "/login?to=/mewld/").await);
    assert_eq!(status(test.request(PING), &cookie).await, 401);
    test.stop().await;
}

/// An operator who logs in as programs do has no cookie of it.
#[tokio::test]
async fn a_login_token_is_no_browsers_session() {
    let test = start(&[USER], "allowed_ids: []\n").await;
    let config: Value = test.get("/config").await.json().await.unwrap();
    let login = json!({"code": "good", "redirect_uri": config["redirect_uri"], "protocol": "a1",
        "scope": "normal", "code_verifier": "v", "iss": DISCORD});
    let answer = test.client.post(test.url("/oauth2")).json(&login).send();
    let made: Value = answer.await.unwrap().json().await.unwrap();
    let token = made["token"].as_str().unwrap();
    let bearer = test
        .request("/users/@me")
        .header("authorization", format!("User {token}"));
    assert_eq!(status(bearer, "").await, 200);
    let forged = format!("session={token}");
    assert_eq!(status(test.request(PING), &forged).await, 401);
    assert_eq!(status(test.request("/users/@me"), &forged).await, 401);
    test.stop().await;
}

#[tokio::test]
async fn an_operators_rights_end_soon_after_their_last_use() {
    let test = start(&[USER], "allowed_ids: []\n").await;
    let cookie = session(&sign_in(&test, "/login").await);
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    // What a person does lets them last: opening the page, and a command, even one that is refused.
    let opened = || test.request("/mewld/").header("sec-fetch-user", "?1");
    let command = || {
        let command = json!({"scope": "launcher", "action": "shutdown"});
        let post = test.client.post(test.url("/mewld/api/redis/pub"));
        post.json(&command).header("origin", test.url(""))
    };
    for _ in 0..2 {
        test.clock.advance(minutes(29));
        assert_eq!(status(opened(), &cookie).await, 404, "there is no site");
        test.clock.advance(minutes(29));
        assert_eq!(status(command(), &cookie).await, 403);
    }
    assert_eq!(who(&test, &cookie).await["operator"], true);
    // The open page asks and asks.
    test.clock.advance(minutes(20));
    assert_eq!(status(test.request(PING), &cookie).await, 200);
    assert_eq!(status(test.request("/mewld/"), &cookie).await, 404);
    test.clock.advance(minutes(9));
    assert_eq!(status(test.request(PING), &cookie).await, 200);
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 200);
    test.clock.advance(minutes(2));
    // The session itself goes on, and brings nothing back.
    assert_eq!(status(test.request("/users/@me"), &cookie).await, 200);
    for _ in 0..2 {
        assert_eq!(who(&test, &cookie).await["operator"], false);
        assert_eq!(status(test.request(PING), &cookie).await, 401);
        assert_eq!(status(opened(), &cookie).await, 404);
        assert_eq!(status(command(), &cookie).await, 401);
    }
    let anew = session(&sign_in(&test, "/login").await);
    assert_eq!(status(test.request(PING), &anew).await, 200);
    assert_eq!(status(test.request(PING), &cookie).await, 401);
    test.stop().await;
}

/// Where browsers come by https, no other host sets the cookie.
#[tokio::test]
async fn a_secure_cookie_is_this_hosts_alone() {
    let test = TestServer::start_with(|config, _| {
        config.sites.api = "https://api.test".parse().unwrap();
    })
    .await;
    let post = test.client.post(test.url("/logout"));
    let left = post.header("origin", "https://api.test").send().await;
    let set = cookies(&left.unwrap()).remove(0);
    assert!(set.starts_with("__Host-session=; Path=/; "), "{set}");
    assert!(set.ends_with("; Secure"), "{set}");
    test.stop().await;
}

/// Without a session nothing is set that looks like one.
#[tokio::test]
async fn a_sign_in_that_fails_leaves_no_session() {
    let test = start(&[], "allowed_ids: []\n").await;
    let (page, jar) = begun(&test, "/login").await;
    let elsewhere = back(&test, &page, &jar, "https://evil.test").await;
    assert!(
        !cookies(&elsewhere)
            .iter()
            .any(|set| set.starts_with("session="))
    );
    assert_eq!(error(elsewhere).await, (403, "login_refused".to_owned()));
    test.discord.reset().await;
    Mock::given(method("POST"))
        .and(body_string_contains("code_verifier="))
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"})))
        .mount(&test.discord)
        .await;
    let refused = sign_in(&test, "/login").await;
    assert_eq!(error(refused).await, (400, "discord_refused".to_owned()));
    test.stop().await;
}
