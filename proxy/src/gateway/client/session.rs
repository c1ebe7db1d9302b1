//! A client's session: it outlives its connections, and its place in the logs is all it needs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::GuildId;
use tokio::sync::Notify;

use super::feed::{Feed, Logs};
use crate::gateway::cache::Known;
use crate::gateway::event::{Frame, SessionId, Sight};
use crate::gateway::intents::GUILDS;
use crate::gateway::log::Log;
use crate::gateway::shard::{Shard, Status};

/// A numbered frame to be written.
#[derive(Debug)]
pub struct Outgoing {
    pub seq: u64,
    pub frame: Frame,
    /// When it came from Discord.
    pub at: Option<Duration>,
}

/// What a connection does next for its session.
#[derive(Debug)]
pub enum Next {
    Frames(Vec<Outgoing>),
    Idle,
    /// Another connection has the session.
    Replaced,
    /// Discord's session is another one: the client begins anew.
    Over,
    /// The client is behind what is kept.
    Lost,
    Refused(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeError {
    /// The number was never sent.
    Ahead,
    Lost,
}

/// The client's shards of ours.
#[derive(Clone)]
pub struct Sources(Arc<[Arc<Shard>]>);

impl Sources {
    /// Those that can have events for a client's shard: server ids with `id % count == shard` and
    /// `id % all.len() == source` exist when both agree modulo the greatest common divisor.
    pub fn of(all: &[Arc<Shard>], (shard, count): (u16, u16)) -> Self {
        let common = usize::from(gcd(count, u16::try_from(all.len()).unwrap_or(u16::MAX)));
        let sources = all
            .iter()
            .enumerate()
            .filter(|(source, _)| source % common.max(1) == usize::from(shard) % common.max(1));
        Self(sources.map(|(_, shard)| Arc::clone(shard)).collect())
    }

    pub fn shards(&self) -> &[Arc<Shard>] {
        &self.0
    }

    /// Whether they are the very same shards.
    pub fn are(&self, others: &Self) -> bool {
        let pairs = self.0.iter().zip(others.0.iter());
        self.0.len() == others.0.len()
            && pairs
                .into_iter()
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// With others behind them.
    fn and(&self, more: &Self) -> Self {
        Self(self.0.iter().chain(more.0.iter()).cloned().collect())
    }
}

fn gcd(a: u16, b: u16) -> u16 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

impl Logs for Sources {
    fn with<T>(&self, source: usize, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.0[source].inner().log)
    }
}

pub struct Session {
    pub key: String,
    pub sight: Sight,
    /// Payloads are compressed one by one; of the session, whatever the connection.
    pub compress: bool,
    /// How many shards of ours there were when it began.
    total: u16,
    /// Of what is new for it.
    pub news: Arc<Notify>,
    state: Mutex<State>,
}

struct State {
    /// Those from which it hears, and behind them those that took their place.
    sources: Sources,
    feed: Feed,
    /// Servers that it has yet to be told of.
    untold: VecDeque<GuildId>,
    epochs: Vec<u64>,
    connection: Option<u64>,
    /// Without a connection since.
    gone: Duration,
    /// READY was taken.
    greeted: bool,
    behind: bool,
}

/// What of a session outlives the process.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptSession {
    pub id: SessionId,
    pub key: String,
    pub shard: (u16, u16),
    pub intents: u64,
    pub compress: bool,
    feed: Feed,
    epochs: Vec<u64>,
}

impl KeptSession {
    /// Whether its place in the logs is one that they have, or had.
    pub fn fits(&self, sources: &Sources) -> bool {
        self.epochs.len() == sources.shards().len() && self.feed.fits(sources, self.epochs.len())
    }
}

impl Session {
    /// A session as of now: what happens from here on is told after the servers are.
    pub fn new(
        key: String,
        sight: Sight,
        compress: bool,
        sources: Sources,
        total: u16,
        connection: u64,
    ) -> (Self, Vec<GuildId>) {
        let news = Arc::new(Notify::new());
        let (mut next, mut epochs, mut guilds) = (Vec::new(), Vec::new(), Vec::new());
        for shard in sources.shards() {
            let mut inner = shard.inner();
            next.push(inner.log.head());
            epochs.push(inner.epoch);
            guilds.extend(inner.guilds.ids().filter(|guild| sight.covers(*guild)));
            inner.listen(sight.session, Arc::clone(&news));
        }
        guilds.sort_unstable();
        let untold = match sight.intents & GUILDS {
            0 => VecDeque::new(),
            _ => guilds.iter().copied().collect(),
        };
        let session = Self {
            key,
            sight,
            compress,
            total,
            news,
            state: Mutex::new(State {
                sources,
                feed: Feed::new(next),
                untold,
                epochs,
                connection: Some(connection),
                gone: Duration::ZERO,
                greeted: false,
                behind: true,
            }),
        };
        (session, guilds)
    }

