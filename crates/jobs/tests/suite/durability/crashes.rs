//! What a crash or an error of a runner does to a task.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use splashtail_jobs::{CreateRequest, JobError, JobOutput, Level, MAX_ATTEMPTS, TaskState};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::harness::{Effects, LEASE, Scripted, World, create, meanwhile, on_both, order};

on_both!(
    permanent_errors_fail_and_panics_count_as_crashes,
    a_task_that_always_panics_fails_in_the_end,
    a_panic_while_tidying_up_does_not_keep_a_task_from_its_end,
    a_step_name_is_used_once,
    a_task_runs_to_its_output,
    nothing_is_cleared_away_before_the_end_is_stored,
    a_crash_between_effect_and_record_repeats_that_step_alone,
    a_task_that_gets_on_survives_any_number_of_crashes,
    a_task_that_kills_its_runners_fails_in_the_end,
);

async fn a_crash_between_effect_and_record_repeats_that_step_alone(world: World) {
    let (effects, reached) = (Effects::default(), Arc::new(Notify::new()));
    let job = {
        let (effects, reached) = (effects.clone(), reached.clone());
        Scripted::new(move |cx| {
            let (effects, reached) = (effects.clone(), reached.clone());
            Box::pin(async move {
                let id = cx.id();
                let a: u32 = cx
                    .step("a", || async { Ok(effects.happen(id, "a")) })
                    .await?;
                let crash = async {
                    let times = effects.happen(id, "b");
                    if times == 1 {
                        reached.notify_one();
                        pending::<()>().await;
                    }
                    Ok(times)
                };
                let b: u32 = cx.step("b", || crash).await?;
                let c: u32 = cx
                    .step("c", || async { Ok(effects.happen(id, "c")) })
                    .await?;
                assert_eq!((a, b, c), (1, 2, 1));
                Ok(None)
            })
        })
    };
    let first = world.mortal(&job).await;
    let id = create(&first.engine).await;
    reached.notified().await;
    first.kill().await;

    let second = world.engine(&job).start(CancellationToken::new());
    // Scan and upkeep.
    world.clock.wait_for_sleepers(2).await;
    assert_eq!(
        world.row(id).await.state,
        TaskState::Running,
        "a start fails nothing"
    );
    world.pass(LEASE).await;
    let row = world.until_ended(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Completed, 0));
    let counts = [
        ("a".to_owned(), 1),
        ("b".to_owned(), 2),
        ("c".to_owned(), 1),
    ];
    assert_eq!(effects.of(id), counts);
    second.abort();
}

/// Twelve crashes, each after one new step.
async fn a_task_that_gets_on_survives_any_number_of_crashes(world: World) {
    const CRASHES: u32 = 12;
    let effects = Effects::default();
    let (stuck, mut stuck_at) = mpsc::unbounded_channel();
    let job = {
        let effects = effects.clone();
        Scripted::new(move |cx| {
            let (effects, stuck) = (effects.clone(), stuck.clone());
            Box::pin(async move {
                for n in 0..=CRASHES {
                    let step = format!("{n:02}");
                    cx.step(&step, || async { Ok(effects.happen(cx.id(), &step)) })
                        .await?;
                    if n < CRASHES && cx.attempt() == n + 1 {
                        stuck.send(n).unwrap();
                        pending::<()>().await;
                    }
                }
                Ok(None)
            })
        })
    };
    let id = create(&world.engine(&job)).await;
    for n in 0..CRASHES {
        let engine = world.mortal(&job).await;
        assert_eq!(meanwhile(&world.clock, stuck_at.recv()).await, Some(n));
        engine.kill().await;
        world.pass(LEASE).await;
    }
    let last = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    let counts = effects.of(id);
    assert_eq!(counts.len(), CRASHES as usize + 1);
    assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
    last.abort();
}

async fn a_task_that_kills_its_runners_fails_in_the_end(world: World) {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let entered = entered.clone();
        Box::pin(async move {
            entered.send(cx.attempt()).unwrap();
            pending().await
        })
    });
    let id = create(&world.engine(&job)).await;
    for attempt in 1..=MAX_ATTEMPTS {
        let engine = world.mortal(&job).await;
        assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(attempt));
        engine.kill().await;
        world.pass(LEASE).await;
    }
    let last = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "attempts_exhausted");
    assert!(entries.try_recv().is_err(), "it was not run a sixth time");
    while job.ended.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        *job.ended.lock().unwrap(),
        [id],
        "what it left can be cleared away"
    );
    last.abort();
}

