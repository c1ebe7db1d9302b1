use uuid::Uuid;

use super::*;
use crate::schedule::{Keep, Schedule};
use crate::task_store::Idempotency;

contract!(
    what_is_due_is_advanced_by_one,
    ends_are_seen_to_and_troubles_told_once,
    what_a_schedule_made_is_found_by_its_keys,
);

fn schedule(id: u128, next_ms: i64) -> Schedule {
    Schedule {
        id: Uuid::from_u128(id),
        name: "backup".to_owned(),
        data: json!({"z": 1, "a": 2}),
        cron: "0 4 * * *".to_owned(),
        jitter_ms: 1000,
        actor: Some("u/1".to_owned()),
        next_at: Some(stored(next_ms)),
        last_task: None,
        guild: Some(guild(1)),
        keep: Keep {
            count: Some(7),
            days: None,
        },
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

async fn ends_are_seen_to_and_troubles_told_once(storage: Storage) {
    let schedules = storage.schedules();
    for wanted in [schedule(1, 100), schedule(2, LATER_MS)] {
        schedules.put(&wanted).await.unwrap();
    }
    assert!(schedules.unsettled(None, 9).await.unwrap().is_empty());
    let task = TaskId::random();
    let later = Some(stored(LATER_MS));
    let first = schedule(1, 100);
    assert!(schedules.advance(&first, later, Some(task)).await.unwrap());
    let open = schedules.unsettled(None, 9).await.unwrap();
    assert_eq!((open.len(), open[0].last_task), (1, Some(task)));
    assert!(
        schedules
            .unsettled(Some(open[0].id), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(schedules.settle(&open[0]).await.unwrap());
    assert!(!schedules.settle(&open[0]).await.unwrap(), "once");
    assert!(schedules.unsettled(None, 9).await.unwrap().is_empty());
    assert_eq!(schedules.of_guild(guild(1)).await.unwrap().len(), 2);
    assert!(schedules.of_guild(guild(2)).await.unwrap().is_empty());

    let id = open[0].id;
    schedules
        .complain(id, "It failed.", stored(5))
        .await
        .unwrap();
    let troubles = schedules.troubles(None, 9).await.unwrap();
    assert_eq!(
        (troubles.len(), troubles[0].text.as_str()),
        (1, "It failed.")
    );
    assert!(schedules.tell(&troubles[0]).await.unwrap());
    assert!(!schedules.tell(&troubles[0]).await.unwrap(), "once");
    assert!(schedules.troubles(None, 9).await.unwrap().is_empty());

    let hour = Duration::from_secs(3600);
    schedules.put(&schedule(3, 100)).await.unwrap();
    let late = schedules.late(hour, None, 9).await.unwrap();
    assert_eq!((late.len(), late[0].id), (1, Uuid::from_u128(3)));
    assert!(schedules.tell_late(&late[0]).await.unwrap());
    assert!(!schedules.tell_late(&late[0]).await.unwrap(), "once");
    assert!(schedules.late(hour, None, 9).await.unwrap().is_empty());
    let row = schedules.get(Uuid::from_u128(3)).await.unwrap().unwrap();
    assert_eq!(row, schedule(3, 100));
}

async fn what_a_schedule_made_is_found_by_its_keys(storage: Storage) {
    let (own, other) = (schedule(1, 100), schedule(2, 100));
    let mut made = Vec::new();
    for (of, at_ms) in [(&own, 1), (&own, 2), (&other, 3)] {
        let key = format!("{}-{at_ms}", of.id.simple());
        let wanted = NewTask {
            idempotency: Some(Idempotency {
                client: "schedule".to_owned(),
                key,
            }),
            ..task(at_ms)
        };
        made.push(created(&storage, &wanted).await.id);
    }
    let schedules = storage.schedules();
    assert!(
        schedules.made(&own, 9).await.unwrap().is_empty(),
        "none has completed"
    );
    for id in &made {
        let ended = format!(
            "UPDATE tasks SET state = 'completed' WHERE task_id = '{id}' RETURNING log_count"
        );
        storage.number(ended).await;
    }
    let found = schedules.made(&own, 9).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| row.id).collect();
    assert_eq!(found, [made[1], made[0]], "newest first");
}
