use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use splashtail_antinuke::{Mode, Moment, Saved};
use splashtail_core::clock::ManualClock;
use splashtail_core::config::{Config, DatabaseTarget};
use splashtail_core::environment::Environment;
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_discord::Discord;
use splashtail_guild::Id;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;

use super::listener::Ear;
use super::service::{ChangeError, NoIdentity, Protection};
use crate::events::{Body, Event, EventKind, Listener as _};
use crate::guilds::{GuildView, Guilds};
use crate::modules::foundation::for_tests;

const ACTOR: u64 = 7;
const ENTRY: u64 = 1_500_000_000_000_000_000;

fn guild() -> GuildId {
    GuildId::new(10).unwrap()
}

fn event(kind: EventKind, body: &Value) -> Event {
    Event {
        kind,
        guild: guild(),
        shard: ShardId(0),
        seq: Some(1),
        received: Duration::from_secs(1),
        body: Body::Raw(Bytes::from(body.to_string())),
    }
}

fn view() -> GuildView {
    let guilds = Guilds::default();
    guilds.begin(ShardId(0), UserId::new(5), &[guild()]);
    let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
        "features": [], "channels": [], "members": [],
        "roles": [{"id": "10", "name": "@everyone", "permissions": "0", "position": 0}]});
    let followed = guilds.follow(&event(EventKind::GuildCreate, &whole));
    followed.read.unwrap();
    guilds.get(guild()).unwrap()
}

struct World {
    clock: ManualClock,
    storage: Storage,
    config: Config,
    discord: Discord,
    jobserver: JobserverClient,
}

impl World {
    /// With a database that cannot be asked anything yet.
    async fn without_tables() -> Self {
        let place: PathBuf = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&place).unwrap();
        let target = DatabaseTarget::Sqlite(place.join("splashtail.db"));
        let never = CancellationToken::new();
        let storage = Storage::open(&target, &never).await.unwrap();
        let mut config = Config::embedded(place.as_path(), Environment::Staging);
        let token = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small";
        config.discord_auth.token = Some(token.into());
        let secrets = &mut config.meta.jobserver_secrets;
        secrets.insert("bot".to_owned(), "a secret of the two".into());
        let foundation = for_tests().await;
        Self {
            clock: ManualClock::new("2026-11-30T12:00:00Z".parse().unwrap()),
            storage,
            config,
            discord: foundation.discord,
            jobserver: foundation.jobserver,
        }
    }

    async fn new() -> Self {
        let world = Self::without_tables().await;
        world.storage.migrate().await.unwrap();
        world
    }

    fn start(&self) -> Arc<Protection> {
        self.start_with(&self.config)
    }

    fn start_with(&self, config: &Config) -> Arc<Protection> {
        let (clock, storage) = (self.clock.shared(), self.storage.clone());
        let jobserver = self.jobserver.clone();
        let protection = Protection::new(config, clock, storage, &self.discord, jobserver);
        Arc::new(protection)
    }

    async fn set(&self, policy: &str, state: &Saved) {
        let store = self.storage.protections();
        let now = self.clock.shared().now();
        store.set_policy(guild(), policy, 0, now).await.unwrap();
        let state = serde_json::to_string(state).unwrap();
        store.set_state(guild(), &state, now).await.unwrap();
    }

    async fn written(&self) -> (String, Saved) {
        let row = self.storage.protections().get(guild()).await;
        let row = row.unwrap().unwrap();
        let state = serde_json::from_str(&row.state.unwrap()).unwrap();
        (row.policy.unwrap(), state)
    }
}

fn state() -> Saved {
    Saved {
        highest: Some(Id::new(ENTRY - 1)),
        inviters: [(Id::new(3), (Id::new(4), Moment(5)))].into(),
        ..Saved::default()
    }
}

