//! Bodies of the control API, shared by the server, [`client`](super::client), the CLI and tests.

use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use splashtail_sandbox_world::world::{Conduct, Unknown};

pub use super::happen::Happening;
pub use crate::drill::types::*;

/// `POST /ctl/as/{user}/{act}`: one act, or a raid.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Act {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guild_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The user, role, webhook, emoji or invite the act is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// Sent as `X-Audit-Log-Reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The REST body. `{n}` in strings becomes the number of the repetition, from 0.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// Attachments, sent with `body` as a multipart form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Upload>,
    /// Repetitions per actor, default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Sandbox time over which all repetitions are spread evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_ms: Option<u64>,
    /// Users that act instead of the one in the path; unknown ids are created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actors: Option<Vec<String>>,
}

/// A file of an [`Act`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    pub filename: String,
    pub content_base64: String,
}

/// Answer to an [`Act`]: one result per actor and repetition, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActResults {
    pub results: Vec<ActResult>,
}

/// A REST answer. `body` is null for 204; the status is 0 when a fault kept the answer back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActResult {
    pub status: u16,
    #[serde(default)]
    pub body: Value,
}

/// Ways a user can start an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractKind {
    Slash,
    Autocomplete,
    Button,
    Select,
    Modal,
    ContextMenu,
}

fn five_seconds() -> u64 {
    5000
}

/// `POST /ctl/as/{user}/interact`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interact {
    pub kind: InteractKind,
    /// Absent in direct messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild_id: Option<String>,
    pub channel_id: String,
    /// Command, with subcommands after spaces (`backups create`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of the button, select menu or modal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
    /// Message that carries the component; default: the newest in the channel that has
    /// `custom_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Target of a context menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<String>,
    /// Option values by name; users, roles and channels as ids, attachments as
    /// `{"filename", "content_base64"}` or plain text.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, Value>,
    /// Option being typed (autocomplete); default: the last of `options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focused: Option<String>,
    /// Chosen values of a select menu: an array; text inputs of a modal: an object by custom id.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub values: Value,
    /// How long the caller waits for the first answer, and for a deferred one to be filled in: real
    /// time, so that the wait ends when the sandbox's clock stands still.
    #[serde(default = "five_seconds")]
    pub wait_ms: u64,
}

/// What the user saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interacted {
    pub interaction_id: String,
    /// Milliseconds until the first callback, by the sandbox's clock as its deadline; absent when none
    /// came.
    pub ack_ms: Option<u64>,
    /// Type of the first callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_type: Option<u8>,
    /// The response and its follow-ups in their present state, ephemeral ones included.
    pub messages: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modal: Option<Value>,
    /// Autocomplete answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Value>,
    /// What the client shows instead of a message, as "The application did not respond".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `POST /ctl/as/{user}/consent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The full `/oauth2/authorize?…` address.
    pub authorize_url: String,
    #[serde(default = "yes")]
    pub allow: bool,
    /// Guild to add a bot to; default: `guild_id` of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild_id: Option<String>,
}

fn yes() -> bool {
    true
}

/// Where the browser would go next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consented {
    pub location: String,
}

/// `POST /ctl/clock`: any of the three, applied in this order: set, advance, rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockChange {
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advance_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

/// The clock as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockState {
    /// RFC 3339.
    pub now: String,
    pub now_ms: i64,
    pub rate: f64,
}

fn two_seconds() -> u64 {
    2000
}

/// `POST /ctl/settle`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// Real time.
    #[serde(default = "two_seconds")]
    pub timeout_ms: u64,
}

impl Default for Settle {
    fn default() -> Self {
        Self {
            timeout_ms: two_seconds(),
        }
    }
}

/// What still moves; all empty once settled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Requests being answered.
    pub requests: usize,
    /// Events delayed by a fault.
    pub delayed_events: usize,
    /// Frames not yet written, by session.
    pub frames: std::collections::BTreeMap<String, u64>,
    /// Interactions waiting for their first callback.
    pub interactions: Vec<String>,
}

impl Queued {
    pub fn is_empty(&self) -> bool {
        self.requests == 0
            && self.delayed_events == 0
            && self.frames.is_empty()
            && self.interactions.is_empty()
    }
}

/// `POST /ctl/apps`; every field has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewApp {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Exact redirect URIs. Loopback ones ending in `/ioauth/login` are always allowed.
    pub redirect_uris: Vec<String>,
    /// Application flags; default: all privileged intents on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u64>,
    /// Guilds its bot joins at once.
    pub guilds: Vec<String>,
    /// Permissions of the bot's managed role in those guilds; default Administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
}

/// A created application, with its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    pub id: String,
    pub bot_id: String,
    pub name: String,
    pub token: String,
    pub client_secret: String,
    pub redirect_uris: Vec<String>,
}

/// `POST /ctl/apps/{app}`: what the gateway grants an application from now on, and `GET
/// /gateway/bot` tells. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EditApp {
    /// Recommended shards; more are told when these do not hold every guild.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Session starts of a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_starts: Option<u32>,
    /// Of these, how many are left of the present day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_starts_left: Option<u32>,
}

/// What the gateway grants an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub shards: u32,
    pub max_concurrency: u32,
    pub session_starts: u32,
    pub session_starts_left: u32,
}

/// `POST /ctl/users`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub bot: bool,
}

/// `POST /ctl/guilds`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewGuild {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub name: String,
    pub owner_id: String,
    /// Users to add as members.
    pub members: Vec<String>,
    /// So many days ago they came, the owner too; at most 3650.
    pub joined_days_ago: u32,
    /// Applications whose bots join, with Administrator.
    pub apps: Vec<String>,
}

/// `POST /ctl/world`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadWorld {
    /// Name of a built-in world, default `small`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How it behaves; default as the sandbox was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conduct: Option<Conduct>,
}

/// A gateway session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    pub session_id: String,
    pub application_id: String,
    pub shard: [u32; 2],
    pub intents: u64,
    pub connected: bool,
    /// Number of the newest dispatch.
    pub seq: u64,
    /// Dispatches not yet written to the connection.
    pub queued: u64,
    /// Dispatches held for a resume.
    pub replay: usize,
    pub guilds: usize,
    /// `none`, `zlib-stream`, `zstd-stream` or `payload`.
    pub compression: String,
    pub resumes: u32,
}
