//! What a crash, a pause, a shutdown or an error of a runner does to a task.

mod harness;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use harness::{
    Effects, HEARTBEAT, LEASE, SECOND, Scripted, World, create, create_for, is, meanwhile, order,
};
use serde_json::json;
use splashtail_jobs::{CreateRequest, JobError, JobOutput, Level, MAX_ATTEMPTS, TaskState};
use splashtail_storage::Wanted;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_task_runs_to_its_output() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_crash_between_effect_and_record_repeats_that_step_alone() {
    let world = World::new().await;
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
    let first = world.engine(&job);
    let crashing = first.start(CancellationToken::new());
    let id = create(&first).await;
    reached.notified().await;
    crashing.abort();
    assert!(crashing.await.unwrap_err().is_cancelled());

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

/// A runner whose machine was suspended wakes up and goes on as if nothing had happened.
#[tokio::test]
async fn a_stale_runner_is_fenced_out() {
    let world = World::new().await;
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

#[tokio::test]
async fn heartbeats_keep_the_lease_and_losing_it_stops_the_body() {
    let world = World::new().await;
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

/// A step that is under way gets its grace, and what it did is recorded.
#[tokio::test]
async fn a_stopping_engine_lets_a_step_end_and_hands_over_at_once() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_step_that_does_not_end_is_dropped_after_its_grace() {
    let world = World::new().await;
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

/// Twenty tries, more than an hour: the task waits, says so once, and is done in the end.
#[tokio::test]
async fn an_outage_parks_a_task_however_long_it_lasts() {
    let world = World::new().await;
    let tries = Arc::new(AtomicU32::new(0));
    let job = {
        let tries = tries.clone();
        Scripted::new(move |_| {
            let tries = tries.clone();
            Box::pin(async move {
                if tries.fetch_add(1, Ordering::SeqCst) == 20 {
                    return Ok(None);
                }
                let error = JobError::transient("discord_down", "Discord did not answer");
                Err(error.caused_by("not for users"))
            })
        })
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let row = world.until_ended_with_retries(id).await;
    assert_eq!(row.state, TaskState::Completed);
    assert_eq!(tries.load(Ordering::SeqCst), 21);
    let log = world.log(id).await;
    let lines: Vec<_> = log.iter().map(|entry| entry.msg.as_str()).collect();
    let waiting = "Waiting, then going on: Discord did not answer";
    assert_eq!(lines, [waiting, "Completed"]);
    let told = &log[0].extra;
    assert_eq!(
        (told["code"].as_str(), told["retry_in"].as_f64()),
        (Some("discord_down"), Some(1.0))
    );
    let until: chrono::DateTime<chrono::Utc> = told["until"].as_str().unwrap().parse().unwrap();
    assert_eq!(until, log[0].ts + SECOND);
    running.abort();
}

/// What Discord dictates is kept to, and holds neither runner nor capacity.
#[tokio::test]
async fn a_task_that_has_to_wait_for_hours_lets_others_run() {
    const HOURS: Duration = Duration::from_secs(7 * 60 * 60);
    let world = World::new().await;
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            let fields: serde_json::Value = cx.fields()?;
            if fields["ServerID"] == 1 && cx.attempt() == 1 {
                return Err(
                    JobError::transient("rate_limited", "Discord says wait").retry_after(HOURS)
                );
            }
            Ok(None)
        })
    });
    let engine = world
        .builder(&world.clock)
        .register(job)
        .capacity(1)
        .build();
    let running = engine.start(CancellationToken::new());
    let limited = order(json!({"ServerID": 1, "Slot": true}));
    let id = engine.create(limited.clone()).await.unwrap().task_id;
    let row = world
        .until(id, |row| {
            row.lease_owner.is_none() && row.attempts == 0 && row.state == TaskState::Running
        })
        .await;
    assert!(row.run_after - row.last_updated > chrono::TimeDelta::hours(6));
    for guild in 2..5 {
        let other = engine
            .create(order(json!({"ServerID": guild})))
            .await
            .unwrap();
        world.until_ended(other.task_id).await;
    }
    let refused = engine.create(limited).await.unwrap_err();
    assert_eq!(refused.code(), "slot_taken");
    world.pass(HOURS - 60 * SECOND).await;
    let other = create_for(&engine, 9).await;
    world.until_ended(other).await;
    assert_eq!(
        world.row(id).await.state,
        TaskState::Running,
        "not a minute too early"
    );
    world.pass(60 * SECOND).await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    running.abort();
}

/// Twelve crashes, each after one new step.
#[tokio::test]
async fn a_task_that_gets_on_survives_any_number_of_crashes() {
    const CRASHES: u32 = 12;
    let world = World::new().await;
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
        let engine = world.engine(&job).start(CancellationToken::new());
        assert_eq!(meanwhile(&world.clock, stuck_at.recv()).await, Some(n));
        engine.abort();
        engine.await.unwrap_err();
        world.pass(LEASE).await;
    }
    let last = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    let counts = effects.of(id);
    assert_eq!(counts.len(), CRASHES as usize + 1);
    assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
    last.abort();
}

