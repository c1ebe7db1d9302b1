//! What an engine does beside its runs: orders what is due, ends and deletes what is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::harness::{NAME, Scripted, World, create, meanwhile, on_both, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::TaskId;
use splashtail_jobs::{CreateRequest, JobError, Schedule, Sweep, TaskState, first_at};
use tokio_util::sync::CancellationToken;

on_both!(
    what_has_expired_is_deleted_with_all_that_it_left,
    an_outage_of_what_tasks_left_ends_the_turn,
    a_duty_that_hangs_holds_up_no_other,
    a_schedule_orders_each_time_once,
    a_task_that_nobody_starts_ends_after_a_day,
    a_schedule_that_fails_stays_due_and_keeps_no_other_from_its_turn,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn idle_job() -> Scripted {
    Scripted::new(|_| Box::pin(async { Ok(None) }))
}

async fn a_task_that_nobody_starts_ends_after_a_day(world: World) {
    let sweeps = Arc::new(AtomicU32::new(0));
    let engine = world
        .builder(&world.clock)
        .register(idle_job())
        .sweep(Broom(sweeps.clone()))
        .build();
    let waiting = CreateRequest {
        execute: false,
        ..order(json!({"ServerID": 1, "Password": "p"}))
    };
    let id = engine.create(waiting).await.unwrap().task_id;
    let started = create(&engine).await;
    // A host that is ahead ends nothing of others.
    world.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    let running = engine.start(CancellationToken::new());
    assert_eq!(world.until_ended(started).await.state, TaskState::Completed);
    two_sweeps(&world, &sweeps).await;
    assert_eq!(world.row(id).await.state, TaskState::Pending);
    world.pass(Duration::from_secs(72 * 60 * 60)).await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "never_started");
    running.abort();
}

/// Rows, logs and what jobs left go together, in bounded batches; a failing removal is repeated, and
/// keeps nothing else from its turn.
async fn what_has_expired_is_deleted_with_all_that_it_left(world: World) {
    let (job, swept) = (idle_job(), Arc::new(AtomicU32::new(0)));
    let engine = world
        .builder(&world.clock)
        .register(job.clone())
        .keep(Some(90 * DAY))
        .sweep(Broom(swept.clone()))
        .build();
    let running = engine.start(CancellationToken::new());
    let mut ids = Vec::new();
    for _ in 0..120 {
        ids.push(create(&engine).await);
    }
    for id in &ids {
        world.until_ended(*id).await;
    }
    // A host that is a year ahead deletes nothing.
    world.clock.advance(365 * DAY);
    two_sweeps(&world, &swept).await;
    assert_eq!(job.deleted.lock().unwrap().len(), 0);
    world.pass(DAY).await;
    let younger = create(&engine).await;
    world.until_ended(younger).await;

    // More than a batch of those that ended first.
    job.stuck.lock().unwrap().extend(&ids[..60]);
    world.pass(89 * DAY).await;
    let completed = async || world.storage.tasks().summary().await.unwrap().completed;
    let gone = async { while completed().await > 61 {} };
    meanwhile(&world.clock, gone).await;
    assert!(!job.deleted.lock().unwrap().contains(&younger));
    job.stuck.lock().unwrap().clear();
    let gone = async { while completed().await > 1 {} };
    meanwhile(&world.clock, gone).await;
    assert!(
        ids.iter()
            .all(|id| job.deleted.lock().unwrap().contains(id))
    );
    assert_eq!(world.log(ids[0]).await, []);
    assert_eq!(world.row(younger).await.state, TaskState::Completed);
    running.abort();
}

/// What the expired tasks left is in one place: when that is away, one of them tells.
async fn an_outage_of_what_tasks_left_ends_the_turn(world: World) {
    let (job, swept) = (idle_job(), Arc::new(AtomicU32::new(0)));
    let engine = world
        .builder(&world.clock)
        .register(job.clone())
        .keep(Some(90 * DAY))
        .sweep(Broom(swept.clone()))
        .build();
    let running = engine.start(CancellationToken::new());
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(create(&engine).await);
    }
    for id in &ids {
        world.until_ended(*id).await;
    }
    job.away.store(true, Ordering::SeqCst);
    world.pass(91 * DAY).await;
    two_sweeps(&world, &swept).await;
    let twice = async {
        while job.asked.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    meanwhile(&world.clock, twice).await;
    let (asked, turns) = (
        job.asked.load(Ordering::SeqCst),
        swept.load(Ordering::SeqCst),
    );
    assert!(asked <= turns, "{asked} times in {turns} turns");
    job.away.store(false, Ordering::SeqCst);
    let completed = async || world.storage.tasks().summary().await.unwrap().completed;
    let gone = async { while completed().await > 0 {} };
    meanwhile(&world.clock, gone).await;
    running.abort();
}

