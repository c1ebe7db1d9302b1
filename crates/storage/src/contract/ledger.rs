use chrono::TimeDelta;

use super::*;
use crate::engine::Engine;
use crate::ledger::{Item, NewItem, Outcome, Settled};
use crate::task_queue::{End, Lease};

contract!(
    how_long_ago_something_was_intended_is_the_databases_to_say,
    an_item_is_intended_and_then_settled_once,
    a_lost_lease_changes_nothing_in_the_ledger,
    the_ledger_outlives_the_run_and_goes_with_the_task,
);

const NONCE: &str = "0123456789abcdef";

fn item(name: &str) -> NewItem<'_> {
    NewItem {
        name,
        nonce: NONCE,
        what: "role.create",
        before: r#"{"z":1,"a":null}"#,
    }
}

fn done(after: &str) -> Settled<'_> {
    Settled {
        outcome: Outcome::Done,
        after: Some(after),
        code: None,
        note: None,
    }
}

async fn items(storage: &Storage, id: TaskId) -> Vec<Item> {
    storage.ledger().items(id, 0, 100).await.unwrap()
}

async fn held(storage: &Storage) -> (TaskId, Lease) {
    let id = created(storage, &task(0)).await.id;
    (id, claim(storage).await.unwrap().lease)
}

async fn an_item_is_intended_and_then_settled_once(storage: Storage) {
    let (id, lease) = held(&storage).await;
    let ledger = storage.ledger();
    let intend = async |item: NewItem<'_>| ledger.intend(lease, &item).await.unwrap().unwrap();
    assert_eq!(intend(item("b")).await.nonce, NONCE);
    let other = NewItem {
        nonce: "fedcba9876543210",
        ..item("a")
    };
    assert_eq!(intend(other).await.nonce, other.nonce);
    let again = NewItem {
        nonce: "other",
        ..item("b")
    };
    assert_eq!(intend(again).await.nonce, NONCE);
    let intended = items(&storage, id).await;
    assert_eq!(intended.len(), 2, "in order, and the first nonce stays");
    assert_eq!(
        (intended[0].name.as_str(), intended[1].name.as_str()),
        ("b", "a")
    );
    assert_eq!(
        (intended[0].nonce.as_str(), intended[0].outcome),
        (NONCE, Outcome::Intended)
    );
    assert_eq!(intended[0].before.to_string(), item("b").before);
    assert_eq!(intended[0].settled_at, None);

    let refused = Settled {
        outcome: Outcome::Failed,
        after: None,
        code: Some("missing_access"),
        note: Some("The bot may not"),
    };
    assert!(ledger.settle(lease, "b", &done("1")).await.unwrap());
    assert!(ledger.settle(lease, "b", &refused).await.unwrap());
    assert!(ledger.settle(lease, "a", &refused).await.unwrap());
    let settled = items(&storage, id).await;
    assert_eq!(
        (settled[0].outcome, settled[0].after.as_deref()),
        (Outcome::Done, Some("1")),
        "the first outcome counts"
    );
    assert_eq!(settled[1].code.as_deref(), Some("missing_access"));
    assert!(settled[1].settled_at.unwrap() >= settled[1].intended_at);
    let page = ledger.items(id, settled[0].seq, 1).await.unwrap();
    assert_eq!((page.len(), page[0].seq), (1, settled[1].seq));
    // Both count as progress.
    time_passes(&storage, id).await;
    let claimed = claim(&storage).await.unwrap();
    assert_eq!(claimed.task.attempts, 1);
    assert!(claimed.progress.items >= 2 && claimed.progress.bytes > 0);
}

/// Two runners whose clocks disagree must not look for the same effect at different times.
async fn how_long_ago_something_was_intended_is_the_databases_to_say(storage: Storage) {
    let (id, lease) = held(&storage).await;
    let ledger = storage.ledger();
    let first = ledger.intend(lease, &item("a")).await.unwrap().unwrap();
    assert!(first.ago < TimeDelta::seconds(10), "{first:?}");
    let hour = match storage.engine() {
        Engine::Sqlite(_) => "3600000",
        Engine::Postgres(_) => "interval '1 hour'",
    };
    let age = "UPDATE task_items SET intended_at = intended_at -";
    let age = format!("{age} {hour} WHERE task_id = '{id}' RETURNING seq");
    storage.number(age).await;
    let again = ledger.intend(lease, &item("a")).await.unwrap().unwrap();
    let read = &items(&storage, id).await[0];
    for ago in [again.ago, read.intended_ago] {
        assert!(
            (ago - TimeDelta::hours(1)).abs() < TimeDelta::seconds(10),
            "{ago}"
        );
    }
}

async fn a_lost_lease_changes_nothing_in_the_ledger(storage: Storage) {
    let (id, stale) = held(&storage).await;
    let ledger = storage.ledger();
    assert!(ledger.intend(stale, &item("a")).await.unwrap().is_some());
    time_passes(&storage, id).await;
    claim(&storage).await.unwrap();
    assert_eq!(ledger.intend(stale, &item("b")).await.unwrap(), None);
    assert_eq!(ledger.intend(stale, &item("a")).await.unwrap(), None);
    assert!(!ledger.settle(stale, "a", &done("1")).await.unwrap());
    let left = items(&storage, id).await;
    assert_eq!((left.len(), left[0].outcome), (1, Outcome::Intended));
}

async fn the_ledger_outlives_the_run_and_goes_with_the_task(storage: Storage) {
    let (id, lease) = held(&storage).await;
    let ledger = storage.ledger();
    ledger.intend(lease, &item("a")).await.unwrap();
    let end = End::Completed(None);
    let ended = storage.queue().finish(lease, &end, &entry(2, "done")).await;
    assert!(ended.unwrap());
    assert_eq!(items(&storage, id).await.len(), 1);
    assert!(storage.tasks().delete(id).await.unwrap());
    assert_eq!(items(&storage, id).await, []);
}
