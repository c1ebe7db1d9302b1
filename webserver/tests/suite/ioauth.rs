//! Downloads behind immediate OAuth: the whole way, and every way it must not go.

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, header, server, user};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Response, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use splashtail_core::ids::TaskId;
use std::collections::HashMap;
use std::time::Duration;
use wiremock::matchers::{body_string_contains, header as sends, method, path};
use wiremock::{Mock, ResponseTemplate};

const CONTENT: &[u8] = b"0123456789";

fn link(task: TaskId) -> String {
    format!("/tasks/{task}/ioauth/download-link")
}

fn query(address: &str) -> HashMap<String, String> {
    let base = Url::parse("http://localhost").unwrap();
    base.join(address)
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect()
}

/// Discord with one user in two servers: rights are a decimal permission set.
async fn discord_knows(test: &TestServer, user: u64, permissions: u64) {
    discord_grants(test, user, permissions, "identify guilds").await;
}

async fn discord_grants(test: &TestServer, user: u64, permissions: u64, scope: &str) {
    Mock::given(method("POST"))
        .and(path("/api/v10/oauth2/token"))
        .and(body_string_contains("code=good"))
        .and(body_string_contains("client_secret=client-secret"))
        .and(body_string_contains("code_verifier="))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "access_token": "discord-token", "token_type": "Bearer", "expires_in": 604_800,
            "refresh_token": "discord-refresh", "scope": scope
        })))
        .mount(&test.discord)
        .await;
    for (address, body) in [
        (
            "/api/v10/users/@me",
            json!({"id": user.to_string(), "username": "u"}),
        ),
        (
            "/api/v10/users/@me/guilds",
            json!([
                {"id": GUILD.to_string(), "owner": false, "permissions": permissions.to_string()},
                {"id": OTHER_GUILD.to_string(), "owner": false, "permissions": "2147483647"}
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

/// A browser that opened the link and stands before Discord's consent page.
struct Browser {
    consent: String,
    cookie: String,
}

async fn open(test: &TestServer, link: &str) -> Browser {
    let first = test.get(link).await;
    assert_eq!(first.status(), 302);
    let login = header(&first, "location");
    assert!(login.starts_with("/ioauth/login?rd="), "{login}");
    let second = test.get(&login).await;
    assert_eq!(second.status(), 302);
    let set = header(&second, "set-cookie");
    for attribute in ["Path=/ioauth", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure"), "plain http: {set}");
    let cookies = second.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|set| set.to_str().unwrap().split(';').next().unwrap());
    Browser {
        consent: header(&second, "location"),
        cookie: cookies.collect::<Vec<_>>().join("; "),
    }
}

impl Browser {
    fn state(&self) -> String {
        query(&self.consent)["state"].clone()
    }

    async fn come_back(&self, test: &TestServer, code: &str) -> Response {
        let path = format!("/ioauth/login?code={code}&state={}", self.state());
        test.request(&path)
            .header("cookie", &self.cookie)
            .send()
            .await
            .unwrap()
    }

    /// The link with its proof.
    async fn proven(&self, test: &TestServer) -> String {
        let back = self.come_back(test, "good").await;
        assert_eq!(back.status(), 302, "{}", back.text().await.unwrap());
        header(&back, "location")
    }
}

#[tokio::test]
async fn consent_leads_to_the_file() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let task = test
        .finished_task(server(GUILD), "antiraid-backup.iblfile", CONTENT)
        .await;
    let browser = open(&test, &link(task)).await;

    let consent = Url::parse(&browser.consent).unwrap();
    assert_eq!(
        consent.origin().ascii_serialization(),
        "https://discord.test"
    );
    let asked = query(&browser.consent);
    assert_eq!(asked["scope"], "identify guilds");
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["client_id"], "42");
    assert_eq!(asked["redirect_uri"], test.url("/ioauth/login"));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["state"].len(), 43);

    let proven = browser.proven(&test).await;
    assert!(
        proven.starts_with(&format!("{}?ioauth=", link(task))),
        "{proven}"
    );
    let exchange = &test.discord.received_requests().await.unwrap()[0];
    let form: HashMap<String, String> = url::form_urlencoded::parse(&exchange.body)
        .into_owned()
        .collect();
    let requests = test.discord.received_requests().await.unwrap();
    let agents = requests
        .iter()
        .map(|request| request.headers["user-agent"].to_str().unwrap());
    assert!(
        agents
            .into_iter()
            .all(|agent| agent.starts_with("DiscordBot (https://"))
    );
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!(
        challenge, asked["code_challenge"],
        "PKCE ties the exchange to the start"
    );

    let answer = test.get(&proven).await;
    assert_eq!(answer.status(), 302);
    let file = test.get(&header(&answer, "location")).await;
    assert_eq!(file.status(), 200);
    assert_eq!(
        header(&file, "content-disposition"),
        "attachment; filename=\"antiraid-backup.iblfile\""
    );
    assert_eq!(header(&file, "content-length"), "10");
    assert_eq!(file.bytes().await.unwrap(), CONTENT);

    // Used up.
    assert_eq!(
        error(test.get(&proven).await).await,
        (400, "unknown_proof".to_owned())
    );
    test.stop().await;
}

#[tokio::test]
async fn no_redirect_answers_the_link_and_survives_the_login() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x8).await;
    let task = test.finished_task(server(GUILD), "b", CONTENT).await;
    let browser = open(&test, &format!("{}?no_redirect=true", link(task))).await;
    let proven = browser.proven(&test).await;
    let answer: Value = test.get(&proven).await.json().await.unwrap();
    let link = answer["message"].as_str().unwrap();
    assert_eq!(test.get(link).await.bytes().await.unwrap(), CONTENT);
    test.stop().await;
}