    /// `None` when it cannot go on.
    pub fn keep(&self) -> Option<KeptSession> {
        let state = self.state();
        // Whoever was not told of all servers begins anew.
        state.untold.is_empty().then(|| KeptSession {
            id: self.sight.session,
            key: self.key.clone(),
            shard: self.sight.shard,
            intents: self.sight.intents,
            compress: self.compress,
            feed: state.feed.clone(),
            epochs: state.epochs.clone(),
        })
    }

    pub fn restore(
        kept: KeptSession,
        sight: Sight,
        sources: Sources,
        total: u16,
        now: Duration,
    ) -> Self {
        let news = Arc::new(Notify::new());
        for shard in sources.shards() {
            shard.inner().listen(sight.session, Arc::clone(&news));
        }
        Self {
            key: kept.key,
            sight,
            compress: kept.compress,
            total,
            news,
            state: Mutex::new(State {
                sources,
                feed: kept.feed,
                untold: VecDeque::new(),
                epochs: kept.epochs,
                connection: None,
                gone: now,
                greeted: true,
                behind: true,
            }),
        }
    }

    /// The shards that it hears from.
    pub fn sources(&self) -> Sources {
        self.state().sources.clone()
    }

    /// Goes on with shards that take the place of its own, from where they are now. Whoever is in the
    /// middle of a login begins anew.
    pub fn follow(&self, more: &Sources) {
        let mut state = self.state();
        if !state.untold.is_empty() || !state.greeted {
            drop(state);
            return self.kick();
        }
        for shard in more.shards() {
            let mut inner = shard.inner();
            state.feed.extend([inner.log.head()]);
            state.epochs.push(inner.epoch);
            inner.listen(self.sight.session, Arc::clone(&self.news));
        }
        state.sources = state.sources.and(more);
    }

    /// The number of READY.
    pub fn greet(&self) -> u64 {
        let mut state = self.state();
        state.greeted = true;
        state.feed.number()
    }

    /// Another connection goes on behind `seq`.
    ///
    /// # Errors
    /// See [`ResumeError`].
    pub fn attach(&self, connection: u64, seq: u64) -> Result<(), ResumeError> {
        let mut state = self.state();
        if seq > state.feed.sent() {
            return Err(ResumeError::Ahead);
        }
        if !state.untold.is_empty() || !Self::is_current(&state) {
            return Err(ResumeError::Lost);
        }
        let sources = state.sources.clone();
        state
            .feed
            .rewind(&sources, seq)
            .map_err(|_| ResumeError::Lost)?;
        state.connection = Some(connection);
        state.behind = true;
        drop(state);
        // For the connection before.
        self.news.notify_waiters();
        Ok(())
    }

    /// The connection is gone, the session waits.
    pub fn detach(&self, connection: u64, now: Duration) {
        let mut state = self.state();
        if state.connection == Some(connection) {
            state.connection = None;
            state.gone = now;
        }
    }

    /// Without a connection since.
    pub fn gone(&self) -> Option<Duration> {
        let state = self.state();
        state.connection.is_none().then_some(state.gone)
    }

    pub fn is_attached(&self, connection: u64) -> bool {
        self.state().connection == Some(connection)
    }

    /// Bytes of the logs that the client has not come to.
    pub fn behind(&self) -> u64 {
        self.state().behind_bytes()
    }

    /// The client has caught up since it came, and is behind again by more than this.
    pub fn is_behind(&self, bytes: u64) -> bool {
        let state = self.state();
        !state.behind && state.behind_bytes() > bytes
    }

    fn is_current(state: &State) -> bool {
        let shards = state.sources.shards().iter().zip(&state.epochs);
        shards
            .into_iter()
            .all(|(shard, epoch)| shard.inner().epoch == *epoch)
    }

