//! Backups that are made again and again, as a member orders and takes them back.

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, user};
use http::Method;
use reqwest::Response;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_storage::{Keep, Schedule};
use uuid::Uuid;
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, ResponseTemplate};

async fn stored(test: &TestServer, guild: u64, name: &str) -> Uuid {
    let schedule = Schedule {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        data: json!({"ServerID": guild.to_string()}),
        cron: "0 4 * * *".to_owned(),
        jitter_ms: 0,
        actor: None,
        next_at: None,
        last_task: None,
        guild: GuildId::new(guild),
        keep: Keep::default(),
    };
    test.storage.schedules().put(&schedule).await.unwrap();
    schedule.id
}

async fn send(test: &TestServer, method: Method, guild: u64, id: Uuid, body: Value) -> Response {
    let token = test.token(user(USER)).await;
    let at = test.url(&format!("/guilds/{guild}/schedules/{id}"));
    let request = test.client.request(method, at);
    let request = request.header("authorization", format!("User {token}"));
    let request = match body.is_null() {
        true => request,
        false => request.json(&body),
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_schedule_is_changed_and_removed_as_by_the_command() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let id = stored(&test, GUILD, "guild_create_backup").await;
    let ordered = json!({"args": {
        "schedule_id": id, "name": "guild_create_backup", "cron": "0 5 * * 1", "keep_count": 3,
        "keep_days": 30, "actor": format!("u/{USER}"),
        "data": {"ServerID": GUILD.to_string(), "Options": {
            "BackupMessages": true, "IgnoreMessageBackupErrors": true, "Incremental": "auto"}},
    }});
    Mock::given(path("/ipc/put_schedule"))
        .and(body_partial_json(ordered))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    let wanted = json!({"every": "week", "hour": 5, "messages": true, "keep": 3, "keep_days": 30});
    let put = send(&test, Method::PUT, GUILD, id, wanted).await;
    assert_eq!(put.status(), 200);
    let shown: Value = put.json().await.unwrap();
    assert_eq!(shown["id"], json!(id));
    let removed = json!({"args": {"schedule_id": id, "server_id": GUILD.to_string()}});
    Mock::given(path("/ipc/remove_schedule"))
        .and(body_partial_json(removed))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    let gone = send(&test, Method::DELETE, GUILD, id, Value::Null).await;
    assert_eq!(gone.status(), 204);
    test.stop().await;
}

#[tokio::test]
async fn what_is_not_theirs_or_out_of_bounds_reaches_no_jobserver() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(204))
        .expect(0)
        .mount(&test.jobserver)
        .await;
    let daily = json!({"every": "day"});
    let foreign = stored(&test, OTHER_GUILD, "guild_create_backup").await;
    let other = stored(&test, GUILD, "message_prune").await;
    for id in [foreign, other] {
        let put = send(&test, Method::PUT, GUILD, id, daily.clone()).await;
        assert_eq!(error(put).await, (404, "not_found".to_owned()));
    }
    let gone = send(&test, Method::DELETE, GUILD, foreign, Value::Null).await;
    assert_eq!(gone.status(), 404);
    let elsewhere = send(&test, Method::DELETE, OTHER_GUILD, foreign, Value::Null).await;
    assert_eq!(elsewhere.status(), 403);
    for wrong in [
        json!({"every": "minute"}),
        json!({"every": "day", "hour": 24}),
        json!({"every": "day", "keep": 0}),
    ] {
        let put = send(&test, Method::PUT, GUILD, Uuid::new_v4(), wrong).await;
        assert_eq!(error(put).await, (400, "invalid_body".to_owned()));
    }
    test.stop().await;
}
