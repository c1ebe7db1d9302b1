//! From what the database noted to what an address gets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use splashtail_core::clock::ManualClock;
use splashtail_core::environment::Environment;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_jobs::SecretBytes;
use splashtail_storage::{
    DueMessage, IncidentRow, MessageRow, MessageState, NewMessage, NewWebhook, Tried, TriedEnd,
    Webhook, WebhookChange,
};
use tempfile::TempDir;
use uuid::Uuid;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const KEY: &[u8] = b"thirty-two bytes of a secret key";

struct Bench {
    storage: Storage,
    clock: ManualClock,
    webhooks: Webhooks,
    address: MockServer,
    id: Uuid,
    _dir: TempDir,
}

impl Bench {
    async fn new(config: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let mut given = Config::embedded(dir.path(), Environment::Staging);
        given.discord.api_base = "http://127.0.0.1:4400".parse().unwrap();
        config(&mut given);
        let stop = CancellationToken::new();
        let storage = Storage::open(&given.database(), &stop).await.unwrap();
        storage.migrate().await.unwrap();
        let key = DataKey::parse(&splashtail_core::random::key().unwrap().into()).unwrap();
        let (address, id) = (MockServer::start().await, Uuid::new_v4());
        let name = Webhook::secret_name(id);
        let secret = key.wrap_named(&name, &SecretBytes::from(KEY.to_vec()));
        let new = NewWebhook {
            id,
            guild: GuildId::new(1).unwrap(),
            name: "chat".to_owned(),
            url: format!("{}/hook", address.uri()),
            types: vec!["incident.opened".to_owned()],
            secret: secret.unwrap(),
            created_by: UserId::new(1).unwrap(),
            created_at: DateTime::UNIX_EPOCH,
        };
        assert!(storage.webhooks().add_webhook(&new).await.unwrap());
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let webhooks = Webhooks::new(&given, storage.clone(), clock.shared(), key).unwrap();
        Self {
            storage,
            clock,
            webhooks,
            address,
            id,
            _dir: dir,
        }
    }

    async fn answers(&self, answer: ResponseTemplate) {
        self.address.reset().await;
        Mock::given(any())
            .respond_with(answer)
            .mount(&self.address)
            .await;
    }

    async fn incident(&self, state: &str) {
        let row = IncidentRow {
            guild: GuildId::new(1).unwrap(),
            incident: 7,
            kind: "actor".to_owned(),
            mode: "on".to_owned(),
            state: state.to_owned(),
            document: format!("[\"{state}\"]"),
            alert: None,
            updated_at: DateTime::UNIX_EPOCH,
        };
        self.storage.protections().put_incident(&row).await.unwrap();
    }

    /// One look, and the end of what it began.
    async fn look(&self) {
        let mut under_way = JoinSet::new();
        self.webhooks.look(&mut under_way, &mut None).await.unwrap();
        while let Some(done) = under_way.join_next().await {
            done.unwrap();
        }
    }

    async fn messages(&self) -> Vec<MessageRow> {
        self.storage
            .webhooks()
            .messages(self.id, None, 9)
            .await
            .unwrap()
    }

    async fn change(&self, set: impl FnOnce(&mut WebhookChange)) {
        let (webhooks, mut change) = (self.storage.webhooks(), WebhookChange::default());
        set(&mut change);
        let guild = GuildId::new(1).unwrap();
        let changed = webhooks.change_webhook(guild, self.id, &change).await;
        assert!(changed.unwrap().is_some());
    }

    /// The message that is due, as if it had failed before for three days.
    async fn last_attempt(&self) -> DueMessage {
        let due = self.storage.webhooks().take_due(HELD).await;
        DueMessage {
            attempt: 10,
            ..due.unwrap().unwrap()
        }
    }

    /// One that arrived.
    async fn delivered(&self, at: DateTime<Utc>) -> Uuid {
        let message = NewMessage {
            id: Uuid::new_v4(),
            kind: "test".to_owned(),
            subject: "test".to_owned(),
            body: "{}".to_owned(),
            at,
        };
        let tried = Tried {
            end: TriedEnd::Delivered,
            outcome: String::new(),
            status: Some(204),
            at,
        };
        let webhooks = self.storage.webhooks();
        let webhook = webhooks.webhook(self.id).await.unwrap().unwrap();
        let said = webhooks.say(&webhook, webhook.seen, std::slice::from_ref(&message));
        assert!(said.await.unwrap());
        webhooks.tried(message.id, &tried).await.unwrap();
        message.id
    }

    async fn off(&self) -> Option<String> {
        let webhook = self.storage.webhooks().webhook(self.id).await.unwrap();
        webhook.unwrap().off
    }
}

#[tokio::test]
async fn an_incident_is_told_once_and_signed() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(204)).await;
    for state in ["open", "containing", "contained"] {
        bench.incident(state).await;
        bench.look().await;
    }
    let messages = bench.messages().await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let got = bench.address.received_requests().await.unwrap();
    assert_eq!(got.len(), 1);
    let header = |name: &str| got[0].headers[name].to_str().unwrap();
    assert_eq!(header("webhook-id"), format!("msg_{}", messages[0].id));
    assert_eq!(header("webhook-timestamp"), "1700000000");
    assert_eq!(got[0].body, messages[0].body.as_bytes());
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let expected = sign::signature(KEY, header("webhook-id"), at, &messages[0].body);
    assert_eq!(header("webhook-signature"), expected.unwrap());
    let (_, mac) = header("webhook-signature").split_once(',').unwrap();
    assert_eq!(STANDARD.decode(mac).unwrap().len(), 32);
    assert_eq!(
        (messages[0].state, messages[0].status),
        (MessageState::Delivered, Some(204))
    );
}