/// What is waited for without end by one duty keeps no other from its turn.
async fn a_duty_that_hangs_holds_up_no_other(world: World) {
    let (job, swept) = (idle_job(), Arc::new(AtomicU32::new(0)));
    let engine = world
        .builder(&world.clock)
        .register(job.clone())
        .keep(Some(90 * DAY))
        .sweep(Broom(swept.clone()))
        .build();
    let running = engine.start(CancellationToken::new());
    let expired = create(&engine).await;
    world.until_ended(expired).await;
    job.silent.store(true, Ordering::SeqCst);
    world.pass(91 * DAY).await;
    two_sweeps(&world, &swept).await;
    let schedule = Schedule {
        next_at: Some(world.clock.now() - chrono::TimeDelta::days(400)),
        ..monthly(7)
    };
    world.storage.schedules().put(&schedule).await.unwrap();
    let ordered = async {
        let last = async || world.storage.schedules().get(schedule.id).await;
        while last().await.unwrap().unwrap().last_task.is_none() {}
    };
    meanwhile(&world.clock, ordered).await;
    running.abort();
}

/// Until a turn has begun and ended.
async fn two_sweeps(world: &World, sweeps: &AtomicU32) {
    let before = sweeps.load(Ordering::SeqCst);
    let swept = async {
        while sweeps.load(Ordering::SeqCst) < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    meanwhile(&world.clock, swept).await;
}

struct Broom(Arc<AtomicU32>);

#[async_trait::async_trait]
impl Sweep for Broom {
    async fn sweep(&self) -> Result<(), JobError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(JobError::transient("storage", "It is not the last"))
    }
}

fn monthly(guild: u64) -> Schedule {
    Schedule {
        id: TaskId::random().get(),
        name: NAME.to_owned(),
        data: json!({"ServerID": guild}),
        cron: "0 0 1 * *".to_owned(),
        jitter_ms: 0,
        actor: Some("u/1".to_owned()),
        next_at: None,
        last_task: None,
        guild: None,
        keep: splashtail_jobs::Keep::default(),
    }
}

/// Two engines, months of absence: each time is ordered once, and what was missed once in all.
async fn a_schedule_orders_each_time_once(world: World) {
    let job = idle_job();
    let mut schedule = monthly(7);
    let first = first_at(
        schedule.id,
        &schedule.cron,
        Duration::ZERO,
        world.clock.now(),
    )
    .unwrap();
    schedule.next_at = Some(first);
    world.storage.schedules().put(&schedule).await.unwrap();
    let sweeps = Arc::new(AtomicU32::new(0));
    // A host that is years ahead orders nothing early.
    world.clock.advance(900 * DAY);
    let engines = [(); 2].map(|()| {
        let builder = world.builder(&world.clock).register(job.clone());
        let engine = builder.sweep(Broom(sweeps.clone())).build();
        engine.start(CancellationToken::new())
    });
    two_sweeps(&world, &sweeps).await;
    let completed = async || world.storage.tasks().summary().await.unwrap().completed;
    assert_eq!(completed().await, 0);
    // No two waits are the same: time that is moved would bring the same moment back.
    for (wait, orders) in [(32 * DAY, 1), (33 * DAY, 2), (120 * DAY, 3), (34 * DAY, 4)] {
        world.pass(wait).await;
        let due = async || world.storage.schedules().due(None, 9).await.unwrap();
        let done = async { while completed().await < orders || !due().await.is_empty() {} };
        meanwhile(&world.clock, done).await;
    }
    assert_eq!(completed().await, 4);
    for engine in engines {
        engine.abort();
    }
}

/// More than a batch that are due at once, the first ones by a fault of ours: they stay due.
async fn a_schedule_that_fails_stays_due_and_keeps_no_other_from_its_turn(world: World) {
    let sweeps = Arc::new(AtomicU32::new(0));
    let job = idle_job();
    job.unprepared.store(true, Ordering::SeqCst);
    let past = world.clock.now() - chrono::TimeDelta::days(1);
    for n in 0..130_u64 {
        let schedule = Schedule {
            next_at: Some(past + chrono::TimeDelta::seconds(n.cast_signed())),
            // The job fails for the first server, and refuses to work for none.
            ..monthly(if n < 60 { 1 } else { 2 * u64::from(n != 129) })
        };
        world.storage.schedules().put(&schedule).await.unwrap();
    }
    let engine = world
        .builder(&world.clock)
        .register(job.clone())
        .sweep(Broom(sweeps.clone()))
        .build();
    let running = engine.start(CancellationToken::new());
    let completed = async || world.storage.tasks().summary().await.unwrap().completed;
    let done = async { while completed().await < 69 {} };
    meanwhile(&world.clock, done).await;
    let due = async || world.storage.schedules().due(None, 200).await.unwrap();
    let invalid = async { while due().await.len() != 60 {} };
    meanwhile(&world.clock, invalid).await;
    two_sweeps(&world, &sweeps).await;
    assert_eq!(due().await.len(), 60, "they stay due");
    job.unprepared.store(false, Ordering::SeqCst);
    let done = async { while completed().await < 129 {} };
    meanwhile(&world.clock, done).await;
    running.abort();
}
