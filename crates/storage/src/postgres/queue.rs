use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::tasks::insert_entry;
use super::{Postgres, ms, rows};
use crate::error::StorageError;
use crate::log_entry::{MAX_ENTRIES, NewLogEntry};
use crate::queue_sql::{
    self, free_idle_slot, held, park, progress, take, take_slot, takeable, taken,
};
use crate::task::Slot;
use crate::task_queue::{
    BYTES_PER_PAGE, Claimed, End, Lease, Park, Progress, RecordedStep, STEPS_PER_PAGE, TaskQueue,
    Wanted,
};

/// The server's clock. Not `now()`, which stands still within a transaction.
macro_rules! now {
    () => {
        "date_trunc('milliseconds', clock_timestamp())"
    };
}

/// So many milliseconds, which the parameter gives, from now.
macro_rules! after {
    ($parameter:expr) => {
        concat!(
            "date_trunc('milliseconds', clock_timestamp()) + ",
            $parameter,
            "::bigint * interval '1 millisecond'"
        )
    };
}

const CLAIM: &str = concat!(
    take!(now!(), after!("$2")),
    " WHERE task_id = (SELECT task_id FROM tasks WHERE",
    takeable!(now!()),
    " AND task_name = ANY($3) ORDER BY priority, run_after LIMIT 1 FOR UPDATE SKIP LOCKED)",
    taken!()
);

const CLAIM_ONE: &str = concat!(
    take!(now!(), after!("$2")),
    " WHERE task_id = $4 AND task_name = ANY($3) AND",
    takeable!(now!()),
    taken!()
);

const EXTEND: &str = concat!("UPDATE tasks SET lease_until = ", after!("$3"), held!());

const PARK: &str = park!(after!("$3"));

const TAKE_SLOT: &str = take_slot!(now!());

const FREE_IDLE_SLOT: &str = free_idle_slot!(now!());

/// The update locks the row and looks at it again after waiting: a lease that was lost in the
/// meantime writes nothing.
const RECORD_STEP: &str = concat!(
    "WITH held AS (",
    "UPDATE tasks SET last_updated = $3, step_count = step_count + 1, \
     step_bytes = step_bytes + octet_length($5), ",
    progress!(),
    held!(),
    " RETURNING task_id, step_count), recorded AS (\
     INSERT INTO task_steps (task_id, step, output, recorded_at, seq) \
     SELECT task_id, $4, $5, $3, step_count FROM held ON CONFLICT DO NOTHING) \
     SELECT 1 FROM held"
);

/// As [`queue_sql::COUNT_ENTRY`], then the entry or, in the first place behind the last, the note.
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
    async fn claim(&self, wanted: &Wanted<'_>) -> Result<Option<Claimed>, StorageError> {
        let statement = wanted.task.map_or(CLAIM, |_| CLAIM_ONE);
        let mut query = sqlx::query(statement)
            .bind(wanted.runner)
            .bind(length(wanted.lease))
            .bind(wanted.names);
        if let Some(task) = wanted.task {
            query = query.bind(task.get());
        }
        let row = query.fetch_optional(&self.pool).await?;
        row.as_ref().map(claimed).transpose()
    }

    async fn extend(&self, lease: Lease, by: Duration) -> Result<bool, StorageError> {
        let done = sqlx::query(EXTEND)
            .bind(lease.task.get())
            .bind(lease.fence)
            .bind(length(by))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn release(&self, lease: Lease) -> Result<bool, StorageError> {
        let done = sqlx::query(queue_sql::RELEASE_LEASE)
            .bind(lease.task.get())
            .bind(lease.fence)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn park(&self, lease: Lease, park: &Park<'_>) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let parked = sqlx::query(PARK)
            .bind(lease.task.get())
            .bind(lease.fence)
            .bind(length(park.wait))
            .bind(park.cause)
            .bind(park.counts)
            .bind(park.entry.is_some())
            .bind(MAX_ENTRIES + 2)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = parked else {
            return Ok(false);
        };
        if let Some(entry) = park.entry {
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

    async fn steps(&self, task: TaskId, after: i64) -> Result<Vec<RecordedStep>, StorageError> {
        let page = sqlx::query(queue_sql::STEP_PAGE)
            .bind(task.get())
            .bind(after)
            .bind(i64::from(STEPS_PER_PAGE))
            .bind(i64::from(BYTES_PER_PAGE))
            .fetch_all(&self.pool)
            .await?;
        page.iter().map(recorded).collect()
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
        let finished = sqlx::query(queue_sql::FINISH_TASK)
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
        for statement in [
            crate::sql::DELETE_SECRET,
            crate::sql::DELETE_STEPS,
            crate::sql::FREE_SLOT,
        ] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn holds(&self, lease: Lease) -> Result<bool, StorageError> {
        let held = sqlx::query(queue_sql::HOLDS)
            .bind(lease.task.get())
            .bind(lease.fence);
        Ok(held.fetch_optional(&self.pool).await?.is_some())
    }

    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError> {
        let free = sqlx::query(queue_sql::FREE_ENDED_SLOT).bind(task.get());
        free.execute(&self.pool).await?;
        Ok(())
    }
}

fn claimed(row: &PgRow) -> Result<Claimed, StorageError> {
    Ok(Claimed {
        lease: rows::lease(row)?,
        task: rows::task(row)?,
        wrapped_secret: row.try_get("wrapped")?,
        progress: Progress {
            steps: row.try_get::<i64, _>("step_count")?.unsigned_abs(),
            bytes: row.try_get::<i64, _>("step_bytes")?.unsigned_abs(),
            parks: row.try_get::<i32, _>("parks")?.unsigned_abs(),
            waits_for: row.try_get("waits_for")?,
        },
    })
}

fn recorded(row: &PgRow) -> Result<RecordedStep, StorageError> {
    Ok(RecordedStep {
        seq: row.try_get("seq")?,
        step: row.try_get("step")?,
        output: row.try_get("output")?,
    })
}

fn length(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Who has the slot, unless it could be taken.
pub(super) async fn take_slot(
    connection: &mut PgConnection,
    slot: &Slot,
    task: TaskId,
) -> Result<Option<TaskId>, StorageError> {
    let taken = sqlx::query(TAKE_SLOT)
        .bind(slot.guild.to_db())
        .bind(&slot.kind)
        .bind(task.get())
        .execute(&mut *connection)
        .await?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let holder = sqlx::query(queue_sql::SLOT_HOLDER)
        .bind(slot.guild.to_db())
        .bind(&slot.kind)
        .fetch_one(connection)
        .await?;
    rows::uuid(&holder, "task_id").map(|id| Some(TaskId(id)))
}

/// To be called before the task is cancelled: frees its slot now, or when its runner is gone.
pub(super) async fn let_go_of_slot(
    connection: &mut PgConnection,
    task: TaskId,
) -> Result<(), StorageError> {
    for statement in [FREE_IDLE_SLOT, queue_sql::FREE_SLOT_LATER] {
        sqlx::query(statement)
            .bind(task.get())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
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
