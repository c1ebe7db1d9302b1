use std::collections::HashSet;

use serde_json::json;
use splashtail_core::ids::TaskId;

use super::*;
use crate::engine::Engine;
use crate::error::StorageError;
use crate::task::{TaskCounts, TaskOutput, TaskState};
use crate::task_queue::{End, Park};
use crate::task_store::{Idempotency, Start, TaskQuery};

contract!(
    a_task_is_read_back_as_it_was_written,
    what_was_brought_is_there_and_nobody_runs_it,
    keys_repeat_the_first_answer,
    racing_orders_of_one_key_create_one_task,
    pages_are_newest_first_and_complete,
    one_task_holds_a_slot,
    tasks_that_wait_take_their_slot_when_started,
    cancelling_ends_a_task_once,
    a_cancelled_tasks_slot_is_free_when_its_runner_is_gone,
    what_a_failed_task_left_is_named_once,
    states_are_counted,
    expired_tasks_are_invisible_and_can_be_removed,
    expired_tasks_are_read_in_pages,
    abandoned_tasks_are_found,
    overdue_tasks_are_found_until_they_have_ended,
    only_the_time_of_runners_counts_towards_a_deadline,
    an_unknown_task_is_no_error,
);

async fn a_task_is_read_back_as_it_was_written(storage: Storage) {
    let order = NewTask {
        fields: json!({"z": 1, "a": {"text": "ünï\u{0} 'quoted'", "number": 1.5}, "b": null}),
        encrypted: true,
        owner: Owner::User(user(u64::MAX)),
        expires_at: Some(t(5000)),
        ..with_slot(0, 7)
    };
    let row = created(&storage, &order).await;
    assert_eq!(
        (row.id, row.name.as_str(), row.owner),
        (order.id, "backup", order.owner)
    );
    assert_eq!(
        row.fields.to_string(),
        order.fields.to_string(),
        "even the order of keys"
    );
    assert_eq!(
        (row.encrypted, row.requested, row.attempts),
        (true, true, 0)
    );
    assert_eq!(
        (row.state, &row.output, &row.lease_owner),
        (TaskState::Pending, &None, &None)
    );
    assert_eq!(
        (row.created_at, row.last_updated),
        (stored(0), stored(0)),
        "to the millisecond"
    );
    assert_eq!(
        (row.expires_at, row.expiry()),
        (Some(stored(5000)), Some(Duration::from_secs(5)))
    );
    assert_eq!(row.slot, order.slot);
    assert_eq!(
        storage.tasks().get(order.id, t(1)).await.unwrap(),
        Some(row)
    );

    let again = storage.tasks().create(&order).await;
    assert!(matches!(again, Err(StorageError::Conflict(_))), "{again:?}");
}

async fn what_was_brought_is_there_and_nobody_runs_it(storage: Storage) {
    let order = NewTask {
        execute: false,
        expires_at: Some(t(5000)),
        ..task(0)
    };
    created(&storage, &order).await;
    let output = TaskOutput {
        filename: "brought.iblfile".to_owned(),
        segregated: false,
    };
    let store = storage.tasks();
    let kept = store.keep(order.id, &output, &entry(1, "Brought")).await;
    let kept = kept.unwrap().unwrap();
    assert_eq!(
        (kept.state, kept.output.as_ref()),
        (TaskState::Completed, Some(&output))
    );
    assert_eq!(store.get(order.id, t(2)).await.unwrap(), Some(kept));
    let log = store.log(order.id, 0, 10).await.unwrap();
    assert_eq!((log.len(), log[0].msg.as_str()), (1, "Brought"));
    let again = store.keep(order.id, &output, &entry(2, "Again")).await;
    assert_eq!(again.unwrap(), None, "it has ended");
    // What a runner may take is nobody's to complete.
    let asked = task(3);
    created(&storage, &asked).await;
    assert_eq!(
        store.keep(asked.id, &output, &entry(4, "x")).await.unwrap(),
        None
    );
    let nobody = TaskId::random();
    assert_eq!(
        store.keep(nobody, &output, &entry(4, "x")).await.unwrap(),
        None
    );
}

fn keyed(client: &str, name: &str, key: &str) -> NewTask {
    let idempotency = Idempotency {
        client: client.to_owned(),
        key: key.to_owned(),
    };
    NewTask {
        name: name.to_owned(),
        idempotency: Some(idempotency),
        ..task(0)
    }
}

