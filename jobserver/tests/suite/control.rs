//! The control API: who may call, and what a wrong call gets.

use crate::support::discord::GUILD;
use crate::support::{secret, setup, setup_with};
use serde_json::{Value, json};
use splashtail_core::clock::Clock;
use splashtail_storage::TaskState;

fn body(args: &Value) -> String {
    json!({"args": args}).to_string()
}

fn data() -> Value {
    json!({"ServerID": GUILD.to_string(), "Options": {}})
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_need_a_fresh_signature_of_a_known_client() {
    let setup = setup();
    let server = setup.start().await;
    let http = reqwest::Client::new();
    let url = server.url.join("/ipc/cancel_task").unwrap();
    let text = body(&json!({"task_id": "c9a1c9a1-0000-4000-8000-000000000000"}));

    let unsigned = http
        .post(url.clone())
        .body(text.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), 401);
    let answer: Value = unsigned.json().await.unwrap();
    assert_eq!(answer["code"], "signature_required");
    let plain = http
        .post(url.clone())
        .header("authorization", format!("bot {}", secret("bot")));
    assert_eq!(
        plain.body(text.clone()).send().await.unwrap().status(),
        401,
        "off by default"
    );

    let mut request = http.post(url.clone()).body(text.clone()).build().unwrap();
    server.signer("guest").sign(&mut request).unwrap();
    let answer = http.execute(request).await.unwrap();
    assert_eq!(answer.status(), 403, "known, but without the right");

    let mut request = http.post(url.clone()).body(text.clone()).build().unwrap();
    server.signer("bot").sign(&mut request).unwrap();
    let replay = request.try_clone().unwrap();
    assert_eq!(http.execute(request).await.unwrap().status(), 404);
    let answer = http.execute(replay).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["code"],
        "replayed_nonce"
    );

    let mut request = http.post(url.clone()).body(text.clone()).build().unwrap();
    server.signer("bot").sign(&mut request).unwrap();
    *request.body_mut() = Some(body(&json!({"task_id": "other"})).into());
    assert_eq!(
        http.execute(request).await.unwrap().status(),
        401,
        "another body"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_original_header_works_only_when_switched_on() {
    let setup = setup_with(|config| config.meta.plain_client_secret = true);
    let server = setup.start().await;
    let call = |authorization: &str| {
        let authorization = authorization.to_owned();
        let request = reqwest::Client::new().post(server.url.join("/ipc/create_task").unwrap());
        let body = body(&json!({"name": "guild_create_backup", "data": data()}));
        request
            .header("authorization", authorization)
            .body(body)
            .send()
    };
    assert_eq!(
        call(&format!("bot {}", secret("bot")))
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(call("bot wrong").await.unwrap().status(), 403);
    assert_eq!(call("nobody secret").await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_say_what_is_wrong_and_change_nothing() {
    let setup = setup();
    let server = setup.start().await;
    let create = |name: &str, data: Value| body(&json!({"name": name, "data": data}));
    let options = |options: Value| {
        create(
            "guild_create_backup",
            json!({"ServerID": "5", "Options": options}),
        )
    };
    for (call, text, status, code) in [
        ("nothing", body(&json!({"a": 1})), 400, "unknown_call"),
        ("create_task", "not json".into(), 400, "invalid_json"),
        ("create_task", "null".into(), 400, "invalid_args"),
        ("create_task", body(&json!({})), 400, "invalid_args"),
        (
            "create_task",
            body(&json!({"name": "guild_create_backup"})),
            400,
            "invalid_args",
        ),
        (
            "create_task",
            create("guild_create_backup", json!({})),
            400,
            "invalid_args",
        ),
        (
            "create_task",
            create("message_move", data()),
            400,
            "unknown_task",
        ),
        (
            "create_task",
            create("guild_create_backup", json!({"x": 1})),
            400,
            "invalid_server_id",
        ),
        (
            "create_task",
            options(json!({"PerChannel": 1})),
            400,
            "per_channel_too_small",
        ),
        (
            "create_task",
            options(json!({"MaxMessages": 9999})),
            400,
            "too_many_messages",
        ),
        (
            "execute_task",
            body(&json!({"name": "guild_create_backup", "task_id": "x"})),
            400,
            "invalid_args",
        ),
        (
            "cancel_task",
            body(&json!({"task_id": "c9a1c9a1-0000-4000-8000-000000000000"})),
            404,
            "not_found",
        ),
    ] {
        let (found, answer) = server.call(call, text.clone()).await;
        assert_eq!(
            (found, &answer["code"]),
            (status, &json!(code)),
            "{call} {text}: {answer}"
        );
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    let (status, answer) = server.call("create_task", vec![b' '; 2 << 20]).await;
    assert_eq!((status, &answer["code"]), (413, &json!("body_too_large")));
    let counts = server.storage.tasks().summary().await.unwrap();
    assert_eq!(
        counts.pending + counts.running + counts.completed + counts.failed,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_per_server_at_a_time() {
    let setup = setup();
    let server = setup.start().await;
    // The first one waits for a rate limit.
    setup.discord.intercept(|request| {
        request.contains("/users/@me").then(|| {
            use axum::response::IntoResponse as _;
            let body = json!({"message": "…", "retry_after": 500.0, "global": false});
            (axum::http::StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response()
        })
    });
    let args = json!({"name": "guild_create_backup", "data": data(), "execute": true});
    let create = body(&args);
    let (status, first) = server.call("create_task", create.clone()).await;
    assert_eq!(status, 200);
    let (status, answer) = server.call("create_task", create.clone()).await;
    assert_eq!((status, &answer["code"]), (409, &json!("slot_taken")));
    let id = first["tcr"]["task_id"].as_str().unwrap();
    let (status, _) = server
        .call("cancel_task", body(&json!({"task_id": id})))
        .await;
    assert_eq!(status, 204);
    let status = loop {
        match server.call("create_task", create.clone()).await.0 {
            // Its runner is letting go.
            409 => {
                server
                    .clock
                    .sleep(std::time::Duration::from_millis(100))
                    .await;
            }
            status => break status,
        }
    };
    assert_eq!(status, 200, "the slot is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn creation_and_execution_can_be_two_calls() {
    let setup = setup();
    let server = setup.start().await;
    let (status, created) = server
        .call(
            "create_task",
            body(&json!({"name": "guild_create_backup", "data": data()})),
        )
        .await;
    assert_eq!(status, 200);
    let tcr = &created["tcr"];
    assert_eq!(
        tcr["task_info"]["task_for"],
        json!({"id": GUILD.to_string(), "target_type": "Server"})
    );
    assert_eq!(
        tcr["task_info"]["task_fields"]["Constraints"]["TotalMaxMessages"],
        500
    );
    let id = tcr["task_id"].as_str().unwrap();
    let execute = |server_id: String| {
        body(
            &json!({"name": "guild_create_backup", "task_id": id, "ServerID": server_id,
                     "Options": {}}),
        )
    };
    let (status, answer) = server.call("execute_task", execute("77".into())).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("task_mismatch")),
        "another server's task"
    );
    let (status, _) = server
        .call("execute_task", execute(GUILD.to_string()))
        .await;
    assert_eq!(status, 204);
    server.completed(id.parse().unwrap()).await;
    let (status, answer) = server
        .call("execute_task", execute(GUILD.to_string()))
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (409, &json!("not_pending")),
        "never run twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_repeats_the_first_answer() {
    let setup = setup();
    let server = setup.start().await;
    let create = |key: &str| {
        body(
            &json!({"name": "guild_create_backup", "data": data(), "idempotency_key": key,
                     "execute": true}),
        )
    };
    let (_, first) = server
        .call("create_task", create("1100000000000000900"))
        .await;
    let (status, again) = server
        .call("create_task", create("1100000000000000900"))
        .await;
    assert_eq!((status, &again), (200, &first));
    let (status, answer) = server.call("create_task", create(&"x".repeat(65))).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("invalid_idempotency_key"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_need_no_signature() {
    let setup = setup();
    let server = setup.start().await;
    assert_eq!(server.get("/").await, (200, "jobserver".to_owned()));
    assert_eq!(server.get("/readyz").await.0, 200);
    let created = server.create(json!({})).await;
    assert_eq!(
        server.completed(created.task_id).await.state,
        TaskState::Completed
    );
    let (status, metrics) = server.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("splashtail_tasks{state=\"completed\"} 1"),
        "{metrics}"
    );
    assert_eq!(server.get("/ipc/create_task").await.0, 405);
    assert_eq!(server.get("/nothing").await.0, 404);
}

/// A bucket that takes connections and answers nothing: `/readyz` hung for half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_bucket_makes_the_jobserver_unready_at_once() {
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", frozen.local_addr().unwrap());
    let setup = setup_with(move |config| {
        config.object_storage = splashtail_core::config::ObjectStorage::S3Like {
            bucket: "backups".into(),
            endpoint: endpoint.parse().unwrap(),
            cdn_endpoint: None,
            access_key: "key".to_owned().into(),
            secret_key: "secret".to_owned().into(),
            region: "us-east-1".into(),
            secure: false,
            cdn_secure: false,
        };
    });
    let server = setup.launch().await;
    let answer = loop {
        let (status, body) = server.get("/readyz").await;
        assert!([0, 503].contains(&status), "{body}");
        if body.contains("object_storage") {
            break body;
        }
        tokio::task::yield_now().await;
    };
    assert!(answer.contains("no answer within"), "{answer}");
}
