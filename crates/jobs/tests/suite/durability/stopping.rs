//! An engine that is asked to stop.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use splashtail_jobs::{JobError, MAX_ATTEMPTS, TaskState, Timing};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::harness::{Effects, LEASE, Scripted, World, create, meanwhile, on_both};

on_both!(
    a_step_that_does_not_end_is_dropped_after_its_grace,
    a_stopping_engine_lets_a_step_end_and_hands_over_at_once,
);

/// A step that is under way gets its grace, and what it did is recorded.
async fn a_stopping_engine_lets_a_step_end_and_hands_over_at_once(world: World) {
    let effects = Effects::default();
    let goes_on = Arc::new(Notify::new());
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = {
        let (effects, goes_on) = (effects.clone(), goes_on.clone());
        Scripted::new(move |cx| {
            let (effects, entered) = (effects.clone(), entered.clone());
            let goes_on = goes_on.clone();
            Box::pin(async move {
                let call = async {
                    entered.send("in flight").unwrap();
                    goes_on.notified().await;
                    Ok(effects.happen(cx.id(), "call"))
                };
                cx.step("call", || call).await?;
                cx.step("next", || async { Ok(effects.happen(cx.id(), "next")) })
                    .await?;
                entered.send("over").unwrap();
                Ok(None)
            })
        })
    };
    let (first, shutdown) = (world.engine(&job), CancellationToken::new());
    let stopping = first.start(shutdown.clone());
    let id = create(&first).await;
    assert_eq!(entries.recv().await, Some("in flight"));
    shutdown.cancel();
    // Heartbeat and grace: the engine knows that it is to stop.
    world.clock.wait_for_sleepers(2).await;
    goes_on.notify_one();
    // No time passes.
    stopping.await.unwrap();
    let row = world.row(id).await;
    assert_eq!(
        (row.state, row.lease_owner, row.attempts),
        (TaskState::Running, None, 0)
    );
    assert_eq!(effects.of(id), [("call".to_owned(), 1)], "nothing new");
    let second = world.engine(&job).start(CancellationToken::new());
    assert_eq!(entries.recv().await, Some("over"));
    world.until_ended(id).await;
    let counts = [("call".to_owned(), 1), ("next".to_owned(), 1)];
    assert_eq!(effects.of(id), counts);
    second.abort();
}

async fn a_step_that_does_not_end_is_dropped_after_its_grace(world: World) {
    let effects = Effects::default();
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = {
        let effects = effects.clone();
        Scripted::new(move |cx| {
            let (effects, entered) = (effects.clone(), entered.clone());
            Box::pin(async move {
                let times = effects.happen(cx.id(), "run");
                entered.send(times).unwrap();
                if times == 1 {
                    // Inside a step nothing has to observe the token.
                    cx.step("b", pending::<Result<(), JobError>>).await?;
                }
                Ok(None)
            })
        })
    };
    let (first, shutdown) = (world.engine(&job), CancellationToken::new());
    let stopping = first.start(shutdown.clone());
    let id = create(&first).await;
    assert_eq!(entries.recv().await, Some(1));
    shutdown.cancel();
    meanwhile(&world.clock, stopping).await.unwrap();
    let row = world.row(id).await;
    assert_eq!(
        (row.state, row.lease_owner, row.attempts),
        (TaskState::Running, None, 0)
    );
    let second = world.engine(&job).start(CancellationToken::new());
    assert_eq!(entries.recv().await, Some(2), "at once");
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    second.abort();
}

/// The database is silent from before the engine is asked to stop until its process is gone, more
/// often than crashes are forgiven. Nobody crashed.
#[tokio::test]
async fn stopping_beside_a_silent_database_is_no_crash() {
    const STOPS: u32 = MAX_ATTEMPTS + 2;
    let world = World::new().await;
    let notes = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(notes.path()).unwrap().count();
    let (entered, mut entries) = mpsc::unbounded_channel();
    let runs = AtomicU32::new(0);
    let job = Scripted::new(move |cx| {
        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
        let entered = entered.clone();
        Box::pin(async move {
            entered.send(run).unwrap();
            if run <= STOPS {
                cx.stopping().cancelled().await;
                return Err(cx.stopped());
            }
            Ok(None)
        })
    });
    let engine = || {
        let builder = world.builder(&world.clock).register(job.clone());
        let timing = Timing {
            deadline: Duration::from_millis(500),
            ..world.timing()
        };
        builder
            .timing(timing)
            .unreported(notes.path().to_owned())
            .build()
    };
    let (first, mut shutdown) = (engine(), CancellationToken::new());
    let mut running = first.start(shutdown.clone());
    let id = create(&first).await;
    for stop in 1..=STOPS {
        assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(stop));
        let silence = world.silence().await;
        shutdown.cancel();
        meanwhile(&world.clock, running).await.unwrap();
        assert_eq!(left(), 1, "stop {stop}");
        silence.rollback().await.unwrap();
        world.pass(LEASE).await;
        shutdown = CancellationToken::new();
        running = engine().start(shutdown.clone());
    }
    let row = world.until_ended(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Completed, 1));
    assert_eq!(left(), 0);
    running.abort();
}
