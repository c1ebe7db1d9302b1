use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{GuildId, TaskId};

use crate::engine::Row;
use crate::error::StorageError;
use crate::owner::Owner;

/// `pending -> running -> completed | failed`, or `pending -> failed`. The last two never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        match text {
            "pending" => Ok(Self::Pending),
            "running" => Ok(Self::Running),
            "completed" => Ok(Self::Completed),
            "failed" => Ok(Self::Failed),
            _ => Err(UnknownState),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a task state")]
pub struct UnknownState;

/// The file that a task left in the object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutput {
    pub filename: String,
    /// Whether the object lies below its owner's prefix instead of `tasks/<id>/`.
    pub segregated: bool,
}

/// One job at a time per guild and kind holds the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub guild: GuildId,
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub id: TaskId,
    pub name: String,
    pub owner: Owner,
    /// The task's own options, without any secret.
    pub fields: Value,
    /// Whether the output is encrypted with a password.
    pub encrypted: bool,
    pub state: TaskState,
    pub output: Option<TaskOutput>,
    /// Whether somebody asked for it to run; a task made without that waits for `start`.
    pub requested: bool,
    /// How often in a row a runner took it and recorded nothing before it died.
    pub attempts: u32,
    /// Who runs it until when; `None` while nobody does.
    pub lease_owner: Option<String>,
    pub lease_until: Option<DateTime<Utc>>,
    /// From when on it may run, by the database's clock; the order within a priority.
    pub run_after: DateTime<Utc>,
    pub slot: Option<Slot>,
    /// The task is invisible from then on, once it has ended. Its end moves this on.
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// The last change of state, log or advance.
    pub last_updated: DateTime<Utc>,
    /// How far it is, as its runner told last.
    pub advance: Option<Advance>,
    /// It is given up then, by the database's clock, while somebody runs it; `None` = never. Moved on,
    /// whenever it is taken, by the time in which nobody did.
    pub deadline_at: Option<DateTime<Utc>>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// Of what `done` and `total` are numbers, such as `messages`.
    pub what: String,
    pub done: u64,
    /// At least 1; may change while the task learns how much there is.
    pub total: u64,
    /// An estimate; `None` while nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

impl Advance {
    /// Hundredths that are done. Only what is complete has all of them.
    pub fn percent(&self) -> u8 {
        if self.done >= self.total {
            return 100;
        }
        let hundredths = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u8::try_from(hundredths.min(99)).unwrap_or(99)
    }
}

impl TaskRow {
    /// Its place in a listing.
    pub fn cursor(&self) -> TaskCursor {
        TaskCursor {
            created_at: self.created_at,
            id: self.id,
        }
    }

    /// Its place among those that have expired.
    pub fn expiry_cursor(&self) -> Option<ExpiryCursor> {
        self.expires_at.map(|expires_at| ExpiryCursor {
            expires_at,
            id: self.id,
        })
    }

    /// How long after its creation it disappears; `None` = never.
    pub fn expiry(&self) -> Option<Duration> {
        self.expires_at
            .and_then(|at| (at - self.created_at).to_std().ok())
    }
}

/// The last row of a page: the next one starts behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCursor {
    pub created_at: DateTime<Utc>,
    pub id: TaskId,
}

/// The place of a task among those that have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryCursor {
    pub expires_at: DateTime<Utc>,
    pub id: TaskId,
}

/// How many tasks are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskCounts {
    pub pending: u64,
    pub running: u64,
    pub completed: u64,
    pub failed: u64,
}

impl TaskCounts {
    pub(crate) fn add(&mut self, state: TaskState, count: u64) {
        match state {
            TaskState::Pending => self.pending += count,
            TaskState::Running => self.running += count,
            TaskState::Completed => self.completed += count,
            TaskState::Failed => self.failed += count,
        }
    }
}

/// From a row of [`crate::sql::task_columns`].
pub(crate) fn read(row: &Row) -> Result<TaskRow, StorageError> {
    let slot = match (row.get("slot_guild")?, row.get("slot_kind")?) {
        (Some(guild), Some(kind)) => Some(Slot { guild, kind }),
        _ => None,
    };
    Ok(TaskRow {
        id: row.get("task_id")?,
        name: row.get("task_name")?,
        owner: row.parsed("owner")?,
        fields: row.json("fields")?,
        encrypted: row.get("encrypted")?,
        state: row.parsed("state")?,
        output: row.maybe_json("output")?,
        requested: row.get("requested")?,
        attempts: u32::try_from(row.get::<i32>("attempts")?).map_err(StorageError::corrupt)?,
        lease_owner: row.get("lease_owner")?,
        lease_until: row.get("lease_until")?,
        run_after: row.get("run_after")?,
        slot,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
        last_updated: row.get("last_updated")?,
        advance: row.maybe_json("progress")?,
        deadline_at: row.get("deadline_at")?,
    })
}
