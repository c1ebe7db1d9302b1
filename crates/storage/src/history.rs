use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::GuildId;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// Structures of servers as they were. Documents are the caller's bytes. Every write can be repeated. The
/// time that comes with a history says until when the server was looked at.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    async fn history(&self, guild: GuildId) -> Result<Option<HistoryRow>, StorageError>;

    /// Replaces all that is known of a server's past.
    async fn set_history(
        &self,
        guild: GuildId,
        base: &[u8],
        changes: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Replaces what changed since the base; nothing where there is none.
    async fn set_changes(
        &self,
        guild: GuildId,
        changes: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// These servers were looked at until then, and are as was written down; nothing where nothing was.
    async fn watched(&self, guilds: &[GuildId], at: DateTime<Utc>) -> Result<(), StorageError>;

    /// Keeps the server as it was before an incident.
    async fn pin(
        &self,
        guild: GuildId,
        incident: i64,
        document: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    async fn pinned(&self, guild: GuildId, incident: i64) -> Result<Option<Vec<u8>>, StorageError>;

    /// Deletes what was pinned so long ago by the database's clock, at most [`PURGED_AT_ONCE`]; how many.
    async fn purge_pins(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub base: Vec<u8>,
    pub changes: Vec<u8>,
    /// Until then somebody looked at the server.
    pub watched_until: DateTime<Utc>,
}

impl Storage {
    pub fn histories(&self) -> &dyn HistoryStore {
        self.engine()
    }
}

const HISTORY: &str =
    "SELECT base, changes, updated_at FROM structure_histories WHERE guild_id = $1";

const SET_HISTORY: &str = "\
    INSERT INTO structure_histories (guild_id, base, changes, updated_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (guild_id) DO UPDATE SET base = excluded.base, changes = excluded.changes, \
        updated_at = excluded.updated_at";

const SET_CHANGES: &str =
    "UPDATE structure_histories SET changes = $2, updated_at = $3 WHERE guild_id = $1";

/// A list in JSON; a late word does not turn the time back.
const WATCHED_SQLITE: &str = "\
    UPDATE structure_histories SET updated_at = $2 \
    WHERE updated_at < $2 AND guild_id IN (SELECT value FROM json_each($1))";
const WATCHED_POSTGRES: &str = "\
    UPDATE structure_histories SET updated_at = $2 WHERE updated_at < $2 AND guild_id = \
        ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint))";
/// Servers in one statement.
const TOGETHER: usize = 1000;

const PIN: &str = "\
    INSERT INTO incident_pins (guild_id, incident_id, document, updated_at) \
    VALUES ($1, $2, $3, $4) \
    ON CONFLICT (guild_id, incident_id) DO UPDATE SET document = excluded.document, \
        updated_at = excluded.updated_at";

const PINNED: &str = "SELECT document FROM incident_pins WHERE guild_id = $1 AND incident_id = $2";

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM incident_pins WHERE (guild_id, incident_id) IN (SELECT guild_id, incident_id \
             FROM incident_pins WHERE updated_at < ",
            before!($engine, "$1"),
            " ORDER BY updated_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl HistoryStore for Engine {
    async fn history(&self, guild: GuildId) -> Result<Option<HistoryRow>, StorageError> {
        let row = self.fetch_optional(query(HISTORY).bind(guild)).await?;
        row.as_ref().map(history).transpose()
    }

    async fn set_history(
        &self,
        guild: GuildId,
        base: &[u8],
        changes: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_HISTORY).bind(guild).bind(base).bind(changes);
        self.execute(set.bind(at)).await.map(drop)
    }

    async fn set_changes(
        &self,
        guild: GuildId,
        changes: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_CHANGES).bind(guild).bind(changes).bind(at);
        self.execute(set).await.map(drop)
    }

    async fn watched(&self, guilds: &[GuildId], at: DateTime<Utc>) -> Result<(), StorageError> {
        let statement = match self {
            Self::Postgres(_) => WATCHED_POSTGRES,
            Self::Sqlite(_) => WATCHED_SQLITE,
        };
        for some in guilds.chunks(TOGETHER) {
            let ids: Vec<i64> = some.iter().map(|guild| guild.to_db()).collect();
            let list = serde_json::to_string(&ids).map_err(StorageError::corrupt)?;
            self.execute(query(statement).bind(list).bind(at)).await?;
        }
        Ok(())
    }

    async fn pin(
        &self,
        guild: GuildId,
        incident: i64,
        document: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let pin = query(PIN).bind(guild).bind(incident).bind(document);
        self.execute(pin.bind(at)).await.map(drop)
    }

    async fn pinned(&self, guild: GuildId, incident: i64) -> Result<Option<Vec<u8>>, StorageError> {
        let row = self.fetch_optional(query(PINNED).bind(guild).bind(incident));
        row.await?.map(|row| row.get("document")).transpose()
    }

    async fn purge_pins(&self, older_than: Duration) -> Result<u64, StorageError> {
        self.execute(query(PURGE).bind(length(older_than)).bind(PURGED_AT_ONCE))
            .await
    }
}

fn history(row: &Row) -> Result<HistoryRow, StorageError> {
    Ok(HistoryRow {
        base: row.get("base")?,
        changes: row.get("changes")?,
        watched_until: row.get("updated_at")?,
    })
}