async fn permanent_errors_fail_and_panics_count_as_crashes(world: World) {
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            assert!(cx.attempt() > 1, "this message stays in the process log");
            Err(JobError::permanent(
                "missing_access",
                "The bot may not read this server",
            ))
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let row = world.until_ended_with_retries(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Failed, 2));
    let log = world.log(id).await;
    assert_eq!(
        log[0].msg,
        "An internal error interrupted the task: trying again"
    );
    assert_eq!(log[1].msg, "The bot may not read this server");
    assert_eq!(log[1].extra["code"], "missing_access");
    running.abort();
}

async fn a_task_that_always_panics_fails_in_the_end(world: World) {
    let job = Scripted::new(|_| Box::pin(async { panic!("for the process log") }));
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let row = world.until_ended_with_retries(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Failed, MAX_ATTEMPTS));
    assert_eq!(world.last_code(id).await, "internal");
    running.abort();
}

/// What a job does when it has ended is its own; the end is recorded all the same.
async fn a_panic_while_tidying_up_does_not_keep_a_task_from_its_end(world: World) {
    let job = Scripted::new(|_| Box::pin(async { panic!("for the process log") }));
    job.ended_panics.store(true, Ordering::SeqCst);
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let row = world.until_ended_with_retries(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Failed, MAX_ATTEMPTS));
    let other = engine.create(CreateRequest {
        execute: false,
        ..order(json!({"ServerID": 1}))
    });
    let other = other.await.unwrap().task_id;
    assert_eq!(engine.cancel(other).await.unwrap(), TaskState::Failed);
    running.abort();
}

async fn a_step_name_is_used_once(world: World) {
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            cx.step("a", || async { Ok(1) }).await?;
            cx.step("a", || async { Ok(2) }).await?;
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "duplicate_step");
    running.abort();
}

async fn a_task_runs_to_its_output(world: World) {
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            let fields: serde_json::Value = cx.fields()?;
            cx.log(
                Level::Info,
                "started",
                json!({"server": fields["ServerID"]}),
            )
            .await;
            let sum: u64 = cx.step("sum", || async { Ok(41) }).await?;
            cx.step("nothing", || async { Ok(()) }).await?;
            let filename = format!("{}.iblfile", sum + u64::from(cx.attempt()));
            Ok(Some(JobOutput {
                filename,
                segregated: false,
            }))
        })
    });
    let engine = world.engine(&job);
    let shutdown = CancellationToken::new();
    let running = engine.start(shutdown.clone());
    let id = create(&engine).await;
    let row = world.until_ended(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Completed, 0));
    assert_eq!(row.output.unwrap().filename, "42.iblfile");
    let log = world.log(id).await;
    assert_eq!(
        log.iter()
            .map(|entry| entry.msg.as_str())
            .collect::<Vec<_>>(),
        ["started", "Completed"]
    );
    assert_eq!(log[0].extra["server"], 1);
    shutdown.cancel();
    running.await.unwrap();
}

/// A run that follows a stop needs what is there: only when the end is stored it is cleared away.
async fn nothing_is_cleared_away_before_the_end_is_stored(world: World) {
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let entered = entered.clone();
        Box::pin(async move {
            entered.send(()).unwrap();
            if cx.attempt() > 1 {
                return Ok(None);
            }
            // As a call does that is cut off: it does not know what for.
            cx.cancelled().cancelled().await;
            Err(JobError::Cancelled)
        })
    });
    let stop = CancellationToken::new();
    let first = world.engine(&job).start(stop.clone());
    let id = create(&world.engine(&job)).await;
    assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(()));
    stop.cancel();
    meanwhile(&world.clock, first).await.unwrap();
    assert_eq!(*job.ended.lock().unwrap(), [], "another run goes on");

    let second = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    while job.ended.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*job.ended.lock().unwrap(), [id]);
    second.abort();
}
