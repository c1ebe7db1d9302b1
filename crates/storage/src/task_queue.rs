pub(crate) mod statements;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;

use crate::error::StorageError;
use crate::log_entry::NewLogEntry;
use crate::task::{Advance, TaskOutput, TaskRow, TaskState};
use crate::task_store::Priority;

/// Tasks as runners see them.
///
/// A runner holds a task through a [`Lease`]. Each write names it and has an effect only while it
/// is held: `false` says that it is not (another runner took over, or the task was cancelled) and
/// that nothing was written. Check and write are one atomic act.
///
/// Leases and waits are lengths of time, measured by the database's clock: a host whose clock is
/// wrong takes nothing from others. Times that callers give are shown to people and judge nothing.
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Takes the next task of those that are wanted. Sets `running` and counts the attempt, until a
    /// record proves progress.
    async fn claim(&self, wanted: &Wanted<'_>) -> Result<Option<Claimed>, StorageError>;

    /// Keeps the lease for so long from now on, even one that has ended, while nobody has taken it.
    async fn extend(&self, lease: Lease, by: Duration) -> Result<bool, StorageError>;

    /// Gives the task back for any runner to go on at once. The attempt does not count.
    async fn release(&self, lease: Lease) -> Result<bool, StorageError>;

    /// Reports that the runner of this lease lives and could not keep it: its attempt was no crash
    /// and does not count. The task is given back, unless somebody has taken it meanwhile.
    async fn lost(&self, lease: Lease) -> Result<(), StorageError>;

    /// Gives the task back until its wait is over. It keeps its slot, and the wait does not count
    /// towards its deadline.
    async fn park(&self, lease: Lease, park: &Park<'_>) -> Result<bool, StorageError>;

    /// Records the step's output, which is progress: no earlier attempt or wait counts any more. A
    /// step that is recorded already keeps its first output.
    async fn record_step(
        &self,
        lease: Lease,
        step: &str,
        output: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// The records behind `after` (0: from the first) in the order of recording: at most
    /// [`STEPS_PER_PAGE`] of them and, beyond the first, [`BYTES_PER_PAGE`]. An empty page is the
    /// end.
    async fn steps(&self, task: TaskId, after: i64) -> Result<Vec<RecordedStep>, StorageError>;

    /// Appends to the log. After [`crate::MAX_ENTRIES`] entries one note says so, and further
    /// ones are dropped (still answering `true`).
    async fn append(&self, lease: Lease, entry: &NewLogEntry) -> Result<bool, StorageError>;

    /// Tells how far the task is. It proves no progress: only records do.
    async fn advance(
        &self,
        lease: Lease,
        advance: &Advance,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Ends the task: state, output, last log entry, end of its secret, its slot and its steps in
    /// one transaction.
    async fn finish(
        &self,
        lease: Lease,
        end: &End,
        entry: &NewLogEntry,
    ) -> Result<bool, StorageError>;

    /// Frees the slot that a cancelled task kept because its runner was still at work.
    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError>;
}

/// Records in one page of a journal.
pub const STEPS_PER_PAGE: u32 = 200;
/// Bytes of outputs in one page of a journal, unless a single one has more.
pub const BYTES_PER_PAGE: u32 = 256 * 1024;

/// What a runner asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub runner: &'a str,
    /// Names that it can run.
    pub names: &'a [&'a str],
    pub which: Which,
    pub lease: Duration,
}

/// Which of the tasks that may run. Each is looked for on a way of its own, so that the rows that
/// an old snapshot keeps of those that ran hold up none that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// That nobody holds: new ones, and those whose wait has ended. Those of this priority and of
    /// more urgent ones.
    Waiting(Priority),
    /// Whose holder let the lease run out; as above. This look passes all that ran since the oldest
    /// snapshot.
    Left(Priority),
    /// Only this one, of either kind.
    One(TaskId),
}

/// Why a task is put aside, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Park<'a> {
    pub wait: Duration,
    /// Stable code of the cause.
    pub cause: &'a str,
    /// The attempt stays counted: it ended by a fault, not by an outage.
    pub counts: bool,
    /// Tells whoever watches.
    pub entry: Option<&'a NewLogEntry>,
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
    pub wrapped_secret: Option<Vec<u8>>,
    pub progress: Progress,
}

/// What earlier runs of a task left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Recorded steps, items of the ledger, and the bytes of both.
    pub steps: u64,
    pub items: u64,
    pub bytes: u64,
    /// How often it was parked since the last record.
    pub parks: u32,
    /// The cause of waiting that the log has told since then.
    pub waits_for: Option<String>,
}

/// A record of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStep {
    /// Rising in the order of recording.
    pub seq: i64,
    pub step: String,
    /// JSON text.
    pub output: String,
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
