//! The gateway: websocket sessions that are told what happens in the world.
//!
//! A session outlives its connections. Events reach sessions under the world's lock, in the order
//! they happened; a connection writes from its session's replay buffer at its own pace. The
//! gateway never changes the world except by opcodes 3 and 4.

mod close;
mod compress;
mod connection;
mod fanout;
mod handshake;
mod identify;
mod late;
mod members;
mod session;
mod sounds;
mod untold;
mod voice;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::faults::{Action, Facts, Rule};
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::world::Id;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use close::Close;
pub use fanout::Sink;
pub use session::{Identity, Order, ReplayLimits, Session};

use connection::Host;

use crate::control::types::SessionInfo;
use crate::server::origin::Names;
use crate::server::wire::Wire;
use crate::server::{Tls, http};

/// What may differ between sandboxes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Announced in op 10, and kept in real time.
    pub heartbeat_interval: Duration,
    /// Close code for a client that misses its heartbeats; the session stays either way.
    pub missed_heartbeat: u16,
    /// How long a session waits for a resume, in sandbox time.
    pub session_timeout_ms: i64,
    pub replay: ReplayLimits,
    /// Sandbox time between two identifies of one concurrency key.
    pub identify_window_ms: i64,
    /// A client that takes nothing for this long loses its connection.
    pub stall: Duration,
    /// Time between op 7 and the close, for clients that do not go by themselves.
    pub reconnect_grace: Duration,
    /// Guilds on one shard beyond which identify is refused (4011).
    pub max_guilds_per_shard: usize,
    /// Objects (overwrites, voice states, members) from which on a guild's GUILD_CREATE is written
    /// while the world goes on.
    pub apart: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(41_250),
            missed_heartbeat: 4000,
            session_timeout_ms: 180_000,
            replay: ReplayLimits {
                // A hundred thousand missed ones, and what happens while they are replayed.
                frames: 120_000,
                bytes: 160 << 20,
            },
            identify_window_ms: 5_000,
            stall: Duration::from_secs(20),
            reconnect_grace: Duration::from_secs(5),
            max_guilds_per_shard: splashtail_sandbox_world::world::MAX_GUILDS_PER_SHARD,
            apart: 20_000,
        }
    }
}

/// Answer to a valid identify.
pub(crate) enum Started {
    /// Op 9: another identify of the same key was too recent.
    TooSoon,
    Session(Arc<Session>, u64),
}

/// Answer to a valid resume.
pub(crate) enum Resumed {
    /// Op 9: nothing to resume.
    Refused,
    Session(Arc<Session>, u64),
}

#[derive(Debug, Default)]
struct Registry {
    /// By number of creation, so that fan-out follows one order.
    sessions: BTreeMap<u64, Arc<Session>>,
    by_id: HashMap<Arc<str>, u64>,
    created: u64,
    /// Counts replaced worlds, so that no session of an old one is mistaken for a new one.
    generation: u64,
    /// Last identify by application and concurrency key, sandbox time.
    identified: HashMap<(Id, u32), i64>,
    /// Last "all members" request by bot and guild, sandbox time.
    all_members: HashMap<(Id, Id), i64>,
}

/// Every session, and what they share.
pub struct Gateway {
    pub sandbox: Arc<Sandbox>,
    pub settings: Settings,
    registry: Mutex<Registry>,
    late: late::Late,
    tasks: TaskTracker,
    /// Address for resuming, when it is another one.
    resume: OnceLock<String>,
    names: Names,
}

