//! What the process learns from the frames that pass: the session's address, the servers of a shard,
//! gaps, and the events of servers for the router.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_gateway::Head;
use tracing::warn;
use url::Url;

use super::addresses::Addresses;
use crate::events::{Body, Event, EventKind, Gap, GapCause, Router};

/// Opcode of a dispatch (gateway documentation, "Gateway Opcodes").
const DISPATCH: u64 = 0;
/// A session that was away for less has missed nothing: Discord sends what it kept.
const SHORT: Duration = Duration::from_secs(3);

/// Sees every frame that Discord sends to this process's shards.
pub struct Tap {
    router: Arc<Router>,
    addresses: Addresses,
    clock: SharedClock,
    sessions: Mutex<BTreeMap<ShardId, Session>>,
}

/// A shard's session as far as it came here.
#[derive(Debug, Clone, Copy)]
struct Session {
    /// Of the last dispatch that went to the router; what is sent again does not.
    seq: u64,
    /// When the session was last known to be alive.
    alive: Duration,
}

/// What one connection has shown so far.
#[derive(Debug, Default)]
pub struct Watched {
    /// Its session has begun or goes on.
    established: bool,
}

impl Tap {
    /// `gateway` is the address that Discord's API names.
    pub fn new(gateway: Url, router: Arc<Router>, clock: SharedClock) -> Self {
        Self {
            router,
            addresses: Addresses::new(gateway),
            clock,
            sessions: Mutex::default(),
        }
    }

    /// Takes what it can use of a frame. Waits only while a mailbox is full that may leave nothing
    /// out.
    pub async fn see(&self, shard: ShardId, watched: &mut Watched, frame: &Bytes) {
        let received = self.clock.monotonic();
        let Some(head) = Head::scan(frame).filter(|head| head.op == Some(DISPATCH)) else {
            self.alive(shard, watched, received);
            return;
        };
        match head.name.as_deref().unwrap_or_default() {
            b"READY" => {
                watched.established = true;
                self.begin(shard, &head, received, frame).await;
            }
            b"RESUMED" => {
                watched.established = true;
                self.resumed(shard, &head, received).await;
            }
            name => {
                let kind = EventKind::of_name(name);
                let is_delete = name == b"GUILD_DELETE";
                let wanted = is_delete || self.router.wants(kind);
                let Some(hole) = self.is_new(shard, watched, &head, received) else {
                    return;
                };
                if hole {
                    self.gap(shard, GapCause::Hole, Duration::ZERO, received)
                        .await;
                }
                if kind == EventKind::InteractionCreate
                    && let Some(place) = head.place(frame)
                {
                    self.router.interaction(frame.slice(place.body));
                }
                if wanted {
                    self.route(shard, kind, is_delete, &head, received, frame)
                        .await;
                }
                // Only now: the connection may end while a mailbox is full, and then it comes again.
                if let Some((session, seq)) = self.sessions().get_mut(&shard).zip(head.seq) {
                    session.seq = session.seq.max(seq);
                }
            }
        }
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    async fn begin(&self, shard: ShardId, head: &Head<'_>, received: Duration, frame: &Bytes) {
        #[derive(Deserialize)]
        struct Whole {
            d: Ready,
        }
        #[derive(Deserialize)]
        struct Ready {
            user: Option<Named<UserId>>,
            #[serde(default)]
            guilds: Vec<Named<GuildId>>,
            resume_gateway_url: Option<String>,
        }
        #[derive(Deserialize)]
        struct Named<T> {
            id: T,
        }
        let before = self.sessions().get(&shard).copied();
        if let Some(before) = before {
            let lasted = received.saturating_sub(before.alive);
            self.gap(shard, GapCause::NewSession, lasted, received)
                .await;
        }
        match serde_json::from_slice::<Whole>(frame) {
            Ok(Whole { d: ready }) => {
                let address = ready.resume_gateway_url.as_deref();
                self.addresses.note(shard, address);
                let guilds: Vec<_> = ready.guilds.iter().map(|guild| guild.id).collect();
                let own_user = ready.user.map(|user| user.id);
                let gone = self.router.guilds().begin(shard, own_user, &guilds);
                for guild in gone {
                    self.router
                        .offer(Event {
                            kind: EventKind::GuildGone,
                            guild,
                            shard,
                            seq: None,
                            received,
                            body: Body::Raw(Bytes::from_static(b"{}")),
                        })
                        .await;
                }
            }
            Err(error) => warn!(shard.id = %shard, %error, "a READY that cannot be read"),
        }
        let session = Session {
            seq: head.seq.unwrap_or_default(),
            alive: received,
        };
        self.sessions().insert(shard, session);
    }

    async fn resumed(&self, shard: ShardId, head: &Head<'_>, received: Duration) {
        let alive = self.sessions().get(&shard).map(|session| session.alive);
        let lasted = alive.map(|alive| received.saturating_sub(alive));
        if let Some(lasted) = lasted.filter(|lasted| *lasted >= SHORT) {
            self.gap(shard, GapCause::Resumed, lasted, received).await;
        }
        if let Some(session) = self.sessions().get_mut(&shard) {
            session.seq = session.seq.max(head.seq.unwrap_or_default());
            session.alive = received;
        }
    }

    /// `None` when a dispatch has been here before; else whether others are missing before it.
    fn is_new(
        &self,
        shard: ShardId,
        watched: &Watched,
        head: &Head<'_>,
        received: Duration,
    ) -> Option<bool> {
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&shard) else {
            return Some(false);
        };
        if watched.established {
            session.alive = received;
        }
        let Some(seq) = head.seq else {
            return Some(false);
        };
        (seq > session.seq).then_some(seq > session.seq + 1)
    }

    async fn route(
        &self,
        shard: ShardId,
        kind: EventKind,
        is_delete: bool,
        head: &Head<'_>,
        received: Duration,
        frame: &Bytes,
    ) {
        let Some(place) = head.place(frame) else {
            return;
        };
        let kind = match (is_delete, place.unavailable) {
            (false, _) => kind,
            (true, true) => EventKind::GuildUnavailable,
            (true, false) => EventKind::GuildGone,
        };
        let guild = match kind {
            EventKind::GuildCreate
            | EventKind::GuildUpdate
            | EventKind::GuildGone
            | EventKind::GuildUnavailable => place.id,
            _ => place.guild_id,
        };
        // What belongs to no server protects none.
        let Some(guild) = guild else { return };
        self.router
            .offer(Event {
                kind,
                guild,
                shard,
                seq: head.seq,
                received,
                body: Body::Raw(frame.slice(place.body)),
            })
            .await;
    }

    async fn gap(&self, shard: ShardId, cause: GapCause, lasted: Duration, received: Duration) {
        self.router
            .gap(shard, Gap { cause, lasted }, received)
            .await;
    }

    fn alive(&self, shard: ShardId, watched: &Watched, received: Duration) {
        if watched.established
            && let Some(session) = self.sessions().get_mut(&shard)
        {
            session.alive = received;
        }
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<ShardId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
