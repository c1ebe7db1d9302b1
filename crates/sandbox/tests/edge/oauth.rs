//! Sheet §10: consent, codes, tokens, and what a token opens.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::types::{Act, Consent};
use splashtail_sandbox_world::seed::small;
use url::Url;

use crate::client::{Bench, bench};

pub const REDIRECT: &str = "http://127.0.0.1:9/ioauth/login";

fn authorize_url(b: &Bench, extra: &[(&str, &str)]) -> String {
    let mut url = Url::parse(&b.url("/oauth2/authorize")).unwrap();
    let app = small::APPLICATION.to_string();
    let base = [
        ("response_type", "code"),
        ("client_id", app.as_str()),
        ("scope", "identify guilds"),
        ("redirect_uri", REDIRECT),
        ("state", "s t&ate"),
    ];
    for (key, value) in base {
        let value = extra
            .iter()
            .find(|(k, _)| *k == key)
            .map_or(value, |(_, v)| v);
        url.query_pairs_mut().append_pair(key, value);
    }
    for (key, value) in extra
        .iter()
        .filter(|(k, _)| !base.iter().any(|(b, _)| b == k))
    {
        url.query_pairs_mut().append_pair(key, value);
    }
    url.into()
}

async fn consent(b: &Bench, url: &str, allow: bool) -> Url {
    let consent = Consent {
        authorize_url: url.to_owned(),
        allow,
        guild_id: None,
    };
    let ctl = b.running.client().unwrap();
    let location = ctl
        .consent(&small::ADMIN.to_string(), &consent)
        .await
        .unwrap()
        .location;
    Url::parse(&location).unwrap()
}

fn parameter(url: &Url, wanted: &str) -> Option<String> {
    url.query_pairs()
        .find(|(k, _)| k == wanted)
        .map(|(_, v)| v.into_owned())
}

