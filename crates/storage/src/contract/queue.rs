use std::collections::HashSet;

use super::*;
use crate::log_entry::MAX_ENTRIES;
use crate::task::{Advance, TaskOutput, TaskState};
use crate::task_queue::{BYTES_PER_PAGE, End, Lease, Park, Progress, STEPS_PER_PAGE};

contract!(
    a_task_is_claimed_by_one_runner,
    one_task_can_be_asked_for,
    a_task_can_be_put_off,
    urgent_tasks_come_first,
    what_is_not_urgent_enough_is_left_where_it_is,
    racing_runners_share_the_tasks,
    a_lost_lease_writes_nothing,
    a_lease_that_was_lost_alive_is_no_crash,
    steps_are_recorded_once,
    journals_are_read_in_pages,
    only_crashes_without_progress_count,
    the_log_is_bounded,
    finishing_removes_what_only_a_running_task_needs,
    a_runner_tells_how_far_it_is,
    only_known_names_are_claimed,
);

async fn a_task_is_claimed_by_one_runner(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let claimed = storage
        .queue()
        .claim(&wanted("one", &["backup"]))
        .await
        .unwrap()
        .unwrap();
    let row = claimed.task;
    assert_eq!(
        (row.id, row.state, row.attempts),
        (order.id, TaskState::Running, 1)
    );
    assert_eq!(row.lease_owner.as_deref(), Some("one"));
    // Both are read from the database's clock; the caller's is years behind.
    let length = row.lease_until.unwrap() - row.last_updated;
    assert_eq!(length.num_seconds(), 3600);
    assert!(row.last_updated > t(0) + LEASE);
    assert_eq!(claimed.progress, Progress::default());

    assert_eq!(claim(&storage).await, None, "the lease lasts");
    time_passes(&storage, order.id).await;
    assert!(storage.queue().extend(claimed.lease, LEASE).await.unwrap());
    assert_eq!(claim(&storage).await, None);
    time_passes(&storage, order.id).await;
    let second = claim(&storage).await.unwrap();
    assert!(second.lease.fence > claimed.lease.fence);
    assert_eq!(second.task.attempts, 2);
}

async fn one_task_can_be_asked_for(storage: Storage) {
    let first = created(&storage, &task(0)).await;
    let second = created(&storage, &task(1)).await;
    let one = |id, names| Wanted {
        which: Which::One(id),
        ..wanted("runner", names)
    };
    let queue = storage.queue();
    let other = queue.claim(&one(second.id, &["restore"])).await.unwrap();
    assert_eq!(other, None, "not of that name");
    let claimed = queue.claim(&one(second.id, &["backup"])).await.unwrap();
    assert_eq!(claimed.unwrap().task.id, second.id);
    assert_eq!(
        queue.claim(&one(second.id, &["backup"])).await.unwrap(),
        None
    );
    assert_eq!(claim(&storage).await.unwrap().task.id, first.id);
}

async fn a_task_can_be_put_off(storage: Storage) {
    let at = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    let order = NewTask {
        run_after: Some(at),
        ..task(0)
    };
    let row = created(&storage, &order).await;
    assert_eq!(row.run_after.timestamp_millis(), at.timestamp_millis());
    assert_eq!(claim(&storage).await, None);
    time_passes(&storage, row.id).await;
    assert_eq!(claim(&storage).await.unwrap().task.id, row.id);
}

async fn urgent_tasks_come_first(storage: Storage) {
    let mut ids = Vec::new();
    use Priority::{Containment, Interactive, Scheduled};
    for (at, priority) in [
        (0, Scheduled),
        (1, Interactive),
        (2, Containment),
        (3, Interactive),
    ] {
        let order = NewTask {
            priority,
            ..task(at)
        };
        let id = created(&storage, &order).await.id;
        ids.push(id);
    }
    let mut taken = Vec::new();
    while let Some(claimed) = claim(&storage).await {
        taken.push(claimed.task.id);
    }
    assert_eq!(taken, [ids[2], ids[1], ids[3], ids[0]]);
}

