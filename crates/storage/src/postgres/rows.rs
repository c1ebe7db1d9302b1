//! From rows to the types of this crate. Whatever does not fit is corruption.

use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, TaskId};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::error::StorageError;
use crate::log_entry::TaskLogEntry;
use crate::task::{Slot, TaskRow};
use crate::task_queue::Lease;
use crate::token::TokenRow;

pub fn uuid(row: &PgRow, column: &str) -> Result<Uuid, StorageError> {
    Ok(row.try_get(column)?)
}

pub fn time(row: &PgRow, column: &str) -> Result<DateTime<Utc>, StorageError> {
    Ok(row.try_get(column)?)
}

pub fn maybe_time(row: &PgRow, column: &str) -> Result<Option<DateTime<Utc>>, StorageError> {
    Ok(row.try_get(column)?)
}

pub fn parsed<T>(row: &PgRow, column: &str) -> Result<T, StorageError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.try_get::<String, _>(column)?
        .parse()
        .map_err(StorageError::corrupt)
}

pub fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> Result<T, StorageError> {
    serde_json::from_str(row.try_get(column)?).map_err(StorageError::corrupt)
}

pub fn maybe_json<T: serde::de::DeserializeOwned>(
    row: &PgRow,
    column: &str,
) -> Result<Option<T>, StorageError> {
    let text = row.try_get::<Option<&str>, _>(column)?;
    text.map(serde_json::from_str)
        .transpose()
        .map_err(StorageError::corrupt)
}

pub fn guild(id: i64) -> Result<GuildId, StorageError> {
    GuildId::from_db(id).map_err(StorageError::corrupt)
}

pub fn task(row: &PgRow) -> Result<TaskRow, StorageError> {
    let slot_guild: Option<i64> = row.try_get("slot_guild")?;
    let slot_kind: Option<String> = row.try_get("slot_kind")?;
    let slot = match (slot_guild, slot_kind) {
        (Some(id), Some(kind)) => Some(Slot {
            guild: guild(id)?,
            kind,
        }),
        _ => None,
    };
    Ok(TaskRow {
        id: TaskId(uuid(row, "task_id")?),
        name: row.try_get("task_name")?,
        owner: parsed(row, "owner")?,
        fields: json::<Value>(row, "fields")?,
        encrypted: row.try_get("encrypted")?,
        state: parsed(row, "state")?,
        output: maybe_json(row, "output")?,
        requested: row.try_get("requested")?,
        attempts: u32::try_from(row.try_get::<i32, _>("attempts")?)
            .map_err(StorageError::corrupt)?,
        lease_owner: row.try_get("lease_owner")?,
        lease_until: maybe_time(row, "lease_until")?,
        run_after: time(row, "run_after")?,
        slot,
        expires_at: maybe_time(row, "expires_at")?,
        created_at: time(row, "created_at")?,
        last_updated: time(row, "last_updated")?,
    })
}

pub fn lease(row: &PgRow) -> Result<Lease, StorageError> {
    Ok(Lease {
        task: TaskId(uuid(row, "task_id")?),
        fence: row.try_get("fence")?,
    })
}

pub fn entry(row: &PgRow) -> Result<TaskLogEntry, StorageError> {
    Ok(TaskLogEntry {
        seq: row.try_get("seq")?,
        level: parsed(row, "level")?,
        ts: time(row, "ts")?,
        msg: row.try_get("msg")?,
        extra: json(row, "extra")?,
    })
}

pub fn token(row: &PgRow) -> Result<TokenRow, StorageError> {
    Ok(TokenRow {
        id: uuid(row, "id")?,
        owner: parsed(row, "owner")?,
        name: row.try_get("name")?,
        created_at: time(row, "created_at")?,
        expires_at: maybe_time(row, "expires_at")?,
    })
}
