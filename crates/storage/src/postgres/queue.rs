use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::tasks::insert_entry;
use super::{Postgres, ms, rows};
use crate::error::StorageError;
use crate::log_entry::{MAX_ENTRIES, NewLogEntry};
use crate::sql::{self, held, task_columns};
use crate::task_queue::{Claimed, End, Lease, TaskQueue};

/// That of a task's first lease.
const FIRST_FENCE: i64 = 1;

const CLAIM: &str = concat!(
    "UPDATE tasks SET state = 'running', fence = fence + 1, attempts = attempts + 1, \
     lease_owner = $1, lease_until = $2, last_updated = $3 \
     WHERE task_id = (SELECT task_id FROM tasks \
       WHERE state IN ('pending', 'running') AND requested AND run_after <= $3 \
         AND (lease_until IS NULL OR lease_until <= $3) \
         AND task_name = ANY($4) \
       ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED) \
     RETURNING ",
    task_columns!(),
    ", (SELECT wrapped FROM job_secrets WHERE job_secrets.task_id = tasks.task_id) AS wrapped"
);

/// The update locks the row and looks at it again after waiting: a lease that was lost in the
/// meantime writes nothing.
const RECORD_STEP: &str = concat!(
    "WITH held AS (",
    "UPDATE tasks SET last_updated = $3",
    held!(),
    " RETURNING task_id), recorded AS (\
     INSERT INTO task_steps (task_id, step, output, recorded_at) \
     SELECT task_id, $4, $5, $3 FROM held ON CONFLICT DO NOTHING) \
     SELECT 1 FROM held"
);

/// As [`sql::COUNT_ENTRY`], then the entry or, in the first place behind the last, the note.
const APPEND: &str = concat!(
    "WITH held AS (UPDATE tasks SET last_updated = $3, \
     log_count = CASE WHEN log_count < $4 THEN log_count + 1 ELSE log_count END",
    held!(),
    " RETURNING task_id, log_count), appended AS (\
     INSERT INTO task_log (task_id, seq, level, ts, msg, extra) \
     SELECT task_id, log_count, \
       CASE WHEN log_count < $4 - 1 THEN $5 ELSE $8 END, $3, \
       CASE WHEN log_count < $4 - 1 THEN $6 ELSE $9 END, \
       CASE WHEN log_count < $4 - 1 THEN $7 ELSE '{}' END \
     FROM held WHERE log_count < $4) \
     SELECT 1 FROM held"
);

#[async_trait]
impl TaskQueue for Postgres {
    async fn claim(
        &self,
        names: &[&str],
        runner: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<Claimed>, StorageError> {
        let claimed = sqlx::query(CLAIM)
            .bind(runner)
            .bind(ms(until))
            .bind(ms(now))
            .bind(names)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = claimed else {
            return Ok(None);
        };
        let (lease, task) = (rows::lease(&row)?, rows::task(&row)?);
        let mut steps = HashMap::new();
        // Nobody has recorded anything before the first lease, and nobody else can under ours.
        if lease.fence > FIRST_FENCE {
            let recorded = sqlx::query(sql::READ_STEPS).bind(lease.task.get());
            for row in recorded.fetch_all(&self.pool).await? {
                steps.insert(row.try_get("step")?, row.try_get("output")?);
            }
        }
        Ok(Some(Claimed {
            lease,
            task,
            steps,
            wrapped_secret: row.try_get("wrapped")?,
        }))
    }

    async fn extend(&self, lease: Lease, until: DateTime<Utc>) -> Result<bool, StorageError> {
        let done = sqlx::query(sql::EXTEND_LEASE)
            .bind(lease.task.get())
            .bind(lease.fence)
            .bind(ms(until))
            .execute(&self.pool)
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
            .bind(lease.task.get())
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
        let held = sqlx::query(RECORD_STEP)
            .bind(lease.task.get())
            .bind(lease.fence)
            .bind(ms(at))
            .bind(step)
            .bind(output)
            .fetch_optional(&self.pool)
            .await?;
        Ok(held.is_some())
    }

    async fn append(&self, lease: Lease, entry: &NewLogEntry) -> Result<bool, StorageError> {
        let note = NewLogEntry::too_many(entry.ts());
        let held = sqlx::query(APPEND)
            .bind(lease.task.get())
            .bind(lease.fence)
            .bind(ms(entry.ts()))
            .bind(MAX_ENTRIES + 2)
            .bind(entry.level().as_str())
            .bind(entry.msg())
            .bind(entry.extra_json())
            .bind(note.level().as_str())
            .bind(note.msg())
            .fetch_optional(&self.pool)
            .await?;
        Ok(held.is_some())
    }

    async fn finish(
        &self,
        lease: Lease,
        end: &End,
        entry: &NewLogEntry,
    ) -> Result<bool, StorageError> {
        let id = lease.task.get();
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
            .bind(lease.task.get())
            .bind(lease.fence);
        Ok(held.fetch_optional(&self.pool).await?.is_some())
    }

    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError> {
        let free = sqlx::query(sql::FREE_ENDED_SLOT).bind(task.get());
        free.execute(&self.pool).await?;
        Ok(())
    }
}

/// The entry, the note in the first place behind the last, or nothing.
async fn insert_counted(
    connection: &mut PgConnection,
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
