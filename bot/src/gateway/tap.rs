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
/// Between two sessions of a shard that are ended for their holes: Discord counts identifies.
const ENDS_APART: Duration = Duration::from_hours(1);

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
    /// When the session was last known to be alive, and whole.
    alive: Duration,
    /// Numbers were left out: what is known of the shard's servers may be wrong until a new session
    /// tells of them anew.
    has_hole: bool,
    /// It is to end for its hole. Should the shard not hear of that and resume it, the next dispatch
    /// ends it again.
    ends: bool,
    /// When a session began in place of one that had to end for its hole.
    ended: Option<Duration>,
}

/// Where a dispatch stands among the others of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Next,
    /// It has been here before.
    Repeated,
    /// Others are missing before it; so long nothing was heard.
    Hole(Duration),
    /// Others are missing before it, or were before an earlier one, and it is time to begin anew.
    Last,
}

/// What becomes of a session with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    GoesOn,
    /// Events of it are lost: the shard has to begin another one.
    Ends,
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
    pub async fn see(&self, shard: ShardId, watched: &mut Watched, frame: &Bytes) -> Seen {
        let received = self.clock.monotonic();
        let Some(head) = Head::scan(frame).filter(|head| head.op == Some(DISPATCH)) else {
            self.alive(shard, watched, received);
            return Seen::GoesOn;
        };
        match head.name.as_deref().unwrap_or_default() {
            b"READY" => {
                watched.established = true;
                self.begin(shard, &head, received, frame).await;
                Seen::GoesOn
            }
            b"RESUMED" => {
                watched.established = true;
                self.resumed(shard, &head, received).await
            }
            name => {
                let kind = EventKind::of_name(name);
                let is_delete = name == b"GUILD_DELETE";
                let wanted = is_delete || self.router.wants(kind);
                let turn = self.turn(shard, watched, &head, received);
                let seen = match turn {
                    Turn::Repeated => return Seen::GoesOn,
                    turn => self.after(turn, shard, received).await,
                };
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
                seen
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
        let lasted = before.map_or(Duration::ZERO, |before| {
            self.router.count_gap(GapCause::NewSession);
            received.saturating_sub(before.alive)
        });
        match serde_json::from_slice::<Whole>(frame) {
            Ok(Whole { d: ready }) => {
                let address = ready.resume_gateway_url.as_deref();
                self.addresses.note(shard, address);
                let guilds: Vec<_> = ready.guilds.iter().map(|guild| guild.id).collect();
                let own_user = ready.user.map(|user| user.id);
                let begun = self.router.guilds().begin(shard, own_user, &guilds);
                // Those that are not in an outage come one by one, and hear then what they missed.
                let out = Body::Gap(Gap {
                    cause: GapCause::NewSession,
                    lasted,
                });
                let gone = Body::Raw(Bytes::from_static(b"{}"));
                let out = begun
                    .known
                    .iter()
                    .map(|guild| (guild, EventKind::GuildUnavailable, &out));
                let gone = begun
                    .gone
                    .iter()
                    .map(|guild| (guild, EventKind::GuildGone, &gone));
                for (guild, kind, body) in out.chain(gone) {
                    self.router
                        .offer(Event {
                            kind,
                            guild: *guild,
                            shard,
                            seq: None,
                            received,
                            body: body.clone(),
                        })
                        .await;
                }
            }
            Err(error) => warn!(shard.id = %shard, %error, "a READY that cannot be read"),
        }
        let session = Session {
            seq: head.seq.unwrap_or_default(),
            alive: received,
            has_hole: false,
            ends: false,
            ended: before.and_then(|before| match before.ends {
                true => Some(received),
                false => before.ended,
            }),
        };
        self.sessions().insert(shard, session);
    }

    async fn resumed(&self, shard: ShardId, head: &Head<'_>, received: Duration) -> Seen {
        let ends = |session: &Session| session.ends;
        if self.sessions().get(&shard).is_some_and(ends) {
            return Seen::Ends;
        }
        // What Discord did not keep is left out in what it sends again.
        let turn = self.turn(shard, &Watched::default(), head, received);
        let seen = self.after(turn, shard, received).await;
        if seen == Seen::Ends {
            return seen;
        }
        let alive = self.sessions().get(&shard).map(|session| session.alive);
        let lasted = alive.map(|alive| received.saturating_sub(alive));
        if let Some(lasted) = lasted.filter(|lasted| *lasted >= SHORT) {
            self.gap(shard, GapCause::Resumed, lasted, received).await;
        }
        if let Some(session) = self.sessions().get_mut(&shard) {
            session.seq = session.seq.max(head.seq.unwrap_or_default());
            session.alive = received;
        }
        seen
    }

    fn turn(&self, shard: ShardId, watched: &Watched, head: &Head<'_>, received: Duration) -> Turn {
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(&shard) else {
            return Turn::Next;
        };
        let lasted = received.saturating_sub(session.alive);
        let turn = match head.seq {
            Some(seq) if seq <= session.seq => Turn::Repeated,
            Some(seq) if seq > session.seq + 1 => Turn::Hole(lasted),
            _ => Turn::Next,
        };
        session.has_hole |= matches!(turn, Turn::Hole(_));
        let rested = |at| received.saturating_sub(at) >= ENDS_APART;
        if session.has_hole && turn != Turn::Repeated && session.ended.is_none_or(rested) {
            session.ends = true;
            return Turn::Last;
        }
        if watched.established {
            session.alive = received;
        }
        turn
    }

    /// What was left out before a dispatch is told before it.
    async fn after(&self, turn: Turn, shard: ShardId, received: Duration) -> Seen {
        match turn {
            Turn::Next | Turn::Repeated => Seen::GoesOn,
            Turn::Hole(lasted) => {
                self.gap(shard, GapCause::Hole, lasted, received).await;
                Seen::GoesOn
            }
            // The next session tells of it, and of all servers as they are.
            Turn::Last => {
                self.router.count_gap(GapCause::Hole);
                Seen::Ends
            }
        }
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
