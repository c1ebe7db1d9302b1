use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use splashtail_core::ids::TaskId;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{ago, clocked, held, now, progress};
use crate::task_queue::Lease;

/// What tasks change in the world, item by item: before a change is made its intent is here, and
/// afterwards its outcome. It is kept for as long as the task's row.
///
/// Writes are a runner's, as in [`crate::TaskQueue`]: `false` or `None` says that the lease is not
/// held and that nothing was written. Each is progress. Times are of the database's clock, which all
/// runners share.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Adds an item that is about to be done. One that is there stays as it is. Answers the intent
    /// that counts, which is the first.
    async fn intend(
        &self,
        lease: Lease,
        item: &NewItem<'_>,
    ) -> Result<Option<Intended>, StorageError>;

    /// Says what became of it. Only the first outcome counts.
    async fn settle(
        &self,
        lease: Lease,
        name: &str,
        settled: &Settled<'_>,
    ) -> Result<bool, StorageError>;

    /// The items behind `after` (0: from the first), in the order of their intents.
    async fn items(&self, task: TaskId, after: i64, limit: u32) -> Result<Vec<Item>, StorageError>;
}

#[derive(Debug, Clone, Copy)]
pub struct NewItem<'a> {
    /// Unique within the task.
    pub name: &'a str,
    pub nonce: &'a str,
    pub what: &'a str,
    /// JSON text.
    pub before: &'a str,
}

/// By what an intent is recognised in the world, and for how long it may have taken place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    pub nonce: String,
    pub ago: TimeDelta,
}

#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    pub outcome: Outcome,
    /// JSON text.
    pub after: Option<&'a str>,
    /// Why it was not done: stable, and for people.
    pub code: Option<&'a str>,
    pub note: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Rising in the order of the intents.
    pub seq: i64,
    pub name: String,
    /// By which it can be recognised in the world.
    pub nonce: String,
    pub what: String,
    pub before: Value,
    /// JSON text.
    pub after: Option<String>,
    pub outcome: Outcome,
    pub code: Option<String>,
    pub note: Option<String>,
    pub intended_at: DateTime<Utc>,
    /// How long before it was read.
    pub intended_ago: TimeDelta,
    pub settled_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It may have happened.
    Intended,
    Done,
    /// Found to be done, by an earlier run.
    Adopted,
    Skipped,
    Failed,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Adopted => "adopted",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome")]
pub struct UnknownOutcome;

impl std::str::FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        let all = [
            Self::Intended,
            Self::Done,
            Self::Adopted,
            Self::Skipped,
            Self::Failed,
        ];
        let found = all.into_iter().find(|outcome| outcome.as_str() == text);
        found.ok_or(UnknownOutcome)
    }
}

impl Storage {
    pub fn ledger(&self) -> &dyn LedgerStore {
        self.engine()
    }
}

/// $3: bytes of what is written.
const COUNT_ITEM: &str = concat!(
    "UPDATE tasks SET item_count = item_count + 1, step_bytes = step_bytes + $3, ",
    progress!(),
    held!(),
    " RETURNING item_count"
);

macro_rules! insert_item {
    ($engine:ident) => {
        concat!(
            "INSERT INTO task_items (task_id, seq, name, nonce, what, before, outcome, intended_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 'intended', ",
            now!($engine),
            ") ON CONFLICT (task_id, name) DO UPDATE SET nonce = task_items.nonce RETURNING nonce, ",
            ago!($engine, "task_items.intended_at"),
            " AS intended_ago"
        )
    };
}
const INSERT_ITEM: Sql = clocked!(insert_item);

/// Both in one round trip, which PostgreSQL can.
const INTEND_ITEM: &str = concat!(
    "WITH held AS (UPDATE tasks SET item_count = item_count + 1, \
     step_bytes = step_bytes + octet_length($6), ",
    progress!(),
    held!(),
    " RETURNING task_id, item_count) \
     INSERT INTO task_items (task_id, seq, name, nonce, what, before, outcome, intended_at) \
     SELECT task_id, item_count, $3, $4, $5, $6, 'intended', ",
    now!(postgres),
    " FROM held ON CONFLICT (task_id, name) DO UPDATE SET nonce = task_items.nonce RETURNING nonce, ",
    ago!(postgres, "task_items.intended_at"),
    " AS intended_ago"
);

const COUNT_OUTCOME: &str = concat!(
    "UPDATE tasks SET step_bytes = step_bytes + $3, ",
    progress!(),
    held!()
);

