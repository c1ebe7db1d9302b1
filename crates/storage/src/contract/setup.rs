use std::str::FromStr;

use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::TaskId;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::open::Storage;

/// A database of its own for one test.
pub struct Database {
    pub storage: Storage,
    pub target: DatabaseTarget,
    place: Place,
}

enum Place {
    Directory(TempDir),
    Server { url: String, name: String },
}

impl Database {
    async fn open(target: DatabaseTarget, place: Place) -> Self {
        let storage = Storage::open(&target, &CancellationToken::new())
            .await
            .unwrap();
        Self {
            storage,
            target,
            place,
        }
    }

    pub async fn remove(self) {
        self.storage.close().await;
        match self.place {
            Place::Directory(directory) => directory.close().unwrap(),
            Place::Server { url, name } => {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                let mut connection = PgConnection::connect(&url).await.unwrap();
                sqlx::query(AssertSqlSafe(drop))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
    }
}

pub async fn sqlite() -> Database {
    let database = empty_sqlite().await;
    database.storage.migrate().await.unwrap();
    database
}

pub async fn postgres() -> Database {
    let database = empty_postgres().await;
    database.storage.migrate().await.unwrap();
    database
}

pub async fn empty_sqlite() -> Database {
    let directory = tempfile::tempdir().unwrap();
    let target = DatabaseTarget::Sqlite(directory.path().join("splashtail.db"));
    Database::open(target, Place::Directory(directory)).await
}

pub async fn empty_postgres() -> Database {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL");
    let name = format!("contract_{}", TaskId::random().get().simple());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::query(AssertSqlSafe(create))
        .execute(&mut connection)
        .await
        .unwrap();
    let own = PgConnectOptions::from_str(&url).unwrap().database(&name);
    let target = DatabaseTarget::Postgres(own.to_url_lossy().to_string().into());
    Database::open(target, Place::Server { url, name }).await
}
