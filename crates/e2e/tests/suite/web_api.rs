//! The web API as a program meets it: log in on the consent page, make a token, order a backup, fetch
//! it, take rights and token away.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform, signal};
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
    let mut follower = Follower::new(api, token);
    assert!(follower.next("ready").await["version"].is_i64());
    let order = json!({"Options": {"BackupMessages": false}});
    let create = format!("{jobs}/guild_create_backup");
    let created = api.ok(Method::POST, &create, token, order).await;
    let id = created["task_id"].as_str().unwrap().to_owned();
    // The webserver dies once it has told that there is a job. Whoever comes back misses nothing.
    while follower.next("job").await["id"] != id.as_str() {}
    let webserver = platform.ready.pids.daemon("webserver").unwrap();
    signal(webserver, Signal::SIGKILL).unwrap();
    follower.is_cut_off();
    loop {
        let told = follower.next("job").await;
        assert_ne!(told["state"], "failed", "{told}");
        if told["id"] == id.as_str() && told["state"] == "completed" {
            break;
        }
    }
    assert_eq!(follower.opened, 2, "once before and once after it");
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
    brought(api, token, bytes).await;
    renewed(api, &id).await;
    consented(api).await;

    let end = format!("/sessions/{}", made["session_id"].as_str().unwrap());
    let ended = api.send(Method::DELETE, &end, &login, Value::Null).await;
    assert_eq!(ended.status(), 204);
    assert_eq!(api.get(&jobs, token).await.status(), 401);
    assert_eq!(api.get(&jobs, &login).await.status(), 200);
    platform.stop().await.unwrap();
}

/// Follows a server as `EventSource` does.
struct Follower<'a> {
    api: &'a Api<'a>,
    token: String,
    stream: Option<Response>,
    text: String,
    /// Of the last event that was read.
    last: Option<String>,
    /// Streams.
    opened: usize,
}

impl<'a> Follower<'a> {
    fn new(api: &'a Api<'a>, token: &str) -> Self {
        Self {
            api,
            token: token.to_owned(),
            stream: None,
            text: String::new(),
            last: None,
            opened: 0,
        }
    }

    /// Whatever else this stream said is not read.
    fn is_cut_off(&mut self) {
        (self.stream, self.text) = (None, String::new());
    }

    /// The data of the next event of this name. It comes back with the last id where a stream ended.
    async fn next(&mut self, name: &str) -> Value {
        let found = async {
            loop {
                while let Some(at) = self.text.find("\n\n") {
                    let event: String = self.text.drain(..at + 2).collect();
                    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                    let came_back = self.last.is_some();
                    self.last = field("id: ").map(str::to_owned).or(self.last.take());
                    let Some(data) = field("data: ") else {
                        continue;
                    };
                    let data: Value = serde_json::from_str(data).unwrap();
                    if field("event: ") == Some("ready") && came_back {
                        assert_eq!(data["reset"], false, "something was missed: {data}");
                    }
                    if field("event: ") == Some(name) {
                        return data;
                    }
                }
                match self.part().await {
                    Some(part) => self.text.push_str(&part),
                    None => self.is_cut_off(),
                }
            }
        };
        tokio::time::timeout(JOB_LIMIT, found).await.expect(name)
    }

    /// `None`: the stream has ended, or there was none.
    async fn part(&mut self) -> Option<String> {
        if self.stream.is_none() {
            let path = format!("/guilds/{GUILD}/events");
            let request = self.api.http.get(self.api.url(&path));
            let mut request = request.header("authorization", format!("User {}", self.token));
            if let Some(last) = &self.last {
                request = request.header("last-event-id", last);
            }
            // While there is no webserver nobody answers.
            let answer = request.send().await;
            let Some(stream) = answer.ok().filter(|answer| answer.status() == 200) else {
                tokio::time::sleep(Duration::from_millis(250)).await;
                return None;
            };
            self.stream = Some(stream);
            self.opened += 1;
        }
        let part = self.stream.as_mut()?.chunk().await.ok()??;
        Some(String::from_utf8(part.to_vec()).unwrap())
    }
}

/// The file that was fetched is brought back, and good for a plan; nobody else may bring one.
async fn brought(api: &Api<'_>, limited: &str, bytes: Vec<u8>) {
    let at = format!("/guilds/{GUILD}/backups");
    let send = async |token: &str, body: Vec<u8>| {
        let request = api.http.post(api.url(&at)).body(body);
        let request = request.header("authorization", format!("User {token}"));
        request.send().await.unwrap()
    };
    assert_eq!(send(limited, vec![1]).await.status(), 403);
    let owner = api.log_in(OWNER).await;
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let refused = send(&owner, damaged).await;
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["code"], "invalid_backup", "{refused}");
    let digest = Sha256::digest(&bytes);
    let kept = send(&owner, bytes).await;
    assert_eq!(kept.status(), 200);
    let kept: Value = kept.json().await.unwrap();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (&kept["sha256"], &kept["encrypted"]),
        (&json!(digest), &json!(false))
    );
    let task = kept["task_id"].as_str().unwrap();
    let jobs = format!("/guilds/{GUILD}/jobs");
    let look = format!("{jobs}/{task}/inspect");
    let found = api.ok(Method::POST, &look, &owner, json!({})).await;
    assert_eq!(found["revision"], 7, "{found}");
    let plan = format!("{jobs}/guild_restore_backup/plan");
    let order = json!({"Options": {"BackupSource": task}});
    let planned = api.ok(Method::POST, &plan, &owner, order).await;
    let planned = format!("{jobs}/{}", planned["task_id"].as_str().unwrap());
    let planned = api.finished(&planned, &owner).await;
    assert_eq!(
        planned["task_info"]["task_fields"]["Options"]["Uploaded"], true,
        "{planned}"
    );
    let brought = format!("{jobs}/{task}");
    let gone = api.send(Method::DELETE, &brought, &owner, Value::Null);
    assert_eq!(gone.await.status(), 204);
    let gone = api.get(&brought, &owner).await;
    assert_eq!(gone.status(), 404);
}

