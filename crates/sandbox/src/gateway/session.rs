//! One gateway session: its numbered dispatches, kept for replay, and the connection it feeds.
//!
//! The replay buffer is the only queue: a connection reads from it at its own pace. A reader that
//! falls behind the buffer loses its session instead of growing it, so memory per session is
//! bounded whatever the client does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use splashtail_sandbox_world::world::Id;
use tokio::sync::watch;

use super::close::Close;
use super::untold::Untold;

/// Limits of a session's replay buffer.
#[derive(Debug, Clone, Copy)]
pub struct ReplayLimits {
    pub frames: usize,
    pub bytes: usize,
}

/// A dispatch without its envelope; the text is shared between the sessions that get it.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub seq: u64,
    pub name: &'static str,
    pub data: Arc<str>,
}

impl Dispatch {
    /// The payload as sent.
    pub fn payload(&self) -> String {
        let Self { seq, name, data } = self;
        format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{data}}}"#)
    }
}

/// Something the server does to a connection besides dispatching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Close(Close),
    /// Cut TCP without a close frame.
    Drop,
    /// Stop acknowledging heartbeats.
    Zombie,
    /// Op 1, which the client answers at once.
    Heartbeat,
    /// Op 7, then a close some seconds later.
    Reconnect,
    /// Op 9; `false` ends the session.
    Invalidate {
        resumable: bool,
    },
    /// Another connection resumed the session.
    Replaced,
}

/// Next thing a connection has to do.
#[derive(Debug)]
pub enum Next {
    Orders(Vec<Order>),
    Frames(Vec<Dispatch>),
    /// The connection fell behind the buffer, or the session is over.
    Lost,
    Idle,
}

/// What identify fixed for the life of a session.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Shared with the journal, which names it in every entry.
    pub session_id: Arc<str>,
    pub app: Id,
    pub bot: Id,
    pub token: String,
    pub shard: [u32; 2],
    pub intents: u64,
    pub large_threshold: u64,
}

#[derive(Debug, Default)]
struct State {
    seq: u64,
    buffer: VecDeque<Dispatch>,
    bytes: usize,
    /// Highest number that has left the buffer.
    dropped: u64,
    /// The connection being fed, and the number of the last dispatch handed to it.
    connection: Option<u64>,
    cursor: u64,
    orders: Vec<Order>,
    /// Sandbox time of the disconnection.
    gone_since_ms: Option<i64>,
    resumes: u32,
    encoding: &'static str,
}

/// A session; outlives its connections.
#[derive(Debug)]
pub struct Session {
    pub identity: Identity,
    limits: ReplayLimits,
    state: Mutex<State>,
    wake: watch::Sender<u64>,
    ended: AtomicBool,
    /// Guilds of which it has not been told yet.
    pub untold: Untold,
    /// Pieces of answers that are still being written.
    pieces: AtomicU64,
    next_connection: AtomicU64,
}

/// Why a resume is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeError {
    /// Dispatches after the client's number are gone.
    Gap,
    /// The client claims a number that was never sent.
    Ahead,
}

