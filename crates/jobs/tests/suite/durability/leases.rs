//! Who holds a task, for how long, and what becomes of one whose lease is gone.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use splashtail_jobs::{JobError, JobOutput, Level, MAX_ATTEMPTS, TaskState};
use splashtail_storage::{Wanted, Which};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::harness::{HEARTBEAT, LEASE, Scripted, World, create, meanwhile, on_both};

on_both!(
    heartbeats_keep_the_lease_and_losing_it_stops_the_body,
    an_engine_never_runs_a_task_beside_itself,
    a_stale_runner_is_fenced_out,
    a_fence_check_keeps_others_away,
);

/// A runner whose machine was suspended wakes up and goes on as if nothing had happened.
async fn a_stale_runner_is_fenced_out(world: World) {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let (stale_goes_on, ended) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let job = {
        let (stale_goes_on, ended) = (stale_goes_on.clone(), ended.clone());
        Scripted::new(move |cx| {
            let (entered, gate) = (entered.clone(), stale_goes_on.clone());
            let ended = ended.clone();
            Box::pin(async move {
                entered.send(cx.attempt()).unwrap();
                if cx.attempt() == 1 {
                    gate.notified().await;
                    cx.log(Level::Info, "stale", json!(null)).await;
                    let fenced = cx.fence_check().await;
                    assert!(matches!(fenced, Err(JobError::LostLease)), "{fenced:?}");
                    let fenced = cx.step("a", || async { Ok("stale".to_owned()) }).await;
                    assert!(matches!(fenced, Err(JobError::LostLease)), "{fenced:?}");
                    ended.fetch_add(1, Ordering::SeqCst);
                    gate.notify_one();
                    // Even the claim to be done has no effect.
                    return Ok(Some(JobOutput {
                        filename: "stale".to_owned(),
                        segregated: false,
                    }));
                }
                let a: String = cx.step("a", || async { Ok("fresh".to_owned()) }).await?;
                Ok(Some(JobOutput {
                    filename: a,
                    segregated: false,
                }))
            })
        })
    };
    let suspended = world.engine(&job);
    let shutdown = CancellationToken::new();
    let stale = suspended.start(shutdown.clone());
    let id = create(&suspended).await;
    assert_eq!(entries.recv().await, Some(1));
    // Scan, upkeep, heartbeat: it looks for nothing any more.
    world.clock.wait_for_sleepers(3).await;

    let (engine, clock) = world.elsewhere(&job);
    let second = engine.start(CancellationToken::new());
    world.pass_in_database(LEASE).await;
    assert_eq!(meanwhile(&clock, entries.recv()).await, Some(2));
    let row = world.until_ended(id).await;
    assert_eq!(row.output.unwrap().filename, "fresh");

    stale_goes_on.notify_one();
    shutdown.cancel();
    stale.await.unwrap();
    let row = world.row(id).await;
    assert_eq!(row.output.unwrap().filename, "fresh");
    let lines: Vec<_> = world
        .log(id)
        .await
        .into_iter()
        .map(|entry| entry.msg)
        .collect();
    assert_eq!(lines, ["Completed"]);
    second.abort();
}

async fn heartbeats_keep_the_lease_and_losing_it_stops_the_body(world: World) {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let (left, mut leavers) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let (entered, left) = (entered.clone(), left.clone());
        Box::pin(async move {
            entered.send(cx.attempt()).unwrap();
            cx.cancelled().cancelled().await;
            let stopped = cx.stopped();
            left.send(matches!(stopped, JobError::LostLease)).unwrap();
            Err(stopped)
        })
    });
    let engine = world.engine(&job);
    let first = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(entries.recv().await, Some(1));
    for _ in 0..5 {
        world.pass_in_database(HEARTBEAT).await;
        world.until_heartbeat(id).await;
    }
    // A host whose clock is days ahead takes nothing from it.
    let (engine, clock) = world.elsewhere(&job);
    clock.advance(3 * LEASE);
    let second = engine.start(CancellationToken::new());
    clock.wait_for_sleepers(2).await;
    clock.advance(LEASE);
    clock.wait_for_sleepers(2).await;
    assert_eq!(world.row(id).await.attempts, 1, "it is still the first's");

    // For the database its time is over, before its heartbeat says otherwise.
    world.pass_in_database(LEASE).await;
    assert_eq!(meanwhile(&clock, entries.recv()).await, Some(2));
    world.clock.advance(HEARTBEAT);
    assert_eq!(
        leavers.recv().await,
        Some(true),
        "the first run stops, and not as cancelled"
    );
    first.abort();
    second.abort();
}

