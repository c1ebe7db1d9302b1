//! What was stopped in a server, or would have been.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::TaskId;
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
    /// Carries out the plan that was shown, whose hash is in `plan_hash`.
    Approve,
    /// Takes back what a put-back did, whose job is in `job`; with `plan_hash` the plan that was shown.
    TakeBack,
    /// Never stops the only suspect again; as `/protection trust`, and only the owner gives it.
    Trust,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentOrder {
    pub act: IncidentAct,
    /// Of `parts` and `approve`: which, such as `roles`, `channels` or `bans`. None: all.
    #[serde(default)]
    #[schema(max_items = 25)]
    pub parts: Vec<String>,
    /// Of the plan that a put-back left as its output; its first 16 digits are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 16, max_length = 64)]
    pub plan_hash: Option<String>,
    /// The put-back that is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub job: Option<TaskId>,
}

/// Who did what and what was done about it, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentTimeline {
    /// The first act; what follows counts from it.
    pub begins_at: DateTime<Utc>,
    pub entries: Vec<TimelineEntry>,
    /// Acts that were only counted.
    pub more_acts: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Milliseconds since the first act.
    pub at_ms: u64,
    /// `theirs` or `ours`.
    pub side: String,
    /// Of an act its type, such as `channel_remove`; of a call which measure it was, such as
    /// `take_roles`.
    pub what: String,
    /// Who did it; `null` where Discord did not say, and for ours.
    pub actor: Option<String>,
    /// The object or person that it was done to.
    pub target: Option<String>,
    /// As it was called then, where that is known.
    pub name: Option<String>,
    /// Of ours: `done`, `refused`, `limited`, `down`, or `null` while it is under way and in a dry run.
    pub outcome: Option<String>,
    /// Of ours: milliseconds until Discord answered.
    pub took_ms: Option<u64>,
    /// Of ours: whether it was taken back since.
    pub returned: bool,
}

/// What a panic would take now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PanicPreview {
    /// One is on already.
    pub is_on: bool,
    /// From these roles, as far as nothing was taken from them yet.
    pub roles: Vec<PanicRole>,
    /// Roles with dangerous permissions that the bot cannot take: they stand above it, or it lacks Manage
    /// Roles.
    pub out_of_reach: Vec<String>,
    /// Invites and messages between strangers are paused for a day, again and again until it ends.
    pub pauses: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PanicRole {
    pub role_id: String,
    /// Discord's bits that it loses, as a decimal number.
    pub taken: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentOrdered {
    /// For people; the incident shows what comes of it.
    pub message: String,
    /// The put-back, or its plan, that was ordered; `null` for acts that need no job.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub job: Option<TaskId>,
}
