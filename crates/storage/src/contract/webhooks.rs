use uuid::Uuid;

use super::*;
use crate::webhook::{
    Busy, MOST_WEBHOOKS, MessageState, NewMessage, NewWebhook, SaidAlone, Tried, TriedEnd, Webhook,
    WebhookChange, WebhookSwitch, address,
};

contract!(
    a_guild_has_so_many_webhooks,
    what_happens_is_said_once,
    a_message_is_tried_until_it_has_ended,
    one_that_was_off_hears_of_what_comes,
    a_change_touches_what_it_names,
    silence_switches_off_what_was_tried,
    one_of_a_kind_waits_at_a_time,
    pages_leave_nothing_out,
    old_messages_go,
    webhooks_take_turns,
    busy_ones_are_passed_over,
    what_an_address_is_owed_is_not_forgotten,
    programs_of_before_add_and_say,
    a_damaged_one_stops_nobody_else,
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
            vouched_by: user(1),
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
}

/// A message behind no event.
async fn say(storage: &Storage, webhook: &Webhook, message: NewMessage) {
    let webhooks = storage.webhooks();
    let said = webhooks.say(webhook, webhook.seen, &[message]).await;
    assert!(said.unwrap());
}

async fn a_message_is_tried_until_it_has_ended(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    say(&storage, &webhook, message(7, "a")).await;
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((taken.id.as_u128(), taken.attempt), (7, 1));
    assert_eq!(
        (&taken.webhook, taken.body.as_str()),
        (&webhook, "{\"n\":7}")
    );
    assert_eq!(
        webhooks.take_due(MINUTE, &Busy::default()).await.unwrap(),
        None
    );
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
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.attempt, 2);
    assert!(!webhooks.send_again(webhook.id, taken.id).await.unwrap());
    webhooks
        .tried(taken.id, &tried(TriedEnd::Failed))
        .await
        .unwrap();
    assert_eq!(
        webhooks.take_due(MINUTE, &Busy::default()).await.unwrap(),
        None
    );
    assert_eq!(row().await.state, MessageState::Failed);
    assert!(!webhooks.send_again(Uuid::nil(), taken.id).await.unwrap());
    assert!(webhooks.send_again(webhook.id, taken.id).await.unwrap());
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
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
    let webhook = added(&storage, 1).await;
    let off = WebhookChange {
        name: Some("other".to_owned()),
        ..switched(WebhookSwitch::Off("it is gone".to_owned()))
    };
    let change = async |guild, change: &WebhookChange| {
        let changed = webhooks.change_webhook(guild, webhook.id, change).await;
        changed.unwrap()
    };
    let is_off = change(guild(1), &off).await.unwrap();
    assert_eq!(is_off.off.as_deref(), Some("it is gone"));
    created(&storage, &task(0)).await;
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    let on = switched(WebhookSwitch::On);
    let is_on = change(guild(1), &on).await.unwrap();
    assert_eq!(webhooks.webhooks_behind(9).await.unwrap(), []);
    let now = webhooks.webhook(webhook.id).await.unwrap().unwrap();
    let newest = storage.events().newest(guild(1)).await.unwrap();
    assert_eq!((now.name.as_str(), now.seen), ("other", newest));
    assert_eq!((now.off.as_ref(), &now), (None, &is_on));
    assert_eq!(change(guild(2), &on).await, None);
}

fn switched(switch: WebhookSwitch) -> WebhookChange {
    WebhookChange {
        switch: Some(switch),
        ..WebhookChange::default()
    }
}

/// Two people who change different things of it at once lose nothing of each other.
async fn a_change_touches_what_it_names(storage: Storage) {
    let webhooks = storage.webhooks();
    let before = added(&storage, 1).await;
    let name = WebhookChange {
        name: Some("other".to_owned()),
        ..WebhookChange::default()
    };
    let url = WebhookChange {
        url: Some("https://example.org".to_owned()),
        types: Some(vec!["test".to_owned()]),
        vouched_by: Some(user(2)),
        ..WebhookChange::default()
    };
    for change in [&name, &url, &WebhookChange::default()] {
        let changed = webhooks.change_webhook(guild(1), before.id, change).await;
        assert!(changed.unwrap().is_some());
    }
    let now = webhooks.webhook(before.id).await.unwrap().unwrap();
    let expected = Webhook {
        name: "other".to_owned(),
        url: "https://example.org".to_owned(),
        types: vec!["test".to_owned()],
        vouched_by: user(2),
        ..before
    };
    assert_eq!(now, expected);
}

