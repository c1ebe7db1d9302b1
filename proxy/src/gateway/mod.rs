//! The gateway half of the proxy: Discord's sessions on one side, programs on the other, and between
//! them a log and a cache per shard.

pub mod cache;
pub mod client;
mod commands;
mod event;
mod fleet;
pub mod http;
mod intents;
mod log;
pub mod shard;
mod state;
mod twins;
pub(crate) mod visitors;
mod voice;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, gauge};
use secrecy::{ExposeSecret, SecretString};
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::GuildId;
use splashtail_core::random;
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::rest::Rest;

use client::frames::{Close, Command, Identify, RESUMED_BODY};
use client::session::{ResumeError, Session, Sources};
use event::{Event, SessionId, Sight};
pub use fleet::{Fleet, ReshardError};
use shard::{Budget, Own, Ready, Shard, Status};

/// Sessions without a connection; beyond that the one that is gone for longest is forgotten.
const MOST_GONE: usize = 1024;
/// Between two looks at what has expired and what has cooled down.
const UPKEEP: Duration = Duration::from_secs(5);
/// Between two looks for another number of shards.
const CROWDED_PAUSE: Duration = Duration::from_secs(3600);
/// Servers packed at a time under a shard's lock.
const COOL: usize = 16;

#[derive(Debug, Clone)]
pub struct Settings {
    pub token: SecretString,
    pub intents: u64,
    /// 0: as many as Discord recommends.
    pub shards: u16,
    /// What clients are told; 0: the same.
    pub client_shards: u16,
    /// Where clients come to, as a websocket's address without a slash at the end.
    pub address: String,
    pub heartbeat_ms: u64,
    pub ack_delay_ms: u64,
    pub resume_window: Duration,
    pub replay_bytes: u64,
    pub client_queue: u64,
    /// A client that does not come back leaves its voice channels.
    pub voice_leave: bool,
    pub admin_secret: Option<SecretString>,
    /// Where sessions outlive the process.
    pub state_dir: Option<PathBuf>,
}

pub struct Gateway {
    pub settings: Settings,
    pub clock: SharedClock,
    /// Clients are sent away, to come back to whoever follows.
    pub drain: CancellationToken,
    /// An administrator wants the process to end in order.
    pub ends: CancellationToken,
    /// Of clients.
    pub tasks: TaskTracker,
    /// The other half, whose figures are shown with ours.
    pub rest: OnceLock<Arc<Rest>>,
    /// Ends all connections to Discord.
    upstreams: CancellationToken,
    connecting: TaskTracker,
    fleet: RwLock<Option<Arc<Fleet>>>,
    /// Sets of shards whose place another took.
    retired: Mutex<Vec<Arc<Fleet>>>,
    resharding: AtomicBool,
    /// In seconds: when it was last seen that shards have too many servers.
    crowded_at: AtomicU64,
    /// A wish for another number of shards; 0: as many as Discord recommends.
    wish: watch::Sender<Option<u16>>,
    sessions: Mutex<Sessions>,
    connections: AtomicU64,
}

#[derive(Default)]
struct Sessions {
    made: SessionId,
    by_key: HashMap<String, Arc<Session>>,
}