    /// The next frames for a connection, about so many bytes of them.
    pub fn next(&self, connection: u64, bytes: usize) -> Next {
        let mut state = self.state();
        let sources = state.sources.clone();
        for shard in sources.shards() {
            if let Status::Refused(code) = shard.status() {
                return Next::Refused(code);
            }
        }
        if state.connection != Some(connection) {
            return Next::Replaced;
        }
        if !state.greeted {
            return Next::Idle;
        }
        if !Self::is_current(&state) {
            return Next::Over;
        }
        let told = self.tell(&mut state, bytes);
        if !told.is_empty() {
            return Next::Frames(told);
        }
        match state.feed.pull(&sources, &self.sight, bytes) {
            Err(_) => Next::Lost,
            Ok(pulled) => {
                let more = state.behind_bytes() > 0;
                state.behind &= more;
                if pulled.is_empty() && !more {
                    return Next::Idle;
                }
                let outgoing = pulled.into_iter().map(|event| Outgoing {
                    seq: event.seq,
                    at: Some(event.event.at),
                    frame: event.frame,
                });
                Next::Frames(outgoing.collect())
            }
        }
    }

    /// Of the servers that it was not told of.
    fn tell(&self, state: &mut State, bytes: usize) -> Vec<Outgoing> {
        let (mut told, mut room) = (Vec::new(), bytes);
        while room > 0 {
            let Some(guild) = state.untold.pop_front() else {
                break;
            };
            let source = guild.shard(self.total).get();
            let shards = state.sources.shards();
            let Some(place) = shards.iter().position(|shard| shard.id == source) else {
                continue;
            };
            let shard = &shards[place];
            let (known, head) = {
                let mut inner = shard.inner();
                (inner.guilds.get(guild), inner.log.head())
            };
            let frame = match known {
                // Its event comes, or its end has come.
                None | Some(Known::Announced) => continue,
                Some(Known::Away) => {
                    let body = format!(r#"{{"unavailable":true,"id":"{guild}"}}"#);
                    Frame::dispatch("GUILD_DELETE", &body)
                }
                Some(Known::There(body)) => match self.sight.of_guild(&body) {
                    Some(body) => Frame::dispatch("GUILD_CREATE", &body),
                    None => Frame::dispatch("GUILD_CREATE", &String::from_utf8_lossy(&body)),
                },
            };
            state.feed.show(guild, place, head);
            room = room.saturating_sub(frame.len());
            told.push(Outgoing {
                seq: state.feed.number(),
                frame,
                at: None,
            });
        }
        told
    }

    /// Its connection is to begin anew.
    pub fn kick(&self) {
        for epoch in &mut self.state().epochs {
            *epoch = u64::MAX;
        }
        self.news.notify_one();
    }

    /// Nobody comes back to it. Where it was the one that speaks.
    pub fn end(&self) -> Vec<(Arc<Shard>, GuildId)> {
        let mut left = Vec::new();
        for shard in self.sources().shards() {
            let guilds = shard.inner().leave(self.sight.session);
            left.extend(guilds.into_iter().map(|guild| (Arc::clone(shard), guild)));
        }
        left
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn behind_bytes(&self) -> u64 {
        self.feed.behind(&self.sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::log::Limits;

    #[test]
    fn a_client_hears_of_the_shards_that_have_its_servers() {
        let limits = Limits {
            bytes: 1,
            age: Duration::ZERO,
        };
        let all = |count: u16| -> Vec<_> {
            (0..count)
                .map(|id| Arc::new(Shard::new(id, limits, Duration::ZERO).unwrap()))
                .collect()
        };
        for count in 1..7_u16 {
            let all = all(count);
            for clients in 1..9_u16 {
                for client in 0..clients {
                    let sources = Sources::of(&all, (client, clients));
                    let sources: Vec<_> = sources.shards().iter().map(|s| s.id).collect();
                    let mut expected: Vec<u16> = (0..1000_u16)
                        .filter(|id| id % clients == client)
                        .map(|id| id % count)
                        .collect();
                    expected.sort_unstable();
                    expected.dedup();
                    assert_eq!(sources, expected, "{client} of {clients} on {count}");
                }
            }
        }
    }
}
