use uuid::Uuid;

use super::*;
use crate::ledger::{NewItem, Outcome, Settled};
use crate::schedule::{Keep, Schedule};
use crate::setting::{Edit, NewChange, Written};
use crate::webhook::NewWebhook;

contract!(a_nul_in_a_name_stops_no_store);

/// Discord's names may hold one, and PostgreSQL's text none.
async fn a_nul_in_a_name_stops_no_store(storage: Storage) {
    let order = NewTask {
        fields: json!({"Name": "a\0b"}),
        ..task(0)
    };
    let row = created(&storage, &order).await;
    assert_eq!(row.fields["Name"], "a\0b", "JSON has it escaped");
    let lease = claim(&storage).await.unwrap().lease;
    let ledger = storage.ledger();
    let item = NewItem {
        name: "role/1",
        nonce: "0123456789abcdef",
        what: "role.create a\0b",
        before: r#"{"name":"a\u0000b"}"#,
    };
    assert!(ledger.intend(lease, &item).await.unwrap().is_some());
    let refused = Settled {
        outcome: Outcome::Failed,
        after: None,
        code: Some("refused"),
        note: Some("a\0b is taken"),
    };
    assert!(ledger.settle(lease, "role/1", &refused).await.unwrap());
    let items = ledger.items(row.id, 0, 9).await.unwrap();
    assert_eq!(items[0].what, "role.create ab");
    assert_eq!(items[0].note.as_deref(), Some("ab is taken"));
    assert_eq!(items[0].before["name"], "a\0b");

    let queue = storage.queue();
    let recorded = queue.record_step(lease, "st\0ep", "\"a\\u0000b\"", t(1));
    assert!(recorded.await.unwrap());
    assert_eq!(queue.steps(row.id, 0).await.unwrap()[0].step, "step");
    assert!(queue.append(lease, &entry(1, "a\0b")).await.unwrap());
    let log = storage.tasks().log(row.id, 0, 9).await.unwrap();
    assert_eq!(
        (log[0].msg.as_str(), &log[0].extra["code"]),
        ("ab", &json!("a\0b"))
    );

    let id = Uuid::from_u128(1);
    let schedule = Schedule {
        id,
        name: "backup".to_owned(),
        data: json!({}),
        cron: "0 4 * * *".to_owned(),
        jitter_ms: 0,
        actor: None,
        next_at: None,
        last_task: None,
        guild: Some(guild(1)),
        keep: Keep::default(),
    };
    storage.schedules().put(&schedule).await.unwrap();
    storage
        .schedules()
        .complain(id, "no #a\0b", t(1))
        .await
        .unwrap();
    let troubles = storage.schedules().troubles(None, 9).await.unwrap();
    assert_eq!(troubles[0].text, "no #ab");

    storage.guilds().ensure(guild(1), t(0)).await.unwrap();
    let edits = [Edit {
        setting: "colours".to_owned(),
        entry: "w\0all".to_owned(),
        before: None,
        after: Some(json!({"colour": "red\0"})),
    }];
    let change = NewChange {
        guild: guild(1),
        decided_on: 0,
        by: user(7),
        way: "discord",
        at: t(0),
        undoes: None,
        edits: &edits,
    };
    let written = storage.settings().write(&change).await.unwrap();
    assert_eq!(written, Written::At(1));
    let read = storage.settings().read(guild(1), None).await.unwrap();
    assert_eq!(read.rows[0].entry, "wall");

    let webhook = NewWebhook {
        id,
        guild: guild(1),
        name: "ch\0at".to_owned(),
        url: "https://example.com".to_owned(),
        types: vec!["job.finished".to_owned()],
        secret: vec![0, 1],
        created_by: user(1),
        created_at: t(0),
    };
    assert!(storage.webhooks().add_webhook(&webhook).await.unwrap());
    let stored = storage.webhooks().webhook(id).await.unwrap().unwrap();
    assert_eq!(stored.name, "chat");
}
