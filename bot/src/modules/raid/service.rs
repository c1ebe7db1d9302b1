//! The engines of all servers of this cluster.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ChannelId, GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, Lane};
use splashtail_guild::{Id, Structure};
use splashtail_ipc::clients::JobserverClient;
use splashtail_raid::{Effect, Engine, Moment, Saved};
use splashtail_storage::{Storage, StorageError};
use tracing::warn;

use super::arrivals::moment;
use super::server::Server;
use super::settings::{StoredWishes, Wishes};
use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::guilds::GuildView;
use crate::inputs::Kept;
use crate::modules::Foundation;
use crate::modules::antinuke::Protection;
use crate::modules::guarded::People;
use crate::modules::jobs::Jobs;
use crate::server_language::ServerLanguages;

/// How long an event waits for what was written down about its server, once per process.
const LOADING: Duration = Duration::from_secs(2);
/// Servers that are remembered without anything going on in them; those to which nobody came for the longest
/// time are left to the database. Each is of up to 100 KB.
const MOST_SERVERS: usize = 5000;
/// Between two attempts to read it when the database does not answer.
const AGAIN: Duration = Duration::from_secs(5);

pub struct Watch {
    pub(super) clock: SharedClock,
    pub(super) storage: Storage,
    pub(super) discord: Discord,
    pub(super) jobserver: JobserverClient,
    pub(super) jobs: Arc<Jobs>,
    pub(super) protection: Arc<Protection>,
    pub(super) policies: Arc<Kept<Wishes>>,
    languages: ServerLanguages,
    servers: Mutex<HashMap<GuildId, Arc<Server>>>,
    /// Servers of which people are to see something new.
    pub(super) showing: Mutex<BTreeSet<GuildId>>,
    /// From the first turn of the tasks on.
    pub(super) cluster: OnceLock<Arc<ClusterState>>,
}

impl Watch {
    pub(super) fn new(
        foundation: &Foundation,
        protection: Arc<Protection>,
        jobs: Arc<Jobs>,
    ) -> Self {
        let Foundation {
            clock,
            storage,
            discord,
            jobserver,
            languages,
            ..
        } = foundation.clone();
        Self {
            policies: Kept::new(StoredWishes(storage.clone()), Arc::clone(&clock)),
            clock,
            storage,
            discord: discord.in_lane(Lane::Containment),
            jobserver,
            jobs,
            protection,
            languages,
            servers: Mutex::default(),
            showing: Mutex::default(),
            cluster: OnceLock::new(),
        }
    }

    /// The present by Discord's clock, as far as its answers have told it.
    pub(super) fn now(&self) -> Moment {
        moment(self.discord.now())
    }

    pub(super) fn own_user(&self) -> Option<UserId> {
        self.cluster.get()?.guilds.own_user()
    }

