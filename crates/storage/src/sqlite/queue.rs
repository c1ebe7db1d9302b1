use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::tasks::insert_entry;
use super::{Sqlite, key, ms, rows};
use crate::error::StorageError;
use crate::log_entry::{MAX_ENTRIES, NewLogEntry};
use crate::sql::{self, task_columns};
use crate::task_queue::{Claimed, End, Lease, TaskQueue};

const CLAIM: &str = concat!(
    "UPDATE tasks SET state = 'running', fence = fence + 1, attempts = attempts + 1, \
     lease_owner = $1, lease_until = $2, last_updated = $3 \
     WHERE task_id = (SELECT task_id FROM tasks \
       WHERE state IN ('pending', 'running') AND requested AND run_after <= $3 \
         AND (lease_until IS NULL OR lease_until <= $3) \
         AND task_name IN (SELECT value FROM json_each($4)) \
       ORDER BY run_after LIMIT 1) \
     RETURNING ",
    task_columns!()
);

#[async_trait]
impl TaskQueue for Sqlite {
    async fn claim(
        &self,
        names: &[&str],
        runner: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Claimed>, StorageError> {
        let mut tx = self.begin().await?;
        let claimed = sqlx::query(CLAIM)
            .bind(runner)
            .bind(ms(until))
            .bind(ms(now))
            .bind(serde_json::Value::from(names).to_string())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = claimed else {
            return Ok(None);
        };
        let (lease, task) = (rows::lease(&row)?, rows::task(&row)?);
        let id = key(lease.task.get());
        let steps = sqlx::query(sql::READ_STEPS)
            .bind(id)
            .fetch_all(&mut *tx)
            .await?;
        let secret = sqlx::query(sql::READ_SECRET)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        let steps = steps
            .iter()
            .map(|row| Ok((row.try_get("step")?, row.try_get("output")?)));
        Ok(Some(Claimed {
            lease,
            task,
            steps: steps.collect::<Result<_, sqlx::Error>>()?,
            wrapped_secret: secret.map(|row| row.try_get("wrapped")).transpose()?,
        }))
    }

    async fn extend(&self, lease: Lease, until: DateTime<Utc>) -> Result<bool, StorageError> {
        let done = sqlx::query(sql::EXTEND_LEASE)
            .bind(key(lease.task.get()))
            .bind(lease.fence)
            .bind(ms(until))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn release(
        &self,
        lease: Lease,
        run_after: DateTime<Utc>,
        counts: bool,
        entry: Option<&NewLogEntry>,
    ) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let released = sqlx::query(sql::RELEASE_LEASE)
            .bind(key(lease.task.get()))
            .bind(lease.fence)
            .bind(ms(run_after))
            .bind(i32::from(!counts))
            .bind(entry.is_some())
            .bind(MAX_ENTRIES + 2)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = released else {
            return Ok(false);
        };
        if let Some(entry) = entry {
            insert_counted(&mut tx, lease.task, row.try_get("log_count")?, entry).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn record_step(
        &self,
        lease: Lease,
        step: &str,
        output: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let touched = sqlx::query(sql::TOUCH)
            .bind(key(lease.task.get()))
            .bind(lease.fence)
            .bind(ms(at))
            .execute(&mut *tx)
            .await?;
        if touched.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(sql::INSERT_STEP)
            .bind(key(lease.task.get()))
            .bind(step)
            .bind(output)
            .bind(ms(at))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn append(&self, lease: Lease, entry: &NewLogEntry) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let counted = sqlx::query(sql::COUNT_ENTRY)
            .bind(key(lease.task.get()))
            .bind(lease.fence)
            .bind(ms(entry.ts()))
            .bind(MAX_ENTRIES + 2)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = counted else {
            return Ok(false);
        };
        insert_counted(&mut tx, lease.task, row.try_get("log_count")?, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn finish(
        &self,
        lease: Lease,
        end: &End,
        entry: &NewLogEntry,
    ) -> Result<bool, StorageError> {
        let id = key(lease.task.get());
        let mut tx = self.begin().await?;
        let finished = sqlx::query(sql::FINISH_TASK)
            .bind(id)
            .bind(lease.fence)
            .bind(end.state().as_str())
            .bind(end.output_json()?)
            .bind(ms(entry.ts()))
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = finished else {
            return Ok(false);
        };
        insert_entry(&mut tx, lease.task, row.try_get("log_count")?, entry).await?;
        for statement in [sql::DELETE_SECRET, sql::DELETE_STEPS, sql::FREE_SLOT] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn holds(&self, lease: Lease) -> Result<bool, StorageError> {
        let held = sqlx::query(sql::HOLDS)
            .bind(key(lease.task.get()))
            .bind(lease.fence);
        Ok(held.fetch_optional(&self.reader).await?.is_some())
    }

    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError> {
        let free = sqlx::query(sql::FREE_ENDED_SLOT).bind(key(task.get()));
        free.execute(&self.writer).await?;
        Ok(())
    }
}

/// The entry, the note in the first place behind the last, or nothing.
async fn insert_counted(
    connection: &mut SqliteConnection,
    task: TaskId,
    seq: i64,
    entry: &NewLogEntry,
) -> Result<(), StorageError> {
    match seq {
        ..=MAX_ENTRIES => insert_entry(connection, task, seq, entry).await,
        seq if seq == MAX_ENTRIES + 1 => {
            insert_entry(connection, task, seq, &NewLogEntry::too_many(entry.ts())).await
        }
        _ => Ok(()),
    }
}
