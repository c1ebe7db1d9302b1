//! What a server's pages ask for first: how it is, what happened, what it has set as a file.

use crate::support::cluster::start;
use crate::support::{GUILD, TestServer, USER, error, server, user};
use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_storage::IncidentRow;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const INCIDENT: i64 = 700;
/// A role with powers of ours, and one that Discord gives more.
const HELPER: &str = "900";
const MODERATOR: &str = "901";

fn health() -> Value {
    json!({"mode": "on", "findings": [{"code": "hidden", "severity": "weak", "text": "Some are hidden."}],
        "steps": [{"id": "sight", "state": "open"}], "channels": 5,
        "hidden": [{"category": null, "channels": ["5"]}], "lacking": [], "own_role": "8",
        "roles_above": [], "alert_channel": null, "invite": "https://discord.test/"})
}

fn role(id: &str, permissions: &str) -> Value {
    json!({"id": id, "guild_id": GUILD.to_string(), "color": 0, "name": id, "permissions": permissions,
        "position": 1, "tags": {"bot_id": null, "integration_id": null, "subscription_listing_id": null},
        "icon": null, "unicode_emoji": null})
}

/// A bot that lets everybody look, but not at jobs.
async fn bot() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, asked) = query.as_object().unwrap().iter().next().unwrap();
        let home = GUILD.to_string();
        ResponseTemplate::new(200).set_body_json(match tag.as_str() {
            "GuildsStatus" => json!({home: "present"}),
            "CheckCommandPermission" => {
                json!({"is_ok": true, "permissions": "8", "perm_res": {"var": "Ok"}})
            }
            "CheckCommandPermissions" => {
                let ok = |name: &str| json!({"is_ok": name != "backups list", "perm_res": {"var": "Ok"}});
                let commands = asked["commands"].as_array().unwrap().iter();
                let commands = commands.map(|name| name.as_str().unwrap());
                let commands = commands.map(|name| (name.to_owned(), ok(name)));
                json!({"permissions": "8", "commands": Value::Object(commands.collect())})
            }
            "GuildHealth" => json!({"Ok": health()}),
            "BaseGuildUserInfo" => json!({"owner_id": "1", "name": "n", "icon": null, "user_roles": [],
                "bot_roles": [], "roles": {home.clone(): role(&home, "0"), HELPER: role(HELPER, "0"),
                    MODERATOR: role(MODERATOR, "8")}}),
            "ParsePermissionChecks" if asked["checks"]["checks"].is_null() => {
                let context = json!({"detail": "there can be 50 checks"});
                return ResponseTemplate::new(422).set_body_json(
                    json!({"code": "invalid_checks", "message": "no", "context": context}),
                );
            }
            "ParsePermissionChecks" => json!({"checks": asked["checks"], "text": "in words"}),
            "SettingsExport" => json!({"Ok": {"file": "form: 1"}}),
            "SettingsImport" if asked["plan_hash"] == "old" => {
                return ResponseTemplate::new(409)
                    .set_body_json(json!({"code": "plan_changed", "message": "look again"}));
            }
            "SettingsImport" => {
                let version = asked["plan_hash"].as_str().map(|_| 4);
                json!({"Ok": {"from": home, "hash": "ab", "version": version, "edits": []}})
            }
            other => panic!("{other}"),
        })
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

