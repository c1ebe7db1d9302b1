//! Tasks as those see them who order and watch them: the statements.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;
use uuid::Uuid;

use super::{Cancellation, Creation, Idempotency, NewTask, Start, TaskQuery, TaskStore};
use crate::engine::{Engine, Sql, Transaction, query};
use crate::error::StorageError;
use crate::log_entry::{self, NewLogEntry, TaskLogEntry};
use crate::open::Storage;
use crate::sql::{
    DELETE_SECRET, DELETE_STEPS, asked, before, clocked, kept, length, now, task_columns,
};
use crate::task::{self, ExpiryCursor, Slot, TaskCounts, TaskOutput, TaskRow};

impl Storage {
    pub fn tasks(&self) -> &dyn TaskStore {
        self.engine()
    }
}

/// So many milliseconds after a time that a parameter gives, or after now.
macro_rules! later {
    (sqlite, $from:expr, $by:expr) => {
        concat!("COALESCE(", $from, ", ", now!(sqlite), ") + ", $by)
    };
    (postgres, $from:expr, $by:expr) => {
        concat!(
            "COALESCE(",
            $from,
            "::timestamptz, ",
            now!(postgres),
            ") + ",
            $by,
            "::bigint * interval '1 millisecond'"
        )
    };
}

/// No row: the key was used before.
macro_rules! insert_task {
    ($engine:ident) => {
        concat!(
            "INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, \
                slot_guild, slot_kind, client, idempotency, expires_at, created_at, last_updated, \
                run_after, priority, deadline_at) \
             VALUES ($1, $2, $3, $4, $5, 'pending', $6, $8, $9, $10, $11, $12, $7, $7, \
                COALESCE($13, ",
            now!($engine),
            "), $14, ",
            later!($engine, "$13", "$15"),
            ") \
             ON CONFLICT (client, task_name, idempotency) WHERE idempotency IS NOT NULL DO NOTHING \
             RETURNING ",
            task_columns!()
        )
    };
}

const INSERT_TASK: Sql = clocked!(insert_task);

const INSERT_SECRET: &str = "INSERT INTO job_secrets (task_id, wrapped) VALUES ($1, $2)";

/// Takes a free slot, or one whose cancelled holder is certainly gone.
macro_rules! take_slot {
    ($engine:ident) => {
        concat!(
            "INSERT INTO task_slots (guild_id, kind, task_id) VALUES ($1, $2, $3) \
             ON CONFLICT (guild_id, kind) DO UPDATE \
             SET task_id = excluded.task_id, free_after = NULL WHERE task_slots.free_after <= ",
            now!($engine),
            " OR task_slots.task_id = excluded.task_id"
        )
    };
}

const TAKE_SLOT: Sql = clocked!(take_slot);

/// Before a task is cancelled: frees its slot, unless a runner may be at work.
macro_rules! free_idle_slot {
    ($engine:ident) => {
        concat!(
            "DELETE FROM task_slots WHERE task_id = $1 AND NOT EXISTS (SELECT 1 FROM tasks \
             WHERE tasks.task_id = $1 AND lease_until > ",
            now!($engine),
            ")"
        )
    };
}

const FREE_IDLE_SLOT: Sql = clocked!(free_idle_slot);

/// The same, when one may: nobody is at work any more when the lease would have ended.
const FREE_SLOT_LATER: &str = "\
    UPDATE task_slots SET free_after = (SELECT lease_until FROM tasks WHERE tasks.task_id = $1) \
    WHERE task_id = $1";

const SLOT_HOLDER: &str = "SELECT task_id FROM task_slots WHERE guild_id = $1 AND kind = $2";

/// What still goes on is seen whatever its order said.
macro_rules! visible {
    ($now:expr) => {
        concat!(
            "(expires_at IS NULL OR expires_at > ",
            $now,
            " OR state IN ('pending', 'running'))"
        )
    };
}

const GET_TASK: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE task_id = $1 AND ",
    visible!("$2")
);

/// The first task of a key counts even after it has expired.
const REPEATED: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE client = $1 AND task_name = $2 AND idempotency = $3"
);

