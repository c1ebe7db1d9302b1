//! Every operation that asks for a token, by the OpenAPI document: without one, with one that is not
//! valid, in somebody else's server, and with a token that is limited to something else.

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, user};
use chrono::TimeDelta;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_storage::{NewRequest, NewToken, TokenHash, TokenKind};
use uuid::Uuid;
use wiremock::matchers::any;
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
            "{job}" if self.takes_a_kind() => "guild_create_backup".to_owned(),
            "{task}" if self.method == Method::POST && self.path.ends_with("{task}") => {
                "guild_create_backup".to_owned()
            }
            part if part.starts_with('{') => ID.to_owned(),
            part => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn takes_a_kind(&self) -> bool {
        self.method == Method::POST
            && ["{job}", "/plan"]
                .iter()
                .any(|end| self.path.ends_with(end))
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
            "create_webhook" => {
                json!({"name": "n", "url": "https://example.com", "types": ["job.finished"]})
            }
            "change_module_configuration" => json!({"module": "m", "disabled": {"value": true}}),
            "change_command_configuration" => json!({"command": "c", "perms": {"clear": true}}),
            "put_guild_schedule" => json!({"every": "day"}),
            "compare_backups" => json!({"after": ID}),
            "import_settings" => json!({"file": "form: 1"}),
            "preview_permission_checks" => json!({"checks": {"checks": []}}),
            "create_git_hook" => json!({"comment": "c"}),
            "add_git_repo" => json!({"name": "a/b", "channel_id": "5"}),
            "add_git_rule" => json!({"events": ["push"], "act": "block"}),
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

async fn limited(test: &TestServer) -> String {
    let token = format!("limited-{}", Uuid::new_v4());
    let new = NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(&token),
        owner: user(USER),
        kind: TokenKind::Api,
        name: "limited".to_owned(),
        perm_limits: vec!["nothing.at_all".to_owned()],
        maker: None,
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
    assert_eq!(
        crate::support::header(&answer, "x-error-type"),
        "permission_check"
    );
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

/// What anybody may ask for, and the bot judges by more than the command: a member to whom every
/// command is open sees nothing of what waits, and hears no more than what came of their word.
#[tokio::test]
async fn a_command_that_is_open_to_all_shows_nothing_by_itself() {
    let iserver = MockServer::start().await;
    let denied = json!({"PermissionError": {"res": {"var": "MissingAnyPerms", "check": {
        "kittycat_perms": [], "native_perms": ["8"], "outer_and": false, "inner_and": false}}}});
    let answer = move |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, fields) = query.as_object().unwrap().iter().next().unwrap();
        let trusted = fields["user_id"] == OTHER_GUILD.to_string().as_str();
        ResponseTemplate::new(200).set_body_json(match (tag.as_str(), trusted) {
            ("GuildsStatus", _) => json!({GUILD.to_string(): "present"}),
            ("CheckCommandPermission", _) => {
                json!({"is_ok": true, "permissions": "0", "perm_res": {"var": "Ok"}})
            }
            ("ApprovalSight", true) => json!({"Ok": {}}),
            ("ApprovalSight", false) => denied.clone(),
            ("ApprovalAnswer", _) => json!({"Ok": {"message": "heard", "may_look": trusted}}),
            ("IncidentAct", _) => match fields["act"].as_str() {
                Some("back") => json!({"Ok": {"message": "see there", "job": ID}}),
                Some("approve") => json!({"NotOrdered": {
                    "status": 409, "code": "slot_taken", "message": "something goes on"}}),
                _ => json!({"Unknown": {"message": "too long ago"}}),
            },
            other => panic!("{other:?}"),
        })
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    let test = start(&iserver).await;
    let request = NewRequest {
        id: ID.parse().unwrap(),
        guild: GuildId::new(GUILD).unwrap(),
        operation: "restore".to_owned(),
        arguments: json!({}),
        summary: vec!["what nobody else shall know".to_owned()],
        digest: "d".to_owned(),
        asked_by: UserId::new(9).unwrap(),
        asked_at: test.now(),
        expires_at: test.now() + TimeDelta::hours(1),
    };
    assert!(test.storage.guarded().ask(&request).await.unwrap());
    let list = format!("/guilds/{GUILD}/approvals");
    let word = format!("{list}/{ID}");
    for (person, sees) in [(USER, false), (OTHER_GUILD, true), (9, true)] {
        let token = format!("User {}", test.token(user(person)).await);
        let listed = test
            .client
            .get(test.url(&list))
            .header("authorization", &token);
        let listed = listed.send().await.unwrap();
        let expected = if person == OTHER_GUILD { 200 } else { 403 };
        assert_eq!(listed.status(), expected, "{person}");
        let said = test
            .client
            .post(test.url(&word))
            .header("authorization", &token);
        let said = said.json(&json!({"answer": "agree"})).send().await.unwrap();
        assert_eq!(said.status(), 200);
        let said = said.text().await.unwrap();
        assert_eq!(said.contains("nobody else"), sees, "{person}: {said}");
    }
    let token = test.token(user(USER)).await;
    let act = test.url(&format!("/guilds/{GUILD}/incidents/5/acts"));
    let asked = async |order: Value| {
        let asked = test.client.post(&act).header("user-auth", &token);
        let answer = asked.json(&order).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, _) = asked(json!({"act": "contain"})).await;
    assert_eq!(status, 404, "an incident that is forgotten");
    let (status, ordered) = asked(json!({"act": "back"})).await;
    assert_eq!((status, &ordered["job"]), (202, &json!(ID)));
    let approve = json!({"act": "approve", "plan_hash": "0123456789abcdef"});
    let (status, refused) = asked(approve).await;
    assert_eq!((status, &refused["code"]), (409, &json!("slot_taken")));
    test.stop().await;
}
