//! The production database, 15 or newer, shared by all processes of all machines.

mod guilds;
mod permissions;
mod queue;
mod rows;
mod tasks;
mod tokens;

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection, PgPool, Row, Transaction};

use crate::error::StorageError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// `server_version_num` of the oldest release that is supported.
const OLDEST: i32 = 150_000;
/// sqlx itself takes any.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const CONNECTIONS: u32 = 10;
/// How long a call waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// A connection that has been idle for longer is tried out before it is used.
const TRUSTED: Duration = Duration::from_secs(2);

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
            .map_err(|error| StorageError::Address(without_url(&error, url)))?
            .application_name("splashtail");
        // Not through the pool: it waits for a server that refuses connections, and then says only
        // that it has waited.
        let connect = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
        let mut connection = connect.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
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
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // A ping before each statement would double its round trips.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// sqlx holds an advisory lock meanwhile: processes take turns.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(StorageError::Migration)
    }

    pub async fn ping(&self) -> Result<(), StorageError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, StorageError> {
        Ok(self.pool.begin().await?)
    }
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

/// To the millisecond, like the other database.
fn ms(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(3)
}
