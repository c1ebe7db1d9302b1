//! One of the proxy's own shards: what Discord has told it, for clients to read.
//!
//! A frame changes the cache and enters the log under one lock, so whoever holds it sees a cache
//! that is exactly as the log's head says.

mod backoff;
mod budget;
mod keep;
mod ready;
mod requests;
pub mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use serde::Deserialize;
use splashtail_core::ids::GuildId;
use splashtail_gateway::{Head, Place};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};
use url::Url;

pub use budget::Budget;
pub use keep::{KeepError, Mark, Owner, Snapshot, write_whole};
pub use ready::{Own, Ready};
pub use requests::Requests;

use super::cache::json::Snowflake;
use super::cache::{Change, Guilds, Keep};
use super::commands::Commands;
use super::event::{Event, SessionId};
use super::log::{Limits, Log};
use super::twins::Twin;

/// How the connection to Discord is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not connected. Since when.
    Away(Duration),
    /// Since when.
    Connected(Duration),
    /// Discord does not want this bot, with this close code; nothing is tried any more.
    Refused(u16),
}

/// A session at Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// Of the last dispatch that was taken.
    pub seq: u64,
    pub address: Option<Url>,
}

/// Which frames Discord's session began or went on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Ready,
    Resumed,
    Event,
    /// Discord left others out before it.
    Hole,
    /// It was here before.
    Repeated,
    Unreadable,
}

/// A dispatch's number, next to the last one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Next,
    /// Others are missing before it.
    Hole,
    Known,
}

pub struct Shard {
    pub id: u16,
    pub commands: Commands,
    status: watch::Sender<Status>,
    /// Of the last heartbeat.
    latency_ms: AtomicU64,
    inner: Mutex<Inner>,
}

pub struct Inner {
    pub log: Log,
    pub guilds: Guilds,
    pub session: Option<Session>,
    pub ready: Option<Ready>,
    pub requests: Requests,
    /// Counts Discord's sessions, and the holes in them: clients of an earlier one have missed
    /// something and begin anew.
    pub epoch: u64,
    /// `false` after an earlier process's session was put back, until Discord has answered: what it
    /// sends again was told to that process's clients, so nobody begins before.
    pub settled: bool,
    /// Who speaks in a server: the one that asked last.
    speakers: HashMap<GuildId, SessionId>,
    listeners: Vec<(SessionId, Arc<Notify>)>,
    /// While another set of sessions takes this one's place, or this one another's.
    pub twin: Option<Twin>,
}

impl Shard {
    /// # Errors
    /// There is no memory for the cache's compressor.
    pub fn new(id: u16, limits: Limits, now: Duration) -> std::io::Result<Self> {
        let keep = Keep {
            own: 0,
            members: false,
            presences: false,
        };
        Ok(Self {
            id,
            commands: Commands::default(),
            status: watch::Sender::new(Status::Away(now)),
            latency_ms: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                log: Log::new(limits),
                guilds: Guilds::new(keep)?,
                session: None,
                ready: None,
                requests: Requests::default(),
                epoch: 0,
                settled: true,
                speakers: HashMap::new(),
                listeners: Vec::new(),
                twin: None,
            }),
        })
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    pub fn latency_ms(&self) -> u64 {
        self.latency_ms.load(Ordering::Relaxed)
    }

    pub fn note_latency(&self, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.latency_ms.store(took, Ordering::Relaxed);
    }

    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub fn set_status(&self, status: Status) {
        self.status.send_replace(status);
        self.inner().wake();
    }

    /// Takes a dispatch of Discord's.
    pub fn take(&self, frame: Bytes, head: &Head<'_>, now: Duration) -> Taken {
        let name = head.name.as_deref().unwrap_or_default();
        let Some(place) = head.place(&frame) else {
            return Taken::Unreadable;
        };
        let mut inner = self.inner();
        let taken = match name {
            b"READY" => inner.begin(self.id, &frame, head, &place),
            _ => {
                let number = inner.note(head);
                if number == Number::Hole {
                    inner.epoch += 1;
                    counter!("splashtail_proxy_upstream_holes_total").increment(1);
                    warn!(
                        shard.id = self.id,
                        "Discord left events out, clients begin anew"
                    );
                }
                match (name, number) {
                    (_, Number::Known) => Taken::Repeated,
                    (b"RESUMED", _) => {
                        inner.settled = true;
                        Taken::Resumed
                    }
                    _ => {
                        inner.event(frame, name, head, &place, now);
                        match number {
                            Number::Hole => Taken::Hole,
                            _ => Taken::Event,
                        }
                    }
                }
            }
        };
        inner.wake();
        drop(inner);
        if matches!(taken, Taken::Ready | Taken::Resumed) {
            self.set_status(Status::Connected(now));
        }
        taken
    }
}

impl Inner {
    pub fn listen(&mut self, session: SessionId, notify: Arc<Notify>) {
        self.listeners.push((session, notify));
    }