async fn keys_repeat_the_first_answer(storage: Storage) {
    let first = keyed("bot", "backup", "k");
    let used = first.idempotency.clone().unwrap();
    assert_eq!(
        storage.tasks().repeated("backup", &used).await.unwrap(),
        None
    );
    let row = created(&storage, &first).await;
    let again = NewTask {
        fields: json!({"other": true}),
        ..keyed("bot", "backup", "k")
    };
    assert_eq!(
        storage.tasks().create(&again).await.unwrap(),
        Creation::Repeated(row.clone())
    );
    assert_eq!(
        storage.tasks().repeated("backup", &used).await.unwrap(),
        Some(row)
    );
    assert_eq!(storage.tasks().get(again.id, t(0)).await.unwrap(), None);
    for other in [
        keyed("api", "backup", "k"),
        keyed("bot", "restore", "k"),
        keyed("bot", "backup", "l"),
    ] {
        created(&storage, &other).await;
    }
    for unusable in [
        keyed("bot", "backup", ""),
        keyed("bot", "backup", &"k".repeat(65)),
    ] {
        let refused = storage.tasks().create(&unusable).await;
        assert!(
            matches!(refused, Err(StorageError::Conflict(_))),
            "{refused:?}"
        );
    }
}

async fn racing_orders_of_one_key_create_one_task(storage: Storage) {
    let orders: Vec<_> = (0..12)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                match storage
                    .tasks()
                    .create(&keyed("bot", "backup", "k"))
                    .await
                    .unwrap()
                {
                    Creation::Created(row) => (row.id, true),
                    Creation::Repeated(row) => (row.id, false),
                    Creation::SlotTaken { .. } => panic!("no slot was asked for"),
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for order in orders {
        answers.push(order.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|(_, new)| *new).count(), 1);
    assert_eq!(
        answers
            .iter()
            .map(|(id, _)| *id)
            .collect::<HashSet<TaskId>>()
            .len(),
        1
    );
}

async fn pages_are_newest_first_and_complete(storage: Storage) {
    // Times repeat: the id breaks the tie.
    for at in [3, 1, 2, 2, 2, 1] {
        created(&storage, &task(at)).await;
    }
    let other_owner = NewTask {
        owner: Owner::User(user(1)),
        ..task(9)
    };
    let other_name = NewTask {
        name: "restore".to_owned(),
        ..task(4)
    };
    created(&storage, &other_owner).await;
    created(&storage, &other_name).await;

    let owner = Owner::Server(guild(1));
    let all = storage
        .tasks()
        .list(&TaskQuery::newest(owner, 100), t(9))
        .await
        .unwrap();
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|newer, older| {
        (newer.created_at, newer.id.get()) > (older.created_at, older.id.get())
    }));
    assert_eq!(all[0].name, "restore");

    let mut paged = Vec::new();
    let mut query = TaskQuery {
        name: Some("backup"),
        ..TaskQuery::newest(owner, 2)
    };
    loop {
        let page = storage.tasks().list(&query, t(9)).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.cursor());
        paged.extend(page);
    }
    assert_eq!(paged, all[1..]);
}

async fn one_task_holds_a_slot(storage: Storage) {
    let orders: Vec<_> = (0..8)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                matches!(
                    storage.tasks().create(&with_slot(0, 5)).await.unwrap(),
                    Creation::Created(_)
                )
            })
        })
        .collect();
    let mut accepted = 0;
    for order in orders {
        accepted += u32::from(order.await.unwrap());
    }
    assert_eq!(accepted, 1, "a race has one winner");
    created(&storage, &with_slot(0, 6)).await;

    let refused = NewTask {
        wrapped_secret: Some(vec![1]),
        ..with_slot(1, 5)
    };
    let Creation::SlotTaken { by } = storage.tasks().create(&refused).await.unwrap() else {
        panic!("the slot is taken");
    };
    assert_eq!(
        storage.tasks().get(refused.id, t(1)).await.unwrap(),
        None,
        "nothing was written"
    );
    assert!(storage.tasks().get(by, t(1)).await.unwrap().is_some());

    // Whoever has the slot ends: the next one gets it.
    while let Some(claimed) = claim(&storage).await {
        let end = End::Completed(None);
        assert!(
            storage
                .queue()
                .finish(claimed.lease, &end, &entry(11, "done"))
                .await
                .unwrap()
        );
    }
    created(&storage, &with_slot(20, 5)).await;
}

