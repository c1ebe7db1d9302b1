//! Servers: their backups, plans, configurations and shards.

use crate::support::cluster::{cluster, fleet_of_one, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, header, server, user};
use reqwest::Response;
use serde_json::{Value, json};
use wiremock::matchers::{any, body_partial_json, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

async fn post(test: &TestServer, token: &str, at: &str, body: Value) -> Response {
    let request = test.client.post(test.url(at)).json(&body);
    let request = request.header("authorization", format!("User {token}"));
    request.send().await.unwrap()
}

async fn jobserver_says(test: &TestServer, call: &str, args: Value, status: u16, body: Value) {
    Mock::given(path(format!("/ipc/{call}")))
        .and(body_partial_json(json!({ "args": args })))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(&test.jobserver)
        .await;
}

#[tokio::test]
async fn a_backup_is_looked_into_for_whoever_may_download_it() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let mut own = Vec::new();
    for _ in 0..2 {
        own.push(test.finished_task(server(GUILD), "b.iblfile", b"x").await);
    }
    let foreign = test.finished_task(server(OTHER_GUILD), "b", b"x").await;
    let found = json!({"revision": 7, "container": "full_file", "encryption": "aes256",
        "meta": {"t": "backup.server"}, "more": 0,
        "sections": [{"name": "meta", "size": 1, "sha256": "00"}]});
    let right = json!({"server_id": GUILD.to_string(), "password": "right"});
    jobserver_says(&test, "inspect_backup", right, 200, found.clone()).await;
    let refusal = json!({"code": "wrong_password", "message": "wrong password"});
    let wrong = json!({"password": "wrong"});
    jobserver_says(&test, "inspect_backup", wrong, 400, refusal).await;
    let differences = json!({"differences": [{"change": "changed", "kind": "role", "id": "5",
        "name": "Mods", "fields": {"color": [1, 2]}}], "more": 3});
    let both = json!({"before": own[0], "after": own[1], "password": null});
    jobserver_says(&test, "compare_backups", both, 200, differences.clone()).await;
    let crowded = json!({"code": "unavailable", "message": "others"});
    let other_way = json!({"before": own[1]});
    jobserver_says(&test, "compare_backups", other_way, 503, crowded).await;

    let inspect = |id: &str| format!("/guilds/{GUILD}/jobs/{id}/inspect");
    let at = inspect(&own[0].to_string());
    let shown = post(&test, &token, &at, json!({"password": "right"})).await;
    assert_eq!(header(&shown, "bucket"), "");
    assert_eq!(shown.json::<Value>().await.unwrap(), found);
    let wrong = post(&test, &token, &at, json!({"password": "wrong"})).await;
    assert_eq!(error(wrong).await, (400, "wrong_password".to_owned()));
    for unknown in [foreign.to_string(), "x".to_owned()] {
        let refused = post(&test, &token, &inspect(&unknown), json!({})).await;
        assert_eq!(error(refused).await, (404, "not_found".to_owned()));
    }
    let diff = |id: &str| format!("/guilds/{GUILD}/jobs/{id}/diff");
    let at = diff(&own[0].to_string());
    let shown = post(&test, &token, &at, json!({"after": own[1], "password": ""})).await;
    assert_eq!(shown.json::<Value>().await.unwrap(), differences);
    let refused = post(&test, &token, &at, json!({"after": foreign})).await;
    assert_eq!(error(refused).await.0, 404);
    let busy = diff(&own[1].to_string());
    let busy = post(&test, &token, &busy, json!({"after": own[0]})).await;
    assert_eq!(error(busy).await, (503, "unavailable".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn a_plan_is_ordered_as_the_job_is() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let created = json!({
        "task_id": "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11",
        "task_info": {"name": "guild_restore_backup",
            "task_for": {"id": GUILD.to_string(), "target_type": "Server"}, "task_fields": {},
            "expiry": 0, "valid": true, "resumable": true, "encrypted": false}
    });
    let order = json!({"name": "guild_restore_backup", "data": {"ServerID": GUILD.to_string(),
        "CallerID": USER.to_string(), "CallerPermissions": "8", "Options": {"a": 1}}});
    jobserver_says(&test, "plan_task", order, 200, json!({ "tcr": created })).await;
    let at = |guild: u64, kind: &str| format!("/guilds/{guild}/jobs/{kind}/plan");
    let fields = json!({"Options": {"a": 1}});
    let planned = at(GUILD, "guild_restore_backup");
    let planned = post(&test, &token, &planned, fields.clone()).await;
    assert_eq!(planned.json::<Value>().await.unwrap(), created);
    for (guild, kind, status) in [
        (OTHER_GUILD, "guild_restore_backup", 403),
        (GUILD, "mass_ban", 400),
    ] {
        let refused = post(&test, &token, &at(guild, kind), fields.clone()).await;
        assert_eq!(error(refused).await.0, status, "{kind}");
    }
    test.stop().await;
}

/// A bot that has one row, and makes another one.
async fn settings() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, asked) = query.as_object().unwrap().iter().next().unwrap();
        if tag == "GuildsStatus" {
            let status = json!({GUILD.to_string(): "present"});
            return ResponseTemplate::new(200).set_body_json(status);
        }
        assert_eq!(
            (tag.as_str(), &asked["module"]),
            ("SettingsOperation", &json!("settings"))
        );
        let fields = &asked["fields"];
        let row = json!({"module": "core", "disabled": true, "default_perms": null});
        let said = match (asked["op"].as_str().unwrap(), &fields["module"]) {
            ("View", _) => json!({"Ok": {"fields": [row], "count": 1}}),
            ("Update", module) if module == "core" => {
                json!({"Ok": {"fields": [{"module": "core", "disabled": fields["disabled"],
                    "default_perms": null}], "version": 3}})
            }
            ("Update", _) => {
                json!({"Err": {"error": {"RowDoesNotExist": {"column_id": "module"}}, "errors": []}})
            }
            ("Create", _) => json!({"Ok": {"fields": [fields], "version": 4}}),
            other => panic!("{other:?}"),
        };
        ResponseTemplate::new(200).set_body_json(said)
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

#[tokio::test]
async fn configurations_are_rows_of_settings() {
    let iserver = settings().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let at = test.url(&format!("/guilds/{GUILD}/module-configurations"));
    let own = format!("User {token}");
    let listed = test.client.get(&at).header("authorization", &own);
    let listed: Value = listed.send().await.unwrap().json().await.unwrap();
    let row = |module: &str, disabled: Value| {
        json!({"guild_id": GUILD.to_string(), "module": module, "disabled": disabled,
            "default_perms": null})
    };
    assert_eq!(listed, json!([row("core", json!(true))]));
    let patch = async |body: Value| {
        let request = test.client.patch(&at).header("authorization", &own);
        request.json(&body).send().await.unwrap()
    };
    for (module, change, disabled) in [
        ("core", json!({"clear": true}), Value::Null),
        ("new", json!({"value": false}), json!(false)),
    ] {
        let changed = patch(json!({"module": module, "disabled": change})).await;
        assert_eq!(
            changed.json::<Value>().await.unwrap(),
            row(module, disabled)
        );
    }
    for nothing in [
        json!({"module": "core"}),
        json!({"module": "core", "disabled": {}}),
        json!({"module": "core", "disabled": {"clear": true, "value": true}}),
        json!({"disabled": {"clear": true}}),
    ] {
        let refused = patch(nothing.clone()).await;
        assert_eq!(
            error(refused).await,
            (400, "invalid_body".to_owned()),
            "{nothing}"
        );
    }
    test.stop().await;
}

#[tokio::test]
async fn anybody_sees_how_a_servers_shard_is() {
    let test = TestServer::start().await;
    let at = format!("/guilds/{GUILD}/shard");
    assert_eq!(test.get(&at).await.status(), 412);
    test.clusterer.reset().await;
    fleet_of_one(&test.clusterer).await;
    test.clock.advance(std::time::Duration::from_secs(60));
    let shard: Value = test.get(&at).await.json().await.unwrap();
    assert_eq!(
        shard,
        json!({"shard_id": 0, "cluster_id": 0, "cluster_name": "Flare", "up": null, "latency": null})
    );
    assert_eq!(error(test.get("/guilds/x/shard").await).await.0, 404);
    test.stop().await;
}