async fn hear_of_an_act(protection: &Arc<Protection>) {
    let entry = json!({"id": ENTRY.to_string(), "guild_id": "10", "action_type": 12,
        "user_id": ACTOR.to_string(), "target_id": "30", "changes": []});
    let entry = event(EventKind::GuildAuditLogEntryCreate, &entry);
    let ear = Ear(Arc::clone(protection));
    ear.on_event(&entry, &view()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_could_not_be_read_is_read_later_and_not_overwritten() {
    let world = World::without_tables().await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let server = protection.server(guild()).unwrap();
    assert_eq!(server.policy().0.mode, Mode::DryRun);
    let refused = protection.change(guild(), |policy| policy.mode = Mode::On);
    assert!(matches!(refused.await, Err(ChangeError::Unread)));

    world.storage.migrate().await.unwrap();
    world.set(r#"{"mode":"on"}"#, &state()).await;
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await.1, state(), "nothing was overwritten");

    world.clock.advance(Duration::from_secs(5));
    protection.know_all().await;
    assert_eq!(server.policy().0.mode, Mode::On);
    hear_of_an_act(&protection).await;
    protection.write_all().await.unwrap();
    let (_, written) = world.written().await;
    assert_eq!(written.inviters, state().inviters);
    let counted = &written.actors[&Id::new(ACTOR)];
    assert_eq!(
        counted.windows.kinds().count(),
        1,
        "told again, counted once"
    );
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_neither_followed_nor_replaced() {
    let world = World::new().await;
    let newer = r#"{"mode":"on","answer":"of a later version"}"#;
    world.set(newer, &state()).await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let server = protection.server(guild()).unwrap();
    assert_eq!(server.policy().0.mode, Mode::DryRun);
    protection.write_all().await.unwrap();
    let refused = protection.change(guild(), |policy| policy.mode = Mode::Off);
    assert!(matches!(refused.await, Err(ChangeError::Unread)));
    assert_eq!(world.written().await, (newer.to_owned(), state()));
}

#[tokio::test]
async fn a_state_that_cannot_be_read_leaves_the_policy_in_force() {
    let world = World::new().await;
    world.set(r#"{"mode":"on"}"#, &state()).await;
    let store = world.storage.protections();
    let now = world.clock.shared().now();
    store
        .set_state(guild(), r#"{"actors":7}"#, now)
        .await
        .unwrap();
    let protection = world.start();
    hear_of_an_act(&protection).await;
    protection.write_all().await.unwrap();
    let server = protection.server(guild()).unwrap();
    assert_eq!(server.policy().0.mode, Mode::On);
    let row = store.get(guild()).await.unwrap().unwrap();
    assert_eq!(row.state.as_deref(), Some(r#"{"actors":7}"#));
}

#[tokio::test]
async fn a_change_is_made_to_what_others_made_of_the_policy() {
    let world = World::new().await;
    let (here, there) = (world.start(), world.start());
    for protection in [&here, &there] {
        protection.load(&view()).await.unwrap();
    }
    let on = here.change(guild(), |policy| policy.mode = Mode::On);
    on.await.unwrap();
    let channel = Id::new(30);
    let both = there.change(guild(), |policy| policy.alert_channel = Some(channel));
    let both = both.await.unwrap();
    assert_eq!((both.mode, both.alert_channel), (Mode::On, Some(channel)));

    // And who was not asked learns of it after a while.
    world.clock.advance(Duration::from_secs(301));
    here.know_all().await;
    let server = here.server(guild()).unwrap();
    assert_eq!(server.policy().0.alert_channel, Some(channel));
}

#[tokio::test]
async fn a_state_that_is_over_replaces_what_was_written() {
    let world = World::new().await;
    world.set(r#"{"mode":"on"}"#, &state()).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    server.ask(|engine, _| engine.resume(Arc::default(), Saved::default()));
    server.is_unsaved();
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await.1, Saved::default());
}

#[tokio::test]
async fn after_a_start_the_log_is_read_from_where_it_had_got_to_once() {
    let world = World::new().await;
    world.set(r#"{"mode":"on"}"#, &state()).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    let last = Moment::of(state().highest.unwrap());
    assert_eq!(server.take_missed(), Some(last));
    assert_eq!(server.take_missed(), None);

    // Of a server in which nothing was ever seen nothing was missed.
    let cold = World::new().await.start();
    let server = cold.load(&view()).await.unwrap();
    assert_eq!(server.take_missed(), None);
}

#[tokio::test]
async fn what_was_counted_last_is_written_down_when_the_process_stops() {
    let world = World::new().await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let store = world.storage.protections();
    assert!(store.get(guild()).await.unwrap().is_none());

    // A write that was dropped when the process stopped does not count as one.
    let server = protection.server(guild()).unwrap();
    let _ = protection.write_state(&server).now_or_never();
    protection.close().await;
    let row = store.get(guild()).await.unwrap().unwrap();
    let state: Saved = serde_json::from_str(&row.state.unwrap()).unwrap();
    assert!(state.actors.contains_key(&Id::new(ACTOR)), "{state:?}");
}

#[tokio::test]
async fn what_this_process_did_is_not_taken_for_a_thiefs() {
    let world = World::new().await;
    let protection = world.start();
    let ear = Ear(Arc::clone(&protection));
    // Told before it is sent; nobody answers.
    let _ = world
        .discord
        .delete("/channels/30")
        .send_empty()
        .now_or_never();
    let deleted = async |serial: u64, target: &str| {
        let entry = json!({"id": (ENTRY + serial).to_string(), "guild_id": "10", "action_type": 12,
            "user_id": "1100000000000000001", "target_id": target});
        let entry = event(EventKind::GuildAuditLogEntryCreate, &entry);
        ear.on_event(&entry, &view()).await.unwrap();
        let server = protection.server(guild()).unwrap();
        server.read(|engine, _| engine.incidents().count())
    };
    assert_eq!(deleted(0, "30").await, 0);
    assert_eq!(deleted(1, "31").await, 1);
}

#[tokio::test]
async fn without_a_secret_nothing_can_be_switched_on() {
    let world = World::new().await;
    let mut no_secret = Config::clone(&world.config);
    let secrets = &mut no_secret.meta.jobserver_secrets;
    secrets.insert("bot".to_owned(), "".into());
    let mut no_token = Config::clone(&world.config);
    no_token.discord_auth.token = None;
    for (config, expected) in [
        (no_secret, NoIdentity::NoSecret),
        (no_token, NoIdentity::NoToken),
    ] {
        let protection = world.start_with(&config);
        assert!(protection.load(&view()).await.is_none());
        let refused = protection.change(guild(), |_| ()).await;
        match refused {
            Err(ChangeError::NoIdentity(why)) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }
}