#[tokio::test]
async fn what_does_not_arrive_waits_and_a_redirect_is_not_followed() {
    let bench = Bench::new(|_| {}).await;
    let elsewhere = MockServer::start().await;
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    bench.answers(redirect).await;
    bench.incident("open").await;
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(
        (message.state, message.attempts, message.status),
        (MessageState::Waiting, 1, Some(307))
    );
    assert_eq!(message.tried_at, Some(bench.clock.shared().now()));
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    // It is not due again yet.
    bench.look().await;
    assert_eq!(bench.messages().await[0].attempts, 1);
    assert_eq!(bench.off().await, None);
}

#[tokio::test]
async fn an_address_that_is_gone_is_told_nothing_more() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(410)).await;
    bench.incident("open").await;
    bench.look().await;
    assert_eq!(bench.messages().await[0].state, MessageState::Failed);
    assert!(bench.off().await.unwrap().contains("410"));
    // Also what was made before.
    let id = bench.messages().await[0].id;
    let again = bench.storage.webhooks().send_again(bench.id, id).await;
    assert!(again.unwrap());
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(message.outcome.as_deref(), Some("the webhook is off"));
    assert_eq!(bench.address.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn this_machine_is_no_address_beside_the_real_discord() {
    let real = "https://discord.com".parse().unwrap();
    let bench = Bench::new(|config| config.discord.api_base = real).await;
    bench.answers(ResponseTemplate::new(204)).await;
    bench.incident("open").await;
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(
        (message.state, message.status),
        (MessageState::Failed, None)
    );
    assert!(message.outcome.unwrap().contains("own network"));
    assert!(bench.address.received_requests().await.unwrap().is_empty());
    assert_eq!(bench.off().await, None, "it can be mended");
}

/// The client's resolver judges names; without it this one leads here.
#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_no_address() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(204)).await;
    let port = bench.address.address().port();
    bench
        .change(|change| change.url = Some(format!("http://localhost:{port}/hook")))
        .await;
    bench.incident("open").await;
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(
        (message.state, message.status),
        (MessageState::Waiting, None)
    );
    assert!(bench.address.received_requests().await.unwrap().is_empty());
}

/// A type that an address refuses for good is no reason to keep the others from it.
#[tokio::test]
async fn silence_alone_switches_off() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(400)).await;
    bench.incident("open").await;
    say::all(&bench.storage).await.unwrap();
    let webhooks = bench.storage.webhooks();
    let (first, clock) = (bench.last_attempt().await, bench.clock.shared());
    // The second attempt of one whose address leads inside ends it, and says nothing of three days.
    let inner = Webhook {
        url: "http://10.0.0.1/".to_owned(),
        ..first.webhook.clone()
    };
    let inner = DueMessage {
        webhook: inner,
        ..first.clone()
    };
    bench
        .webhooks
        .sender
        .deliver(&bench.storage, &clock, inner)
        .await;
    assert_eq!(bench.off().await, None);
    let deliver = async |due: &DueMessage| {
        assert!(webhooks.send_again(bench.id, due.id).await.unwrap());
        let sender = &bench.webhooks.sender;
        sender.deliver(&bench.storage, &clock, due.clone()).await;
    };
    let lately = bench
        .delivered(clock.now() - chrono::TimeDelta::days(2))
        .await;
    deliver(&first).await;
    assert_eq!(bench.messages().await.len(), 2);
    assert_eq!(bench.off().await, None, "{lately} was delivered");
    bench.clock.advance(Duration::from_secs(2 * 24 * 3600));
    deliver(&first).await;
    let why = bench.off().await.unwrap();
    assert!(why.contains("for three days"), "{why}");
}

/// What an old attempt says of the address before does not concern the new one.
#[tokio::test]
async fn an_old_answer_leaves_a_new_address_alone() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(410)).await;
    bench.incident("open").await;
    say::all(&bench.storage).await.unwrap();
    let due = bench.last_attempt().await;
    let new = format!("{}/new", bench.address.uri());
    bench.change(|change| change.url = Some(new.clone())).await;
    let clock = bench.clock.shared();
    bench
        .webhooks
        .sender
        .deliver(&bench.storage, &clock, due)
        .await;
    assert_eq!(bench.messages().await[0].status, Some(410));
    let webhook = bench.storage.webhooks().webhook(bench.id).await;
    let webhook = webhook.unwrap().unwrap();
    assert_eq!((webhook.off, webhook.url), (None, new));
}

/// A process that dies with messages in hand loses none.
#[tokio::test]
async fn a_message_in_a_dead_hand_is_taken_again() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(204)).await;
    bench.incident("open").await;
    say::all(&bench.storage).await.unwrap();
    let taken = bench.storage.webhooks().take_due(Duration::ZERO).await;
    assert!(taken.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(5)).await;
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(
        (message.state, message.attempts),
        (MessageState::Delivered, 2)
    );
}