macro_rules! settle_item {
    ($engine:ident) => {
        concat!(
            "UPDATE task_items SET outcome = $3, after = $4, code = $5, note = $6, settled_at = ",
            now!($engine),
            " WHERE task_id = $1 AND name = $2 AND outcome = 'intended'"
        )
    };
}
const SETTLE_ITEM: Sql = clocked!(settle_item);

/// Both in one round trip, which PostgreSQL can.
const COUNT_AND_SETTLE: &str = concat!(
    "WITH held AS (UPDATE tasks SET step_bytes = step_bytes + COALESCE(octet_length($5), 0), ",
    progress!(),
    held!(),
    " RETURNING task_id), settled AS (\
     UPDATE task_items SET outcome = $4, after = $5, code = $6, note = $7, settled_at = ",
    now!(postgres),
    " FROM held WHERE task_items.task_id = held.task_id AND name = $3 AND outcome = 'intended') \
     SELECT 1 FROM held"
);

macro_rules! read_items {
    ($engine:ident) => {
        concat!(
            "SELECT seq, name, nonce, what, before, after, outcome, code, note, intended_at, settled_at, ",
            ago!($engine, "intended_at"),
            " AS intended_ago FROM task_items WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
        )
    };
}
const READ_ITEMS: Sql = clocked!(read_items);

#[async_trait]
impl LedgerStore for Engine {
    async fn intend(
        &self,
        lease: Lease,
        item: &NewItem<'_>,
    ) -> Result<Option<Intended>, StorageError> {
        if let Self::Postgres(_) = self {
            let intend = query(INTEND_ITEM)
                .bind(lease.task)
                .bind(lease.fence)
                .bind(item.name)
                .bind(item.nonce)
                .bind(item.what)
                .bind(item.before);
            let row = self.fetch_changed(intend).await?;
            return row.as_ref().map(intended).transpose();
        }
        let mut tx = self.begin().await?;
        let count = query(COUNT_ITEM)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(bytes(item.before));
        let Some(row) = tx.fetch_optional(count).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        let insert = query(INSERT_ITEM)
            .bind(lease.task)
            .bind(row.get::<i64>("item_count")?)
            .bind(item.name)
            .bind(item.nonce)
            .bind(item.what)
            .bind(item.before);
        let stored = tx.fetch_optional(insert).await?;
        tx.commit().await?;
        stored.as_ref().map(intended).transpose()
    }

    async fn settle(
        &self,
        lease: Lease,
        name: &str,
        settled: &Settled<'_>,
    ) -> Result<bool, StorageError> {
        if let Self::Postgres(_) = self {
            let settle = query(COUNT_AND_SETTLE)
                .bind(lease.task)
                .bind(lease.fence)
                .bind(name)
                .bind(settled.outcome.as_str())
                .bind(settled.after)
                .bind(settled.code)
                .bind(settled.note);
            return Ok(self.fetch_changed(settle).await?.is_some());
        }
        let mut tx = self.begin().await?;
        let count = query(COUNT_OUTCOME)
            .bind(lease.task)
            .bind(lease.fence)
            .bind(bytes(settled.after.unwrap_or_default()));
        if tx.execute(count).await? == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        let settle = query(SETTLE_ITEM)
            .bind(lease.task)
            .bind(name)
            .bind(settled.outcome.as_str())
            .bind(settled.after)
            .bind(settled.code)
            .bind(settled.note);
        tx.execute(settle).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn items(&self, task: TaskId, after: i64, limit: u32) -> Result<Vec<Item>, StorageError> {
        let read = query(READ_ITEMS).bind(task).bind(after).bind(limit);
        self.fetch_all(read).await?.iter().map(item).collect()
    }
}

fn bytes(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn intended(row: &Row) -> Result<Intended, StorageError> {
    Ok(Intended {
        nonce: row.get("nonce")?,
        ago: ago(row)?,
    })
}

fn ago(row: &Row) -> Result<TimeDelta, StorageError> {
    Ok(TimeDelta::milliseconds(row.get("intended_ago")?))
}

fn item(row: &Row) -> Result<Item, StorageError> {
    Ok(Item {
        seq: row.get("seq")?,
        name: row.get("name")?,
        nonce: row.get("nonce")?,
        what: row.get("what")?,
        before: row.json("before")?,
        after: row.get("after")?,
        outcome: row.parsed("outcome")?,
        code: row.get("code")?,
        note: row.get("note")?,
        intended_at: row.get("intended_at")?,
        intended_ago: ago(row)?,
        settled_at: row.get("settled_at")?,
    })
}
