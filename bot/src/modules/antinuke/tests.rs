use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use splashtail_antinuke::{Effect, IncidentState, Input, Look, Mode, Moment, Notice, Saved};
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_core::config::{Config, DatabaseTarget};
use splashtail_core::environment::Environment;
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_discord::Discord;
use splashtail_guild::Id;
use splashtail_ipc::clients::JobserverClient;
use splashtail_ipc::signing::{Signer, tag};
use splashtail_storage::{Edit, NewChange, Storage, Written};
use tokio_util::sync::CancellationToken;

use super::listener::Ear;
use super::service::{NoIdentity, Protection};
use super::settings::POLICY;
use crate::events::{Body, Event, EventKind, Gap, GapCause, Listener as _};
use crate::guilds::{GuildView, Guilds};
use crate::inputs::Hear as _;
use crate::modules::foundation::for_tests;
use crate::server_language::ServerLanguages;

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

pub(super) fn view() -> GuildView {
    let guilds = Guilds::default();
    guilds.begin(ShardId(0), UserId::new(5), &[guild()]);
    let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
        "features": [], "channels": [], "members": [],
        "roles": [{"id": "10", "name": "@everyone", "permissions": "0", "position": 0}]});
    let followed = guilds.follow(&event(EventKind::GuildCreate, &whole));
    followed.read.unwrap();
    guilds.get(guild()).unwrap()
}

pub(super) struct World {
    pub(super) clock: ManualClock,
    pub(super) storage: Storage,
    config: Config,
    discord: Discord,
    jobserver: JobserverClient,
    languages: ServerLanguages,
}

