use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, TaskId};
use uuid::Uuid;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{asked, before, clocked, length, task_columns};
use crate::task::{self, TaskRow};

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

    async fn get(&self, id: Uuid) -> Result<Option<Schedule>, StorageError>;

    /// A server's schedules, by id.
    async fn of_guild(&self, guild: GuildId) -> Result<Vec<Schedule>, StorageError>;

    /// Those whose last task's end was not seen to yet, or is still to come, by id behind `after`.
    async fn unsettled(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Schedule>, StorageError>;

    /// The end of the schedule's last task was seen to. `false`: by somebody else.
    async fn settle(&self, schedule: &Schedule) -> Result<bool, StorageError>;

    /// Completed tasks that it ordered, the newest first.
    async fn made(&self, schedule: &Schedule, limit: u32) -> Result<Vec<TaskRow>, StorageError>;

    /// Notes what went wrong, in place of what did before.
    async fn complain(&self, id: Uuid, text: &str, at: DateTime<Utc>) -> Result<(), StorageError>;

    /// What went wrong and nobody was told of yet, by id behind `after`.
    async fn troubles(&self, after: Option<Uuid>, limit: u32)
    -> Result<Vec<Trouble>, StorageError>;

    /// Takes it upon the caller to tell of it. `false`: somebody else has.
    async fn tell(&self, trouble: &Trouble) -> Result<bool, StorageError>;

    /// Those that are due for so long, by the database's clock, and nobody was told of it, by id
    /// behind `after`.
    async fn late(
        &self,
        by: Duration,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Schedule>, StorageError>;

    /// Takes it upon the caller to tell that it is late. `false`: somebody else has, or it is not any
    /// more.
    async fn tell_late(&self, schedule: &Schedule) -> Result<bool, StorageError>;
}

/// Something that went wrong with a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub schedule: Schedule,
    /// Why the last order failed, or [`Trouble::FALLEN`].
    pub text: String,
    pub at: DateTime<Utc>,
}

impl Trouble {
    /// The last order was carried out, and what it made is much less than what was made before.
    pub const FALLEN: &str = "what it made is much less than what was made before";
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
    pub actor: Option<String>,
    /// `None`: never again.
    pub next_at: Option<DateTime<Utc>>,
    /// What it ordered last.
    pub last_task: Option<TaskId>,
    /// Whose it is, when it is a server's.
    pub guild: Option<GuildId>,
    pub keep: Keep,
}

/// How much of what a schedule made stays; the newest always does, and what its kind of task is judged to
/// be kept for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many; `None`: all.
    pub count: Option<u32>,
    /// What is younger than this; `None`: whatever its age.
    pub days: Option<u32>,
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

/// `catch_up` is what every schedule does: for all times that were missed one order is made.
const PUT: &str = "\
    INSERT INTO schedules (schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at, \
        guild_id, keep_count, keep_days) \
    VALUES ($1, $2, $3, $4, $5, TRUE, $6, $7, $8, $9, $10) \
    ON CONFLICT (schedule_id) DO UPDATE SET task_name = excluded.task_name, data = excluded.data, \
        cron = excluded.cron, jitter_ms = excluded.jitter_ms, \
        actor = excluded.actor, next_at = excluded.next_at, guild_id = excluded.guild_id, \
        keep_count = excluded.keep_count, keep_days = excluded.keep_days";

macro_rules! columns {
    () => {
        "schedule_id, task_name, data, cron, jitter_ms, actor, next_at, last_task, \
         guild_id, keep_count, keep_days"
    };
}

macro_rules! due {
    ($engine:ident) => {
        concat!(
            "SELECT ",
            columns!(),
            ", ",
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

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM schedules WHERE schedule_id = $1"
);

const OF_GUILD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM schedules WHERE guild_id = $1 ORDER BY schedule_id"
);

const UNSETTLED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM schedules WHERE last_task IS NOT NULL \
      AND (settled_task IS NULL OR settled_task <> last_task) \
      AND schedule_id > $1 ORDER BY schedule_id LIMIT $2"
);

const SETTLE: &str = "\
    UPDATE schedules SET settled_task = last_task WHERE schedule_id = $1 AND last_task = $2 \
        AND (settled_task IS NULL OR settled_task <> last_task)";

/// Orders of schedules have keys that begin with the schedule's id.
const MADE: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE client = 'schedule' AND task_name = $1 AND idempotency >= $2 \
      AND idempotency < $3 AND state = 'completed' ORDER BY created_at DESC, task_id DESC LIMIT $4"
);

const COMPLAIN: &str = "\
    UPDATE schedules SET trouble = $2, trouble_at = $3 WHERE schedule_id = $1";

const TROUBLES: &str = concat!(
    "SELECT ",
    columns!(),
    ", trouble, trouble_at FROM schedules WHERE trouble_at IS NOT NULL AND schedule_id > $1 \
      ORDER BY schedule_id LIMIT $2"
);

