use splashtail_core::config::DatabaseTarget;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::setup::Database;
use crate::error::StorageError;

macro_rules! opening_contract {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::contract::setup::empty_sqlite().await).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            #[ignore = "needs DATABASE_URL"]
            async fn $name() {
                super::$name(crate::contract::setup::empty_postgres().await).await;
            })+
        }
    };
}

opening_contract!(
    an_empty_database_is_outdated,
    whoever_needs_the_tables_waits_for_them,
    migrating_from_several_sides_and_again_changes_nothing,
    a_damaged_value_is_corrupt,
    a_closed_database_is_unavailable,
);

async fn an_empty_database_is_outdated(database: Database) {
    let found = database.storage.tasks().get(TaskId::random(), t(0)).await;
    assert!(matches!(found, Err(StorageError::Outdated(_))), "{found:?}");
    database.storage.ping().await.unwrap();
    Storage::probe(&database.target).await.unwrap();
    database.remove().await;
}

async fn whoever_needs_the_tables_waits_for_them(database: Database) {
    let shutdown = CancellationToken::new();
    let mut opening = Box::pin(Storage::open_migrated(&database.target, &shutdown));
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut opening).await;
    assert!(early.is_err(), "there are no tables: {early:?}");
    database.storage.migrate().await.unwrap();
    let storage = opening.await.unwrap();
    let found = storage.tasks().get(TaskId::random(), t(0)).await;
    assert_eq!(found.unwrap(), None);
    storage.close().await;

    // All but the last migration are not enough.
    let newest = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM \
        _sqlx_migrations) RETURNING version";
    database.storage.number(newest.to_owned()).await;
    let stopped = CancellationToken::new();
    let opening = Storage::open_migrated(&database.target, &stopped);
    let mut opening = Box::pin(opening);
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut opening).await;
    assert!(early.is_err(), "one is missing: {early:?}");
    stopped.cancel();
    assert!(matches!(opening.await, Err(StorageError::Stopped)));
    database.remove().await;
}

async fn migrating_from_several_sides_and_again_changes_nothing(database: Database) {
    let sides = (0..4).map(|_| {
        let target: DatabaseTarget = database.target.clone();
        tokio::spawn(async move {
            let side = Storage::open(&target, &CancellationToken::new())
                .await
                .unwrap();
            side.migrate().await.unwrap();
            side.close().await;
        })
    });
    for side in sides.collect::<Vec<_>>() {
        side.await.unwrap();
    }
    let row = created(&database.storage, &task(0)).await;
    database.storage.migrate().await.unwrap();
    assert_eq!(
        database.storage.tasks().get(row.id, t(0)).await.unwrap(),
        Some(row)
    );
    database.remove().await;
}

async fn a_damaged_value_is_corrupt(database: Database) {
    let storage = database.storage.clone();
    storage.migrate().await.unwrap();
    let id = created(&storage, &task(0)).await.id;
    let damage = "UPDATE tasks SET owner = 'g/zero' RETURNING log_count";
    storage.number(damage.to_owned()).await;
    let found = storage.tasks().get(id, t(0)).await;
    assert!(matches!(found, Err(StorageError::Corrupt(_))), "{found:?}");
    database.remove().await;
}

async fn a_closed_database_is_unavailable(database: Database) {
    database.storage.close().await;
    let found = database.storage.tasks().get(TaskId::random(), t(0)).await;
    assert!(found.is_err_and(|error| error.is_unavailable()));
    database.remove().await;
}

#[tokio::test]
async fn the_embedded_file_is_private_and_strict() {
    use std::os::unix::fs::PermissionsExt;
    let database = crate::contract::setup::sqlite().await;
    let DatabaseTarget::Sqlite(path) = &database.target else {
        panic!("a file")
    };
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let storage = &database.storage;
    let loose = "SELECT COUNT(*) FROM pragma_table_list \
        WHERE schema = 'main' AND type = 'table' AND strict = 0 \
        AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'";
    assert_eq!(storage.number(loose.to_owned()).await, 0);
    assert_eq!(storage.number("PRAGMA foreign_keys".to_owned()).await, 1);
    assert_eq!(
        storage.number("PRAGMA synchronous".to_owned()).await,
        2,
        "FULL"
    );
    database.remove().await;
}

#[tokio::test]
async fn an_unusable_address_is_named_without_being_shown() {
    for url in [
        "mysql://user:hunter2@host/db",
        "postgres://user:hunter2@host:port/db",
        "hunter2",
    ] {
        let target = DatabaseTarget::Postgres(url.into());
        let error = Storage::open(&target, &CancellationToken::new())
            .await
            .unwrap_err();
        assert!(matches!(error, StorageError::Address(_)), "{error:?}");
        let text = splashtail_core::telemetry::Chain(&error).to_string();
        assert!(
            text.contains("meta.postgres_url") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
