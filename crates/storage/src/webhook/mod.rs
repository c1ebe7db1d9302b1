mod statements;
mod store;

#[cfg(test)]
pub use statements::TURN;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};
use uuid::Uuid;

use crate::error::StorageError;
use crate::open::Storage;

/// Addresses of a guild.
pub const MOST_WEBHOOKS: u32 = 5;

/// Addresses that hear of what happens in guilds, and the messages to them. What is said, to whom and
/// when again is the caller's to judge; a message is sent by one process at a time.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// `false`: the guild has [`MOST_WEBHOOKS`] already.
    async fn add_webhook(&self, webhook: &NewWebhook) -> Result<bool, StorageError>;

    /// Oldest first.
    async fn webhooks(&self, guild: GuildId) -> Result<Vec<Webhook>, StorageError>;

    async fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StorageError>;

    /// As it is then; `None`: the guild has no such webhook. Messages to an address that is new, or on
    /// again, are tried from the first attempt on.
    async fn change_webhook(
        &self,
        guild: GuildId,
        id: Uuid,
        change: &WebhookChange,
    ) -> Result<Option<Webhook>, StorageError>;

    /// After an attempt at this address. `false`: it is off already, or elsewhere, or somebody else
    /// answers for it, or something was delivered since `silent_since`.
    async fn switch_off(
        &self,
        tried: &Webhook,
        why: &str,
        silent_since: Option<DateTime<Utc>>,
    ) -> Result<bool, StorageError>;

    /// Its messages go along. `false`: the guild has no such webhook.
    async fn remove_webhook(&self, guild: GuildId, id: Uuid) -> Result<bool, StorageError>;

    /// Webhooks that are on and behind what has happened in their guild, at most `limit`. One that cannot
    /// be read is switched off, and keeps nobody else waiting.
    async fn webhooks_behind(&self, limit: u32) -> Result<Vec<Webhook>, StorageError>;

    /// Adds messages and notes up to where events have become some, in one step. What was said before
    /// is not said again. `false`: somebody else was faster, and nothing is added.
    async fn say(
        &self,
        webhook: &Webhook,
        seen: i64,
        messages: &[NewMessage],
    ) -> Result<bool, StorageError>;

    /// Adds one message of which no event tells, unless one of its kind waits.
    async fn say_if_none_waits(
        &self,
        guild: GuildId,
        webhook: Uuid,
        message: &NewMessage,
    ) -> Result<SaidAlone, StorageError>;

    /// Takes a message that is due, by the database's clock: it is nobody else's for so long. Webhooks
    /// take turns, whatever waits for each, and `busy` ones are passed over.
    async fn take_due(
        &self,
        for_long: Duration,
        busy: &Busy,
    ) -> Result<Option<DueMessage>, StorageError>;

    /// What an attempt came to. `again`: when it is tried once more, from now on.
    async fn tried(&self, message: Uuid, tried: &Tried) -> Result<(), StorageError>;

    /// Has a message that has ended sent once more. `false`: it has not, or the webhook has none such.
    async fn send_again(&self, webhook: Uuid, message: Uuid) -> Result<bool, StorageError>;

    /// The newest messages, or those that come after the message `before` in that order.
    async fn messages(
        &self,
        webhook: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StorageError>;

    /// Deletes messages that have ended and are older, at most [`crate::PURGED_AT_ONCE`]; how many.
    async fn purge_messages(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    pub id: Uuid,
    pub guild: GuildId,
    pub name: String,
    pub url: String,
    /// Types of messages that it takes.
    pub types: Vec<String>,
    /// Sealed.
    pub secret: Vec<u8>,
    pub created_by: UserId,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: Uuid,
    pub guild: GuildId,
    pub name: String,
    pub url: String,
    pub types: Vec<String>,
    /// Sealed.
    pub secret: Vec<u8>,
    /// The event up to which messages were made.
    pub seen: i64,
    /// Why nothing is sent; `None`: it is on.
    pub off: Option<String>,
    pub created_by: UserId,
    pub created_at: DateTime<Utc>,
    /// Whose rights in the guild it takes: its maker's at first.
    pub vouched_by: UserId,
}

/// What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChange {
    pub name: Option<String>,
    pub url: Option<String>,
    pub types: Option<Vec<String>>,
    pub switch: Option<WebhookSwitch>,
    pub vouched_by: Option<UserId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookSwitch {
    On,
    /// And why; not empty.
    Off(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum SaidAlone {
    Said,
    /// Another one of its kind has not ended.
    Waits,
    /// The guild has no such webhook.
    NoWebhook,
}

/// Whose share of what is sent at a time is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Busy {
    /// As [`address`] has them.
    pub addresses: Vec<String>,
    pub guilds: Vec<GuildId>,
    /// The share that a guild has of an address.
    pub both: Vec<(GuildId, String)>,
}

/// What a URL leads to: scheme, host and port. Nothing of it is checked or written otherwise.
pub fn address(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    end.and_then(|end| url.get(..host + end)).unwrap_or(url)
}

impl Webhook {
    /// The name under which the data key seals a webhook's secret.
    pub fn secret_name(id: Uuid) -> String {
        format!("webhook {id}")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub id: Uuid,
    pub kind: String,
    /// What it is about. Of each kind that is said once.
    pub subject: String,
    /// JSON as it is sent.
    pub body: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMessage {
    pub id: Uuid,
    pub webhook: Webhook,
    pub body: String,
    /// This one counts.
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub end: TriedEnd,
    /// For people: why not.
    pub outcome: String,
    pub status: Option<u16>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedEnd {
    Delivered,
    Failed,
    Again(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    Waiting,
    Delivered,
    Failed,
}

impl MessageState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a message")]
pub struct UnknownMessageState;

impl std::str::FromStr for MessageState {
    type Err = UnknownMessageState;

    fn from_str(text: &str) -> Result<Self, UnknownMessageState> {
        let all = [Self::Waiting, Self::Delivered, Self::Failed];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownMessageState)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    pub id: Uuid,
    pub kind: String,
    pub subject: String,
    pub body: String,
    pub state: MessageState,
    pub attempts: u32,
    pub due_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub status: Option<u16>,
    pub created_at: DateTime<Utc>,
    pub tried_at: Option<DateTime<Utc>>,
}

impl Storage {
    pub fn webhooks(&self) -> &dyn WebhookStore {
        self.engine()
    }
}
