//! Schedules of servers: what is accepted, what stays of what they made, what is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::harness::{NAME, SECOND, Scripted, World, meanwhile, on_both, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_jobs::{
    CreateRequest, JobError, Keep, MOST_SCHEDULES, NewSchedule, Schedule, TaskState,
};
use splashtail_storage::Trouble;
use tokio_util::sync::CancellationToken;

on_both!(
    a_success_makes_the_oldest_go_with_what_it_left,
    a_failure_is_noted_with_its_reason,
    what_fell_is_told_once_however_often_a_deletion_fails,
    an_order_whose_server_is_busy_waits,
    what_cannot_be_scheduled_is_refused_by_name,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn idle_job() -> Scripted {
    Scripted::new(|_| Box::pin(async { Ok(None) }))
}

fn monthly() -> NewSchedule {
    NewSchedule {
        id: TaskId::random().get(),
        name: NAME.to_owned(),
        data: json!({"ServerID": 7}),
        cron: "0 0 1 * *".to_owned(),
        jitter: Duration::ZERO,
        keep: Keep {
            count: Some(1),
            days: None,
        },
        actor: None,
    }
}

fn guild() -> GuildId {
    GuildId::new(7).unwrap()
}

/// Until its last task is another than `before` and its end was seen to.
async fn settled(world: &World, before: Option<TaskId>) -> Option<TaskId> {
    let schedules = world.storage.schedules();
    let seen_to = async {
        loop {
            let of_guild = schedules.of_guild(guild()).await.unwrap();
            let last = of_guild[0].last_task;
            if last != before && schedules.unsettled(None, 9).await.unwrap().is_empty() {
                return last;
            }
        }
    };
    meanwhile(&world.clock, seen_to).await
}

async fn a_success_makes_the_oldest_go_with_what_it_left(world: World) {
    let job = idle_job();
    let engine = world.engine(&job);
    let stored = engine.schedule("bot", monthly()).await.unwrap();
    assert!(stored.next_at.is_some());
    let running = engine.start(CancellationToken::new());
    let mut last = None;
    let mut made = Vec::new();
    // No two waits are the same: time that is moved would bring the same moment back.
    for days in [32, 33, 34] {
        world.pass(days * DAY).await;
        last = settled(&world, last).await;
        made.extend(last);
        let rows = world.storage.schedules().made(&stored, 9).await.unwrap();
        assert_eq!(rows.len(), 1, "one is kept");
        assert_eq!(Some(rows[0].id), last, "the newest");
    }
    let deleted = job.deleted.lock().unwrap().clone();
    assert!(made[..2].iter().all(|id| deleted.contains(id)));
    assert!(!deleted.contains(&made[2]));
    running.abort();
}

async fn a_failure_is_noted_with_its_reason(world: World) {
    let job = Scripted::new(|_| {
        Box::pin(async { Err(JobError::permanent("no_view", "The bot may see nothing")) })
    });
    let engine = world.engine(&job);
    let stored = engine.schedule("bot", monthly()).await.unwrap();
    let running = engine.start(CancellationToken::new());
    world.pass(32 * DAY).await;
    settled(&world, None).await;
    let troubles = world.storage.schedules().troubles(None, 9).await.unwrap();
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].schedule.id, stored.id);
    assert!(troubles[0].text.contains("may see nothing"), "{troubles:?}");
    running.abort();
}

async fn what_fell_is_told_once_however_often_a_deletion_fails(world: World) {
    let job = idle_job();
    let engine = world.engine(&job);
    engine.schedule("bot", monthly()).await.unwrap();
    let schedules = world.storage.schedules();
    let told = async || {
        loop {
            if let Some(trouble) = schedules.troubles(None, 9).await.unwrap().pop() {
                return trouble;
            }
            world.clock.sleep(SECOND).await;
        }
    };
    let running = engine.start(CancellationToken::new());
    world.pass(32 * DAY).await;
    settled(&world, None).await;
    // From here on nothing can be deleted, and whatever is the newest is poor.
    job.away.store(true, Ordering::SeqCst);
    job.poor.store(true, Ordering::SeqCst);
    world.pass(33 * DAY).await;
    let first = meanwhile(&world.clock, told()).await;
    assert_eq!(first.text, Trouble::FALLEN);
    assert!(schedules.tell(&first).await.unwrap());
    world.pass(34 * DAY).await;
    // Said at once, whether the deletions succeed or not, and not again with each try.
    let second = meanwhile(&world.clock, told()).await;
    assert_eq!(second.text, Trouble::FALLEN);
    assert!(schedules.tell(&second).await.unwrap());
    let before = job.asked.load(Ordering::SeqCst);
    let asked_often = async {
        while job.asked.load(Ordering::SeqCst) < before + 3 {
            world.clock.sleep(SECOND).await;
        }
    };
    meanwhile(&world.clock, asked_often).await;
    assert_eq!(schedules.troubles(None, 9).await.unwrap(), []);
    running.abort();
}

