pub(crate) mod statements;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::TaskId;

use crate::error::StorageError;
use crate::log_entry::{NewLogEntry, TaskLogEntry};
use crate::owner::Owner;
use crate::task::{ExpiryCursor, Slot, TaskCounts, TaskCursor, TaskOutput, TaskRow};

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_LEN: usize = 64;

/// Tasks as those see them who order and watch them.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Inserts the task, its wrapped secret and, when it shall run, its slot: all or nothing.
    async fn create(&self, task: &NewTask) -> Result<Creation, StorageError>;

    /// Completes a task that nobody asked to run, with what somebody brought for it and the entry that
    /// says so. `None`: it is not there, or not such a one any more.
    async fn keep(
        &self,
        id: TaskId,
        output: &TaskOutput,
        entry: &NewLogEntry,
    ) -> Result<Option<TaskRow>, StorageError>;

    /// The task that an earlier call of the same client created under this name and key.
    async fn repeated(
        &self,
        name: &str,
        idempotency: &Idempotency,
    ) -> Result<Option<TaskRow>, StorageError>;

    /// Lets a pending task run, taking its slot. Repeating it changes nothing.
    async fn start(&self, id: TaskId, at: DateTime<Utc>) -> Result<Start, StorageError>;

    /// Fails the task, with `entry` as its last log entry, and deletes its secret. A task that has
    /// ended is left alone. `None`: there is no such task.
    ///
    /// A live runner is fenced out at once; the slot stays taken until that runner has let go of
    /// it, at the latest until its lease would have ended.
    async fn cancel(
        &self,
        id: TaskId,
        entry: &NewLogEntry,
    ) -> Result<Option<Cancellation>, StorageError>;

    /// Names what a task left that failed, as the output of one that is done; whether it had none so far.
    /// Its state stays.
    async fn leave(&self, id: TaskId, output: &TaskOutput) -> Result<bool, StorageError>;

    /// `now` decides which ended tasks are no longer shown, here and below.
    async fn get(&self, id: TaskId, now: DateTime<Utc>) -> Result<Option<TaskRow>, StorageError>;

    /// Newest first.
    async fn list(
        &self,
        query: &TaskQuery<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskRow>, StorageError>;

    /// The newest tasks, whoever owns them. It walks through all: for the directory of one operator.
    async fn newest(&self, limit: u32) -> Result<Vec<TaskRow>, StorageError>;

    /// The entries behind `after` (0: from the first), oldest first.
    async fn log(
        &self,
        id: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<TaskLogEntry>, StorageError>;

    /// The last entries, the newest first.
    async fn log_end(&self, id: TaskId, limit: u32) -> Result<Vec<TaskLogEntry>, StorageError>;

    async fn summary(&self) -> Result<TaskCounts, StorageError>;

    /// Ended tasks whose time is over by the database's clock, the longest over first, behind
    /// `after`: first remove what they left in the object store, then [`TaskStore::delete`] them.
    async fn expired(
        &self,
        after: Option<ExpiryCursor>,
        limit: u32,
    ) -> Result<Vec<TaskRow>, StorageError>;

    /// Pending tasks that nobody ever asked to run, and that are older than this by the database's
    /// clock.
    async fn abandoned(&self, age: Duration, limit: u32) -> Result<Vec<TaskId>, StorageError>;

    /// Tasks that somebody runs and whose deadline has passed by the database's clock, the most
    /// overdue first. One that waits is not overdue, whatever it waits for.
    async fn overdue(&self, limit: u32) -> Result<Vec<TaskId>, StorageError>;

    /// Removes an ended task and its log; `false` when it is not there or has not ended.
    async fn delete(&self, id: TaskId) -> Result<bool, StorageError>;
}

#[derive(Debug, Clone)]
pub struct NewTask {
    pub id: TaskId,
    pub name: String,
    pub owner: Owner,
    /// Free of secrets.
    pub fields: Value,
    pub encrypted: bool,
    /// Already encrypted.
    pub wrapped_secret: Option<Vec<u8>>,
    pub slot: Option<Slot>,
    pub idempotency: Option<Idempotency>,
    /// Whether it may run at once. Else it takes its slot only when it is started.
    pub execute: bool,
    pub priority: Priority,
    /// Not taken by a runner before, by the database's clock; `None` = at once.
    pub run_after: Option<DateTime<Utc>>,
    /// After how long under runners it is given up; `None` = never.
    pub deadline: Option<Duration>,
    /// As long after its end as this is after `created_at` it is deleted; `None` = never.
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// What runs first when not all can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody is doing harm meanwhile.
    Containment = 0,
    /// Somebody waits for it.
    #[default]
    Interactive = 1,
    Scheduled = 2,
}

/// Keys are separate per client and task name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub client: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Creation {
    Created(TaskRow),
    /// The key was used before: this is what it created then.
    Repeated(TaskRow),
    /// Nothing was written.
    SlotTaken {
        by: TaskId,
    },
}

#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Start {
    /// It may run now, or could before.
    Started(TaskRow),
    SlotTaken {
        by: TaskId,
    },
    /// It has ended already.
    Ended(TaskRow),
    NotFound,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cancellation {
    pub task: TaskRow,
    /// `false`: it had ended before.
    pub changed: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct TaskQuery<'a> {
    pub owner: Owner,
    /// Only tasks of this name.
    pub name: Option<&'a str>,
    /// Start behind this row.
    pub after: Option<TaskCursor>,
    pub limit: u32,
}

impl TaskQuery<'_> {
    /// The newest `limit` tasks of an owner.
    pub fn newest(owner: Owner, limit: u32) -> Self {
        Self {
            owner,
            name: None,
            after: None,
            limit,
        }
    }
}
