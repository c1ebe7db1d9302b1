//! The web API as a program meets it: log in on the consent page, make a token, order a backup, fetch
//! it, take rights and token away.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::Consent;
use tempfile::TempDir;
use url::Url;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const JOB_LIMIT: Duration = Duration::from_secs(180);

/// What a login comes to that Discord, which limits them, lets through: until then it begins anew.
async fn patiently<T>(mut login: impl AsyncFnMut() -> Option<T>) -> T {
    let tries = async {
        loop {
            if let Some(done) = login().await {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let limited = "Discord limits logins all the time";
    tokio::time::timeout(Duration::from_secs(60), tries)
        .await
        .expect(limited)
}

struct Api<'a> {
    platform: &'a Platform,
    http: Client,
}

impl Api<'_> {
    fn url(&self, path: &str) -> Url {
        self.platform
            .ready
            .api
            .as_ref()
            .unwrap()
            .join(path)
            .unwrap()
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Response {
        let request = self.http.request(method, self.url(path));
        let request = request.header("authorization", format!("User {token}"));
        let request = match body {
            Value::Null => request,
            body => request.json(&body),
        };
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        self.send(Method::GET, path, token, Value::Null).await
    }

    async fn ok(&self, method: Method, path: &str, token: &str, body: Value) -> Value {
        let answer = self.send(method.clone(), path, token, body).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status}: {body}");
        body
    }

    /// Through the simulated consent page, as the website does it.
    async fn log_in(&self, user: &str) -> String {
        let answer = patiently(async || {
            let answer = self.try_to_log_in(user).await;
            (answer["code"] != "discord_rate_limited").then_some(answer)
        });
        let answer = answer.await;
        assert_eq!(answer["user_id"], user, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    /// What the API answers to the code of the consent page.
    async fn try_to_log_in(&self, user: &str) -> Value {
        let config = self.http.get(self.url("/config")).send().await.unwrap();
        let config: Value = config.json().await.unwrap();
        assert_eq!(config["sandbox"], true);
        let text = |name: &str| config[name].as_str().unwrap().to_owned();
        let mut authorize: Url = text("authorize_url").parse().unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        authorize
            .query_pairs_mut()
            .append_pair("client_id", &text("client_id"))
            .append_pair("redirect_uri", &text("redirect_uri"))
            .append_pair("response_type", "code")
            .append_pair("scope", &text("scope"))
            .append_pair("state", "of this tab")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        // One press on the page, as a browser sends it.
        let form = [("user_id", user), ("decision", "allow")];
        let pressed = self.http.post(authorize).form(&form).send().await.unwrap();
        assert_eq!(pressed.status(), 302);
        let back = pressed.headers()["location"].to_str().unwrap();
        let back = Url::parse(back).unwrap();
        assert!(back.as_str().starts_with(&text("redirect_uri")), "{back}");
        let given = |name: &str| {
            let mut pairs = back.query_pairs();
            let found = pairs.find(|(key, _)| key == name);
            found.unwrap().1.into_owned()
        };
        assert_eq!(given("state"), "of this tab");
        let login = json!({"code": given("code"), "iss": given("iss"), "protocol": "a1",
            "redirect_uri": text("redirect_uri"), "scope": "normal", "code_verifier": VERIFIER});
        let answer = self.http.post(self.url("/oauth2")).json(&login);
        answer.send().await.unwrap().json().await.unwrap()
    }

    async fn finished(&self, path: &str, token: &str) -> Value {
        let wait = async {
            loop {
                let job = self.ok(Method::GET, path, token, Value::Null).await;
                match job["state"].as_str().unwrap() {
                    "completed" => return job,
                    "failed" => panic!("{job}"),
                    _ => tokio::time::sleep(Duration::from_millis(250)).await,
                }
            }
        };
        tokio::time::timeout(JOB_LIMIT, wait).await.unwrap()
    }
}

#[tokio::test]
async fn from_the_consent_page_to_a_revoked_token() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let redirects = reqwest::redirect::Policy::none();
    let http = Client::builder().redirect(redirects).build().unwrap();
    let api = &Api {
        platform: &platform,
        http,
    };
    let login = api.log_in(ADMINISTRATOR).await;

    let guilds = api.ok(Method::GET, "/users/@me/guilds", &login, Value::Null);
    let guilds = guilds.await;
    let has_bot = guilds["has_bot"].as_array().unwrap();
    assert!(has_bot.contains(&json!(GUILD)), "{guilds}");
    assert_eq!(guilds["unknown_guilds"], json!([]));
    let own = format!("/users/@me/guilds/{GUILD}");
    let info = api.ok(Method::GET, &own, &login, Value::Null).await;
    assert_eq!(info["owner_id"], OWNER);

    let make = json!({"name": "night backups", "type": "api", "expiry": 3600,
        "perm_limits": ["server_backups.create", "server_backups.list"]});
    let made = api.ok(Method::POST, "/sessions", &login, make).await;
    let token = made["token"].as_str().unwrap();
    may(api, token).await;
    changes(api, &login).await;

    let jobs = format!("/guilds/{GUILD}/jobs");
    let order = json!({"Options": {"BackupMessages": false}});
    let create = format!("{jobs}/guild_create_backup");
    let created = api.ok(Method::POST, &create, token, order).await;
    let id = created["task_id"].as_str().unwrap().to_owned();
    let job = api.finished(&format!("{jobs}/{id}"), token).await;
    assert!(!job["output"].is_null(), "{job}");
    let link = api.url(&format!("/tasks/{id}/ioauth/download-link"));
    let (name, bytes) = patiently(async || {
        let fetched = backups::download(&platform, &link, ADMINISTRATOR).await;
        let limited = |error: &anyhow::Error| error.to_string().contains("discord_rate_limited");
        (!fetched.as_ref().is_err_and(limited)).then(|| fetched.unwrap())
    })
    .await;
    assert!(name.ends_with(".iblfile") && !bytes.is_empty(), "{name}");

    // Somebody else who logs in sees none of it.
    let stranger = api.log_in(PLAIN_MEMBER).await;
    for path in [
        jobs.clone(),
        format!("{jobs}/{id}"),
        format!("/guilds/{GUILD}/incidents"),
    ] {
        let answer = api.get(&path, &stranger).await;
        assert_eq!(answer.status(), 403, "{path}");
        assert_eq!(
            answer.headers()["x-error-type"],
            "permission_check",
            "{path}"
        );
    }
    operators(api).await;

    let end = format!("/sessions/{}", made["session_id"].as_str().unwrap());
    let ended = api.send(Method::DELETE, &end, &login, Value::Null).await;
    assert_eq!(ended.status(), 204);
    assert_eq!(api.get(&jobs, token).await.status(), 401);
    assert_eq!(api.get(&jobs, &login).await.status(), 200);
    platform.stop().await.unwrap();
}

/// A limited token of an administrator is good for its limits alone.
async fn may(api: &Api<'_>, token: &str) {
    let commands = [
        "backups create",
        "backups list",
        "backups restore",
        "guild_roles update",
    ];
    let question = json!({"commands": commands});
    let path = format!("/guilds/{GUILD}/permissions");
    let answer = api.ok(Method::POST, &path, token, question).await;
    let allowed = commands.map(|command| answer["commands"][command]["allowed"].clone());
    assert_eq!(allowed, [true, true, false, false], "{answer}");
    let restore = format!("/guilds/{GUILD}/jobs/guild_restore_backup");
    let refused = api.send(Method::POST, &restore, token, json!({})).await;
    assert_eq!(refused.status(), 403);
}

/// A setting is changed, shown, remembered and taken back.
async fn changes(api: &Api<'_>, login: &str) {
    let settings = format!("/guilds/{GUILD}/settings");
    let operation = |operation: &str, fields: Value| {
        json!({"operation": operation, "module": "settings",
            "setting": "command_configuration", "fields": fields})
    };
    let off = operation("Create", json!({"command": "ping", "disabled": true}));
    let changed = api.ok(Method::POST, &settings, login, off).await;
    let version = changed["version"].as_i64().unwrap();
    let view = operation("View", json!({}));
    let rows = async || {
        let shown = api.ok(Method::POST, &settings, login, view.clone()).await;
        shown["fields"].as_array().unwrap().len()
    };
    assert_eq!(rows().await, 1);
    let history = format!("{settings}/history");
    let past = api.ok(Method::GET, &history, login, Value::Null).await;
    assert_eq!(past["changes"][0]["version"], version, "{past}");
    assert_eq!(past["changes"][0]["by"], ADMINISTRATOR);
    let back = format!("{history}/{version}/rollback");
    api.ok(Method::POST, &back, login, json!({})).await;
    assert_eq!(rows().await, 0);
    let wrong = operation(
        "Create",
        json!({"command": "no such command", "disabled": true}),
    );
    let refused = api.send(Method::POST, &settings, login, wrong).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.headers()["x-error-type"], "settings_error");
}

/// The owner of the installation signs in to the operators' page, where no proxy stands in front.
async fn operators(api: &Api<'_>) {
    let page = |cookie: String| {
        let request = api.http.get(api.url("/mewld/api/ping"));
        async move {
            request
                .header("cookie", cookie)
                .send()
                .await
                .unwrap()
                .status()
        }
    };
    assert_eq!(page(String::new()).await, 401);
    let signed_in = async |user| {
        patiently(async || {
            let answer = signed_in(api, user).await;
            (answer != Err(429)).then_some(answer)
        })
        .await
    };
    // Everybody signs in alike, and some are operators.
    assert_eq!(page(signed_in(PLAIN_MEMBER).await.unwrap()).await, 401);
    let cookie = signed_in(OWNER).await.unwrap();
    assert_eq!(page(cookie.clone()).await, 200);
    // No other site has a browser do anything there.
    let command = json!({"scope": "launcher", "action": "restart", "args": {"id": 7}});
    let foreign = api
        .http
        .post(api.url("/mewld/api/redis/pub"))
        .json(&command);
    let foreign = foreign
        .header("cookie", cookie)
        .header("origin", "https://evil.test");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}

/// The cookie, or the status of what refused.
async fn signed_in(api: &Api<'_>, user: &str) -> Result<String, u16> {
    let mut next = api.url("/login?to=/mewld/");
    let mut jar = String::new();
    loop {
        if next.path().ends_with("/oauth2/authorize") {
            let consent = Consent {
                authorize_url: next.to_string(),
                allow: true,
                guild_id: None,
            };
            let consented = api.platform.control.consent(user, &consent).await.unwrap();
            next = consented.location.parse().unwrap();
            continue;
        }
        let request = api.http.get(next.clone()).header("cookie", &jar);
        let answer = request.send().await.unwrap();
        if answer.status() != 302 {
            return Err(answer.status().as_u16());
        }
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let pair = cookie.split(';').next().unwrap();
            if pair.starts_with("session=") {
                assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
                return Ok(pair.to_owned());
            }
            jar = format!("{jar}; {pair}");
        }
        let location = answer.headers()["location"].to_str().unwrap();
        next = next.join(location).unwrap();
    }
}
