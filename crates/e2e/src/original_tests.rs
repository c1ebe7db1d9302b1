//! The original's design, which the drills are held against.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use splashtail_antinuke::{Column, LimitType};
use sqlx::{Connection as _, SqliteConnection};

use crate::original::{
    Act, Around, Entry, Limit, default_limits, entries, judge_on_sqlite, prepare_sqlite, replay,
};

const MOD: i64 = 5;
const OTHER: i64 = 6;

fn entry(call: usize, actor: i64, at: i64, kinds: &[LimitType]) -> Entry {
    Entry {
        actor,
        target: 1000 + at,
        at,
        kinds: kinds.to_vec(),
        call,
    }
}

/// One channel deleted each 100 ms.
fn nuke(actor: i64, count: usize) -> Vec<Entry> {
    let one = |n: usize| entry(n, actor, 100 * n as i64, &[LimitType::ChannelRemove]);
    (0..count).map(one).collect()
}

/// Hits from the n-th act of somebody on.
fn from_the(n: usize, took: f64) -> impl AsyncFnMut(&Act) -> Result<(bool, f64), ()> {
    let mut seen = std::collections::BTreeMap::<i64, usize>::new();
    async move |act: &Act| {
        let count = seen.entry(act.actor).or_default();
        *count += 1;
        Ok((*count >= n, took))
    }
}

#[tokio::test]
async fn whoever_is_hit_goes_on_until_discord_has_answered() {
    let around = Around {
        entry: 150.0,
        answer: 90.0,
    };
    // Hit by the third at 200 ms: 350 seen, 360 judged, 450 stopped. The act at 400 was made.
    let replayed = replay(1, &nuke(MOD, 20), around, None, from_the(3, 10.0)).await;
    let replayed = replayed.unwrap();
    assert_eq!(replayed.prevented, 15);
    assert_eq!(replayed.verdicts.len(), 5);
    let spared = replay(1, &nuke(MOD, 20), around, Some(MOD), from_the(3, 10.0)).await;
    assert_eq!(spared.unwrap().prevented, 0);
}

#[tokio::test]
async fn verdicts_wait_for_each_other_and_stop_only_whom_they_are_about() {
    // Each takes longer than the time between two acts: the hit comes after the attack.
    let slow = replay(
        1,
        &nuke(MOD, 5),
        Around::default(),
        None,
        from_the(3, 200.0),
    )
    .await;
    assert_eq!(slow.unwrap().prevented, 0);
    let mut both = nuke(MOD, 10);
    both.push(entry(10, OTHER, 1000, &[LimitType::ChannelRemove]));
    let replayed = replay(1, &both, Around::default(), None, from_the(3, 1.0)).await;
    assert_eq!(replayed.unwrap().prevented, 7);
}

#[tokio::test]
async fn what_it_does_not_look_at_it_does_not_stop() {
    let unseen: Vec<Entry> = (0..5).map(|n| entry(n, MOD, n as i64, &[])).collect();
    let replayed = replay(1, &unseen, Around::default(), None, from_the(1, 1.0)).await;
    assert_eq!(replayed.unwrap(), Default::default());
}

#[tokio::test]
async fn a_limit_is_passed_by_one_more_than_it_allows_and_by_its_own_kind() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let limit = |kind| Limit {
        kind,
        most: 2,
        length: 60_000,
    };
    let limits = [limit(12), limit(22)];
    prepare_sqlite(&mut connection, 1..=2, &limits)
        .await
        .unwrap();
    let mut judge = async |guild, actor, kind, target, at| {
        let act = Act {
            guild,
            actor,
            kind,
            target,
            at,
        };
        judge_on_sqlite(&mut connection, &act).await.unwrap()
    };
    assert!(!judge(1, MOD, 12, 1, 0).await);
    assert!(!judge(1, MOD, 12, 2, 10).await);
    // The same again, another server, another actor, another kind.
    assert!(!judge(1, MOD, 12, 2, 20).await);
    assert!(!judge(2, MOD, 12, 3, 20).await);
    assert!(!judge(1, OTHER, 12, 3, 20).await);
    assert!(!judge(1, MOD, 22, 3, 20).await);
    assert!(judge(1, MOD, 12, 4, 30).await);
    // A minute later the first are forgotten.
    assert!(!judge(1, MOD, 12, 5, 60_025).await);
}

fn raw(id: u64, user: &str, action: u64, changes: Value) -> Value {
    json!({"id": (id << 22).to_string(), "user_id": user, "target_id": "9", "action_type": action,
        "changes": changes})
}

#[test]
fn entries_of_others_are_left_out_and_a_bulk_ban_is_one_call() {
    let list = [
        raw(400, "5", 22, Value::Null),
        raw(103, "5", 22, Value::Null),
        raw(101, "5", 22, Value::Null),
        raw(100, "5", 25, json!([{"key": "$add"}, {"key": "$remove"}])),
        raw(90, "7", 12, Value::Null),
        raw(50, "5", 50, Value::Null),
    ];
    let found = entries(&list, &["5".to_owned()]);
    let calls: Vec<_> = found
        .iter()
        .map(|e| (e.at, e.kinds.len(), e.call))
        .collect();
    assert_eq!(
        calls,
        [
            (50, 0, 0),
            (100, 3, 1),
            (101, 1, 2),
            (103, 1, 2),
            (400, 1, 3)
        ]
    );
}

#[test]
fn it_is_given_our_limits() {
    let limits = default_limits(Column::Administrator, 1000);
    let deletions = limits
        .iter()
        .filter(|limit| limit.kind == LimitType::ChannelRemove as i64);
    let deletions: Vec<_> = deletions.map(|l| (l.most, l.length)).collect();
    assert_eq!(deletions, [(3, 60_000), (6, 3_600_000), (12, 86_400_000)]);
}