const LIST_TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE owner = $1 AND (created_at, task_id) < ($2, $3) AND ",
    visible!("$4"),
    " AND ($5 IS NULL OR task_name = $5) \
      ORDER BY created_at DESC, task_id DESC LIMIT $6"
);

const NEWEST_TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks ORDER BY created_at DESC, task_id DESC LIMIT $1"
);

const READ_LOG: &str = "\
    SELECT seq, level, ts, msg, extra FROM task_log \
    WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

const READ_LOG_END: &str = "\
    SELECT seq, level, ts, msg, extra FROM task_log \
    WHERE task_id = $1 ORDER BY seq DESC LIMIT $2";

const COUNT_STATES: &str = "SELECT state, COUNT(*) AS tasks FROM tasks GROUP BY state";

macro_rules! expired {
    ($engine:ident) => {
        concat!(
            "SELECT ",
            task_columns!(),
            " FROM tasks WHERE expires_at <= ",
            asked!($engine),
            " AND (expires_at, task_id) > ($1, $2) AND state IN ('completed', 'failed') \
              ORDER BY expires_at, task_id LIMIT $3"
        )
    };
}

pub(crate) const EXPIRED_TASKS: Sql = clocked!(expired);

macro_rules! abandoned {
    ($engine:ident) => {
        concat!(
            "SELECT task_id FROM tasks WHERE state = 'pending' AND NOT requested \
             AND created_at < ",
            before!($engine, "$1"),
            " ORDER BY created_at LIMIT $2"
        )
    };
}

pub(crate) const ABANDONED_TASKS: Sql = clocked!(abandoned);

macro_rules! overdue {
    ($engine:ident) => {
        concat!(
            "SELECT task_id FROM tasks WHERE deadline_at <= ",
            asked!($engine),
            " AND state IN ('pending', 'running') AND lease_owner IS NOT NULL AND lease_until > ",
            asked!($engine),
            " ORDER BY deadline_at LIMIT $1"
        )
    };
}

pub(crate) const OVERDUE_TASKS: Sql = clocked!(overdue);

const DELETE_TASK: &str =
    "DELETE FROM tasks WHERE task_id = $1 AND state IN ('completed', 'failed')";

macro_rules! request_task {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET requested = TRUE, last_updated = $2, run_after = ",
            now!($engine),
            ", deadline_at = deadline_at + (",
            now!($engine),
            " - run_after)",
            " WHERE task_id = $1 AND state = 'pending' AND NOT requested RETURNING ",
            task_columns!()
        )
    };
}

const REQUEST_TASK: Sql = clocked!(request_task);

/// $2 is the time of the closing entry.
macro_rules! cancel {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET state = 'failed', fence = fence + 1, lease_owner = NULL, \
             lease_until = NULL, log_count = log_count + 1, last_updated = $2, ",
            kept!($engine),
            " WHERE task_id = $1 AND state IN ('pending', 'running') RETURNING ",
            task_columns!()
        )
    };
}

const CANCEL_TASK: Sql = clocked!(cancel);

const KEEP_TASK: &str = concat!(
    "UPDATE tasks SET state = 'completed', output = $2, log_count = log_count + 1, \
     last_updated = $3 WHERE task_id = $1 AND state = 'pending' AND NOT requested RETURNING ",
    task_columns!()
);

const LEAVE_OUTPUT: &str =
    "UPDATE tasks SET output = $2 WHERE task_id = $1 AND state = 'failed' AND output IS NULL";

/// What is read stays true until the transaction ends; on SQLite the transaction itself sees to it.
const GET_LOCKED: Sql = Sql {
    sqlite: GET_TASK,
    postgres: concat!(
        "SELECT ",
        task_columns!(),
        " FROM tasks WHERE task_id = $1 AND ",
        visible!("$2"),
        " FOR UPDATE"
    ),
};

/// Later than every task, and a time that both databases can hold.
const END_OF_TIME: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

