//! What callers may ask for and what they are answered.

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{NAME, Scripted, World, create, meanwhile, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_jobs::{
    CreateRequest, EngineError, JobError, Owner, Schedule, Sweep, TaskState, first_at,
};
use tokio_util::sync::CancellationToken;

fn idle_job() -> Scripted {
    Scripted::new(|_| Box::pin(async { Ok(None) }))
}

#[tokio::test]
async fn the_answer_describes_the_task() {
    let world = World::new().await;
    let engine = world.engine(&idle_job());
    let request = order(json!({"ServerID": 7, "z": 1, "a": 2, "Password": "correct horse"}));
    let answer = engine.create(request).await.unwrap();
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(
        json["task_info"].to_string(),
        r#"{"name":"scripted","task_for":{"id":"7","target_type":"Server"},"task_fields":{"ServerID":7,"z":1,"a":2},"expiry":0,"valid":true,"resumable":true,"encrypted":true}"#
    );
    assert_eq!(world.row(answer.task_id).await.state, TaskState::Pending);
}

#[tokio::test]
async fn bad_orders_store_nothing() {
    let world = World::new().await;
    let engine = world.engine(&idle_job());
    let good = order(json!({"ServerID": 1}));
    let keyed = |key: &str| CreateRequest {
        idempotency_key: Some(key.to_owned()),
        ..good.clone()
    };
    for (bad, code) in [
        (
            CreateRequest {
                name: "nonsense".to_owned(),
                ..good.clone()
            },
            "unknown_task",
        ),
        (order(json!([])), "bad_fields"),
        (order(json!({})), "no_server"),
        (keyed(""), "invalid_idempotency_key"),
        (keyed("with space"), "invalid_idempotency_key"),
        (keyed(&"k".repeat(65)), "invalid_idempotency_key"),
    ] {
        assert_eq!(engine.create(bad).await.unwrap_err().code(), code);
    }
    assert_eq!(world.storage.tasks().summary().await.unwrap().pending, 0);
}

/// The original decoded all requests into one shared object.
#[tokio::test]
async fn nothing_of_one_order_is_seen_in_another() {
    let world = World::new().await;
    let engine = world.engine(&idle_job());
    let first =
        order(json!({"ServerID": 1, "Options": {"SpecialAllocations": {"5": 9}}, "Password": "p"}));
    engine.create(first).await.unwrap();
    let second = engine.create(order(json!({"ServerID": 2}))).await.unwrap();
    assert_eq!(second.task_info.task_fields, json!({"ServerID": 2}));
    assert!(!second.task_info.encrypted);
}

#[tokio::test]
async fn a_repeated_order_gets_the_first_answer() {
    let world = World::new().await;
    let job = idle_job();
    let engine = world.engine(&job);
    let request = |data| CreateRequest {
        idempotency_key: Some("123".to_owned()),
        ..order(data)
    };
    let first = engine
        .create(request(json!({"ServerID": 1, "Slot": true})))
        .await
        .unwrap();
    let again = engine
        .create(request(json!({"ServerID": 1, "Slot": true})))
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(
        *job.prepared.lock().unwrap(),
        1,
        "a repetition costs no key derivation"
    );
    let other = CreateRequest {
        client: "api".to_owned(),
        ..request(json!({"ServerID": 3}))
    };
    assert_ne!(engine.create(other).await.unwrap().task_id, first.task_id);
    let stranger = engine.create(request(json!({"ServerID": 2}))).await;
    assert_eq!(stranger.unwrap_err().code(), "task_mismatch");
    // After it has ended, too.
    let running = engine.start(CancellationToken::new());
    world.until_ended(first.task_id).await;
    assert_eq!(
        engine
            .create(request(json!({"ServerID": 1})))
            .await
            .unwrap(),
        first
    );
    running.abort();
}

#[tokio::test]
async fn a_guild_has_one_slot_across_engines() {
    let world = World::new().await;
    let job = idle_job();
    let (one, (two, _)) = (world.engine(&job), world.elsewhere(&job));
    let request = |guild: u64| order(json!({"ServerID": guild, "Slot": true}));
    let first = one.create(request(1)).await.unwrap();
    let refused = two.create(request(1)).await.unwrap_err();
    assert_eq!(refused.code(), "slot_taken");
    assert!(matches!(refused, EngineError::SlotTaken { by, .. } if by == first.task_id));
    two.create(request(2)).await.unwrap();
    two.create(order(json!({"ServerID": 1}))).await.unwrap();
    let running = one.start(CancellationToken::new());
    world.until_ended(first.task_id).await;
    two.create(request(1)).await.unwrap();
    running.abort();
}

#[tokio::test]
async fn executing_asks_for_the_same_task_still_pending() {
    let world = World::new().await;
    let engine = world.engine(&idle_job());
    let running = engine.start(CancellationToken::new());
    let waiting = CreateRequest {
        execute: false,
        ..order(json!({"ServerID": 1}))
    };
    let id = engine.create(waiting).await.unwrap().task_id;
    world.clock.wait_for_sleepers(1).await;
    assert_eq!(world.row(id).await.state, TaskState::Pending);

    let fields = json!({"ServerID": 1});
    let other_name = engine
        .execute("bot", "nonsense", id, fields.clone())
        .await
        .unwrap_err();
    assert_eq!(other_name.code(), "unknown_task");
    let unknown = engine
        .execute("bot", NAME, TaskId::random(), fields.clone())
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "not_found");
    let other_owner = engine
        .execute("bot", NAME, id, json!({"ServerID": 2}))
        .await
        .unwrap_err();
    assert_eq!(other_owner.code(), "task_mismatch");
    engine
        .execute("bot", NAME, id, fields.clone())
        .await
        .unwrap();
    world.until_ended(id).await;
    // The original ran a finished task again.
    let again = engine.execute("bot", NAME, id, fields).await.unwrap_err();
    assert_eq!(again.code(), "not_pending");
    assert_eq!(world.row(id).await.state, TaskState::Completed);
    running.abort();
}