const TELL: &str = "\
    UPDATE schedules SET trouble = NULL, trouble_at = NULL \
    WHERE schedule_id = $1 AND trouble_at = $2";

macro_rules! late {
    ($engine:ident) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM schedules WHERE next_at <= ",
            before!($engine, "$1"),
            " AND (late_told IS NULL OR late_told < next_at) AND schedule_id > $2 \
              ORDER BY schedule_id LIMIT $3"
        )
    };
}

const LATE: Sql = clocked!(late);

const TELL_LATE: &str = "\
    UPDATE schedules SET late_told = next_at \
    WHERE schedule_id = $1 AND next_at = $2 AND (late_told IS NULL OR late_told < next_at)";

#[async_trait]
impl ScheduleStore for Engine {
    async fn put(&self, schedule: &Schedule) -> Result<(), StorageError> {
        let put = query(PUT)
            .bind(schedule.id)
            .bind(&schedule.name)
            .bind(schedule.data.to_string())
            .bind(&schedule.cron)
            .bind(schedule.jitter_ms)
            .bind(schedule.actor.as_deref())
            .bind(schedule.next_at)
            .bind(schedule.guild)
            .bind(schedule.keep.count)
            .bind(schedule.keep.days);
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

    async fn get(&self, id: Uuid) -> Result<Option<Schedule>, StorageError> {
        let row = self.fetch_optional(query(GET).bind(id)).await?;
        row.as_ref().map(read).transpose()
    }

    async fn of_guild(&self, guild: GuildId) -> Result<Vec<Schedule>, StorageError> {
        let rows = self.fetch_all(query(OF_GUILD).bind(guild)).await?;
        rows.iter().map(read).collect()
    }

    async fn unsettled(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Schedule>, StorageError> {
        let after = after.unwrap_or(Uuid::nil());
        let rows = self.fetch_all(query(UNSETTLED).bind(after).bind(limit));
        rows.await?.iter().map(read).collect()
    }

    async fn settle(&self, schedule: &Schedule) -> Result<bool, StorageError> {
        let settle = query(SETTLE).bind(schedule.id).bind(schedule.last_task);
        Ok(self.execute(settle).await? == 1)
    }

    async fn made(&self, schedule: &Schedule, limit: u32) -> Result<Vec<TaskRow>, StorageError> {
        let id = schedule.id.simple();
        let made = query(MADE)
            .bind(&schedule.name)
            .bind(format!("{id}-"))
            // The next character.
            .bind(format!("{id}."))
            .bind(limit);
        self.fetch_all(made).await?.iter().map(task::read).collect()
    }

    async fn complain(&self, id: Uuid, text: &str, at: DateTime<Utc>) -> Result<(), StorageError> {
        let complain = query(COMPLAIN).bind(id).bind(text).bind(at);
        self.execute(complain).await.map(drop)
    }

    async fn troubles(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Trouble>, StorageError> {
        let after = after.unwrap_or(Uuid::nil());
        let rows = self
            .fetch_all(query(TROUBLES).bind(after).bind(limit))
            .await?;
        let trouble = |row: &Row| {
            Ok(Trouble {
                schedule: read(row)?,
                text: row.get("trouble")?,
                at: row.get("trouble_at")?,
            })
        };
        rows.iter().map(trouble).collect()
    }

    async fn tell(&self, trouble: &Trouble) -> Result<bool, StorageError> {
        let tell = query(TELL).bind(trouble.schedule.id).bind(trouble.at);
        Ok(self.execute(tell).await? == 1)
    }

    async fn late(
        &self,
        by: Duration,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Schedule>, StorageError> {
        let late = query(LATE)
            .bind(length(by))
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(limit);
        self.fetch_all(late).await?.iter().map(read).collect()
    }

    async fn tell_late(&self, schedule: &Schedule) -> Result<bool, StorageError> {
        let tell = query(TELL_LATE).bind(schedule.id).bind(schedule.next_at);
        Ok(self.execute(tell).await? == 1)
    }
}

fn read(row: &Row) -> Result<Schedule, StorageError> {
    let number = |column: &str| -> Result<Option<u32>, StorageError> {
        let number: Option<i64> = row.get(column)?;
        let number = number.map(u32::try_from).transpose();
        number.map_err(StorageError::corrupt)
    };
    Ok(Schedule {
        id: row.get("schedule_id")?,
        name: row.get("task_name")?,
        data: row.json("data")?,
        cron: row.get("cron")?,
        jitter_ms: row.get("jitter_ms")?,
        actor: row.get("actor")?,
        next_at: row.get("next_at")?,
        last_task: row.get("last_task")?,
        guild: row.get("guild_id")?,
        keep: Keep {
            count: number("keep_count")?,
            days: number("keep_days")?,
        },
    })
}
