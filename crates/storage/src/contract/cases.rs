use super::*;
use crate::case::{CaseEnding, CaseNote, NewCase};

contract!(
    cases_are_numbered_without_gaps_and_opened_once_per_cause,
    stings_count_until_they_expire_or_are_void,
    what_is_temporary_ends_once,
    only_what_stands_takes_the_place_of_what_ends,
    nothing_is_ended_while_something_newer_is_under_way,
    what_cannot_be_ended_is_put_off_behind_the_others,
    what_was_done_elsewhere_takes_the_place_of_what_was_older,
    nobody_forgets_what_is_unsure,
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
        line: None,
        unsure_for: None,
        at: t(0),
    }
}

fn of_bans(cause: &str, target: u64, ends_at: Option<i64>) -> NewCase {
    NewCase {
        ends_at: ends_at.map(t),
        line: Some("ban".to_owned()),
        unsure_for: Some(LEASE),
        ..case(1, cause, target, 0)
    }
}

async fn standing(storage: &Storage, new: &NewCase) -> i64 {
    let number = storage.cases().open(new).await.unwrap().number;
    assert!(storage.cases().stand(guild(1), number).await.unwrap());
    number
}

async fn due(storage: &Storage, at: i64) -> Vec<i64> {
    let due = storage.cases().due(t(at), 9).await.unwrap();
    due.iter().map(|case| case.number).collect()
}

/// Waits and leases of a case are over. Time itself is the database's and cannot be moved.
async fn over(storage: &Storage, number: i64) {
    let over = format!(
        "UPDATE cases SET \
         ending_until = CASE WHEN ending_until IS NULL THEN NULL ELSE created_at END, \
         unsure_until = CASE WHEN unsure_until IS NULL THEN NULL ELSE created_at END \
         WHERE guild_id = 1 AND number = {number} RETURNING number"
    );
    storage.number(over).await;
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
    standing(&storage, &of_bans("a", 50, Some(1000))).await;
    standing(&storage, &of_bans("b", 51, Some(2000))).await;
    assert!(due(&storage, 500).await.is_empty());
    let first = store.due(t(1500), 9).await.unwrap();
    assert_eq!(first.len(), 1);
    assert!(store.take_ending(&first[0], LEASE).await.unwrap().is_some());
    let late = store.take_ending(&first[0], LEASE).await.unwrap();
    assert_eq!(late, None, "somebody else has it");
    let is_ending = async |target| {
        store
            .is_ending(guild(1), user(target), "ban")
            .await
            .unwrap()
    };
    assert!(is_ending(50).await && !is_ending(51).await);
    assert!(due(&storage, 1600).await.is_empty());
    // Whoever took it is gone.
    over(&storage, 1).await;
    assert!(!is_ending(50).await);
    let again = store.due(t(1600), 9).await.unwrap();
    let stale = again[0].fence;
    let newer = store.take_ending(&again[0], LEASE).await.unwrap().unwrap();
    let end = async |fence| {
        store
            .end(guild(1), 1, fence, CaseEnding::Done)
            .await
            .unwrap()
    };
    assert!(!end(stale).await, "a stale one ends nothing");
    assert!(end(newer).await && !end(newer).await);
    assert_eq!(due(&storage, 99_000).await, [2]);
}

async fn only_what_stands_takes_the_place_of_what_ends(storage: Storage) {
    let store = storage.cases();
    standing(&storage, &of_bans("a", 50, Some(1000))).await;
    // Discord refuses this one.
    let refused = store.open(&of_bans("b", 50, None)).await.unwrap().number;
    assert!(store.void(guild(1), refused, "refused").await.unwrap());
    assert!(!store.stand(guild(1), refused).await.unwrap());
    assert_eq!(due(&storage, 2000).await, [1], "it still ends");
    // A ban for ever takes the place of one that ends; a timeout does not.
    let timeout = NewCase {
        line: Some("timeout".to_owned()),
        ..of_bans("c", 50, Some(9000))
    };
    standing(&storage, &timeout).await;
    assert_eq!(due(&storage, 2000).await, [1]);
    let forever = standing(&storage, &of_bans("d", 50, None)).await;
    assert!(store.stand(guild(1), forever).await.unwrap(), "repeated");
    assert!(due(&storage, 2000).await.is_empty());
    let ended = store.case(guild(1), 1).await.unwrap().unwrap();
    assert_eq!(ended.ending, Some(CaseEnding::Superseded));
    let running = async |line: &str, at| {
        let running = store.running(guild(1), user(50), line, t(at)).await;
        running.unwrap().map(|case| case.number)
    };
    assert_eq!(running("timeout", 0).await, Some(3));
    assert_eq!(running("timeout", 9000).await, None);
    assert_eq!(running("ban", 0).await, None);
}