async fn silence_switches_off_what_was_tried(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    let off = async |tried: &Webhook, since| {
        let off = webhooks.switch_off(tried, "silent", since).await;
        off.unwrap()
    };
    let elsewhere = Webhook {
        url: "https://example.com/old".to_owned(),
        ..webhook.clone()
    };
    assert!(!off(&elsewhere, None).await, "it has moved since");
    let theirs = Webhook {
        vouched_by: user(9),
        ..webhook.clone()
    };
    assert!(!off(&theirs, None).await, "somebody else answers for it");
    let (first, second) = (message(7, "a"), message(8, "b"));
    for message in [&first, &second] {
        say(&storage, &webhook, message.clone()).await;
    }
    let tried = |end, at| Tried {
        end,
        outcome: String::new(),
        status: None,
        at: t(at),
    };
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
    let delivered = tried(TriedEnd::Delivered, 100);
    webhooks.tried(taken.id, &delivered).await.unwrap();
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
    let failed = tried(TriedEnd::Again(MINUTE), 200);
    webhooks.tried(taken.id, &failed).await.unwrap();
    assert!(!off(&webhook, Some(t(100))).await, "one was delivered");
    assert!(off(&webhook, Some(t(101))).await);
    assert!(!off(&webhook, None).await, "it is off already");
    let now = webhooks.webhook(webhook.id).await.unwrap().unwrap();
    assert_eq!(now.off.as_deref(), Some("silent"));
    // On again, what waits has all its tries before it.
    let on = switched(WebhookSwitch::On);
    webhooks
        .change_webhook(guild(1), webhook.id, &on)
        .await
        .unwrap();
    let messages = webhooks.messages(webhook.id, None, 9).await.unwrap();
    let mut attempts: Vec<_> = messages
        .iter()
        .map(|message| (message.state.as_str(), message.attempts))
        .collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [("delivered", 1), ("waiting", 0)]);
    // Gone is gone, whatever arrived before.
    assert!(off(&webhook, None).await);
}

async fn one_of_a_kind_waits_at_a_time(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    let say = async |guild, id, n: u128| {
        let message = message(n, &n.to_string());
        let said = webhooks.say_if_none_waits(guild, id, &message).await;
        said.unwrap()
    };
    assert_eq!(say(guild(1), webhook.id, 1).await, SaidAlone::Said);
    assert_eq!(say(guild(1), webhook.id, 2).await, SaidAlone::Waits);
    let taken = webhooks
        .take_due(MINUTE, &Busy::default())
        .await
        .unwrap()
        .unwrap();
    let tried = Tried {
        end: TriedEnd::Failed,
        outcome: String::new(),
        status: None,
        at: t(9),
    };
    webhooks.tried(taken.id, &tried).await.unwrap();
    assert_eq!(say(guild(1), webhook.id, 3).await, SaidAlone::Said);
    assert_eq!(say(guild(2), webhook.id, 4).await, SaidAlone::NoWebhook);
    assert_eq!(say(guild(1), Uuid::nil(), 5).await, SaidAlone::NoWebhook);
}

