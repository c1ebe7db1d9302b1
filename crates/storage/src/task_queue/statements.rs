//! Tasks as runners see them: the statements.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::TaskId;

use super::{
    BYTES_PER_PAGE, Claimed, End, Lease, Park, Progress, RecordedStep, STEPS_PER_PAGE, TaskQueue,
    Wanted, Which,
};
use crate::engine::{Engine, Row, Sql, Transaction, query};
use crate::error::StorageError;
use crate::log_entry::{self, MAX_ENTRIES, NewLogEntry};
use crate::open::Storage;
use crate::sql::{
    DELETE_SECRET, DELETE_STEPS, FREE_SLOT, after, asked, clocked, held, kept, length, now,
    progress, task_columns,
};
use crate::task::{self, Advance};

impl Storage {
    pub fn queue(&self) -> &dyn TaskQueue {
        self.engine()
    }
}

/// How long nobody was at a task although its time had come.
macro_rules! nobodys {
    (sqlite) => {
        concat!(
            now!(sqlite),
            " - MAX(run_after, COALESCE(lease_until, run_after))"
        )
    };
    (postgres) => {
        concat!("(", now!(postgres), " - GREATEST(run_after, lease_until))")
    };
}

/// $1 runner, $2 length of the lease. Only the time of its runners counts towards its deadline.
macro_rules! take {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET state = 'running', fence = fence + 1, attempts = attempts + 1, \
             deadline_at = deadline_at + ",
            nobodys!($engine),
            ", lease_owner = $1, lease_until = ",
            after!($engine, "$2"),
            ", last_updated = ",
            now!($engine)
        )
    };
}

/// What a runner may take. $3: the names that it knows.
macro_rules! known_and {
    ($engine:ident, $condition:expr) => {
        concat!($condition, " AND task_name ", known!($engine))
    };
}

/// Nobody holds it. The time to compare with is one of the statement, so that the index ends the
/// look where the waits begin.
macro_rules! waits {
    ($engine:ident) => {
        concat!(
            "state IN ('pending', 'running') AND requested AND lease_owner IS NULL \
             AND run_after <= ",
            asked!($engine)
        )
    };
}

/// Whoever held it is gone.
macro_rules! left {
    ($engine:ident) => {
        concat!(
            "state = 'running' AND requested AND lease_owner IS NOT NULL AND lease_until <= ",
            now!($engine)
        )
    };
}

/// A list in JSON. For PostgreSQL it is read once, so that the tasks come in their index's order.
macro_rules! known {
    (sqlite) => {
        "IN (SELECT value FROM json_each($3))"
    };
    (postgres) => {
        "= ANY (ARRAY(SELECT json_array_elements_text($3::json)))"
    };
}

macro_rules! taken {
    () => {
        concat!(
            " RETURNING ",
            task_columns!(),
            ", step_count, step_bytes, item_count, parks, waits_for, \
             (SELECT wrapped FROM job_secrets WHERE job_secrets.task_id = tasks.task_id) AS wrapped"
        )
    };
}

/// The first of one priority: one walk through the index of what is wanted. $4: the last that is.
macro_rules! first_of {
    ($engine:ident, $priority:literal, $wanted:expr, $locked:expr) => {
        concat!(
            "SELECT task_id FROM (SELECT task_id FROM tasks WHERE priority = ",
            $priority,
            " AND ",
            $priority,
            " <= $4 AND ",
            known_and!($engine, $wanted),
            " ORDER BY run_after, created_at LIMIT 1",
            $locked,
            ") AS of_priority"
        )
    };
}

/// A priority is looked at when the ones before it have nothing.
macro_rules! next {
    ($engine:ident, $wanted:expr, $locked:expr) => {
        concat!(
            first_of!($engine, "0", $wanted, $locked),
            " UNION ALL ",
            first_of!($engine, "1", $wanted, $locked),
            " UNION ALL ",
            first_of!($engine, "2", $wanted, $locked),
            " LIMIT 1"
        )
    };
}

macro_rules! claim {
    ($engine:ident, $wanted:expr, $locked:expr) => {
        concat!(
            take!($engine),
            " WHERE task_id = (",
            next!($engine, $wanted, $locked),
            ")",
            taken!()
        )
    };
}

