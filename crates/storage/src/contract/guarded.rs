use splashtail_core::ids::{ChannelId, MessageId};
use uuid::Uuid;

use super::*;
use crate::guarded::{Answer, Ending, MOST_ANSWERS, MOST_OPEN, Move, NewRequest, RequestState};

contract!(
    requests_move_once_and_keep_every_answer,
    what_is_late_is_due_and_taken_over_by_one,
    open_requests_and_answers_are_bounded,
    a_word_and_its_end_are_one,
);

fn request(id: u128, asked_ms: i64) -> NewRequest {
    NewRequest {
        id: Uuid::from_u128(id),
        guild: guild(1),
        operation: "restore".to_owned(),
        arguments: json!({"z": 1, "a": 2}),
        summary: vec!["3 channels to delete".to_owned()],
        digest: "ab12".to_owned(),
        asked_by: user(10),
        asked_at: stored(asked_ms),
        expires_at: stored(asked_ms + 900_000),
    }
}

fn answer(by: u64, at_ms: i64) -> Answer {
    Answer {
        user: user(by),
        answer: "agree".to_owned(),
        at: stored(at_ms),
    }
}

fn stay(_: &[Answer]) -> Move {
    Move::Stay
}

fn take(_: &[Answer]) -> Move {
    Move::Take(stored(100))
}

fn ending(state: RequestState) -> Ending {
    Ending {
        state,
        outcome: Some("It is so.".to_owned()),
        at: stored(50),
    }
}

async fn requests_move_once_and_keep_every_answer(storage: Storage) {
    let store = storage.guarded();
    let (first, second) = (request(1, 0), request(2, 10));
    assert!(store.ask(&first).await.unwrap());
    assert!(store.ask(&second).await.unwrap());
    let listed = store.list(guild(1), true, 9).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|request| request.id).collect();
    assert_eq!(ids, [second.id, first.id], "newest first");
    assert!(store.list(guild(2), false, 9).await.unwrap().is_empty());

    for given in [answer(10, 1), answer(11, 2)] {
        let heard = store.answer(first.id, &given, &stay).await.unwrap();
        assert_eq!(heard, Some(Move::Stay));
    }
    let at = (ChannelId::new(3).unwrap(), MessageId::new(4).unwrap());
    store.set_message(first.id, at).await.unwrap();
    let taken = store.answer(first.id, &answer(10, 3), &take).await.unwrap();
    assert_eq!(taken, Some(Move::Take(stored(100))));
    let again = store.answer(first.id, &answer(12, 4), &take).await.unwrap();
    assert_eq!(again, None, "once");
    let answers = store.answers(first.id).await.unwrap();
    assert_eq!(answers, [answer(10, 1), answer(11, 2), answer(10, 3)]);
    let (open, running) = (RequestState::Open, RequestState::Running);
    let withdrawn = ending(RequestState::Withdrawn);
    assert!(!store.end(first.id, open, &withdrawn).await.unwrap());
    let done = ending(RequestState::Done);
    assert!(store.end(first.id, running, &done).await.unwrap());
    assert!(!store.end(first.id, running, &done).await.unwrap());
    let row = store.get(first.id).await.unwrap().unwrap();
    assert_eq!((row.state, row.message), (RequestState::Done, Some(at)));
    assert_eq!(row.outcome.as_deref(), Some("It is so."));
    assert_eq!(row.arguments, first.arguments);
    assert_eq!(row.summary, first.summary);
    assert_eq!(store.list(guild(1), true, 9).await.unwrap().len(), 1);
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(store.purge(years).await.unwrap(), 0);
    assert_eq!(store.purge(Duration::from_secs(60)).await.unwrap(), 1);
    assert_eq!(store.get(first.id).await.unwrap(), None);
    assert!(store.answers(first.id).await.unwrap().is_empty());
}

async fn what_is_late_is_due_and_taken_over_by_one(storage: Storage) {
    let store = storage.guarded();
    let (open, taken) = (request(1, 0), request(2, 0));
    assert!(store.ask(&open).await.unwrap());
    assert!(store.ask(&taken).await.unwrap());
    let word = store.answer(taken.id, &answer(10, 1), &take).await;
    assert!(word.unwrap().is_some());
    assert!(store.due(stored(99), 9).await.unwrap().is_empty());
    let late = store.due(stored(100), 9).await.unwrap();
    assert_eq!((late.len(), late[0].id), (1, taken.id));
    let seen = late[0].run_until.unwrap();
    let over = |until| store.take_over(taken.id, seen, stored(until));
    assert!(over(200).await.unwrap());
    assert!(!over(201).await.unwrap(), "somebody else was first");
    let due = store.due(open.expires_at, 9).await.unwrap();
    assert_eq!(due.len(), 2);
}

async fn open_requests_and_answers_are_bounded(storage: Storage) {
    let store = storage.guarded();
    for id in 0..u128::from(MOST_OPEN) {
        assert!(store.ask(&request(id, 0)).await.unwrap());
    }
    let more = request(1000, 0);
    assert!(!store.ask(&more).await.unwrap());
    let elsewhere = NewRequest {
        guild: guild(2),
        ..more.clone()
    };
    assert!(store.ask(&elsewhere).await.unwrap());
    for at in 0..3 * i64::from(MOST_ANSWERS) {
        let heard = store.answer(more.id, &answer(1, at), &stay).await.unwrap();
        assert_eq!(heard, Some(Move::Stay));
    }
    let other = store.answer(more.id, &answer(2, 99), &stay).await.unwrap();
    assert_eq!(other, Some(Move::Stay), "nobody is shut out by another");
    let kept = store.answers(more.id).await.unwrap();
    assert_eq!(kept.len(), MOST_ANSWERS as usize + 1);
    assert_eq!(kept[0], answer(1, 0), "the first word");
    let latest = answer(1, 3 * i64::from(MOST_ANSWERS) - 1);
    assert_eq!(kept[kept.len() - 2..], [latest, answer(2, 99)]);
}

async fn a_word_and_its_end_are_one(storage: Storage) {
    let store = storage.guarded();
    let asked = request(1, 0);
    assert!(store.ask(&asked).await.unwrap());
    let refused = |answers: &[Answer]| {
        assert_eq!(answers, [answer(10, 1)], "the word itself is judged, too");
        Move::End(ending(RequestState::Refused))
    };
    let heard = store.answer(asked.id, &answer(10, 1), &refused).await;
    assert_eq!(
        heard.unwrap(),
        Some(Move::End(ending(RequestState::Refused)))
    );
    let row = store.get(asked.id).await.unwrap().unwrap();
    assert_eq!(row.state, RequestState::Refused);
    let late = store.answer(asked.id, &answer(11, 2), &take).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(store.answers(asked.id).await.unwrap().len(), 1);
}