pub async fn exchange(b: &Bench, fields: &[(&str, &str)]) -> (u16, Value) {
    let app = small::APPLICATION.to_string();
    let mut form = vec![
        ("client_id", app.as_str()),
        ("client_secret", small::CLIENT_SECRET),
    ];
    for (key, value) in fields {
        form.retain(|(k, _)| k != key);
        form.push((key, value));
    }
    let answer = b
        .http
        .post(b.url("/api/oauth2/token"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

pub async fn code(b: &Bench, extra: &[(&str, &str)]) -> String {
    parameter(&consent(b, &authorize_url(b, extra), true).await, "code").unwrap()
}

async fn get(b: &Bench, token: &str, path: &str) -> (u16, Value) {
    let answer = b
        .http
        .get(b.url(&format!("/api/v10{path}")))
        .header("authorization", format!("Bearer {token}"))
        .header("user-agent", "test")
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_code_becomes_tokens_and_a_token_opens_what_its_scopes_say() {
    let b = bench().await;
    let location = consent(&b, &authorize_url(&b, &[]), true).await;
    assert!(location.as_str().starts_with(REDIRECT));
    assert_eq!(parameter(&location, "state").unwrap(), "s t&ate");
    let code = parameter(&location, "code").unwrap();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
    ];
    let (status, tokens) = exchange(&b, &grant).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 604_800);
    assert_eq!(tokens["scope"], "identify guilds");
    let (status, error) = exchange(&b, &grant).await;
    assert_eq!(
        (status, &error["error"]),
        (400, &json!("invalid_grant")),
        "codes work once"
    );
    let access = tokens["access_token"].as_str().unwrap();
    let (status, me) = get(&b, access, "/users/@me").await;
    assert_eq!(status, 200, "{me}");
    assert_eq!(me["id"], small::ADMIN.to_string());
    assert!(me.get("email").is_none_or(Value::is_null), "no email scope");
    let (status, guilds) = get(&b, access, "/users/@me/guilds").await;
    assert_eq!(status, 200);
    assert_eq!(guilds.as_array().unwrap().len(), 4);
    assert_eq!(guilds[0]["owner"], false);
    assert!(guilds[0]["permissions"].is_string());
    let (status, _) = get(
        &b,
        access,
        &format!("/users/@me/guilds/{}/member", small::GUILDS[0]),
    )
    .await;
    assert_eq!(status, 403, "guilds.members.read is missing");
    let (status, about) = get(&b, access, "/oauth2/@me").await;
    assert_eq!(status, 200);
    assert_eq!(about["user"]["id"], small::ADMIN.to_string());
    assert_eq!(about["scopes"], json!(["identify", "guilds"]));
    // A refresh gives a new pair and ends the old one; revoking ends both halves.
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (status, renewed) = exchange(
        &b,
        &[("grant_type", "refresh_token"), ("refresh_token", refresh)],
    )
    .await;
    assert_eq!(status, 200);
    b.clock.advance(Duration::from_secs(2));
    assert_eq!(get(&b, access, "/users/@me").await.0, 401);
    let access = renewed["access_token"].as_str().unwrap();
    assert_eq!(get(&b, access, "/users/@me").await.0, 200);
    let app = small::APPLICATION.to_string();
    let form = [
        ("client_id", app.as_str()),
        ("client_secret", small::CLIENT_SECRET),
        ("token", renewed["refresh_token"].as_str().unwrap()),
    ];
    let answer = b
        .http
        .post(b.url("/api/v10/oauth2/token/revoke"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(get(&b, access, "/users/@me").await.0, 401);
}

#[tokio::test]
async fn the_email_needs_its_scope() {
    let b = bench().await;
    let code = code(&b, &[("scope", "identify email")]).await;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
    ];
    let (_, tokens) = exchange(&b, &grant).await;
    let (_, me) = get(&b, tokens["access_token"].as_str().unwrap(), "/users/@me").await;
    assert!(me.get("email").is_some());
}

#[tokio::test]
async fn pkce_is_verified() {
    let b = bench().await;
    let (verifier, challenge) = (
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    );
    let with = [
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    for (given, expected) in [(None, 400), (Some("wrong"), 400), (Some(verifier), 200)] {
        let code = code(&b, &with).await;
        let mut grant = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
        ];
        grant.extend(given.map(|v| ("code_verifier", v)));
        assert_eq!(exchange(&b, &grant).await.0, expected, "{given:?}");
    }
}

#[tokio::test]
async fn denial_goes_back_with_an_error() {
    let b = bench().await;
    let location = consent(&b, &authorize_url(&b, &[]), false).await;
    assert_eq!(parameter(&location, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&location, "state").unwrap(), "s t&ate");
    assert!(parameter(&location, "code").is_none());
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let b = bench().await;
    let bad = [
        ("redirect_uri", "http://evil.test/ioauth/login"),
        ("redirect_uri", "http://127.0.0.1:9/ioauth/login/"),
        ("client_id", "1"),
        ("scope", "identify everything"),
        ("response_type", "token"),
    ];
    for row in bad {
        let answer = b.http.get(authorize_url(&b, &[row])).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{row:?}");
        assert!(answer.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn the_page_lists_users_and_preselects_one() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let preselect = Consent {
        authorize_url: String::new(),
        allow: true,
        guild_id: None,
    };
    ctl.consent(&small::MANAGER.to_string(), &preselect)
        .await
        .unwrap();
    let url = authorize_url(&b, &[("state", "\"><script>")]);
    let page = b.http.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&format!(r#"<option value="{}" selected>"#, small::MANAGER)));
    assert!(page.contains(&small::OWNER.to_string()));
    let at_once = format!(r#"<button name="user_id" value="{}">"#, small::MEMBER);
    assert!(page.contains(&at_once), "one press is enough");
    assert!(!page.contains("<script>"));
    // The form leads to the same place as the control call.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let form = [
        ("user_id", small::MEMBER.to_string()),
        ("decision", "allow".to_owned()),
    ];
    let answer = client.post(&url).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(parameter(&location, "state").unwrap(), "\"><script>");
    let code = parameter(&location, "code").unwrap();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
    ];
    let (_, tokens) = exchange(&b, &grant).await;
    let (_, me) = get(&b, tokens["access_token"].as_str().unwrap(), "/users/@me").await;
    assert_eq!(me["id"], small::MEMBER.to_string());
}

#[tokio::test]
async fn pages_of_other_sites_consent_to_nothing() {
    let b = bench().await;
    let url = authorize_url(&b, &[]);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let press = |name: &'static str, value: &'static str| {
        let form = [
            ("user_id", small::MEMBER.to_string()),
            ("decision", "allow".to_owned()),
        ];
        let press = client.post(&url).form(&form).header(name, value);
        async move { press.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(press("origin", "http://evil.test").await, 403);
    assert_eq!(press("sec-fetch-site", "same-site").await, 403);
    assert_eq!(press("sec-fetch-site", "same-origin").await, 302);
    // People come from elsewhere, and pictures are shown there.
    let page = client.get(&url).header("sec-fetch-site", "cross-site");
    assert_eq!(page.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_token_endpoint_takes_forms_of_known_clients_only() {
    let b = bench().await;
    let json_body = b
        .http
        .post(b.url("/api/v10/oauth2/token"))
        .json(&json!({"grant_type": "client_credentials"}))
        .send()
        .await
        .unwrap();
    assert_eq!(json_body.status(), 400);
    let (status, error) = exchange(
        &b,
        &[
            ("grant_type", "client_credentials"),
            ("client_secret", "no"),
        ],
    )
    .await;
    assert_eq!((status, &error["error"]), (401, &json!("invalid_client")));
    let (status, error) = exchange(&b, &[("grant_type", "password")]).await;
    assert_eq!(
        (status, &error["error"]),
        (400, &json!("unsupported_grant_type"))
    );
    // By Basic authentication.
    let answer = b
        .http
        .post(b.url("/api/v10/oauth2/token"))
        .basic_auth(small::APPLICATION.to_string(), Some(small::CLIENT_SECRET))
        .form(&[("grant_type", "client_credentials"), ("scope", "identify")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let tokens: Value = answer.json().await.unwrap();
    assert!(tokens.get("refresh_token").is_none());
}

async fn limits(b: &Bench, rules: Value) {
    let ctl = b.running.client().unwrap();
    let set = ctl.call::<Value>(http::Method::POST, "/ctl/limits", &rules);
    set.await.unwrap();
}

const OF_APPLICATION: [(&str, &str); 2] =
    [("grant_type", "client_credentials"), ("scope", "identify")];

#[tokio::test]
async fn tokens_are_given_within_limits() {
    let b = bench().await;
    let few = json!({"oauth2_token": {"limit": 1, "per_ms": 5000}});
    limits(&b, json!({"buckets": few})).await;
    assert_eq!(exchange(&b, &OF_APPLICATION).await.0, 200);
    let (status, over) = exchange(&b, &OF_APPLICATION).await;
    assert_eq!((status, &over["retry_after"]), (429, &json!(5.0)));
    let revoked = b
        .http
        .post(b.url("/api/oauth2/token/revoke"))
        .basic_auth(small::APPLICATION.to_string(), Some(small::CLIENT_SECRET))
        .form(&[("token", "none")])
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 200, "it has a limit of its own");
    assert_eq!(revoked.headers()["x-ratelimit-limit"], "50");
    b.clock.advance(Duration::from_secs(5));
    assert_eq!(exchange(&b, &OF_APPLICATION).await.0, 200);
}

#[tokio::test]
async fn wrong_secrets_lead_to_the_block_which_closes_oauth2_too() {
    let b = bench().await;
    limits(&b, json!({"invalid": {"limit": 2, "per_ms": 600_000}})).await;
    for _ in 0..2 {
        let wrong = [
            ("grant_type", "client_credentials"),
            ("client_secret", "no"),
        ];
        assert_eq!(exchange(&b, &wrong).await.0, 401);
    }
    let (status, told) = exchange(&b, &OF_APPLICATION).await;
    assert_eq!((status, &told["code"]), (429, &json!(0)), "{told}");
    let url = authorize_url(&b, &[]);
    assert_eq!(b.http.get(&url).send().await.unwrap().status(), 429);
    let bot = b.bot("GET", "/users/@me").send().await.unwrap();
    assert_eq!(bot.status(), 429);
    b.clock.advance(Duration::from_secs(600));
    assert_eq!(exchange(&b, &OF_APPLICATION).await.0, 200);
    assert_eq!(b.http.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_bot_that_cannot_come_is_not_said_to_have_come() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let app = ctl.create_app(&Default::default()).await.unwrap();
    let guild = small::GUILDS[0];
    let consent = Consent {
        authorize_url: b.url(&format!(
            "/oauth2/authorize?client_id={}&scope=bot&guild_id={guild}",
            app.id
        )),
        allow: true,
        guild_id: None,
    };
    let manager = small::MANAGER.to_string();
    let consents = async || match ctl.consent(&manager, &consent).await {
        Ok(_) => String::new(),
        Err(refused) => refused.to_string(),
    };
    let down = |on| {
        let sandbox = &b.running.edge.sandbox;
        sandbox.with_world(|world| world.set_outage(guild, on));
    };
    down(true);
    assert!(consents().await.contains("unavailable"));
    down(false);
    let ban = Act {
        guild_id: Some(guild.to_string()),
        target_id: Some(app.bot_id.clone()),
        ..Act::default()
    };
    let owner = small::OWNER.to_string();
    let banned = ctl.act(&owner, "ban", &ban).await.unwrap();
    assert_eq!(banned.results[0].status, 204, "{:?}", banned.results[0]);
    assert!(consents().await.contains("banned"));
    ctl.act(&owner, "unban", &ban).await.unwrap();
    assert_eq!(consents().await, "");
}

#[tokio::test]
async fn adding_a_bot_needs_manage_guild_and_leaves_audit_entries() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let app = ctl.create_app(&Default::default()).await.unwrap();
    let guild = small::GUILDS[0].to_string();
    let url = b.url(&format!(
        "/oauth2/authorize?client_id={}&scope=bot+applications.commands&permissions=1024&guild_id={guild}",
        app.id
    ));
    let consent = Consent {
        authorize_url: url,
        allow: true,
        guild_id: None,
    };
    assert!(
        ctl.consent(&small::MEMBER.to_string(), &consent)
            .await
            .is_err()
    );
    ctl.consent(&small::MANAGER.to_string(), &consent)
        .await
        .unwrap();
    let log = ctl
        .rest(
            &small::OWNER.to_string(),
            "GET",
            &format!("/guilds/{guild}/audit-logs?limit=10"),
            Value::Null,
        )
        .await
        .unwrap();
    assert_eq!(log.status, 200, "{}", log.body);
    let actions: Vec<u64> = log.body["audit_log_entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action_type"].as_u64().unwrap())
        .collect();
    assert!(
        actions.contains(&28) && actions.contains(&80),
        "{actions:?}"
    );
    let act = Act {
        guild_id: Some(guild),
        target_id: Some(app.bot_id),
        ..Act::default()
    };
    let again = ctl
        .act(&small::OWNER.to_string(), "kick", &act)
        .await
        .unwrap();
    assert_eq!(again.results[0].status, 204);
}

/// RFC 6749 §5.2: code, description and status of each refusal.
#[tokio::test]
async fn every_refusal_of_the_token_endpoint_has_its_error() {
    let b = bench().await;
    let other = b
        .running
        .client()
        .unwrap()
        .create_app(&Default::default())
        .await
        .unwrap();
    let redirect = ("redirect_uri", REDIRECT);
    let rows = [
        (
            vec![
                ("grant_type", "authorization_code"),
                ("code", "no"),
                redirect,
            ],
            400,
            "invalid_grant",
        ),
        (
            vec![
                ("grant_type", "authorization_code"),
                ("code", "{code}"),
                ("redirect_uri", "http://127.0.0.1:9/elsewhere"),
            ],
            400,
            "invalid_grant",
        ),
        (
            vec![
                ("grant_type", "authorization_code"),
                ("code", "{code}"),
                redirect,
                ("client_id", &other.id),
                ("client_secret", &other.client_secret),
            ],
            400,
            "invalid_grant",
        ),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "no")],
            400,
            "invalid_grant",
        ),
        (
            vec![("grant_type", "password")],
            400,
            "unsupported_grant_type",
        ),
        (vec![], 400, "unsupported_grant_type"),
        (
            vec![("grant_type", "client_credentials"), ("client_secret", "")],
            401,
            "invalid_client",
        ),
        (
            vec![("grant_type", "client_credentials"), ("client_id", "5")],
            401,
            "invalid_client",
        ),
    ];
    for (fields, status, error) in rows {
        let fresh = code(&b, &[]).await;
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(k, v)| (*k, if *v == "{code}" { fresh.as_str() } else { *v }))
            .collect();
        let (given, body) = exchange(&b, &fields).await;
        assert_eq!(
            (given, &body["error"]),
            (status, &json!(error)),
            "{fields:?}: {body}"
        );
        assert!(body["error_description"].is_string(), "{body}");
    }
    // A code is short-lived.
    let old = code(&b, &[]).await;
    b.clock.advance(Duration::from_secs(600));
    let late = [
        ("grant_type", "authorization_code"),
        ("code", &*old),
        redirect,
    ];
    assert_eq!(exchange(&b, &late).await.1["error"], "invalid_grant");
}
