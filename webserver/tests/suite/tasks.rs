//! Clusters, tasks and their creation.

use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, header, server, user};
use serde_json::{Value, json};
use splashtail_core::ids::UserId;
use splashtail_storage::UserState;
use wiremock::matchers::{header_exists, method, path};
use wiremock::{Mock, ResponseTemplate};

fn instance_list(active: bool) -> Value {
    json!({
        "LastClusterStartedAt": "2024-01-21T17:37:01Z",
        "Map": [{"ID": 0, "Name": "Flare", "Shards": [0, 1]}],
        "Instances": [{
            "StartedAt": "2024-01-21T17:37:01Z", "SessionID": "session-secret", "ClusterID": 0,
            "Shards": [0, 1], "Active": active, "ClusterHealth": [], "CurrentlyKilling": false,
            "LockClusterTime": null, "LaunchedFully": true, "LastChecked": "2024-01-21T17:37:01Z"
        }],
        "ShardCount": 2,
        "GetGatewayBot": {"url": "wss://x", "shards": 2, "session_start_limit":
            {"total": 1000, "remaining": 998, "reset_after": 0, "max_concurrency": 1}},
        "Dir": "/srv/secret", "RollRestarting": false, "FullyUp": true
    })
}

async fn clusterer_says(test: &TestServer, list: Value) {
    Mock::given(method("GET"))
        .and(path("/instance-list"))
        .and(header_exists("signature"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&test.clusterer)
        .await;
}

#[tokio::test]
async fn health_hides_what_only_operators_may_see() {
    let test = TestServer::start().await;
    clusterer_says(&test, instance_list(true)).await;
    let health = test.get("/clusters/health").await;
    assert_eq!(health.status(), 200);
    let text = health.text().await.unwrap();
    assert!(
        text.contains("\"Flare\"") && !text.contains("secret"),
        "{text}"
    );
    test.stop().await;
}

#[tokio::test]
async fn health_is_412_while_the_clusterer_does_not_answer() {
    let test = TestServer::start().await;
    Mock::given(path("/instance-list"))
        .respond_with(
            ResponseTemplate::new(503).set_body_json(json!({"code": "not_ready", "message": "x"})),
        )
        .mount(&test.clusterer)
        .await;
    let health = test.get("/clusters/health").await;
    assert_eq!(header(&health, "retry-after"), "5");
    assert_eq!(error(health).await, (412, "fleet_unavailable".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn modules_need_a_running_cluster() {
    let test = TestServer::start().await;
    clusterer_says(&test, instance_list(false)).await;
    assert_eq!(error(test.get("/clusters/9/modules").await).await.0, 404);
    assert_eq!(error(test.get("/clusters/x/modules").await).await.0, 404);
    let inactive = test.get("/clusters/0/modules").await;
    assert_eq!(header(&inactive, "retry-after"), "10");
    assert_eq!(
        error(inactive).await,
        (503, "cluster_unavailable".to_owned())
    );
    test.stop().await;
}

/// IServers listen on the loopback of their own host: asking ours would ask nobody, or the wrong one.
#[tokio::test]
async fn a_cluster_of_another_host_cannot_be_asked_and_that_is_said() {
    let test = TestServer::start().await;
    let mut list = instance_list(true);
    list["Instances"][0]["Process"] = json!({
        "State": "running", "Host": "b.internal:1293", "Restarts": 0, "Unresponsive": false
    });
    clusterer_says(&test, list).await;
    let elsewhere = test.get("/clusters/0/modules").await;
    assert_eq!(header(&elsewhere, "retry-after"), "");
    let text = elsewhere.text().await.unwrap();
    assert!(
        text.contains("another host") && !text.contains("internal"),
        "{text}"
    );
    let elsewhere = test.get("/clusters/0/modules").await;
    assert_eq!(
        error(elsewhere).await,
        (503, "cluster_elsewhere".to_owned())
    );
    let health = test.get("/clusters/health").await.text().await.unwrap();
    assert!(!health.contains("internal"), "{health}");
    test.stop().await;
}

#[tokio::test]
async fn modules_come_from_the_cluster_in_its_order() {
    let iserver = wiremock::MockServer::start().await;
    let port = iserver.address().port();
    let module = |id: &str| json!({"id": id, "name": id, "commands": []});
    Mock::given(method("POST"))
        .and(path("/"))
        .and(header_exists("signature"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(
            format!(
                "{{\"zeta\":{},\"alpha\":{}}}",
                module("zeta"),
                module("alpha")
            ),
            "application/json",
        ))
        .expect(1)
        .mount(&iserver)
        .await;
    let test = TestServer::start_with(|config, _| config.meta.bot_iserver_base_port = port).await;
    clusterer_says(&test, instance_list(true)).await;
    for _ in 0..2 {
        let modules: Vec<Value> = test.get("/clusters/0/modules").await.json().await.unwrap();
        let ids: Vec<_> = modules
            .iter()
            .map(|module| module["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["zeta", "alpha"]);
    }
    test.stop().await;
}

#[tokio::test]
async fn tasks_need_the_owners_token() {
    let test = TestServer::start().await;
    let list = format!("/entities/{GUILD}/tasks");
    assert_eq!(
        error(test.get(&list).await).await,
        (401, "unauthorized".to_owned())
    );
    let with = async |token: &str| {
        let value = format!("Server {token}");
        test.request(&list)
            .header("authorization", value)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(error(with("made-up").await).await.0, 401);
    let other = test.token(server(OTHER_GUILD)).await;
    assert_eq!(
        error(with(&other).await).await,
        (403, "forbidden".to_owned())
    );
    // A user's token is no server's token, even with the right word in front.
    let of_user = test.token(user(GUILD)).await;
    assert_eq!(error(with(&of_user).await).await.0, 401);
    let own = test.token(server(GUILD)).await;
    assert_eq!(with(&own).await.status(), 200);
    let both = test
        .request(&list)
        .header("user-auth", "a")
        .header("server-auth", "b");
    assert_eq!(error(both.send().await.unwrap()).await.0, 400);
    test.stop().await;
}

#[tokio::test]
async fn a_banned_user_is_refused() {
    let test = TestServer::start().await;
    let token = test.token(user(USER)).await;
    let id = UserId::new(USER).unwrap();
    test.storage
        .users()
        .set_state(id, UserState::Banned, test.now())
        .await
        .unwrap();
    let request = test
        .request(&format!("/entities/{USER}/tasks"))
        .header("user-auth", token);
    assert_eq!(
        error(request.send().await.unwrap()).await,
        (403, "forbidden".to_owned())
    );
    test.stop().await;
}

#[tokio::test]
async fn lists_are_newest_first_and_paged() {
    let test = TestServer::start().await;
    let token = test.token(server(GUILD)).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, test.task(server(GUILD)).await.to_string());
        test.clock.advance(std::time::Duration::from_secs(1));
    }
    let foreign = test.task(server(OTHER_GUILD)).await;
    let page = async |query: &str| -> Vec<String> {
        let path = format!("/entities/{GUILD}/tasks{query}");
        let answer = test
            .request(&path)
            .header("server-auth", &token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        let tasks = body["tasks"].as_array().unwrap();
        tasks
            .iter()
            .map(|task| task["task_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(page("").await, ids);
    assert_eq!(page("?limit=2").await, ids[..2]);
    assert_eq!(page(&format!("?limit=2&after={}", ids[1])).await, ids[2..4]);
    assert_eq!(page(&format!("?after={}", ids[4])).await, [""; 0]);
    assert_eq!(page("?name=other").await, [""; 0]);
    for query in [
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?after=x",
        &format!("?after={foreign}"),
    ] {
        let path = format!("/entities/{GUILD}/tasks{query}");
        let answer = test
            .request(&path)
            .header("server-auth", &token)
            .send()
            .await
            .unwrap();
        assert_eq!(error(answer).await.0, 400, "{query}");
    }
    test.stop().await;
}

#[tokio::test]
async fn a_task_is_shown_with_its_log_to_its_owner_alone() {
    let test = TestServer::start().await;
    let token = test.token(server(GUILD)).await;
    let task = test
        .finished_task(server(GUILD), "b.iblfile", b"data")
        .await;
    let foreign = test.task(server(OTHER_GUILD)).await;
    let get = async |id: &str| {
        let path = format!("/entities/{GUILD}/tasks/{id}");
        test.request(&path)
            .header("server-auth", &token)
            .send()
            .await
            .unwrap()
    };
    let shown: Value = get(&task.to_string()).await.json().await.unwrap();
    assert_eq!(shown["state"], "completed");
    assert_eq!(
        shown["output"],
        json!({"filename": "b.iblfile", "segregated": false})
    );
    assert_eq!(
        shown["task_for"],
        json!({"id": GUILD.to_string(), "target_type": "Server"})
    );
    assert_eq!(shown["task_info"]["encrypted"], true);
    assert_eq!(
        shown["statuses"][0],
        json!({"level": "info", "ts": 1_700_000_000.0, "msg": "Backing up", "channelId": "9",
            "botDisplayIgnore": ["channelId"]})
    );
    for id in [
        "not-a-uuid",
        "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11",
        &foreign.to_string(),
    ] {
        assert_eq!(
            error(get(id).await).await,
            (404, "not_found".to_owned()),
            "{id}"
        );
    }
    test.stop().await;
}

#[tokio::test]
async fn the_summary_counts_states() {
    let test = TestServer::start().await;
    test.finished_task(server(GUILD), "a", b"").await;
    test.task(server(OTHER_GUILD)).await;
    let summary: Value = test.get("/jobs/summary").await.json().await.unwrap();
    assert_eq!(
        summary,
        json!({"pending": 1, "running": 0, "completed": 1, "failed": 0})
    );
    test.stop().await;
}

#[tokio::test]
async fn creating_a_task_is_one_signed_call_about_the_callers_server() {
    let test = TestServer::start().await;
    let token = test.token(server(GUILD)).await;
    let created = json!({
        "task_id": "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11",
        "task_info": {"name": "guild_create_backup",
            "task_for": {"id": GUILD.to_string(), "target_type": "Server"}, "task_fields": {},
            "expiry": 0, "valid": true, "resumable": true, "encrypted": true}
    });
    Mock::given(method("POST"))
        .and(path("/ipc/create_task"))
        .and(header_exists("signature-input"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"tcr": created})))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    let post = async |body: Value| {
        test.client
            .post(test.url(&format!("/entities/{GUILD}/tasks/guild_create_backup")))
            .header("authorization", format!("Server {token}"))
            .header("idempotency-key", "k")
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let other = post(json!({"ServerID": OTHER_GUILD.to_string()})).await;
    assert_eq!(error(other).await, (403, "forbidden".to_owned()));
    let twice = json!({"ServerID": GUILD.to_string(), "serverid": OTHER_GUILD.to_string()});
    assert_eq!(error(post(twice).await).await.0, 400);
    assert_eq!(error(post(json!({"Options": {}})).await).await.0, 400);
    assert_eq!(error(post(json!([])).await).await.0, 400);

    let options = json!({"Encrypt": "a password"});
    let answer = post(json!({"ServerID": GUILD.to_string(), "Options": options})).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "bucket"), "create_task");
    assert_eq!(answer.json::<Value>().await.unwrap(), created);
    let sent: Value =
        serde_json::from_slice(&test.jobserver.received_requests().await.unwrap()[0].body).unwrap();
    assert_eq!(sent["args"]["name"], "guild_create_backup");
    assert_eq!(sent["args"]["execute"], true);
    assert_eq!(sent["args"]["data"]["Options"], options);
    assert_eq!(sent["args"]["idempotency_key"].as_str().unwrap().len(), 64);
    test.stop().await;
}

#[tokio::test]
async fn the_jobservers_refusal_passes_through_and_its_faults_do_not() {
    for (status, code, expected) in [
        (400, "unknown_task", (400, "unknown_task")),
        (409, "slot_taken", (409, "slot_taken")),
        (401, "bad_signature", (502, "bad_gateway")),
        (500, "internal", (502, "bad_gateway")),
    ] {
        let test = TestServer::start().await;
        let token = test.token(server(GUILD)).await;
        let body = json!({"code": code, "message": "from the jobserver"});
        Mock::given(path("/ipc/create_task"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&test.jobserver)
            .await;
        let answer = test
            .client
            .post(test.url(&format!("/entities/{GUILD}/tasks/x")))
            .header("server-auth", token)
            .json(&json!({"ServerID": GUILD.to_string()}))
            .send()
            .await
            .unwrap();
        let (status, code) = error(answer).await;
        assert_eq!((status, code.as_str()), expected);
        test.stop().await;
    }
}

#[tokio::test]
async fn other_bots_learn_the_new_ids() {
    let test = TestServer::start().await;
    let report = json!({"kind": "restore_report", "ids": {
        "role": {"11": "110", "12": "120", "13": "13"}, "message": {"31": "310"}}});
    let report = report.to_string();
    let owner = server(GUILD);
    let restore = test
        .finished_task(owner, "antiraid-restore-report.json", report.as_bytes())
        .await;
    let backup = test.finished_task(owner, "a.iblfile", b"no report").await;
    let token = test.token(owner).await;
    let ask = async |task, query: &str| {
        let path = format!("/entities/{GUILD}/tasks/{task}/ids{query}");
        test.request(&path)
            .header("authorization", &token)
            .send()
            .await
            .unwrap()
    };
    let first: Value = ask(restore, "?limit=2").await.json().await.unwrap();
    let role = |old: &str, new: &str| json!({"kind": "role", "old": old, "new": new});
    let message = json!({"kind": "message", "old": "31", "new": "310"});
    assert_eq!(
        first,
        json!({"ids": [message, role("11", "110")], "next": "role:11"})
    );
    let rest: Value = ask(restore, "?after=role:11").await.json().await.unwrap();
    assert_eq!(rest, json!({"ids": [role("12", "120")]}));
    let of_kind: Value = ask(restore, "?kind=message").await.json().await.unwrap();
    assert_eq!(of_kind["ids"].as_array().unwrap().len(), 1);
    for (task, query, status) in [
        (restore, "?limit=0", 400),
        (restore, "?limit=1001", 400),
        (restore, "?after=role", 400),
        (backup, "", 404),
        (test.task(owner).await, "", 404),
    ] {
        assert_eq!(ask(task, query).await.status(), status, "{query}");
    }
    let stranger = test.token(server(OTHER_GUILD)).await;
    let path = format!("/entities/{OTHER_GUILD}/tasks/{restore}/ids");
    let foreign = test.request(&path).header("authorization", &stranger);
    assert_eq!(foreign.send().await.unwrap().status(), 404);
    test.stop().await;
}
