use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use splashtail_core::config::DatabaseTarget;
use splashtail_core::telemetry::Chain;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, query};
use crate::error::StorageError;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Somebody who migrates while all start is done by then; later it may be that nobody does.
const SOON: Duration = Duration::from_secs(10);
/// The tables' version, as sqlx keeps it.
const VERSION: &str = "SELECT MAX(version) AS version FROM _sqlx_migrations WHERE success";

/// A database, of whichever kind. Clones share its connections.
///
/// Each store has its accessor in its own file.
#[derive(Clone)]
pub struct Storage {
    engine: Arc<Engine>,
}

impl Storage {
    /// Connects, waiting for a database that cannot be reached yet: each failure is logged with
    /// the key of the configuration that names it. Does not migrate.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] when `shutdown` came first; else what waiting cannot mend.
    pub async fn open(
        target: &DatabaseTarget,
        shutdown: &CancellationToken,
    ) -> Result<Self, StorageError> {
        let mut wait = FIRST_WAIT;
        loop {
            let connected = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(StorageError::Stopped),
                connected = Self::connect(target) => connected,
            };
            match connected {
                Err(error) if error.is_unavailable() => complain(target, &error, wait),
                done => return done,
            }
            tokio::select! {
                () = shutdown.cancelled() => return Err(StorageError::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// As [`Self::open`], and waits until the tables are those of this version, or of a later one:
    /// whoever starts beside the one that migrates asks nothing before.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_migrated(
        target: &DatabaseTarget,
        shutdown: &CancellationToken,
    ) -> Result<Self, StorageError> {
        let storage = Self::open(target, shutdown).await?;
        let (mut wait, mut waited) = (FIRST_WAIT, Duration::ZERO);
        loop {
            match storage.is_migrated().await {
                Ok(true) => return Ok(storage),
                Ok(false) if waited < SOON => tracing::info!("waiting for the database's tables"),
                Ok(false) => {
                    tracing::warn!("the database is not up to date: run `splashtail migrate`");
                }
                Err(error) if error.is_unavailable() => complain(target, &error, wait),
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Err(StorageError::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
            waited += wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Whether nothing is left for [`Self::migrate`] to do.
    async fn is_migrated(&self) -> Result<bool, StorageError> {
        let migrations = match &*self.engine {
            Engine::Sqlite(_) => &crate::sqlite::MIGRATIONS,
            Engine::Postgres(_) => &crate::postgres::MIGRATIONS,
        };
        let latest = migrations.iter().map(|migration| migration.version).max();
        let row = match self.engine.fetch_optional(query(VERSION)).await {
            Err(StorageError::Outdated(_)) => return Ok(false),
            row => row?,
        };
        let version = match row {
            Some(row) => row.get::<Option<i64>>("version")?,
            None => None,
        };
        Ok(version >= latest)
    }

    /// Connects once and asks for an answer.
    ///
    /// # Errors
    /// The database cannot be reached or used.
    pub async fn probe(target: &DatabaseTarget) -> Result<(), StorageError> {
        let storage = Self::connect(target).await?;
        let answer = storage.ping().await;
        storage.close().await;
        answer
    }

    async fn connect(target: &DatabaseTarget) -> Result<Self, StorageError> {
        let engine = match target {
            DatabaseTarget::Sqlite(path) => Engine::Sqlite(Sqlite::open(path).await?),
            DatabaseTarget::Postgres(url) => {
                Engine::Postgres(Postgres::open(url.expose_secret()).await?)
            }
        };
        Ok(Self {
            engine: Arc::new(engine),
        })
    }

    /// Brings the tables to this version; safe to run from several processes and repeatedly.
    ///
    /// # Errors
    /// [`StorageError::Migration`], as when the database was used by a newer version.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.migrate().await,
            Engine::Postgres(postgres) => postgres.migrate().await,
        }
    }

    /// Whether it can be used, that is, written to: an embedded database is written to, since a full
    /// disk shows in nothing else; a server has to answer and not to be a standby.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.engine.check().await
    }

    /// Closes the connections. Dropping the last clone does the same, later.
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// For the stores.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

#[cfg(test)]
impl Storage {
    /// Runs a statement that gives one number: for what no trait offers.
    pub(crate) async fn number(&self, statement: String) -> i64 {
        use sqlx::AssertSqlSafe;
        match &*self.engine {
            Engine::Sqlite(sqlite) => {
                let query = sqlx::query_scalar(AssertSqlSafe(statement));
                query.fetch_one(&sqlite.writer).await.unwrap()
            }
            Engine::Postgres(postgres) => {
                let query = sqlx::query_scalar(AssertSqlSafe(statement));
                query.fetch_one(&postgres.pool).await.unwrap()
            }
        }
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let engine = match &*self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        };
        f.debug_tuple("Storage").field(&engine).finish()
    }
}

fn complain(target: &DatabaseTarget, error: &StorageError, wait: Duration) {
    let (key, place) = match target {
        DatabaseTarget::Sqlite(path) => ("data directory", path.display().to_string()),
        DatabaseTarget::Postgres(url) => ("meta.postgres_url", place(url)),
    };
    tracing::warn!(
        config.key = key,
        database = %place,
        error = %Chain(error),
        retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        "the database cannot be reached, trying again",
    );
}

/// Host, port and database of an address: never its user, password or options.
fn place(url: &SecretString) -> String {
    let url = url.expose_secret();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.rsplit_once('@')
        .map_or(rest, |(_, place)| place)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, shown) in [
            (
                "postgres://user:p@ss@db.internal:5432/splash?password=x",
                "db.internal:5432/splash",
            ),
            (
                "postgres:///splash?host=/run/postgresql&password=x",
                "/splash",
            ),
            ("postgres://localhost", "localhost"),
        ] {
            assert_eq!(place(&SecretString::from(url)), shown);
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_complaint_names_the_key_and_no_password() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let target = DatabaseTarget::Postgres("postgres://me:hunter2@db.internal/x".into());
        let error = StorageError::from(sqlx::Error::Io(std::io::Error::other("refused")));
        tracing::subscriber::with_default(subscriber, || complain(&target, &error, FIRST_WAIT));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        for part in ["meta.postgres_url", "db.internal/x", "refused"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn waiting_for_a_database_ends_with_the_process() {
        let shutdown = CancellationToken::new();
        let target = DatabaseTarget::Postgres("postgres://127.0.0.1:1/nothing".into());
        let open = Storage::open(&target, &shutdown);
        shutdown.cancel();
        assert!(matches!(open.await, Err(StorageError::Stopped)));
        let probed = Storage::probe(&target).await.unwrap_err();
        assert!(probed.is_unavailable(), "{probed:?}");
        let text = Chain(&probed).to_string();
        assert!(text.contains("refused"), "the reason is told: {text}");
    }

    #[tokio::test]
    async fn a_damaged_file_is_corrupt_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("splashtail.db");
        std::fs::write(
            &path,
            "this is not a database, whatever its name says".repeat(100),
        )
        .unwrap();
        let opened = Storage::open(&DatabaseTarget::Sqlite(path), &CancellationToken::new()).await;
        assert!(
            matches!(opened, Err(StorageError::Corrupt(_))),
            "{opened:?}"
        );
    }
}