    pub(super) fn server(&self, guild: GuildId) -> Option<Arc<Server>> {
        self.lock().get(&guild).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Server>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn forget(&self, guild: GuildId) {
        self.lock().remove(&guild);
    }

    /// Forgets servers in which nothing goes on and to which nobody came for hours, and where there are still
    /// more than [`MOST_SERVERS`] the calmest: what counts of them is written down. How many.
    pub(super) fn forget_calm(&self) -> usize {
        let now = self.now();
        let mut servers = self.lock();
        // Whoever else holds one may be about to change it; here alone another can get hold of it.
        let is_free = |server: &Arc<Server>| {
            Arc::strong_count(server) == 1
                && server.state().is_kept()
                && server.read(Engine::is_settled)
        };
        let before = servers.len();
        servers.retain(|_, server| !is_free(server) || !server.read(|engine| engine.rests(now)));
        let more = servers.len().saturating_sub(MOST_SERVERS);
        if more > 0 {
            let free = servers.iter().filter(|(_, server)| is_free(server));
            let mut calm: Vec<(Option<Moment>, GuildId)> = free
                .map(|(guild, server)| (server.read(Engine::latest), *guild))
                .collect();
            calm.sort_unstable();
            for (_, guild) in calm.into_iter().take(more) {
                servers.remove(&guild);
            }
        }
        before - servers.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GuildId, Arc<Server>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's engine. A database that does not answer delays it once and no longer than
    /// [`LOADING`]; what it knows is then read later.
    pub(super) async fn load(self: &Arc<Self>, view: &GuildView) -> Arc<Server> {
        if let Some(known) = self.server(view.id()) {
            known.see(view);
            return known;
        }
        let server = Arc::new(Server::new(view, self.now()));
        let wishes = tokio::time::timeout(LOADING, self.policies.get(view.id())).await;
        if let Ok(Ok(wishes)) = wishes {
            server.ask(|engine| {
                engine.set_policy(wishes.policy.clone());
                Vec::new()
            });
        }
        self.warm(&server).await;
        let kept = {
            let mut servers = self.lock();
            Arc::clone(
                servers
                    .entry(view.id())
                    .or_insert_with(|| Arc::clone(&server)),
            )
        };
        kept.see(view);
        self.look_at(&kept);
        kept
    }

    /// The engine of a server of this cluster, whether anybody came lately or not; `None` while the server
    /// is not there.
    pub(super) async fn load_known(self: &Arc<Self>, guild: GuildId) -> Option<Arc<Server>> {
        if let Some(known) = self.server(guild) {
            return Some(known);
        }
        let view = self.cluster.get()?.guilds.get(guild)?;
        match view.is_available() {
            true => Some(self.load(&view).await),
            false => None,
        }
    }

    /// Reads what was written down, unless it was.
    pub(super) async fn warm(self: &Arc<Self>, server: &Arc<Server>) {
        {
            let mut state = server.state();
            if !state.cold || state.read_at > self.clock.monotonic() {
                return;
            }
            state.read_at = self.clock.monotonic() + AGAIN;
        }
        let guild = server.guild;
        let reading = async {
            let habits = self.storage.raids().habits(guild).await?;
            let latest = self.storage.raids().waves(guild, 1).await?;
            // What was decided ends with the wish for it, so one that is not known is none.
            let wishes = self.policies.get(guild).await?;
            Ok::<_, StorageError>((habits, latest.into_iter().next(), wishes))
        };
        let (habits, latest, wishes) = match tokio::time::timeout(LOADING, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                warn!(guild.id = %guild, error = %Chain(&error), "what is usual in a server cannot be read");
                return;
            }
            Err(_) => {
                warn!(guild.id = %guild, "what is usual in a server cannot be read: the database is silent");
                return;
            }
        };
        let saved = habits.and_then(|text| match serde_json::from_str::<Saved>(&text) {
            Ok(saved) => Some(saved),
            Err(error) => {
                warn!(guild.id = %guild, %error, "what is usual in a server is unreadable, and learnt anew");
                None
            }
        });
        let is_new = saved.is_none();
        server.ask(|engine| {
            // What happened meanwhile is not given up, nor what was decided before.
            if let Some(saved) = saved {
                engine.restore(saved);
            }
            engine.set_policy(wishes.policy.clone());
            Vec::new()
        });
        {
            let mut state = server.state();
            state.cold = false;
            let at = latest.and_then(|row| Some((row.wave, row.alert?)));
            if let Some((wave, (channel, message))) = at {
                state.alert = Some((Id::new(wave.cast_unsigned()), channel, message));
            }
        }
        if is_new {
            self.learn(server);
        }
    }

    /// What the server itself says that matters here.
    pub(super) fn look_at(&self, server: &Server) {
        let view = server.view();
        let members = view.facts().member_count;
        let (level, warned) = view.structure(|structure| {
            let guild = structure.guild();
            let level = guild["verification_level"].as_u64();
            let warned = guild["incidents_data"]["raid_detected_at"].as_str();
            (level, warned.and_then(|at| at.parse().ok()).map(moment))
        });
        server.ask(|engine| {
            engine.set_members(members);
            if let Some(level) = level.and_then(|level| u8::try_from(level).ok()) {
                engine.set_level(level);
            }
            if let Some(warned) = warned {
                engine.set_warned(warned);
            }
            Vec::new()
        });
    }

    /// Has the engine go by what the server wants now.
    pub(super) fn follow_wishes(&self, server: &Server) {
        if let Some(wishes) = self.policies.last_known(server.guild) {
            server.ask(|engine| {
                if *engine.policy() != wishes.policy {
                    engine.set_policy(wishes.policy.clone());
                }
                Vec::new()
            });
        }
    }

    /// Tells the engine, and has done what it wants done.
    pub(super) fn tell(
        self: &Arc<Self>,
        server: &Arc<Server>,
        tell: impl FnOnce(&mut Engine) -> Vec<Effect>,
    ) {
        let effects = server.ask(tell);
        self.carry_out(server, effects);
    }

    /// Where the staff reads about raids.
    pub(super) fn alert_channel(&self, guild: GuildId) -> Option<ChannelId> {
        let own = self
            .policies
            .as_read(guild)
            .and_then(|wishes| wishes.alert_channel);
        own.or_else(|| People::circle(&*self.protection, guild)?.alert_channel)
    }

    /// The language of what everybody in a server reads.
    pub(super) fn language(&self, server: &Server) -> Language {
        self.languages.of_view(&server.view())
    }

    pub(super) fn show(&self, guild: GuildId) {
        let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        showing.insert(guild);
    }
}

/// Until when invites and private messages are paused, as the server says it.
pub(super) fn paused(structure: &Structure, what: &str) -> Option<Moment> {
    let until = structure.guild()["incidents_data"][what].as_str()?;
    until.parse().ok().map(moment)
}