async fn tasks_that_wait_take_their_slot_when_started(storage: Storage) {
    let waiting = NewTask {
        execute: false,
        ..with_slot(0, 5)
    };
    assert!(!created(&storage, &waiting).await.requested);
    assert_eq!(claim(&storage).await, None, "nobody asked for it to run");
    let first = created(&storage, &with_slot(1, 5)).await;
    let start = storage.tasks().start(waiting.id, t(2)).await.unwrap();
    assert_eq!(start, Start::SlotTaken { by: first.id });
    let row = storage
        .tasks()
        .get(waiting.id, t(2))
        .await
        .unwrap()
        .unwrap();
    assert!(!row.requested, "it may be started later");

    let claimed = claim(&storage).await.unwrap();
    assert_eq!(claimed.task.id, first.id);
    storage
        .queue()
        .finish(claimed.lease, &End::Failed, &entry(4, "over"))
        .await
        .unwrap();
    for _ in 0..2 {
        let start = storage.tasks().start(waiting.id, t(5)).await.unwrap();
        assert!(
            matches!(&start, Start::Started(row) if row.requested),
            "{start:?}"
        );
    }
    assert_eq!(claim(&storage).await.unwrap().task.id, waiting.id);
    let start = storage.tasks().start(first.id, t(7)).await.unwrap();
    assert!(
        matches!(&start, Start::Ended(row) if row.state == TaskState::Failed),
        "{start:?}"
    );
    assert_eq!(
        storage.tasks().start(TaskId::random(), t(7)).await.unwrap(),
        Start::NotFound
    );
}

async fn cancelling_ends_a_task_once(storage: Storage) {
    let order = NewTask {
        wrapped_secret: Some(vec![1, 2, 3]),
        ..with_slot(0, 5)
    };
    created(&storage, &order).await;
    let claimed = claim(&storage).await.unwrap();
    assert_eq!(claimed.wrapped_secret, Some(vec![1, 2, 3]));
    assert!(
        storage
            .queue()
            .append(claimed.lease, &entry(2, "working"))
            .await
            .unwrap()
    );

    let cancelled = storage
        .tasks()
        .cancel(order.id, &entry(3, "cancelled"))
        .await
        .unwrap();
    let cancelled = cancelled.unwrap();
    assert!(cancelled.changed);
    assert_eq!(
        (cancelled.task.state, cancelled.task.lease_owner),
        (TaskState::Failed, None)
    );
    let again = storage
        .tasks()
        .cancel(order.id, &entry(4, "again"))
        .await
        .unwrap()
        .unwrap();
    assert!(!again.changed);

    // The runner that still believes to hold it changes nothing.
    let lease = claimed.lease;
    let queue = storage.queue();
    assert!(!queue.append(lease, &entry(5, "late")).await.unwrap());
    assert!(!queue.record_step(lease, "late", "1", t(5)).await.unwrap());
    assert!(!queue.extend(lease, LEASE).await.unwrap());
    assert!(!queue.release(lease).await.unwrap());
    let output = TaskOutput {
        filename: "late".to_owned(),
        segregated: false,
    };
    let end = End::Completed(Some(output));
    assert!(!queue.finish(lease, &end, &entry(5, "late")).await.unwrap());
    let row = storage.tasks().get(order.id, t(6)).await.unwrap().unwrap();
    assert_eq!((row.state, row.output), (TaskState::Failed, None));
    let log = storage.tasks().log(order.id, 0, 100).await.unwrap();
    let lines: Vec<_> = log.iter().map(|entry| entry.msg.as_str()).collect();
    assert_eq!(lines, ["working", "cancelled"]);
    assert_eq!(claim(&storage).await, None);
}

async fn what_a_failed_task_left_is_named_once(storage: Storage) {
    let tasks = storage.tasks();
    let order = with_slot(0, 7);
    created(&storage, &order).await;
    let output = |name: &str| TaskOutput {
        filename: name.to_owned(),
        segregated: false,
    };
    assert!(!tasks.leave(order.id, &output("early.json")).await.unwrap());
    tasks
        .cancel(order.id, &entry(3, "cancelled"))
        .await
        .unwrap();
    assert!(tasks.leave(order.id, &output("one.json")).await.unwrap());
    assert!(!tasks.leave(order.id, &output("two.json")).await.unwrap());
    let row = tasks.get(order.id, t(4)).await.unwrap().unwrap();
    assert_eq!(row.output, Some(output("one.json")));
    assert_eq!(row.state, TaskState::Failed);
}