    /// Where the client was the one that speaks.
    pub fn leave(&mut self, session: SessionId) -> Vec<GuildId> {
        self.listeners.retain(|(listener, _)| *listener != session);
        let left = self.speakers.extract_if(|_, speaker| *speaker == session);
        left.map(|(guild, _)| guild).collect()
    }

    pub fn speaker(&self, guild: GuildId) -> Option<SessionId> {
        self.speakers.get(&guild).copied()
    }

    /// A client joins or leaves a voice channel.
    pub fn speaks(&mut self, guild: GuildId, session: SessionId) {
        self.speakers.insert(guild, session);
    }

    /// Every server that Discord announced has come, or is out.
    pub fn is_filled(&self) -> bool {
        self.greeting().is_some() && self.guilds.announced() == 0
    }

    pub fn clients(&self) -> usize {
        self.listeners.len()
    }

    pub fn wake(&self) {
        for (_, notify) in &self.listeners {
            notify.notify_one();
        }
    }

    /// The READY for clients that begin now.
    pub fn greeting(&self) -> Option<&Ready> {
        self.ready.as_ref().filter(|_| self.settled)
    }

    /// Something that the proxy tells some sessions.
    pub fn tell(&mut self, event: Event) {
        self.log.append(event);
        self.wake();
    }

    fn note(&mut self, head: &Head<'_>) -> Number {
        let Some(session) = self.session.as_mut() else {
            return Number::Known;
        };
        let Some(seq) = head.seq else {
            return Number::Next;
        };
        if seq <= session.seq {
            return Number::Known;
        }
        let before = std::mem::replace(&mut session.seq, seq);
        match seq == before + 1 {
            true => Number::Next,
            false => Number::Hole,
        }
    }

    fn begin(&mut self, shard: u16, frame: &Bytes, head: &Head<'_>, place: &Place) -> Taken {
        let body = frame.slice(place.body.clone());
        let (ready, facts) = match Ready::read(body) {
            Ok(read) => read,
            Err(error) => {
                warn!(shard.id = shard, %error, "a READY that cannot be read");
                return Taken::Unreadable;
            }
        };
        if self.ready.is_some() {
            info!(shard.id = shard, "a new session, clients begin anew");
        }
        self.epoch += 1;
        self.settled = true;
        self.guilds.begin(facts.own, facts.guilds);
        self.requests = Requests::default();
        self.session = Some(Session {
            id: facts.session_id,
            seq: head.seq.unwrap_or_default(),
            address: facts.address,
        });
        self.ready = Some(ready);
        Taken::Ready
    }

    fn event(&mut self, frame: Bytes, name: &[u8], head: &Head<'_>, place: &Place, now: Duration) {
        let event = Event::new(frame, head, place, self.guilds.own(), now);
        let event = match name {
            b"GUILD_MEMBERS_CHUNK" => self.requests.answered(event, now),
            b"RATE_LIMITED" => self.requests.limited(event, now),
            b"VOICE_SERVER_UPDATE" => {
                let speaker = event.guild.and_then(|guild| self.speakers.get(&guild));
                let mut event = event;
                event.to = speaker.map(|speaker| Box::from([*speaker]));
                event
            }
            _ => event,
        };
        match (name, event.guild) {
            (b"GUILD_CREATE", Some(guild)) => self.guilds.create(guild, event.body()),
            (b"GUILD_DELETE", Some(guild)) => self.guilds.delete(guild, place.unavailable),
            (b"USER_UPDATE", _) => {
                if let Some(ready) = &mut self.ready {
                    ready.set_user(event.body());
                }
            }
            (name, Some(guild)) => {
                if let Some(change) = Change::of(name) {
                    self.guilds.change(guild, change, event.body(), now);
                }
            }
            _ => {}
        }
        // An answer to one client is told whoever tells it.
        let is_told = match (&self.twin, &event.to) {
            (Some(twin), None) => twin.tells(name, event.body().as_bytes(), now),
            _ => true,
        };
        if is_told {
            self.log.append(event);
        }
    }
}

/// What a READY says about the session.
#[derive(Debug)]
pub struct Facts {
    pub own: u64,
    pub guilds: Vec<GuildId>,
    pub session_id: String,
    pub address: Option<Url>,
}

impl Facts {
    fn read(body: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Body {
            user: Id,
            #[serde(default)]
            guilds: Vec<Id>,
            session_id: String,
            #[serde(default)]
            resume_gateway_url: Option<String>,
        }
        #[derive(Deserialize)]
        struct Id {
            id: Snowflake,
        }
        let body: Body = serde_json::from_str(body)?;
        let address = body.resume_gateway_url;
        Ok(Self {
            own: body.user.id.0,
            guilds: body
                .guilds
                .iter()
                .filter_map(|guild| GuildId::new(guild.id.0))
                .collect(),
            session_id: body.session_id,
            address: address.and_then(|address| address.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests;