#[tokio::test]
async fn rights_decide_and_a_refusal_does_not_use_up_the_proof() {
    for (permissions, status) in [
        (0x20_u64, 302),
        (0x8, 302),
        (!0x28 & 0x7fff_ffff, 403),
        (0, 403),
    ] {
        let test = TestServer::start().await;
        discord_knows(&test, USER, permissions).await;
        let task = test.finished_task(server(GUILD), "b", CONTENT).await;
        let proven = open(&test, &link(task)).await.proven(&test).await;
        assert_eq!(test.get(&proven).await.status(), status, "{permissions:#x}");
        if status == 403 {
            assert_eq!(error(test.get(&proven).await).await.0, 403);
        }
        test.stop().await;
    }
}

#[tokio::test]
async fn a_users_task_is_for_that_user() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, u64::MAX).await;
    let (own, foreign) = (
        test.finished_task(user(USER), "own", CONTENT).await,
        test.finished_task(user(USER + 1), "foreign", CONTENT).await,
    );
    let proven = open(&test, &link(own)).await.proven(&test).await;
    assert_eq!(test.get(&proven).await.status(), 302);
    let proven = open(&test, &link(foreign)).await.proven(&test).await;
    assert_eq!(error(test.get(&proven).await).await.0, 403);
    test.stop().await;
}

#[tokio::test]
async fn a_proof_is_good_for_its_own_page_and_five_minutes() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let first = test.finished_task(server(GUILD), "a", CONTENT).await;
    let second = test.finished_task(server(GUILD), "b", CONTENT).await;
    let proven = open(&test, &link(first)).await.proven(&test).await;
    let proof = query(&proven)["ioauth"].clone();
    let elsewhere = format!("{}?ioauth={proof}", link(second));
    assert_eq!(
        error(test.get(&elsewhere).await).await,
        (400, "unknown_proof".to_owned())
    );
    test.clock.advance(Duration::from_secs(301));
    assert_eq!(
        error(test.get(&proven).await).await,
        (400, "unknown_proof".to_owned())
    );
    test.stop().await;
}

#[tokio::test]
async fn a_state_works_once_in_its_own_browser_and_not_for_ever() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;

    let browser = open(&test, &link(task)).await;
    browser.proven(&test).await;
    assert_eq!(
        error(browser.come_back(&test, "good").await).await,
        (400, "unknown_state".to_owned())
    );

    // Login forced on somebody else: his browser has no cookie, or one of another attempt.
    let attacker = open(&test, &link(task)).await;
    let victim = Browser {
        cookie: browser.cookie,
        consent: attacker.consent.clone(),
    };
    assert_eq!(error(victim.come_back(&test, "good").await).await.0, 403);
    assert_eq!(
        error(attacker.come_back(&test, "good").await).await.0,
        400,
        "and it is over"
    );

    let slow = open(&test, &link(task)).await;
    test.clock.advance(Duration::from_secs(601));
    assert_eq!(error(slow.come_back(&test, "good").await).await.0, 400);
    test.stop().await;
}

