//! Why a backup, or a step of it, fails; and what each cause calls for. Causes are judged here and
//! nowhere else.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use splashtail_discord::{DiscordError, DownloadError};
use splashtail_iblfile as iblfile;
use splashtail_jobs::JobError;
use splashtail_storage::StorageError;

use super::allocate::AllocationError;
use crate::objects::{ObjectError, is_full_disk};

/// Why a backup, or a step of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{doing} failed")]
    Discord {
        /// What was being done, e.g. "reading the server".
        doing: String,
        #[source]
        source: DiscordError,
    },
    /// Well-formed, but not what was asked for.
    #[error("{doing} failed: Discord's answer is not complete")]
    Answer { doing: String },
    #[error("{doing} failed")]
    Download {
        doing: String,
        #[source]
        source: DownloadError,
    },
    #[error("the recorded {0} are not complete")]
    Incomplete(&'static str),
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error("the database failed")]
    Storage(#[source] StorageError),
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

/// What a cause calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes by itself, however long it lasts: the job waits, at least for what was asked.
    Passing(Option<Duration>),
    /// Discord refuses this one thing to this bot, and will again: on request the backup goes on
    /// without it.
    Refused,
    /// A fault of ours; tried again as often as a crash is.
    Fault,
    /// It stays, whoever tries.
    Final,
    /// Somebody ended the job.
    Stopped,
}

/// The one table of what Discord's answers call for: reads and effects ask it alike.
pub fn judge_discord(error: &DiscordError) -> Verdict {
    match error {
        DiscordError::Cancelled => Verdict::Stopped,
        DiscordError::RateLimited { retry_after, .. } => Verdict::Passing(Some(*retry_after)),
        DiscordError::Malformed { .. } => Verdict::Passing(None),
        DiscordError::Api(api) => match api.status.as_u16() {
            500.. | 408 | 425 => Verdict::Passing(None),
            401 => Verdict::Final,
            // Without a code it was not the API that answered, but something on the way to it: it
            // says nothing about what was asked for, and does not last.
            403 | 404 if api.code == 0 => Verdict::Passing(None),
            _ if api.code == 0 => Verdict::Final,
            _ => Verdict::Refused,
        },
        error if error.is_transient() => Verdict::Passing(None),
        _ => Verdict::Final,
    }
}

/// As [`judge_discord`], of its file hosts.
pub fn judge_download(error: &DownloadError) -> Verdict {
    match error {
        DownloadError::Cancelled => Verdict::Stopped,
        error if error.is_transient() => Verdict::Passing(None),
        _ => Verdict::Refused,
    }
}

impl BackupError {
    pub fn discord(doing: impl Into<String>) -> impl FnOnce(DiscordError) -> Self {
        let doing = doing.into();
        move |source| match source {
            DiscordError::Cancelled => Self::Cancelled,
            source => Self::Discord { doing, source },
        }
    }

    pub fn download(doing: impl Into<String>) -> impl FnOnce(DownloadError) -> Self {
        let doing = doing.into();
        move |source| match source {
            DownloadError::Cancelled => Self::Cancelled,
            source => Self::Download { doing, source },
        }
    }