#[async_trait]
impl TaskStore for Engine {
    async fn create(&self, task: &NewTask) -> Result<Creation, StorageError> {
        let insert = query(INSERT_TASK)
            .bind(task.id)
            .bind(&task.name)
            .bind(task.owner.to_string())
            .bind(task.fields.to_string())
            .bind(task.encrypted)
            .bind(task.execute)
            .bind(task.created_at)
            .bind(task.slot.as_ref().map(|slot| slot.guild))
            .bind(task.slot.as_ref().map(|slot| slot.kind.as_str()))
            .bind(task.idempotency.as_ref().map(|used| used.client.as_str()))
            .bind(task.idempotency.as_ref().map(|used| used.key.as_str()))
            .bind(task.expires_at)
            .bind(task.run_after)
            .bind(task.priority as i32)
            .bind(task.deadline.map(length));
        let mut tx = self.begin().await?;
        let Some(row) = tx.fetch_optional(insert).await? else {
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
            tx.execute(query(INSERT_SECRET).bind(task.id).bind(wrapped))
                .await?;
        }
        tx.commit().await?;
        task::read(&row).map(Creation::Created)
    }

    async fn keep(
        &self,
        id: TaskId,
        output: &TaskOutput,
        entry: &NewLogEntry,
    ) -> Result<Option<TaskRow>, StorageError> {
        let output = serde_json::to_string(output).map_err(StorageError::corrupt)?;
        let mut tx = self.begin().await?;
        let keep = query(KEEP_TASK).bind(id).bind(output).bind(entry.ts());
        let Some(row) = tx.fetch_optional(keep).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        tx.execute(log_entry::insert(id, row.get("log_count")?, entry))
            .await?;
        tx.commit().await?;
        task::read(&row).map(Some)
    }

    async fn repeated(
        &self,
        name: &str,
        idempotency: &Idempotency,
    ) -> Result<Option<TaskRow>, StorageError> {
        let repeated = query(REPEATED)
            .bind(&idempotency.client)
            .bind(name)
            .bind(&idempotency.key);
        let row = self.fetch_optional(repeated).await?;
        row.as_ref().map(task::read).transpose()
    }

    async fn start(&self, id: TaskId, at: DateTime<Utc>) -> Result<Start, StorageError> {
        let mut tx = self.begin().await?;
        let request = query(REQUEST_TASK).bind(id).bind(at);
        let Some(row) = tx.fetch_optional(request).await? else {
            let found = tx.fetch_optional(query(GET_TASK).bind(id).bind(at)).await?;
            tx.rollback().await?;
            let row = found.as_ref().map(task::read).transpose()?;
            return Ok(match row {
                None => Start::NotFound,
                Some(row) if row.state.is_terminal() => Start::Ended(row),
                Some(row) => Start::Started(row),
            });
        };
        let row = task::read(&row)?;
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
        let locked = query(GET_LOCKED).bind(id).bind(entry.ts());
        let before = tx.fetch_optional(locked).await?;
        let Some(before) = before.as_ref().map(task::read).transpose()? else {
            tx.rollback().await?;
            return Ok(None);
        };
        if before.state.is_terminal() {
            tx.rollback().await?;
            return Ok(Some(Cancellation {
                task: before,
                changed: false,
            }));
        }
        tx.execute(query(FREE_IDLE_SLOT).bind(id)).await?;
        tx.execute(query(FREE_SLOT_LATER).bind(id)).await?;
        let cancel = query(CANCEL_TASK).bind(id).bind(entry.ts());
        let row = tx.fetch_optional(cancel).await?.ok_or_else(vanished)?;
        tx.execute(log_entry::insert(id, row.get("log_count")?, entry))
            .await?;
        for statement in [DELETE_SECRET, DELETE_STEPS] {
            tx.execute(query(statement).bind(id)).await?;
        }
        tx.commit().await?;
        Ok(Some(Cancellation {
            task: task::read(&row)?,
            changed: true,
        }))
    }

    async fn leave(&self, id: TaskId, output: &TaskOutput) -> Result<bool, StorageError> {
        let output = serde_json::to_string(output).map_err(StorageError::corrupt)?;
        let leave = query(LEAVE_OUTPUT).bind(id).bind(output);
        Ok(self.execute(leave).await? == 1)
    }

    async fn get(&self, id: TaskId, now: DateTime<Utc>) -> Result<Option<TaskRow>, StorageError> {
        let row = self
            .fetch_optional(query(GET_TASK).bind(id).bind(now))
            .await?;
        row.as_ref().map(task::read).transpose()
    }

