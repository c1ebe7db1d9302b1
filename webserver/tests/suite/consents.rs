//! People let a server bring them back, look at what they allowed, and take it back.

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, header, user};
use http::Method;
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_storage::NewConsent;
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, ResponseTemplate};

/// Discord, for one person who is in one server.
async fn discord_knows(test: &TestServer, person: u64) {
    test.discord.reset().await;
    let answers = [
        (
            "/oauth2/token",
            json!({"access_token": "discord-token", "token_type": "Bearer", "expires_in": 604_800,
                "refresh_token": "discord-refresh", "scope": "identify guilds guilds.join"}),
        ),
        (
            "/users/@me",
            json!({"id": person.to_string(), "username": "u"}),
        ),
        (
            "/users/@me/guilds",
            json!([{"id": GUILD.to_string(), "name": "Harbour", "owner": false, "permissions": "0"}]),
        ),
    ];
    for (at, body) in answers {
        Mock::given(path(format!("/api/v10{at}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&test.discord)
            .await;
    }
}

fn cookies(answer: &Response) -> String {
    let set = answer.headers().get_all("set-cookie").iter();
    let pairs = set.map(|set| set.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

fn state(page: &str) -> String {
    let page = Url::parse(page).unwrap();
    let mut pairs = page.query_pairs();
    let state = pairs.find(|(name, _)| name == "state").unwrap().1;
    state.into_owned()
}

async fn back(test: &TestServer, state: &str, jar: &str) -> Response {
    let at = format!("/ioauth/login?code=good&state={state}");
    let request = test.request(&at).header("cookie", jar);
    request.send().await.unwrap()
}

/// The cookie of a session.
async fn signed_in(test: &TestServer) -> String {
    let login = header(&test.get("/login").await, "location");
    let consent = test.get(&login).await;
    let (page, jar) = (header(&consent, "location"), cookies(&consent));
    let answer = back(test, &state(&page), &jar).await;
    assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
    let set = cookies(&answer);
    let session = set.split("; ").find(|pair| pair.starts_with("session="));
    session.unwrap().to_owned()
}

fn ask(test: &TestServer, method: Method, guild: u64) -> RequestBuilder {
    let at = test.url(&format!("/users/@me/consents/{guild}"));
    test.client.request(method, at)
}

fn pressed(test: &TestServer, session: &str, guild: u64) -> RequestBuilder {
    let own = test.url("");
    ask(test, Method::POST, guild)
        .header("cookie", session)
        .header("origin", own)
}

/// Discord's page, and all cookies to come back with.
async fn begun(test: &TestServer, session: &str) -> (String, String) {
    let answer = pressed(test, session, GUILD).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let jar = format!("{session}; {}", cookies(&answer));
    let page: Value = answer.json().await.unwrap();
    (page["url"].as_str().unwrap().to_owned(), jar)
}

#[tokio::test]
async fn a_consent_is_given_on_our_page_and_then_on_discords() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    discord_knows(&test, USER).await;
    let given = json!({"args": {"server_id": GUILD.to_string(), "user_id": USER.to_string(),
        "access_token": "discord-token", "refresh_token": "discord-refresh", "expires_in": 604_800}});
    Mock::given(path("/ipc/put_join_consent"))
        .and(body_partial_json(given))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    let session = signed_in(&test).await;
    let about = ask(&test, Method::GET, GUILD).header("cookie", &session);
    let about: Value = about.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&about["name"], &about["given_at"]),
        (&json!("Harbour"), &Value::Null)
    );
    let (page, jar) = begun(&test, &session).await;
    let url = Url::parse(&page).unwrap();
    let asked: std::collections::BTreeMap<_, _> = url.query_pairs().collect();
    assert_eq!(asked["scope"], "identify guilds.join");
    assert_eq!(asked["code_challenge_method"], "S256");
    let answer = back(&test, &state(&page), &jar).await;
    assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
    assert_eq!(header(&answer, "location"), format!("/consent?id={GUILD}"));
    // Once.
    let again = back(&test, &state(&page), &jar).await;
    assert_eq!(error(again).await, (400, "unknown_state".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn nobody_gives_a_consent_by_a_link_or_for_somebody_else() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    discord_knows(&test, USER).await;
    Mock::given(path("/ipc/put_join_consent"))
        .respond_with(ResponseTemplate::new(204))
        .expect(0)
        .mount(&test.jobserver)
        .await;
    let session = signed_in(&test).await;
    let status = async |request: RequestBuilder| request.send().await.unwrap().status().as_u16();
    // No page of ours, no browser, no server of theirs.
    let foreign = ask(&test, Method::POST, GUILD)
        .header("cookie", &session)
        .header("origin", "https://evil.test");
    assert_eq!(status(foreign).await, 403);
    let token = format!("User {}", test.token(user(USER)).await);
    let program = ask(&test, Method::POST, GUILD).header("authorization", token);
    assert_eq!(status(program).await, 403);
    assert_eq!(status(pressed(&test, &session, OTHER_GUILD)).await, 403);
    assert_eq!(status(ask(&test, Method::POST, GUILD)).await, 401);
    // Another browser, and this one after its session.
    let (page, _) = begun(&test, &session).await;
    assert_eq!(back(&test, &state(&page), &session).await.status(), 403);
    let (page, jar) = begun(&test, &session).await;
    let nonce = jar.split_once("; ").unwrap().1;
    assert_eq!(back(&test, &state(&page), nonce).await.status(), 401);
    // Somebody else presses on Discord's page.
    let (page, jar) = begun(&test, &session).await;
    discord_knows(&test, USER + 1).await;
    let other = back(&test, &state(&page), &jar).await;
    assert_eq!(error(other).await, (403, "forbidden".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn a_consent_that_would_be_worth_nothing_is_not_said_to_be_given() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    discord_knows(&test, USER).await;
    let ending = json!({"code": "consent_ending", "message": "once more"});
    Mock::given(path("/ipc/put_join_consent"))
        .respond_with(ResponseTemplate::new(409).set_body_json(ending))
        .mount(&test.jobserver)
        .await;
    let session = signed_in(&test).await;
    let (page, jar) = begun(&test, &session).await;
    let refused = back(&test, &state(&page), &jar).await;
    assert_eq!(error(refused).await, (409, "consent_ending".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn people_see_what_they_allowed_and_take_it_back() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    discord_knows(&test, USER).await;
    let session = signed_in(&test).await;
    for (guild, person) in [(GUILD, USER), (OTHER_GUILD, USER), (GUILD, USER + 1)] {
        let new = NewConsent {
            guild: GuildId::new(guild).unwrap(),
            user: UserId::new(person).unwrap(),
            sealed: b"sealed",
            ends_at: test.now(),
            given_at: test.now(),
        };
        assert!(test.storage.join_consents().consent(&new).await.unwrap());
    }
    let list = test.request("/users/@me/consents");
    let list: Value = list
        .header("cookie", &session)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let list = list["consents"].as_array().unwrap();
    let named: Vec<_> = list
        .iter()
        .map(|one| (one["server_id"].as_str().unwrap(), one["name"].as_str()))
        .collect();
    let (here, there) = (GUILD.to_string(), OTHER_GUILD.to_string());
    assert_eq!(named, [(&*here, Some("Harbour")), (&*there, None)]);
    let removed = json!({"args": {"server_id": there, "user_id": USER.to_string()}});
    Mock::given(path("/ipc/remove_join_consent"))
        .and(body_partial_json(removed))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    // From a server that they left, too.
    let remove = ask(&test, Method::DELETE, OTHER_GUILD)
        .header("cookie", &session)
        .header("origin", test.url(""));
    assert_eq!(remove.send().await.unwrap().status(), 204);
    test.stop().await;
}