/// What a person sees who comes back from Discord.
async fn page(test: &TestServer, path: &str, cookie: &str) -> String {
    let request = test
        .request(path)
        .header("accept", "text/html")
        .header("cookie", cookie);
    request.send().await.unwrap().text().await.unwrap()
}

fn again(login: &str) -> String {
    format!("<a href=\"{login}\">Try again</a>")
}

#[tokio::test]
async fn a_login_that_ended_badly_can_be_started_again() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let login = header(&test.get(&link(task)).await, "location");

    let declined = open(&test, &link(task)).await;
    let state = &query(&declined.consent)["state"];
    let back = format!("/ioauth/login?error=access_denied&state={state}");
    let shown = page(&test, &back, &declined.cookie).await;
    assert!(
        shown.contains("declined") && shown.contains(&again(&login)),
        "{shown}"
    );

    let slow = open(&test, &link(task)).await;
    let state = &query(&slow.consent)["state"];
    test.clock.advance(Duration::from_secs(601));
    let back = format!("/ioauth/login?code=good&state={state}");
    let shown = page(&test, &back, &slow.cookie).await;
    assert!(
        shown.contains("too long") && shown.contains(&again(&login)),
        "{shown}"
    );

    let shown = page(&test, "/ioauth/login", &slow.cookie).await;
    assert!(shown.contains(&again(&login)), "{shown}");
    // Nothing is known of what this browser never began, nor of what another state was for.
    let shown = page(&test, "/ioauth/login?code=good&state=other", &slow.cookie).await;
    assert!(!shown.contains("Try again"), "{shown}");
    for odd in [
        "ioauth_return=x",
        "ioauth_return=a.eyJkZXN0IjoiLy9ldmlsIn0",
        "",
    ] {
        let shown = page(&test, "/ioauth/login", odd).await;
        assert!(!shown.contains("Try again"), "{odd}: {shown}");
    }

    let used = open(&test, &link(task)).await.proven(&test).await;
    test.get(&used).await;
    let shown = page(&test, &used, "").await;
    assert!(shown.contains(&again(&link(task))), "{shown}");
    test.stop().await;
}

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let (mut first, mut second) = (
        open(&test, &link(task)).await,
        open(&test, &link(task)).await,
    );
    let jar = format!("{}; {}", first.cookie, second.cookie);
    (first.cookie, second.cookie) = (jar.clone(), jar);
    second.proven(&test).await;
    first.proven(&test).await;
    test.stop().await;
}

#[tokio::test]
async fn only_registered_pages_take_a_login() {
    let test = TestServer::start().await;
    let login = async |rd: Value| {
        let rd = URL_SAFE_NO_PAD.encode(rd.to_string());
        error(test.get(&format!("/ioauth/login?rd={rd}")).await).await
    };
    for dest in [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "json",
        "/",
        "/jobs/summary",
    ] {
        let answer = login(json!({"dest": dest, "scopes": ["identify"]})).await;
        assert_eq!(answer, (400, "invalid_destination".to_owned()), "{dest}");
    }
    assert_eq!(error(test.get("/ioauth/login?rd=%%%").await).await.0, 400);
    assert_eq!(error(test.get("/ioauth/login").await).await.0, 400);
    assert_eq!(
        error(test.get("/ioauth/login?code=a&state=b").await)
            .await
            .0,
        400
    );
    test.stop().await;
}

