//! The first message in a server that the bot has just come to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ChannelId, GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::ensure::Nonce;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_guild::{Id, Kind};
use splashtail_storage::{Storage, StorageError};
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::look::TO_WRITE;
use crate::catalogue::Language;
use crate::colours;
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::fit::fit;
use crate::guilds::{GuildView, Guilds};
use crate::markdown::neutralise;
use crate::modules::{Foundation, Surroundings};
use crate::server_language::ServerLanguages;
use crate::text;

/// A bot that was away when it was added still greets; one that was there before does not.
const JUST: Duration = Duration::days(1);
/// Who removes and adds the bot again and again is greeted no more often.
const NOT_AGAIN: Duration = Duration::days(7);
/// Between two attempts while the database is away.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// Servers that wait at a time; one more is not greeted.
const MOST: usize = 1000;

/// Servers that the bot has just come to, and when, until they are greeted.
#[derive(Debug, Default)]
pub struct Arrivals {
    waiting: Mutex<BTreeMap<GuildId, DateTime<Utc>>>,
    news: Notify,
}

impl Arrivals {
    fn note(&self, guild: GuildId, joined: DateTime<Utc>) {
        let mut waiting = self.waiting();
        if waiting.len() < MOST {
            waiting.insert(guild, joined);
            self.news.notify_one();
        }
    }

    async fn next(&self) -> (GuildId, DateTime<Utc>) {
        loop {
            let first = self.waiting().first_key_value().map(|(g, at)| (*g, *at));
            match first {
                Some(first) => return first,
                None => self.news.notified().await,
            }
        }
    }

    fn is_over(&self, guild: GuildId) {
        self.waiting().remove(&guild);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<GuildId, DateTime<Utc>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes new servers and asks nobody anything: a server's next events wait for it.
pub struct Ear {
    pub arrivals: Arc<Arrivals>,
    pub clock: SharedClock,
}

/// Greets those that came.
pub struct Greeter {
    pub arrivals: Arc<Arrivals>,
    clock: SharedClock,
    storage: Storage,
    discord: Discord,
    languages: ServerLanguages,
}

/// When the bot's own member joined.
#[derive(Debug, Deserialize)]
struct Joined {
    joined_at: Option<DateTime<Utc>>,
}

/// Where it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Channel(ChannelId),
    Owner(UserId),
}

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[EventKind::GuildCreate])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let Joined { joined_at } = event.decode()?;
        let joined = joined_at.filter(|at| is_new(*at, self.clock.now()));
        if let Some(joined) = joined.filter(|_| guild.is_available()) {
            self.arrivals.note(guild.id(), joined);
        }
        Ok(())
    }
}

impl Greeter {
    pub fn new(foundation: &Foundation) -> Self {
        let Foundation {
            clock,
            storage,
            discord,
            languages,
            ..
        } = foundation.clone();
        Self {
            arrivals: Arc::default(),
            clock,
            storage,
            discord,
            languages,
        }
    }

