//! The IServer's contract: encoding, statuses, and who may ask.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::DateTime;
use serde_json::{Value, json};
use splashtail_api_types::guilds::BaseGuildUserInfo;
use splashtail_bot::arguments::Cluster;
use splashtail_bot::cluster::{GuildPresence, ShardView};
use splashtail_bot::framework::check::{Checked, CommandChecks};
use splashtail_bot::iserver::{
    Answering, Answers, ApprovalAnswers, ApprovalQuestion, CLIENTS, Caches, ExportQuestion,
    GuildAnswers, HistoryQuestion, ImportQuestion, IncidentAnswers, IncidentQuestion, MAX_BODY,
    MAX_GUILDS, RollbackQuestion, SettingAnswers, SettingQuestion, SightQuestion, router,
};
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_core::ids::{ClusterId, GuildId, RoleId, ShardId, UserId};
use splashtail_ipc::http::{ErrorResponse, Readiness};
use splashtail_ipc::launcher::ShardHealth;
use splashtail_ipc::signing::{SignatureGate, Signer, Verifier};
use splashtail_permissions::{Permission, PermissionResult};
use tower::ServiceExt;

/// Guild 1 is here, guild 2 in an outage, guild 3 nowhere; ids of shard 1 are another cluster's.
struct View {
    cluster: Cluster,
    ready: bool,
}

#[async_trait]
impl ShardView for View {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(12_900)
    }

    fn is_ready(&self) -> bool {
        self.ready
    }

    fn guild(&self, guild: GuildId) -> GuildPresence {
        match guild.get() {
            1 => GuildPresence::Present,
            2 => GuildPresence::Unavailable,
            13 => panic!("guild 13"),
            id if (id >> 22) % 2 == 1 => GuildPresence::WrongCluster,
            _ => GuildPresence::Absent,
        }
    }

    async fn health(&self) -> Vec<ShardHealth> {
        let (shard_id, up) = (ShardId(0), true);
        vec![ShardHealth {
            shard_id,
            up,
            latency: 41.0,
            guilds: 12,
            users: 3400,
        }]
    }
}

/// User 7 owns every guild.
struct OwnersOnly;

#[async_trait]
impl CommandChecks for OwnersOnly {
    async fn checks(
        &self,
        _: GuildId,
        user: UserId,
        commands: &[String],
        custom: Option<Vec<Permission>>,
    ) -> Checked {
        assert_eq!(custom, None);
        let is_owner = user.get() == 7;
        let results = commands.iter().map(|command| match is_owner {
            true => PermissionResult::OkWithMessage {
                message: "owner".to_owned(),
            },
            false => PermissionResult::CommandDisabled {
                command: command.clone(),
            },
        });
        Checked {
            results: results.collect(),
            permissions: is_owner.then_some(u64::MAX),
        }
    }
}

/// Says what it understood.
struct Echo;

#[async_trait]
impl SettingAnswers for Echo {
    async fn answer(&self, question: SettingQuestion) -> Result<Value, ErrorResponse> {
        if question.setting == "nothing" {
            let status = StatusCode::NOT_FOUND;
            return Err(ErrorResponse::new(status, "unknown_setting", "no such"));
        }
        Ok(json!({"Ok": {"op": question.op, "fields": question.fields}}))
    }

    async fn history(&self, question: HistoryQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"below": question.below, "limit": question.limit}}))
    }

    async fn roll_back(&self, question: RollbackQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"version": question.version}}))
    }

    async fn export(&self, _: ExportQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"file": "form: 1"}}))
    }

    async fn import(&self, question: ImportQuestion) -> Result<Value, ErrorResponse> {
        let ImportQuestion {
            file,
            replace,
            plan_hash,
            ..
        } = question;
        Ok(json!({"Ok": {"file": file, "replace": replace, "hash": plan_hash}}))
    }
}

#[async_trait]
impl IncidentAnswers for Echo {
    async fn act(&self, question: IncidentQuestion) -> Result<Value, ErrorResponse> {
        let with = (question.plan_hash, question.job);
        let message = match with {
            (None, None) => question.act,
            with => format!("{} {with:?}", question.act),
        };
        Ok(json!({"Ok": {"message": message}}))
    }

    async fn panic(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"is_on": false, "for": question.user_id}}))
    }
}

#[async_trait]
impl ApprovalAnswers for Echo {
    async fn look(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        let limits = question.custom_resolved_kittycat_perms;
        Ok(match limits {
            None => json!({"Ok": {}}),
            Some(_) => json!({"PermissionError": {"res": {"var": "ModuleNotFound"}}}),
        })
    }