impl Session {
    pub fn new(identity: Identity, limits: ReplayLimits) -> Self {
        Self {
            identity,
            limits,
            state: Mutex::default(),
            wake: watch::Sender::new(0),
            ended: AtomicBool::new(false),
            untold: Untold::default(),
            pieces: AtomicU64::new(0),
            next_connection: AtomicU64::new(1),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts pieces of an answer that follow, or (negative) have followed.
    pub fn owe(&self, pieces: i64) {
        self.pieces.fetch_add(pieces as u64, Ordering::AcqRel);
    }

    /// Guilds and pieces of answers that are still to be written.
    pub fn owed(&self) -> u64 {
        self.untold.len() as u64 + self.pieces.load(Ordering::Acquire)
    }

    /// Whether `guild` belongs to the session's shard.
    pub fn covers(&self, guild: Id) -> bool {
        let [id, count] = self.identity.shard;
        guild.shard(count) == id
    }

    pub fn has_intent(&self, intent: u64) -> bool {
        self.identity.intents & intent != 0
    }

    /// Numbers and stores a dispatch, and wakes the connection; returns the number.
    pub fn dispatch(&self, name: &'static str, data: Arc<str>) -> u64 {
        let seq = {
            let mut state = self.state();
            state.seq += 1;
            let seq = state.seq;
            state.bytes += data.len();
            state.buffer.push_back(Dispatch { seq, name, data });
            while state.buffer.len() > self.limits.frames || state.bytes > self.limits.bytes {
                let Some(old) = state.buffer.pop_front() else {
                    break;
                };
                state.bytes -= old.data.len();
                state.dropped = old.seq;
            }
            seq
        };
        self.wake();
        seq
    }

    /// Tells the connection to do something; without one, only invalidation has an effect.
    pub fn order(&self, order: Order) {
        {
            let mut state = self.state();
            if state.connection.is_some() {
                state.orders.push(order);
            } else if order == (Order::Invalidate { resumable: false }) {
                self.end();
            }
        }
        self.wake();
    }

    /// Attaches the first connection, to be fed from the beginning.
    pub fn attach(&self, encoding: &'static str) -> u64 {
        let mut state = self.state();
        self.take_over(&mut state, 0, encoding)
    }

    /// Attaches a resuming connection, to be fed after `seq`; the caller dispatches RESUMED.
    pub fn resume(&self, seq: u64, encoding: &'static str) -> Result<u64, ResumeError> {
        let mut state = self.state();
        if seq > state.seq {
            return Err(ResumeError::Ahead);
        }
        if seq < state.dropped {
            return Err(ResumeError::Gap);
        }
        state.resumes += 1;
        Ok(self.take_over(&mut state, seq, encoding))
    }

    fn take_over(&self, state: &mut State, cursor: u64, encoding: &'static str) -> u64 {
        let connection = self.next_connection.fetch_add(1, Ordering::Relaxed);
        state.connection = Some(connection);
        state.cursor = cursor;
        state.gone_since_ms = None;
        state.orders.clear();
        state.encoding = encoding;
        // A connection still waiting notices that it has been replaced.
        self.wake();
        connection
    }

    /// The connection is gone; the session waits for a resume.
    pub fn detach(&self, connection: u64, now_ms: i64) {
        let mut state = self.state();
        if state.connection == Some(connection) {
            state.connection = None;
            state.gone_since_ms = Some(now_ms);
            state.orders.clear();
        }
    }

    /// Ends the session for good.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake();
    }

    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Sandbox milliseconds since the connection was lost; `None` while connected.
    pub fn gone_for_ms(&self, now_ms: i64) -> Option<i64> {
        self.state().gone_since_ms.map(|since| now_ms - since)
    }

    /// Work for `connection`: orders first, then at most `limit` dispatches.
    pub fn next(&self, connection: u64, limit: usize) -> Next {
        let mut state = self.state();
        if state.connection != Some(connection) {
            return Next::Orders(vec![Order::Replaced]);
        }
        if !state.orders.is_empty() {
            return Next::Orders(std::mem::take(&mut state.orders));
        }
        if self.is_ended() || state.cursor < state.dropped {
            return Next::Lost;
        }
        let skip = (state.cursor - state.dropped) as usize;
        let skip = skip.min(state.buffer.len());
        let frames: Vec<_> = state.buffer.range(skip..).take(limit).cloned().collect();
        match frames.last() {
            Some(last) => {
                state.cursor = last.seq;
                Next::Frames(frames)
            }
            None => Next::Idle,
        }
    }

    /// Changes whenever there may be work; look with [`Self::next`] after marking it seen.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn wake(&self) {
        self.wake.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Dispatches not yet handed to a live connection.
    pub fn queued(&self) -> u64 {
        let state = self.state();
        if state.connection.is_some() {
            state.seq - state.cursor
        } else {
            0
        }
    }

    /// Number of the newest dispatch.
    pub fn seq(&self) -> u64 {
        self.state().seq
    }

    /// For the control API: connected, encoding, replayable dispatches, resumes.
    pub fn status(&self) -> (bool, &'static str, usize, u32) {
        let state = self.state();
        (
            state.connection.is_some(),
            state.encoding,
            state.buffer.len(),
            state.resumes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(frames: usize) -> Session {
        let identity = Identity {
            session_id: "s".into(),
            app: Id(1),
            bot: Id(1),
            token: "t".into(),
            shard: [1, 4],
            intents: 0,
            large_threshold: 50,
        };
        Session::new(
            identity,
            ReplayLimits {
                frames,
                bytes: 1 << 20,
            },
        )
    }

    fn seqs(next: Next) -> Vec<u64> {
        match next {
            Next::Frames(frames) => frames.iter().map(|f| f.seq).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn resume_replays_what_was_missed_and_then_says_so() {
        let s = session(100);
        let first = s.attach("none");
        for _ in 0..5 {
            s.dispatch("X", "{}".into());
        }
        assert_eq!(seqs(s.next(first, 3)), [1, 2, 3]);
        s.detach(first, 1000);
        assert_eq!(s.dispatch("X", "{}".into()), 6);
        assert_eq!(s.resume(7, "none"), Err(ResumeError::Ahead));
        let second = s.resume(2, "none").unwrap();
        s.dispatch("RESUMED", "{}".into());
        let Next::Frames(frames) = s.next(second, 100) else {
            panic!()
        };
        assert_eq!(
            frames.iter().map(|f| f.seq).collect::<Vec<_>>(),
            [3, 4, 5, 6, 7]
        );
        assert_eq!(frames[4].name, "RESUMED");
        assert!(matches!(s.next(first, 1), Next::Orders(o) if o == [Order::Replaced]));
    }

    #[test]
    fn a_reader_behind_the_buffer_is_lost() {
        let s = session(3);
        let c = s.attach("none");
        for _ in 0..5 {
            s.dispatch("X", "{}".into());
        }
        assert!(matches!(s.next(c, 1), Next::Lost));
        assert_eq!(s.resume(1, "none"), Err(ResumeError::Gap));
        assert!(s.resume(2, "none").is_ok());
    }

    #[test]
    fn shards_follow_the_documented_formula() {
        let s = session(1);
        assert!(s.covers(Id(1_100_000_000_005_373_952)));
        assert!(!s.covers(Id(1_100_000_000_001_179_648)));
    }
}