async fn a_cancelled_tasks_slot_is_free_when_its_runner_is_gone(storage: Storage) {
    // Nobody runs it: free at once.
    let idle = created(&storage, &with_slot(0, 5)).await;
    storage
        .tasks()
        .cancel(idle.id, &entry(1, "cancelled"))
        .await
        .unwrap();
    // A runner is at work until it lets go.
    let polite = created(&storage, &with_slot(2, 5)).await;
    claim(&storage).await.unwrap();
    storage.queue().free_slot(polite.id).await.unwrap();
    let kept = storage.tasks().create(&with_slot(4, 5)).await.unwrap();
    assert_eq!(
        kept,
        Creation::SlotTaken { by: polite.id },
        "only the slot of an ended task"
    );
    storage
        .tasks()
        .cancel(polite.id, &entry(5, "cancelled"))
        .await
        .unwrap();
    let kept = storage.tasks().create(&with_slot(6, 5)).await.unwrap();
    assert_eq!(kept, Creation::SlotTaken { by: polite.id });
    storage.queue().free_slot(polite.id).await.unwrap();
    // Or until its lease would have ended.
    let dead = created(&storage, &with_slot(7, 5)).await;
    claim(&storage).await.unwrap();
    storage
        .tasks()
        .cancel(dead.id, &entry(200, "cancelled"))
        .await
        .unwrap();
    let kept = storage.tasks().create(&with_slot(1099, 5)).await.unwrap();
    assert_eq!(kept, Creation::SlotTaken { by: dead.id });
    let over = "UPDATE task_slots SET free_after = \
        (SELECT created_at FROM tasks WHERE tasks.task_id = task_slots.task_id) RETURNING guild_id";
    assert_eq!(storage.number(over.to_owned()).await, 5);
    created(&storage, &with_slot(1100, 5)).await;
    // A runner whose lease has ended before the task was cancelled is gone.
    let lost = created(&storage, &with_slot(8, 6)).await;
    let one = Wanted {
        which: Which::One(lost.id),
        ..wanted("runner", &["backup"])
    };
    storage.queue().claim(&one).await.unwrap().unwrap();
    time_passes(&storage, lost.id).await;
    let gone = storage
        .tasks()
        .cancel(lost.id, &entry(9, "cancelled"))
        .await;
    assert!(gone.unwrap().unwrap().changed);
    created(&storage, &with_slot(9, 6)).await;
    // Its late return frees nothing of its successor's.
    storage.queue().free_slot(dead.id).await.unwrap();
    let kept = storage.tasks().create(&with_slot(1101, 5)).await.unwrap();
    assert!(matches!(kept, Creation::SlotTaken { .. }));
}

async fn states_are_counted(storage: Storage) {
    assert_eq!(
        storage.tasks().summary().await.unwrap(),
        TaskCounts::default()
    );
    for at in 0..6 {
        created(&storage, &task(at)).await;
    }
    for end in [End::Completed(None), End::Completed(None), End::Failed] {
        let claimed = claim(&storage).await.unwrap();
        storage
            .queue()
            .finish(claimed.lease, &end, &entry(11, "over"))
            .await
            .unwrap();
    }
    claim(&storage).await.unwrap();
    let counts = TaskCounts {
        pending: 2,
        running: 1,
        completed: 2,
        failed: 1,
    };
    assert_eq!(storage.tasks().summary().await.unwrap(), counts);
}