#[tokio::test]
async fn a_task_that_kills_its_runners_fails_in_the_end() {
    let world = World::new().await;
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
        let engine = world.engine(&job).start(CancellationToken::new());
        assert_eq!(meanwhile(&world.clock, entries.recv()).await, Some(attempt));
        engine.abort();
        engine.await.unwrap_err();
        world.pass(LEASE).await;
    }
    let last = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "attempts_exhausted");
    assert!(entries.try_recv().is_err(), "it was not run a sixth time");
    assert_eq!(
        *job.given_up.lock().unwrap(),
        [id],
        "what it left can be cleared away"
    );
    last.abort();
}

#[tokio::test]
async fn permanent_errors_fail_and_panics_count_as_crashes() {
    let world = World::new().await;
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

#[tokio::test]
async fn a_task_that_always_panics_fails_in_the_end() {
    let world = World::new().await;
    let job = Scripted::new(|_| Box::pin(async { panic!("for the process log") }));
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let row = world.until_ended_with_retries(id).await;
    assert_eq!((row.state, row.attempts), (TaskState::Failed, MAX_ATTEMPTS));
    assert_eq!(world.last_code(id).await, "internal");
    running.abort();
}

#[tokio::test]
async fn a_step_name_is_used_once() {
    let world = World::new().await;
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

#[tokio::test]
async fn so_many_tasks_run_at_a_time_and_no_more() {
    let world = World::new().await;
    let (gate, now, most) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = {
        let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
        Scripted::new(move |_| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            let entered = entered.clone();
            Box::pin(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                entered.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(None)
            })
        })
    };
    let engine = world
        .builder(&world.clock)
        .register(job)
        .capacity(2)
        .build();
    let running = engine.start(CancellationToken::new());
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(create(&engine).await);
    }
    for _ in 0..6 {
        entries.recv().await.unwrap();
        gate.add_permits(1);
    }
    for id in ids {
        world.until_ended(id).await;
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_tasks_on_two_engines_do_each_step_once() {
    const STEPS: [&str; 3] = ["plan", "work", "upload"];
    let world = World::new().await;
    let effects = Effects::default();
    let job = {
        let effects = effects.clone();
        Scripted::new(move |cx| {
            let effects = effects.clone();
            Box::pin(async move {
                for step in STEPS {
                    cx.step(step, || async { Ok(effects.happen(cx.id(), step)) })
                        .await?;
                }
                Ok(Some(JobOutput {
                    filename: "done".to_owned(),
                    segregated: false,
                }))
            })
        })
    };
    let idle = world.engine(&job);
    let mut ids = Vec::new();
    for guild in 1..=100 {
        let request = order(json!({"ServerID": guild, "Slot": true}));
        ids.push(idle.create(request).await.unwrap().task_id);
    }
    let engines = [(); 2].map(|()| world.engine(&job).start(CancellationToken::new()));
    for id in &ids {
        let row = world.until(*id, is(TaskState::Completed)).await;
        assert_eq!(row.attempts, 0);
        let counts = effects.of(*id);
        assert_eq!(counts.len(), STEPS.len());
        assert!(counts.iter().all(|(_, count)| *count == 1), "{counts:?}");
        assert_eq!(world.log(*id).await.len(), 1);
    }
    for engine in engines {
        engine.abort();
    }
}

/// A lease that runs out under a living run, as after a step of the database's clock: its own
/// engine takes the task again, and one run ends before the next begins.
#[tokio::test]
async fn an_engine_never_runs_a_task_beside_itself() {
    let world = World::new().await;
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
#[tokio::test]
async fn a_fence_check_keeps_others_away() {
    let world = World::new().await;
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
        names: &[harness::NAME],
        task: Some(id),
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

/// What a job does when it is given up is its own; the end is recorded all the same.
#[tokio::test]
async fn a_panic_while_giving_up_does_not_keep_a_task_from_its_end() {
    let world = World::new().await;
    let job = Scripted::new(|_| Box::pin(async { panic!("for the process log") }));
    job.given_up_panics.store(true, Ordering::SeqCst);
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