async fn pages_leave_nothing_out(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    for id in 1..=7 {
        let message = NewMessage {
            at: t(i64::try_from(id / 4).unwrap()),
            ..message(id, &id.to_string())
        };
        say(&storage, &webhook, message).await;
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = webhooks.messages(webhook.id, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|message| message.id.as_u128()));
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

async fn old_messages_go(storage: Storage) {
    let webhooks = storage.webhooks();
    let webhook = added(&storage, 1).await;
    say(&storage, &webhook, message(7, "a")).await;
    // Of 2023, and still waits.
    assert_eq!(webhooks.purge_messages(MINUTE).await.unwrap(), 0);
    let due = webhooks.take_due(MINUTE, &Busy::default()).await.unwrap();
    assert_eq!(webhooks.purge_messages(MINUTE).await.unwrap(), 0);
    let tried = Tried {
        end: TriedEnd::Failed,
        outcome: String::new(),
        status: None,
        at: t(9),
    };
    webhooks.tried(due.unwrap().id, &tried).await.unwrap();
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(webhooks.purge_messages(years).await.unwrap(), 0);
    assert_eq!(webhooks.purge_messages(MINUTE).await.unwrap(), 1);
}

/// One message each, whatever else waits.
async fn webhooks_take_turns(storage: Storage) {
    let webhooks = storage.webhooks();
    let (loud, quiet) = (added(&storage, 1).await, added(&storage, 2).await);
    for id in 0..4 {
        say(&storage, &loud, message(id, &id.to_string())).await;
    }
    passed().await;
    say(&storage, &quiet, message(9, "a")).await;
    let mut taken = Vec::new();
    for _ in 0..5 {
        passed().await;
        let due = webhooks.take_due(MINUTE, &Busy::default()).await.unwrap();
        taken.push(due.unwrap().webhook.id.as_u128());
    }
    assert_eq!(taken, [1, 2, 1, 1, 1]);
    assert_eq!(
        webhooks.take_due(MINUTE, &Busy::default()).await.unwrap(),
        None
    );
}

/// The clock of the database has gone on by a millisecond at least.
async fn passed() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

async fn busy_ones_are_passed_over(storage: Storage) {
    let webhooks = storage.webhooks();
    let first = added(&storage, 1).await;
    let other = NewWebhook {
        guild: guild(u64::MAX),
        url: "https://example.org:8443/hook?a=b".to_owned(),
        ..new(2)
    };
    assert!(webhooks.add_webhook(&other).await.unwrap());
    let other = webhooks.webhook(other.id).await.unwrap().unwrap();
    for webhook in [&first, &other] {
        for id in 0..2 {
            let id = webhook.id.as_u128() * 10 + id;
            say(&storage, webhook, message(id, &id.to_string())).await;
        }
    }
    let take = async |addresses: &[&str], guilds: &[GuildId]| {
        let busy = Busy {
            addresses: addresses
                .iter()
                .map(|&address| address.to_owned())
                .collect(),
            guilds: guilds.to_vec(),
            both: Vec::new(),
        };
        let due = webhooks.take_due(MINUTE, &busy).await.unwrap();
        due.map(|due| due.webhook.id.as_u128())
    };
    let (com, org) = ("https://example.com", "https://example.org:8443");
    assert_eq!(take(&[com, org], &[]).await, None);
    assert_eq!(take(&[], &[guild(1), guild(u64::MAX)]).await, None);
    assert_eq!(take(&[com], &[]).await, Some(2));
    assert_eq!(take(&[org], &[]).await, Some(1));
    assert_eq!(take(&[], &[guild(1)]).await, Some(2));
    assert_eq!(take(&[], &[guild(u64::MAX)]).await, Some(1));
    // Elsewhere now, so its old address is nobody's.
    let url = WebhookChange {
        url: Some("https://example.net/x".to_owned()),
        ..WebhookChange::default()
    };
    webhooks
        .change_webhook(guild(1), first.id, &url)
        .await
        .unwrap();
    say(&storage, &first, message(99, "99")).await;
    assert_eq!(take(&["https://example.net"], &[]).await, None);
    assert_eq!(take(&[com], &[]).await, Some(1));
    let said = async |id| say(&storage, &other, message(id, &id.to_string())).await;
    let busy = |server, address: &str| Busy {
        both: vec![(server, address.to_owned())],
        ..Busy::default()
    };
    said(98).await;
    let own = busy(guild(u64::MAX), org);
    assert_eq!(webhooks.take_due(MINUTE, &own).await.unwrap(), None);
    let others = busy(guild(1), org);
    let taken = webhooks.take_due(MINUTE, &others).await.unwrap();
    assert_eq!(taken.unwrap().webhook.id.as_u128(), 2);
}

/// They know neither who answers for a webhook nor whose turn it is.
async fn programs_of_before_add_and_say(storage: Storage) {
    let webhooks = storage.webhooks();
    let id = added(&storage, 1).await.id;
    let before = "UPDATE webhooks SET vouched_by = NULL, turn_at = NULL RETURNING seen";
    storage.number(before.to_owned()).await;
    let webhook = webhooks.webhook(id).await.unwrap().unwrap();
    assert_eq!(webhook.vouched_by, user(1));
    let said = format!(
        "INSERT INTO webhook_messages (message_id, webhook_id, type, subject, body, state, due_at, \
            created_at) SELECT '{}', webhook_id, 'test', 'a', '{{}}', 'waiting', created_at, created_at \
         FROM webhooks RETURNING CAST(attempts AS BIGINT)",
        Uuid::from_u128(7)
    );
    storage.number(said).await;
    let due = webhooks.take_due(MINUTE, &Busy::default()).await.unwrap();
    let due = due.unwrap();
    assert_eq!((due.id.as_u128(), &due.webhook), (7, &webhook));
    let again =
        "UPDATE webhook_messages SET due_at = created_at RETURNING CAST(attempts AS BIGINT)";
    storage.number(again.to_owned()).await;
    let due = webhooks.take_due(MINUTE, &Busy::default()).await.unwrap();
    assert_eq!(due.unwrap().attempt, 2);
    assert!(webhooks.switch_off(&webhook, "gone", None).await.unwrap());
}

async fn a_damaged_one_stops_nobody_else(storage: Storage) {
    let webhooks = storage.webhooks();
    let (bad, good) = (added(&storage, 1).await, added(&storage, 2).await);
    say(&storage, &bad, message(1, "a")).await;
    passed().await;
    say(&storage, &good, message(2, "a")).await;
    let damage = async |what: &str| {
        let damage = format!(
            "UPDATE webhooks SET {what} WHERE webhook_id = '{}' RETURNING seen",
            bad.id
        );
        storage.number(damage).await;
    };
    damage("vouched_by = 0").await;
    let due = webhooks.take_due(MINUTE, &Busy::default()).await.unwrap();
    assert_eq!(due.unwrap().webhook.id, good.id);
    damage("off = NULL").await;
    created(&storage, &task(0)).await;
    let behind = webhooks.webhooks_behind(9).await.unwrap();
    assert_eq!(behind, [good]);
    damage("vouched_by = 1").await;
    let now = webhooks.webhook(bad.id).await.unwrap().unwrap();
    assert!(now.off.is_some_and(|off| off.contains("anew")));
}

/// After days without a process that reads them, events are still there for whoever is behind.
async fn what_an_address_is_owed_is_not_forgotten(storage: Storage) {
    let (webhooks, events) = (storage.webhooks(), storage.events());
    created(&storage, &task(0)).await;
    let webhook = added(&storage, 1).await;
    for at in 1..3 {
        created(&storage, &task(at)).await;
    }
    passed().await;
    assert_eq!(
        events.forget(Duration::ZERO).await.unwrap(),
        1,
        "what it knows"
    );
    let owed = events.behind(guild(1), webhook.seen, 9).await.unwrap();
    assert_eq!(owed.len(), 2);
    let seen = owed[1].number;
    assert!(webhooks.say(&webhook, seen, &[]).await.unwrap());
    created(&storage, &task(3)).await;
    let off = switched(WebhookSwitch::Off("it is gone".to_owned()));
    webhooks
        .change_webhook(guild(1), webhook.id, &off)
        .await
        .unwrap();
    passed().await;
    assert_eq!(
        events.forget(Duration::ZERO).await.unwrap(),
        2,
        "nobody is owed them"
    );
}

#[test]
fn an_address_is_scheme_host_and_port() {
    for (url, expected) in [
        ("https://example.com/a/b?c", "https://example.com"),
        ("https://example.com:8443/", "https://example.com:8443"),
        ("http://[::1]:80/x", "http://[::1]:80"),
        ("https://example.com", "https://example.com"),
        ("https://example.com?x=/", "https://example.com"),
        ("", ""),
    ] {
        assert_eq!(address(url), expected, "{url}");
    }
}
