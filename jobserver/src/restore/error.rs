//! Why a restore, or a step of it, fails; and what each cause calls for.

use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use splashtail_discord::DownloadError;
use splashtail_iblfile as iblfile;
use splashtail_jobs::JobError;
use splashtail_storage::StorageError;

use crate::backup::error::{BackupError, Verdict, judge_download};
use crate::objects::ObjectError;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Read(#[from] BackupError),
    #[error("there is no backup {0} of this server")]
    NoTask(TaskId),
    #[error("task {0} has not left a backup")]
    NoFile(TaskId),
    #[error(
        "nothing is known of this server at {0}: no backup was made before, and what is remembered begins later"
    )]
    NoPast(DateTime<Utc>),
    #[error(
        "nobody looked at this server between {since} and {at}, and no backup was made then: ask for \
         {since}, for another time, or for a backup"
    )]
    Unwatched {
        at: DateTime<Utc>,
        since: DateTime<Utc>,
    },
    #[error("{0} is yet to come")]
    YetToCome(DateTime<Utc>),
    #[error("the backup cannot be downloaded")]
    Download(#[source] DownloadError),
    #[error(transparent)]
    Container(iblfile::Error),
    #[error("the file is no backup of a server, but `{0}`")]
    OtherFile(String),
    #[error("section `{section}` of the backup is damaged: {why}")]
    Section { section: String, why: String },
    /// Named one by one.
    #[error("nothing was changed, because the restore cannot work: {}", .0.join("; "))]
    Preflight(Vec<String>),
    #[error(
        "nothing was changed: the server is not as it was when the plan was approved; the plan is \
         {now} now"
    )]
    PlanChanged { now: String },
    #[error("nothing was changed: the bot is timed out in this server, end its timeout first")]
    TimedOut,
    #[error("the database failed")]
    Storage(#[source] StorageError),
    #[error("a recorded plan cannot be read")]
    Plan(#[source] serde_json::Error),
}

impl RestoreError {
    pub fn section(section: &str, why: impl Into<String>) -> Self {
        Self::Section {
            section: section.to_owned(),
            why: why.into(),
        }
    }

    /// Stable code for the job's log.
    fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::NoTask(_) => "no_such_backup",
            Self::NoPast(_) | Self::Unwatched { .. } | Self::YetToCome(_) => "no_such_past",
            Self::NoFile(_) => "no_backup_file",
            Self::Download(DownloadError::NotAllowed(_)) => "source_not_allowed",
            Self::Download(DownloadError::TooLarge { .. })
            | Self::Container(iblfile::Error::TooLarge { .. }) => "too_large",
            Self::Download(_) => "download",
            Self::Container(iblfile::Error::WrongPassword) => "wrong_password",
            Self::Container(iblfile::Error::PasswordRequired) => "password_required",
            Self::Container(iblfile::Error::UnknownType { .. }) | Self::OtherFile(_) => {
                "not_a_backup"
            }
            Self::Container(_) | Self::Section { .. } => "backup_damaged",
            Self::Preflight(_) => "preflight",
            Self::PlanChanged { .. } => "plan_changed",
            Self::TimedOut => "bot_timed_out",
            Self::Storage(_) => "unavailable",
            Self::Plan(_) => "work_damaged",
        }
    }
}

impl From<ObjectError> for RestoreError {
    fn from(error: ObjectError) -> Self {
        Self::Read(BackupError::Objects(error))
    }
}

impl From<RestoreError> for JobError {
    fn from(error: RestoreError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            RestoreError::Read(error) => error.into(),
            RestoreError::Storage(error) => JobError::transient(code, message).caused_by(error),
            RestoreError::Download(error) => {
                let message = format!("{message}: {error}");
                match judge_download(&error) {
                    Verdict::Stopped => JobError::Cancelled,
                    Verdict::Passing(_) => JobError::transient(code, message).caused_by(error),
                    Verdict::Refused | Verdict::Fault | Verdict::Final => {
                        JobError::permanent(code, message)
                    }
                }
            }
            error => JobError::permanent(code, message).caused_by(error),
        }
    }
}
