//! When a task is given up, and how far it says it is.

mod harness;

use harness::{Scripted, World, create, is, meanwhile};
use splashtail_core::clock::Clock as _;
use splashtail_jobs::{JobError, TaskState};
use tokio_util::sync::CancellationToken;

/// What it waits for may be away for ever.
#[tokio::test]
async fn a_task_that_waits_too_long_is_given_up() {
    let world = World::new().await;
    let job = Scripted::new(|_| {
        Box::pin(async { Err(JobError::transient("discord_down", "Discord is away")) })
    });
    let engine = world.engine(&job);
    let id = create(&engine).await;
    let _running = engine.start(CancellationToken::new());
    world
        .until(id, |row| row.lease_owner.is_none() && row.attempts == 0)
        .await;
    world.reach_deadlines().await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "deadline");
    let ended = async {
        while *job.ended.lock().unwrap() != [id] {
            world.clock.sleep(harness::SECOND).await;
        }
    };
    meanwhile(&world.clock, ended).await;
}

/// One that runs is stopped, and what it had open is dropped.
#[tokio::test]
async fn a_run_ends_with_its_deadline() {
    let world = World::new().await;
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            cx.cancelled().cancelled().await;
            Err(cx.stopped())
        })
    });
    let engine = world.engine(&job);
    let id = create(&engine).await;
    let row = world.row(id).await;
    let day = chrono::TimeDelta::days(1);
    assert_eq!(
        row.deadline_at,
        Some(row.run_after + day),
        "unless its kind says otherwise"
    );
    let _running = engine.start(CancellationToken::new());
    world.until(id, is(TaskState::Running)).await;
    world.reach_deadlines().await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "deadline");
}

#[tokio::test]
async fn a_job_tells_how_far_it_is() {
    let world = World::new().await;
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            cx.advance("messages", 30, 60).await;
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let id = create(&engine).await;
    let _running = engine.start(CancellationToken::new());
    let advance = world.until_ended(id).await.advance.unwrap();
    assert_eq!(
        (advance.what.as_str(), advance.done, advance.percent()),
        ("messages", 30, 50)
    );
}
