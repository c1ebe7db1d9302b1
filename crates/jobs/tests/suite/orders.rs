//! What callers may ask for and what they are answered.

use crate::harness::{NAME, Scripted, World, create_for, meanwhile, on_both, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_jobs::{CreateRequest, EngineError, Owner, Priority, TaskState};
use tokio_util::sync::CancellationToken;

on_both!(
    the_answer_describes_the_task,
    bad_orders_store_nothing,
    nothing_of_one_order_is_seen_in_another,
    a_repeated_order_gets_the_first_answer,
    a_guild_has_one_slot_across_engines,
    executing_asks_for_the_same_task_still_pending,
    a_task_is_deleted_on_request_with_all_that_it_left,
    what_is_urgent_begins_whatever_else_runs,
);

fn idle_job() -> Scripted {
    Scripted::new(|_| Box::pin(async { Ok(None) }))
}

async fn the_answer_describes_the_task(world: World) {
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

async fn bad_orders_store_nothing(world: World) {
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
async fn nothing_of_one_order_is_seen_in_another(world: World) {
    let engine = world.engine(&idle_job());
    let first =
        order(json!({"ServerID": 1, "Options": {"SpecialAllocations": {"5": 9}}, "Password": "p"}));
    engine.create(first).await.unwrap();
    let second = engine.create(order(json!({"ServerID": 2}))).await.unwrap();
    assert_eq!(second.task_info.task_fields, json!({"ServerID": 2}));
    assert!(!second.task_info.encrypted);
}

async fn a_repeated_order_gets_the_first_answer(world: World) {
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

async fn a_guild_has_one_slot_across_engines(world: World) {
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

async fn executing_asks_for_the_same_task_still_pending(world: World) {
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

/// Only its owner's, only when it has ended, and with what it left.
async fn a_task_is_deleted_on_request_with_all_that_it_left(world: World) {
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

/// Eight restores of hours must not keep an attacked server waiting.
async fn what_is_urgent_begins_whatever_else_runs(world: World) {
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            if cx.owner() != Owner::Server(GuildId::new(99).unwrap()) {
                cx.cancelled().cancelled().await;
            }
            Ok(None)
        })
    });
    let engine = world
        .builder(&world.clock)
        .register(job.clone())
        .capacity(8)
        .build();
    let running = engine.start(CancellationToken::new());
    let mut ids = Vec::new();
    for server in 1..=20 {
        ids.push(create_for(&engine, server).await);
    }
    let held = async || {
        let rows = world.storage.tasks().newest(30).await.unwrap();
        rows.iter().filter(|row| row.lease_owner.is_some()).count()
    };
    meanwhile(&world.clock, async { while held().await < 7 {} }).await;
    // Of another process, too: it is found by a look.
    for engine in [&engine, &world.engine(&job)] {
        let urgent = CreateRequest {
            priority: Some(Priority::Containment),
            ..order(json!({"ServerID": 99}))
        };
        let urgent = engine.create(urgent).await.unwrap().task_id;
        let ended = world.until_ended(urgent).await;
        assert_eq!(ended.state, TaskState::Completed);
    }
    assert_eq!(held().await, 7, "the others wait");
    running.abort();
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
