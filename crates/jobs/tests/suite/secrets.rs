//! A password or the key made of it: in the job's hands, nowhere else, and gone at the end.

use std::sync::Arc;

use crate::harness::{Scripted, Times, World, on_both, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_jobs::{JobError, Level, TaskState};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

on_both!(
    it_survives_a_crash_wrapped_and_ends_with_the_task,
    it_ends_with_a_cancelled_task,
);

const SECRET: &str = "correct horse battery staple";

/// Whether the database holds the secret in clear, in any of the usual encodings.
async fn leaked(world: &World) -> bool {
    use std::fmt::Write as _;
    let hex = SECRET.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let contents: Vec<String> = match &world.times {
        // Its files, with what was overwritten.
        Times::Sqlite(_) => {
            let files = std::fs::read_dir(world.directory.path()).unwrap();
            files
                .map(|file| std::fs::read(file.unwrap().path()).unwrap())
                .map(|content| String::from_utf8_lossy(&content).into_owned())
                .collect()
        }
        Times::Postgres(pool) => {
            let mut rows = Vec::new();
            for table in [
                "tasks",
                "task_log",
                "task_steps",
                "task_items",
                "job_secrets",
            ] {
                let read = format!("SELECT one::text FROM {table} AS one");
                let read = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(read));
                rows.extend(read.fetch_all(pool).await.unwrap());
            }
            assert!(!rows.is_empty());
            rows
        }
    };
    contents
        .iter()
        .any(|text| text.contains(SECRET) || text.contains(&hex))
}

async fn stored_secrets(world: &World) -> i64 {
    const COUNT: &str = "SELECT COUNT(*) FROM job_secrets";
    match &world.times {
        Times::Sqlite(pool) => sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap(),
        Times::Postgres(pool) => sqlx::query_scalar(COUNT).fetch_one(pool).await.unwrap(),
    }
}

async fn it_survives_a_crash_wrapped_and_ends_with_the_task(world: World) {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let goes_on = Arc::new(Notify::new());
    let job = {
        let goes_on = goes_on.clone();
        Scripted::new(move |cx| {
            let (entered, goes_on) = (entered.clone(), goes_on.clone());
            Box::pin(async move {
                let secret = cx.secret().map(|secret| secret.as_ref().to_vec());
                entered.send(secret).unwrap();
                cx.log(Level::Info, format!("have {:?}", cx.secret()), json!({}))
                    .await;
                goes_on.notified().await;
                Err(JobError::permanent("over", "Enough"))
            })
        })
    };
    let engine = world.engine(&job);
    let crashing = engine.start(CancellationToken::new());
    let request = order(json!({"ServerID": 1, "Password": SECRET}));
    let answer = engine.create(request).await.unwrap();
    assert!(!serde_json::to_string(&answer).unwrap().contains("horse"));
    assert_eq!(
        entries.recv().await.unwrap().as_deref(),
        Some(SECRET.as_bytes())
    );
    crashing.abort();
    crashing.await.unwrap_err();
    assert_eq!(stored_secrets(&world).await, 1);
    assert!(!leaked(&world).await);

    let second = world.engine(&job).start(CancellationToken::new());
    let again = loop {
        world.pass(crate::harness::LEASE).await;
        tokio::select! {
            biased;
            again = crate::harness::meanwhile(&world.clock, entries.recv()) => break again,
            // A last look of the one that was killed took it after its time.
            () = world.clock.sleep(crate::harness::STUCK) => {}
        }
    };
    assert_eq!(again.unwrap().as_deref(), Some(SECRET.as_bytes()));
    goes_on.notify_one();
    let row = world.until_ended(answer.task_id).await;
    assert_eq!((row.state, row.encrypted), (TaskState::Failed, true));
    assert_eq!(stored_secrets(&world).await, 0);
    assert!(!leaked(&world).await);
    for entry in world.log(answer.task_id).await {
        assert!(!format!("{entry:?}").contains("horse"));
    }
    second.abort();
}

async fn it_ends_with_a_cancelled_task(world: World) {
    let engine = world.engine(&Scripted::new(|_| Box::pin(async { Ok(None) })));
    let request = order(json!({"ServerID": 1, "Password": SECRET}));
    let id = engine.create(request).await.unwrap().task_id;
    assert_eq!(stored_secrets(&world).await, 1);
    engine.cancel(id).await.unwrap();
    assert_eq!(stored_secrets(&world).await, 0);
}
