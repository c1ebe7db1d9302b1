//! The production database, 15 or newer, shared by all processes of all machines.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgPool, Row};

use crate::engine::deadline::{
    ACQUIRE, CONNECT, IDLE_IN_TRANSACTION, MIGRATION, RELEASE, STATEMENT,
};
use crate::error::StorageError;

pub static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// `server_version_num` of the oldest release that is supported.
const OLDEST: i32 = 150_000;
/// sqlx itself takes any.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
pub const CONNECTIONS: u32 = 10;
/// A connection that has been idle for longer is tried out before it is used: the server, or a
/// firewall on the way, may have forgotten it.
const TRUSTED: Duration = Duration::from_secs(2);
/// How long it may take to answer then. Another one is made in its place.
const TRIAL: Duration = Duration::from_secs(1);
/// The server looks for a client that says nothing after this, and gives it up after three
/// questions. By default that takes two hours, with all locks held.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How often, while it migrates, the server is asked for a sign of life, and how long that may take.
const WATCH: Duration = Duration::from_secs(5);
/// So many signs of life may be missing.
const MISSED: u32 = 2;

#[derive(Debug, Clone)]
pub struct Postgres {
    pub(crate) pool: PgPool,
}

impl Postgres {
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(StorageError::Address(
                "it has to begin with postgres://".to_owned(),
            ));
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| StorageError::Address(without_url(&error, url)))?;
        // Who runs several has them told apart in `pg_stat_activity` by the address.
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("splashtail"),
        };
        // Not through the pool: it waits for a server that refuses connections, and then says only
        // that it has waited.
        tokio::time::timeout(CONNECT, examine(&options))
            .await
            .map_err(|_| StorageError::silent(CONNECT))??;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            // A ping before each statement would double its round trips.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED {
                        tokio::time::timeout(TRIAL, connection.ping())
                            .await
                            .map_err(|_| sqlx::Error::PoolTimedOut)??;
                    }
                    Ok(true)
                })
            })
            // Not as options of the connection: poolers in between refuse those.
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let limits = sqlx::raw_sql(AssertSqlSafe(limits()));
                    limits.execute(connection).await.map(drop)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// sqlx holds an advisory lock meanwhile: processes take turns. On a connection of its own,
    /// for which [`STATEMENT`] does not count.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT)
            .connect_lazy_with(self.pool.connect_options().as_ref().clone());
        let migrated = tokio::select! {
            migrated = MIGRATIONS.run(&pool) => migrated.map_err(StorageError::from),
            silent = self.silence() => Err(silent),
            () = tokio::time::sleep(MIGRATION) => Err(StorageError::silent(MIGRATION)),
        };
        tokio::time::timeout(RELEASE, pool.close()).await.ok();
        migrated
    }

    /// Until the server says nothing any more: a statement of a migration may take long, but the
    /// server answers others meanwhile.
    async fn silence(&self) -> StorageError {
        let mut missed = 0;
        while missed < MISSED {
            tokio::time::sleep(WATCH).await;
            let answer = sqlx::query("SELECT 1").execute(&self.pool);
            match tokio::time::timeout(WATCH, answer).await {
                Ok(Ok(_)) => missed = 0,
                Ok(Err(_)) | Err(_) => missed += 1,
            }
        }
        StorageError::silent(WATCH * MISSED)
    }

    /// Waits for what is under way, but not for a server that has fallen silent.
    pub async fn close(&self) {
        tokio::time::timeout(RELEASE, self.pool.close()).await.ok();
    }
}

/// Whether there is a server of a version that will do.
async fn examine(options: &PgConnectOptions) -> Result<(), StorageError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let version = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS number, \
             current_setting('server_version') AS name",
    );
    let row = version.fetch_one(&mut connection).await?;
    if row.try_get::<i32, _>("number")? < OLDEST {
        return Err(StorageError::TooOld {
            found: row.try_get("name")?,
        });
    }
    connection.close().await?;
    Ok(())
}

/// What the server itself watches, so that nothing of ours blocks others when we are gone.
fn limits() -> String {
    let (statement, idle) = (STATEMENT.as_millis(), IDLE_IN_TRANSACTION.as_millis());
    let keepalive = KEEPALIVE.as_secs();
    format!(
        "SET statement_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {idle}; \
         SET tcp_keepalives_idle = {keepalive}; \
         SET tcp_keepalives_interval = {keepalive}; \
         SET tcp_keepalives_count = 3"
    )
}

/// The parser's complaint, unless it quotes the address.
fn without_url(error: &sqlx::Error, url: &str) -> String {
    let text = match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        other => other.to_string(),
    };
    if text.contains(url) {
        "it cannot be parsed".to_owned()
    } else {
        text
    }
}
