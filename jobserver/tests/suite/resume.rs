//! A jobserver may die at any moment of a backup.

use std::time::Duration;

use crate::support::discord::{ACTIVE_POST, BIG, BIG_COUNT, FILES, PNG, error, image};
use crate::support::{Backup, down_from, setup_with};
use serde_json::json;
use splashtail_storage::TaskState;

fn generous(config: &mut splashtail_core::config::Config) {
    config.plans.free.total_max_messages = 5000;
}

/// Killed three times, after ever more requests: the next attempt finishes, with every message
/// once, and no page that was recorded is asked for again.
async fn killed_after(requests: [usize; 3], encrypt: &str) {
    let setup = setup_with(generous);
    let mut server = setup.start().await;
    let options = json!({"BackupMessages": true, "BackupAttachments": true, "Encrypt": encrypt,
                         "RolloverLeftovers": true, "BackupGuildAssets": ["icon"]});
    let id = server.create(options).await.task_id;
    let mut made = 0;
    for more in requests {
        made += more;
        setup.discord.requested(made).await;
        server.kill();
        made = setup.discord.requests().len();
        server = setup.start().await;
    }
    let file = server.file(id).await;
    let mut backup = Backup::open(file, Some(encrypt).filter(|password| !password.is_empty()));
    let messages = backup.messages();
    assert_eq!(
        messages[&BIG],
        down_from(BIG_COUNT, BIG_COUNT),
        "{requests:?}"
    );
    assert_eq!(messages[&FILES], [2, 1]);
    assert_eq!(messages[&ACTIVE_POST].len(), 4);
    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image()
    );
    assert_eq!(
        server.stored().len(),
        1,
        "work files are gone: {:?}",
        server.stored()
    );

    // Each kill costs at most the requests of the steps that were under way: a page of each channel.
    let mut seen = std::collections::BTreeMap::new();
    for request in setup.discord.requests() {
        if request.contains("/messages") {
            *seen.entry(request).or_insert(0) += 1;
        }
    }
    let kills = i32::try_from(requests.len()).unwrap();
    assert!(seen.values().all(|times| times - 1 <= kills), "{seen:?}");
    let is_later = |request: &str| request.contains("before=");
    let later = seen.iter().filter(|(request, _)| is_later(request));
    let repeated: i32 = later.map(|(_, times)| times - 1).sum();
    assert!(repeated <= 4, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_reading_the_server() {
    killed_after([1, 2, 3], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_pages() {
    killed_after([14, 3, 1], "secret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_among_attachments_and_at_the_end() {
    killed_after([25, 2, 2], "secret").await;
}

/// Kills at moments that no request marks.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_time() {
    for delay_ms in [3, 23, 60] {
        let setup = setup_with(generous);
        let server = setup.start().await;
        let id = server
            .create(json!({"BackupMessages": true, "RolloverLeftovers": true, "Encrypt": "pw"}))
            .await
            .task_id;
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        server.kill();
        let server = setup.start().await;
        let mut backup = Backup::open(server.file(id).await, Some("pw"));
        assert_eq!(
            backup.messages()[&BIG].len() as u64,
            BIG_COUNT,
            "after {delay_ms} ms"
        );
        assert_eq!(server.stored().len(), 1);
    }
}

/// A shutdown hands the job back, and costs no attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_hands_the_job_back() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let options = json!({"BackupMessages": true, "RolloverLeftovers": true});
    let id = server.create(options).await.task_id;
    setup.discord.requested(10).await;
    server.stop();
    while server.get("/").await.0 != 0 {
        tokio::task::yield_now().await;
    }
    let again = setup.start().await;
    let row = again.completed(id).await;
    assert_eq!(row.attempts, 0, "an orderly hand-over is no attempt");
    let mut backup = Backup::open(again.file(id).await, None);
    assert_eq!(backup.messages()[&BIG].len() as u64, BIG_COUNT);
}

/// Discord fails for a while: the job waits and goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_discord_is_survived() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    setup.discord.intercept(|request| {
        request
            .contains("before=")
            .then(|| error(503, 0, "503: Service Unavailable"))
    });
    let options = json!({"BackupMessages": true, "RolloverLeftovers": true});
    let id = server.create(options).await.task_id;
    // Five requests are one call's patience; the sixth belongs to the next attempt.
    let failing = || {
        setup
            .discord
            .requests()
            .iter()
            .filter(|request| request.contains("before="))
            .count()
    };
    while failing() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setup.discord.stop_intercepting();
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(backup.messages()[&BIG].len() as u64, BIG_COUNT);
    let log = server.log(id).await;
    assert!(
        log.iter().any(|entry| entry.msg.contains("unavailable")),
        "{log:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_running_backup() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    // Messages never answer in time: the job waits for a rate limit.
    setup.discord.intercept(|request| {
        request.contains("/messages").then(|| {
            use axum::response::IntoResponse as _;
            let body = json!({"message": "…", "retry_after": 500.0, "global": false});
            (axum::http::StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response()
        })
    });
    let id = server.create(json!({"BackupMessages": true})).await.task_id;
    while !setup
        .discord
        .requests()
        .iter()
        .any(|request| request.contains("/messages"))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.client().cancel_task(id).await.unwrap();
    let row = server.ended(id).await;
    assert_eq!(row.state, TaskState::Failed);
    let last = server.log(id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "cancelled");
    server
        .client()
        .cancel_task(id)
        .await
        .expect("cancelling twice is no error");
    while !server.stored().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Work of tasks that are over, left by a process that was killed while it tidied up.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_clears_up_after_dead_tasks_alone() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let over = server.create(json!({})).await.task_id;
    server.completed(over).await;
    let finished = server.stored();
    // Half-written files have a number behind their name, and no listing shows them.
    let foreign = "work/c9a1c9a1-0000-4000-8000-000000000000/begun";
    for path in [
        format!("work/{over}/begun"),
        format!("work/{over}/draft.1#3"),
        ["tasks", &over.to_string(), "work", "guild.1"].join("/"),
        foreign.to_owned(),
    ] {
        let path = server.objects.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "left").unwrap();
    }
    server.kill();
    let server = setup.start().await;
    let expected = [finished, vec![foreign.to_owned()]].concat();
    while server.stored() != expected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A job that is under way has a mark, which goes with its work.
#[tokio::test(flavor = "multi_thread")]
async fn running_jobs_are_marked() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    setup.discord.intercept(|request| {
        request
            .contains("/messages")
            .then(|| error(503, 0, "503: Service Unavailable"))
    });
    let id = server.create(json!({"BackupMessages": true})).await.task_id;
    let mark = format!("work/{id}/begun");
    while !server.stored().contains(&mark) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setup.discord.stop_intercepting();
    server.completed(id).await;
    assert_eq!(server.stored().len(), 1);
}
