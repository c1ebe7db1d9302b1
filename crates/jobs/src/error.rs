use std::error::Error;
use std::time::Duration;

use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::random::RandomError;
use splashtail_storage::{IDEMPOTENCY_KEY_LEN, StorageError, TaskState};

type Source = Box<dyn Error + Send + Sync>;

/// How a run can end early. Codes and messages are shown to whoever watches the task; sources go
/// to the process log only.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Trying again would not help.
    #[error("{message}")]
    Permanent {
        code: String,
        message: String,
        source: Option<Source>,
    },
    /// Something that the task needs is away: it is parked, holding neither runner nor capacity,
    /// and run again, at the earliest after `retry_after`. However often, it never ends the task.
    #[error("{message}")]
    Transient {
        code: String,
        message: String,
        retry_after: Option<Duration>,
        source: Option<Source>,
    },
    /// A call of which nobody knows whether it took place: within an effect it is looked up. Else
    /// it is as good as [`JobError::Transient`].
    #[error("{message}")]
    Ambiguous {
        code: String,
        message: String,
        source: Option<Source>,
    },
    /// A fault of ours, such as a panic: tried again, but it counts as a crash.
    #[error("{message}")]
    Fault {
        message: String,
        source: Option<Source>,
    },
    /// Somebody cancelled the task. It has ended: what it left behind may be removed.
    #[error("the task was cancelled")]
    Cancelled,
    /// Another runner goes on, now or soon: leave everything as it is.
    #[error("the task is no longer this runner's")]
    LostLease,
}

impl JobError {
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Permanent {
            code: code.into(),
            message: message.into(),
            source: None,
        }
    }

    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self::Transient {
            code,
            message,
            retry_after: None,
            source: None,
        }
    }

    pub fn ambiguous(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Ambiguous {
            code: code.into(),
            message: message.into(),
            source: None,
        }
    }

    pub fn fault(message: impl Into<String>) -> Self {
        Self::Fault {
            message: message.into(),
            source: None,
        }
    }

    /// Keeps the cause for the process log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Source>) -> Self {
        if let Self::Permanent { source, .. }
        | Self::Transient { source, .. }
        | Self::Ambiguous { source, .. }
        | Self::Fault { source, .. } = &mut self
        {
            *source = Some(cause.into());
        }
        self
    }

    /// Asks for more than the usual wait: hours, when Discord says so.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let Self::Transient { retry_after, .. } = &mut self {
            *retry_after = Some(wait);
        }
        self
    }

    pub fn code(&self) -> &str {
        match self {
            Self::Permanent { code, .. }
            | Self::Transient { code, .. }
            | Self::Ambiguous { code, .. } => code,
            Self::Fault { .. } => "internal",
            Self::Cancelled => "cancelled",
            Self::LostLease => "lost_lease",
        }
    }
}

/// Why an order is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The caller's to mend; the text tells how.
    #[error("{message}")]
    Invalid { code: String, message: String },
    #[error("{message}")]
    Internal { message: String },
}

impl PrepareError {
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            code: code.into(),
            message: message.into(),
        }
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal {
            message: message.into(),
        }
    }
}

/// Why the engine did not do what a caller asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("there is no task named {0:?}")]
    UnknownName(String),
    #[error("an idempotency key has 1 to {IDEMPOTENCY_KEY_LEN} characters of printable ASCII")]
    IdempotencyKey,
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The guild has one already.
    #[error("server {guild} has such a task already: {by}")]
    SlotTaken { guild: GuildId, by: TaskId },
    /// It would change a server, and this caller's word is not enough there.
    #[error("{0}")]
    Guarded(String),
    #[error("there is no task {0}")]
    NotFound(TaskId),
    #[error("task {0} has another name or owner")]
    Mismatch(TaskId),
    #[error("task {id} is {state}, not pending")]
    NotPending { id: TaskId, state: TaskState },
    #[error("task {id} is {state}, it has not ended")]
    NotEnded { id: TaskId, state: TaskState },
    /// What it left outside of the database is still there, in part; its row, too.
    #[error("what the task left was not removed")]
    NotDeleted(#[source] JobError),
    #[error("the task's secret cannot be encrypted")]
    Wrap(#[source] RandomError),
    #[error("the database failed")]
    Storage(#[from] StorageError),
}

impl EngineError {
    /// Stable, for machines.
    pub fn code(&self) -> &str {
        match self {
            Self::UnknownName(_) => "unknown_task",
            Self::IdempotencyKey => "invalid_idempotency_key",
            Self::Prepare(PrepareError::Invalid { code, .. }) => code,
            Self::SlotTaken { .. } => "slot_taken",
            Self::Guarded(_) => "guarded",
            Self::NotFound(_) => "not_found",
            Self::Mismatch(_) => "task_mismatch",
            Self::NotPending { .. } => "not_pending",
            Self::NotEnded { .. } => "not_ended",
            Self::NotDeleted(_) => "not_deleted",
            Self::Storage(error) if error.is_unavailable() => "unavailable",
            Self::Prepare(PrepareError::Internal { .. }) | Self::Wrap(_) | Self::Storage(_) => {
                "internal"
            }
        }
    }
}
