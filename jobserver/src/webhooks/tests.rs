//! From what the database noted to what an address gets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
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
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const KEY: &[u8] = b"thirty-two bytes of a secret key";

struct Bench {
    storage: Storage,
    clock: ManualClock,
    webhooks: Webhooks,
    address: MockServer,
    discord: MockServer,
    key: DataKey,
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
        let (address, discord) = (MockServer::start().await, MockServer::start().await);
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let api = discord.uri().parse().unwrap();
        let client = Discord::new(&api, &api, &"token".to_owned().into(), clock.shared());
        let webhooks = Webhooks::new(
            &given,
            storage.clone(),
            clock.shared(),
            key.clone(),
            &client.unwrap(),
        );
        let mut bench = Self {
            storage,
            clock,
            webhooks: webhooks.unwrap(),
            address,
            discord,
            key,
            id: Uuid::nil(),
            _dir: dir,
        };
        bench.id = bench.added(&bench.address.uri()).await;
        bench
            .server("1", &json!({"user": {"id": "1"}, "roles": []}))
            .await;
        bench
    }

    /// A webhook of server 1, made by person 1.
    async fn added(&self, address: &str) -> Uuid {
        self.added_to(1, address).await
    }

    async fn added_to(&self, guild: u64, address: &str) -> Uuid {
        let id = Uuid::new_v4();
        let name = Webhook::secret_name(id);
        let secret = self.key.wrap_named(&name, &SecretBytes::from(KEY.to_vec()));
        let new = NewWebhook {
            id,
            guild: GuildId::new(guild).unwrap(),
            name: "chat".to_owned(),
            url: format!("{address}/hook"),
            types: vec!["incident.opened".to_owned()],
            secret: secret.unwrap(),
            created_by: UserId::new(1).unwrap(),
            created_at: DateTime::UNIX_EPOCH,
        };
        assert!(self.storage.webhooks().add_webhook(&new).await.unwrap());
        id
    }

    /// What Discord tells of the server and of who made the webhooks.
    async fn server(&self, owner: &str, member: &Value) {
        self.discord.reset().await;
        let staff = json!({"id": "5", "permissions": "8"});
        let everyone = json!({"id": "1", "permissions": "0"});
        let guild = json!({"id": "1", "owner_id": owner, "roles": [everyone, staff]});
        for (path_is, body) in [("", &guild), ("/members/1", member)] {
            let status = if body["code"].is_u64() { 404 } else { 200 };
            Mock::given(path(format!("/api/v10/guilds/1{path_is}")))
                .respond_with(ResponseTemplate::new(status).set_body_json(body))
                .mount(&self.discord)
                .await;
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
        self.incident_of(7, state).await;
    }

    async fn incident_of(&self, incident: i64, state: &str) {
        let row = IncidentRow {
            guild: GuildId::new(1).unwrap(),
            incident,
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
        self.webhooks.look(&mut under_way).await.unwrap();
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
        let due = self
            .storage
            .webhooks()
            .take_due(HELD, &Busy::default())
            .await;
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
    let taken = bench
        .storage
        .webhooks()
        .take_due(Duration::ZERO, &Busy::default())
        .await;
    assert!(taken.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(5)).await;
    bench.look().await;
    let message = bench.messages().await.remove(0);
    assert_eq!(
        (message.state, message.attempts),
        (MessageState::Delivered, 2)
    );
}

/// One that is slow and has much to hear takes its share and no more.
#[tokio::test]
async fn a_slow_address_holds_up_no_other() {
    let bench = Bench::new(|_| {}).await;
    let slow = ResponseTemplate::new(204).set_delay(Duration::from_millis(300));
    bench.answers(slow).await;
    for incident in 0..20 {
        bench.incident_of(incident, "open").await;
    }
    say::all(&bench.storage).await.unwrap();
    let other = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&other)
        .await;
    bench.added(&other.uri()).await;
    bench.incident_of(20, "open").await;
    let mut under_way = JoinSet::new();
    bench.webhooks.look(&mut under_way).await.unwrap();
    assert_eq!(under_way.len(), OF_ONE_TO_ONE + 1);
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
    assert_eq!(other.received_requests().await.unwrap().len(), 1);
    // Their places are free again.
    bench.webhooks.look(&mut under_way).await.unwrap();
    assert_eq!(under_way.len(), OF_ONE_TO_ONE);
}

/// An address that many servers have is no one server's.
#[tokio::test]
async fn one_server_leaves_places_at_an_address_to_others() {
    let bench = Bench::new(|_| {}).await;
    let slow = ResponseTemplate::new(204).set_delay(Duration::from_millis(300));
    bench.answers(slow).await;
    for incident in 0..20 {
        bench.incident_of(incident, "open").await;
    }
    say::all(&bench.storage).await.unwrap();
    let other = bench.added_to(2, &bench.address.uri()).await;
    let webhooks = bench.storage.webhooks();
    for subject in ["a", "b", "c"] {
        let webhook = webhooks.webhook(other).await.unwrap().unwrap();
        let message = NewMessage {
            id: Uuid::new_v4(),
            kind: "test".to_owned(),
            subject: subject.to_owned(),
            body: "{}".to_owned(),
            at: DateTime::UNIX_EPOCH,
        };
        let said = webhooks.say(&webhook, webhook.seen, &[message]).await;
        assert!(said.unwrap());
    }
    let mut under_way = JoinSet::new();
    bench.webhooks.look(&mut under_way).await.unwrap();
    assert_eq!(under_way.len(), TO_ONE);
    let begun = webhooks.messages(other, None, 9).await.unwrap();
    let begun = begun.iter().filter(|message| message.attempts > 0).count();
    assert_eq!(begun, OF_ONE_TO_ONE);
}

/// All addresses of a server together take no more than its share either.
#[tokio::test]
async fn a_server_takes_its_share_alone() {
    let bench = Bench::new(|_| {}).await;
    let slow = ResponseTemplate::new(204).set_delay(Duration::from_millis(300));
    bench.answers(slow.clone()).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let other = MockServer::start().await;
        Mock::given(any())
            .respond_with(slow.clone())
            .mount(&other)
            .await;
        bench.added(&other.uri()).await;
        others.push(other);
    }
    for incident in 0..5 {
        bench.incident_of(incident, "open").await;
    }
    let mut under_way = JoinSet::new();
    bench.webhooks.look(&mut under_way).await.unwrap();
    assert_eq!(under_way.len(), OF_ONE);
}

