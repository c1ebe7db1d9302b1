//! Operations on a guild that bring about a state instead of making a call.
//!
//! Each takes what the caller knows, makes no call when that is the state already, makes as few as
//! possible otherwise, and may be repeated after a crash: every audit-log reason carries a
//! [`Nonce`], and an answer that never came is looked up before anything is tried again.
//!
//! What a creation came to is decided by the list of objects first and the audit log second. The
//! list shows a new object at once, so nothing happened when, for [`AUDIT_LAG`], all that is newer
//! than the intent is somebody's: an effect's whose result the caller knows ([`Acting::owned`]), or
//! one whose audit log entry lacks the nonce. An object is ours when its entry carries the nonce.
//! Entries come late, without a known bound: of what no entry claims by then, the only one that is
//! what was asked for is adopted. Everything else is [`EnsureError::Unresolved`], and a person's
//! matter once entries had [`AUDIT_SETTLED`].

mod audit;
mod ban;
mod channel;
mod create;
mod fields;
mod gone;
mod guild;
mod member;
mod message;
mod newcomers;
mod order;
mod part;
mod role;
mod thread;
mod webhook;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::client::Discord;
use crate::error::DiscordError;
use crate::request::{LONGEST_WAIT, REASON_CHARACTERS, Request};
use crate::snowflake::first_id_at;

pub use self::audit::{AUDIT_LAG, AUDIT_SETTLED};
pub use self::ban::{BULK_BAN, BulkBan};
pub use self::channel::{OverwriteOf, Viewer};
pub use self::message::ENFORCED_FOR;
pub use self::newcomers::Single;
pub use self::part::Part;
pub use self::webhook::Poster;

/// Difference between clocks that look-ups allow for, beyond what Discord's answers tell of ours.
const CLOCK_SKEW: chrono::Duration = chrono::Duration::seconds(60);
/// How far look-ups go back where nobody knows when the intent was.
const TURNED_BACK: chrono::Duration = chrono::Duration::days(1);

/// Marks one effect, so that it is recognised whoever looks it up: in the audit log reason, and as
/// the nonce of a message. At most 25 characters, which is what messages take.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(String);

impl Nonce {
    /// Of what names the effect, e.g. job and step. The same parts make the same nonce.
    pub fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize();
        Self(
            digest
                .iter()
                .take(12)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// As written in reasons and messages.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", self.0)
    }
}

/// How an operation came to the state that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Created,
    /// It was changed, or removed where that was asked for.
    Updated,
    /// It was so already.
    Unchanged,
    /// It had been made by an earlier try of the same effect.
    Adopted,
}

/// The state that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensured {
    /// How it came about.
    pub outcome: Outcome,
    /// The object as Discord has it now, as far as it was shown; `null` where there is none.
    pub object: Value,
}

impl Ensured {
    fn new(outcome: Outcome, object: Value) -> Self {
        Self { outcome, object }
    }
}

/// Why a state was not brought about.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// Discord refused or could not be reached, or it is still not known what happened.
    #[error(transparent)]
    Discord(#[from] DiscordError),
    /// The channel is hidden from the bot: what it is like is not known, so it is left alone.
    #[error("channel {0} is hidden from the bot")]
    Hidden(u64),
    /// An earlier try may have made it, and nothing tells whether and which it is.
    #[error("an earlier try may have made this {what}: {}", seen(*.candidates, *.doubt))]
    Unresolved {
        /// Kind of object.
        what: &'static str,
        /// How many could be it.
        candidates: usize,
        /// Why nothing tells.
        doubt: Doubt,
        /// Looking again will not tell more: entries had [`AUDIT_SETTLED`] to come.
        settled: bool,
    },
    /// What the caller gave lacks an id.
    #[error("the {0} given has no id")]
    Incomplete(&'static str),
}

impl EnsureError {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Discord(error) if error.is_transient())
    }

    /// Whether it may have happened all the same and a later look can tell. Repeat it with
    /// [`Acting::resumed`].
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Discord(error) => error.is_ambiguous(),
            Self::Unresolved { settled, .. } => !settled,
            Self::Hidden(_) | Self::Incomplete(_) => false,
        }
    }
}

fn seen(candidates: usize, doubt: Doubt) -> String {
    match candidates {
        0 => doubt.to_string(),
        candidates => format!("{candidates} made since could be it, and {doubt}"),
    }
}

/// Why nothing tells what became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No entry of the audit log names ours.
    #[error("the audit log does not name it")]
    Silent,
    /// The bot lacks the permission.
    #[error("the bot may not read the audit log")]
    Unaudited,
    /// More came after the intent than is searched.
    #[error("too many came after it to find it among them")]
    Unread,
}

/// One effect on a guild: in which lane it stands, what the audit log will say, and what it is
/// recognised by.
#[derive(Debug, Clone)]
#[must_use]
pub struct Acting {
    discord: Discord,
    nonce: Nonce,
    since: DateTime<Utc>,
    dated: Option<DateTime<Utc>>,
    reason: String,
    resumed: bool,
    owned: HashSet<u64>,
    viewer: Viewer,
    longest_wait: Option<Duration>,
    cancelled: Option<CancellationToken>,
}