/// It is made when the other one has ended, instead of being left out.
async fn an_order_whose_server_is_busy_waits(world: World) {
    let idle = idle_job();
    let engine = world.engine(&idle);
    let new = NewSchedule {
        data: json!({"ServerID": 7, "Slot": true}),
        ..monthly()
    };
    let stored = engine.schedule("bot", new).await.unwrap();
    let waiting = CreateRequest {
        run_after: Some(world.clock.now() + chrono::TimeDelta::days(400)),
        ..order(json!({"ServerID": 7, "Slot": true}))
    };
    let busy = engine.create(waiting).await.unwrap().task_id;
    let running = engine.start(CancellationToken::new());
    world.pass(32 * DAY).await;
    let schedules = world.storage.schedules();
    let some_turns = async {
        for _ in 0..200 {
            world.clock.sleep(SECOND).await;
        }
    };
    meanwhile(&world.clock, some_turns).await;
    let row = schedules.get(stored.id).await.unwrap().unwrap();
    assert_eq!(row.last_task, None);
    assert_eq!(schedules.troubles(None, 9).await.unwrap(), []);
    engine.cancel(busy).await.unwrap();
    let made = settled(&world, None).await.unwrap();
    assert_eq!(world.row(made).await.state, TaskState::Completed);
    running.abort();
}

async fn what_cannot_be_scheduled_is_refused_by_name(world: World) {
    let engine = world.engine(&idle_job());
    let refused = async |new: NewSchedule| {
        let error = engine.schedule("bot", new).await.unwrap_err();
        error.code().to_owned()
    };
    let with = |cron: &str| NewSchedule {
        cron: cron.to_owned(),
        ..monthly()
    };
    assert_eq!(refused(with("every day")).await, "invalid_cron");
    assert_eq!(refused(with("*/30 * * * *")).await, "too_often");
    assert_eq!(refused(with("0,20 4 * * *")).await, "too_often");
    let secret = NewSchedule {
        data: json!({"ServerID": 7, "Password": "correct horse"}),
        ..monthly()
    };
    assert_eq!(refused(secret).await, "secret_in_schedule");

    let first = monthly();
    let stored: Schedule = engine.schedule("bot", first.clone()).await.unwrap();
    let again = engine.schedule("bot", first.clone()).await.unwrap();
    assert_eq!(again, stored, "once");
    for _ in 1..MOST_SCHEDULES {
        engine.schedule("bot", monthly()).await.unwrap();
    }
    assert_eq!(refused(monthly()).await, "too_many_schedules");
    let other = GuildId::new(8).unwrap();
    // The server has as many as it may, and changes one of them.
    let changed = NewSchedule {
        cron: "0 5 1 * *".to_owned(),
        ..first.clone()
    };
    let changed = engine.schedule("api", changed).await.unwrap();
    assert_eq!(
        (changed.id, changed.cron.as_str()),
        (stored.id, "0 5 1 * *")
    );
    let listed = world.storage.schedules().of_guild(guild()).await.unwrap();
    assert_eq!(listed.len(), MOST_SCHEDULES);
    let elsewhere = NewSchedule {
        data: json!({"ServerID": 8}),
        ..first
    };
    let error = engine.schedule("api", elsewhere).await.unwrap_err();
    assert_eq!(error.code(), "schedule_elsewhere");
    assert!(!engine.unschedule(stored.id, other).await.unwrap());
    assert!(engine.unschedule(stored.id, guild()).await.unwrap());
    assert!(!engine.unschedule(stored.id, guild()).await.unwrap());
}
