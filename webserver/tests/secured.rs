//! Every operation that asks for a token, by the OpenAPI document: without one, with one that is not
//! valid, in somebody else's server, and with a token that is limited to something else.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use chrono::TimeDelta;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use splashtail_storage::{NewToken, TokenHash, TokenKind};
use support::{GUILD, OTHER_GUILD, TestServer, USER, user};
use uuid::Uuid;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const ID: &str = "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11";

/// What a limited token may ask all the same: whose it is, where that one is, and what it may.
const OF_ANY_TOKEN: [&str; 3] = ["get_me", "list_my_guilds", "check_permissions"];

struct Operation {
    id: String,
    method: Method,
    path: String,
    takes_body: bool,
}

fn secured() -> Vec<Operation> {
    let document = serde_json::to_value(splashtail_webserver::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let security = item[method]["security"].to_string();
            if !security.contains("\"User\"") {
                continue;
            }
            operations.push(Operation {
                id: item[method]["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                takes_body: item[method].get("requestBody").is_some(),
            });
        }
    }
    assert!(operations.len() >= 20, "{}", operations.len());
    operations
}

impl Operation {
    fn at(&self, guild: u64, entity: u64) -> String {
        let parts = self.path.split('/').map(|part| match part {
            "{guild_id}" => guild.to_string(),
            "{id}" if self.path.starts_with("/entities/") => entity.to_string(),
            "{version}" | "{incident}" => "5".to_owned(),
            "{job}" if self.method == Method::POST && self.path.ends_with("{job}") => {
                "guild_create_backup".to_owned()
            }
            "{task}" if self.method == Method::POST && self.path.ends_with("{task}") => {
                "guild_create_backup".to_owned()
            }
            part if part.starts_with('{') => ID.to_owned(),
            part => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn body(&self) -> Value {
        match self.id.as_str() {
            "create_session" => {
                json!({"name": "n", "type": "api", "perm_limits": [], "expiry": 60})
            }
            "extend_session" => json!({"expiry": 60}),
            "check_permissions" => json!({"commands": ["backups list"]}),
            "execute_setting" => {
                json!({"operation": "Update", "module": "settings", "setting": "s", "fields": {}})
            }
            "answer_approval" => json!({"answer": "agree"}),
            "act_on_incident" => json!({"act": "contain"}),
            _ => json!({}),
        }
    }

    fn request(&self, test: &TestServer, at: &str) -> RequestBuilder {
        let request = test.client.request(self.method.clone(), test.url(at));
        match self.takes_body {
            true => request.json(&self.body()),
            false => request,
        }
    }
}

/// A cluster of a bot that is in all servers, where [`USER`] is an administrator of [`GUILD`] alone.
async fn cluster() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, fields) = query.as_object().unwrap().iter().next().unwrap();
        let (home, me) = (GUILD.to_string(), USER.to_string());
        let at_home = fields["guild_id"] == home.as_str() && fields["user_id"] == me.as_str();
        let limited = !fields["custom_resolved_kittycat_perms"].is_null();
        let denied = json!({"var": "MissingAnyPerms", "check": {"kittycat_perms": ["a.b"],
            "native_perms": ["8"], "outer_and": false, "inner_and": false}});
        let ok = ResponseTemplate::new(200);
        match tag.as_str() {
            "GuildsStatus" => {
                let guilds = fields["guilds"].as_array().unwrap().iter();
                let status = guilds.map(|id| (id.as_str().unwrap().to_owned(), json!("present")));
                ok.set_body_json(Value::Object(status.collect()))
            }
            "CheckCommandPermission" if at_home && !limited => ok.set_body_json(
                json!({"is_ok": true, "permissions": "8", "perm_res": {"var": "Ok"}}),
            ),
            "CheckCommandPermission" => {
                let permissions = at_home.then_some("8");
                ok.set_body_json(
                    json!({"is_ok": false, "permissions": permissions, "perm_res": denied}),
                )
            }
            "BaseGuildUserInfo" => ResponseTemplate::new(404)
                .set_body_json(json!({"code": "unknown_member", "message": "not there"})),
            _ => ok.set_body_json(json!({"PermissionError": {"res": denied}})),
        }
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

async fn start(iserver: &MockServer) -> TestServer {
    let port = iserver.address().port();
    let test = TestServer::start_with(|config, _| {
        config.meta.bot_iserver_base_port = port;
        config.meta.web_disable_ratelimits = true;
    })
    .await;
    let list = json!({
        "LastClusterStartedAt": "2026-01-01T00:00:00Z", "Dir": "", "RollRestarting": false,
        "FullyUp": true, "ShardCount": 1,
        "Map": [{"ID": 0, "Name": "Flare", "Shards": [0]}],
        "GetGatewayBot": {"url": "", "shards": 1,
            "session_start_limit": {"total": 0, "remaining": 0, "reset_after": 0, "max_concurrency": 1}},
        "Instances": [{"StartedAt": "2026-01-01T00:00:00Z", "SessionID": "s", "ClusterID": 0,
            "Shards": [0], "Active": true, "ClusterHealth": [], "CurrentlyKilling": false,
            "LockClusterTime": null, "LaunchedFully": true, "LastChecked": "2026-01-01T00:00:00Z"}],
    });
    Mock::given(method("GET"))
        .and(path("/instance-list"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&test.clusterer)
        .await;
    test
}

async fn limited(test: &TestServer) -> String {
    let token = format!("limited-{}", Uuid::new_v4());
    let new = NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(&token),
        owner: user(USER),
        kind: TokenKind::Api,
        name: "limited".to_owned(),
        perm_limits: vec!["nothing.at_all".to_owned()],
        created_at: test.now(),
        expires_at: Some(test.now() + TimeDelta::hours(1)),
    };
    test.storage.tokens().issue(&new).await.unwrap();
    token
}

#[tokio::test]
async fn nothing_is_open_that_asks_for_a_token() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let (full, limited) = (test.token(user(USER)).await, limited(&test).await);
    for operation in secured() {
        let id = operation.id.as_str();
        let home = operation.at(GUILD, USER);
        let send = async |request: RequestBuilder| request.send().await.unwrap().status().as_u16();
        let with = |at: &str, token: &str| {
            let request = operation.request(&test, at);
            request.header("authorization", format!("User {token}"))
        };
        assert_eq!(
            send(operation.request(&test, &home)).await,
            401,
            "{id}: anonymous"
        );
        assert_eq!(
            send(with(&home, "made-up")).await,
            401,
            "{id}: a token of nobody"
        );
        if operation.path.contains("{guild_id}") || operation.path.starts_with("/entities/") {
            let foreign = operation.at(OTHER_GUILD, OTHER_GUILD);
            assert_eq!(
                send(with(&foreign, &full)).await,
                403,
                "{id}: somebody else's"
            );
        }
        let expected = if OF_ANY_TOKEN.contains(&id) {
            vec![200, 401]
        } else {
            vec![403]
        };
        let status = send(with(&home, &limited)).await;
        assert!(
            expected.contains(&status),
            "{id}: {status} for a limited token"
        );
    }
    test.stop().await;
}

/// The bot's words reach whoever asks, in the place where every error has its own.
#[tokio::test]
async fn a_denial_says_what_is_missing() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let answer = test
        .client
        .get(test.url(&format!("/guilds/{OTHER_GUILD}/incidents")))
        .header("user-auth", token)
        .send()
        .await
        .unwrap();
    assert_eq!(support::header(&answer, "x-error-type"), "permission_check");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["code"], "permission_denied");
    assert_eq!(body["var"], "MissingAnyPerms");
    assert_eq!(body["check"]["kittycat_perms"], json!(["a.b"]));
    assert!(
        body["message"].as_str().unwrap().contains("permission"),
        "{body}"
    );
    test.stop().await;
}
