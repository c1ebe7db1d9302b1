use std::collections::{HashMap, HashSet};

use super::*;
use crate::log_entry::MAX_ENTRIES;
use crate::task::{TaskOutput, TaskState};
use crate::task_queue::End;

contract!(
    a_task_is_claimed_by_one_runner,
    racing_runners_share_the_tasks,
    a_lost_lease_writes_nothing,
    steps_are_recorded_once,
    releasing_hands_a_task_over,
    the_log_is_bounded,
    finishing_removes_what_only_a_running_task_needs,
    only_known_names_are_claimed,
);

async fn a_task_is_claimed_by_one_runner(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let claimed = storage
        .queue()
        .claim(&["backup"], "one", t(10), t(1010))
        .await
        .unwrap()
        .unwrap();
    let row = claimed.task;
    assert_eq!(
        (row.id, row.state, row.attempts),
        (order.id, TaskState::Running, 1)
    );
    assert_eq!(
        (row.lease_owner.as_deref(), row.lease_until),
        (Some("one"), Some(stored(1010)))
    );
    assert_eq!(claimed.steps, HashMap::new());
    assert!(storage.queue().holds(claimed.lease).await.unwrap());

    assert_eq!(claim(&storage, 1009).await, None, "the lease lasts");
    assert!(
        storage
            .queue()
            .extend(claimed.lease, t(2000))
            .await
            .unwrap()
    );
    assert_eq!(claim(&storage, 1999).await, None);
    let second = claim(&storage, 2000).await.unwrap();
    assert!(second.lease.fence > claimed.lease.fence);
    assert_eq!(second.task.attempts, 2);
}

async fn racing_runners_share_the_tasks(storage: Storage) {
    for at in 0..20 {
        created(&storage, &task(at)).await;
    }
    let runners: Vec<_> = (0..4)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while let Some(claimed) = claim(&storage, 100).await {
                    ids.push(claimed.task.id);
                }
                ids
            })
        })
        .collect();
    let mut ids = Vec::new();
    for runner in runners {
        ids.extend(runner.await.unwrap());
    }
    assert_eq!(ids.len(), 20);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 20);
}

async fn a_lost_lease_writes_nothing(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let stale = claim(&storage, 0).await.unwrap().lease;
    let current = claim(&storage, 1000).await.unwrap().lease;
    let queue = storage.queue();
    assert!(!queue.extend(stale, t(9000)).await.unwrap());
    assert!(!queue.append(stale, &entry(1, "stale")).await.unwrap());
    assert!(!queue.record_step(stale, "plan", "1", t(1)).await.unwrap());
    assert!(!queue.release(stale, t(1), false, None).await.unwrap());
    assert!(
        !queue
            .finish(stale, &End::Failed, &entry(1, "stale"))
            .await
            .unwrap()
    );
    assert!(!queue.holds(stale).await.unwrap());

    // An expired lease that nobody took is still good: there is nobody to disturb.
    assert!(
        queue
            .record_step(current, "plan", "2", t(5000))
            .await
            .unwrap()
    );
    assert!(
        queue
            .append(current, &entry(5000, "current"))
            .await
            .unwrap()
    );
    let row = storage
        .tasks()
        .get(order.id, t(5000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.state, row.last_updated),
        (TaskState::Running, stored(5000))
    );
    let log = storage.tasks().log(order.id, 0, 9).await.unwrap();
    assert_eq!(log.len(), 1);
    let steps = claim(&storage, 6000).await.unwrap().steps;
    assert_eq!(steps, HashMap::from([("plan".to_owned(), "2".to_owned())]));
}

async fn steps_are_recorded_once(storage: Storage) {
    created(&storage, &task(0)).await;
    let lease = claim(&storage, 0).await.unwrap().lease;
    for (step, output) in [("a", r#"{"n":1}"#), ("b/1", "null"), ("a", r#"{"n":2}"#)] {
        assert!(
            storage
                .queue()
                .record_step(lease, step, output, t(1))
                .await
                .unwrap()
        );
    }
    let steps = claim(&storage, 1000).await.unwrap().steps;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps["a"], r#"{"n":1}"#, "the first output stays");
}

async fn releasing_hands_a_task_over(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let lease = claim(&storage, 0).await.unwrap().lease;
    assert!(
        storage
            .queue()
            .release(lease, t(10), false, None)
            .await
            .unwrap()
    );
    assert!(
        !storage
            .queue()
            .append(lease, &entry(11, "late"))
            .await
            .unwrap()
    );
    let row = storage.tasks().get(order.id, t(10)).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.lease_owner, row.attempts),
        (TaskState::Running, None, 0)
    );

    let second = claim(&storage, 10).await.unwrap();
    assert_eq!(
        second.task.attempts, 1,
        "an orderly hand-over is not counted"
    );
    let why = entry(20, "later");
    assert!(
        storage
            .queue()
            .release(second.lease, t(500), true, Some(&why))
            .await
            .unwrap()
    );
    assert_eq!(
        claim(&storage, 499).await,
        None,
        "not before the time it asked for"
    );
    assert_eq!(claim(&storage, 500).await.unwrap().task.attempts, 2);
    let log = storage.tasks().log(order.id, 0, 9).await.unwrap();
    assert_eq!(
        log.iter()
            .map(|entry| entry.msg.as_str())
            .collect::<Vec<_>>(),
        ["later"]
    );
}