pub(crate) const CLAIM_WAITING: Sql = Sql {
    sqlite: claim!(sqlite, waits!(sqlite), ""),
    postgres: claim!(postgres, waits!(postgres), " FOR UPDATE SKIP LOCKED"),
};

pub(crate) const CLAIM_LEFT: Sql = Sql {
    sqlite: claim!(sqlite, left!(sqlite), ""),
    postgres: claim!(postgres, left!(postgres), " FOR UPDATE SKIP LOCKED"),
};

macro_rules! claim_one {
    ($engine:ident) => {
        concat!(
            take!($engine),
            " WHERE task_id = $4 AND ",
            known_and!(
                $engine,
                concat!("(", waits!($engine), " OR ", left!($engine), ")")
            ),
            taken!()
        )
    };
}

const CLAIM_ONE: Sql = clocked!(claim_one);

macro_rules! extend {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET lease_until = ",
            after!($engine, "$3"),
            held!()
        )
    };
}

const EXTEND: Sql = clocked!(extend);

/// An attempt that ended in order. A record may have taken its count back already.
macro_rules! uncounted {
    () => {
        "CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END"
    };
}

/// As if its time had come only now, for whoever takes it next: its place among others stays.
macro_rules! let_go {
    ($engine:ident) => {
        concat!("deadline_at - (", now!($engine), " - run_after)")
    };
}

macro_rules! release {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, deadline_at = ",
            let_go!($engine),
            ", attempts = ",
            uncounted!(),
            held!()
        )
    };
}

const RELEASE: Sql = clocked!(release);

/// As a release, or behind the back of a later holder, whose own attempt stays counted.
macro_rules! lost {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET \
                attempts = CASE WHEN fence = $2 AND attempts > 0 OR attempts > 1 \
                    THEN attempts - 1 ELSE attempts END, \
                lease_owner = CASE WHEN fence = $2 THEN NULL ELSE lease_owner END, \
                lease_until = CASE WHEN fence = $2 THEN NULL ELSE lease_until END, \
                deadline_at = CASE WHEN fence = $2 THEN ",
            let_go!($engine),
            " ELSE deadline_at END \
             WHERE task_id = $1 AND state = 'running' \
                AND (fence > $2 OR fence = $2 AND lease_owner IS NOT NULL)"
        )
    };
}

const LOST: Sql = clocked!(lost);

/// A wait does not count towards the deadline, either.
macro_rules! put_off {
    (sqlite) => {
        "deadline_at + $3"
    };
    (postgres) => {
        "deadline_at + $3::bigint * interval '1 millisecond'"
    };
}

/// $3: the wait; $4: the cause; $5: whether the attempt stays counted; $6: whether a log entry
/// comes with it, counted as in [`COUNT_ENTRY`] up to $7.
macro_rules! park {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, run_after = ",
            after!($engine, "$3"),
            ", deadline_at = ",
            put_off!($engine),
            ", parks = parks + 1, waits_for = $4, attempts = CASE WHEN $5 THEN attempts ELSE ",
            uncounted!(),
            " END, log_count = CASE WHEN $6 AND log_count < $7 THEN log_count + 1 \
             ELSE log_count END",
            held!(),
            " RETURNING log_count"
        )
    };
}

const PARK: Sql = clocked!(park);

/// Frees a slot only of a task that has ended.
const FREE_ENDED_SLOT: &str = "\
    DELETE FROM task_slots WHERE task_id = $1 AND EXISTS (SELECT 1 FROM tasks \
        WHERE tasks.task_id = $1 AND state IN ('completed', 'failed'))";

/// Up to $3 records behind $2, and of those no more than fit into $4 bytes; always the first.
const STEP_PAGE: &str = "\
    SELECT seq, step, output FROM (\
        SELECT seq, step, output, SUM(length(output)) OVER (ORDER BY seq) - length(output) AS before \
        FROM (SELECT seq, step, output FROM task_steps WHERE task_id = $1 AND seq > $2 \
              ORDER BY seq LIMIT $3) AS page) AS summed \
    WHERE before < $4 ORDER BY seq";

