//! What happened, in order: every REST request, gateway frame and control act.
//!
//! Bounded: the oldest entries go first. Secrets never enter it; a caller is named by the id of
//! its application or user. Opcodes 1 and 11 are left out, so that the journal of a script does
//! not depend on how long it took.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::signal::Signal;

/// Entries kept before the oldest are dropped.
pub const CAPACITY: usize = 100_000;
/// Bytes of text in them before the oldest are dropped.
const MAX_TEXT: usize = 64 << 20;

/// Who made a request, without the secret it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `bot`, `bearer`, `user` (a control act), `webhook`, `interaction` or `none`.
    pub kind: Cow<'static, str>,
    /// Application, user or webhook id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A REST exchange, whether it came over HTTP or from a control act.
    Request {
        caller: Caller,
        method: String,
        path: String,
        /// The route template, absent for unknown routes.
        #[serde(skip_serializing_if = "Option::is_none")]
        route: Option<Cow<'static, str>>,
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        bucket: Option<String>,
        /// The JSON error code of the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i64>,
        /// Decoded `X-Audit-Log-Reason`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Of the request's body, see [`digest`].
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// A gateway frame.
    Frame {
        session: Arc<str>,
        shard: u32,
        /// `in` from the client, `out` to it.
        direction: Cow<'static, str>,
        op: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        s: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        t: Option<Cow<'static, str>>,
        /// Of `d` as compact JSON in the order of its keys, see [`digest`].
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// A gateway connection ended.
    Closed {
        session: Arc<str>,
        shard: u32,
        code: Option<u16>,
        /// `client`, `server` or `lost`.
        by: String,
    },
    /// A control call.
    Control {
        act: String,
        detail: serde_json::Value,
    },
    /// An exchange that Discord's description forbids.
    Violation(crate::openapi::Violation),
}

impl Record {
    /// Bytes of the text that a caller chose.
    fn text(&self) -> usize {
        match self {
            Self::Request { path, reason, .. } => {
                path.len() + reason.as_ref().map_or(0, String::len)
            }
            Self::Control { detail, .. } => text_of(detail),
            Self::Frame { .. } | Self::Closed { .. } | Self::Violation(_) => 0,
        }
    }
}

fn text_of(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    // Beside what is written, each value takes its own place in memory.
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(text_of).sum(),
            Value::Object(map) => map.iter().map(|(k, v)| k.len() + text_of(v)).sum(),
            _ => 0,
        }
}

/// A [`Record`] with its place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    /// Sandbox time, milliseconds since the Unix epoch.
    pub at_ms: i64,
    #[serde(flatten)]
    pub record: Record,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    entries: VecDeque<Entry>,
    text: usize,
}

/// The first half of the SHA-256 of what was said, in hexadecimal.
pub fn digest(said: &[u8]) -> String {
    hex::encode(&Sha256::digest(said)[..16])
}

/// The bounded log itself.
#[derive(Debug, Default)]
pub struct Journal {
    digests: AtomicBool,
    inner: Mutex<Inner>,
    grown: Signal,
}

impl Journal {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether entries carry digests, which cost time.
    pub fn set_digests(&self, on: bool) {
        self.digests.store(on, Ordering::Relaxed);
    }

    /// The digest for an entry, when entries carry one.
    pub fn digest_of(&self, said: impl FnOnce() -> Vec<u8>) -> Option<String> {
        let wanted = self.digests.load(Ordering::Relaxed);
        wanted.then(|| digest(&said()))
    }

    /// Appends `record`; returns its sequence number (from 1).
    pub fn record(&self, at_ms: i64, record: Record) -> u64 {
        let seq = {
            let mut inner = self.inner();
            inner.next += 1;
            let seq = inner.next;
            inner.text += record.text();
            inner.entries.push_back(Entry { seq, at_ms, record });
            while inner.entries.len() > CAPACITY
                || (inner.text > MAX_TEXT && inner.entries.len() > 1)
            {
                let oldest = inner.entries.pop_front();
                inner.text -= oldest.map_or(0, |entry| entry.record.text());
            }
            seq
        };
        self.grown.raise();
        seq
    }

    /// Entries after `since`, oldest first, at most `limit`.
    pub fn since(&self, since: u64, limit: usize) -> Vec<Entry> {
        let inner = self.inner();
        let skip = match inner.entries.front() {
            Some(first) => (since.saturating_add(1)).saturating_sub(first.seq) as usize,
            None => 0,
        };
        inner
            .entries
            .iter()
            .skip(skip)
            .take(limit)
            .cloned()
            .collect()
    }

    /// The number of the newest entry, 0 when empty.
    pub fn last(&self) -> u64 {
        self.inner().next
    }

    /// Tells of every entry that is added.
    pub fn grown(&self) -> &Signal {
        &self.grown
    }

    /// Forgets everything and starts counting at 1 again.
    pub fn clear(&self) {
        *self.inner() = Inner::default();
        self.grown.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(n: u32) -> Record {
        Record::Control {
            act: "say".into(),
            detail: n.into(),
        }
    }

    #[test]
    fn since_pages_and_old_entries_go_first() {
        let journal = Journal::default();
        for n in 0..(CAPACITY as u32 + 10) {
            journal.record(i64::from(n), act(n));
        }
        let page = journal.since(0, 2);
        assert_eq!(page.iter().map(|e| e.seq).collect::<Vec<_>>(), [11, 12]);
        let last = journal.last();
        assert_eq!(journal.since(last - 1, 10).len(), 1);
        assert!(journal.since(last, 10).is_empty());
        assert!(journal.since(u64::MAX, 10).is_empty());
    }

    #[test]
    fn a_few_long_entries_push_out_the_oldest_too() {
        let journal = Journal::default();
        journal.record(0, act(0));
        for _ in 0..3 {
            let detail = "x".repeat(MAX_TEXT / 2 - 1000).into();
            let act = "say".to_owned();
            journal.record(0, Record::Control { act, detail });
        }
        let kept = journal.since(0, 10);
        assert_eq!(kept.iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4]);
    }
}
