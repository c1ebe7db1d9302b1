use std::time::Duration;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::migrate::MigrateError;

use crate::engine::deadline::ACQUIRE;

/// PostgreSQL's words before it closes a connection: an administrator ended it, the server crashed
/// or is being shut down, the connection was idle for too long (inside a transaction or out of it).
const DISCONNECTS: [&str; 6] = ["57P01", "57P02", "57P03", "57P05", "25P03", "25P04"];

/// What can go wrong with a database. "Not found" is no error.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Not reachable, overloaded, locked or out of disk: the same call may work later. Whether a
    /// write took effect is not known when the answer to it is what is missing.
    #[error("the database is not available")]
    Unavailable(#[source] Outage),
    /// What is stored does not allow the write: a unique value exists, a row it needs does not.
    #[error("the change contradicts what is stored")]
    Conflict(#[source] sqlx::Error),
    /// The database, or a value in it, cannot be read.
    #[error("the database holds something that cannot be read")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The tables are not those of this version.
    #[error("the database is not up to date: run `splashtail migrate`")]
    Outdated(#[source] sqlx::Error),
    #[error("the database cannot be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    #[error("PostgreSQL {found} is too old: 15 or newer is needed")]
    TooOld { found: String },
    /// `meta.postgres_url` cannot be understood. Its text is not shown, it may hold a password.
    #[error("`meta.postgres_url` is not a PostgreSQL address: {0}")]
    Address(String),
    #[error("the database file {path} cannot be used")]
    File {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The process is stopping and gave up waiting for the database.
    #[error("stopped while waiting for the database")]
    Stopped,
    /// The database refused the statement for a reason of its own.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
}

/// Why a database is not available.
#[derive(Debug, thiserror::Error)]
pub enum Outage {
    #[error(
        "no connection was to be had within {} s: it does not answer, or all are in use",
        .waited.as_secs()
    )]
    NoConnection { waited: Duration },
    #[error("it gave no answer within {} s", .waited.as_secs())]
    Silent { waited: Duration },
    #[error("the server is a standby that takes no changes")]
    Standby,
    #[error(transparent)]
    Database(sqlx::Error),
}

impl StorageError {
    /// Whether the same call may succeed later, unchanged.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub(crate) fn silent(waited: Duration) -> Self {
        Self::Unavailable(Outage::Silent { waited })
    }

    /// Whether it was told, not waited for: another attempt at once may be worth it.
    pub(crate) fn is_prompt(&self) -> bool {
        matches!(self, Self::Unavailable(Outage::Database(_)))
    }

    /// Whether the connection on which it happened is of no more use.
    pub(crate) fn is_disconnect(&self) -> bool {
        use sqlx::Error as E;
        match self {
            Self::Unavailable(Outage::Database(E::Database(cause))) => cause
                .code()
                .is_some_and(|code| DISCONNECTS.contains(&&*code)),
            Self::Unavailable(_) => true,
            _ => false,
        }
    }

    pub(crate) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Corrupt(error.into())
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match (class(&error), error) {
            (Class::Unavailable, sqlx::Error::PoolTimedOut) => {
                Self::Unavailable(Outage::NoConnection { waited: ACQUIRE })
            }
            (Class::Unavailable, error) => Self::Unavailable(Outage::Database(error)),
            (Class::Conflict, error) => Self::Conflict(error),
            (Class::Corrupt, error) => Self::corrupt(error),
            (Class::Outdated, error) => Self::Outdated(error),
            (Class::Refused, error) => Self::Refused(error),
        }
    }
}

impl From<MigrateError> for StorageError {
    /// A database that is away is that, whatever was asked of it.
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)
                if class(&cause) == Class::Unavailable =>
            {
                cause.into()
            }
            error => Self::Migration(error),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Unavailable,
    Conflict,
    Corrupt,
    Outdated,
    Refused,
}

fn class(error: &sqlx::Error) -> Class {
    use sqlx::Error as E;
    match error {
        // Protocol: a connection that ended in the middle of a word, as when what stands before the
        // server has lost it.
        E::Io(_)
        | E::Tls(_)
        | E::Protocol(_)
        | E::PoolTimedOut
        | E::PoolClosed
        | E::WorkerCrashed => Class::Unavailable,
        E::ColumnDecode { .. } | E::Decode(_) => Class::Corrupt,
        E::ColumnNotFound(_) | E::TypeNotFound { .. } => Class::Outdated,
        E::Database(cause) => class_of_code(&**cause),
        _ => Class::Refused,
    }
}

fn class_of_code(error: &dyn DatabaseError) -> Class {
    if !matches!(error.kind(), ErrorKind::Other) {
        return Class::Conflict;
    }
    let code = error.code().unwrap_or_default();
    match code.parse::<u32>() {
        // SQLSTATE has five characters, SQLite's result codes have fewer.
        Ok(code_number) if code.len() < 5 => sqlite_class(code_number, error.message()),
        _ => postgres_class(&code),
    }
}

/// The low byte of an extended result code is the primary one (sqlite.org, "Result Codes").
fn sqlite_class(code: u32, message: &str) -> Class {
    match code & 0xff {
        // BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL.
        5 | 6 | 7 | 10 | 13 | 14 | 15 => Class::Unavailable,
        // CORRUPT, NOTADB.
        11 | 26 => Class::Corrupt,
        // CONSTRAINT.
        19 => Class::Conflict,
        1 if message.starts_with("no such ") => Class::Outdated,
        _ => Class::Refused,
    }
}

/// PostgreSQL documentation, appendix A.
fn postgres_class(code: &str) -> Class {
    match code {
        // Serialization failure, deadlock: the statement may be repeated. A read-only transaction: a
        // standby, while another server takes over. A transaction that was idle or open for too long.
        "40001" | "40P01" | "25006" | "25P03" | "25P04" => Class::Unavailable,
        // Undefined table or column.
        "42P01" | "42703" => Class::Outdated,
        "XX001" | "XX002" => Class::Corrupt,
        _ => match code.get(..2) {
            // Connection, credentials, no such database, resources, operator intervention, system.
            Some("08" | "28" | "3D" | "53" | "57" | "58") => Class::Unavailable,
            Some("23") => Class::Conflict,
            _ => Class::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        for (code, class) in [
            (5, Class::Unavailable),
            (5 | 1 << 8, Class::Unavailable),
            (13, Class::Unavailable),
            (11, Class::Corrupt),
            (26, Class::Corrupt),
            (1, Class::Refused),
        ] {
            assert_eq!(sqlite_class(code, "x"), class, "{code}");
        }
        assert_eq!(sqlite_class(1, "no such table: tasks"), Class::Outdated);
        for (code, class) in [
            ("57P01", Class::Unavailable),
            ("08006", Class::Unavailable),
            ("53300", Class::Unavailable),
            ("57014", Class::Unavailable),
            ("25006", Class::Unavailable),
            ("25P03", Class::Unavailable),
            ("28P01", Class::Unavailable),
            ("23505", Class::Conflict),
            ("42P01", Class::Outdated),
            ("XX001", Class::Corrupt),
            ("42601", Class::Refused),
        ] {
            assert_eq!(postgres_class(code), class, "{code}");
        }
    }
}