/// A lease that runs out under a living run, as after a step of the database's clock: its own
/// engine takes the task again, and one run ends before the next begins.
async fn an_engine_never_runs_a_task_beside_itself(world: World) {
    let (running_now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = {
        let (running_now, most) = (running_now.clone(), most.clone());
        Scripted::new(move |cx| {
            let (entered, most) = (entered.clone(), most.clone());
            let running_now = running_now.clone();
            Box::pin(async move {
                let counted = Counted(running_now);
                most.fetch_max(
                    counted.0.fetch_add(1, Ordering::SeqCst) + 1,
                    Ordering::SeqCst,
                );
                entered.send(cx.attempt()).unwrap();
                if cx.attempt() < 3 {
                    // It observes nothing.
                    pending::<()>().await;
                }
                Ok(None)
            })
        })
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    for attempt in 1..3 {
        assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(attempt));
        world.pass_in_database(LEASE).await;
    }
    let row = world.until_ended(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Completed, 1));
    assert_eq!(most.load(Ordering::SeqCst), 1);
    running.abort();
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A runner that was suspended for longer than its lease may go on while nobody took its task; from
/// its check on nobody does.
async fn a_fence_check_keeps_others_away(world: World) {
    let gate = Arc::new(Notify::new());
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = {
        let gate = gate.clone();
        Scripted::new(move |cx| {
            let (entered, gate) = (entered.clone(), gate.clone());
            Box::pin(async move {
                entered.send(true).unwrap();
                gate.notified().await;
                entered.send(cx.fence_check().await.is_ok()).unwrap();
                pending().await
            })
        })
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(entries.recv().await, Some(true));
    // Scan, upkeep, heartbeat.
    world.clock.wait_for_sleepers(3).await;
    world.pass_in_database(LEASE).await;
    gate.notify_one();
    assert_eq!(entries.recv().await, Some(true));
    let other = Wanted {
        runner: "other",
        names: &[crate::harness::NAME],
        which: Which::One(id),
        lease: LEASE,
    };
    assert_eq!(world.storage.queue().claim(&other).await.unwrap(), None);
    running.abort();
}

/// Outages that are longer than a lease, more of them than crashes are forgiven, within one step.
#[tokio::test]
async fn leases_lost_to_silence_are_no_crashes() {
    const OUTAGES: u32 = MAX_ATTEMPTS + 2;
    let world = World::new().await;
    let (entered, mut entries) = mpsc::unbounded_channel();
    let (left, mut leavers) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let (entered, left) = (entered.clone(), left.clone());
        Box::pin(async move {
            entered.send(cx.attempt()).unwrap();
            let long = async {
                if cx.attempt() <= OUTAGES {
                    cx.cancelled().cancelled().await;
                    left.send(()).unwrap();
                    return Err(cx.stopped());
                }
                Ok(())
            };
            // Not within a step, which would be dropped before it tells.
            long.await?;
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    for outage in 1..=OUTAGES {
        assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(outage));
        let silence = world.silence().await;
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        let lost = async {
            loop {
                pace.tick().await;
                world.clock.advance(HEARTBEAT);
            }
        };
        tokio::select! {
            biased;
            left = leavers.recv() => left.unwrap(),
            () = lost => unreachable!("it passes for ever"),
        }
        silence.rollback().await.unwrap();
    }
    let row = world.until_ended(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Completed, 1));
    running.abort();
}
