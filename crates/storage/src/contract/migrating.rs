//! Every migration meets a filled database, and data of every version before it.
//!
//! Each has rows of its own in `migrations/seeds`, written when its version is the newest. A new
//! migration brings such a file along: this fails without.

use std::collections::BTreeMap;

use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::*;
use crate::contract::setup::{Database, empty_postgres, empty_sqlite};
use crate::engine::Engine;
use crate::task::TaskState;
use crate::{postgres, sqlite};

#[tokio::test]
async fn every_migration_meets_rows_on_sqlite() {
    every_migration_meets_rows(empty_sqlite().await).await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn every_migration_meets_rows_on_postgres() {
    every_migration_meets_rows(empty_postgres().await).await;
}

async fn every_migration_meets_rows(database: Database) {
    let engine = database.storage.engine();
    let mut before = BTreeMap::new();
    for migration in migrations(engine).iter() {
        let version = migration.version;
        migrate_to(engine, version).await;
        let counts = counts(engine).await;
        for (table, count) in &before {
            let now = counts.get(table);
            assert!(
                now.is_none_or(|now| now >= count),
                "{version}: rows of {table} were lost: {count} before, {now:?} now"
            );
        }
        run(engine, &seed(migration, engine)).await;
        before = self::counts(engine).await;
        let empty = before.iter().find(|(_, count)| **count == 0);
        assert_eq!(empty, None, "{version}: a table has no seed");
    }
    database.storage.migrate().await.unwrap();
    the_first_rows_are_read(&database.storage).await;
    database.remove().await;
}

/// Rows of the first version, as the stores of today show them.
async fn the_first_rows_are_read(storage: &Storage) {
    let server = GuildId::new(1_100_000_000_001_179_648).unwrap();
    let banned = UserId::new(1_100_000_000_000_000_011).unwrap();
    let task = |last: u8| {
        TaskId(Uuid::from_u128(
            0x4000_8000_0000_0000_0000 + u128::from(last),
        ))
    };
    let tasks = storage.tasks();

    let waiting = tasks.get(task(0xa), t(0)).await.unwrap().unwrap();
    assert_eq!(waiting.fields, json!({"z": 1, "a": "ünï 'quoted'"}));
    assert_eq!(
        (waiting.state, waiting.requested),
        (TaskState::Pending, false)
    );
    let running = tasks.get(task(0xb), t(0)).await.unwrap().unwrap();
    assert_eq!((running.state, running.attempts), (TaskState::Running, 2));
    assert_eq!(running.slot.map(|slot| slot.guild), Some(server));
    let log = tasks.log(task(0xb), 0, 10).await.unwrap();
    assert_eq!(
        log.iter()
            .map(|entry| entry.msg.as_str())
            .collect::<Vec<_>>(),
        ["begun", "slow"]
    );
    let done = tasks.get(task(0xc), t(0)).await.unwrap().unwrap();
    assert_eq!(done.output.unwrap().filename, "backup.iblfile");
    let expired = tasks.expired(None, 10).await.unwrap();
    assert_eq!(expired[0].id, task(0xd));

    assert_eq!(
        storage
            .tokens()
            .list(Owner::Server(server))
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(storage.guilds().exists(server).await.unwrap());
    assert!(storage.guilds().exists(guild(u64::MAX)).await.unwrap());
    let row = storage.users().get(banned).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.vote_banned), ("banned", true));
    permissions_became_settings(storage, server).await;
    policies_became_settings(storage, guild(1_100_000_000_005_373_952)).await;
    let protections = storage.protections();
    let state = protections.state(server).await.unwrap();
    assert_eq!(state.as_deref(), Some(r#"{"highest":"1"}"#));
}

/// Once they were one document beside the settings.
async fn policies_became_settings(storage: &Storage, server: GuildId) {
    let read = storage.settings().read(server, None).await.unwrap();
    assert_eq!(read.version, 1);
    let rows: Vec<_> = read
        .rows
        .iter()
        .map(|row| (row.setting.as_str(), row.entry.as_str(), row.fields.clone()))
        .collect();
    let (limits, trust) = ("protection_limits", "protection_trust");
    assert_eq!(
        rows,
        [
            (
                limits,
                "ban/bot",
                json!({"limit": "ban/bot", "minute": 1, "hour": 2, "day": 3})
            ),
            (
                limits,
                "ban/moderator",
                json!({"limit": "ban/moderator", "minute": 4, "hour": 5, "day": null})
            ),
            (
                limits,
                "points/administrator",
                json!({"limit": "points/administrator", "minute": 10, "hour": 20, "day": 30})
            ),
            (
                "protection_maintenance",
                "7",
                json!({"actor": "7", "kinds": ["ban", "kick"], "until": "2025-12-14T00:00:00Z"})
            ),
            (
                "protection_policy",
                "server",
                json!({"policy": "server", "mode": "off", "answer": "ban", "alert_channel": "30",
                    "quarantine_role": "31"})
            ),
            (trust, "role/9", json!({"who": "role/9"})),
            (trust, "user/7", json!({"who": "user/7"})),
            (trust, "user/8", json!({"who": "user/8"})),
        ]
    );
}

/// Once each had a table of its own.
async fn permissions_became_settings(storage: &Storage, server: GuildId) {
    let read = storage.settings().read(server, None).await.unwrap();
    assert_eq!(read.version, 1);
    let rows: Vec<_> = read
        .rows
        .iter()
        .map(|row| (row.setting.as_str(), row.entry.as_str(), row.fields.clone()))
        .collect();
    let (command, module) = ("command_configuration", "module_configuration");
    let (roles, members) = ("guild_roles", "guild_members");
    let head = "1100000000001179650";
    let other = "1100000000001179651";
    let owner = "1100000000000000010";
    assert_eq!(
        rows,
        [
            (
                command,
                "backups create",
                json!({"command": "backups create", "disabled": null, "perms": {"var": 1}})
            ),
            (
                command,
                "ping",
                json!({"command": "ping", "disabled": true, "perms": null})
            ),
            (
                members,
                owner,
                json!({"user_id": owner, "perm_overrides": ["~global.*"], "public": true})
            ),
            (
                roles,
                head,
                json!({"role_id": head, "perms": ["global.*"], "index": 0, "display_name": "Head"})
            ),
            (
                roles,
                other,
                json!({"role_id": other, "perms": [], "index": 1, "display_name": null})
            ),
            (
                module,
                "core",
                json!({"module": "core", "disabled": null, "default_perms": {"var": 1}})
            ),
            (
                module,
                "server_backups",
                json!({"module": "server_backups", "disabled": false, "default_perms": null})
            ),
            (
                "protection_policy",
                "server",
                json!({"policy": "server", "mode": "on", "answer": "take_roles",
                    "alert_channel": null, "quarantine_role": null})
            ),
        ]
    );
    assert_eq!(
        read.rows[0].updated_by,
        UserId::new(1_100_000_000_000_000_011)
    );
    assert_eq!(read.rows[5].created_by, None);
}

fn migrations(engine: &Engine) -> &'static Migrator {
    match engine {
        Engine::Sqlite(_) => &sqlite::MIGRATIONS,
        Engine::Postgres(_) => &postgres::MIGRATIONS,
    }
}

async fn migrate_to(engine: &Engine, version: i64) {
    let known = migrations(engine).iter();
    let wanted = known.filter(|migration| migration.version <= version);
    let migrator = Migrator::with_migrations(wanted.cloned().collect());
    let migrated = match engine {
        Engine::Sqlite(sqlite) => migrator.run(&sqlite.writer).await,
        Engine::Postgres(postgres) => migrator.run(&postgres.pool).await,
    };
    migrated.unwrap();
}

/// The rows that a migration brings along, in the words of this database.
fn seed(migration: &Migration, engine: &Engine) -> String {
    let name = migration.description.replace(' ', "_");
    let path = format!("migrations/seeds/{:04}_{name}.sql", migration.version);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    match engine {
        Engine::Sqlite(_) => text.replace("ms(", "("),
        Engine::Postgres(_) => text
            .replace("ms(", "to_timestamp(0.001 * ")
            .replace("x'", r"'\x"),
    }
}

async fn run(engine: &Engine, statements: &str) {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
    match engine {
        Engine::Sqlite(sqlite) => drop(statements.execute(&sqlite.writer).await.unwrap()),
        Engine::Postgres(postgres) => drop(statements.execute(&postgres.pool).await.unwrap()),
    }
}

/// How many rows each of our tables has.
async fn counts(engine: &Engine) -> BTreeMap<String, i64> {
    let tables: Vec<String> = match engine {
        Engine::Sqlite(sqlite) => {
            let names = "SELECT name FROM sqlite_schema WHERE type = 'table'";
            let rows = sqlx::query(names).fetch_all(&sqlite.writer).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
        Engine::Postgres(postgres) => {
            let names = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
            let rows = sqlx::query(names).fetch_all(&postgres.pool).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    };
    let ours = tables
        .into_iter()
        .filter(|table| !table.starts_with("sqlite_") && table != "_sqlx_migrations");
    let mut counts = BTreeMap::new();
    for table in ours {
        let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let count = match engine {
            Engine::Sqlite(sqlite) => sqlx::query_scalar(count).fetch_one(&sqlite.writer).await,
            Engine::Postgres(postgres) => sqlx::query_scalar(count).fetch_one(&postgres.pool).await,
        };
        counts.insert(table, count.unwrap());
    }
    counts
}

/// Table and column names of migrations, in order.
fn columns(migrations: &Migrator) -> Vec<(i64, String, String)> {
    let mut columns = Vec::new();
    for migration in migrations.iter() {
        let mut table = String::new();
        for line in migration.sql.as_str().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words {
                ["CREATE" | "ALTER", "TABLE", name, ref rest @ ..] => {
                    name.clone_into(&mut table);
                    if let ["ADD", "COLUMN", column, ..] = *rest {
                        columns.push((migration.version, table.clone(), column.to_owned()));
                    }
                }
                ["ADD", "COLUMN", column, ..] => {
                    columns.push((migration.version, table.clone(), column.to_owned()));
                }
                [column, ..]
                    if !table.is_empty()
                        && line.starts_with("    ")
                        && column.starts_with(|c: char| c.is_ascii_lowercase()) =>
                {
                    columns.push((migration.version, table.clone(), column.to_owned()));
                }
                _ => {}
            }
            if line.ends_with(';') {
                table.clear();
            }
        }
    }
    columns
}

#[test]
fn the_migrations_are_twins() {
    let (sqlite, postgres) = (&sqlite::MIGRATIONS, &postgres::MIGRATIONS);
    assert_eq!(columns(sqlite), columns(postgres));
    assert!(columns(sqlite).len() > 60);
    let indexes = |migrations: &Migrator| {
        let counted = migrations.iter().map(|migration| {
            let indexes = migration.sql.as_str().matches("INDEX ").count();
            (migration.version, migration.description.clone(), indexes)
        });
        counted.collect::<Vec<_>>()
    };
    assert_eq!(indexes(sqlite), indexes(postgres));
}