impl Gateway {
    /// A gateway that is told what happens in `sandbox`.
    pub fn new(sandbox: Arc<Sandbox>, settings: Settings) -> Arc<Self> {
        let names = sandbox.with_world(|world| Names::of(&world.addresses));
        let gateway = Arc::new(Self {
            names,
            sandbox,
            settings,
            registry: Mutex::default(),
            late: late::Late::default(),
            tasks: TaskTracker::new(),
            resume: OnceLock::new(),
        });
        gateway.sandbox.set_sink(Box::new(Sink::new(&gateway)));
        gateway
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts connections until `shutdown`, then cuts those that are left. With a second listener,
    /// sessions are resumed there and nowhere else.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        resume: Option<TcpListener>,
        tls: Option<Tls>,
        shutdown: CancellationToken,
    ) {
        self.tasks.spawn(self.clone().sweep(shutdown.clone()));
        self.tasks
            .spawn(self.clone().deliver_late(shutdown.clone()));
        let main = self.accept(listener, Host::Main, tls.as_ref(), shutdown.clone());
        match resume {
            None => main.await,
            Some(listener) => {
                let scheme = if tls.is_some() { "wss" } else { "ws" };
                if let Ok(address) = listener.local_addr()
                    && self.resume.set(format!("{scheme}://{address}")).is_err()
                {
                    tracing::warn!("there was an address for resuming already");
                }
                let second = self.accept(listener, Host::Resume, tls.as_ref(), shutdown.clone());
                tokio::join!(main, second);
            }
        }
        self.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait()).await;
    }

    /// Where READY tells clients to resume, when that is not the address they came to.
    pub(crate) fn resume_url(&self) -> Option<&str> {
        self.resume.get().map(String::as_str)
    }

    async fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        host: Host,
        tls: Option<&Tls>,
        shutdown: CancellationToken,
    ) {
        let slots = http::slots();
        loop {
            let accepted = tokio::select! {
                accepted = http::accept(&listener, &slots) => accepted,
                () = shutdown.cancelled() => break,
            };
            if let Some((stream, _, slot)) = accepted {
                let (gateway, tls, shutdown) = (self.clone(), tls.cloned(), shutdown.clone());
                self.tasks.spawn(async move {
                    match Wire::open(stream, tls.as_ref()).await {
                        Ok(stream) => connection::serve(gateway, stream, host, shutdown).await,
                        Err(error) => tracing::debug!(%error, "no encrypted connection"),
                    }
                    drop(slot);
                });
            }
        }
    }

    /// Ends sessions whose resume time is over.
    async fn sweep(self: Arc<Self>, shutdown: CancellationToken) {
        let every = Duration::from_millis(500);
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => self.forget_ended(),
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Drops sessions that are over.
    pub(crate) fn forget_ended(&self) {
        let now_ms = self.sandbox.clock.steady_ms();
        let mut registry = self.registry();
        let Registry {
            sessions, by_id, ..
        } = &mut *registry;
        sessions.retain(|_, session| {
            let expired = session.gone_for_ms(now_ms);
            if expired.is_some_and(|ms| ms >= self.settings.session_timeout_ms) {
                session.end();
            }
            let keep = !session.is_ended();
            if !keep {
                by_id.remove(&session.identity.session_id);
            }
            keep
        });
    }

    /// Live sessions in the order they were started.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.registry()
            .sessions
            .values()
            .filter(|s| !s.is_ended())
            .cloned()
            .collect()
    }

    /// Ends every session and forgets all limits, as when the world is replaced: under its lock, so
    /// that whoever is still telling a session finds it ended before the new one is there.
    pub fn reset(&self) {
        let old = {
            let mut registry = self.registry();
            let generation = registry.generation + 1;
            std::mem::replace(
                &mut *registry,
                Registry {
                    generation,
                    ..Registry::default()
                },
            )
        };
        for session in old.sessions.values() {
            session.order(Order::Invalidate { resumable: false });
            session.end();
        }
        self.late.clear();
    }

    /// The sessions as the control API shows them.
    pub fn describe(&self) -> Vec<SessionInfo> {
        let sessions = self.sessions();
        let describe = |session: &Arc<Session>| {
            let (connected, compression, replay, resumes) = session.status();
            let guilds = self.sandbox.with_world(|world| {
                let bot = session.identity.bot;
                let mine = |g: &&splashtail_sandbox_world::world::Guild| {
                    g.bots.contains(&bot) && session.covers(g.id)
                };
                world.guilds.values().filter(mine).count()
            });
            SessionInfo {
                session_id: session.identity.session_id.to_string(),
                application_id: session.identity.app.to_string(),
                shard: session.identity.shard,
                intents: session.identity.intents,
                connected,
                seq: session.seq(),
                queued: session.queued(),
                replay,
                guilds,
                compression: compression.to_owned(),
                resumes,
            }
        };
        sessions.iter().map(describe).collect()
    }

    /// Events held back by faults.
    pub fn delayed(&self) -> usize {
        self.late.len()
    }

    pub(crate) fn record(&self, record: Record) {
        self.sandbox
            .journal
            .record(self.sandbox.clock.now_ms(), record);
    }

    /// Lets a rule strike that strikes at once: every matching live session in the order they were
    /// started, or a guild.
    pub fn strike(&self, number: u64, rule: &Rule) {
        let faults = &self.sandbox.faults;
        if let Action::Outage { guild } = &rule.action {
            let Ok(guild) = guild.parse::<Id>() else {
                return;
            };
            if faults.hit(number) {
                self.sandbox
                    .with_world(|world| world.set_outage(guild, true));
            }
            return;
        }
        let Some(order) = order_of(&rule.action) else {
            return;
        };
        for session in self.sessions() {
            let identity = &session.identity;
            let app = identity.app.to_string();
            let (connected, ..) = session.status();
            let guild = rule
                .matches
                .guild
                .as_deref()
                .filter(|g| g.parse().is_ok_and(|g: Id| session.covers(g)));
            let facts = Facts {
                token: Some(&app),
                shard: Some(identity.shard[0]),
                guild,
                ..Facts::default()
            };
            if connected && rule.matches.applies(&facts) && faults.hit(number) {
                session.order(order);
            }
        }
    }
}

/// What an immediate action means for one connection.
pub(crate) fn order_of(action: &Action) -> Option<Order> {
    match action {
        Action::GwClose { code } => Some(Order::Close(Close::Injected(*code))),
        Action::GwDrop {} => Some(Order::Drop),
        Action::GwZombie {} => Some(Order::Zombie),
        Action::GwHeartbeat {} => Some(Order::Heartbeat),
        Action::GwReconnect {} => Some(Order::Reconnect),
        Action::GwInvalid { resumable } => Some(Order::Invalidate {
            resumable: *resumable,
        }),
        _ => None,
    }
}

/// Lets whoever waits for the world have it, on this core too, before the caller takes it again.
async fn make_way() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}
