//! Addresses that hear of what happens in a server, as Standard Webhooks has it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a message says. Of each type it is said once of the same incident, job, request or version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum WebhookType {
    /// An attack was seen, or would have been answered.
    #[serde(rename = "incident.opened")]
    IncidentOpened,
    /// Who attacked is stopped.
    #[serde(rename = "incident.contained")]
    IncidentContained,
    /// A backup, restore or other job has ended; `state` is `completed` or `failed`.
    #[serde(rename = "job.finished")]
    JobFinished,
    /// Something waits for a second trusted person.
    #[serde(rename = "approval.opened")]
    ApprovalOpened,
    /// What became of it stands in `state`.
    #[serde(rename = "approval.decided")]
    ApprovalDecided,
    #[serde(rename = "settings.changed")]
    SettingsChanged,
    /// The server itself has changed, such as its roles or channels. Said of each change, or of several
    /// at once; `id` is the server's.
    #[serde(rename = "guild.changed")]
    GuildChanged,
    /// A backup was not made when its schedule said so; `id` is the schedule's.
    #[serde(rename = "backup.late")]
    BackupLate,
    /// Somebody tries the address.
    #[serde(rename = "test")]
    Test,
}

impl WebhookType {
    pub const ALL: [Self; 9] = [
        Self::IncidentOpened,
        Self::IncidentContained,
        Self::JobFinished,
        Self::ApprovalOpened,
        Self::ApprovalDecided,
        Self::SettingsChanged,
        Self::GuildChanged,
        Self::BackupLate,
        Self::Test,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IncidentOpened => "incident.opened",
            Self::IncidentContained => "incident.contained",
            Self::JobFinished => "job.finished",
            Self::ApprovalOpened => "approval.opened",
            Self::ApprovalDecided => "approval.decided",
            Self::SettingsChanged => "settings.changed",
            Self::GuildChanged => "guild.changed",
            Self::BackupLate => "backup.late",
            Self::Test => "test",
        }
    }
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookMessage {
    pub r#type: WebhookType,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    pub data: WebhookData,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookData {
    pub guild_id: String,
    /// Of the incident, the job, the request, the server or the schedule; of settings their version.
    pub id: String,
    /// What that was then; `null` for settings, servers and schedules.
    pub state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewWebhook {
    /// At most 64 characters.
    #[schema(max_length = 64, min_length = 1)]
    pub name: String,
    /// With `https`, at most 500 characters. What it leads to has to be on the public internet.
    #[schema(max_length = 500)]
    pub url: String,
    /// At least one.
    #[schema(min_items = 1, max_items = 9)]
    pub types: Vec<WebhookType>,
}

/// What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookChange {
    #[schema(max_length = 64, min_length = 1)]
    pub name: Option<String>,
    #[schema(max_length = 500)]
    pub url: Option<String>,
    #[schema(min_items = 1, max_items = 9)]
    pub types: Option<Vec<WebhookType>>,
    /// One that is switched on again hears of what happens from then on.
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    #[schema(value_type = Uuid)]
    pub id: String,
    pub name: String,
    pub url: String,
    pub types: Vec<WebhookType>,
    pub enabled: bool,
    /// Why it is off.
    pub off: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    /// Who has to be an administrator for it to stay on: who made it, or switched it on or changed its
    /// address since.
    pub vouched_by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// Oldest first, at most 5.
    pub webhooks: Vec<Webhook>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `whsec_` and a key in base64, which signs messages. It is shown once.
    pub secret: String,
}

/// A message and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// The `webhook-id` is `msg_` and this.
    #[schema(value_type = Uuid)]
    pub id: String,
    pub r#type: String,
    /// As it is sent.
    pub body: String,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    pub attempts: u32,
    /// When it is tried next.
    pub due_at: Option<DateTime<Utc>>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub outcome: Option<String>,
    pub created_at: DateTime<Utc>,
    pub tried_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDeliveryList {
    /// Newest first, kept for 30 days.
    pub messages: Vec<WebhookDelivery>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookOrdered {
    /// The message; how it goes stands among the messages.
    #[schema(value_type = Uuid)]
    pub message: String,
}
