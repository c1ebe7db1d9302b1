//! A database that is away.

use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use crate::platform::{Database, Platform};

/// The platform's database takes nothing until this ends.
#[derive(Debug)]
pub struct Outage(Kind);

#[derive(Debug)]
enum Kind {
    /// Nothing can be written, as with a disk that does not answer.
    Locked(SqliteConnection),
    /// Every connection has ended, and no new one is taken.
    Closed { admin: PgConnection, name: String },
}

impl Outage {
    /// # Errors
    /// The database cannot be reached, or is another one than those that the test command started.
    pub async fn begin(platform: &Platform) -> Result<Self> {
        Ok(Self(match platform.database() {
            Database::Sqlite(path) => {
                let address = format!("sqlite://{}", path.display());
                let mut lock = SqliteConnection::connect(&address).await?;
                lock.execute("BEGIN IMMEDIATE").await?;
                Kind::Locked(lock)
            }
            Database::Postgres(url) => {
                let (_, name) = url.rsplit_once('/').context("a database has a name")?;
                let name = name.to_owned();
                let admin = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
                let mut admin = PgConnection::connect(&admin).await?;
                admin.execute(allow(&name, false)).await?;
                let end = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                );
                admin.execute(AssertSqlSafe(end)).await?;
                Kind::Closed { admin, name }
            }
        }))
    }

    /// # Errors
    /// The database does not let go.
    pub async fn end(self) -> Result<()> {
        match self.0 {
            Kind::Locked(mut lock) => {
                lock.execute("ROLLBACK").await?;
                lock.close().await?;
            }
            Kind::Closed { mut admin, name } => {
                admin.execute(allow(&name, true)).await?;
                admin.close().await?;
            }
        }
        Ok(())
    }
}

fn allow(name: &str, allowed: bool) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"))
}
