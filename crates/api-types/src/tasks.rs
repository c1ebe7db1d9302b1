//! Durable tasks as callers see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use utoipa::ToSchema;

/// Kinds of owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum TargetType {
    Server,
    User,
}

/// The owner of a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct TaskFor {
    #[schema(example = "1100000000001179648")]
    pub id: String,
    pub target_type: TargetType,
}

impl TaskFor {
    pub fn server(id: GuildId) -> Self {
        Self {
            id: id.to_string(),
            target_type: TargetType::Server,
        }
    }

    pub fn user(id: UserId) -> Self {
        Self {
            id: id.to_string(),
            target_type: TargetType::User,
        }
    }
}

/// `pending -> running -> completed | failed`, or `pending -> failed`; the last two never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    Pending,
    Running,
    Completed,
    Failed,
}

impl TaskState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl StatusLevel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line of a task's log: one flat object, extra values beside the named ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusEntry {
    pub level: StatusLevel,
    /// Unix seconds with a fraction.
    pub ts: f64,
    pub msg: String,
    /// Names of extra values that are not shown in Discord.
    #[serde(
        rename = "botDisplayIgnore",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub bot_display_ignore: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// What a task was created from. Secrets are never part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskInfo {
    #[schema(example = "guild_create_backup")]
    pub name: String,
    pub task_for: TaskFor,
    /// The task's own options.
    #[schema(value_type = Object)]
    pub task_fields: Value,
    /// Nanoseconds after creation until the task disappears; 0 = never.
    pub expiry: i64,
    pub valid: bool,
    /// Whether the task goes on after its runner died.
    #[serde(default)]
    pub resumable: bool,
    /// Whether the output is encrypted with a password.
    #[serde(default)]
    pub encrypted: bool,
}

/// A file that a finished task left in the object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskOutput {
    pub filename: String,
    /// Whether the object lies below its owner's prefix instead of `tasks/`.
    pub segregated: bool,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartialTask {
    #[schema(value_type = Uuid)]
    pub task_id: TaskId,
    pub task_name: String,
    /// Nanoseconds after creation until the task disappears; `null` = never.
    pub expiry: Option<i64>,
    pub state: TaskState,
    pub created_at: DateTime<Utc>,
}

/// How far a running task is, as it told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskProgress {
    /// Of what `done` and `total` are numbers.
    #[schema(example = "messages")]
    pub what: String,
    pub done: u64,
    pub total: u64,
    /// 100 only when all is done.
    #[schema(maximum = 100)]
    pub percent: u8,
    /// An estimate; `null` while nothing is known.
    pub seconds_left: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    #[schema(value_type = Uuid)]
    pub task_id: TaskId,
    pub task_name: String,
    /// Nanoseconds after creation until the task disappears; `null` = never.
    pub expiry: Option<i64>,
    pub state: TaskState,
    pub created_at: DateTime<Utc>,
    pub output: Option<TaskOutput>,
    pub task_info: TaskInfo,
    /// Oldest first.
    pub statuses: Vec<StatusEntry>,
    pub task_for: TaskFor,
    /// `null` before it has told any.
    #[serde(default)]
    pub progress: Option<TaskProgress>,
    /// When the task is given up, if it has not ended; `null` = never.
    #[serde(default)]
    pub deadline: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// Newest first.
    pub tasks: Vec<PartialTask>,
}

/// What a server has ordered again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleList {
    pub schedules: Vec<JobSchedule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSchedule {
    pub id: String,
    /// Kind of job.
    pub job: String,
    /// Five fields of cron, in UTC.
    pub cron: String,
    /// `null`: never again.
    pub next_at: Option<DateTime<Utc>>,
    /// What it ordered last.
    #[schema(value_type = Option<Uuid>)]
    pub last_task: Option<TaskId>,
    /// So many of what it made stay; `null`: all.
    pub keep_count: Option<u32>,
    /// What is younger than so many days stays; `null`: all.
    pub keep_days: Option<u32>,
}

/// How often a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleEvery {
    SixHours,
    TwelveHours,
    Day,
    /// On Monday.
    Week,
    /// On the first.
    Month,
}

/// Backups that are made again and again: of everything but bans, going on where a channel cannot be read, and
/// taking over what an earlier one has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupSchedule {
    pub every: ScheduleEvery,
    /// At which hour, in UTC; without it 4.
    #[serde(default)]
    #[schema(maximum = 23)]
    pub hour: Option<u32>,
    /// Keep messages.
    #[serde(default)]
    pub messages: bool,
    /// Keep attachments of messages, which have to be kept, too.
    #[serde(default)]
    pub attachments: bool,
    /// How many of these backups stay; without it 7.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub keep: Option<u32>,
    /// They are deleted when they are so many days old; the newest stays.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650)]
    pub keep_days: Option<u32>,
}

/// Answer to the creation of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskCreateResponse {
    #[schema(value_type = Uuid)]
    pub task_id: TaskId,
    pub task_info: TaskInfo,
}

/// One object that a restore made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenewedId {
    /// `role`, `channel`, `thread`, `message`, `emoji` and so on.
    #[schema(example = "role")]
    pub kind: String,
    /// As in the backup.
    #[schema(example = "1100000000000000101")]
    pub old: String,
    #[schema(example = "1300000000000000202")]
    pub new: String,
}

/// A page of them, by kind and old id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RenewedIds {
    pub ids: Vec<RenewedId>,
    /// Give it as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "role:1100000000000000101")]
    pub next: Option<String>,
}

impl RenewedId {
    /// All that a report names, by kind and old id; `None` when it is no report of such a job. What kept its
    /// id is not among them.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn all_of(report: &[u8]) -> serde_json::Result<Option<Vec<Self>>> {
        #[derive(Deserialize)]
        struct Report {
            ids: Option<BTreeMap<String, BTreeMap<String, Value>>>,
        }
        let Some(ids) = serde_json::from_slice::<Report>(report)?.ids else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for (kind, of_kind) in ids {
            let pairs = of_kind
                .iter()
                .filter_map(|(old, new)| Some((old, new.as_str()?)));
            let mut changed: Vec<(&String, &str)> = pairs.filter(|(old, new)| old != new).collect();
            changed.sort_by_key(|(old, _)| (old.len(), *old));
            all.extend(changed.into_iter().map(|(old, new)| Self {
                kind: kind.clone(),
                old: old.clone(),
                new: new.to_owned(),
            }));
        }
        Ok(Some(all))
    }
}

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobsSummary {
    pub pending: u64,
    pub running: u64,
    pub completed: u64,
    pub failed: u64,
}

impl JobsSummary {
    pub const fn total(&self) -> u64 {
        self.pending + self.running + self.completed + self.failed
    }
}
