//! Cancelling: at once for whoever asks, soon for whoever runs, once in all.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::harness::{
    HEARTBEAT, LEASE, SECOND, Scripted, World, create, meanwhile, on_both, order,
};
use serde_json::json;
use splashtail_core::ids::TaskId;
use splashtail_jobs::{EngineError, JobError, Level, TaskState};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

on_both!(
    a_running_task_is_cancelled_at_once,
    another_process_hears_of_it_with_its_next_heartbeat,
    what_does_not_run_is_cancelled_too_and_never_runs,
    a_task_that_has_ended_stays_as_it_is,
    nobody_waits_for_what_a_cancelled_task_left,
);

/// Waits in a step for ever; tells when it is entered and how it was left.
fn waiting() -> (Scripted, mpsc::UnboundedReceiver<&'static str>) {
    let (told, tells) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let told = told.clone();
        Box::pin(async move {
            cx.log(Level::Info, "working", json!({})).await;
            told.send("entered").unwrap();
            let left = cx.step("wait", pending::<Result<(), JobError>>).await;
            let how = match &left {
                Err(JobError::Cancelled) => "cancelled",
                Err(JobError::LostLease) => "lost",
                _ => "otherwise",
            };
            told.send(how).unwrap();
            left.map(|()| None)
        })
    });
    (job, tells)
}

async fn a_running_task_is_cancelled_at_once(world: World) {
    let (job, mut tells) = waiting();
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(tells.recv().await, Some("entered"));
    for _ in 0..2 {
        assert_eq!(engine.cancel(id).await.unwrap(), TaskState::Failed);
    }
    assert_eq!(tells.recv().await, Some("cancelled"), "no time has passed");
    let log = world.log(id).await;
    let lines: Vec<_> = log.iter().map(|entry| entry.msg.as_str()).collect();
    assert_eq!(lines, ["working", "Cancelled"]);
    assert_eq!(world.last_code(id).await, "cancelled");
    running.abort();
}

async fn another_process_hears_of_it_with_its_next_heartbeat(world: World) {
    let (job, mut tells) = waiting();
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let request = order(json!({"ServerID": 9, "Slot": true}));
    let id = engine.create(request.clone()).await.unwrap().task_id;
    assert_eq!(tells.recv().await, Some("entered"));

    let (elsewhere, _) = world.elsewhere(&job);
    assert_eq!(elsewhere.cancel(id).await.unwrap(), TaskState::Failed);
    let refused = elsewhere.create(request.clone()).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::SlotTaken { by, .. } if by == id),
        "the runner may still be at work"
    );
    world.clock.wait_for_sleepers(3).await;
    world.clock.advance(HEARTBEAT);
    assert_eq!(tells.recv().await, Some("cancelled"));
    let free = async { while elsewhere.create(request.clone()).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), free)
        .await
        .expect("the slot is freed");
    running.abort();
}

#[tokio::test]
async fn a_body_that_does_not_listen_is_dropped() {
    struct Left(Arc<Notify>);
    impl Drop for Left {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let world = World::new().await;
    let (entered, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let job = {
        let (entered, left) = (entered.clone(), left.clone());
        Scripted::new(move |_| {
            let (entered, left) = (entered.clone(), Left(left.clone()));
            Box::pin(async move {
                let _left = left;
                entered.notify_one();
                pending().await
            })
        })
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    entered.notified().await;
    engine.cancel(id).await.unwrap();
    // Scan, upkeep, heartbeat, tidying up.
    world.clock.wait_for_sleepers(4).await;
    world.clock.advance(2 * SECOND);
    left.notified().await;
    running.abort();
}

async fn what_does_not_run_is_cancelled_too_and_never_runs(world: World) {
    let (job, mut tells) = waiting();
    let engine = world.engine(&job);
    let pending = create(&engine).await;
    assert_eq!(engine.cancel(pending).await.unwrap(), TaskState::Failed);

    let orphan = create(&engine).await;
    let crashing = engine.start(CancellationToken::new());
    assert_eq!(tells.recv().await, Some("entered"));
    crashing.abort();
    crashing.await.unwrap_err();
    assert_eq!(
        world.engine(&job).cancel(orphan).await.unwrap(),
        TaskState::Failed
    );
    assert_eq!(world.last_code(orphan).await, "cancelled");
    let cleared = async {
        while job.ended.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    meanwhile(&world.clock, cleared).await;
    let cleared = job.ended.lock().unwrap().clone();
    assert_eq!(cleared, [pending, orphan], "what they left, once each");

    let running = engine.start(CancellationToken::new());
    world.clock.wait_for_sleepers(2).await;
    world.pass(2 * LEASE).await;
    world.clock.wait_for_sleepers(2).await;
    assert!(tells.try_recv().is_err());
    let unknown = engine.cancel(TaskId::random()).await.unwrap_err();
    assert!(matches!(unknown, EngineError::NotFound(_)));
    running.abort();
}

async fn a_task_that_has_ended_stays_as_it_is(world: World) {
    let job = Scripted::new(|_| Box::pin(async { Ok(None) }));
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    world.until_ended(id).await;
    assert_eq!(engine.cancel(id).await.unwrap(), TaskState::Completed);
    assert_eq!(world.log(id).await.len(), 1);
    running.abort();
}

/// Whoever cancels is answered although what the task left cannot be cleared away.
async fn nobody_waits_for_what_a_cancelled_task_left(world: World) {
    let (job, _) = waiting();
    job.ended_hangs.store(true, Ordering::SeqCst);
    let engine = world.engine(&job);
    let id = create(&engine).await;
    let cancelled = tokio::time::timeout(Duration::from_secs(60), engine.cancel(id));
    let state = cancelled.await.expect("answered").unwrap();
    assert_eq!(state, TaskState::Failed);
    let cleared = async {
        while *job.ended.lock().unwrap() != [id] {
            tokio::task::yield_now().await;
        }
    };
    meanwhile(&world.clock, cleared).await;
}