impl World {
    /// With a database that cannot be asked anything yet.
    pub(super) async fn without_tables() -> Self {
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
            languages: foundation.languages,
        }
    }

    pub(super) async fn new() -> Self {
        let world = Self::without_tables().await;
        world.storage.migrate().await.unwrap();
        world
    }

    /// With Discord at this address.
    pub(super) fn at(mut self, discord: &str) -> Self {
        let address = discord.parse().unwrap();
        let clock = SystemClock::shared();
        self.discord = Discord::new(&address, &address, &"token".into(), clock).unwrap();
        self
    }

    /// With the jobserver at this address.
    pub(super) fn ordering_at(mut self, jobserver: &str) -> Self {
        let clock = SystemClock::shared();
        let signer = Signer::new("bot", "secret".into(), tag::JOBSERVER, clock);
        let addresses = [jobserver.parse().unwrap()];
        self.jobserver = JobserverClient::new(addresses, &signer).unwrap();
        self
    }

    pub(super) fn start(&self) -> Arc<Protection> {
        self.start_with(&self.config)
    }

    fn start_with(&self, config: &Config) -> Arc<Protection> {
        let (clock, storage) = (self.clock.shared(), self.storage.clone());
        let jobserver = self.jobserver.clone();
        let protection = Protection::new(
            config,
            clock,
            storage,
            &self.discord,
            jobserver,
            self.languages.clone(),
        );
        Arc::new(protection)
    }

    pub(super) async fn set(&self, policy: Value, state: &Saved) {
        self.set_policy(policy, 0).await;
        let now = self.clock.shared().now();
        let state = serde_json::to_string(state).unwrap();
        let store = self.storage.protections();
        store.set_state(guild(), &state, now).await.unwrap();
    }

    /// As another cluster would. The version it has then.
    async fn set_policy(&self, policy: Value, decided_on: i64) -> i64 {
        let at = self.clock.shared().now();
        self.storage.guilds().ensure(guild(), at).await.unwrap();
        let edits = [Edit {
            setting: POLICY.to_owned(),
            entry: "server".to_owned(),
            before: None,
            after: Some(policy),
        }];
        let change = NewChange {
            guild: guild(),
            decided_on,
            by: UserId::new(1).unwrap(),
            way: "discord",
            at,
            undoes: None,
            edits: &edits,
        };
        match self.storage.settings().write(&change).await.unwrap() {
            Written::At(version) => version,
            Written::Stale => panic!("stale"),
        }
    }

    async fn written(&self) -> Saved {
        let state = self.storage.protections().state(guild()).await;
        serde_json::from_str(&state.unwrap().unwrap()).unwrap()
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

/// Three channels that somebody deletes within a second, with the wall clock moved before each.
async fn three_deleted(hours: [i64; 3]) -> Saved {
    let world = World::new().await;
    let protection = world.start();
    let ear = Ear(Arc::clone(&protection));
    for (n, hours) in (0..).zip(hours) {
        let now = world.clock.shared().now() + chrono::Duration::hours(hours);
        world.clock.set_now(now);
        let entry = json!({"id": (ENTRY + ((n * 300) << 22)).to_string(), "guild_id": "10",
            "action_type": 12, "user_id": ACTOR.to_string(), "target_id": (30 + n).to_string(),
            "changes": []});
        let entry = event(EventKind::GuildAuditLogEntryCreate, &entry);
        ear.on_event(&entry, &view()).await.unwrap();
    }
    let server = protection.server(guild()).unwrap();
    server.read(|engine, _| engine.save())
}

#[tokio::test]
async fn case_37_a_wall_clock_that_jumps_changes_no_verdict() {
    let steady = three_deleted([0, 0, 0]).await;
    assert_eq!(steady.incidents.len(), 1, "the third is one too many");
    for jumps in [[0, 1, 0], [0, -1, 0], [0, 1, -2], [-1, 0, 1]] {
        assert_eq!(three_deleted(jumps).await, steady, "{jumps:?}");
    }
}

#[tokio::test]
async fn a_server_that_could_not_be_read_is_read_later_and_not_overwritten() {
    let world = World::without_tables().await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let server = protection.server(guild()).unwrap();
    assert_eq!(server.policy().mode, Mode::DryRun);

    world.storage.migrate().await.unwrap();
    world.set(json!({"mode": "on"}), &state()).await;
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await, state(), "nothing was overwritten");

    world.clock.advance(Duration::from_secs(5));
    protection.know_all().await;
    assert_eq!(server.policy().mode, Mode::On);
    hear_of_an_act(&protection).await;
    protection.write_all().await.unwrap();
    let written = world.written().await;
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
    let newer = json!({"mode": "on", "answer": "of a later version"});
    world.set(newer.clone(), &state()).await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let server = protection.server(guild()).unwrap();
    assert_eq!(server.policy().mode, Mode::DryRun);
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await, state());
    let settings = world.storage.settings().read(guild(), None).await.unwrap();
    assert_eq!(settings.rows[0].fields, newer);
    // Once it is put right it holds, with what was counted before.
    let version = world.set_policy(json!({"mode": "on"}), 1).await;
    protection.changed(guild(), version);
    protection.know_all().await;
    assert_eq!(server.policy().mode, Mode::On);
    hear_of_an_act(&protection).await;
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await.inviters, state().inviters);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_leaves_the_policy_in_force() {
    let world = World::new().await;
    world.set(json!({"mode": "on"}), &state()).await;
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
    assert_eq!(server.policy().mode, Mode::On);
    let state = store.state(guild()).await.unwrap();
    assert_eq!(state.as_deref(), Some(r#"{"actors":7}"#));
}

#[tokio::test]
async fn engines_everywhere_follow_a_change_at_once() {
    let world = World::new().await;
    let (here, there) = (world.start(), world.start());
    for protection in [&here, &there] {
        protection.load(&view()).await.unwrap();
    }
    let mode = |protection: &Arc<Protection>| protection.server(guild()).unwrap().policy().mode;
    let version = world.set_policy(json!({"mode": "on"}), 0).await;
    here.changed(guild(), version);
    there.changed(guild(), version);
    for protection in [&here, &there] {
        protection.know_all().await;
        assert_eq!(mode(protection), Mode::On);
    }
    // Old news is none.
    let version = world.set_policy(json!({"mode": "off"}), version).await;
    here.changed(guild(), version - 1);
    here.know_all().await;
    assert_eq!(mode(&here), Mode::On);
    here.all_changed();
    here.know_all().await;
    assert_eq!(mode(&here), Mode::Off);

    // And who was told nothing learns of it after a while.
    world.clock.advance(Duration::from_secs(301));
    there.know_all().await;
    assert_eq!(mode(&there), Mode::Off);
}

/// A change without a version, such as a job makes, while the policy is being read.
#[tokio::test]
async fn a_doubt_during_the_reading_is_not_lost() {
    let world = World::new().await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    world.clock.advance(Duration::from_secs(301));
    let now = world.clock.shared().monotonic();
    let mut reading = Box::pin(protection.refresh(&server));
    assert!(reading.as_mut().now_or_never().is_none(), "under way");
    protection.doubted(guild());
    reading.await;
    assert!(protection.is_unsure(&server, now));
    protection.know_all().await;
    assert!(!protection.is_unsure(&server, now));
}

#[tokio::test]
async fn open_incidents_are_told_where_alerts_go_from_now_on() {
    let world = World::new().await;
    let open = json!({"id": "9", "guild": "10", "kind": "actor", "mode": "on", "state": "contained",
        "suspects": [], "rules": [], "acts": [], "acts_in_all": 3, "calls": [], "panic": false,
        "losses": [], "by_hand": [], "updated": 5, "times": {"act": 1, "received": 1, "decided": 1}});
    let mut over = open.clone();
    over["id"] = "8".into();
    over["state"] = "closed".into();
    let saved = json!({"highest": (ENTRY - 1).to_string(), "incidents": [open, over]});
    let saved: Saved = serde_json::from_value(saved).unwrap();
    world.set(json!({"mode": "on"}), &saved).await;
    let protection = world.start();
    protection.load(&view()).await.unwrap();
    let told = |protection: &Protection| protection.alerts.waiting(guild());
    assert_eq!(told(&protection), [], "a start tells nothing");
    let version = world.set_policy(json!({"mode": "on", "alert_channel": "20"}), 1);
    protection.changed(guild(), version.await);
    protection.know_all().await;
    assert_eq!(told(&protection), [Id::new(9)]);
}

#[tokio::test]
async fn a_change_that_is_overtaken_on_its_way_does_not_replace_the_later_one() {
    let world = World::new().await;
    let open = json!({"id": "9", "guild": "10", "kind": "actor", "mode": "on", "state": "contained",
        "suspects": [], "rules": [], "acts": [], "acts_in_all": 3, "calls": [], "panic": false,
        "losses": [], "by_hand": [], "updated": 5, "times": {"act": 1, "received": 1, "decided": 1}});
    let saved = json!({"highest": (ENTRY - 1).to_string(), "incidents": [open]});
    let saved: Saved = serde_json::from_value(saved).unwrap();
    world.set(json!({"mode": "on"}), &saved).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    let mut earlier = saved.incidents[0].clone();
    earlier.state = IncidentState::Containing;
    protection.record(&server, earlier.clone());
    protection.write_all().await.unwrap();
    let row = world.storage.protections().incident(guild(), 9).await;
    assert_eq!(row.unwrap().unwrap().state, "contained");
    // One that the engine has forgotten is as it was told last.
    earlier.id = Id::new(8);
    protection.record(&server, earlier);
    protection.write_all().await.unwrap();
    let row = world.storage.protections().incident(guild(), 8).await;
    assert_eq!(row.unwrap().unwrap().state, "containing");
}

#[tokio::test]
async fn the_task_that_reads_is_woken_by_news() {
    let world = World::new().await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    let reading = tokio::spawn(Arc::clone(&protection).know());
    let version = world.set_policy(json!({"mode": "on"}), 0).await;
    // The clock stands still: only the news can wake it.
    protection.changed(guild(), version);
    let followed = async {
        while server.policy().mode != Mode::On {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), followed).await;
    reading.abort();
    waited.unwrap();
}

#[tokio::test]
async fn a_state_that_is_over_replaces_what_was_written() {
    let world = World::new().await;
    world.set(json!({"mode": "on"}), &state()).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    server.ask(|engine, _| engine.resume(Arc::default(), Saved::default()));
    server.is_unsaved();
    protection.write_all().await.unwrap();
    assert_eq!(world.written().await, Saved::default());
}

#[tokio::test]
async fn after_a_start_the_log_is_read_from_where_it_had_got_to_once() {
    let world = World::new().await;
    world.set(json!({"mode": "on"}), &state()).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    let last = Moment::of(state().highest.unwrap());
    assert_eq!(server.take_missed(), Some(last));
    assert_eq!(server.take_missed(), None);

    // Something was counted, and no entry was seen yet.
    let world = World::new().await;
    let counted = Saved {
        highest: None,
        ..three_deleted([0; 3]).await
    };
    let last = counted.actors.values().map(|actor| actor.windows.last());
    let last = last.max().unwrap();
    assert!(last.0 > 0);
    world.set(json!({"mode": "on"}), &counted).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    assert_eq!(server.take_missed(), Some(last));

    // Of a server in which nothing was ever seen nothing was missed.
    let cold = World::new().await.start();
    let server = cold.load(&view()).await.unwrap();
    assert_eq!(server.take_missed(), None);
}

#[tokio::test]
async fn a_gap_waits_for_discords_time_before_anybody_goes_back() {
    let world = World::new().await;
    world.set_policy(json!({"mode": "on"}), 0).await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    let ear = Ear(Arc::clone(&protection));
    let gap = Event {
        body: Body::Gap(Gap {
            cause: GapCause::Resumed,
            lasted: Duration::from_secs(60),
        }),
        ..event(EventKind::Gap, &json!({}))
    };
    ear.on_event(&gap, &view()).await.unwrap();
    assert!(server.has_lost(), "the log is not read from its beginning");
    assert_eq!(protection.lost(&server), None);
    // The first id that comes along says when that was.
    world.clock.advance(Duration::from_secs(5));
    let message = json!({"id": ENTRY.to_string(), "channel_id": "20", "guild_id": "10"});
    let message = event(EventKind::MessageCreate, &message);
    ear.on_event(&message, &view()).await.unwrap();
    let began = Moment::of(Id::new(ENTRY)).minus(65_000);
    assert_eq!(protection.lost(&server), Some(began));
    assert_eq!(protection.lost(&server), None, "once");

    // The next one is read behind at once, and what comes next finds nothing left to do.
    ear.on_event(&gap, &view()).await.unwrap();
    assert!(!server.has_lost());
}

#[tokio::test]
async fn what_was_counted_last_is_written_down_when_the_process_stops() {
    let world = World::new().await;
    let protection = world.start();
    hear_of_an_act(&protection).await;
    let store = world.storage.protections();
    assert_eq!(store.state(guild()).await.unwrap(), None);

    // A write that was dropped when the process stopped does not count as one.
    let server = protection.server(guild()).unwrap();
    let _ = protection.write_state(&server).now_or_never();
    protection.close().await;
    let state = world.written().await;
    assert!(state.actors.contains_key(&Id::new(ACTOR)), "{state:?}");
}

/// The same template, with so many channels in it.
fn template(updated: &str, channels: usize) -> Value {
    json!([{"code": "abc", "updated_at": updated, "serialized_source_guild":
        {"channels": vec![json!({}); channels], "roles": []}}])
}

#[tokio::test]
async fn what_was_looked_at_is_known_after_a_restart() {
    let world = World::new().await;
    let first = world.start();
    let server = first.load(&view()).await.unwrap();
    let whole = template("a", 20);
    let look = Look::Templates;
    first.tell(&server, Input::Seen { look, raw: &whole });
    first.write_all().await.unwrap();
    drop((first, server));

    let second = world.start();
    let server = second.load(&view()).await.unwrap();
    let ruined = template("b", 1);
    let effects = server.ask(|engine, structure| {
        engine.decide(Input::Seen { look, raw: &ruined }, structure, Moment(1))
    });
    let told = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Alert(alert) if alert.notice == Notice::Template));
    assert!(told, "{effects:?}");
}

#[tokio::test]
async fn a_server_in_which_nothing_was_seen_needs_no_row() {
    let world = World::new().await;
    let protection = world.start();
    let server = protection.load(&view()).await.unwrap();
    protection.tell(&server, Input::Tick);
    server.is_unsaved();
    protection.write_all().await.unwrap();
    let store = world.storage.protections();
    assert_eq!(store.state(guild()).await.unwrap(), None);
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
        assert_eq!(protection.identity(), Err(expected));
    }
}