async fn nothing_is_ended_while_something_newer_is_under_way(storage: Storage) {
    let store = storage.cases();
    standing(&storage, &of_bans("a", 50, Some(1000))).await;
    let old = store.due(t(2000), 9).await.unwrap().remove(0);
    let newer = store.open(&of_bans("b", 50, None)).await.unwrap().number;
    assert!(due(&storage, 2000).await.is_empty());
    assert_eq!(store.take_ending(&old, LEASE).await.unwrap(), None);
    store.void(guild(1), newer, "refused").await.unwrap();
    assert!(store.take_ending(&old, LEASE).await.unwrap().is_some());
}

async fn what_cannot_be_ended_is_put_off_behind_the_others(storage: Storage) {
    let store = storage.cases();
    standing(&storage, &of_bans("a", 50, Some(1000))).await;
    standing(&storage, &of_bans("b", 51, Some(2000))).await;
    let first = store.due(t(3000), 1).await.unwrap().remove(0);
    assert_eq!((first.number, first.tries), (1, 0));
    let fence = store.take_ending(&first, LEASE).await.unwrap().unwrap();
    let put_off = async |fence| store.put_off(guild(1), 1, fence, LEASE).await.unwrap();
    assert!(!put_off(fence - 1).await && put_off(fence).await);
    let next = store.due(t(3000), 1).await.unwrap().remove(0);
    assert_eq!(next.number, 2, "it keeps nobody from ending");
    assert!(!store.is_ending(guild(1), user(50), "ban").await.unwrap());
    let wait = "UPDATE cases SET ending_until = ends_at WHERE number = 1 RETURNING number";
    storage.number(wait.to_owned()).await;
    let again = store.due(t(3000), 9).await.unwrap();
    let again = again.iter().find(|case| case.number == 1).unwrap();
    assert_eq!(again.tries, 1);
}

async fn what_was_done_elsewhere_takes_the_place_of_what_was_older(storage: Storage) {
    let store = storage.cases();
    let at = |new: NewCase, at| NewCase { at: t(at), ..new };
    standing(&storage, &at(of_bans("a", 50, Some(9000)), 500)).await;
    // Heard of late: it was before that.
    let late = NewCase {
        unsure_for: None,
        ..at(of_bans("entry:1", 50, None), 400)
    };
    store.open(&late).await.unwrap();
    assert_eq!(due(&storage, 9500).await, [1]);
    store
        .supersede(guild(1), user(50), "ban", t(450))
        .await
        .unwrap();
    assert_eq!(due(&storage, 9500).await, [1]);
    store
        .supersede(guild(1), user(50), "ban", t(600))
        .await
        .unwrap();
    assert!(due(&storage, 9500).await.is_empty());
}

async fn nobody_forgets_what_is_unsure(storage: Storage) {
    let store = storage.cases();
    store.open(&of_bans("a", 50, None)).await.unwrap();
    assert!(store.unsure(9).await.unwrap().is_empty(), "it has its time");
    over(&storage, 1).await;
    let unsure = store.unsure(9).await.unwrap().remove(0);
    assert!(unsure.is_unsure);
    assert!(store.take_unsure(&unsure, LEASE).await.unwrap());
    assert!(!store.take_unsure(&unsure, LEASE).await.unwrap());
    assert!(store.unsure(9).await.unwrap().is_empty());
    over(&storage, 1).await;
    assert_eq!(store.unsure(9).await.unwrap()[0].tries, 1);
    assert!(store.stand(guild(1), 1).await.unwrap());
    assert!(store.unsure(9).await.unwrap().is_empty());
    let stands = store.case(guild(1), 1).await.unwrap().unwrap();
    assert!(!stands.is_unsure && stands.tries == 0);
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
