use sqlx::error::{DatabaseError, ErrorKind};

/// What can go wrong with a database. "Not found" is no error.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Not reachable, overloaded, locked or out of disk: the same call may work later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
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

impl StorageError {
    /// Whether the same call may succeed later, unchanged.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub(crate) fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Corrupt(error.into())
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error)
            }
            E::ColumnDecode { .. } | E::Decode(_) | E::Protocol(_) => Self::corrupt(error),
            E::ColumnNotFound(_) | E::TypeNotFound { .. } => Self::Outdated(error),
            E::Database(cause) => match class(&**cause) {
                Class::Unavailable => Self::Unavailable(error),
                Class::Conflict => Self::Conflict(error),
                Class::Corrupt => Self::corrupt(error),
                Class::Outdated => Self::Outdated(error),
                Class::Refused => Self::Refused(error),
            },
            _ => Self::Refused(error),
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

fn class(error: &dyn DatabaseError) -> Class {
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
        // Serialization failure, deadlock: the statement may be repeated.
        "40001" | "40P01" => Class::Unavailable,
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
