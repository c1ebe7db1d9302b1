use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::TaskId;
use uuid::Uuid;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{asked, clocked};

/// Orders that come again and again. When the next one is due is the caller's arithmetic.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// Adds it, or replaces the one of that id.
    async fn put(&self, schedule: &Schedule) -> Result<(), StorageError>;

    /// Those that are due by the database's clock, the longest due first, behind `after`.
    async fn due(&self, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, StorageError>;

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

/// A schedule whose time has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub schedule: Schedule,
    /// Its [`Schedule::next_at`].
    pub at: DateTime<Utc>,
    /// What the database's clock said.
    pub now: DateTime<Utc>,
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

macro_rules! due {
    ($engine:ident) => {
        concat!(
            "SELECT schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at, \
             last_task, ",
            asked!($engine),
            " AS now FROM schedules WHERE next_at <= ",
            asked!($engine),
            " AND (next_at, schedule_id) > ($1, $2) ORDER BY next_at, schedule_id LIMIT $3"
        )
    };
}

pub(crate) const DUE: Sql = clocked!(due);

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

    async fn due(&self, after: Option<&Due>, limit: u32) -> Result<Vec<Due>, StorageError> {
        let (at, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |after| {
            (after.at, after.schedule.id)
        });
        let due = query(DUE).bind(at).bind(id).bind(limit);
        let due = self.fetch_all(due).await?;
        due.iter()
            .map(|row| {
                Ok(Due {
                    schedule: read(row)?,
                    at: row.get("next_at")?,
                    now: row.get("now")?,
                })
            })
            .collect()
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
