use super::*;
use crate::case::{CaseEnding, CaseNote, NewCase};

contract!(
    cases_are_numbered_without_gaps_and_opened_once_per_cause,
    stings_count_until_they_expire_or_are_void,
    what_is_temporary_ends_once,
    notes_are_added_in_order,
);

fn case(guild_id: u64, cause: &str, target: u64, stings: u32) -> NewCase {
    NewCase {
        guild: guild(guild_id),
        cause: cause.to_owned(),
        kind: "ban".to_owned(),
        source: "command".to_owned(),
        target: user(target),
        moderator: Some(user(7)),
        reason: "spam".to_owned(),
        stings,
        stings_until: None,
        ends_at: None,
        supersedes: false,
        at: t(0),
    }
}

async fn cases_are_numbered_without_gaps_and_opened_once_per_cause(storage: Storage) {
    let store = storage.cases();
    let open = (0..12).map(|n| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let case = case(1, &format!("interaction:{}", n / 2), 50, 1);
            storage.cases().open(&case).await.unwrap()
        })
    });
    let mut opened = Vec::new();
    for open in open.collect::<Vec<_>>() {
        opened.push(open.await.unwrap());
    }
    let repeated = opened.iter().filter(|case| case.repeated).count();
    assert_eq!(repeated, 6, "{opened:?}");
    let mut numbers: Vec<i64> = opened.iter().map(|case| case.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let other = store.open(&case(2, "interaction:0", 50, 1)).await.unwrap();
    assert_eq!(other.number, 1, "each server has its own");
    let newest = store.cases(guild(1), Some(user(50)), 2).await.unwrap();
    let numbers: Vec<i64> = newest.iter().map(|case| case.number).collect();
    assert_eq!(numbers, [6, 5]);
    assert!(
        store
            .cases(guild(1), Some(user(51)), 2)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.cases(guild(1), None, 100).await.unwrap().len(), 6);
    let first = store.case(guild(1), 1).await.unwrap().unwrap();
    assert_eq!((first.at, first.moderator), (stored(0), Some(user(7))));
}

async fn stings_count_until_they_expire_or_are_void(storage: Storage) {
    let store = storage.cases();
    let first = store.open(&case(1, "a", 50, 2)).await.unwrap();
    assert_eq!((first.before, first.after), (0, 2));
    let short = NewCase {
        stings_until: Some(t(1000)),
        ..case(1, "b", 50, 3)
    };
    let second = store.open(&short).await.unwrap();
    assert_eq!((second.before, second.after), (2, 5));
    store.open(&case(1, "c", 51, 9)).await.unwrap();
    let stings = async |at| store.stings(guild(1), user(50), t(at)).await.unwrap();
    assert_eq!(stings(999).await, 5);
    assert_eq!(stings(1001).await, 2, "three have expired");
    assert!(
        store
            .void(guild(1), first.number, "a mistake")
            .await
            .unwrap()
    );
    assert!(!store.void(guild(1), first.number, "again").await.unwrap());
    assert_eq!(stings(1001).await, 0);
}

async fn what_is_temporary_ends_once(storage: Storage) {
    let store = storage.cases();
    let until = |cause: &str, target, ends_at| NewCase {
        ends_at: Some(t(ends_at)),
        supersedes: true,
        ..case(1, cause, target, 0)
    };
    store.open(&until("a", 50, 1000)).await.unwrap();
    store.open(&until("b", 51, 2000)).await.unwrap();
    assert!(store.due(t(500), 9).await.unwrap().is_empty());
    let due = store.due(t(1500), 9).await.unwrap();
    assert_eq!(due.len(), 1);
    let fence = store.take_ending(&due[0], t(1500), t(3000)).await.unwrap();
    let fence = fence.unwrap();
    let late = store.take_ending(&due[0], t(1500), t(3000)).await.unwrap();
    assert_eq!(late, None, "somebody else has it");
    assert!(store.due(t(1600), 9).await.unwrap().is_empty());
    // Whoever took it is gone.
    let again = store.due(t(3500), 9).await.unwrap();
    let again = again.iter().find(|case| case.number == 1).unwrap();
    let newer = store
        .take_ending(again, t(3500), t(9000))
        .await
        .unwrap()
        .unwrap();
    let end = async |fence| {
        store
            .end(guild(1), 1, fence, CaseEnding::Done)
            .await
            .unwrap()
    };
    assert!(!end(fence).await, "a stale one ends nothing");
    assert!(end(newer).await && !end(newer).await);
    // A ban for ever takes the place of one that ends.
    let forever = NewCase {
        supersedes: true,
        ..case(1, "c", 51, 0)
    };
    store.open(&forever).await.unwrap();
    assert!(store.due(t(99_000), 9).await.unwrap().is_empty());
    let ended = store.case(guild(1), 2).await.unwrap().unwrap();
    assert_eq!(ended.ending, Some(CaseEnding::Superseded));
}

async fn notes_are_added_in_order(storage: Storage) {
    let store = storage.cases();
    store.open(&case(1, "a", 50, 0)).await.unwrap();
    let note = |note: &str, at| CaseNote {
        author: user(7),
        note: note.to_owned(),
        at: stored(at),
    };
    for (number, at) in [("one", 1), ("two", 2)] {
        assert!(store.note(guild(1), 1, &note(number, at)).await.unwrap());
    }
    assert!(!store.note(guild(1), 2, &note("three", 3)).await.unwrap());
    let notes = store.notes(guild(1), 1).await.unwrap();
    assert_eq!(notes, [note("one", 1), note("two", 2)]);
}
