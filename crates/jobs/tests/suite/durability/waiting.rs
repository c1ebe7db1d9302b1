//! Tasks that wait: for what is away, and for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use splashtail_jobs::{JobError, JobOutput, TaskState};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::harness::{Effects, SECOND, Scripted, World, create, create_for, is, on_both, order};

on_both!(
    an_outage_parks_a_task_however_long_it_lasts,
    a_task_that_has_to_wait_for_hours_lets_others_run,
    so_many_tasks_run_at_a_time_and_no_more,
);

/// Twenty tries, more than an hour: the task waits, says so once, and is done in the end.
async fn an_outage_parks_a_task_however_long_it_lasts(world: World) {
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
async fn a_task_that_has_to_wait_for_hours_lets_others_run(world: World) {
    const HOURS: Duration = Duration::from_secs(7 * 60 * 60);
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

async fn so_many_tasks_run_at_a_time_and_no_more(world: World) {
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
