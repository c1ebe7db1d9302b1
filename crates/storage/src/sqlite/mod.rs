//! The embedded database: one file, shared by all processes of the machine.

mod guilds;
mod permissions;
mod queue;
mod rows;
mod tasks;
mod tokens;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlitePool, Transaction};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::error::StorageError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a statement waits for the other processes' writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// One connection writes: writers of one process queue here, in order, instead of polling for
/// SQLite's lock. Readers never wait (WAL).
#[derive(Debug, Clone)]
pub struct Sqlite {
    pub(crate) writer: SqlitePool,
    reader: SqlitePool,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the file, making it (for its owner only) when it is not there.
    pub async fn open(path: &Path) -> Result<Self, StorageError> {
        create(path).map_err(|source| StorageError::File {
            path: path.to_owned(),
            source,
        })?;
        // A commit survives the loss of power, not only of the process: synchronous = FULL.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self {
            writer,
            reader,
            path: path.to_owned(),
        })
    }

    /// Processes take turns: SQLite itself has no lock that covers a whole migration.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let path = self.path.with_extension("migrate.lock");
        let _turn = lock(path).await?;
        MIGRATIONS
            .run(&self.writer)
            .await
            .map_err(StorageError::Migration)
    }

    pub async fn ping(&self) -> Result<(), StorageError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// For reading before writing: takes the write lock at once, so that what was read stays true.
    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, StorageError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    Ok(())
}

async fn lock(path: PathBuf) -> Result<File, StorageError> {
    let failed = {
        let path = path.clone();
        move |source| StorageError::File { path, source }
    };
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    });
    locked
        .await
        .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
        .map_err(failed)
}

fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn at(ms: i64) -> Result<DateTime<Utc>, StorageError> {
    DateTime::from_timestamp_millis(ms)
        .ok_or_else(|| StorageError::corrupt(format!("{ms} is no time")))
}

fn key(id: Uuid) -> Hyphenated {
    id.hyphenated()
}
