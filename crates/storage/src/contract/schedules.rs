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

const LATER_MS: i64 = 2_000_000_000_000;

/// What is due, page by page.
async fn due(storage: &Storage, limit: u32) -> Vec<Schedule> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = storage.schedules().due(after.as_ref(), limit).await;
        let page = page.unwrap();
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return all };
        assert!(last.now > stored(0) && Some(last.at) == last.schedule.next_at);
        after = Some(last.clone());
        all.extend(page.into_iter().map(|due| due.schedule));
    }
}

async fn what_is_due_is_advanced_by_one(storage: Storage) {
    let schedules = storage.schedules();
    for wanted in [
        schedule(1, 300),
        schedule(2, 100),
        schedule(3, LATER_MS),
        schedule(4, 300),
    ] {
        schedules.put(&wanted).await.unwrap();
    }
    let found = due(&storage, 9).await;
    assert_eq!(
        found,
        [schedule(2, 100), schedule(1, 300), schedule(4, 300)]
    );
    assert_eq!(due(&storage, 1).await, found);

    let task = TaskId::random();
    let next = Some(t(5000));
    assert!(
        schedules
            .advance(&found[0], next, Some(task))
            .await
            .unwrap()
    );
    let second = schedules.advance(&found[0], next, None).await.unwrap();
    assert!(!second, "somebody else was first");
    assert!(schedules.advance(&found[1], None, None).await.unwrap());
    let later = Some(stored(LATER_MS));
    assert!(schedules.advance(&found[2], later, None).await.unwrap());
    let found = due(&storage, 9).await;
    assert_eq!(found.len(), 1, "one is never due again, others are later");
    assert_eq!(
        (found[0].last_task, found[0].next_at),
        (Some(task), Some(stored(5000)))
    );

    let changed = Schedule {
        cron: "0 5 * * *".to_owned(),
        ..schedule(3, 100)
    };
    schedules.put(&changed).await.unwrap();
    assert_eq!(due(&storage, 9).await[0], changed);
    assert!(schedules.remove(Uuid::from_u128(3)).await.unwrap());
    assert!(!schedules.remove(Uuid::from_u128(3)).await.unwrap());
}