/// Whether it waits, or was left by somebody who is gone.
async fn what_is_not_urgent_enough_is_left_where_it_is(storage: Storage) {
    use Priority::{Containment, Interactive, Scheduled};
    let mut ids = Vec::new();
    for (at, priority) in [(0, Scheduled), (1, Interactive), (2, Containment)] {
        let order = NewTask {
            priority,
            ..task(at)
        };
        ids.push(created(&storage, &order).await.id);
    }
    let look = async |which| {
        let names = ["backup"];
        let wanted = Wanted {
            which,
            ..wanted("runner", &names)
        };
        let claimed = storage.queue().claim(&wanted).await.unwrap();
        claimed.map(|claimed| claimed.task.id)
    };
    assert_eq!(look(Which::Waiting(Containment)).await, Some(ids[2]));
    assert_eq!(look(Which::Waiting(Containment)).await, None);
    assert_eq!(look(Which::Waiting(Interactive)).await, Some(ids[1]));
    assert_eq!(look(Which::Waiting(Interactive)).await, None);
    time_passes(&storage, ids[1]).await;
    assert_eq!(look(Which::Left(Containment)).await, None);
    assert_eq!(look(Which::Left(Interactive)).await, Some(ids[1]));
    assert_eq!(look(Which::Waiting(Scheduled)).await, Some(ids[0]));
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
                while let Some(claimed) = claim(&storage).await {
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
    let stale = claim(&storage).await.unwrap().lease;
    time_passes(&storage, order.id).await;
    let current = claim(&storage).await.unwrap().lease;
    let queue = storage.queue();
    assert!(!queue.extend(stale, LEASE).await.unwrap());
    assert!(!queue.append(stale, &entry(1, "stale")).await.unwrap());
    assert!(!queue.record_step(stale, "plan", "1", t(1)).await.unwrap());
    assert!(!queue.release(stale).await.unwrap());
    assert!(!queue.park(stale, &outage("stale", None)).await.unwrap());
    let end = queue.finish(stale, &End::Failed, &entry(1, "stale")).await;
    assert!(!end.unwrap());

    // An expired lease that nobody took is still good: there is nobody to disturb.
    time_passes(&storage, order.id).await;
    let recorded = queue.record_step(current, "plan", "2", t(5000)).await;
    assert!(recorded.unwrap());
    assert!(queue.append(current, &entry(5000, "now")).await.unwrap());
    let row = row(&storage, order.id).await;
    assert_eq!(
        (row.state, row.last_updated),
        (TaskState::Running, stored(5000))
    );
    let log = storage.tasks().log(order.id, 0, 9).await.unwrap();
    assert_eq!(log.len(), 1);
    let steps = journal(&storage, order.id).await;
    assert_eq!(steps, [("plan".to_owned(), "2".to_owned())]);
}

/// Whether it is reported before somebody else takes the task, or afterwards.
async fn a_lease_that_was_lost_alive_is_no_crash(storage: Storage) {
    let id = created(&storage, &task(0)).await.id;
    let queue = storage.queue();
    for _ in 0..9 {
        let lease = claim(&storage).await.expect("given back at once").lease;
        queue.lost(lease).await.unwrap();
        queue.lost(lease).await.unwrap();
        let given_back = row(&storage, id).await;
        assert_eq!((given_back.attempts, given_back.lease_owner), (0, None));
    }
    let mut silent = claim(&storage).await.unwrap().lease;
    for _ in 0..9 {
        time_passes(&storage, id).await;
        let next = claim(&storage).await.unwrap();
        assert_eq!(next.task.attempts, 2);
        queue.lost(silent).await.unwrap();
        let held = row(&storage, id).await;
        assert_eq!(held.attempts, 1, "the next one's own");
        assert_eq!(held.lease_until, next.task.lease_until);
        silent = next.lease;
    }
    // One that crashes says nothing.
    time_passes(&storage, id).await;
    assert_eq!(claim(&storage).await.unwrap().task.attempts, 2);
    let failed = queue.finish(silent, &End::Failed, &entry(1, "over")).await;
    assert!(!failed.unwrap());
}

async fn row(storage: &Storage, id: TaskId) -> TaskRow {
    storage.tasks().get(id, t(0)).await.unwrap().unwrap()
}

fn outage<'a>(cause: &'a str, entry: Option<&'a NewLogEntry>) -> Park<'a> {
    Park {
        wait: LEASE,
        cause,
        counts: false,
        entry,
    }
}

/// All recorded steps, page by page.
async fn journal(storage: &Storage, id: TaskId) -> Vec<(String, String)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = storage.queue().steps(id, after).await.unwrap();
        let Some(last) = page.last() else { return all };
        assert!(page.len() <= STEPS_PER_PAGE as usize && last.seq > after);
        after = last.seq;
        all.extend(page.into_iter().map(|step| (step.step, step.output)));
    }
}

