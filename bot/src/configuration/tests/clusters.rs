//! Two clusters of one bot: what is changed through one decides in the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use splashtail_core::clock::ManualClock;
use splashtail_core::config::BusTarget;
use splashtail_ipc::bus::{self, Bus, BusError, Subscription};
use splashtail_ipc::hub::Hub;
use splashtail_permissions::CheckOptions;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::catalogue::Language;
use crate::framework::gate::Question;
use crate::inputs::Hear;
use crate::modules::foundation::cluster_for_tests;
use crate::server_language::{self, ServerLanguages};

const CHANNEL: &str = "clusters";
/// Between two looks at the versions in the database.
const LOOK: Duration = Duration::from_secs(30);

/// The bus of one cluster, which can lose what it sends.
#[derive(Debug)]
struct Wire {
    bus: Arc<dyn Bus>,
    loses: AtomicBool,
    listens: watch::Sender<bool>,
}

#[async_trait::async_trait]
impl Bus for Wire {
    async fn publish(&self, channel: &str, message: &str) -> Result<(), BusError> {
        match self.loses.load(Ordering::SeqCst) {
            true => Ok(()),
            false => self.bus.publish(channel, message).await,
        }
    }

    async fn subscribe(&self, channels: &[String]) -> Result<Subscription, BusError> {
        let subscription = self.bus.subscribe(channels).await;
        self.listens.send_replace(true);
        subscription
    }

    async fn append_log(&self, key: &str, entry: &str, cap: usize) -> Result<(), BusError> {
        self.bus.append_log(key, entry, cap).await
    }

    async fn read_log(&self, key: &str) -> Result<Vec<String>, BusError> {
        self.bus.read_log(key).await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.bus.check().await
    }
}

/// Hears after everybody who keeps something.
struct Ear(watch::Sender<i64>);

impl Hear for Ear {
    fn changed(&self, _: GuildId, version: i64) {
        self.0.send_replace(version);
    }

    fn doubted(&self, _: GuildId) {}

    fn all_changed(&self) {}
}

struct Cluster {
    configuration: Configuration,
    languages: ServerLanguages,
    heard: watch::Receiver<i64>,
    wire: Arc<Wire>,
    clock: ManualClock,
    _following: DropGuard,
}

impl Cluster {
    async fn start(place: &Path) -> Self {
        let wire = Arc::new(Wire {
            bus: bus::connect(&BusTarget::Hub(place.join("bus.sock")), CHANNEL).unwrap(),
            loses: AtomicBool::new(false),
            listens: watch::Sender::new(false),
        });
        // Time stands still: what is heard comes from the bus.
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let bus: Arc<dyn Bus> = Arc::clone(&wire) as _;
        let foundation = cluster_for_tests(place, clock.shared(), Some((bus, CHANNEL))).await;
        let changes = Arc::clone(&foundation.changes);
        let languages = foundation.languages.clone();
        let configuration = configuration_on(foundation);
        let heard = watch::Sender::new(0);
        let hears = heard.subscribe();
        changes.heard_by(Arc::new(Ear(heard)));
        let running = CancellationToken::new();
        tokio::spawn(running.clone().run_until_cancelled_owned(changes.follow()));
        let mut listens = wire.listens.subscribe();
        listens.wait_for(|listens| *listens).await.unwrap();
        clock.wait_for_sleepers(1).await;
        Self {
            configuration,
            languages,
            heard: hears,
            wire,
            clock,
            _following: running.drop_guard(),
        }
    }

    /// As the owner.
    async fn set(&self, setting: &str, given: &Fields) {
        let set = self.configuration.set(&owner(), setting, given).await;
        set.unwrap();
    }

    /// Members may list backups.
    async fn opens_the_list(&self) {
        let given = json!({"role_id": "10", "perms": "server_backups.list"});
        self.set(ROLES, &fields(given)).await;
    }

    async fn hears(&mut self, version: i64) {
        let news = self.heard.wait_for(|heard| *heard >= version);
        let news = tokio::time::timeout(Duration::from_secs(30), news);
        news.await.expect("no news").unwrap();
    }

    /// Whether a plain member may list backups here, by a code.
    async fn verdict(&self) -> String {
        let member = asked(300, false, 0, &[10]);
        let question = Question {
            guild: member.guild,
            user: member.user,
            command: "backups list",
            options: &CheckOptions::default(),
        };
        let gate = &self.configuration.gate;
        let verdict = gate.decide(&question, &Ok(member.standing)).await;
        verdict.code().to_owned()
    }
}

/// Two clusters on one database and one bus.
async fn two() -> (Cluster, Cluster, DropGuard) {
    let place = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
    std::fs::create_dir(&place).unwrap();
    let hub = Hub::bind(
        &place.join("bus.sock"),
        CHANNEL,
        &place.join("actlogs.jsonl"),
    );
    let serving = CancellationToken::new();
    tokio::spawn(hub.unwrap().serve(serving.clone()));
    let one = Cluster::start(&place).await;
    let other = Cluster::start(&place).await;
    (one, other, serving.drop_guard())
}

#[tokio::test]
async fn a_change_through_one_cluster_decides_in_the_other_at_once() {
    let (mut one, mut other, _hub) = two().await;
    let guild = owner().guild;
    assert_eq!(other.verdict().await, "missing_any_perms");
    assert_eq!(other.languages.set_of(guild).await.unwrap(), None);

    one.opens_the_list().await;
    other.hears(1).await;
    assert_eq!(other.verdict().await, "ok");

    let off = fields(json!({"command": "backups list", "disabled": true}));
    one.set(COMMANDS, &off).await;
    other.hears(2).await;
    assert_eq!(other.verdict().await, "command_disabled");

    let german = server_language::entry(Language::German);
    one.set(server_language::SETTING, &german).await;
    other.hears(3).await;
    let language = other.languages.set_of(guild).await.unwrap();
    assert_eq!(language, Some(Language::German));

    // And the other way round.
    assert_eq!(one.verdict().await, "command_disabled");
    let on = fields(json!({"command": "backups list", "disabled": false}));
    other.set(COMMANDS, &on).await;
    one.hears(4).await;
    assert_eq!(one.verdict().await, "ok");
}

#[tokio::test]
async fn a_change_of_which_no_message_came_is_found_at_the_next_look() {
    let (one, mut other, _hub) = two().await;
    assert_eq!(other.verdict().await, "missing_any_perms");
    one.wire.loses.store(true, Ordering::SeqCst);
    one.opens_the_list().await;
    assert_eq!(one.verdict().await, "ok", "where it was made");
    other.clock.advance(LOOK - Duration::from_millis(1));
    assert_eq!(other.verdict().await, "missing_any_perms", "nobody told");
    other.clock.advance(Duration::from_millis(1));
    other.hears(1).await;
    assert_eq!(other.verdict().await, "ok");
}
