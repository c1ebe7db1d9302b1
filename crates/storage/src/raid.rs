use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{ChannelId, GuildId, MessageId};

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// What is usual in servers, and the waves that came to them. Documents are JSON as text; their shape is
/// the caller's. Every write can be repeated.
#[async_trait]
pub trait RaidStore: Send + Sync {
    /// What the engine of a server knew last.
    async fn habits(&self, guild: GuildId) -> Result<Option<String>, StorageError>;

    /// `is_unsettled`: something goes on there, or is to be taken back, so that whoever begins next has to
    /// go on with it.
    async fn set_habits(
        &self,
        guild: GuildId,
        habits: &str,
        is_unsettled: bool,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Writes a wave, or what became of it. Its message stays.
    async fn put_wave(&self, wave: &WaveRow) -> Result<(), StorageError>;

    /// Notes the message that shows a wave.
    async fn set_wave_alert(
        &self,
        guild: GuildId,
        wave: i64,
        alert: (ChannelId, MessageId),
    ) -> Result<(), StorageError>;

    async fn wave(&self, guild: GuildId, wave: i64) -> Result<Option<WaveRow>, StorageError>;

    /// The newest waves.
    async fn waves(&self, guild: GuildId, limit: u32) -> Result<Vec<WaveRow>, StorageError>;

    /// Servers that are unsettled, however long ago they were written down; the newest first.
    async fn unsettled(&self, limit: u32) -> Result<Vec<GuildId>, StorageError>;

    /// Deletes habits that did not change for so long by the database's clock, at most
    /// [`PURGED_AT_ONCE`]; how many.
    async fn purge_habits(&self, older_than: Duration) -> Result<u64, StorageError>;

    /// Deletes waves that did not change for so long by the database's clock, at most
    /// [`PURGED_AT_ONCE`]; how many.
    async fn purge_waves(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveRow {
    pub guild: GuildId,
    /// A snowflake; the newest is the greatest.
    pub wave: i64,
    pub grade: String,
    pub document: String,
    pub alert: Option<(ChannelId, MessageId)>,
    pub updated_at: DateTime<Utc>,
}

impl Storage {
    pub fn raids(&self) -> &dyn RaidStore {
        self.engine()
    }
}

const HABITS: &str = "SELECT habits FROM raid_habits WHERE guild_id = $1";

const SET_HABITS: &str = "\
    INSERT INTO raid_habits (guild_id, habits, unsettled_at, updated_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (guild_id) DO UPDATE SET habits = excluded.habits, \
        unsettled_at = excluded.unsettled_at, updated_at = excluded.updated_at";

const PUT_WAVE: &str = "\
    INSERT INTO raid_waves (guild_id, wave_id, grade, document, updated_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (guild_id, wave_id) DO UPDATE SET grade = excluded.grade, \
        document = excluded.document, updated_at = excluded.updated_at";

const SET_ALERT: &str = "\
    UPDATE raid_waves SET alert_channel = $3, alert_message = $4 \
    WHERE guild_id = $1 AND wave_id = $2";

const WAVE: &str = "SELECT * FROM raid_waves WHERE guild_id = $1 AND wave_id = $2";

const WAVES: &str = "\
    SELECT * FROM raid_waves WHERE guild_id = $1 ORDER BY wave_id DESC LIMIT $2";

const UNSETTLED: &str = "\
    SELECT guild_id FROM raid_habits WHERE unsettled_at IS NOT NULL \
    ORDER BY unsettled_at DESC LIMIT $1";

macro_rules! purge_habits {
    ($engine:ident) => {
        concat!(
            "DELETE FROM raid_habits WHERE guild_id IN (SELECT guild_id FROM raid_habits \
             WHERE updated_at < ",
            before!($engine, "$1"),
            " ORDER BY updated_at LIMIT $2)"
        )
    };
}

const PURGE_HABITS: Sql = clocked!(purge_habits);

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM raid_waves WHERE (guild_id, wave_id) IN (SELECT guild_id, wave_id \
             FROM raid_waves WHERE updated_at < ",
            before!($engine, "$1"),
            " ORDER BY updated_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl RaidStore for Engine {
    async fn habits(&self, guild: GuildId) -> Result<Option<String>, StorageError> {
        let row = self.fetch_optional(query(HABITS).bind(guild)).await?;
        row.map(|row| row.get("habits")).transpose()
    }

    async fn set_habits(
        &self,
        guild: GuildId,
        habits: &str,
        is_unsettled: bool,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_HABITS)
            .bind(guild)
            .bind(habits)
            .bind(is_unsettled.then_some(at))
            .bind(at);
        self.execute(set).await.map(drop)
    }

    async fn put_wave(&self, wave: &WaveRow) -> Result<(), StorageError> {
        let put = query(PUT_WAVE)
            .bind(wave.guild)
            .bind(wave.wave)
            .bind(wave.grade.as_str())
            .bind(wave.document.as_str())
            .bind(wave.updated_at);
        self.execute(put).await.map(drop)
    }

    async fn set_wave_alert(
        &self,
        guild: GuildId,
        wave: i64,
        (channel, message): (ChannelId, MessageId),
    ) -> Result<(), StorageError> {
        let set = query(SET_ALERT)
            .bind(guild)
            .bind(wave)
            .bind(channel.to_db())
            .bind(message.to_db());
        self.execute(set).await.map(drop)
    }

    async fn wave(&self, guild: GuildId, wave: i64) -> Result<Option<WaveRow>, StorageError> {
        let row = self.fetch_optional(query(WAVE).bind(guild).bind(wave));
        row.await?.as_ref().map(read).transpose()
    }

    async fn waves(&self, guild: GuildId, limit: u32) -> Result<Vec<WaveRow>, StorageError> {
        let list = query(WAVES).bind(guild).bind(limit);
        self.fetch_all(list).await?.iter().map(read).collect()
    }

    async fn unsettled(&self, limit: u32) -> Result<Vec<GuildId>, StorageError> {
        let rows = self.fetch_all(query(UNSETTLED).bind(limit)).await?;
        rows.iter().map(|row| row.get("guild_id")).collect()
    }

    async fn purge_habits(&self, older_than: Duration) -> Result<u64, StorageError> {
        let purge = query(PURGE_HABITS).bind(length(older_than));
        self.execute(purge.bind(PURGED_AT_ONCE)).await
    }

    async fn purge_waves(&self, older_than: Duration) -> Result<u64, StorageError> {
        self.execute(query(PURGE).bind(length(older_than)).bind(PURGED_AT_ONCE))
            .await
    }
}

fn read(row: &Row) -> Result<WaveRow, StorageError> {
    let id = |name| row.get::<Option<i64>>(name);
    let channel = id("alert_channel")?.and_then(|id| ChannelId::from_db(id).ok());
    let message = id("alert_message")?.and_then(|id| MessageId::from_db(id).ok());
    Ok(WaveRow {
        guild: row.get("guild_id")?,
        wave: row.get("wave_id")?,
        grade: row.get("grade")?,
        document: row.get("document")?,
        alert: channel.zip(message),
        updated_at: row.get("updated_at")?,
    })
}
