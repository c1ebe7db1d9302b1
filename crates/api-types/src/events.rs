//! What happens in a server, told while it happens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One event of a stream, by its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerSentEvent {
    /// Its name.
    pub event: Option<String>,
    /// With this as `Last-Event-ID` a stream goes on behind it.
    pub id: Option<String>,
    /// Milliseconds after which to come back.
    pub retry: Option<u64>,
    /// JSON as text.
    pub data: Option<String>,
}

/// Something in a server is new or other than before. What it is now is got from its own route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuildEvent {
    /// Rises with every event. The same is the event's `id`, with which a stream goes on.
    pub version: i64,
    pub kind: GuildEventKind,
    /// Of the incident, the job, the request, the server or the schedule; of settings their version.
    pub id: String,
    /// What that was then; `null` for settings, servers and schedules.
    pub state: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuildEventKind {
    /// `/guilds/{guild_id}/incidents/{incident}`, for who may list incidents.
    Incident,
    /// `/guilds/{guild_id}/jobs/{job}`, for who may list backups.
    Job,
    /// `/guilds/{guild_id}/approvals`, for who may look at them.
    Approval,
    /// `/guilds/{guild_id}/settings/history`, for who may look at that.
    Settings,
    /// The server itself has changed, such as its roles or channels; for who may look at anything else.
    /// `/users/@me/guilds/{guild_id}`
    Guild,
    /// A backup was not made when its schedule said so, for who may list backups.
    BackupLate,
}

impl GuildEventKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Job => "job",
            Self::Approval => "approval",
            Self::Settings => "settings",
            Self::Guild => "guild",
            Self::BackupLate => "backup_late",
        }
    }
}

/// The first event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamReady {
    /// What comes is behind this version.
    pub version: i64,
    /// What you are told of; what is missing you may not look at.
    pub kinds: Vec<GuildEventKind>,
    /// What was asked to go on with is forgotten: read everything anew.
    pub reset: bool,
}

/// The last event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamEnd {
    pub why: StreamEndReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamEndReason {
    /// It was as long as it may be, or was asked to be: come back with the last `id`.
    Time,
    /// This server goes; another one is there already. Come back with the last `id`.
    Restart,
    /// What you may look at has changed, or cannot be told at this time. Come back and see.
    Rights,
    /// The token has ended.
    Token,
}
