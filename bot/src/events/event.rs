//! One thing that happened in a server, as the gateway told it.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use splashtail_core::ids::{GuildId, ShardId};

use super::kind::EventKind;

/// An event of one server. Events of a server come one after another, in the order of the gateway,
/// but security events before the rest; after a reconnect some may come twice.
#[derive(Debug, Clone)]
pub struct Event {
    pub kind: EventKind,
    pub guild: GuildId,
    pub shard: ShardId,
    /// Number within the shard's session; `None` for what is no dispatch.
    pub seq: Option<u64>,
    /// Monotonic time at which the frame had been read.
    pub received: Duration,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// The dispatch's `d`.
    Raw(Bytes),
    Gap(Gap),
}

/// Why events may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// The session went on; Discord has sent what was missed, as far as it still had it.
    Resumed,
    /// Another session began; nothing is sent again, and the server has come with it.
    NewSession,
    /// The server is back from an outage.
    GuildBack,
    /// Numbers of the session were left out; the session is ended as soon as that may be.
    Hole,
}

impl GapCause {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::NewSession => "new_session",
            Self::GuildBack => "guild_back",
            Self::Hole => "hole",
        }
    }
}

/// A time in which events may have been missed, told before the first event after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub cause: GapCause,
    /// From the last event before the gap to its end.
    pub lasted: Duration,
}

/// The event's body is not what its kind promises.
#[derive(Debug, thiserror::Error)]
#[error("a {kind} that cannot be read", kind = .kind.name())]
pub struct Unreadable {
    kind: EventKind,
    #[source]
    cause: Option<serde_json::Error>,
}

impl Event {
    /// A narrow view of the dispatch's `d`: name only the fields you need, with the ids of
    /// `splashtail_core`. It may borrow from the event.
    ///
    /// # Errors
    /// The body does not have that shape, or this is no dispatch.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Unreadable> {
        let raw = self.raw().ok_or(Unreadable {
            kind: self.kind,
            cause: None,
        })?;
        serde_json::from_slice(raw).map_err(|error| self.unreadable(error))
    }

    pub(crate) fn unreadable(&self, cause: serde_json::Error) -> Unreadable {
        Unreadable {
            kind: self.kind,
            cause: Some(cause),
        }
    }

    /// The dispatch's `d`, JSON as it came; `None` for what is no dispatch.
    pub fn raw(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Raw(raw) => Some(raw),
            Body::Gap(_) => None,
        }
    }

    /// Of a [`EventKind::Gap`], and of an outage that is as old as a session.
    pub fn gap(&self) -> Option<Gap> {
        match self.body {
            Body::Gap(gap) => Some(gap),
            Body::Raw(_) => None,
        }
    }
}
