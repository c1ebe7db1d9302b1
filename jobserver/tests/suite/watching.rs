//! Looking at jobs through the control API.

use crate::support::discord::GUILD;
use crate::support::{Backup, Jobserver, setup};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;

fn body(args: &Value) -> String {
    json!({"args": args}).to_string()
}

async fn call(server: &Jobserver, name: &str, args: Value) -> (u16, Value) {
    server.call(name, body(&args)).await
}

/// Follows a log to its end; numbers and kinds of events.
async fn follow(server: &Jobserver, id: TaskId, after: Option<&str>) -> Vec<(String, String)> {
    let url = server.url.join(&format!("/tasks/{id}/log")).unwrap();
    let http = reqwest::Client::new();
    let mut request = http.get(url);
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let mut request = request.build().unwrap();
    server.signer("bot").sign(&mut request).unwrap();
    let answer = http.execute(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut bytes = answer.bytes_stream();
    let mut text = String::new();
    while let Some(part) = bytes.next().await {
        text.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default()
            .trim_start_matches(':')
            .trim()
            .to_owned()
    };
    let events = text.split("\n\n").filter(|event| event.contains("event:"));
    events
        .map(|event| (field(event, "id"), field(event, "event")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_its_end_and_from_anywhere() {
    let setup = setup();
    let server = setup.start().await;
    let id = server.create(json!({"BackupMessages": true})).await.task_id;
    let live = follow(&server, id, None).await;
    let row = server.completed(id).await;
    assert!(row.advance.is_some(), "it told how far it was");
    let entries: Vec<&String> = live
        .iter()
        .filter(|(_, kind)| kind == "entry")
        .map(|(id, _)| id)
        .collect();
    let log = server.log(id).await;
    let numbers: Vec<String> = log.iter().map(|entry| entry.seq.to_string()).collect();
    assert_eq!(
        entries,
        numbers.iter().collect::<Vec<_>>(),
        "each once and in order"
    );
    assert_eq!(live.last().unwrap().1, "end");

    let rest = follow(&server, id, Some(&numbers[numbers.len() - 2])).await;
    let kinds: Vec<_> = rest.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(rest[0].0, *numbers.last().unwrap());
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("entry", "end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_shown_to_those_who_sign() {
    let setup = setup();
    let server = setup.start().await;
    let first = server.create(json!({})).await.task_id;
    server.completed(first).await;
    let second = server.create(json!({})).await.task_id;
    server.completed(second).await;

    let (status, got) = call(&server, "get_task", json!({"task_id": first})).await;
    assert_eq!(status, 200);
    assert_eq!(got["task"]["state"], "completed");
    assert_eq!(
        got["task"]["statuses"].as_array().unwrap().len() as u64,
        got["next"].as_u64().unwrap()
    );
    assert!(got["task"]["deadline"].is_string(), "{got}");
    let behind = json!({"task_id": first, "after": got["next"]});
    let (_, rest) = call(&server, "get_task", behind).await;
    assert_eq!(rest["task"]["statuses"], json!([]));

    let owner = json!({"id": GUILD.to_string(), "target_type": "Server"});
    let (_, page) = call(&server, "list_tasks", json!({"owner": owner, "limit": 1})).await;
    assert_eq!(page["tasks"][0]["task_id"], second.to_string());
    let next = json!({"owner": owner, "after": second.to_string()});
    let (_, page) = call(&server, "list_tasks", next).await;
    let listed = page["tasks"].as_array().unwrap();
    assert_eq!(
        (listed.len(), &listed[0]["task_id"]),
        (1, &json!(first.to_string()))
    );
    let other = json!({"owner": {"id": "77", "target_type": "Server"}, "after": first.to_string()});
    let (status, answer) = call(&server, "list_tasks", other).await;
    assert_eq!((status, &answer["code"]), (400, &json!("unknown_cursor")));

    for (name, args, expected) in [
        ("get_task", json!({"task_id": TaskId::random()}), 404),
        ("get_task", json!({"task_id": "x"}), 400),
        ("get_task", json!({"task_id": first, "after": -1}), 400),
        ("list_tasks", json!({"owner": "5"}), 400),
        ("list_tasks", json!({"owner": owner, "limit": 0}), 400),
        ("list_tasks", json!({"owner": owner, "limit": 101}), 400),
        (
            "plan_task",
            json!({"name": "guild_create_backup", "data": {"ServerID": "1"}}),
            400,
        ),
    ] {
        assert_eq!(
            call(&server, name, args.clone()).await.0,
            expected,
            "{name} {args}"
        );
    }
    let url = server.url.join(&format!("/tasks/{first}/log")).unwrap();
    assert_eq!(
        reqwest::get(url).await.unwrap().status(),
        401,
        "an unsigned look"
    );
}

/// Whatever the options say, a plan changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_a_dry_run() {
    let setup = setup();
    let server = setup.start().await;
    let data = json!({"ServerID": GUILD.to_string(), "CallerPermissions": "8",
                      "options": {"dryrun": false}});
    let (status, planned) = call(
        &server,
        "plan_task",
        json!({"name": "message_prune", "data": data}),
    )
    .await;
    assert_eq!(status, 200, "{planned}");
    assert_eq!(
        planned["tcr"]["task_info"]["task_fields"]["Options"]["DryRun"],
        true
    );
}

/// What a backup holds, and how two differ, for those who name its own server and its password.
#[tokio::test(flavor = "multi_thread")]
async fn backups_are_looked_into() {
    let setup = setup();
    let server = setup.start().await;
    let first = server.create(json!({})).await.task_id;
    server.completed(first).await;
    setup.discord.change(|world| {
        world.channels[0]["name"] = json!("renamed");
    });
    let options = json!({"Encrypt": "correct horse"});
    let second = server.create(options).await.task_id;
    server.completed(second).await;

    let look = async |task: TaskId, password: Value| {
        let args = json!({"server_id": GUILD.to_string(), "task_id": task, "password": password});
        call(&server, "inspect_backup", args).await
    };
    let (status, found) = look(first, Value::Null).await;
    assert_eq!(status, 200, "{found}");
    assert_eq!(found["encryption"], "noencryption");
    let file = server.file(first).await;
    let mut archive = Backup::open(file, None).0;
    let expected = json!(archive.inspect(usize::MAX).unwrap());
    assert_eq!(found["sections"], expected["sections"]);
    assert_eq!(
        (&found["meta"], &found["more"]),
        (&expected["meta"], &json!(0))
    );

    let (status, answer) = look(second, Value::Null).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("password_required"))
    );
    let (status, answer) = look(second, json!("wrong")).await;
    assert_eq!((status, &answer["code"]), (400, &json!("wrong_password")));
    let (status, answer) = look(second, json!("x".repeat(4097))).await;
    assert_eq!(
        (status, &answer["code"]),
        (400, &json!("password_too_long"))
    );
    let (status, found) = look(second, json!("correct horse")).await;
    assert_eq!((status, &found["encryption"]), (200, &json!("aes256")));

    let both = |server_id: &str, after: TaskId| json!({"server_id": server_id, "before": first, "after": after, "password": "correct horse"});
    let own = GUILD.to_string();
    let (status, found) = call(&server, "compare_backups", both(&own, second)).await;
    assert_eq!(status, 200, "{found}");
    let changed = &found["differences"].as_array().unwrap()[0];
    assert_eq!(
        (&changed["change"], &changed["kind"], &changed["name"]),
        (&json!("changed"), &json!("channel"), &json!("renamed"))
    );
    assert_eq!(changed["fields"]["name"][1], "renamed");
    let (_, same) = call(&server, "compare_backups", both(&own, first)).await;
    assert_eq!(same, json!({"differences": [], "more": 0}));

    // Another server's is none.
    for (name, args) in [
        ("compare_backups", both("77", second)),
        ("compare_backups", both(&own, TaskId::random())),
        (
            "inspect_backup",
            json!({"server_id": "77", "task_id": first}),
        ),
    ] {
        let (status, answer) = call(&server, name, args).await;
        assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
    }

    // Nothing is left of it.
    let temporary = setup.data().join("tmp");
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0);
    let filename = server.row(first).await.output.unwrap().filename;
    let path = server.objects.join(format!("tasks/{first}/{filename}"));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (status, answer) = look(first, Value::Null).await;
    assert_eq!((status, &answer["code"]), (409, &json!("backup_damaged")));
}