#[tokio::test]
async fn nothing_is_sent_for_somebody_who_lost_the_right() {
    let administrator = json!({"user": {"id": "1"}, "roles": ["5"]});
    let member = json!({"user": {"id": "1"}, "roles": []});
    let gone = json!({"code": 10_007, "message": "Unknown Member"});
    // As an unknown path is answered: that says nothing of anybody.
    let nowhere = json!({"code": 0, "message": "404: Not Found"});
    for (member, why) in [
        (administrator, None),
        (nowhere, None),
        (member, Some("no administrator")),
        (gone, Some("no longer in this server")),
    ] {
        let bench = Bench::new(|_| {}).await;
        bench.answers(ResponseTemplate::new(204)).await;
        bench.server("2", &member).await;
        bench.incident("open").await;
        bench.look().await;
        let off = bench.off().await;
        let sent = bench.address.received_requests().await.unwrap().len();
        match why {
            None => assert_eq!((off, sent), (None, 1)),
            Some(why) => {
                assert!(off.as_ref().is_some_and(|off| off.contains(why)), "{off:?}");
                assert_eq!(sent, 0, "{why}");
            }
        }
    }
}

/// What was seen counts for a while, and what Discord does not tell changes nothing.
#[tokio::test]
async fn rights_are_looked_at_now_and_then() {
    let bench = Bench::new(|_| {}).await;
    bench.answers(ResponseTemplate::new(204)).await;
    bench.incident_of(1, "open").await;
    bench.look().await;
    let member = json!({"user": {"id": "1"}, "roles": []});
    bench.server("2", &member).await;
    bench.incident_of(2, "open").await;
    bench.look().await;
    assert!(bench.discord.received_requests().await.unwrap().is_empty());
    bench.clock.advance(Duration::from_secs(5 * 60));
    bench.discord.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(401))
        .mount(&bench.discord)
        .await;
    bench.incident_of(3, "open").await;
    bench.look().await;
    assert_eq!(bench.off().await, None);
    assert_eq!(bench.address.received_requests().await.unwrap().len(), 3);
    bench.server("2", &member).await;
    bench.incident_of(4, "open").await;
    bench.look().await;
    assert!(bench.off().await.is_some());
    // Somebody else answers for it from now on.
    let on = WebhookChange {
        switch: Some(splashtail_storage::WebhookSwitch::On),
        vouched_by: UserId::new(2),
        ..WebhookChange::default()
    };
    bench.change(|change| *change = on).await;
    let owner = json!({"user": {"id": "2"}, "roles": []});
    Mock::given(path("/api/v10/guilds/1/members/2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(owner))
        .mount(&bench.discord)
        .await;
    bench.incident_of(5, "open").await;
    bench.look().await;
    assert_eq!(bench.address.received_requests().await.unwrap().len(), 4);
}
