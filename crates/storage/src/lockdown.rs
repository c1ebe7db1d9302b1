use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{ChannelId, GuildId, UserId};

use crate::engine::{Engine, Query, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// Locks on servers and channels, and what each of them holds. Every write can be repeated.
#[async_trait]
pub trait LockdownStore: Send + Sync {
    /// Opens a lock under the next number, unless so many stand already; what is being lifted does not
    /// count.
    async fn open_lockdown(
        &self,
        lock: &NewLockdown,
        most: u32,
    ) -> Result<Option<i64>, StorageError>;

    /// Those that are not lifted, oldest first.
    async fn lockdowns(&self, guild: GuildId) -> Result<Vec<LockdownRow>, StorageError>;

    /// Somebody wants it lifted; `false`: there is none that stands.
    async fn lift_lockdown(&self, guild: GuildId, number: i64) -> Result<bool, StorageError>;

    /// Locks of all servers that are being put up or taken away, by server and number, from behind one
    /// on: nobody stands in the way of those that come later.
    async fn lockdowns_under_way(
        &self,
        behind: Option<(GuildId, i64)>,
        limit: u32,
    ) -> Result<Vec<LockdownRow>, StorageError>;

    /// It stands now, or is lifted, if its state is still the one before that.
    async fn settle_lockdown(
        &self,
        lock: &LockdownRow,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// What locks of a server that are not lifted hold, released or not.
    async fn holds(&self, guild: GuildId) -> Result<Vec<HoldRow>, StorageError>;

    /// Writes down what a lock is about to hold, unless something is written of that place already; what
    /// is written then.
    async fn plan_hold(&self, hold: &HoldRow) -> Result<HoldRow, StorageError>;

    async fn put_hold(&self, hold: &HoldRow) -> Result<(), StorageError>;

    /// Deletes locks that were lifted so long ago by the database's clock, at most [`PURGED_AT_ONCE`];
    /// how many.
    async fn purge_lockdowns(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLockdown {
    pub guild: GuildId,
    /// Named by the caller.
    pub kind: String,
    pub channel: Option<ChannelId>,
    pub reason: String,
    pub by: UserId,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockdownRow {
    pub guild: GuildId,
    pub number: i64,
    pub kind: String,
    pub channel: Option<ChannelId>,
    pub reason: String,
    pub by: UserId,
    pub state: LockdownState,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockdownState {
    Locking,
    Locked,
    Lifting,
    Lifted,
}

/// What a lock holds at one place, of one role or of the bot itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    pub guild: GuildId,
    pub number: i64,
    /// A channel, or 0 for a role's own permissions.
    pub place: u64,
    pub subject: u64,
    pub wanted: u64,
    pub took: u64,
    pub put: u64,
    pub state: HoldState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// It is known what it will be; whether it was done is not.
    Planned,
    Held,
    Released,
    /// Discord does not let the bot.
    Refused,
}

impl LockdownState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Locking => "locking",
            Self::Locked => "locked",
            Self::Lifting => "lifting",
            Self::Lifted => "lifted",
        }
    }

    /// What it becomes when its work is done.
    pub const fn settled(self) -> Self {
        match self {
            Self::Locking | Self::Locked => Self::Locked,
            Self::Lifting | Self::Lifted => Self::Lifted,
        }
    }
}

impl HoldState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Held => "held",
            Self::Released => "released",
            Self::Refused => "refused",
        }
    }
}

/// What a column holds is not one of the states.
#[derive(Debug, thiserror::Error)]
#[error("there is no state `{0}` of a lockdown")]
struct UnknownState(String);

impl Storage {
    pub fn lockdowns(&self) -> &dyn LockdownStore {
        self.engine()
    }
}

/// On PostgreSQL two locks at once would have one number.
const LOCK_GUILD: &str = "SELECT pg_advisory_xact_lock(9, hashtext($1))";

const OPEN: &str = "\
    INSERT INTO lockdowns (guild_id, number, kind, channel_id, reason, created_by, state, created_at) \
    SELECT $1, (SELECT COALESCE(MAX(number), 0) + 1 FROM lockdowns WHERE guild_id = $1), \
        $2, $3, $4, $5, 'locking', $6 \
    WHERE (SELECT COUNT(*) FROM lockdowns \
        WHERE guild_id = $1 AND state IN ('locking', 'locked')) < $7";

