//! The two databases behind one face: what runs statements, and gives each its deadline.
//!
//! Stores are written once, against [`Engine`]. sqlx's own `Any` knows neither UUIDs nor times,
//! and asks for the least that all its databases have in common.

mod connection;
pub mod deadline;
mod query;
mod row;

pub use connection::{Connection, Transaction};
pub use query::{Query, Sql, query};
pub use row::Row;

use crate::error::{Outage, StorageError};
use crate::postgres::{CONNECTIONS, Postgres};
use crate::sqlite::Sqlite;

const WRITE_SOMETHING: &str = "PRAGMA user_version = 1";
const IS_STANDBY: &str = "SELECT pg_is_in_recovery() AS standby";

#[derive(Debug, Clone)]
pub enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Engine {
    /// Runs a statement that changes something; how many rows it changed.
    pub async fn execute(&self, query: Query) -> Result<u64, StorageError> {
        self.writer().await?.execute(&query).await
    }

    /// The first row that a statement changed, and tells.
    pub async fn fetch_changed(&self, query: Query) -> Result<Option<Row>, StorageError> {
        self.writer().await?.fetch_optional(&query).await
    }

    /// The first row of a statement that reads.
    pub async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StorageError> {
        let mut dead = 0;
        loop {
            let mut connection = self.reader().await?;
            let answer = connection.fetch_optional(&query).await;
            if !died(&mut dead, &connection, &answer) {
                return answer;
            }
        }
    }

    /// All rows of a statement that reads.
    pub async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StorageError> {
        let mut dead = 0;
        loop {
            let mut connection = self.reader().await?;
            let answer = connection.fetch_all(&query).await;
            if !died(&mut dead, &connection, &answer) {
                return answer;
            }
        }
    }

    pub async fn begin(&self) -> Result<Transaction, StorageError> {
        let mut dead = 0;
        loop {
            let mut connection = self.writer().await?;
            let begun = connection.begin().await;
            if !died(&mut dead, &connection, &begun) {
                return begun.map(|()| Transaction::new(connection));
            }
        }
    }

    pub async fn check(&self) -> Result<(), StorageError> {
        if let Self::Sqlite(_) = self {
            // Nobody reads the number. Setting it writes a page, and waits until it is on disk.
            return self.execute(query(WRITE_SOMETHING)).await.map(drop);
        }
        let standby = self.fetch_optional(query(IS_STANDBY)).await?;
        match standby.map(|row| row.get("standby")).transpose()? {
            Some(true) => Err(StorageError::Unavailable(Outage::Standby)),
            _ => Ok(()),
        }
    }

    async fn reader(&self) -> Result<Connection, StorageError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Connection::sqlite(sqlite.reader.acquire().await?),
            Self::Postgres(postgres) => Connection::postgres(postgres.pool.acquire().await?),
        })
    }

    async fn writer(&self) -> Result<Connection, StorageError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Connection::sqlite(sqlite.writer.acquire().await?),
            Self::Postgres(postgres) => Connection::postgres(postgres.pool.acquire().await?),
        })
    }
}

/// Whether the connection proved dead, so that what changes nothing is repeated on another one:
/// after a restart of the server all that were idle are.
fn died<T>(dead: &mut u32, connection: &Connection, answer: &Result<T, StorageError>) -> bool {
    let died = connection.is_lost() && answer.as_ref().is_err_and(StorageError::is_prompt);
    *dead += u32::from(died);
    died && *dead <= CONNECTIONS
}
