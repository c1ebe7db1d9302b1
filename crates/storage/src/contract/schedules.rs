use uuid::Uuid;

use super::*;
use crate::schedule::Schedule;

contract!(what_is_due_is_advanced_by_one);

fn schedule(id: u128, next_ms: i64) -> Schedule {
    Schedule {
        id: Uuid::from_u128(id),
        name: "backup".to_owned(),
        data: json!({"z": 1, "a": 2}),
        cron: "0 4 * * *".to_owned(),
        jitter_ms: 1000,
        catch_up: true,
        actor: Some("u/1".to_owned()),
        next_at: Some(stored(next_ms)),
        last_task: None,
    }
}

async fn what_is_due_is_advanced_by_one(storage: Storage) {
    let schedules = storage.schedules();
    for wanted in [schedule(1, 300), schedule(2, 100), schedule(3, 900)] {
        schedules.put(&wanted).await.unwrap();
    }
    let due = schedules.due(t(500), 9).await.unwrap();
    assert_eq!(due, [schedule(2, 100), schedule(1, 300)]);
    assert_eq!(schedules.due(t(500), 1).await.unwrap().len(), 1);

    let task = TaskId::random();
    let next = Some(t(5000));
    assert!(schedules.advance(&due[0], next, Some(task)).await.unwrap());
    let second = schedules.advance(&due[0], next, None).await.unwrap();
    assert!(!second, "somebody else was first");
    assert!(schedules.advance(&due[1], None, None).await.unwrap());
    assert_eq!(schedules.due(t(800), 9).await.unwrap(), []);
    let due = schedules.due(t(9000), 9).await.unwrap();
    assert_eq!(due[0].id, Uuid::from_u128(3));
    assert_eq!(
        (due[1].last_task, due[1].next_at),
        (Some(task), Some(stored(5000)))
    );
    assert_eq!(due.len(), 2, "one is never due again");

    let changed = Schedule {
        cron: "0 5 * * *".to_owned(),
        ..schedule(3, 100)
    };
    schedules.put(&changed).await.unwrap();
    assert_eq!(schedules.due(t(100), 9).await.unwrap(), [changed]);
    assert!(schedules.remove(Uuid::from_u128(3)).await.unwrap());
    assert!(!schedules.remove(Uuid::from_u128(3)).await.unwrap());
}
