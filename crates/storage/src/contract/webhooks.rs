use uuid::Uuid;

use super::*;
use crate::webhook::{
    MOST_WEBHOOKS, MessageState, NewMessage, NewWebhook, Tried, TriedEnd, Webhook,
};

contract!(
    a_guild_has_so_many_webhooks,
    what_happens_is_said_once,
    a_message_is_tried_until_it_has_ended,
    one_that_was_off_hears_of_what_comes,
    old_messages_go,
);

const MINUTE: Duration = Duration::from_secs(60);

fn new(id: u128) -> NewWebhook {
    NewWebhook {
        id: Uuid::from_u128(id),
        guild: guild(1),
        name: "chat".to_owned(),
        url: "https://example.com".to_owned(),
        types: vec!["job.finished".to_owned()],
        secret: vec![1, 2],
        created_by: user(1),
        created_at: t(i64::try_from(id).unwrap()),
    }
}

async fn added(storage: &Storage, id: u128) -> Webhook {
    let webhooks = storage.webhooks();
    assert!(webhooks.add_webhook(&new(id)).await.unwrap());
    webhooks
        .webhook(Uuid::from_u128(id))
        .await
        .unwrap()
        .unwrap()
}

fn message(id: u128, subject: &str) -> NewMessage {
    NewMessage {
        id: Uuid::from_u128(id),
        kind: "job.finished".to_owned(),
        subject: subject.to_owned(),
        body: format!("{{\"n\":{id}}}"),
        at: t(i64::try_from(id).unwrap()),
    }
}

async fn a_guild_has_so_many_webhooks(storage: Storage) {
    let webhooks = storage.webhooks();
    for id in 0..MOST_WEBHOOKS {
        assert!(webhooks.add_webhook(&new(id.into())).await.unwrap());
    }
    assert!(!webhooks.add_webhook(&new(99)).await.unwrap());
    let other = NewWebhook {
        guild: guild(2),
        ..new(98)
    };
    assert!(webhooks.add_webhook(&other).await.unwrap());
    let list = webhooks.webhooks(guild(1)).await.unwrap();
    let ids: Vec<_> = list.iter().map(|webhook| webhook.id.as_u128()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert_eq!(
        list[0],
        Webhook {
            id: Uuid::nil(),
            guild: guild(1),
            name: "chat".to_owned(),
            url: "https://example.com".to_owned(),
            types: vec!["job.finished".to_owned()],
            secret: vec![1, 2],
            seen: 0,
            off: None,
            created_by: user(1),
            created_at: stored(0),
        }
    );
    assert!(
        !webhooks
            .remove_webhook(guild(2), Uuid::nil())
            .await
            .unwrap()
    );
    assert!(
        webhooks
            .remove_webhook(guild(1), Uuid::nil())
            .await
            .unwrap()
    );
    assert_eq!(webhooks.webhook(Uuid::nil()).await.unwrap(), None);
}

async fn what_happens_is_said_once(storage: Storage) {
    let webhooks = storage.webhooks();
    created(&storage, &task(0)).await;
    let webhook = added(&storage, 1).await;
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    created(&storage, &task(1)).await;
    let behind = webhooks.webhooks_behind(9).await.unwrap();
    assert_eq!(behind, std::slice::from_ref(&webhook));
    let seen = storage.events().newest(guild(1)).await.unwrap();
    let messages = [message(1, "a"), message(2, "a"), message(3, "b")];
    assert!(webhooks.say(&webhook, seen, &messages).await.unwrap());
    // Another process that read the same events.
    assert!(!webhooks.say(&webhook, seen, &messages).await.unwrap());
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    let said = webhooks.messages(webhook.id, None, 9).await.unwrap();
    let said: Vec<_> = said.iter().map(|message| message.id.as_u128()).collect();
    assert_eq!(said, [3, 1]);
    let older = webhooks.messages(webhook.id, Some(t(3)), 9).await.unwrap();
    assert_eq!(older.len(), 1);
}

async fn a_message_is_tried_until_it_has_ended(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    webhooks
        .say_alone(webhook.id, &message(7, "a"))
        .await
        .unwrap();
    let taken = webhooks.take_due(MINUTE).await.unwrap().unwrap();
    assert_eq!((taken.id.as_u128(), taken.attempt), (7, 1));
    assert_eq!(
        (&taken.webhook, taken.body.as_str()),
        (&webhook, "{\"n\":7}")
    );
    assert_eq!(webhooks.take_due(MINUTE).await.unwrap(), None);
    let tried = |end| Tried {
        end,
        outcome: "it says 500".to_owned(),
        status: Some(500),
        at: t(9),
    };
    let row = async || {
        webhooks
            .messages(webhook.id, None, 9)
            .await
            .unwrap()
            .remove(0)
    };
    let again = tried(TriedEnd::Again(Duration::ZERO));
    webhooks.tried(taken.id, &again).await.unwrap();
    let now = row().await;
    assert_eq!((now.state, now.status), (MessageState::Waiting, Some(500)));
    assert_eq!(now.outcome.as_deref(), Some("it says 500"));
    let taken = webhooks.take_due(MINUTE).await.unwrap().unwrap();
    assert_eq!(taken.attempt, 2);
    assert!(!webhooks.send_again(webhook.id, taken.id).await.unwrap());
    webhooks
        .tried(taken.id, &tried(TriedEnd::Failed))
        .await
        .unwrap();
    assert_eq!(webhooks.take_due(MINUTE).await.unwrap(), None);
    assert_eq!(row().await.state, MessageState::Failed);
    assert!(!webhooks.send_again(Uuid::nil(), taken.id).await.unwrap());
    assert!(webhooks.send_again(webhook.id, taken.id).await.unwrap());
    let taken = webhooks.take_due(MINUTE).await.unwrap().unwrap();
    assert_eq!(taken.attempt, 1);
    let delivered = tried(TriedEnd::Delivered);
    webhooks.tried(taken.id, &delivered).await.unwrap();
    let now = row().await;
    assert_eq!(
        (now.state, now.due_at, now.tried_at),
        (MessageState::Delivered, None, Some(stored(9)))
    );
}

async fn one_that_was_off_hears_of_what_comes(storage: Storage) {
    let webhooks = storage.webhooks();
    let mut webhook = added(&storage, 1).await;
    webhook.off = Some("it is gone".to_owned());
    webhook.name = "other".to_owned();
    assert!(webhooks.change_webhook(&webhook).await.unwrap());
    created(&storage, &task(0)).await;
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    webhook.off = None;
    assert!(webhooks.change_webhook(&webhook).await.unwrap());
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    let now = webhooks.webhook(webhook.id).await.unwrap().unwrap();
    let newest = storage.events().newest(guild(1)).await.unwrap();
    assert_eq!((now.name.as_str(), now.seen), ("other", newest));
    webhook.guild = guild(2);
    assert!(!webhooks.change_webhook(&webhook).await.unwrap());
}

async fn old_messages_go(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    webhooks
        .say_alone(webhook.id, &message(7, "a"))
        .await
        .unwrap();
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(webhooks.purge_messages(years).await.unwrap(), 0);
    // Of 2023.
    assert_eq!(webhooks.purge_messages(MINUTE).await.unwrap(), 1);
}