async fn the_log_is_bounded(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let lease = claim(&storage, 0).await.unwrap().lease;
    // As if all but two were written already.
    let count = MAX_ENTRIES - 2;
    let id = order.id;
    storage
        .number(format!(
            "UPDATE tasks SET log_count = {count} WHERE task_id = '{id}' RETURNING log_count"
        ))
        .await;
    for n in 0..5 {
        assert!(
            storage
                .queue()
                .append(lease, &entry(n, &format!("entry {n}")))
                .await
                .unwrap()
        );
    }
    let why = entry(8, "later");
    storage
        .queue()
        .release(lease, t(8), true, Some(&why))
        .await
        .unwrap();
    let lease = claim(&storage, 8).await.unwrap().lease;
    assert!(
        storage
            .queue()
            .append(lease, &entry(9, "more"))
            .await
            .unwrap()
    );
    storage
        .queue()
        .finish(lease, &End::Failed, &entry(9, "over"))
        .await
        .unwrap();

    let log = storage.tasks().log(order.id, 0, 20).await.unwrap();
    let lines: Vec<_> = log.iter().map(|entry| entry.msg.as_str()).collect();
    let note = "The log is full (10000 entries): later entries are left out";
    assert_eq!(
        lines,
        ["entry 0", "entry 1", note, "over"],
        "the end is always told"
    );
    assert!(log.is_sorted_by_key(|entry| entry.seq));
    let rest = storage.tasks().log(order.id, log[1].seq, 1).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(
        (rest[0].seq, &rest[0].level),
        (MAX_ENTRIES + 1, &Level::Warn)
    );
    assert_eq!(
        (log[0].ts, log[0].extra["code"].as_str()),
        (stored(0), Some("entry 0"))
    );
}

/// How many rows of its secret, its steps and its slots a task has.
async fn leftovers(storage: &Storage, id: TaskId) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["job_secrets", "task_steps", "task_slots"] {
        let count = format!("SELECT COUNT(*) FROM {table} WHERE task_id = '{id}'");
        counts.push(storage.number(count).await);
    }
    counts
}

async fn finishing_removes_what_only_a_running_task_needs(storage: Storage) {
    let order = NewTask {
        wrapped_secret: Some(vec![7; 40]),
        ..with_slot(0, 5)
    };
    created(&storage, &order).await;
    let lease = claim(&storage, 0).await.unwrap().lease;
    storage
        .queue()
        .record_step(lease, "a", "1", t(1))
        .await
        .unwrap();
    assert_eq!(leftovers(&storage, order.id).await, [1, 1, 1]);
    let output = TaskOutput {
        filename: "backup.iblfile".to_owned(),
        segregated: false,
    };
    let end = End::Completed(Some(output.clone()));
    assert!(
        storage
            .queue()
            .finish(lease, &end, &entry(2, "done"))
            .await
            .unwrap()
    );
    assert!(
        !storage
            .queue()
            .finish(lease, &End::Failed, &entry(3, "again"))
            .await
            .unwrap()
    );
    assert_eq!(
        leftovers(&storage, order.id).await,
        [0, 0, 0],
        "secret, steps and slot"
    );
    let row = storage.tasks().get(order.id, t(4)).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.output),
        (TaskState::Completed, Some(output))
    );
    assert_eq!((row.lease_owner, row.lease_until), (None, None));
    assert_eq!(storage.tasks().log(order.id, 0, 9).await.unwrap().len(), 1);
    assert_eq!(
        claim(&storage, 90_000).await,
        None,
        "a finished task never runs again"
    );
}

async fn only_known_names_are_claimed(storage: Storage) {
    created(
        &storage,
        &NewTask {
            name: "later version".to_owned(),
            ..task(0)
        },
    )
    .await;
    assert_eq!(claim(&storage, 1).await, None);
    let claimed = storage
        .queue()
        .claim(&["x", "later version"], "r", t(1), t(2))
        .await
        .unwrap();
    assert!(claimed.is_some());
    assert!(
        storage
            .queue()
            .claim(&[], "r", t(9), t(10))
            .await
            .unwrap()
            .is_none()
    );
}
