use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::GuildId;

use crate::engine::{Engine, Row, query};
use crate::error::StorageError;
use crate::open::Storage;

/// Structures of servers as they were. Documents are the caller's bytes. Every write can be repeated.
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

    /// Keeps the server as it was before an incident.
    async fn pin(
        &self,
        guild: GuildId,
        incident: i64,
        document: &[u8],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    async fn pinned(&self, guild: GuildId, incident: i64) -> Result<Option<Vec<u8>>, StorageError>;

    /// Deletes what was pinned before; how many.
    async fn purge_pins(&self, before: DateTime<Utc>) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    pub base: Vec<u8>,
    pub changes: Vec<u8>,
}

impl Storage {
    pub fn histories(&self) -> &dyn HistoryStore {
        self.engine()
    }
}

const HISTORY: &str = "SELECT base, changes FROM structure_histories WHERE guild_id = $1";

const SET_HISTORY: &str = "\
    INSERT INTO structure_histories (guild_id, base, changes, updated_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (guild_id) DO UPDATE SET base = excluded.base, changes = excluded.changes, \
        updated_at = excluded.updated_at";

const SET_CHANGES: &str =
    "UPDATE structure_histories SET changes = $2, updated_at = $3 WHERE guild_id = $1";

const PIN: &str = "\
    INSERT INTO incident_pins (guild_id, incident_id, document, updated_at) \
    VALUES ($1, $2, $3, $4) \
    ON CONFLICT (guild_id, incident_id) DO UPDATE SET document = excluded.document, \
        updated_at = excluded.updated_at";

const PINNED: &str = "SELECT document FROM incident_pins WHERE guild_id = $1 AND incident_id = $2";

const PURGE: &str = "DELETE FROM incident_pins WHERE updated_at < $1";

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

    async fn purge_pins(&self, before: DateTime<Utc>) -> Result<u64, StorageError> {
        self.execute(query(PURGE).bind(before)).await
    }
}

fn history(row: &Row) -> Result<HistoryRow, StorageError> {
    Ok(HistoryRow {
        base: row.get("base")?,
        changes: row.get("changes")?,
    })
}
