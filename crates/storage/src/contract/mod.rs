//! What both databases have to do. Each contract runs on SQLite, and on PostgreSQL when
//! `DATABASE_URL` names one whose user may create databases.

mod accounts;
mod cases;
mod consents;
mod events;
mod gitlogs;
mod guarded;
mod guilds;
mod histories;
mod ledger;
mod lockdowns;
mod looks;
mod migrating;
mod opening;
mod outages;
mod profiles;
mod protections;
mod queue;
mod raids;
mod schedules;
mod settings;
mod setup;
mod setups;
mod tasks;
mod texts;
mod tokens;
mod webhooks;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};

use crate::log_entry::{Level, NewLogEntry};
use crate::open::Storage;
use crate::owner::Owner;
use crate::task::{Slot, TaskRow};
use crate::task_queue::{Claimed, Wanted, Which};
use crate::task_store::{Creation, NewTask, Priority};

/// Both tests of one contract.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let database = crate::contract::setup::sqlite().await;
                super::$name(database.storage.clone()).await;
                database.remove().await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            #[ignore = "needs DATABASE_URL"]
            async fn $name() {
                let database = crate::contract::setup::postgres().await;
                super::$name(database.storage.clone()).await;
                database.remove().await;
            })+
        }
    };
}
pub(crate) use contract;

/// Milliseconds after the tests' beginning, with a fraction that no database keeps.
fn t(ms: i64) -> DateTime<Utc> {
    stored(ms) + Duration::from_micros(321)
}

/// What [`t`] becomes.
fn stored(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + ms).unwrap()
}

fn guild(id: u64) -> GuildId {
    GuildId::new(id).unwrap()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

fn task(at_ms: i64) -> NewTask {
    NewTask {
        id: TaskId::random(),
        name: "backup".to_owned(),
        owner: Owner::Server(guild(1)),
        fields: json!({"ServerID": "1", "a": 1}),
        encrypted: false,
        wrapped_secret: None,
        slot: None,
        idempotency: None,
        execute: true,
        priority: Priority::Interactive,
        run_after: None,
        deadline: None,
        expires_at: None,
        created_at: t(at_ms),
    }
}

fn with_slot(at_ms: i64, guild_id: u64) -> NewTask {
    let slot = Slot {
        guild: guild(guild_id),
        kind: "backup".to_owned(),
    };
    NewTask {
        slot: Some(slot),
        ..task(at_ms)
    }
}

async fn created(storage: &Storage, task: &NewTask) -> TaskRow {
    match storage.tasks().create(task).await.unwrap() {
        Creation::Created(row) => row,
        other => panic!("not created: {other:?}"),
    }
}

/// Longer than any test takes.
const LEASE: Duration = Duration::from_secs(3600);

fn wanted<'a>(runner: &'a str, names: &'a [&'a str]) -> Wanted<'a> {
    Wanted {
        runner,
        names,
        which: Which::Waiting(Priority::Scheduled),
        lease: LEASE,
    }
}

/// Claims whatever is next.
async fn claim(storage: &Storage) -> Option<Claimed> {
    let waiting = wanted("runner", &["backup"]);
    let left = Wanted {
        which: Which::Left(Priority::Scheduled),
        ..waiting
    };
    let waiting = storage.queue().claim(&waiting).await.unwrap();
    match waiting {
        Some(waiting) => Some(waiting),
        None => storage.queue().claim(&left).await.unwrap(),
    }
}

/// Ends every lease and wait of the task. Time itself is the database's and cannot be moved.
async fn time_passes(storage: &Storage, id: TaskId) {
    let over = format!(
        "UPDATE tasks SET lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE created_at END, \
         run_after = created_at \
         WHERE task_id = '{id}' RETURNING log_count"
    );
    storage.number(over).await;
}

fn entry(at_ms: i64, msg: &str) -> NewLogEntry {
    let extra = Map::from_iter([("code".to_owned(), Value::from(msg))]);
    NewLogEntry::new(Level::Info, t(at_ms), msg, extra)
}
