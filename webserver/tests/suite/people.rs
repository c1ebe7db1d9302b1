//! People as Discord shows them, who looks after servers, and how the bot is doing.

use std::time::Duration;

use crate::support::{GUILD, TestServer, USER, cluster, error, user};
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_storage::{Edit, NewChange, Written};
use wiremock::matchers::{any, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const OTHER: u64 = USER + 1;
const ROLE: &str = "1100000000001179700";

fn told(id: u64, name: &str) -> Value {
    json!({"id": id.to_string(), "username": name, "global_name": null, "avatar": "abc",
        "public_flags": 65536, "bot": true})
}

async fn tells(test: &TestServer, id: u64, answer: ResponseTemplate) {
    Mock::given(path(format!("/api/v10/users/{id}")))
        .respond_with(answer)
        .mount(&test.discord)
        .await;
}

async fn start(adjust: impl FnOnce(&mut splashtail_core::config::Config)) -> TestServer {
    TestServer::start_with(|config, _| {
        config.discord_auth.token = Some("token".to_owned().into());
        adjust(config);
    })
    .await
}

async fn asked(test: &TestServer) -> usize {
    test.discord.received_requests().await.unwrap().len()
}

async fn json_of(test: &TestServer, path: &str) -> Value {
    let answer = test.get(path).await;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test]
async fn somebody_is_asked_for_once_in_eight_hours_and_then_behind_the_answer() {
    let test = start(|_| {}).await;
    let at = format!("/platform/user/{USER}");
    tells(
        &test,
        USER,
        ResponseTemplate::new(200).set_body_json(told(USER, "old")),
    )
    .await;
    let first = json_of(&test, &at).await;
    assert_eq!(first["username"], "old");
    assert_eq!(first["display_name"], "old");
    assert_eq!(first["flags"], json!(["VERIFIED_BOT"]));
    assert!(
        first["avatar"]
            .as_str()
            .unwrap()
            .contains(&format!("/avatars/{USER}/abc.webp"))
    );
    let whole = json_of(&test, &format!("/users/{USER}")).await;
    assert_eq!(whole["user"], first);
    assert_eq!(
        (&whole["state"], &whole["created_at"]),
        (&json!("normal"), &Value::Null)
    );
    assert_eq!(asked(&test).await, 1);

    // The cache has forgotten, the database has not: old words first, new ones behind them.
    test.clock.advance(Duration::from_secs(8 * 3600));
    test.discord.reset().await;
    tells(
        &test,
        USER,
        ResponseTemplate::new(200).set_body_json(told(USER, "new")),
    )
    .await;
    assert_eq!(json_of(&test, &at).await["username"], "old");
    let renewed = async { while json_of(&test, &at).await["username"] != "new" {} };
    tokio::time::timeout(Duration::from_secs(60), renewed)
        .await
        .unwrap();
    assert_eq!(asked(&test).await, 1);
    test.stop().await;
}

#[tokio::test]
async fn nobody_is_remembered_and_an_outage_is_not() {
    let test = start(|config| config.meta.web_disable_ratelimits = true).await;
    let nobody = json!({"code": 10_013, "message": "Unknown User"});
    tells(
        &test,
        OTHER,
        ResponseTemplate::new(404).set_body_json(nobody),
    )
    .await;
    for _ in 0..2 {
        let missing = test.get(&format!("/users/{OTHER}")).await;
        assert_eq!(error(missing).await, (404, "not_found".to_owned()));
    }
    assert_eq!(asked(&test).await, 1);
    for id in ["0", "x", "123", "99999999999999999999999"] {
        assert_eq!(
            test.get(&format!("/users/{id}")).await.status(),
            404,
            "{id}"
        );
    }
    assert_eq!(asked(&test).await, 1, "no such id was ever given");
    let elsewhere = test
        .get(&format!("/platform/user/{USER}?platform=irc"))
        .await;
    assert_eq!(error(elsewhere).await, (415, "unknown_platform".to_owned()));
    tells(&test, USER, ResponseTemplate::new(401)).await;
    let away = test.get(&format!("/users/{USER}")).await;
    assert_eq!(error(away).await, (503, "discord_unavailable".to_owned()));
    test.stop().await;
}

/// Whom Discord knows no more are not shown now and then.
#[tokio::test]
async fn somebody_who_is_gone_stays_gone() {
    let test = start(|config| config.meta.web_disable_ratelimits = true).await;
    let at = format!("/platform/user/{OTHER}");
    let known = ResponseTemplate::new(200).set_body_json(told(OTHER, "old"));
    tells(&test, OTHER, known).await;
    json_of(&test, &at).await;
    test.clock.advance(Duration::from_secs(8 * 3600));
    test.discord.reset().await;
    let nobody = json!({"code": 10_013, "message": "Unknown User"});
    let gone = ResponseTemplate::new(404).set_body_json(nobody);
    tells(&test, OTHER, gone).await;
    let gone = async { while test.get(&at).await.status() != 404 {} };
    tokio::time::timeout(Duration::from_secs(60), gone)
        .await
        .unwrap();
    test.clock.advance(Duration::from_secs(3600));
    assert_eq!(test.get(&at).await.status(), 404);
    test.stop().await;
}

#[tokio::test]
async fn people_have_what_is_known_of_them_forgotten() {
    let test = start(|config| {
        config.discord_auth.root_users = UserId::new(OTHER).into_iter().collect();
    })
    .await;
    tells(
        &test,
        USER,
        ResponseTemplate::new(200).set_body_json(told(USER, "u")),
    )
    .await;
    let at = format!("/platform/user/{USER}");
    let forget = async |who: u64| {
        let token = test.token(user(who)).await;
        let request = test.client.delete(test.url(&at));
        let request = request.header("authorization", format!("User {token}"));
        request.send().await.unwrap()
    };
    assert_eq!(forget(USER).await.status(), 404);
    json_of(&test, &at).await;
    // Nor does an operator's token: they come with their browser.
    for who in [USER + 2, OTHER] {
        assert_eq!(forget(who).await.status(), 403);
    }
    let cleared: Value = forget(USER).await.json().await.unwrap();
    assert_eq!(
        cleared,
        json!({"ClearedFrom": ["iuc", "redis"], "IsBot": true})
    );
    assert_eq!(
        test.client
            .delete(test.url(&at))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    test.stop().await;
}

/// A bot in whose server both people have the role.
async fn bot() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let tag = query.as_object().unwrap().keys().next().unwrap().clone();
        ResponseTemplate::new(200).set_body_json(match tag.as_str() {
            "BaseGuildUserInfo" => json!({"owner_id": USER.to_string(), "name": "g", "icon": null,
                "roles": {}, "user_roles": [ROLE], "bot_roles": []}),
            "GuildsStatus" => json!({GUILD.to_string(): "present"}),
            _ => json!({"is_ok": true, "permissions": "8", "perm_res": {"var": "Ok"}}),
        })
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

/// Two entries of what the server has set.
async fn set(test: &TestServer) {
    let guild = GuildId::new(GUILD).unwrap();
    test.storage
        .guilds()
        .ensure(guild, test.now())
        .await
        .unwrap();
    let entry = |setting: &str, entry: String, after: Value| Edit {
        setting: setting.to_owned(),
        entry,
        before: None,
        after: Some(after),
    };
    let change = NewChange {
        guild,
        decided_on: 0,
        by: UserId::new(USER).unwrap(),
        way: "test",
        at: test.now(),
        undoes: None,
        edits: &[
            entry(
                "guild_roles",
                ROLE.to_owned(),
                json!({"role_id": ROLE, "perms": ["global.*"], "index": 1, "display_name": "Head"}),
            ),
            entry(
                "guild_members",
                USER.to_string(),
                json!({"user_id": USER.to_string(), "perm_overrides": ["a.b"], "public": true}),
            ),
            entry(
                "guild_members",
                OTHER.to_string(),
                json!({"user_id": OTHER.to_string(), "perm_overrides": [], "public": false}),
            ),
        ],
    };
    let written = test.storage.settings().write(&change).await.unwrap();
    assert!(matches!(written, Written::At(_)), "{written:?}");
}

#[tokio::test]
async fn a_team_is_those_who_are_public_and_members_are_for_who_may_look() {
    let iserver = bot().await;
    let test = cluster::start_with(&iserver, |config| {
        config.discord_auth.token = Some("token".to_owned().into());
    })
    .await;
    let at = format!("/guilds/{GUILD}/staff-team");
    assert_eq!(
        error(test.get(&at).await).await,
        (404, "not_found".to_owned())
    );
    set(&test).await;
    for (id, name) in [(USER, "head"), (OTHER, "shy")] {
        tells(
            &test,
            id,
            ResponseTemplate::new(200).set_body_json(told(id, name)),
        )
        .await;
    }
    let team = json_of(&test, &at).await;
    let names: Vec<_> = team["members"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "{team}");
    assert_eq!(names[0]["user"]["username"], "head");
    assert_eq!(names[0]["role"], json!([ROLE]));
    assert_eq!(team["roles"][0]["display_name"], "Head");

    let at = format!("/guilds/{GUILD}/members");
    assert_eq!(test.get(&at).await.status(), 401);
    let token = test.token(user(USER)).await;
    let members = async |query: &str| {
        let request = test.request(&format!("{at}{query}"));
        let request = request.header("authorization", format!("User {token}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{query}");
        answer.json::<Value>().await.unwrap()["members"].clone()
    };
    let own = members("").await;
    assert_eq!(own[0]["perm_overrides"], json!(["a.b"]));
    assert_eq!(
        (&own[1]["user"]["username"], &own[1]["public"]),
        (&json!("shy"), &json!(false))
    );
    assert_eq!(
        members(&format!("?after={USER}"))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let found = json!([{"user": told(OTHER, "shy"), "nick": "s", "roles": [ROLE], "joined_at":
        "2026-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0}]);
    Mock::given(path(format!("/api/v10/guilds/{GUILD}/members/search")))
        .and(query_param("query", "sh"))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(&test.discord)
        .await;
    let found = members("?search=sh&limit=5").await;
    assert_eq!(
        (&found[0]["nick"], &found[0]["roles"]),
        (&json!("s"), &json!([ROLE]))
    );
    let stats = json_of(&test, "/bot-stats").await;
    let shard = &stats["shard_conns"]["0"];
    assert_eq!(
        (&shard["status"], &shard["uptime"]),
        (&json!("unknown"), &Value::Null),
        "{stats}"
    );
    assert!(shard["total_uptime"].is_u64(), "its process runs: {stats}");
    test.stop().await;
}
