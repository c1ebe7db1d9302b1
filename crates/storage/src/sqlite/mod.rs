//! The embedded database: one file, shared by all processes of the machine.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

use crate::engine::deadline::{ACQUIRE, BUSY, MIGRATION, RELEASE};
use crate::error::StorageError;

pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

const READERS: u32 = 4;
/// How often a process that wants to migrate looks whether it is its turn.
const TURN: Duration = Duration::from_millis(50);

/// One connection writes: writers of one process queue here, in order, instead of polling for
/// SQLite's lock. Readers never wait (WAL).
#[derive(Debug, Clone)]
pub struct Sqlite {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
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
            .busy_timeout(BUSY);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE)
            // A migration that was given up. Stores' transactions end in `engine`.
            .after_release(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options.clone())
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
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
        let migrate = async {
            let _turn = lock(self.path.with_extension("migrate.lock")).await?;
            MIGRATIONS.run(&self.writer).await?;
            Ok(())
        };
        tokio::time::timeout(MIGRATION, migrate)
            .await
            .map_err(|_| StorageError::silent(MIGRATION))?
    }

    /// Waits for what is under way, but not for a disk that has stopped.
    pub async fn close(&self) {
        let closed = async {
            self.reader.close().await;
            self.writer.close().await;
        };
        tokio::time::timeout(RELEASE, closed).await.ok();
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

/// Asks again and again: a thread that waits in the system's own lock could not be stopped.
async fn lock(path: PathBuf) -> Result<File, StorageError> {
    let failed = |source| StorageError::File {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(TURN).await,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}