/// A second in all, from its end on: what still goes on neither disappears nor is removed.
async fn expired_tasks_are_invisible_and_can_be_removed(storage: Storage) {
    let order = NewTask {
        expires_at: Some(t(1000)),
        ..with_slot(0, 5)
    };
    created(&storage, &order).await;
    let claimed = claim(&storage).await.unwrap();
    let (tasks, owner) = (storage.tasks(), Owner::Server(guild(1)));
    let shown = async |now| {
        let found = tasks.get(order.id, now).await.unwrap();
        let newest = TaskQuery::newest(owner, 9);
        let listed = tasks.list(&newest, now).await.unwrap();
        assert_eq!(found.is_some(), listed.len() == 1);
        found
    };
    assert!(shown(t(5000)).await.is_some(), "it runs");
    assert_eq!(tasks.expired(None, 9).await.unwrap(), [], "it runs");
    assert!(!tasks.delete(order.id).await.unwrap(), "it runs");
    let last = entry(2, "over");
    let finish = storage.queue().finish(claimed.lease, &End::Failed, &last);
    assert!(finish.await.unwrap());
    let until = shown(t(5000)).await.unwrap().expires_at.unwrap();
    let taken = claimed.task.last_updated;
    assert!(until >= taken + Duration::from_secs(1), "{until} {taken}");
    assert!(shown(until - Duration::from_millis(1)).await.is_some());
    assert_eq!(shown(until).await, None);

    let cancelled = NewTask {
        expires_at: Some(t(1001)),
        ..task(1)
    };
    created(&storage, &cancelled).await;
    let ended = tasks.cancel(cancelled.id, &entry(5000, "cancelled")).await;
    let ended = ended.unwrap().expect("late as it is").task;
    assert!(ended.expires_at.unwrap() > taken);
    its_time_is_over(&storage, order.id).await;
    let expired = tasks.expired(None, 9).await.unwrap();
    assert!(expired.iter().any(|task| task.id == order.id));
    assert!(tasks.delete(order.id).await.unwrap());
    assert!(!tasks.delete(order.id).await.unwrap());
    assert_eq!(tasks.log(order.id, 0, 9).await.unwrap(), []);
}

async fn its_time_is_over(storage: &Storage, id: TaskId) {
    let over = format!(
        "UPDATE tasks SET expires_at = created_at WHERE task_id = '{id}' RETURNING log_count"
    );
    storage.number(over).await;
}

async fn expired_tasks_are_read_in_pages(storage: Storage) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        let order = NewTask {
            expires_at: Some(t(1000)),
            ..task(0)
        };
        let id = created(&storage, &order).await.id;
        let last = entry(1, "cancelled");
        let cancelled = storage.tasks().cancel(id, &last).await.unwrap();
        assert!(cancelled.is_some());
        its_time_is_over(&storage, id).await;
        ids.push(id);
    }
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = storage.tasks().expired(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.expiry_cursor();
        read.extend(page.iter().map(|task| task.id));
    }
    ids.sort_by_key(|id| id.get());
    assert_eq!(read, ids, "each once, although all have the same time");
}

/// However wrong the clocks of hosts are: it is the database's.
async fn abandoned_tasks_are_found(storage: Storage) {
    let waiting = |created_at| NewTask {
        execute: false,
        created_at,
        ..task(0)
    };
    let abandoned = waiting(t(0));
    created(&storage, &abandoned).await;
    let young = waiting(DateTime::from_timestamp(4_000_000_000, 0).unwrap());
    created(&storage, &young).await;
    created(&storage, &task(0)).await;
    let found = storage.tasks().abandoned(LEASE, 9).await.unwrap();
    assert_eq!(found, [abandoned.id]);
}

async fn an_unknown_task_is_no_error(storage: Storage) {
    let id = TaskId::random();
    assert_eq!(storage.tasks().get(id, t(0)).await.unwrap(), None);
    assert_eq!(storage.tasks().log(id, 0, 9).await.unwrap(), []);
    assert_eq!(
        storage
            .tasks()
            .cancel(id, &entry(0, "cancelled"))
            .await
            .unwrap(),
        None
    );
    storage.queue().free_slot(id).await.unwrap();
}