async fn ask(
    test: &TestServer,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> reqwest::Response {
    let token = test.token(user(USER)).await;
    let at = test.url(&format!("/guilds/{GUILD}/{path}"));
    let request = test.client.request(method, at);
    let request = request.header("authorization", format!("User {token}"));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap()
}

async fn incident(test: &TestServer, state: &str) {
    let document = json!({"acts_in_all": 2, "times": {"received": 5, "decided": 6, "sent": 9,
            "acknowledged": 90},
        "acts": [{"actor": "7", "kind": "channel_remove", "target": "5", "at": 5}],
        "calls": [{"call": {"key": {"rung": "take_roles", "subject": "7"}},
            "timing": {"sent": 9, "answered": 90}, "outcome": "done", "returned": false}]});
    let row = IncidentRow {
        guild: GuildId::new(GUILD).unwrap(),
        incident: INCIDENT,
        kind: "actor".to_owned(),
        mode: "on".to_owned(),
        state: state.to_owned(),
        document: document.to_string(),
        alert: None,
        // The database's clock says what was lately.
        updated_at: chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap(),
    };
    test.storage.protections().put_incident(&row).await.unwrap();
}

#[tokio::test]
async fn a_server_is_told_at_a_glance_without_what_is_not_theirs() {
    let iserver = bot().await;
    let test = start(&iserver).await;
    test.task(server(GUILD)).await;
    let look = async || -> Value {
        let answer = ask(&test, Method::GET, "overview", None).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    };
    let calm = look().await;
    assert_eq!(
        (&calm["state"], &calm["backups"]),
        (&json!("gaps"), &Value::Null)
    );
    assert_eq!(calm["health"], health());
    incident(&test, "containing").await;
    assert_eq!(look().await["state"], "attack_running");
    incident(&test, "contained").await;
    let stopped = look().await;
    assert_eq!(stopped["state"], "not_put_back");
    assert_eq!(stopped["incidents"][0]["id"], INCIDENT.to_string());
    let own: Value = ask(&test, Method::GET, "health", None)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(own, health());
    let path = format!("incidents/{INCIDENT}/timeline");
    let told: Value = ask(&test, Method::GET, &path, None)
        .await
        .json()
        .await
        .unwrap();
    let whats = [&told["entries"][0]["what"], &told["entries"][1]["what"]];
    assert_eq!(
        whats,
        [&json!("channel_remove"), &json!("take_roles")],
        "{told}"
    );
    assert_eq!(
        (&told["entries"][1]["at_ms"], &told["more_acts"]),
        (&json!(4), &json!(1))
    );
    let speed: Value = test.get("/reaction-times").await.json().await.unwrap();
    let expected = json!({"incidents": 1, "sent": {"p50_ms": 4, "p99_ms": 4},
        "acknowledged": {"p50_ms": 85, "p99_ms": 85}});
    assert_eq!(speed, expected);
    let none = ask(&test, Method::GET, "incidents/1/timeline", None).await;
    assert_eq!(error(none).await.0, 404);
    test.stop().await;
}

#[tokio::test]
async fn settings_are_planned_before_they_are_imported() {
    let iserver = bot().await;
    let test = start(&iserver).await;
    let file: Value = ask(&test, Method::GET, "settings/export", None)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(file, json!({"file": "form: 1"}));
    let import = async |body: Value| ask(&test, Method::POST, "settings/import", Some(body)).await;
    let planned: Value = import(file.clone()).await.json().await.unwrap();
    assert_eq!(
        (&planned["hash"], &planned["version"]),
        (&json!("ab"), &Value::Null)
    );
    let done = import(json!({"file": "form: 1", "plan_hash": "ab"})).await;
    assert_eq!(done.json::<Value>().await.unwrap()["version"], 4);
    let stale = import(json!({"file": "form: 1", "plan_hash": "old"})).await;
    assert_eq!(error(stale).await, (409, "plan_changed".to_owned()));
    let large = import(json!({"file": "#".repeat(300_000)})).await;
    assert_eq!(error(large).await, (400, "invalid_body".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn checks_are_shown_with_whom_they_let_in() {
    let iserver = bot().await;
    let test = start(&iserver).await;
    let preview = async |checks: Value| {
        let body = json!({"checks": checks});
        ask(&test, Method::POST, "permission-checks", Some(body)).await
    };
    let check = |kittycat: &[&str], native: &[&str]| {
        json!({"checks": [{"kittycat_perms": kittycat, "native_perms": native, "outer_and": false,
            "inner_and": false}], "checks_needed": 1})
    };
    let told = async |checks: Value| -> Value { preview(checks).await.json().await.unwrap() };
    let bits = told(check(&[], &["8"])).await;
    assert_eq!(
        (&bits["roles"], &bits["everybody"]),
        (&json!([MODERATOR]), &json!(false)),
        "{bits}"
    );
    assert_eq!(bits["text"], "in words");
    let powers = told(check(&["a.b"], &[])).await;
    assert_eq!(powers["roles"], json!([]), "nobody has that power");
    let nothing = told(json!({"checks": [], "checks_needed": 0})).await;
    assert_eq!(nothing["everybody"], true);
    let refused = preview(json!({"Template": {"template": "x"}})).await;
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "invalid_body");
    assert_eq!(body["context"]["checks"], "there can be 50 checks");
    test.stop().await;
}
