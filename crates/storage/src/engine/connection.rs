use std::future::Future;
use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{Database, Postgres, Sqlite};

use super::deadline::{ANSWER, RELEASE};
use super::query::Query;
use super::row::Row;
use crate::error::StorageError;

/// A connection in use. Every statement runs through here, and ends within its deadline.
pub struct Connection {
    link: Link,
    /// From before BEGIN until COMMIT or ROLLBACK was answered. sqlx's own count of transactions
    /// is not used: after a COMMIT that failed (a full disk) it stays raised, and so does every
    /// later transaction.
    in_transaction: bool,
    /// Nothing more can come from it.
    lost: bool,
}

enum Link {
    Sqlite(Borrowed<Sqlite>),
    Postgres(Borrowed<Postgres>),
}

impl Connection {
    pub fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self {
            link: Link::Sqlite(Borrowed(Some(connection))),
            in_transaction: false,
            lost: false,
        }
    }

    pub fn postgres(connection: PoolConnection<Postgres>) -> Self {
        Self {
            link: Link::Postgres(Borrowed(Some(connection))),
            in_transaction: false,
            lost: false,
        }
    }

    /// Whether a statement that failed may be repeated on another connection, if it changes
    /// nothing.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// How many rows it changed.
    pub async fn execute(&mut self, query: &Query) -> Result<u64, StorageError> {
        let Self { link, lost, .. } = self;
        let done = async {
            Ok(match link {
                Link::Sqlite(link) => query.sqlite().execute(&mut ***link).await?.rows_affected(),
                Link::Postgres(link) => {
                    let done = query.postgres().execute(&mut ***link).await?;
                    done.rows_affected()
                }
            })
        };
        answered(lost, done).await
    }

    pub async fn fetch_optional(&mut self, query: &Query) -> Result<Option<Row>, StorageError> {
        let Self { link, lost, .. } = self;
        let row = async {
            Ok(match link {
                Link::Sqlite(link) => {
                    let row = query.sqlite().fetch_optional(&mut ***link).await?;
                    row.map(Row::Sqlite)
                }
                Link::Postgres(link) => {
                    let row = query.postgres().fetch_optional(&mut ***link).await?;
                    row.map(Row::Postgres)
                }
            })
        };
        answered(lost, row).await
    }

    pub async fn fetch_all(&mut self, query: &Query) -> Result<Vec<Row>, StorageError> {
        let Self { link, lost, .. } = self;
        let rows = async {
            Ok(match link {
                Link::Sqlite(link) => {
                    let rows = query.sqlite().fetch_all(&mut ***link).await?;
                    rows.into_iter().map(Row::Sqlite).collect()
                }
                Link::Postgres(link) => {
                    let rows = query.postgres().fetch_all(&mut ***link).await?;
                    rows.into_iter().map(Row::Postgres).collect()
                }
            })
        };
        answered(lost, rows).await
    }

    /// On SQLite it takes the write lock at once, so that what is read stays true.
    pub async fn begin(&mut self) -> Result<(), StorageError> {
        self.in_transaction = true;
        let begin = match &self.link {
            Link::Sqlite(_) => "BEGIN IMMEDIATE",
            Link::Postgres(_) => "BEGIN",
        };
        self.say(begin).await
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), StorageError> {
        self.say(statement).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), StorageError> {
        let Self { link, lost, .. } = self;
        let said = async {
            match link {
                Link::Sqlite(link) => {
                    sqlx::raw_sql(statement).execute(&mut ***link).await?;
                }
                Link::Postgres(link) => {
                    sqlx::raw_sql(statement).execute(&mut ***link).await?;
                }
            }
            Ok(())
        };
        answered(lost, said).await
    }
}

/// The answer, unless none comes in time.
async fn answered<T>(
    lost: &mut bool,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StorageError> {
    // Whoever drops this future leaves a statement behind that nobody reads to its end. The
    // connection is put in order, or closed, when it is given back.
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let error = StorageError::from(error);
            *lost = error.is_disconnect();
            Err(error)
        }
        Err(_) => {
            *lost = true;
            Err(StorageError::silent(ANSWER))
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let end = if self.lost {
            End::Abandon
        } else if self.in_transaction {
            End::Close
        } else {
            End::Return
        };
        match &mut self.link {
            Link::Sqlite(link) => link.end(end),
            Link::Postgres(link) => link.end(end),
        }
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum End {
    /// It is used again.
    Return,
    /// The other side is told that it is closed, which undoes an open transaction. Its place in the
    /// pool is free when that is done.
    Close,
    /// Its place in the pool is free at once.
    Abandon,
}

/// A connection of a pool. It leaves within [`RELEASE`]: sqlx itself waits without end for a server
/// that has fallen silent, and its pool is a connection short for as long.
struct Borrowed<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Borrowed<DB> {
    fn end(&mut self, end: End) {
        let Some(mut connection) = self.0.take() else {
            return;
        };
        match (end, tokio::runtime::Handle::try_current()) {
            (End::Return, Ok(runtime)) => {
                let back = connection.return_to_pool();
                runtime.spawn(tokio::time::timeout(RELEASE, back));
            }
            (End::Close, Ok(runtime)) => {
                runtime.spawn(tokio::time::timeout(RELEASE, connection.close()));
            }
            (End::Abandon, _) | (_, Err(_)) => drop(connection.detach()),
        }
    }
}

impl<DB: Database> Deref for Borrowed<DB> {
    type Target = PoolConnection<DB>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("taken only at the end")
    }
}

impl<DB: Database> DerefMut for Borrowed<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.as_mut().expect("taken only at the end")
    }
}

/// Statements that happen together or not at all. Dropped before [`Transaction::commit`], it has
/// changed nothing, and its connection is closed: [`Transaction::rollback`] keeps it.
pub struct Transaction(Connection);

impl Transaction {
    /// Of a connection on which one has begun.
    pub(super) fn new(connection: Connection) -> Self {
        Self(connection)
    }

    pub async fn execute(&mut self, query: Query) -> Result<u64, StorageError> {
        self.0.execute(&query).await
    }

    pub async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StorageError> {
        self.0.fetch_optional(&query).await
    }

    pub async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StorageError> {
        self.0.fetch_all(&query).await
    }

    /// # Errors
    /// Those of a connection that is lost or silent leave open whether it happened.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        self.0.end("COMMIT").await
    }

    pub async fn rollback(mut self) -> Result<(), StorageError> {
        self.0.end("ROLLBACK").await
    }
}