/// Counted from the time from which on they may run.
async fn overdue_tasks_are_found_until_they_have_ended(storage: Storage) {
    let tasks = storage.tasks();
    let with = |deadline, execute| NewTask {
        deadline,
        execute,
        ..task(0)
    };
    let long = Some(Duration::from_secs(3600));
    let (now, no_time) = (
        created(&storage, &with(long, true)).await,
        Some(Duration::ZERO),
    );
    assert_eq!(
        now.deadline_at,
        Some(now.run_after + Duration::from_secs(3600))
    );
    assert_eq!(created(&storage, &with(None, true)).await.deadline_at, None);
    let later = NewTask {
        run_after: Some(t(2_000_000_000_000)),
        ..with(no_time, true)
    };
    let later = created(&storage, &later).await;
    assert_eq!(later.deadline_at, Some(stored(2_000_000_000_000)));
    let over = created(&storage, &with(no_time, true)).await;
    assert_eq!(tasks.overdue(9).await.unwrap(), [], "nobody runs it");
    let one = Wanted {
        which: Which::One(over.id),
        ..wanted("runner", &["backup"])
    };
    assert!(storage.queue().claim(&one).await.unwrap().is_some());
    passed(&storage, over.id, 1000, "deadline_at").await;
    assert_eq!(tasks.overdue(9).await.unwrap(), [over.id]);
    tasks.cancel(over.id, &entry(1, "deadline")).await.unwrap();
    assert_eq!(tasks.overdue(9).await.unwrap(), []);

    let waiting = created(&storage, &with(long, false)).await;
    let hours = format!(
        "UPDATE tasks SET run_after = created_at, deadline_at = created_at \
         WHERE task_id = '{}' RETURNING log_count",
        waiting.id
    );
    storage.number(hours).await;
    let Start::Started(started) = tasks.start(waiting.id, t(2)).await.unwrap() else {
        panic!("not started")
    };
    assert_eq!(started.deadline_at, Some(started.run_after));
}

/// Moves times of a task into the past.
async fn passed(storage: &Storage, id: TaskId, ms: i64, columns: &str) {
    let by = match storage.engine() {
        Engine::Sqlite(_) => ms.to_string(),
        Engine::Postgres(_) => format!("interval '{ms} milliseconds'"),
    };
    let moved = columns
        .split(' ')
        .map(|column| format!("{column} = {column} - {by}"));
    let moved = moved.collect::<Vec<_>>().join(", ");
    storage
        .number(format!(
            "UPDATE tasks SET {moved} WHERE task_id = '{id}' RETURNING log_count"
        ))
        .await;
}

/// Whoever was away: what the task needs, its runner, or all runners.
async fn only_the_time_of_runners_counts_towards_a_deadline(storage: Storage) {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    const TIMES: &str = "run_after lease_until deadline_at";
    let order = NewTask {
        deadline: Some(Duration::from_secs(3 * 3600)),
        ..task(0)
    };
    let id = created(&storage, &order).await.id;
    let row = async || storage.tasks().get(id, t(0)).await.unwrap().unwrap();
    // What is left of it when it is taken, to the minute.
    let left = async |claimed: Claimed| {
        let row = claimed.task;
        let left = row.deadline_at.unwrap() - row.last_updated;
        assert_eq!(storage.tasks().overdue(9).await.unwrap(), []);
        (left.num_seconds() + 30) / 60
    };
    passed(&storage, id, DAY_MS, TIMES).await;
    let first = claim(&storage).await.unwrap();
    let lease = first.lease;
    assert_eq!(left(first).await, 180, "nobody was there");
    passed(&storage, id, 10 * 60_000, "deadline_at").await;

    let park = Park {
        wait: Duration::from_secs(600),
        cause: "discord_down",
        counts: false,
        entry: None,
    };
    assert!(storage.queue().park(lease, &park).await.unwrap());
    let parked = row().await;
    assert!(parked.deadline_at.unwrap() > parked.run_after);
    passed(&storage, id, DAY_MS, TIMES).await;
    let second = claim(&storage).await.unwrap();
    let lease = second.lease;
    assert_eq!(left(second).await, 170, "it waited for Discord");

    assert!(storage.queue().release(lease).await.unwrap());
    passed(&storage, id, DAY_MS, TIMES).await;
    let third = claim(&storage).await.unwrap();
    assert_eq!(left(third).await, 170, "it was handed over to nobody");

    passed(&storage, id, DAY_MS, TIMES).await;
    assert_eq!(
        storage.tasks().overdue(9).await.unwrap(),
        [],
        "its runner is gone"
    );
    let fourth = claim(&storage).await.unwrap();
    let lease = fourth.lease;
    // The last lease was an hour long, and nobody knows when its runner died.
    assert_eq!(left(fourth).await, 110);
    storage.queue().lost(lease).await.unwrap();
    passed(&storage, id, DAY_MS, TIMES).await;
    let fifth = claim(&storage).await.unwrap();
    assert_eq!(left(fifth).await, 110, "the database was away");
}