    /// Never ends. While the database is away those that came wait.
    pub async fn greet_all(self: Arc<Self>, around: Surroundings) {
        loop {
            let (guild, joined) = self.arrivals.next().await;
            match self.greet(guild, joined, &around.state.guilds).await {
                Ok(()) => self.arrivals.is_over(guild),
                Err(error) => {
                    warn!(guild.id = %guild, error = %Chain(&error), "a new server waits for its greeting");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    async fn greet(
        &self,
        guild: GuildId,
        joined: DateTime<Utc>,
        guilds: &Guilds,
    ) -> Result<(), StorageError> {
        let now = self.clock.now();
        let view = guilds.get(guild).filter(GuildView::is_available);
        let Some(view) = view.filter(|_| is_new(joined, now)) else {
            return Ok(());
        };
        let setups = self.storage.setups();
        // Claimed before it is said: rather no greeting than two.
        if !setups.claim_greeting(guild, now, now - NOT_AGAIN).await? {
            return Ok(());
        }
        let Some((place, name)) = find_place(&view) else {
            debug!(guild.id = %guild, "nobody can be greeted");
            return Ok(());
        };
        let language = self.languages.of_view(&view);
        let nonce = Nonce::of(&["greeting", &guild.to_string(), &now.to_rfc3339()]);
        let discord = self.discord.clone();
        // The next ones do not wait for Discord.
        tokio::spawn(async move {
            match say(&discord, place, &greeting(language, &name), &nonce).await {
                Ok(()) => info!(guild.id = %guild, "greeted a new server"),
                Err(error) => {
                    warn!(guild.id = %guild, error = %Chain(&error), "a new server was not greeted");
                }
            }
        });
        Ok(())
    }
}

fn is_new(joined: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - joined < JUST
}

/// The channel for such messages where the bot can write, else the owner. With the server's name.
fn find_place(view: &GuildView) -> Option<(Place, String)> {
    let facts = view.facts();
    // The bot's own overwrites make no difference in a server it has just come to.
    let subject = facts.own_subject(view.id(), None);
    let channel = view.structure(|structure| {
        let id = Id::read(&structure.guild()["system_channel_id"])?;
        let channel = structure.get(Kind::Channel, id)?;
        let writes = subject.in_channel(channel) & TO_WRITE == TO_WRITE;
        (writes && !structure.is_hidden(id)).then_some(id)
    });
    let channel = channel.and_then(|id| ChannelId::new(id.get()));
    let place = channel
        .map(Place::Channel)
        .or(facts.owner.map(Place::Owner));
    place.map(|place| (place, facts.name.clone()))
}

fn greeting(language: Language, server: &str) -> Value {
    let text = text!(language, "greeting-text", server = neutralise(server));
    let mut body = json!({"embeds": [{"title": text!(language, "greeting-title"),
        "description": text, "color": colours::BLUE.0}]});
    fit(&mut body);
    body
}

async fn say(
    discord: &Discord,
    place: Place,
    body: &Value,
    nonce: &Nonce,
) -> Result<(), DiscordError> {
    let discord = discord.in_lane(Lane::Interactive);
    let channel = match place {
        Place::Channel(channel) => channel.to_string(),
        Place::Owner(owner) => {
            let open = discord.post("/users/@me/channels").idempotent(true);
            let channel = open.json(&json!({"recipient_id": owner})).send().await?;
            channel["id"].as_str().unwrap_or_default().to_owned()
        }
    };
    let mut body = body.clone();
    body["nonce"] = nonce.as_str().into();
    body["enforce_nonce"] = true.into();
    let post = discord.post(format!("/channels/{channel}/messages"));
    post.json(&body).send_empty().await
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use splashtail_core::clock::ManualClock;
    use splashtail_core::config::DatabaseTarget;
    use splashtail_core::ids::ShardId;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::arguments::Cluster;
    use crate::cluster::ClusterState;
    use crate::events::Body;
    use crate::modules::foundation;

    #[test]
    fn only_servers_that_the_bot_has_just_come_to_are_new() {
        let now = DateTime::UNIX_EPOCH + Duration::days(100);
        assert!(is_new(now - Duration::minutes(5), now));
        // Another clock may be ahead.
        assert!(is_new(now + Duration::minutes(5), now));
        assert!(!is_new(now - Duration::days(2), now));
    }

    #[tokio::test]
    async fn a_database_that_is_away_delays_no_event_and_loses_no_greeting() {
        let clock = ManualClock::new("2026-11-30T12:00:00Z".parse().unwrap());
        let place = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&place).unwrap();
        let target = DatabaseTarget::Sqlite(place.join("splashtail.db"));
        // Without tables it answers nothing.
        let storage = Storage::open(&target, &CancellationToken::new()).await;
        let storage = storage.unwrap();
        let foundation = Foundation {
            clock: clock.shared(),
            storage: storage.clone(),
            ..foundation::for_tests().await
        };
        let greeter = Arc::new(Greeter::new(&foundation));
        let ear = Ear {
            arrivals: Arc::clone(&greeter.arrivals),
            clock: clock.shared(),
        };
        let state = Arc::new(ClusterState::new(Cluster::alone(1), clock.shared()));
        let (guild, shard) = (GuildId::new(10).unwrap(), ShardId(0));
        let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
            "joined_at": "2026-11-30T11:59:00+00:00", "features": [], "channels": [], "members": [],
            "roles": []});
        let created = Event {
            kind: EventKind::GuildCreate,
            guild,
            shard,
            seq: Some(1),
            received: std::time::Duration::ZERO,
            body: Body::Raw(whole.to_string().into()),
        };
        let view = state.guilds.follow(&created).view;
        let heard = ear.on_event(&created, &view).now_or_never();
        assert!(heard.unwrap().is_ok(), "it waits for nobody");

        let around = Surroundings {
            state,
            clock: clock.shared(),
        };
        let greeting = tokio::spawn(Arc::clone(&greeter).greet_all(around));
        clock.wait_for_sleepers(1).await;
        storage.migrate().await.unwrap();
        clock.advance(PAUSE);
        while !greeter.arrivals.waiting().is_empty() {
            tokio::task::yield_now().await;
        }
        greeting.abort();
        let now = clock.shared().now();
        let again = storage.setups().claim_greeting(guild, now, now - NOT_AGAIN);
        assert!(!again.await.unwrap(), "it was greeted");
    }
}
