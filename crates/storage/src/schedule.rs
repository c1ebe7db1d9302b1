use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::TaskId;
use uuid::Uuid;

use crate::engine::{Engine, Row, query};
use crate::error::StorageError;
use crate::open::Storage;

/// Orders that come again and again. When the next one is due is the caller's arithmetic.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// Adds it, or replaces the one of that id.
    async fn put(&self, schedule: &Schedule) -> Result<(), StorageError>;

    /// Those that are due at `now`, the longest due first.
    async fn due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Schedule>, StorageError>;

    /// Sets when it is due next, unless somebody else has done so since it was read.
    async fn advance(
        &self,
        schedule: &Schedule,
        next_at: Option<DateTime<Utc>>,
        task: Option<TaskId>,
    ) -> Result<bool, StorageError>;

    /// `false`: there was none.
    async fn remove(&self, id: Uuid) -> Result<bool, StorageError>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub id: Uuid,
    /// Name of the task that is ordered.
    pub name: String,
    /// The order's data, without secrets.
    pub data: Value,
    /// Five fields of cron, in UTC.
    pub cron: String,
    /// At most so long after the time that cron gives.
    pub jitter_ms: i64,
    /// Whether one order is made for all times that were missed; else they are left out.
    pub catch_up: bool,
    pub actor: Option<String>,
    /// `None`: never again.
    pub next_at: Option<DateTime<Utc>>,
    /// What it ordered last.
    pub last_task: Option<TaskId>,
}

impl Storage {
    pub fn schedules(&self) -> &dyn ScheduleStore {
        self.engine()
    }
}

const PUT: &str = "\
    INSERT INTO schedules (schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (schedule_id) DO UPDATE SET task_name = excluded.task_name, data = excluded.data, \
        cron = excluded.cron, jitter_ms = excluded.jitter_ms, catch_up = excluded.catch_up, \
        actor = excluded.actor, next_at = excluded.next_at";

const DUE: &str = "\
    SELECT schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at, last_task \
    FROM schedules WHERE next_at <= $1 ORDER BY next_at LIMIT $2";

const ADVANCE: &str = "\
    UPDATE schedules SET next_at = $3, last_task = COALESCE($4, last_task) \
    WHERE schedule_id = $1 AND next_at = $2";

const REMOVE: &str = "DELETE FROM schedules WHERE schedule_id = $1";

#[async_trait]
impl ScheduleStore for Engine {
    async fn put(&self, schedule: &Schedule) -> Result<(), StorageError> {
        let put = query(PUT)
            .bind(schedule.id)
            .bind(&schedule.name)
            .bind(schedule.data.to_string())
            .bind(&schedule.cron)
            .bind(schedule.jitter_ms)
            .bind(schedule.catch_up)
            .bind(schedule.actor.as_deref())
            .bind(schedule.next_at);
        self.execute(put).await.map(drop)
    }

    async fn due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Schedule>, StorageError> {
        let due = query(DUE).bind(now).bind(limit);
        self.fetch_all(due).await?.iter().map(read).collect()
    }

    async fn advance(
        &self,
        schedule: &Schedule,
        next_at: Option<DateTime<Utc>>,
        task: Option<TaskId>,
    ) -> Result<bool, StorageError> {
        let advance = query(ADVANCE)
            .bind(schedule.id)
            .bind(schedule.next_at)
            .bind(next_at)
            .bind(task);
        Ok(self.execute(advance).await? == 1)
    }

    async fn remove(&self, id: Uuid) -> Result<bool, StorageError> {
        Ok(self.execute(query(REMOVE).bind(id)).await? == 1)
    }
}

fn read(row: &Row) -> Result<Schedule, StorageError> {
    Ok(Schedule {
        id: row.get("schedule_id")?,
        name: row.get("task_name")?,
        data: row.json("data")?,
        cron: row.get("cron")?,
        jitter_ms: row.get("jitter_ms")?,
        catch_up: row.get("catch_up")?,
        actor: row.get("actor")?,
        next_at: row.get("next_at")?,
        last_task: row.get("last_task")?,
    })
}