async fn steps_are_recorded_once(storage: Storage) {
    let id = created(&storage, &task(0)).await.id;
    let lease = claim(&storage).await.unwrap().lease;
    let queue = storage.queue();
    for (step, output) in [("b/1", r#"{"n":1}"#), ("a", "null"), ("b/1", r#"{"n":2}"#)] {
        assert!(queue.record_step(lease, step, output, t(1)).await.unwrap());
    }
    let steps = journal(&storage, id).await;
    let steps: Vec<_> = steps
        .iter()
        .map(|(step, output)| (&**step, &**output))
        .collect();
    assert_eq!(
        steps,
        [("b/1", r#"{"n":1}"#), ("a", "null")],
        "in order, and the first output stays"
    );
    time_passes(&storage, id).await;
    let progress = claim(&storage).await.unwrap().progress;
    assert!(progress.steps >= 2 && progress.bytes >= 11);
}

async fn journals_are_read_in_pages(storage: Storage) {
    let id = created(&storage, &task(0)).await.id;
    let lease = claim(&storage).await.unwrap().lease;
    let large = format!("\"{}\"", "x".repeat(BYTES_PER_PAGE as usize));
    let outputs = ["1", &large, &large, "2", "3"];
    for (n, output) in outputs.iter().enumerate() {
        let step = format!("step {n}");
        let recorded = storage.queue().record_step(lease, &step, output, t(1));
        assert!(recorded.await.unwrap());
    }
    let read = journal(&storage, id).await;
    assert_eq!(
        read.iter().map(|step| &*step.1).collect::<Vec<_>>(),
        outputs
    );
    let first = storage.queue().steps(id, 0).await.unwrap();
    assert_eq!(first.len(), 2, "no further than the one that fills it");
    for n in 0..=STEPS_PER_PAGE {
        let step = format!("more {n}");
        let recorded = storage.queue().record_step(lease, &step, "0", t(1));
        assert!(recorded.await.unwrap());
    }
    assert_eq!(
        journal(&storage, id).await.len(),
        6 + STEPS_PER_PAGE as usize
    );
}

/// An orderly hand-over and a wait cost nothing; a crash counts until something is recorded.
async fn only_crashes_without_progress_count(storage: Storage) {
    let id = created(&storage, &with_slot(0, 5)).await.id;
    let queue = storage.queue();
    let lease = claim(&storage).await.unwrap().lease;
    assert!(queue.release(lease).await.unwrap());
    assert!(!queue.append(lease, &entry(11, "late")).await.unwrap());
    let given_back = row(&storage, id).await;
    assert_eq!(
        (
            given_back.state,
            given_back.lease_owner,
            given_back.attempts
        ),
        (TaskState::Running, None, 0)
    );

    let lease = claim(&storage).await.expect("at once").lease;
    let why = entry(20, "later");
    let parked = queue.park(lease, &outage("down", Some(&why))).await;
    assert!(parked.unwrap());
    assert_eq!(claim(&storage).await, None, "not before its time");
    let waiting = row(&storage, id).await;
    assert_eq!((waiting.attempts, waiting.lease_owner), (0, None));
    assert!(waiting.run_after > given_back.last_updated);
    let other = storage.tasks().create(&with_slot(30, 5)).await.unwrap();
    assert_eq!(other, Creation::SlotTaken { by: id }, "it keeps its slot");
    time_passes(&storage, id).await;

    let again = claim(&storage).await.unwrap();
    assert_eq!(again.task.attempts, 1);
    let told = Progress {
        parks: 1,
        waits_for: Some("down".to_owned()),
        ..Progress::default()
    };
    assert_eq!(again.progress, told);
    let fault = Park {
        counts: true,
        ..outage("internal", None)
    };
    assert!(queue.park(again.lease, &fault).await.unwrap());
    time_passes(&storage, id).await;
    let crashed = claim(&storage).await.unwrap();
    assert_eq!((crashed.task.attempts, crashed.progress.parks), (2, 2));
    time_passes(&storage, id).await;
    let lease = claim(&storage).await.unwrap().lease;
    assert_eq!(row(&storage, id).await.attempts, 3);

    assert!(queue.record_step(lease, "a", "1", t(1)).await.unwrap());
    assert_eq!(row(&storage, id).await.attempts, 0);
    assert!(queue.release(lease).await.unwrap(), "and never below zero");
    let after = claim(&storage).await.unwrap();
    assert_eq!(after.task.attempts, 1);
    assert_eq!(
        (after.progress.parks, after.progress.waits_for),
        (0, None),
        "the next wait is told again"
    );
    let log = storage.tasks().log(id, 0, 9).await.unwrap();
    let lines: Vec<_> = log.iter().map(|entry| entry.msg.as_str()).collect();
    assert_eq!(lines, ["later"]);
}

async fn the_log_is_bounded(storage: Storage) {
    let order = created(&storage, &task(0)).await;
    let lease = claim(&storage).await.unwrap().lease;
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
    let waiting = outage("down", Some(&why));
    assert!(storage.queue().park(lease, &waiting).await.unwrap());
    time_passes(&storage, id).await;
    let lease = claim(&storage).await.unwrap().lease;
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
    let end = storage.tasks().log_end(order.id, 2).await.unwrap();
    let end: Vec<_> = end.iter().map(|entry| entry.msg.as_str()).collect();
    assert_eq!(end, ["over", note], "the newest first");
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
    let lease = claim(&storage).await.unwrap().lease;
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
        claim(&storage).await,
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
    assert_eq!(claim(&storage).await, None);
    let claimed = storage
        .queue()
        .claim(&wanted("r", &["x", "later version"]))
        .await
        .unwrap();
    assert!(claimed.is_some());
    assert!(
        storage
            .queue()
            .claim(&wanted("r", &[]))
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_runner_tells_how_far_it_is(storage: Storage) {
    let row = created(&storage, &task(0)).await;
    assert_eq!(row.advance, None);
    let lease = claim(&storage).await.unwrap().lease;
    let advance = Advance {
        what: "messages".to_owned(),
        done: 5,
        total: 10,
        seconds_left: Some(3),
    };
    let queue = storage.queue();
    assert!(queue.advance(lease, &advance, t(7)).await.unwrap());
    let told = storage.tasks().get(row.id, t(8)).await.unwrap().unwrap();
    assert_eq!(
        (told.advance, told.last_updated),
        (Some(advance.clone()), stored(7))
    );
    let stale = Lease {
        fence: lease.fence - 1,
        ..lease
    };
    assert!(!queue.advance(stale, &advance, t(9)).await.unwrap());
}
