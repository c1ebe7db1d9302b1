use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::queue::{let_go_of_slot, take_slot};
use super::{Sqlite, key, ms, rows};
use crate::error::StorageError;
use crate::log_entry::{NewLogEntry, TaskLogEntry};
use crate::sql;
use crate::task::{TaskCounts, TaskRow};
use crate::task_store::{
    Cancellation, Creation, Idempotency, NewTask, Start, TaskQuery, TaskStore,
};

#[async_trait]
impl TaskStore for Sqlite {
    async fn create(&self, task: &NewTask) -> Result<Creation, StorageError> {
        let mut tx = self.begin().await?;
        let inserted = sqlx::query(sql::INSERT_TASK)
            .bind(key(task.id.get()))
            .bind(&task.name)
            .bind(task.owner.to_string())
            .bind(task.fields.to_string())
            .bind(task.encrypted)
            .bind(task.execute)
            .bind(ms(task.created_at))
            .bind(task.slot.as_ref().map(|slot| slot.guild.to_db()))
            .bind(task.slot.as_ref().map(|slot| slot.kind.as_str()))
            .bind(task.idempotency.as_ref().map(|used| used.client.as_str()))
            .bind(task.idempotency.as_ref().map(|used| used.key.as_str()))
            .bind(task.expires_at.map(ms))
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = inserted else {
            tx.rollback().await?;
            return first_of_key(self, task).await.map(Creation::Repeated);
        };
        if let Some(slot) = task.slot.as_ref().filter(|_| task.execute)
            && let Some(by) = take_slot(&mut tx, slot, task.id).await?
        {
            tx.rollback().await?;
            return Ok(Creation::SlotTaken { by });
        }
        if let Some(wrapped) = &task.wrapped_secret {
            let insert = sqlx::query(sql::INSERT_SECRET)
                .bind(key(task.id.get()))
                .bind(wrapped);
            insert.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        rows::task(&row).map(Creation::Created)
    }

    async fn repeated(
        &self,
        name: &str,
        idempotency: &Idempotency,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = sqlx::query(sql::REPEATED)
            .bind(&idempotency.client)
            .bind(name)
            .bind(&idempotency.key)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(rows::task).transpose()
    }

    async fn start(&self, id: TaskId, at: DateTime<Utc>) -> Result<Start, StorageError> {
        let mut tx = self.begin().await?;
        let requested = sqlx::query(sql::REQUEST_TASK)
            .bind(key(id.get()))
            .bind(ms(at))
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = requested else {
            let row = get(&mut tx, id, at).await?;
            return Ok(match row {
                None => Start::NotFound,
                Some(row) if row.state.is_terminal() => Start::Ended(row),
                Some(row) => Start::Started(row),
            });
        };
        let row = rows::task(&row)?;
        if let Some(slot) = &row.slot
            && let Some(by) = take_slot(&mut tx, slot, id).await?
        {
            tx.rollback().await?;
            return Ok(Start::SlotTaken { by });
        }
        tx.commit().await?;
        Ok(Start::Started(row))
    }

    async fn cancel(
        &self,
        id: TaskId,
        entry: &NewLogEntry,
    ) -> Result<Option<Cancellation>, StorageError> {
        let mut tx = self.begin().await?;
        let Some(before) = get(&mut tx, id, entry.ts()).await? else {
            return Ok(None);
        };
        if before.state.is_terminal() {
            return Ok(Some(Cancellation {
                task: before,
                changed: false,
            }));
        }
        let_go_of_slot(&mut tx, id).await?;
        let row = sqlx::query(sql::CANCEL_TASK)
            .bind(key(id.get()))
            .bind(ms(entry.ts()))
            .fetch_one(&mut *tx)
            .await?;
        insert_entry(&mut tx, id, sqlx::Row::try_get(&row, "log_count")?, entry).await?;
        for statement in [sql::DELETE_SECRET, sql::DELETE_STEPS] {
            sqlx::query(statement)
                .bind(key(id.get()))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(Some(Cancellation {
            task: rows::task(&row)?,
            changed: true,
        }))
    }

    async fn get(&self, id: TaskId, now: DateTime<Utc>) -> Result<Option<TaskRow>, StorageError> {
        let mut connection = self.reader.acquire().await?;
        get(&mut connection, id, now).await
    }

    async fn list(
        &self,
        query: &TaskQuery<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskRow>, StorageError> {
        // Without a cursor a page starts behind a row that is newer than any.
        let (created_at, id) = match query.after {
            Some(cursor) => (ms(cursor.created_at), cursor.id.get()),
            None => (i64::MAX, Uuid::max()),
        };
        let found = sqlx::query(sql::LIST_TASKS)
            .bind(query.owner.to_string())
            .bind(created_at)
            .bind(key(id))
            .bind(ms(now))
            .bind(query.name)
            .bind(i64::from(query.limit))
            .fetch_all(&self.reader)
            .await?;
        found.iter().map(rows::task).collect()
    }

    async fn log(
        &self,
        id: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<TaskLogEntry>, StorageError> {
        let entries = sqlx::query(sql::READ_LOG)
            .bind(key(id.get()))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        entries.iter().map(rows::entry).collect()
    }

    async fn summary(&self) -> Result<TaskCounts, StorageError> {
        let mut counts = TaskCounts::default();
        for row in sqlx::query(sql::COUNT_STATES)
            .fetch_all(&self.reader)
            .await?
        {
            let tasks: i64 = sqlx::Row::try_get(&row, "tasks")?;
            counts.add(rows::parsed(&row, "state")?, tasks.unsigned_abs());
        }
        Ok(counts)
    }

    async fn expired(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<TaskRow>, StorageError> {
        let found = sqlx::query(sql::EXPIRED_TASKS)
            .bind(ms(now))
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        found.iter().map(rows::task).collect()
    }

    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<TaskId>, StorageError> {
        let found = sqlx::query(sql::ABANDONED_TASKS)
            .bind(ms(before))
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await?;
        found
            .iter()
            .map(|row| rows::uuid(row, "task_id").map(TaskId))
            .collect()
    }

    async fn delete(&self, id: TaskId) -> Result<bool, StorageError> {
        let delete = sqlx::query(sql::DELETE_TASK).bind(key(id.get()));
        Ok(delete.execute(&self.writer).await?.rows_affected() == 1)
    }
}

async fn first_of_key(store: &Sqlite, task: &NewTask) -> Result<TaskRow, StorageError> {
    let idempotency = task.idempotency.as_ref().ok_or_else(vanished)?;
    store
        .repeated(&task.name, idempotency)
        .await?
        .ok_or_else(vanished)
}

async fn get(
    connection: &mut SqliteConnection,
    id: TaskId,
    now: DateTime<Utc>,
) -> Result<Option<TaskRow>, StorageError> {
    let row = sqlx::query(sql::GET_TASK)
        .bind(key(id.get()))
        .bind(ms(now))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(rows::task).transpose()
}

pub(super) async fn insert_entry(
    connection: &mut SqliteConnection,
    task: TaskId,
    seq: i64,
    entry: &NewLogEntry,
) -> Result<(), StorageError> {
    sqlx::query(sql::INSERT_ENTRY)
        .bind(key(task.get()))
        .bind(seq)
        .bind(entry.level().as_str())
        .bind(ms(entry.ts()))
        .bind(entry.msg())
        .bind(entry.extra_json())
        .execute(connection)
        .await?;
    Ok(())
}

fn vanished() -> StorageError {
    StorageError::corrupt("a row that was just written is not there")
}