/// Counts entries up to $4, which is two more than there may be: the first place behind the last
/// entry is the note's, the second means that the note is written.
const COUNT_ENTRY: &str = concat!(
    "UPDATE tasks SET last_updated = $3, \
     log_count = CASE WHEN log_count < $4 THEN log_count + 1 ELSE log_count END",
    held!(),
    " RETURNING log_count"
);

/// The same and the entry in one round trip, which PostgreSQL can.
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

/// $4: bytes of the output.
const COUNT_STEP: &str = concat!(
    "UPDATE tasks SET last_updated = $3, step_count = step_count + 1, \
     step_bytes = step_bytes + $4, ",
    progress!(),
    held!(),
    " RETURNING step_count"
);

const INSERT_STEP: &str = "\
    INSERT INTO task_steps (task_id, step, output, recorded_at, seq) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT DO NOTHING";

/// Both in one round trip. The update locks the row and looks at it again after waiting: a lease
/// that was lost in the meantime writes nothing.
const RECORD_STEP: &str = concat!(
    "WITH held AS (UPDATE tasks SET last_updated = $3, step_count = step_count + 1, \
     step_bytes = step_bytes + octet_length($5), ",
    progress!(),
    held!(),
    " RETURNING task_id, step_count), recorded AS (\
     INSERT INTO task_steps (task_id, step, output, recorded_at, seq) \
     SELECT task_id, $4, $5, $3, step_count FROM held ON CONFLICT DO NOTHING) \
     SELECT 1 FROM held"
);

const ADVANCE: &str = concat!("UPDATE tasks SET last_updated = $3, progress = $4", held!());

macro_rules! finish {
    ($engine:ident) => {
        concat!(
            "UPDATE tasks SET state = $3, output = $4, lease_owner = NULL, lease_until = NULL, \
             log_count = log_count + 1, last_updated = $5, ",
            kept!($engine),
            held!(),
            " RETURNING log_count"
        )
    };
}

const FINISH: Sql = clocked!(finish);

#[async_trait]
impl TaskQueue for Engine {
    async fn claim(&self, wanted: &Wanted<'_>) -> Result<Option<Claimed>, StorageError> {
        let claim = match wanted.which {
            Which::Waiting(_) => CLAIM_WAITING,
            Which::Left(_) => CLAIM_LEFT,
            Which::One(_) => CLAIM_ONE,
        };
        let claim = query(claim)
            .bind(wanted.runner)
            .bind(length(wanted.lease))
            .bind(serde_json::Value::from(wanted.names).to_string());
        let claim = match wanted.which {
            Which::Waiting(last) | Which::Left(last) => claim.bind(last as i32),
            Which::One(task) => claim.bind(task),
        };
        let row = self.fetch_changed(claim).await?;
        row.as_ref().map(claimed).transpose()
    }

    async fn extend(&self, lease: Lease, by: Duration) -> Result<bool, StorageError> {
        let extend = query(EXTEND)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(length(by));
        Ok(self.execute(extend).await? == 1)
    }

    async fn release(&self, lease: Lease) -> Result<bool, StorageError> {
        let release = query(RELEASE).bind(lease.task).bind(lease.fence);
        Ok(self.execute(release).await? == 1)
    }

    async fn lost(&self, lease: Lease) -> Result<(), StorageError> {
        let lost = query(LOST).bind(lease.task).bind(lease.fence);
        self.execute(lost).await.map(drop)
    }