#[tokio::test]
async fn a_task_that_nobody_starts_ends_after_a_day() {
    use std::time::Duration;
    let (world, sweeps) = (World::new().await, Arc::new(AtomicU32::new(0)));
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

/// Only its owner's, only when it has ended, and with what it left.
#[tokio::test]
async fn a_task_is_deleted_on_request_with_all_that_it_left() {
    let world = World::new().await;
    let engine = world.builder(&world.clock).register(idle_job()).build();
    let waiting = CreateRequest {
        execute: false,
        ..order(json!({"ServerID": 1}))
    };
    let id = engine.create(waiting).await.unwrap().task_id;
    let owner = world.row(id).await.owner;
    let early = engine.delete(id, owner).await.unwrap_err();
    assert_eq!(early.code(), "not_ended");
    engine.cancel(id).await.unwrap();
    let other = Owner::Server(GuildId::new(999).unwrap());
    let theirs = engine.delete(id, other).await.unwrap_err();
    assert_eq!(theirs.code(), "task_mismatch");
    engine.delete(id, owner).await.unwrap();
    let gone = world.storage.tasks().get(id, world.clock.now()).await;
    assert_eq!(gone.unwrap(), None);
    engine.delete(id, owner).await.unwrap();
}

/// Rows, logs and what jobs left go together, in bounded batches; a failing removal is repeated, and
/// keeps nothing else from its turn.
#[tokio::test]
async fn what_has_expired_is_deleted_with_all_that_it_left() {
    use std::time::Duration;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let world = World::new().await;
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

/// Until a sweep has begun and ended.
async fn two_sweeps(world: &World, sweeps: &AtomicU32) {
    let before = sweeps.load(Ordering::SeqCst);
    let swept = async {
        while sweeps.load(Ordering::SeqCst) < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    meanwhile(&world.clock, swept).await;
}

/// The options may hold a password; a request that is logged must not.
#[test]
fn an_order_shows_no_options() {
    let shown = format!("{:?}", order(json!({"Options": {"Encrypt": "hunter2"}})));
    assert!(
        shown.contains("CreateRequest") && !shown.contains("hunter2"),
        "{shown}"
    );
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
        catch_up: true,
        actor: Some("u/1".to_owned()),
        next_at: None,
        last_task: None,
        guild: None,
        keep: splashtail_jobs::Keep::default(),
    }
}

/// Two engines, months of absence: each time is ordered once, and what was missed once in all.
#[tokio::test]
async fn a_schedule_orders_each_time_once() {
    use std::time::Duration;
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let world = World::new().await;
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
#[tokio::test]
async fn a_schedule_that_fails_stays_due_and_keeps_no_other_from_its_turn() {
    let (world, sweeps) = (World::new().await, Arc::new(AtomicU32::new(0)));
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
    two_sweeps(&world, &sweeps).await;
    let due = world.storage.schedules().due(None, 200).await.unwrap();
    assert_eq!(due.len(), 60, "the one that is invalid is not due again");
    job.unprepared.store(false, Ordering::SeqCst);
    let done = async { while completed().await < 129 {} };
    meanwhile(&world.clock, done).await;
    running.abort();
}
