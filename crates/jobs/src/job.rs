use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_storage::{Owner, Priority, TaskRow};

use crate::context::JobContext;
use crate::error::{JobError, PrepareError};
use crate::secret::SecretBytes;

/// Of runs; what is waited for does not count.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A kind of task.
#[async_trait]
pub trait Job: Send + Sync + 'static {
    /// The task name, such as `guild_create_backup`.
    fn name(&self) -> &'static str;

    /// Jobs of one kind exclude each other within a guild when they ask for a slot. Jobs that must
    /// not run beside each other (backup and restore) name the same kind.
    fn slot_kind(&self) -> &'static str {
        self.name()
    }

    /// How much of an engine's capacity a run of it takes, at least 1.
    fn weight(&self) -> u32 {
        1
    }

    /// After how long under runners a task is given up; `None` = never. Time in which it is put aside
    /// or waits for a runner does not count: what it needs may be away for as long as it likes.
    fn deadline(&self) -> Option<Duration> {
        Some(DAY)
    }

    /// Before what else it begins, unless an order says otherwise. Each kind has to say so.
    fn priority(&self) -> Priority;

    /// Whether a run of an order with these fields, as [`Job::prepare`] left them, changes its server:
    /// an engine's [`crate::Guard`] is asked about such orders. Each kind has to say so.
    fn changes_server(&self, fields: &Value) -> bool;

    /// Turns a caller's data into what is stored. Nothing is shared between calls: each gets a
    /// value of its own. Secrets move from the fields into [`Prepared::secret`].
    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError>;

    /// Does the work, in steps. What happens outside of steps happens again after a crash.
    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError>;

    /// Clears away what runs of a task need among themselves, because it is over: its end is stored.
    /// Never before: a run that follows a stop or a kill goes on with what is there. A process that
    /// dies in between calls it for none; may be called again for what is gone already.
    async fn ended(&self, _task: TaskId) {}

    /// Whether the secret of an order with these fields, as [`Job::prepare`] left them, is what its caller
    /// said. Else it was made for it, and another order has another one: a schedule may make such.
    fn secret_is_the_callers(&self, _fields: &Value) -> bool {
        true
    }

    /// Fills in what an order by a schedule means where it does not say so, before it is prepared.
    fn scheduled(&self, _data: &mut Value) {}

    /// Judges what a schedule made, the newest first, before some of it is deleted.
    ///
    /// # Errors
    /// It cannot be judged now: nothing is deleted, and it is asked again.
    async fn appraise(&self, _made: &[TaskRow]) -> Result<Appraisal, JobError> {
        Ok(Appraisal::default())
    }

    /// Removes what an ended task left outside of the database, because its time is over: its row
    /// goes when this has succeeded. May be called again for what is gone already.
    async fn deleted(&self, _task: &TaskRow) -> Result<(), JobError> {
        Ok(())
    }
}

/// What a schedule's tasks are worth, beside their number and age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appraisal {
    /// Stays whatever the schedule says.
    pub kept: HashSet<TaskId>,
    /// Worth so little that it takes no other's place.
    pub poor: HashSet<TaskId>,
}

/// What an installation has to clear away besides jobs, such as uploads that nobody finished. Done
/// with an engine's own upkeep, about once a minute; it bounds itself.
#[async_trait]
pub trait Sweep: Send + Sync + 'static {
    async fn sweep(&self) -> Result<(), JobError>;
}

/// A valid order, ready to be stored.
#[derive(Debug)]
pub struct Prepared {
    pub owner: Owner,
    /// Stored and shown in clear.
    pub fields: Value,
    /// Stored encrypted until the task ends, shown to nobody.
    pub secret: Option<SecretBytes>,
    /// The guild whose only slot of [`Job::slot_kind`] the task needs.
    pub slot: Option<GuildId>,
    /// Whether the output will be encrypted with a password.
    pub encrypted: bool,
    /// `None` = that of its kind.
    pub priority: Option<Priority>,
}

/// The file that a job has put into the object store before it returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOutput {
    pub filename: String,
    pub segregated: bool,
}
