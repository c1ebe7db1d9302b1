//! A password or the key made of it: in the job's hands, nowhere else, and gone at the end.
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

mod harness;

use std::sync::Arc;

use harness::{Scripted, World, order};
use serde_json::json;
use splashtail_jobs::{JobError, Level, TaskState};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "correct horse battery staple";

/// Whether the database's files hold the secret in clear, in any of the usual encodings.
fn leaked(world: &World) -> bool {
    use std::fmt::Write as _;
    let hex = SECRET.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let files = std::fs::read_dir(world.directory.path()).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .any(|content| {
            let text = String::from_utf8_lossy(&content);
            text.contains(SECRET) || text.contains(&hex)
        })
}

async fn stored_secrets(world: &World) -> usize {
    let path = world.directory.path().join("splashtail.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let wrapped: Vec<Vec<u8>> = sqlx::query_scalar("SELECT wrapped FROM job_secrets")
        .fetch_all(&pool)
        .await
        .unwrap();
    pool.close().await;
    wrapped.len()
}

#[tokio::test]
async fn it_survives_a_crash_wrapped_and_ends_with_the_task() {
    let world = World::new().await;
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
    assert!(!leaked(&world));

    world.pass(harness::LEASE).await;
    let second = world.engine(&job).start(CancellationToken::new());
    let again = harness::meanwhile(&world.clock, entries.recv()).await;
    assert_eq!(again.unwrap().as_deref(), Some(SECRET.as_bytes()));
    goes_on.notify_one();
    let row = world.until_ended(answer.task_id).await;
    assert_eq!((row.state, row.encrypted), (TaskState::Failed, true));
    assert_eq!(stored_secrets(&world).await, 0);
    assert!(!leaked(&world));
    for entry in world.log(answer.task_id).await {
        assert!(!format!("{entry:?}").contains("horse"));
    }
    second.abort();
}

#[tokio::test]
async fn it_ends_with_a_cancelled_task() {
    let world = World::new().await;
    let engine = world.engine(&Scripted::new(|_| Box::pin(async { Ok(None) })));
    let request = order(json!({"ServerID": 1, "Password": SECRET}));
    let id = engine.create(request).await.unwrap().task_id;
    assert_eq!(stored_secrets(&world).await, 1);
    engine.cancel(id).await.unwrap();
    assert_eq!(stored_secrets(&world).await, 0);
}