impl Discord {
    /// Carries out one effect. `since`: when its intent was recorded; look-ups go back no further.
    /// The lane is that of the client, see [`Discord::in_lane`].
    pub fn acting(&self, nonce: Nonce, since: DateTime<Utc>) -> Acting {
        Acting {
            discord: self.clone(),
            nonce,
            since,
            dated: None,
            reason: String::new(),
            resumed: false,
            owned: HashSet::new(),
            viewer: Viewer::default(),
            longest_wait: None,
            cancelled: None,
        }
    }
}

impl Acting {
    /// What people read in the audit log. The nonce follows it; what does not fit is cut.
    pub fn reason(mut self, reason: &str) -> Self {
        reason.trim().clone_into(&mut self.reason);
        self
    }

    /// The same by Discord's own time, where somebody noted it: clocks may have been set since.
    pub fn dated(mut self, at: Option<DateTime<Utc>>) -> Self {
        self.dated = at;
        self
    }

    /// The effect was begun before, in another life of the caller: look up what became of it.
    pub fn resumed(mut self, resumed: bool) -> Self {
        self.resumed = resumed;
        self
    }

    /// Ids that other effects of the caller have made or taken: never taken for this one's, however
    /// much they are like it.
    pub fn owned(mut self, ids: impl IntoIterator<Item = u64>) -> Self {
        self.owned.extend(ids);
        self
    }

    /// Who the bot is, so that it is known which new channels the list is sure to show.
    pub fn viewer(mut self, viewer: &Viewer) -> Self {
        self.viewer = viewer.clone();
        self
    }

    /// See [`Request::longest_wait`].
    pub fn longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = Some(longest_wait);
        self
    }

    /// See [`Request::cancelled_by`].
    pub fn cancelled_by(mut self, token: &CancellationToken) -> Self {
        self.cancelled = Some(token.clone());
        self
    }

    /// A request of this effect. The reason goes with everything but reads.
    fn request(&self, method: Method, path: String) -> Request {
        let reads = method.is_safe();
        let mut request = self.discord.request(method, path).repeated(self.resumed);
        if let Some(longest_wait) = self.longest_wait {
            request = request.longest_wait(longest_wait);
        }
        if let Some(token) = &self.cancelled {
            request = request.cancelled_by(token);
        }
        if reads {
            request
        } else {
            request.reason(&self.marked_reason())
        }
    }

    fn marked_reason(&self) -> String {
        let mark = self.mark();
        let room = REASON_CHARACTERS - mark.chars().count() - 1;
        let reason: String = self.reason.chars().take(room).collect();
        format!("{reason} {mark}").trim().to_owned()
    }

    fn mark(&self) -> String {
        format!("[{}]", self.nonce.as_str())
    }

    /// The smallest id that an object made by this effect can have, by Discord's time. An intent that is
    /// yet to come was dated by a clock that has been turned back since; one that is not may have been,
    /// too, and then what was noted of Discord's time tells.
    fn earliest_id(&self) -> u64 {
        let now = self.discord.inner.clock.now();
        let there = self.discord.now();
        let noted = self.dated.filter(|at| *at <= there + CLOCK_SKEW);
        let noted = noted.map(|at| at - CLOCK_SKEW);
        let counted = match self.since > now + CLOCK_SKEW {
            true => there - noted.map_or(TURNED_BACK, |_| CLOCK_SKEW),
            false => self.since - self.discord.clock_ahead() - CLOCK_SKEW,
        };
        first_id_at(noted.map_or(counted, |noted| noted.min(counted)))
    }

    /// Nothing tells what became of it. It was sent at the latest when its time in line was over.
    fn unresolved(&self, what: &'static str, candidates: usize, doubt: Doubt) -> EnsureError {
        let line = self.longest_wait.unwrap_or(LONGEST_WAIT);
        let age = (self.discord.inner.clock.now() - self.since).to_std();
        EnsureError::Unresolved {
            what,
            candidates,
            doubt,
            settled: age.is_ok_and(|age| age > line.saturating_add(AUDIT_SETTLED)),
        }
    }

    async fn wait(&self, duration: Duration) -> Result<(), DiscordError> {
        let sleep = self.discord.inner.clock.sleep(duration);
        match &self.cancelled {
            None => sleep.await,
            Some(token) => {
                let ended = token.run_until_cancelled(sleep).await;
                ended.ok_or(DiscordError::Cancelled)?;
            }
        }
        Ok(())
    }
}

/// Takes "it is not there" for the state that was asked for.
fn gone_is_fine(result: Result<Value, DiscordError>) -> Result<Ensured, EnsureError> {
    match result {
        Ok(object) => Ok(Ensured::new(Outcome::Updated, object)),
        Err(DiscordError::Api(error)) if error.is_gone() => {
            Ok(Ensured::new(Outcome::Unchanged, Value::Null))
        }
        Err(error) => Err(error.into()),
    }
}