    async fn hear(&self, question: ApprovalQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"message": question.answer}}))
    }
}

/// One member, 7, of guild 1.
struct OneGuild;

#[async_trait]
impl GuildAnswers for OneGuild {
    async fn info(&self, guild: GuildId, user: UserId) -> Result<BaseGuildUserInfo, ErrorResponse> {
        let missing = |code: &str| ErrorResponse::new(StatusCode::NOT_FOUND, code, "not here");
        match (guild.get(), user.get()) {
            (1, 7) => Ok(BaseGuildUserInfo {
                owner_id: user,
                name: "Harbour".to_owned(),
                icon: None,
                roles: BTreeMap::new(),
                user_roles: vec![RoleId::new(900).unwrap()],
                bot_roles: Vec::new(),
            }),
            (1, _) => Err(missing("unknown_member")),
            _ => Err(missing("unknown_guild")),
        }
    }

    async fn health(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        Ok(json!({"Ok": {"mode": "on", "for": question.user_id}}))
    }
}

/// What was invalidated and toggled.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Caches for Told {
    fn invalidate(&self, guild: GuildId, user: Option<UserId>) {
        self.0.lock().unwrap().push(format!("{guild} {user:?}"));
    }

    fn toggle(
        &self,
        guild: Option<GuildId>,
        module: &str,
        enabled: bool,
    ) -> Result<(), ErrorResponse> {
        if module == "core" {
            let status = StatusCode::CONFLICT;
            return Err(ErrorResponse::new(status, "not_toggleable", "it stays"));
        }
        let told = format!("{guild:?} {module} {enabled}");
        self.0.lock().unwrap().push(told);
        Ok(())
    }
}

fn server(ready: bool) -> Router {
    server_that_tells(ready, Arc::default())
}

fn server_that_tells(ready: bool, told: Arc<Told>) -> Router {
    let cluster = Cluster {
        name: "Flare".to_owned(),
        shards: vec![ShardId(0), ShardId(1)],
        ..Cluster::alone(2)
    };
    let secrets = ["api", "bot", "cli"].map(|client| (client.to_owned(), client.into()));
    let verifier = Verifier::new(
        BTreeMap::from(secrets),
        "iserver:0",
        false,
        clock(START).shared(),
    );
    let gate = SignatureGate::new(verifier, &CLIENTS, MAX_BODY);
    let answers = Answers::default();
    let answering = Answering {
        modules: json!({"core": {"id": "core"}, "a": {"id": "a"}}),
        checks: Arc::new(OwnersOnly),
        settings: Arc::new(Echo),
        incidents: Arc::new(Echo),
        approvals: Arc::new(Echo),
        guilds: Arc::new(OneGuild),
        caches: told,
    };
    assert!(answers.set(answering).is_ok());
    router(
        Arc::new(View { cluster, ready }),
        answers,
        gate,
        Readiness::new(SystemClock::shared()),
        || "bot_ready 1\n".to_owned(),
    )
}

fn signer(client: &str, cluster: u16) -> Signer {
    let tag = format!("iserver:{}", ClusterId(cluster));
    Signer::new(client, client.into(), tag, clock(START + 1).shared())
}

/// Of servers; calls are signed a second later.
const START: i64 = 1_700_000_000;

fn clock(at: i64) -> ManualClock {
    ManualClock::new(DateTime::from_timestamp(at, 0).unwrap())
}

struct Answer {
    status: u16,
    body: String,
    headers: axum::http::HeaderMap,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Every refusal has the common shape.
    fn code(&self) -> String {
        let body = self.json();
        assert!(!body["message"].as_str().unwrap().is_empty());
        body["code"].as_str().unwrap().to_owned()
    }
}

async fn send(server: Router, request: Request<Body>) -> Answer {
    let response = server.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer {
        status: parts.status.as_u16(),
        body,
        headers: parts.headers,
    }
}