const LATEST: &str = "SELECT MAX(number) AS number FROM lockdowns WHERE guild_id = $1";

const STANDING: &str = "\
    SELECT * FROM lockdowns WHERE guild_id = $1 AND state <> 'lifted' ORDER BY number";

const LIFT: &str = "\
    UPDATE lockdowns SET state = 'lifting' \
    WHERE guild_id = $1 AND number = $2 AND state IN ('locking', 'locked')";

const UNDER_WAY: &str = "\
    SELECT * FROM lockdowns WHERE state IN ('locking', 'lifting') \
    AND (guild_id > $1 OR guild_id = $1 AND number > $2) ORDER BY guild_id, number LIMIT $3";

const SETTLE: &str = "\
    UPDATE lockdowns SET state = $4, ended_at = $5 \
    WHERE guild_id = $1 AND number = $2 AND state = $3";

const HOLDS: &str = "\
    SELECT h.* FROM lockdown_holds h JOIN lockdowns l \
    ON l.guild_id = h.guild_id AND l.number = h.number \
    WHERE h.guild_id = $1 AND l.state <> 'lifted' ORDER BY h.number, h.place, h.subject";

const PLAN_HOLD: &str = "\
    INSERT INTO lockdown_holds (guild_id, number, place, subject, wanted, took, put, state) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

const HOLD: &str = "\
    SELECT * FROM lockdown_holds \
    WHERE guild_id = $1 AND number = $2 AND place = $3 AND subject = $4";

const PUT_HOLD: &str = "\
    INSERT INTO lockdown_holds (guild_id, number, place, subject, wanted, took, put, state) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (guild_id, number, place, subject) DO UPDATE SET wanted = excluded.wanted, \
        took = excluded.took, put = excluded.put, state = excluded.state";

macro_rules! ended {
    ($engine:ident) => {
        concat!(
            "SELECT guild_id, number FROM lockdowns WHERE state = 'lifted' AND ended_at < ",
            before!($engine, "$1"),
            " ORDER BY ended_at LIMIT $2"
        )
    };
}

const ENDED: Sql = clocked!(ended);

const DELETE_HOLDS: &str = "DELETE FROM lockdown_holds WHERE guild_id = $1 AND number = $2";

const DELETE: &str = "DELETE FROM lockdowns WHERE guild_id = $1 AND number = $2";