/// A role is deleted, the backup restored: the map tells which new id is the old one's.
async fn renewed(api: &Api<'_>, backup: &str) {
    let owner = api.log_in(OWNER).await;
    let roles = format!("/guilds/{GUILD}/roles");
    let role = async || {
        let roles = backups::discord(api.platform, &roles).await.unwrap();
        let mut roles = roles.as_array().unwrap().iter();
        let role = roles.find(|role| role["name"] == "Regular");
        role.map(|role| role["id"].as_str().unwrap().to_owned())
    };
    let old = role().await.unwrap();
    let control = &api.platform.control;
    let path = format!("{roles}/{old}");
    let deleted = control.rest(OWNER, "DELETE", &path, Value::Null).await;
    assert_eq!(deleted.unwrap().status, 204);
    let order = json!({"Options": {"BackupSource": backup, "Parts": ["roles"],
        "RoleRestoreMode": "diff"}});
    let jobs = format!("/guilds/{GUILD}/jobs");
    let create = format!("{jobs}/guild_restore_backup");
    let created = api.ok(Method::POST, &create, &owner, order).await;
    let job = format!("{jobs}/{}", created["task_id"].as_str().unwrap());
    api.finished(&job, &owner).await;
    let new = role().await.unwrap();
    assert_ne!(new, old);
    let ids = format!("{job}/ids?kind=role");
    let ids = api.ok(Method::GET, &ids, &owner, Value::Null).await;
    let pair = json!({"kind": "role", "old": old, "new": new});
    assert!(ids["ids"].as_array().unwrap().contains(&pair), "{ids}");
    // What is wrong here, and at a glance, is told to whoever may know.
    let health = format!("/guilds/{GUILD}/health");
    let health = api.ok(Method::GET, &health, &owner, Value::Null).await;
    let finding = &health["findings"][0];
    assert!(
        finding["code"].is_string() && finding["text"].is_string(),
        "{health}"
    );
    let overview = format!("/guilds/{GUILD}/overview");
    let overview = api.ok(Method::GET, &overview, &owner, Value::Null).await;
    assert_eq!(
        overview["backups"]["newest"]["task_id"], backup,
        "{overview}"
    );
    assert_eq!(overview["health"]["mode"], health["mode"]);
    let file = format!("/guilds/{GUILD}/settings/export");
    let file = api.ok(Method::GET, &file, &owner, Value::Null).await;
    let import = format!("/guilds/{GUILD}/settings/import");
    let again = json!({"file": file["file"]});
    let planned = api.ok(Method::POST, &import, &owner, again).await;
    assert_eq!(
        planned["edits"],
        json!([]),
        "the same again changes nothing"
    );
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

/// Somebody lets the server bring them back, is thrown out, comes back, and takes it back.
async fn consented(api: &Api<'_>) {
    let cookie = patiently(async || {
        let answer = signed_in(api, PLAIN_MEMBER).await;
        (answer != Err(429)).then_some(answer)
    });
    let cookie = cookie.await.unwrap();
    let of_server = format!("/users/@me/consents/{GUILD}");
    let ask = async |method: Method, path: &str| {
        let request = api.http.request(method, api.url(path));
        let origin = api.url("/").origin().ascii_serialization();
        let request = request.header("cookie", &cookie).header("origin", origin);
        request.send().await.unwrap()
    };
    let given = async || {
        let list: Value = ask(Method::GET, "/users/@me/consents")
            .await
            .json()
            .await
            .unwrap();
        list["consents"].as_array().unwrap().len()
    };
    assert_eq!(given().await, 0);
    let begun = ask(Method::POST, &of_server).await;
    assert_eq!(begun.status(), 200);
    let nonce = begun.headers()["set-cookie"].to_str().unwrap();
    let jar = format!("{cookie}; {}", nonce.split(';').next().unwrap());
    let page: Value = begun.json().await.unwrap();
    let consent = Consent {
        authorize_url: page["url"].as_str().unwrap().to_owned(),
        allow: true,
        guild_id: None,
    };
    let consented = api.platform.control.consent(PLAIN_MEMBER, &consent).await;
    let back = api.http.get(consented.unwrap().location);
    let back = back.header("cookie", jar).send().await.unwrap();
    assert_eq!(back.status(), 302, "{}", back.text().await.unwrap());
    assert_eq!(given().await, 1);

    let member = format!("/guilds/{GUILD}/members/{PLAIN_MEMBER}");
    let rest = async |method: &str| {
        let done = api
            .platform
            .control
            .rest(OWNER, method, &member, Value::Null);
        done.await.unwrap().status
    };
    assert_eq!(rest("DELETE").await, 204);
    let owner = api.log_in(OWNER).await;
    let jobs = format!("/guilds/{GUILD}/jobs");
    let order = format!("{jobs}/guild_rejoin_members");
    let ordered = api.ok(Method::POST, &order, &owner, json!({})).await;
    let job = format!("{jobs}/{}", ordered["task_id"].as_str().unwrap());
    api.finished(&job, &owner).await;
    assert_eq!(rest("GET").await, 200);

    assert_eq!(ask(Method::DELETE, &of_server).await.status(), 204);
    assert_eq!(given().await, 0);
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
