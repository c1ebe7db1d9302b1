use std::io;

use splashtail_discord::DiscordError;
use splashtail_iblfile as iblfile;
use splashtail_jobs::JobError;

use super::allocate::AllocationError;
use crate::objects::{ObjectError, is_full_disk};

/// Why a backup, or a step of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{doing} failed")]
    Discord {
        /// What was being done, e.g. "reading the server".
        doing: &'static str,
        #[source]
        source: DiscordError,
    },
    #[error("Discord's answer about {0} is not complete")]
    Incomplete(&'static str),
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error("the backup file could not be written")]
    Container(#[source] iblfile::Error),
    #[error("the temporary file could not be written")]
    File(#[source] io::Error),
    #[error("an intermediate result is unreadable")]
    Json(#[source] serde_json::Error),
    #[error("the key of this backup is missing or damaged")]
    Key,
    #[error("a background task failed")]
    Background(#[source] io::Error),
    #[error("the backup was cancelled")]
    Cancelled,
}

impl BackupError {
    pub fn discord(doing: &'static str) -> impl FnOnce(DiscordError) -> Self {
        move |source| match source {
            DiscordError::Cancelled => Self::Cancelled,
            source => Self::Discord { doing, source },
        }
    }

    pub fn background(error: tokio::task::JoinError) -> Self {
        Self::Background(io::Error::other(error))
    }

    /// Stable code for the job's last log entry.
    fn code(&self) -> &'static str {
        match self {
            Self::Discord { source, .. } if source.is_unauthorized() => "discord_token",
            Self::Discord { source, .. } if source.is_forbidden() => "missing_access",
            Self::Discord { source, .. } if source.is_not_found() => "not_found",
            Self::Discord { .. } | Self::Incomplete(_) => "discord",
            Self::Allocation(_) => "invalid_allocation",
            Self::Objects(ObjectError::Full(_)) => "storage_full",
            Self::Objects(_) => "storage",
            Self::Container(iblfile::Error::TooLarge { .. }) => "too_large",
            Self::Container(iblfile::Error::Io(error)) | Self::File(error) => {
                if is_full_disk(error) {
                    "disk_full"
                } else {
                    "temporary_file"
                }
            }
            Self::Container(_) | Self::Json(_) => "work_damaged",
            Self::Key => "key",
            Self::Background(_) => "internal",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether another attempt may go better without anybody changing anything.
    fn is_transient(&self) -> bool {
        match self {
            Self::Discord { source, .. } => {
                source.is_transient() || matches!(source, DiscordError::Malformed { .. })
            }
            Self::Objects(error) => error.is_transient(),
            Self::Container(iblfile::Error::Io(error)) | Self::File(error) => !is_full_disk(error),
            Self::Background(_) => true,
            _ => false,
        }
    }

    /// For people who watch the job: Discord's answer is theirs to know, causes inside the
    /// installation are not.
    pub fn describe(&self) -> String {
        match self {
            Self::Discord { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

impl From<BackupError> for JobError {
    fn from(error: BackupError) -> Self {
        if matches!(error, BackupError::Cancelled) {
            return JobError::Cancelled;
        }
        let (code, message) = (error.code(), error.describe());
        let failed = if error.is_transient() {
            JobError::transient(code, message)
        } else {
            JobError::permanent(code, message)
        };
        failed.caused_by(error)
    }
}