    async fn park(&self, lease: Lease, park: &Park<'_>) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let aside = query(PARK)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(length(park.wait))
            .bind(park.cause)
            .bind(park.counts)
            .bind(park.entry.is_some())
            .bind(MAX_ENTRIES + 2);
        let Some(row) = tx.fetch_optional(aside).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        if let Some(entry) = park.entry {
            insert_counted(&mut tx, lease.task, row.get("log_count")?, entry).await?;
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
        if let Self::Postgres(_) = self {
            let record = query(RECORD_STEP)
                .bind(lease.task)
                .bind(lease.fence)
                .bind(at)
                .bind(step)
                .bind(output);
            return Ok(self.fetch_changed(record).await?.is_some());
        }
        let mut tx = self.begin().await?;
        let count = query(COUNT_STEP)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(at)
            .bind(i64::try_from(output.len()).unwrap_or(i64::MAX));
        let Some(row) = tx.fetch_optional(count).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let insert = query(INSERT_STEP)
            .bind(lease.task)
            .bind(step)
            .bind(output)
            .bind(at)
            .bind(row.get::<i64>("step_count")?);
        tx.execute(insert).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn steps(&self, task: TaskId, after: i64) -> Result<Vec<RecordedStep>, StorageError> {
        let page = query(STEP_PAGE)
            .bind(task)
            .bind(after)
            .bind(STEPS_PER_PAGE)
            .bind(BYTES_PER_PAGE);
        self.fetch_all(page).await?.iter().map(recorded).collect()
    }

    async fn append(&self, lease: Lease, entry: &NewLogEntry) -> Result<bool, StorageError> {
        if let Self::Postgres(_) = self {
            let note = NewLogEntry::too_many(entry.ts());
            let append = query(APPEND)
                .bind(lease.task)
                .bind(lease.fence)
                .bind(entry.ts())
                .bind(MAX_ENTRIES + 2)
                .bind(entry.level().as_str())
                .bind(entry.msg())
                .bind(entry.extra_json())
                .bind(note.level().as_str())
                .bind(note.msg());
            return Ok(self.fetch_changed(append).await?.is_some());
        }
        let mut tx = self.begin().await?;
        let count = query(COUNT_ENTRY)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(entry.ts())
            .bind(MAX_ENTRIES + 2);
        let Some(row) = tx.fetch_optional(count).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        insert_counted(&mut tx, lease.task, row.get("log_count")?, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn advance(
        &self,
        lease: Lease,
        advance: &Advance,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let advance = serde_json::to_string(advance).map_err(StorageError::corrupt)?;
        let advance = query(ADVANCE)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(at)
            .bind(advance);
        Ok(self.execute(advance).await? == 1)
    }

    async fn finish(
        &self,
        lease: Lease,
        end: &End,
        entry: &NewLogEntry,
    ) -> Result<bool, StorageError> {
        let output = end.output_json()?;
        let mut tx = self.begin().await?;
        let finish = query(FINISH)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(end.state().as_str())
            .bind(output)
            .bind(entry.ts());
        let Some(row) = tx.fetch_optional(finish).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let last = log_entry::insert(lease.task, row.get("log_count")?, entry);
        tx.execute(last).await?;
        for statement in [DELETE_SECRET, DELETE_STEPS, FREE_SLOT] {
            tx.execute(query(statement).bind(lease.task)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn free_slot(&self, task: TaskId) -> Result<(), StorageError> {
        self.execute(query(FREE_ENDED_SLOT).bind(task))
            .await
            .map(drop)
    }
}

fn claimed(row: &Row) -> Result<Claimed, StorageError> {
    Ok(Claimed {
        lease: Lease {
            task: row.get("task_id")?,
            fence: row.get("fence")?,
        },
        task: task::read(row)?,
        wrapped_secret: row.get("wrapped")?,
        progress: Progress {
            steps: row.get::<i64>("step_count")?.unsigned_abs(),
            items: row.get::<i64>("item_count")?.unsigned_abs(),
            bytes: row.get::<i64>("step_bytes")?.unsigned_abs(),
            parks: row.get::<i32>("parks")?.unsigned_abs(),
            waits_for: row.get("waits_for")?,
        },
    })
}

fn recorded(row: &Row) -> Result<RecordedStep, StorageError> {
    Ok(RecordedStep {
        seq: row.get("seq")?,
        step: row.get("step")?,
        output: row.get("output")?,
    })
}

/// The entry, the note in the first place behind the last, or nothing.
async fn insert_counted(
    tx: &mut Transaction,
    task: TaskId,
    seq: i64,
    entry: &NewLogEntry,
) -> Result<(), StorageError> {
    let line = match seq {
        ..=MAX_ENTRIES => log_entry::insert(task, seq, entry),
        seq if seq == MAX_ENTRIES + 1 => {
            log_entry::insert(task, seq, &NewLogEntry::too_many(entry.ts()))
        }
        _ => return Ok(()),
    };
    tx.execute(line).await.map(drop)
}