    pub fn background(error: tokio::task::JoinError) -> Self {
        Self::Background(io::Error::other(error))
    }

    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Cancelled => Verdict::Stopped,
            Self::Discord { source, .. } => judge_discord(source),
            Self::Download { source, .. } => judge_download(source),
            Self::Objects(error) if error.is_transient() => Verdict::Passing(None),
            Self::Storage(error) if error.is_unavailable() => Verdict::Passing(None),
            // A full disk, too: an operator makes room.
            Self::Container(iblfile::Error::Io(_)) | Self::File(_) => Verdict::Passing(None),
            Self::Answer { .. } => Verdict::Passing(None),
            Self::Background(_) | Self::Storage(_) => Verdict::Fault,
            _ => Verdict::Final,
        }
    }

    /// Stable code for the job's log.
    fn code(&self) -> &'static str {
        match self {
            Self::Discord { source, .. } if source.is_unauthorized() => "discord_token",
            Self::Discord {
                source: DiscordError::RateLimited { .. },
                ..
            } => "rate_limited",
            Self::Discord { .. } if matches!(self.verdict(), Verdict::Passing(_)) => "discord",
            Self::Discord { source, .. } if source.is_forbidden() => "missing_access",
            Self::Discord { source, .. } if source.is_not_found() => "not_found",
            Self::Discord { .. } | Self::Answer { .. } => "discord",
            Self::Download { .. } => "discord_cdn",
            Self::Allocation(AllocationError::Unreadable(_)) => "nothing_readable",
            Self::Allocation(_) => "invalid_allocation",
            Self::Objects(ObjectError::Full(_)) => "storage_full",
            Self::Objects(ObjectError::File(error)) if is_full_disk(error) => "disk_full",
            Self::Objects(ObjectError::File(_)) => "temporary_file",
            Self::Objects(_) => "storage",
            Self::Storage(_) => "database",
            Self::Container(iblfile::Error::TooLarge { .. }) => "too_large",
            Self::Container(iblfile::Error::Io(error)) | Self::File(error) => {
                if is_full_disk(error) {
                    "disk_full"
                } else {
                    "temporary_file"
                }
            }
            Self::Container(_) | Self::Json(_) | Self::Incomplete(_) => "work_damaged",
            Self::Key => "key",
            Self::Background(_) => "internal",
            Self::Cancelled => "cancelled",
        }
    }

    /// For people who watch the job: Discord's answer is theirs to know, causes inside the
    /// installation are not.
    pub fn describe(&self) -> String {
        match self {
            Self::Discord { source, .. } => format!("{self}: {source}"),
            Self::Download { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }

    /// What [`BackupError::describe`] leaves out: for the process's log, which shows both.
    fn hidden_cause(&self) -> Option<String> {
        let mut cause = match self {
            Self::Discord { source, .. } => source.source(),
            Self::Download { source, .. } => source.source(),
            _ => self.source(),
        };
        let mut causes = Vec::new();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        (!causes.is_empty()).then(|| causes.join(": "))
    }
}

impl From<BackupError> for JobError {
    fn from(error: BackupError) -> Self {
        let (code, message) = (error.code(), error.describe());
        let failed = match error.verdict() {
            Verdict::Stopped => return JobError::Cancelled,
            Verdict::Passing(None) => JobError::transient(code, message),
            Verdict::Passing(Some(wait)) => JobError::transient(code, message).retry_after(wait),
            Verdict::Fault => JobError::fault(message),
            Verdict::Refused | Verdict::Final => JobError::permanent(code, message),
        };
        match error.hidden_cause() {
            Some(cause) => failed.caused_by(cause),
            None => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use splashtail_discord::{ApiError, RateLimitScope};

    use super::*;

    fn api(status: u16, code: u64) -> DiscordError {
        DiscordError::Api(Box::new(ApiError {
            status: StatusCode::from_u16(status).unwrap(),
            code,
            message: "no".into(),
            errors: None,
            route: "GET /channels/{id}/messages".into(),
        }))
    }

    fn unreadable() -> DiscordError {
        let source = serde_json::from_str::<serde_json::Value>("{").unwrap_err();
        DiscordError::Malformed {
            route: "GET /x".into(),
            source,
        }
    }

    /// The wait was dropped, so a limit of 20 minutes was five attempts within two.
    #[test]
    fn a_rate_limit_is_waited_for_as_long_as_discord_says() {
        let wait = Duration::from_secs(82_721);
        let limited = DiscordError::RateLimited {
            route: "GET /x".into(),
            retry_after: wait,
            scope: RateLimitScope::Shared,
        };
        let error = JobError::from(BackupError::discord("reading the server")(limited));
        let JobError::Transient {
            code, retry_after, ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((code.as_str(), retry_after), ("rate_limited", Some(wait)));
    }

    #[test]
    fn causes_are_told_apart() {
        let verdict = |source| BackupError::discord("x")(source).verdict();
        for (status, code, expected) in [
            (403, 50001, Verdict::Refused),
            (403, 50013, Verdict::Refused),
            (404, 10003, Verdict::Refused),
            (400, 50024, Verdict::Refused),
            // The edge, not the API: it says nothing about the channel.
            (403, 0, Verdict::Passing(None)),
            (404, 0, Verdict::Passing(None)),
            (400, 0, Verdict::Final),
            (408, 0, Verdict::Passing(None)),
            (425, 0, Verdict::Passing(None)),
            (401, 0, Verdict::Final),
            (530, 0, Verdict::Passing(None)),
            (501, 0, Verdict::Passing(None)),
        ] {
            assert_eq!(verdict(api(status, code)), expected, "{status} {code}");
        }
        assert_eq!(verdict(unreadable()), Verdict::Passing(None));
        assert_eq!(verdict(DiscordError::Cancelled), Verdict::Stopped);
        let status = |code| DownloadError::Status(StatusCode::from_u16(code).unwrap());
        let download = |source| BackupError::download("x")(source).verdict();
        assert_eq!(download(status(503)), Verdict::Passing(None));
        assert_eq!(download(status(429)), Verdict::Passing(None));
        assert_eq!(download(status(404)), Verdict::Refused);
        let too_large = DownloadError::TooLarge { limit: 1 };
        assert_eq!(download(too_large), Verdict::Refused);
    }

    /// They ended the job, and with it all that it had done.
    #[test]
    fn full_storage_and_full_disks_are_waited_for() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let storage = object_store::Error::Generic {
            store: "S3",
            source: Box::new(full()),
        };
        for (error, expected) in [
            (
                BackupError::Objects(ObjectError::Full(storage)),
                "storage_full",
            ),
            (BackupError::File(full()), "disk_full"),
            (BackupError::Objects(ObjectError::File(full())), "disk_full"),
            (
                BackupError::Container(iblfile::Error::Io(full())),
                "disk_full",
            ),
        ] {
            let error = JobError::from(error);
            assert!(matches!(error, JobError::Transient { .. }), "{error:?}");
            assert_eq!(error.code(), expected);
        }
    }

    /// Message and causes of a job's failure are printed one after the other.
    #[test]
    fn nothing_is_said_twice() {
        let error = JobError::from(BackupError::discord("reading #a (1)")(unreadable()));
        let shown = splashtail_core::telemetry::Chain(&error).to_string();
        assert_eq!(shown.matches("reading #a (1)").count(), 1, "{shown}");
        assert_eq!(shown.matches("unreadable answer").count(), 1, "{shown}");
        assert!(shown.contains("EOF"), "{shown}");
    }
}