#[async_trait]
impl LockdownStore for Engine {
    async fn open_lockdown(
        &self,
        lock: &NewLockdown,
        most: u32,
    ) -> Result<Option<i64>, StorageError> {
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let alone = query(LOCK_GUILD).bind(lock.guild.to_string());
            tx.fetch_optional(alone).await?;
        }
        let open = query(OPEN)
            .bind(lock.guild)
            .bind(&lock.kind)
            .bind(lock.channel.map(ChannelId::to_db))
            .bind(&lock.reason)
            .bind(lock.by)
            .bind(lock.at)
            .bind(most);
        let opened = tx.execute(open).await? == 1;
        let latest = tx.fetch_optional(query(LATEST).bind(lock.guild)).await?;
        tx.commit().await?;
        let number = latest.map(|latest| latest.get("number")).transpose()?;
        Ok(number.filter(|_| opened))
    }

    async fn lockdowns(&self, guild: GuildId) -> Result<Vec<LockdownRow>, StorageError> {
        let rows = self.fetch_all(query(STANDING).bind(guild)).await?;
        rows.iter().map(read).collect()
    }

    async fn lift_lockdown(&self, guild: GuildId, number: i64) -> Result<bool, StorageError> {
        let lift = query(LIFT).bind(guild).bind(number);
        Ok(self.execute(lift).await? == 1)
    }

    async fn lockdowns_under_way(
        &self,
        behind: Option<(GuildId, i64)>,
        limit: u32,
    ) -> Result<Vec<LockdownRow>, StorageError> {
        let (guild, number) = behind.map_or((i64::MIN, i64::MIN), |(guild, number)| {
            (guild.to_db(), number)
        });
        let under_way = query(UNDER_WAY).bind(guild).bind(number).bind(limit);
        let rows = self.fetch_all(under_way).await?;
        rows.iter().map(read).collect()
    }

    async fn settle_lockdown(
        &self,
        lock: &LockdownRow,
        at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let to = lock.state.settled();
        let ended = (to == LockdownState::Lifted).then_some(at);
        let settle = query(SETTLE)
            .bind(lock.guild)
            .bind(lock.number)
            .bind(lock.state.as_str())
            .bind(to.as_str())
            .bind(ended);
        Ok(self.execute(settle).await? == 1)
    }

    async fn holds(&self, guild: GuildId) -> Result<Vec<HoldRow>, StorageError> {
        let rows = self.fetch_all(query(HOLDS).bind(guild)).await?;
        rows.iter().map(read_hold).collect()
    }

    async fn plan_hold(&self, hold: &HoldRow) -> Result<HoldRow, StorageError> {
        self.execute(write(PLAN_HOLD, hold)).await?;
        let written = query(HOLD)
            .bind(hold.guild)
            .bind(hold.number)
            .bind(hold.place.cast_signed())
            .bind(hold.subject.cast_signed());
        let written = self.fetch_optional(written).await?;
        // Only locks that are over for long lose their rows.
        let gone = || StorageError::corrupt(UnknownState("none".to_owned()));
        read_hold(&written.ok_or_else(gone)?)
    }

    async fn put_hold(&self, hold: &HoldRow) -> Result<(), StorageError> {
        self.execute(write(PUT_HOLD, hold)).await.map(drop)
    }

    async fn purge_lockdowns(&self, older_than: Duration) -> Result<u64, StorageError> {
        let mut tx = self.begin().await?;
        let ended = query(ENDED).bind(length(older_than)).bind(PURGED_AT_ONCE);
        let ended = tx.fetch_all(ended).await?;
        for row in &ended {
            let (guild, number): (GuildId, i64) = (row.get("guild_id")?, row.get("number")?);
            tx.execute(query(DELETE_HOLDS).bind(guild).bind(number))
                .await?;
            tx.execute(query(DELETE).bind(guild).bind(number)).await?;
        }
        tx.commit().await?;
        Ok(ended.len() as u64)
    }
}

fn read(row: &Row) -> Result<LockdownRow, StorageError> {
    let state: String = row.get("state")?;
    let channel: Option<i64> = row.get("channel_id")?;
    let all = [
        LockdownState::Locking,
        LockdownState::Locked,
        LockdownState::Lifting,
        LockdownState::Lifted,
    ];
    let known = all.into_iter().find(|known| known.as_str() == state);
    Ok(LockdownRow {
        guild: row.get("guild_id")?,
        number: row.get("number")?,
        kind: row.get("kind")?,
        channel: channel.and_then(|channel| ChannelId::from_db(channel).ok()),
        reason: row.get("reason")?,
        by: row.get("created_by")?,
        state: known.ok_or_else(|| StorageError::corrupt(UnknownState(state)))?,
        at: row.get("created_at")?,
    })
}

fn write(statement: &'static str, hold: &HoldRow) -> Query {
    query(statement)
        .bind(hold.guild)
        .bind(hold.number)
        .bind(hold.place.cast_signed())
        .bind(hold.subject.cast_signed())
        .bind(hold.wanted.cast_signed())
        .bind(hold.took.cast_signed())
        .bind(hold.put.cast_signed())
        .bind(hold.state.as_str())
}

fn read_hold(row: &Row) -> Result<HoldRow, StorageError> {
    let state: String = row.get("state")?;
    let all = [
        HoldState::Planned,
        HoldState::Held,
        HoldState::Released,
        HoldState::Refused,
    ];
    let known = all.into_iter().find(|known| known.as_str() == state);
    let bits = |name: &str| row.get::<i64>(name).map(i64::cast_unsigned);
    Ok(HoldRow {
        guild: row.get("guild_id")?,
        number: row.get("number")?,
        place: bits("place")?,
        subject: bits("subject")?,
        wanted: bits("wanted")?,
        took: bits("took")?,
        put: bits("put")?,
        state: known.ok_or_else(|| StorageError::corrupt(UnknownState(state)))?,
    })
}
