use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{ChannelId, GuildId, MessageId};

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// States and incidents of the anti-nuke engine. Documents are JSON as text; their shape is the
/// caller's. Every write can be repeated.
#[async_trait]
pub trait ProtectionStore: Send + Sync {
    /// What the engine of a server knew last.
    async fn state(&self, guild: GuildId) -> Result<Option<String>, StorageError>;

    async fn set_state(
        &self,
        guild: GuildId,
        state: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Writes an incident, or what became of it. Its message stays.
    async fn put_incident(&self, incident: &IncidentRow) -> Result<(), StorageError>;

    /// Notes the message that shows an incident.
    async fn set_alert(
        &self,
        guild: GuildId,
        incident: i64,
        alert: (ChannelId, MessageId),
    ) -> Result<(), StorageError>;

    async fn incident(
        &self,
        guild: GuildId,
        incident: i64,
    ) -> Result<Option<IncidentRow>, StorageError>;

    /// The newest incidents, older than `before` if that is given.
    async fn incidents(
        &self,
        guild: GuildId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<IncidentRow>, StorageError>;

    /// How fast the newest incidents were answered that protection acted upon, which changed within so
    /// long by the database's clock.
    async fn reactions(&self, within: Duration, limit: u32) -> Result<Vec<Reaction>, StorageError>;

    /// Deletes incidents that did not change for so long by the database's clock, at most [`PURGED_AT_ONCE`]; how many.
    async fn purge_incidents(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    pub guild: GuildId,
    /// A snowflake; the newest is the greatest.
    pub incident: i64,
    pub kind: String,
    pub mode: String,
    pub state: String,
    pub document: String,
    pub alert: Option<(ChannelId, MessageId)>,
    pub updated_at: DateTime<Utc>,
}

/// What a document says of its times, in milliseconds of one clock; `None`: it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaction {
    /// What decided was heard.
    pub received: Option<i64>,
    /// The first call was sent.
    pub sent: Option<i64>,
    /// It was answered.
    pub acknowledged: Option<i64>,
}

impl Storage {
    pub fn protections(&self) -> &dyn ProtectionStore {
        self.engine()
    }
}

const STATE: &str = "SELECT state FROM protection_states WHERE guild_id = $1";

const SET_STATE: &str = "\
    INSERT INTO protection_states (guild_id, state, updated_at) VALUES ($1, $2, $3) \
    ON CONFLICT (guild_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at";

const PUT_INCIDENT: &str = "\
    INSERT INTO protection_incidents (guild_id, incident_id, kind, mode, state, document, \
        updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) \
    ON CONFLICT (guild_id, incident_id) DO UPDATE SET kind = excluded.kind, \
        mode = excluded.mode, state = excluded.state, document = excluded.document, \
        updated_at = excluded.updated_at";

const SET_ALERT: &str = "\
    UPDATE protection_incidents SET alert_channel = $3, alert_message = $4 \
    WHERE guild_id = $1 AND incident_id = $2";

const INCIDENT: &str =
    "SELECT * FROM protection_incidents WHERE guild_id = $1 AND incident_id = $2";

const INCIDENTS: &str = "\
    SELECT * FROM protection_incidents WHERE guild_id = $1 AND incident_id < $2 \
    ORDER BY incident_id DESC LIMIT $3";

/// A time of a document.
macro_rules! time {
    (sqlite, $name:literal) => {
        concat!("json_extract(document, '$.times.", $name, "') AS ", $name)
    };
    (postgres, $name:literal) => {
        concat!(
            "(document::json #>> '{times,",
            $name,
            "}')::bigint AS ",
            $name
        )
    };
}

macro_rules! reactions {
    ($engine:ident) => {
        concat!(
            "SELECT ",
            time!($engine, "received"),
            ", ",
            time!($engine, "sent"),
            ", ",
            time!($engine, "acknowledged"),
            " FROM (SELECT document FROM protection_incidents WHERE updated_at > ",
            before!($engine, "$1"),
            " AND mode = 'on' ORDER BY updated_at DESC LIMIT $2) AS newest"
        )
    };
}

const REACTIONS: Sql = clocked!(reactions);

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM protection_incidents WHERE (guild_id, incident_id) IN (SELECT guild_id, incident_id \
             FROM protection_incidents WHERE updated_at < ",
            before!($engine, "$1"),
            " ORDER BY updated_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl ProtectionStore for Engine {
    async fn state(&self, guild: GuildId) -> Result<Option<String>, StorageError> {
        let row = self.fetch_optional(query(STATE).bind(guild)).await?;
        row.map(|row| row.get("state")).transpose()
    }

    async fn set_state(
        &self,
        guild: GuildId,
        state: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_STATE).bind(guild).bind(state).bind(at);
        self.execute(set).await.map(drop)
    }

    async fn put_incident(&self, incident: &IncidentRow) -> Result<(), StorageError> {
        let put = query(PUT_INCIDENT)
            .bind(incident.guild)
            .bind(incident.incident)
            .bind(incident.kind.as_str())
            .bind(incident.mode.as_str())
            .bind(incident.state.as_str())
            .bind(incident.document.as_str())
            .bind(incident.updated_at);
        self.execute(put).await.map(drop)
    }

    async fn set_alert(
        &self,
        guild: GuildId,
        incident: i64,
        (channel, message): (ChannelId, MessageId),
    ) -> Result<(), StorageError> {
        let set = query(SET_ALERT)
            .bind(guild)
            .bind(incident)
            .bind(channel.to_db())
            .bind(message.to_db());
        self.execute(set).await.map(drop)
    }

    async fn incident(
        &self,
        guild: GuildId,
        incident: i64,
    ) -> Result<Option<IncidentRow>, StorageError> {
        let row = self.fetch_optional(query(INCIDENT).bind(guild).bind(incident));
        row.await?.as_ref().map(read).transpose()
    }

    async fn incidents(
        &self,
        guild: GuildId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<IncidentRow>, StorageError> {
        let before = before.unwrap_or(i64::MAX);
        let list = query(INCIDENTS).bind(guild).bind(before).bind(limit);
        self.fetch_all(list).await?.iter().map(read).collect()
    }

    async fn reactions(&self, within: Duration, limit: u32) -> Result<Vec<Reaction>, StorageError> {
        let read = query(REACTIONS).bind(length(within)).bind(limit);
        let rows = self.fetch_all(read).await?;
        let reaction = |row: &Row| {
            Ok(Reaction {
                received: row.get("received")?,
                sent: row.get("sent")?,
                acknowledged: row.get("acknowledged")?,
            })
        };
        rows.iter().map(reaction).collect()
    }

    async fn purge_incidents(&self, older_than: Duration) -> Result<u64, StorageError> {
        self.execute(query(PURGE).bind(length(older_than)).bind(PURGED_AT_ONCE))
            .await
    }
}

fn read(row: &Row) -> Result<IncidentRow, StorageError> {
    let id = |name| row.get::<Option<i64>>(name);
    let channel = id("alert_channel")?.and_then(|id| ChannelId::from_db(id).ok());
    let message = id("alert_message")?.and_then(|id| MessageId::from_db(id).ok());
    Ok(IncidentRow {
        guild: row.get("guild_id")?,
        incident: row.get("incident_id")?,
        kind: row.get("kind")?,
        mode: row.get("mode")?,
        state: row.get("state")?,
        document: row.get("document")?,
        alert: channel.zip(message),
        updated_at: row.get("updated_at")?,
    })
}
