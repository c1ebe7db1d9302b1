//! What was stopped in a server, or would have been.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentSummary {
    /// A snowflake: of the moment in which it was decided.
    pub id: String,
    /// `actor`, `colluders`, `unattributed`, `tamper`, `self_token` or `webhook`.
    pub kind: String,
    /// `on`, `dry_run` or `off`.
    pub mode: String,
    /// `open`, `containing`, `contained`, `unreachable`, `failed`, `dry_run`, `returned` or `closed`.
    pub state: String,
    /// Where its message is.
    pub alert_channel: Option<String>,
    pub alert_message: Option<String>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentList {
    /// Newest first.
    pub incidents: Vec<IncidentSummary>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentDetail {
    #[serde(flatten)]
    pub incident: IncidentSummary,
    /// Suspects, rules, acts, calls, losses and times.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}

/// What people can have done about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentAct {
    /// Gives the suspects back what was taken from them.
    Undo,
    /// Notes that it was no attack, and gives back.
    Fine,
    /// Stops the suspects.
    Contain,
    /// Takes dangerous permissions from all roles of the server.
    Panic,
    /// Ends a panic.
    Calm,
    /// Puts back all that was broken.
    Back,
    /// Puts back some of it, with a plan first.
    Parts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentOrder {
    pub act: IncidentAct,
    /// Of `parts`: which, such as `roles`, `channels` or `bans`.
    #[serde(default)]
    #[schema(max_items = 25)]
    pub parts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentOrdered {
    /// For people; the incident shows what comes of it.
    pub message: String,
}
