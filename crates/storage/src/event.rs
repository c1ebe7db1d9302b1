use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::GuildId;

use crate::engine::{Engine, Row, Sql, Transaction, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// What happens in guilds, as the database itself notes it: jobs, incidents, requests that wait for a
/// second person, settings, guilds themselves and schedules that are late. A guild's events become visible in the order of their numbers.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Where to begin: what has happened in the guild is visible and at or below this number, and what
    /// is yet to come above it; 0 before anything happened anywhere. Waits for what is being noted of
    /// the guild.
    async fn newest(&self, guild: GuildId) -> Result<i64, StorageError>;

    /// A guild's events behind a number, the oldest first.
    async fn behind(
        &self,
        guild: GuildId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<GuildEvent>, StorageError>;

    /// Whether everything behind this number is still there.
    async fn remembers(&self, number: i64) -> Result<bool, StorageError>;

    /// Guilds in which something happened lately, by the database's clock, with their newest number.
    /// What a transaction under way is about to add comes with its end, so look further back than
    /// one takes.
    async fn lately(&self, within: Duration) -> Result<Vec<(GuildId, i64)>, StorageError>;

    /// Forgets what is older, at most [`PURGED_AT_ONCE`]; how many. Never the newest of all, nor what
    /// comes behind the first that a webhook has still to be told.
    async fn forget(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildEvent {
    pub number: i64,
    pub kind: EventKind,
    /// The incident, the job, the request, the version of the settings, the guild, or the schedule.
    pub subject: String,
    /// What that was then. Settings, guilds and schedules have none.
    pub state: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    Incident,
    Job,
    Approval,
    Settings,
    /// Roles, channels or anything else of the guild itself.
    Guild,
    /// A schedule was not carried out when it should have been.
    BackupLate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of event")]
pub struct UnknownEventKind;

impl std::str::FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        Ok(match text {
            "incident" => Self::Incident,
            "job" => Self::Job,
            "approval" => Self::Approval,
            "settings" => Self::Settings,
            "guild" => Self::Guild,
            "backup_late" => Self::BackupLate,
            _ => return Err(UnknownEventKind),
        })
    }
}

impl Storage {
    pub fn events(&self) -> &dyn EventStore {
        self.engine()
    }
}

/// The lock of `note_guild_event`.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8, hashint8($1))";

const NEWEST: &str = "SELECT COALESCE(MAX(seq), 0) AS newest FROM guild_events";

const BEHIND: &str = "\
    SELECT seq, kind, subject, state, at FROM guild_events \
    WHERE guild_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

const OLDEST_BEHIND: &str = "\
    SELECT seq FROM guild_events WHERE seq >= $1 ORDER BY seq LIMIT 1";

macro_rules! lately {
    ($engine:ident) => {
        concat!(
            "SELECT guild_id, MAX(seq) AS newest FROM guild_events WHERE at > ",
            before!($engine, "$1"),
            " GROUP BY guild_id"
        )
    };
}

const LATELY: Sql = clocked!(lately);

macro_rules! forget {
    ($engine:ident) => {
        concat!(
            "DELETE FROM guild_events WHERE seq IN (SELECT seq FROM guild_events WHERE at < ",
            before!($engine, "$1"),
            " AND seq < (SELECT MAX(seq) FROM guild_events) AND seq <= COALESCE((\
               SELECT MIN(seen) FROM webhooks WHERE off IS NULL AND EXISTS (\
               SELECT 1 FROM guild_events AS owed WHERE owed.guild_id = webhooks.guild_id \
               AND owed.seq > webhooks.seen)), 9223372036854775807) ORDER BY at LIMIT $2)"
        )
    };
}

pub const FORGET: Sql = clocked!(forget);

#[async_trait]
impl EventStore for Engine {
    async fn newest(&self, guild: GuildId) -> Result<i64, StorageError> {
        let row = match self {
            Self::Sqlite(_) => self.fetch_optional(query(NEWEST)).await?,
            Self::Postgres(_) => {
                let mut tx = self.begin().await?;
                lock(&mut tx, guild).await?;
                let row = tx.fetch_optional(query(NEWEST)).await?;
                tx.commit().await?;
                row
            }
        };
        row.map_or(Ok(0), |row| row.get("newest"))
    }

    async fn behind(
        &self,
        guild: GuildId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<GuildEvent>, StorageError> {
        let behind = query(BEHIND).bind(guild).bind(after).bind(limit);
        self.fetch_all(behind).await?.iter().map(read).collect()
    }

    async fn remembers(&self, number: i64) -> Result<bool, StorageError> {
        let row = self.fetch_optional(query(OLDEST_BEHIND).bind(number));
        let oldest: Option<i64> = row.await?.map(|row| row.get("seq")).transpose()?;
        Ok(match oldest {
            Some(oldest) => oldest == number,
            // Nothing has happened yet, or they were told by another database.
            None => number == 0,
        })
    }

    async fn lately(&self, within: Duration) -> Result<Vec<(GuildId, i64)>, StorageError> {
        let rows = self.fetch_all(query(LATELY).bind(length(within))).await?;
        let read = |row: &Row| Ok((row.get("guild_id")?, row.get("newest")?));
        rows.iter().map(read).collect()
    }

    async fn forget(&self, older_than: Duration) -> Result<u64, StorageError> {
        let forget = query(FORGET).bind(length(older_than));
        self.execute(forget.bind(PURGED_AT_ONCE)).await
    }
}

/// Holds up what is noted of a guild on PostgreSQL until the transaction ends. The newest number of all
/// guilds is then one to begin at for this one: its later events get higher ones. Without the lock one
/// of its own may be lower and not visible yet. SQLite has one writer.
pub async fn lock(tx: &mut Transaction, guild: GuildId) -> Result<(), StorageError> {
    tx.fetch_optional(query(LOCK).bind(guild)).await.map(drop)
}

fn read(row: &Row) -> Result<GuildEvent, StorageError> {
    Ok(GuildEvent {
        number: row.get("seq")?,
        kind: row.parsed("kind")?,
        subject: row.get("subject")?,
        state: row.get("state")?,
        at: row.get("at")?,
    })
}