fn signed(signer: &Signer, content_type: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::post("/");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    for (name, value) in signer.headers("POST", "/", None, body.as_bytes()).unwrap() {
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn ask(body: &str) -> Answer {
    send(
        server(true),
        signed(&signer("api", 0), Some("application/json"), body),
    )
    .await
}

async fn get(server: Router, path: &str) -> Answer {
    send(server, Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn queries_and_their_bare_answers() {
    let shard_1 = (1u64 << 22).to_string();
    for (query, expected) in [
        (
            r#"{"GuildsExist":{"guilds":["1","3","1"]}}"#.to_owned(),
            json!([1, 0, 1]),
        ),
        (
            r#"{"GuildsExist":{"guilds":[1,"2"]}}"#.to_owned(),
            json!([1, 0]),
        ),
        (r#"{"GuildsExist":{"guilds":[]}}"#.to_owned(), json!([])),
        (
            r#"{"GuildsExist":{"guilds":["1"],"more":true}}"#.to_owned(),
            json!([1]),
        ),
        (
            format!(r#"{{"GuildsExist":{{"guilds":["{shard_1}"]}}}}"#),
            json!([0]),
        ),
        (
            format!(r#"{{"GuildsStatus":{{"guilds":["1","2","3","{shard_1}"]}}}}"#),
            json!({"1": "present", "2": "unavailable", "3": "absent", shard_1: "wrong_cluster"}),
        ),
        (
            r#""Health""#.to_owned(),
            json!([{"shard_id": 0, "up": true, "latency": 41.0, "guilds": 12, "users": 3400}]),
        ),
    ] {
        let answer = ask(&query).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{query}");
    }
    for form in [
        r#""Modules""#,
        r#"{"Modules":null}"#,
        r#"{"Modules":{}}"#,
        r#" {"Modules":{"x":1}} "#,
    ] {
        let answer = ask(form).await;
        // Registration order, not alphabetical.
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, r#"{"core":{"id":"core"},"a":{"id":"a"}}"#)
        );
    }
}

#[tokio::test]
async fn permission_questions() {
    let question = |guild: u64, user: u64| {
        json!({"CheckCommandPermission": {
            "guild_id": guild.to_string(), "user_id": user.to_string(), "command": "limits add",
            "custom_resolved_kittycat_perms": null,
        }})
        .to_string()
    };
    let allowed = ask(&question(1, 7)).await;
    let expected = json!({"is_ok": true, "permissions": u64::MAX.to_string(),
        "perm_res": {"var": "OkWithMessage", "message": "owner"}});
    assert_eq!((allowed.status, allowed.json()), (200, expected));
    // A denial is an answer, not an error.
    let denied = ask(&question(1, 8)).await;
    let result = json!({"var": "CommandDisabled", "command": "limits add"});
    let expected = json!({"is_ok": false, "perm_res": result.clone(), "permissions": null});
    assert_eq!((denied.status, denied.json()), (200, expected));
    let several = json!({"CheckCommandPermissions": {
        "guild_id": "1", "user_id": "8", "commands": ["limits add", "ping"]}});
    let expected = json!({"permissions": null, "commands": {
        "limits add": {"is_ok": false, "perm_res": result},
        "ping": {"is_ok": false, "perm_res": {"var": "CommandDisabled", "command": "ping"}}}});
    let several = ask(&several.to_string()).await;
    assert_eq!((several.status, several.json()), (200, expected));
    let many = vec!["ping"; 101];
    let many = json!({"CheckCommandPermissions": {
        "guild_id": "1", "user_id": "8", "commands": many}});
    assert_eq!(ask(&many.to_string()).await.status, 422);
    let misdirected = ask(&question(1 << 22, 7)).await;
    assert_eq!(
        (misdirected.status, misdirected.code().as_str()),
        (421, "wrong_cluster")
    );
    assert_eq!(misdirected.json()["context"]["shard"], "1");
}

#[tokio::test]
async fn members_of_guilds() {
    let about = |guild: u64, user: u64| {
        json!({"BaseGuildUserInfo": {"guild_id": guild.to_string(), "user_id": user.to_string()}})
            .to_string()
    };
    let known = ask(&about(1, 7)).await;
    let expected = json!({"owner_id": "7", "name": "Harbour", "icon": null, "roles": {},
        "user_roles": ["900"], "bot_roles": []});
    assert_eq!((known.status, known.json()), (200, expected));
    for (guild, user, status, code) in [
        (1, 8, 404, "unknown_member"),
        (3, 7, 404, "unknown_guild"),
        (1 << 22, 7, 421, "wrong_cluster"),
    ] {
        let refused = ask(&about(guild, user)).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn what_is_kept_is_told_that_it_is_old() {
    let told = Arc::new(Told::default());
    let ask = async |query: Value| {
        let request = signed(
            &signer("api", 0),
            Some("application/json"),
            &query.to_string(),
        );
        send(server_that_tells(true, Arc::clone(&told)), request).await
    };
    for query in [
        json!({"InvalidatePermissions": {"guild_id": "1"}}),
        json!({"InvalidatePermissions": {"guild_id": "1", "user_id": "7"}}),
        json!({"ToggleModule": {"guild_id": "1", "module": "limits", "enabled": true}}),
        json!({"ToggleModule": {"guild_id": null, "module": "limits", "enabled": false}}),
    ] {
        let answer = ask(query.clone()).await;
        let expected = json!({"message": ""});
        assert_eq!((answer.status, answer.json()), (200, expected), "{query}");
    }
    let heard = ["1 None", "1 Some(UserId(7))"].map(str::to_owned);
    assert_eq!(told.0.lock().unwrap()[..2], heard);
    assert_eq!(told.0.lock().unwrap()[3], "None limits false");
    let elsewhere = (1_u64 << 22).to_string();
    for (query, status, code) in [
        (
            json!({"ToggleModule": {"module": "core", "enabled": false}}),
            409,
            "not_toggleable",
        ),
        (
            json!({"ToggleModule": {"module": "limits"}}),
            422,
            "invalid_query",
        ),
        (json!({"InvalidatePermissions": {}}), 422, "invalid_query"),
        (
            json!({"InvalidatePermissions": {"guild_id": elsewhere.as_str()}}),
            421,
            "wrong_cluster",
        ),
        (
            json!({"ToggleModule": {"guild_id": elsewhere, "module": "x", "enabled": true}}),
            421,
            "wrong_cluster",
        ),
    ] {
        let answer = ask(query.clone()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{query}"
        );
    }
}

#[tokio::test]
async fn bad_queries() {
    let too_many = format!(
        r#"{{"GuildsExist":{{"guilds":[{}]}}}}"#,
        vec!["\"1\""; MAX_GUILDS + 1].join(",")
    );
    for (body, status, code) in [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("Modules", 400, "invalid_json"),
        (r#""modules""#, 422, "unknown_query"),
        (r#""ToggleEverything""#, 422, "unknown_query"),
        (r#"{"Nothing":{}}"#, 422, "unknown_query"),
        ("{}", 422, "invalid_query"),
        ("[]", 422, "invalid_query"),
        ("null", 422, "invalid_query"),
        ("7", 422, "invalid_query"),
        (r#"{"Modules":null,"Health":null}"#, 422, "invalid_query"),
        (r#"{"Modules":[]}"#, 422, "invalid_query"),
        (r#""GuildsExist""#, 422, "invalid_query"),
        (
            r#"{"CheckCommandPermission":{"guild_id":"1","user_id":"7"}}"#,
            422,
            "invalid_query",
        ),
        (
            r#"{"CheckCommandPermission":{"guild_id":"1","user_id":"7","command":" "}}"#,
            422,
            "invalid_query",
        ),
        (r#"{"GuildsExist":{}}"#, 422, "invalid_query"),
        (r#"{"GuildsExist":{"guilds":"1"}}"#, 422, "invalid_query"),
        (r#"{"GuildsExist":{"guilds":["x"]}}"#, 422, "invalid_query"),
        (r#"{"GuildsExist":{"guilds":[-1]}}"#, 422, "invalid_query"),
        (r#"{"GuildsExist":{"guilds":["0"]}}"#, 422, "invalid_query"),
        (
            r#"{"GuildsExist":{"guilds":["18446744073709551616"]}}"#,
            422,
            "invalid_query",
        ),
        (too_many.as_str(), 422, "invalid_query"),
    ] {
        let answer = ask(body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body:.60}"
        );
        assert!(answer.json()["context"]["detail"].is_string(), "{body:.60}");
    }
}

#[tokio::test]
async fn transport() {
    let api = signer("api", 0);
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let answer = send(server(true), signed(&api, content_type, r#""Modules""#)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (415, "unsupported_media_type")
        );
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let answer = send(
            server(true),
            signed(&api, Some(content_type), r#""Modules""#),
        )
        .await;
        assert_eq!(answer.status, 200);
    }
    let large = format!("\"{}\"", "x".repeat(MAX_BODY));
    assert_eq!(ask(&large).await.status, 413);
    let answer = get(server(true), "/nothing").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    let request = Request::delete("/").body(Body::empty()).unwrap();
    let answer = send(server(true), request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.headers["allow"].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let answer = ask(r#"{"GuildsExist":{"guilds":["13"]}}"#).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(!answer.body.contains("guild 13"));
}

#[tokio::test]
async fn only_signed_callers_are_answered() {
    let unsigned = Request::post("/")
        .header("content-type", "application/json")
        .body(Body::from(r#""Modules""#))
        .unwrap();
    assert_eq!(send(server(true), unsigned).await.status, 401);
    for (client, cluster, status) in [
        ("api", 0, 200),
        ("cli", 0, 200),
        ("bot", 0, 403),
        ("api", 1, 401),
    ] {
        let request = signed(
            &signer(client, cluster),
            Some("application/json"),
            r#""Modules""#,
        );
        assert_eq!(
            send(server(true), request).await.status,
            status,
            "{client} for {cluster}"
        );
    }
    let server = server(true);
    let api = signer("api", 0);
    let headers = api.headers("POST", "/", None, br#""Modules""#).unwrap();
    for expected in [200, 401] {
        let mut request = Request::post("/").header("content-type", "application/json");
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(r#""Modules""#)).unwrap();
        assert_eq!(
            send(server.clone(), request).await.status,
            expected,
            "a nonce counts once"
        );
    }
}

#[tokio::test]
async fn before_the_first_shard_is_ready() {
    let request = signed(&signer("api", 0), Some("application/json"), r#""Modules""#);
    let answer = send(server(false), request).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    assert_eq!(answer.headers["retry-after"], "5");
    let answer = get(server(false), "/readyz").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    assert_eq!(
        answer.json()["context"]["shards"],
        "no shard of this cluster has been ready yet"
    );
    let answer = get(server(false), "/").await;
    assert_eq!(
        (answer.status, answer.json()["ready"].clone()),
        (200, json!(false))
    );
}

#[tokio::test]
async fn probe_readiness_and_metrics_need_no_signature() {
    let answer = get(server(true), "/").await;
    assert_eq!(
        answer.body,
        r#"{"cluster_id":0,"cluster_name":"Flare","shards":[0,1],"shard_count":2,"uptime_s":12,"ready":true}"#
    );
    assert_eq!(get(server(true), "/readyz").await.status, 200);
    assert_eq!(get(server(true), "/metrics").await.body, "bot_ready 1\n");
}

#[tokio::test]
async fn files_of_settings_and_what_is_wrong_are_asked_for_in_somebodys_name() {
    let who = json!({"guild_id": "1", "user_id": "7"});
    for (query, expected) in [
        (
            json!({"SettingsExport": who}),
            json!({"Ok": {"file": "form: 1"}}),
        ),
        (
            json!({"SettingsImport": {"guild_id": "1", "user_id": "7", "file": "form: 1",
                "plan_hash": "ab"}}),
            json!({"Ok": {"file": "form: 1", "replace": false, "hash": "ab"}}),
        ),
        (
            json!({"GuildHealth": who}),
            json!({"Ok": {"mode": "on", "for": "7"}}),
        ),
    ] {
        let answer = ask(&query.to_string()).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{query}");
    }
    let panic = ask(&json!({"PanicPreview": who}).to_string()).await;
    assert_eq!(panic.json(), json!({"Ok": {"is_on": false, "for": "7"}}));
    let elsewhere = json!({"GuildHealth": {"guild_id": (1u64 << 22).to_string(), "user_id": "7"}});
    assert_eq!(ask(&elsewhere.to_string()).await.code(), "wrong_cluster");
}

#[tokio::test]
async fn checks_are_read_as_a_server_may_store_them() {
    let about = |checks: Value| {
        json!({"ParsePermissionChecks": {"guild_id": "1", "checks": checks}}).to_string()
    };
    let check = |kittycat: &[&str], native: &[&str]| {
        json!({"kittycat_perms": kittycat, "native_perms": native, "outer_and": false,
            "inner_and": false})
    };
    let given = json!({"Simple": {"checks": [check(&["a.b"], &[]), check(&[], &[])]}});
    let read = ask(&about(given)).await;
    assert_eq!(read.status, 200, "{}", read.body);
    let read = read.json();
    let checks = read["checks"]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{read}");
    assert!(read["text"].as_str().unwrap().contains("a.b"), "{read}");
    // A bit that Discord does not have: without it everybody would pass.
    let unknown = check(&[], &["9223372036854775808"]);
    let refused = ask(&about(json!({"checks": [unknown], "checks_needed": 1}))).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (422, "invalid_checks")
    );
}

#[tokio::test]
async fn an_event_of_the_web_has_what_is_remembered_read_again() {
    let told = Arc::new(Told::default());
    let event = |name: &str, module: &str| {
        json!({"DispatchTrustedWebEvent": {"guild_id": "1", "event_name": name,
            "args": {"module": module}}})
        .to_string()
    };
    let clear = "settings.clearModuleEnabledCache";
    for (name, module, status) in [(clear, "a", 200), (clear, "x", 404), ("made.up", "a", 422)] {
        let server = server_that_tells(true, Arc::clone(&told));
        let body = event(name, module);
        let request = signed(&signer("api", 0), Some("application/json"), &body);
        assert_eq!(
            send(server, request).await.status,
            status,
            "{name} {module}"
        );
    }
    assert_eq!(*told.0.lock().unwrap(), ["1 None"]);
}
