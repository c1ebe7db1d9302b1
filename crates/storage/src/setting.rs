use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, UserId};

use crate::engine::{Engine, Query, Sql, Transaction, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length, now};

/// Changes of a guild that are remembered; older ones go with the next change.
pub const REMEMBERED_CHANGES: i64 = 1000;

/// Rows that one guild can have; the declarations in the bot allow far less.
const MOST_ROWS: u32 = 10_000;

/// What guilds have set, whatever it is: rows of JSON objects by setting and by entry, and every
/// change of them. What a setting's columns are is declared in the bot.
///
/// A guild's settings have one version. A change names the version that it was decided on and
/// happens only on that one, so whoever decides needs no lock: it reads, judges, writes, and begins
/// again when somebody else was faster.
#[async_trait]
pub trait SettingStore: Send + Sync {
    /// A guild's rows by setting and entry; only those of `setting`, when it is given. They are at
    /// least as new as the version that comes along.
    async fn read(&self, guild: GuildId, setting: Option<&str>) -> Result<Snapshot, StorageError>;

    /// Makes all edits of a change, or none.
    ///
    /// # Errors
    /// [`StorageError::Conflict`]: the guild has no row (see [`crate::GuildStore::ensure`]).
    async fn write(&self, change: &NewChange<'_>) -> Result<Written, StorageError>;

    /// What was changed before version `below`, the newest first, whole versions: at most `limit`.
    async fn history(
        &self,
        guild: GuildId,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChangedEntry>, StorageError>;

    /// Everything that one version changed.
    async fn change(&self, guild: GuildId, version: i64)
    -> Result<Vec<ChangedEntry>, StorageError>;

    /// Guilds that were changed within this length of time, by the database's clock, and their
    /// versions: at most `limit`.
    async fn changed_within(
        &self,
        window: Duration,
        limit: u32,
    ) -> Result<Vec<(GuildId, i64)>, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// 0: nothing was ever set.
    pub version: i64,
    pub rows: Vec<SettingRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SettingRow {
    pub setting: String,
    /// The value of the primary key.
    pub entry: String,
    pub fields: Value,
    pub created_at: DateTime<Utc>,
    /// `None`: not known any more.
    pub created_by: Option<UserId>,
    pub updated_at: DateTime<Utc>,
    pub updated_by: Option<UserId>,
}

#[derive(Debug, Clone)]
pub struct NewChange<'a> {
    pub guild: GuildId,
    /// The version on which it was decided.
    pub decided_on: i64,
    pub by: UserId,
    /// How it was asked for, such as `discord`.
    pub way: &'a str,
    pub at: DateTime<Utc>,
    /// The version that it takes back.
    pub undoes: Option<i64>,
    /// At least one, and one per entry.
    pub edits: &'a [Edit],
}

/// One entry before and after; `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    pub setting: String,
    pub entry: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The guild's settings are of this version now.
    At(i64),
    /// They have changed since the decision: nothing was written.
    Stale,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChangedEntry {
    pub version: i64,
    pub edit: Edit,
    pub at: DateTime<Utc>,
    pub by: UserId,
    pub way: String,
    pub undoes: Option<i64>,
}

impl Storage {
    pub fn settings(&self) -> &dyn SettingStore {
        self.engine()
    }
}

const VERSION: &str = "SELECT version FROM guild_versions WHERE guild_id = $1";

const ROWS: &str = "\
    SELECT setting, entry, fields, created_at, created_by, updated_at, updated_by FROM settings \
    WHERE guild_id = $1 AND ($2 IS NULL OR setting = $2) ORDER BY setting, entry LIMIT $3";

macro_rules! raise {
    ($engine:ident) => {
        concat!(
            "INSERT INTO guild_versions (guild_id, version, changed_at) VALUES ($1, 1, ",
            now!($engine),
            ") ON CONFLICT (guild_id) DO UPDATE SET version = guild_versions.version + 1, \
             changed_at = excluded.changed_at WHERE guild_versions.version = $2 RETURNING version"
        )
    };
}

const RAISE: Sql = clocked!(raise);

const PUT: &str = "\
    INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at, \
        updated_by) VALUES ($1, $2, $3, $4, $5, $6, $5, $6) \
    ON CONFLICT (guild_id, setting, entry) DO UPDATE SET fields = excluded.fields, \
        updated_at = excluded.updated_at, updated_by = excluded.updated_by";

const DELETE: &str = "DELETE FROM settings WHERE guild_id = $1 AND setting = $2 AND entry = $3";

const RECORD: &str = "\
    INSERT INTO setting_changes (guild_id, version, setting, entry, before, after, changed_at, \
        changed_by, way, undoes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const FORGET: &str = "DELETE FROM setting_changes WHERE guild_id = $1 AND version <= $2";

/// Columns of a [`ChangedEntry`].
macro_rules! select_changes {
    ($condition:literal) => {
        concat!(
            "SELECT version, setting, entry, before, after, changed_at, changed_by, way, undoes \
             FROM setting_changes WHERE guild_id = $1 AND ",
            $condition,
            " ORDER BY version DESC, setting, entry"
        )
    };
}

const HISTORY: &str = select_changes!(
    "version IN (SELECT DISTINCT version FROM setting_changes WHERE guild_id = $1 \
        AND version < $2 ORDER BY version DESC LIMIT $3)"
);

const CHANGE: &str = select_changes!("version = $2");

macro_rules! changed_within {
    ($engine:ident) => {
        concat!(
            "SELECT guild_id, version FROM guild_versions WHERE changed_at >= ",
            before!($engine, "$1"),
            " ORDER BY changed_at DESC LIMIT $2"
        )
    };
}

const CHANGED_WITHIN: Sql = clocked!(changed_within);

#[async_trait]
impl SettingStore for Engine {
    async fn read(&self, guild: GuildId, setting: Option<&str>) -> Result<Snapshot, StorageError> {
        // The version first: rows may be newer than it, never older.
        let version = self.fetch_optional(query(VERSION).bind(guild)).await?;
        let version = version.map(|row| row.get("version")).transpose()?;
        let rows = query(ROWS).bind(guild).bind(setting).bind(MOST_ROWS);
        let rows = self.fetch_all(rows).await?;
        let rows = rows.iter().map(|row| {
            Ok(SettingRow {
                setting: row.get("setting")?,
                entry: row.get("entry")?,
                fields: row.json("fields")?,
                created_at: row.get("created_at")?,
                created_by: row.get("created_by")?,
                updated_at: row.get("updated_at")?,
                updated_by: row.get("updated_by")?,
            })
        });
        Ok(Snapshot {
            version: version.unwrap_or(0),
            rows: rows.collect::<Result<_, StorageError>>()?,
        })
    }

    async fn write(&self, change: &NewChange<'_>) -> Result<Written, StorageError> {
        let mut tx = self.begin().await?;
        let raise = query(RAISE).bind(change.guild).bind(change.decided_on);
        let raised = tx.fetch_optional(raise).await?;
        let version: Option<i64> = raised.map(|row| row.get("version")).transpose()?;
        // A guild without a version is one on which nothing but 0 was read.
        let Some(version) = version.filter(|version| *version == change.decided_on + 1) else {
            tx.rollback().await?;
            return Ok(Written::Stale);
        };
        for edit in change.edits {
            tx.execute(set(change, edit)).await?;
            record(&mut tx, change, version, edit).await?;
        }
        let forget = query(FORGET)
            .bind(change.guild)
            .bind(version - REMEMBERED_CHANGES);
        tx.execute(forget).await?;
        tx.commit().await?;
        Ok(Written::At(version))
    }

    async fn history(
        &self,
        guild: GuildId,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChangedEntry>, StorageError> {
        let history = query(HISTORY)
            .bind(guild)
            .bind(below.unwrap_or(i64::MAX))
            .bind(limit);
        changed_entries(self, history).await
    }

    async fn change(
        &self,
        guild: GuildId,
        version: i64,
    ) -> Result<Vec<ChangedEntry>, StorageError> {
        changed_entries(self, query(CHANGE).bind(guild).bind(version)).await
    }

    async fn changed_within(
        &self,
        window: Duration,
        limit: u32,
    ) -> Result<Vec<(GuildId, i64)>, StorageError> {
        let changed = query(CHANGED_WITHIN).bind(length(window)).bind(limit);
        let rows = self.fetch_all(changed).await?;
        rows.iter()
            .map(|row| Ok((row.get("guild_id")?, row.get("version")?)))
            .collect()
    }
}

fn set(change: &NewChange<'_>, edit: &Edit) -> Query {
    let entry = |statement: &'static str| {
        query(statement)
            .bind(change.guild)
            .bind(&edit.setting)
            .bind(&edit.entry)
    };
    match &edit.after {
        None => entry(DELETE),
        Some(fields) => entry(PUT)
            .bind(fields.to_string())
            .bind(change.at)
            .bind(change.by),
    }
}

async fn record(
    tx: &mut Transaction,
    change: &NewChange<'_>,
    version: i64,
    edit: &Edit,
) -> Result<(), StorageError> {
    let record = query(RECORD)
        .bind(change.guild)
        .bind(version)
        .bind(&edit.setting)
        .bind(&edit.entry)
        .bind(edit.before.as_ref().map(Value::to_string))
        .bind(edit.after.as_ref().map(Value::to_string))
        .bind(change.at)
        .bind(change.by)
        .bind(change.way)
        .bind(change.undoes);
    tx.execute(record).await.map(drop)
}

async fn changed_entries(
    engine: &Engine,
    changes: Query,
) -> Result<Vec<ChangedEntry>, StorageError> {
    let rows = engine.fetch_all(changes).await?;
    rows.iter()
        .map(|row| {
            Ok(ChangedEntry {
                version: row.get("version")?,
                edit: Edit {
                    setting: row.get("setting")?,
                    entry: row.get("entry")?,
                    before: row.maybe_json("before")?,
                    after: row.maybe_json("after")?,
                },
                at: row.get("changed_at")?,
                by: row.get("changed_by")?,
                way: row.get("way")?,
                undoes: row.get("undoes")?,
            })
        })
        .collect()
}
