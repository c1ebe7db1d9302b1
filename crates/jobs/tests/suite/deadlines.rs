//! When a task is given up, and how far it says it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Scripted, World, create, is, meanwhile, on_both};
use splashtail_core::clock::Clock as _;
use splashtail_jobs::{JobError, TaskRow, TaskState};
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

on_both!(
    what_is_away_does_not_end_a_task,
    a_run_ends_with_its_deadline,
    a_job_tells_how_far_it_is,
);

/// What it waits for may be away for as long as it likes, and so may whoever runs tasks.
async fn what_is_away_does_not_end_a_task(world: World) {
    let away = Arc::new(AtomicBool::new(true));
    let job = {
        let away = away.clone();
        Scripted::new(move |_| {
            let away = away.clone();
            Box::pin(async move {
                if away.load(Ordering::SeqCst) {
                    return Err(JobError::transient("discord_down", "Discord is away"));
                }
                Ok(None)
            })
        })
        .within(DAY)
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    for hours in 1..=10 {
        let parked = |row: &TaskRow| row.lease_owner.is_none() && row.attempts == 0;
        world.until(id, parked).await;
        world.pass(Duration::from_secs(hours * 60 * 60)).await;
        // Upkeep looks for what is overdue.
        world.clock.advance(Duration::from_secs(60));
    }
    running.abort();
    running.await.unwrap_err();
    world.pass(Duration::from_secs(30 * 24 * 60 * 60)).await;
    away.store(false, Ordering::SeqCst);
    let _running = world.engine(&job).start(CancellationToken::new());
    let row = world.until_ended(id).await;
    assert_eq!(row.state, TaskState::Completed, "{:?}", world.log(id).await);
}

/// One that runs is stopped, and what it had open is dropped.
async fn a_run_ends_with_its_deadline(world: World) {
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            cx.cancelled().cancelled().await;
            Err(cx.stopped())
        })
    })
    .within(DAY);
    let engine = world.engine(&job);
    let id = create(&engine).await;
    let row = world.row(id).await;
    assert_eq!(row.deadline_at, Some(row.run_after + DAY));
    let _running = engine.start(CancellationToken::new());
    world.until(id, is(TaskState::Running)).await;
    world.reach_deadlines().await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "deadline");
    let ended = async {
        while !job.ended.lock().unwrap().contains(&id) {
            world.clock.sleep(crate::harness::SECOND).await;
        }
    };
    meanwhile(&world.clock, ended).await;
}

async fn a_job_tells_how_far_it_is(world: World) {
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