impl Gateway {
    pub fn new(settings: Settings, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            settings,
            clock,
            drain: CancellationToken::new(),
            ends: CancellationToken::new(),
            tasks: TaskTracker::new(),
            rest: OnceLock::new(),
            upstreams: CancellationToken::new(),
            connecting: TaskTracker::new(),
            fleet: RwLock::default(),
            retired: Mutex::default(),
            resharding: AtomicBool::new(false),
            crowded_at: AtomicU64::new(0),
            wish: watch::Sender::new(None),
            sessions: Mutex::default(),
            connections: AtomicU64::new(0),
        })
    }

    /// Sets the shards up as Discord says, with what an earlier process left. Nothing connects yet.
    ///
    /// # Errors
    /// The gateway's address is none, or there is no memory.
    pub fn set_up(&self, bot: &GatewayBot) -> anyhow::Result<Arc<Fleet>> {
        let shards = match self.settings.shards {
            0 => bot.shards.max(1),
            shards => shards,
        };
        let budget = Budget::new(&bot.session_start_limit, Arc::clone(&self.clock));
        let fleet = Arc::new(Fleet::new(self, shards, bot, Arc::new(budget))?);
        self.restore(&fleet.shards);
        self.set_fleet(Arc::clone(&fleet));
        Ok(fleet)
    }

    /// `None` before [`Gateway::set_up`].
    pub fn fleet(&self) -> Option<Arc<Fleet>> {
        let fleet = self.fleet.read().unwrap_or_else(PoisonError::into_inner);
        fleet.clone()
    }

    /// The one before.
    fn set_fleet(&self, fleet: Arc<Fleet>) -> Option<Arc<Fleet>> {
        let mut place = self.fleet.write().unwrap_or_else(PoisonError::into_inner);
        place.replace(fleet)
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Fleet>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn shards(&self) -> Arc<[Arc<Shard>]> {
        self.fleet()
            .map_or_else(|| Arc::from([]), |fleet| Arc::clone(&fleet.shards))
    }

    /// Another number of shards is on its way.
    pub fn is_resharding(&self) -> bool {
        self.resharding.load(Ordering::Acquire)
    }

    /// Has somebody look for another number of shards; 0: as many as Discord recommends.
    pub fn wish_for(&self, shards: u16) {
        self.wish.send_replace(Some(shards));
    }

    /// The next wish.
    pub async fn wished(&self) -> u16 {
        let mut wishes = self.wish.subscribe();
        // The sender is ours.
        let wished = wishes.wait_for(Option::is_some).await;
        let wished = wished.ok().and_then(|wished| *wished);
        self.wish.send_replace(None);
        wished.unwrap_or_default()
    }

    /// Of each shard, how many sessions it has had.
    pub fn epochs(&self) -> Vec<u64> {
        self.shards()
            .iter()
            .map(|shard| shard.inner().epoch)
            .collect()
    }

    /// What clients are told to use.
    pub fn client_shards(&self) -> Option<u16> {
        let upstream = self.fleet()?.upstream.shards;
        Some(match self.settings.client_shards {
            0 => upstream,
            shards => shards,
        })
    }

    /// Connects the shards. Ends with the token.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let Some(fleet) = self.fleet() else {
            return;
        };
        fleet.connect(&self);
        let looking = async {
            loop {
                self.clock.sleep(UPKEEP).await;
                self.keep_up();
            }
        };
        shutdown.run_until_cancelled(looking).await;
        self.upstreams.cancel();
        self.connecting.close();
        self.connecting.wait().await;
    }

    fn keep_up(&self) {
        let now = self.clock.monotonic();
        self.forget(now);
        self.trim_retired(now);
        let looked = Duration::from_secs(self.crowded_at.load(Ordering::Relaxed));
        if now.saturating_sub(looked) >= CROWDED_PAUSE && self.is_crowded() {
            self.crowded_at.store(now.as_secs(), Ordering::Relaxed);
            self.wish_for(0);
        }
        for shard in self.shards().iter() {
            let mut inner = shard.inner();
            inner.log.trim(now);
            inner.guilds.cool(now, COOL);
            let id = shard.id.to_string();
            let connected = matches!(shard.status(), Status::Connected(_));
            gauge!("splashtail_proxy_upstream_connected", "shard" => id.clone())
                .set(f64::from(u8::from(connected)));
            let (bytes, hot) = inner.guilds.size();
            gauge!("splashtail_proxy_clients", "shard" => id.clone()).set(inner.clients() as f64);
            gauge!("splashtail_proxy_log_bytes", "shard" => id.clone())
                .set(inner.log.bytes() as f64);
            gauge!("splashtail_proxy_cache_bytes", "shard" => id.clone(), "tier" => "packed")
                .set(bytes as f64);
            gauge!("splashtail_proxy_cache_objects", "shard" => id.clone(), "kind" => "guild")
                .set(inner.guilds.count() as f64);
            gauge!("splashtail_proxy_cache_objects", "shard" => id, "kind" => "unpacked_guild")
                .set(hot as f64);
        }
        if let Some(fleet) = self.fleet() {
            gauge!("splashtail_proxy_session_starts_remaining")
                .set(fleet.upstream.budget.remaining() as f64);
        }
        let behind: u64 = self.list().iter().map(|session| session.behind()).sum();
        gauge!("splashtail_proxy_client_backlog_bytes").set(behind as f64);
        if let Some(rest) = self.rest.get() {
            rest.keep_up();
        }
    }

    /// Sessions that nobody came back to in time.
    fn forget(&self, now: Duration) {
        let mut gone: Vec<_> = self
            .list()
            .into_iter()
            .filter_map(|session| Some((session.gone()?, session)))
            .collect();
        gone.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        for (place, (since, session)) in gone.iter().enumerate() {
            if place >= MOST_GONE || now.saturating_sub(*since) > self.settings.resume_window {
                self.end(session);
            }
        }
    }

    pub(crate) fn list(&self) -> Vec<Arc<Session>> {
        self.sessions().by_key.values().cloned().collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// In constant time; libraries differ in whether they repeat the `Bot ` of the header.
    fn is_token(&self, token: &str) -> bool {
        let bare = |token: &str| token.trim().trim_start_matches("Bot ").to_owned();
        let own = bare(self.settings.token.expose_secret());
        bool::from(bare(token).as_bytes().ct_eq(own.as_bytes()))
    }

    fn sources(&self, shard: (u16, u16)) -> Sources {
        Sources::of(&self.shards(), shard)
    }

    fn sight(&self, session: SessionId, shard: (u16, u16), intents: u64, own: u64) -> Sight {
        Sight {
            session,
            intents: intents & self.settings.intents,
            upstream: self.settings.intents,
            shard,
            own,
        }
    }

    /// A new session, and the body of its READY.
    fn begin(
        &self,
        identify: &Identify,
        sources: Sources,
        ready: &Ready,
        connection: u64,
    ) -> (Arc<Session>, String) {
        let lacking = identify.intents & !self.settings.intents;
        if lacking != 0 {
            debug!(
                lacking,
                "a client asks for intents that the proxy does not have"
            );
        }
        let shard = identify.shard.unwrap_or((0, 1));
        let own = sources.shards().first();
        let own = own.map_or(0, |shard| shard.inner().guilds.own());
        if let Some(presence) = &identify.presence {
            let frame: Bytes = format!(r#"{{"op":3,"d":{}}}"#, presence.get()).into();
            for shard in sources.shards() {
                shard.commands.show(frame.clone());
            }
        }
        let (id, key) = {
            let mut sessions = self.sessions();
            sessions.made += 1;
            (sessions.made, key())
        };
        let total = u16::try_from(self.shards().len()).unwrap_or(u16::MAX);
        let sight = self.sight(id, shard, identify.intents, own);
        let (session, guilds) = Session::new(
            key.clone(),
            sight,
            identify.compress,
            sources,
            total,
            connection,
        );
        let body = ready.of(&Own {
            session_id: &key,
            address: &self.settings.address,
            shard: identify.shard,
            guilds: &guilds,
        });
        let session = Arc::new(session);
        let mut sessions = self.sessions();
        if !self.sources(shard).are(&session.sources()) {
            // Others took their place just now: it begins anew.
            session.kick();
        }
        sessions.by_key.insert(key, Arc::clone(&session));
        drop(sessions);
        (session, body)
    }

    /// `None`: there is nothing to go on with.
    fn resume(&self, key: &str, seq: u64, connection: u64) -> Result<Option<Arc<Session>>, Close> {
        let session = self.sessions().by_key.get(key).cloned();
        let Some(session) = session else {
            return Ok(None);
        };
        match session.attach(connection, seq) {
            Ok(()) => {}
            Err(ResumeError::Ahead) => return Err(Close::InvalidSeq),
            Err(ResumeError::Lost) => {
                self.end(&session);
                return Ok(None);
            }
        }
        // It comes behind what was missed.
        if let Some(shard) = session.sources().shards().last() {
            let to = Box::new([session.sight.session]);
            let now = self.clock.monotonic();
            shard
                .inner()
                .tell(Event::made("RESUMED", RESUMED_BODY, None, to, now));
        }
        Ok(Some(session))
    }

    fn end(&self, session: &Arc<Session>) {
        self.sessions().by_key.remove(&session.key);
        for (shard, guild) in session.end() {
            if self.settings.voice_leave {
                // Where too many commands wait it stays, and is silent.
                shard
                    .commands
                    .push(session.sight.session, voice::leave(guild));
            }
        }
    }

    /// Passes on what a client wants of Discord.
    fn command(&self, session: &Session, command: &Command) {
        if command.op == 3 {
            for shard in self.sources(session.sight.shard).shards() {
                shard.commands.show(command.frame.clone());
            }
            return;
        }
        let dropped = |why: &'static str| {
            counter!("splashtail_proxy_commands_dropped_total", "why" => why).increment(1);
        };
        let shards = self.shards();
        let total = u16::try_from(shards.len()).unwrap_or(u16::MAX);
        for guild in &command.guilds {
            let shard = shards
                .iter()
                .find(|shard| shard.id == guild.shard(total).get());
            let shard = match shard {
                Some(shard) if session.sight.covers(*guild) => shard,
                _ => {
                    if command.op == 8 {
                        self.answer_nothing(session, *guild, &command.frame);
                    }
                    dropped("of another shard");
                    continue;
                }
            };
            let id = session.sight.session;
            if command.op == 4 {
                if !shard.speak(*guild, id, command.frame.clone()) {
                    dropped("too many wait");
                }
                continue;
            }
            let frame = match command.op {
                8 => {
                    let now = self.clock.monotonic();
                    let asked = shard.inner().requests.ask(&command.frame, id, now);
                    asked.map(Bytes::from)
                }
                31 => Some(format!(r#"{{"op":31,"d":{{"guild_ids":["{guild}"]}}}}"#).into()),
                _ => Some(command.frame.clone()),
            };
            let taken = frame.is_some_and(|frame| shard.commands.push(id, frame));
            if !taken {
                dropped("too many wait");
            }
        }
    }

    /// A server that is not of the client's shard has no members for it.
    fn answer_nothing(&self, session: &Session, guild: GuildId, frame: &[u8]) {
        let body = std::str::from_utf8(frame)
            .ok()
            .and_then(|text| cache::json::Fields::read(text).ok()?.get("d"))
            .and_then(|d| cache::json::Fields::read(d.get()).ok()?.get("nonce"))
            .filter(|nonce| !matches!(nonce.get(), "\"\"" | "null"))
            .map_or_else(String::new, |nonce| format!(r#","nonce":{}"#, nonce.get()));
        let body = format!(
            r#"{{"guild_id":"{guild}","members":[],"chunk_index":0,"chunk_count":1,"not_found":[]{body}}}"#
        );
        if let Some(shard) = session.sources().shards().last() {
            let to = Box::new([session.sight.session]);
            let now = self.clock.monotonic();
            let event = Event::made("GUILD_MEMBERS_CHUNK", &body, None, to, now);
            shard.inner().tell(event);
        }
    }
}

/// 128 random bits.
fn key() -> String {
    let bits = match random::bytes() {
        Ok(bytes) => u128::from_ne_bytes(bytes),
        // It only has to be no other's.
        Err(_) => rand::random(),
    };
    format!("{bits:032x}")
}