#[tokio::test]
async fn what_discord_refuses_is_explained_and_its_tokens_are_kept_nowhere() {
    let test = TestServer::start().await;
    Mock::given(path("/api/v10/oauth2/token"))
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({
            "error": "invalid_grant", "error_description": "Invalid \"code\" in request."
        })))
        .mount(&test.discord)
        .await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let answer = open(&test, &link(task)).await.come_back(&test, "bad").await;
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "discord_refused");
    assert_eq!(body["context"]["error"], "invalid_grant");

    let declined = open(&test, &link(task)).await;
    let path = format!(
        "/ioauth/login?error=access_denied&state={}",
        declined.state()
    );
    let answer = test
        .request(&path)
        .header("cookie", &declined.cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(error(answer).await, (403, "forbidden".to_owned()));
    test.stop().await;

    let test = TestServer::start().await;
    discord_grants(&test, USER, 0x20, "identify").await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let answer = open(&test, &link(task))
        .await
        .come_back(&test, "good")
        .await;
    assert_eq!(error(answer).await, (400, "missing_scope".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn discords_limits_and_outages_are_passed_on() {
    for (status, expected) in [
        (429, (429, "discord_rate_limited")),
        (500, (502, "discord_unexpected")),
    ] {
        let test = TestServer::start().await;
        Mock::given(path("/api/v10/oauth2/token"))
            .respond_with(ResponseTemplate::new(status).insert_header("retry-after", "7.2"))
            .mount(&test.discord)
            .await;
        let task = test.finished_task(server(GUILD), "a", CONTENT).await;
        let answer = open(&test, &link(task))
            .await
            .come_back(&test, "good")
            .await;
        if status == 429 {
            assert_eq!(header(&answer, "retry-after"), "8");
        }
        let (status, code) = error(answer).await;
        assert_eq!((status, code.as_str()), expected);
        test.stop().await;
    }
}

#[tokio::test]
async fn without_an_application_the_login_says_what_to_configure() {
    let test = TestServer::start_with(|config, _| config.discord_auth.client_secret = None).await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let login = header(&test.get(&link(task)).await, "location");
    assert_eq!(
        error(test.get(&login).await).await,
        (503, "not_configured".to_owned())
    );
    test.stop().await;
}

#[tokio::test]
async fn cookies_are_secure_when_the_api_is_https() {
    let test = TestServer::start_with(|config, _| {
        config.sites.api = "https://api.test".parse().unwrap();
    })
    .await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let login = header(&test.get(&link(task)).await, "location");
    let begun = test.get(&login).await;
    assert!(header(&begun, "set-cookie").ends_with("; Secure"));
    assert_eq!(
        query(&header(&begun, "location"))["redirect_uri"],
        "https://api.test/ioauth/login"
    );
    test.stop().await;
}

#[tokio::test]
async fn links_expire_cannot_be_forged_and_take_ranges() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let task = test.finished_task(server(GUILD), "a", CONTENT).await;
    let proven = open(&test, &link(task)).await.proven(&test).await;
    let file = header(&test.get(&proven).await, "location");

    let part = async |range: &str| {
        test.request(&file)
            .header("range", range)
            .send()
            .await
            .unwrap()
    };
    let middle = part("bytes=2-4").await;
    assert_eq!(middle.status(), 206);
    assert_eq!(header(&middle, "content-range"), "bytes 2-4/10");
    assert_eq!(middle.bytes().await.unwrap(), &CONTENT[2..5]);
    assert_eq!(part("bytes=-3").await.bytes().await.unwrap(), &CONTENT[7..]);
    let outside = part("bytes=10-").await;
    assert_eq!(header(&outside, "content-range"), "bytes */10");
    assert_eq!(
        error(outside).await,
        (416, "range_not_satisfiable".to_owned())
    );

    let tampered = file.replace("exp=17", "exp=18");
    assert_ne!(tampered, file);
    assert_eq!(
        error(test.get(&tampered).await).await,
        (403, "forbidden".to_owned())
    );
    assert_eq!(
        error(test.get(&format!("/tasks/{task}/output")).await)
            .await
            .0,
        400
    );
    test.clock.advance(Duration::from_secs(600));
    assert_eq!(
        error(test.get(&file).await).await,
        (403, "forbidden".to_owned())
    );
    test.stop().await;
}

#[tokio::test]
async fn a_missing_output_is_404() {
    let test = TestServer::start().await;
    discord_knows(&test, USER, 0x20).await;
    let pending = test.task(server(GUILD)).await;
    let proven = open(&test, &link(pending)).await.proven(&test).await;
    assert_eq!(
        error(test.get(&proven).await).await,
        (404, "not_found".to_owned())
    );
    test.stop().await;
}

/// Where the bot is the judge, Discord's list of servers is not even asked for.
#[tokio::test]
async fn the_bot_says_who_may_download_what_a_job_left() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    discord_grants(&test, USER, 0, "identify").await;
    for (guild, status) in [(GUILD, 302), (OTHER_GUILD, 403)] {
        let task = test
            .finished_task(server(guild), "b.iblfile", CONTENT)
            .await;
        let link = format!("/jobs/{task}/ioauth/download-link");
        let browser = open(&test, &link).await;
        assert_eq!(query(&browser.consent)["scope"], "identify");
        let answer = test.get(&browser.proven(&test).await).await;
        assert_eq!(answer.status(), status, "{guild}");
    }
    let asked = test.discord.received_requests().await.unwrap();
    let guilds = asked
        .iter()
        .filter(|request| request.url.path().ends_with("/guilds"));
    assert_eq!(guilds.count(), 0);
    test.stop().await;
}
