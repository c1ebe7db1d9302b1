use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;

use crate::error::StorageError;
use crate::log_entry::NewLogEntry;
use crate::task::{TaskOutput, TaskRow, TaskState};

/// Tasks as runners see them.
///
/// A runner holds a task through a [`Lease`]. Each write names it and has an effect only while it
/// is held: `false` says that it is not (another runner took over, or the task was cancelled) and
/// that nothing was written. Check and write are one atomic act.
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Takes the next task of one of these names that may run and that nobody holds: new ones and
    /// those whose lease has ended. Sets `running` and counts the attempt.
    async fn claim(
        &self,
        names: &[&str],
        runner: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Claimed>, StorageError>;

    /// Keeps the lease until then.
    async fn extend(&self, lease: Lease, until: DateTime<Utc>) -> Result<bool, StorageError>;

    /// Gives the task back: from `run_after` on any runner may take it. `counts`: whether the
    /// attempt stays counted. `entry` says why, to whoever watches.
    async fn release(
        &self,
        lease: Lease,
        run_after: DateTime<Utc>,
        counts: bool,
        entry: Option<&NewLogEntry>,
    ) -> Result<bool, StorageError>;

    /// Records the step's output. A step that is recorded already keeps its first output.
    async fn record_step(
        &self,
        lease: Lease,
        step: &str,
        output: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Appends to the log. After [`crate::MAX_ENTRIES`] entries one note says so, and further
    /// ones are dropped (still answering `true`).
    async fn append(&self, lease: Lease, entry: &NewLogEntry) -> Result<bool, StorageError>;

    /// Ends the task: state, output, last log entry, end of its secret, its slot and its steps in
    /// one transaction.
    async fn finish(
        &self,
        lease: Lease,
        end: &End,
        entry: &NewLogEntry,
    ) -> Result<bool, StorageError>;

    /// Whether the lease is held right now.
    async fn holds(&self, lease: Lease) -> Result<bool, StorageError>;

    /// Frees the slot that a cancelled task kept because its runner was still at work.
    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError>;
}

/// The right to write to a task. A later lease of the same task has a higher fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    pub task: TaskId,
    pub fence: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub lease: Lease,
    pub task: TaskRow,
    /// Outputs of recorded steps, as JSON text.
    pub steps: HashMap<String, String>,
    pub wrapped_secret: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Completed(Option<TaskOutput>),
    Failed,
}

impl End {
    pub(crate) const fn state(&self) -> TaskState {
        match self {
            Self::Completed(_) => TaskState::Completed,
            Self::Failed => TaskState::Failed,
        }
    }

    pub(crate) fn output_json(&self) -> Result<Option<String>, StorageError> {
        match self {
            Self::Completed(Some(output)) => serde_json::to_string(output)
                .map(Some)
                .map_err(StorageError::corrupt),
            Self::Completed(None) | Self::Failed => Ok(None),
        }
    }
}