    async fn list(
        &self,
        page: &TaskQuery<'_>,
        now: DateTime<Utc>,
    ) -> Result<Vec<TaskRow>, StorageError> {
        // Without a cursor a page starts behind a row that is newer than any.
        let (created_at, id) = match page.after {
            Some(cursor) => (cursor.created_at, cursor.id.get()),
            None => (END_OF_TIME, Uuid::max()),
        };
        let list = query(LIST_TASKS)
            .bind(page.owner.to_string())
            .bind(created_at)
            .bind(id)
            .bind(now)
            .bind(page.name)
            .bind(page.limit);
        let found = self.fetch_all(list).await?;
        found.iter().map(task::read).collect()
    }

    async fn newest(&self, limit: u32) -> Result<Vec<TaskRow>, StorageError> {
        let found = self.fetch_all(query(NEWEST_TASKS).bind(limit)).await?;
        found.iter().map(task::read).collect()
    }

    async fn log(
        &self,
        id: TaskId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<TaskLogEntry>, StorageError> {
        let read = query(READ_LOG).bind(id).bind(after).bind(limit);
        let entries = self.fetch_all(read).await?;
        entries.iter().map(log_entry::read).collect()
    }

    async fn log_end(&self, id: TaskId, limit: u32) -> Result<Vec<TaskLogEntry>, StorageError> {
        let read = query(READ_LOG_END).bind(id).bind(limit);
        let entries = self.fetch_all(read).await?;
        entries.iter().map(log_entry::read).collect()
    }

    async fn summary(&self) -> Result<TaskCounts, StorageError> {
        let mut counts = TaskCounts::default();
        for row in self.fetch_all(query(COUNT_STATES)).await? {
            let tasks: i64 = row.get("tasks")?;
            counts.add(row.parsed("state")?, tasks.unsigned_abs());
        }
        Ok(counts)
    }

    async fn expired(
        &self,
        after: Option<ExpiryCursor>,
        limit: u32,
    ) -> Result<Vec<TaskRow>, StorageError> {
        let (at, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |after| {
            (after.expires_at, after.id.get())
        });
        let expired = query(EXPIRED_TASKS).bind(at).bind(id).bind(limit);
        let found = self.fetch_all(expired).await?;
        found.iter().map(task::read).collect()
    }

    async fn abandoned(&self, age: Duration, limit: u32) -> Result<Vec<TaskId>, StorageError> {
        let abandoned = query(ABANDONED_TASKS).bind(length(age)).bind(limit);
        let found = self.fetch_all(abandoned).await?;
        found.iter().map(|row| row.get("task_id")).collect()
    }

    async fn overdue(&self, limit: u32) -> Result<Vec<TaskId>, StorageError> {
        let found = self.fetch_all(query(OVERDUE_TASKS).bind(limit)).await?;
        found.iter().map(|row| row.get("task_id")).collect()
    }

    async fn delete(&self, id: TaskId) -> Result<bool, StorageError> {
        Ok(self.execute(query(DELETE_TASK).bind(id)).await? == 1)
    }
}

async fn first_of_key(store: &Engine, task: &NewTask) -> Result<TaskRow, StorageError> {
    let idempotency = task.idempotency.as_ref().ok_or_else(vanished)?;
    store
        .repeated(&task.name, idempotency)
        .await?
        .ok_or_else(vanished)
}

/// Who has the slot, unless it could be taken.
async fn take_slot(
    tx: &mut Transaction,
    slot: &Slot,
    task: TaskId,
) -> Result<Option<TaskId>, StorageError> {
    let take = query(TAKE_SLOT)
        .bind(slot.guild)
        .bind(&slot.kind)
        .bind(task);
    if tx.execute(take).await? == 1 {
        return Ok(None);
    }
    let holder = query(SLOT_HOLDER).bind(slot.guild).bind(&slot.kind);
    let holder = tx.fetch_optional(holder).await?.ok_or_else(vanished)?;
    holder.get("task_id").map(Some)
}

fn vanished() -> StorageError {
    StorageError::corrupt("a row that was just written is not there")
}
