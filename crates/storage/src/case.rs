use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};

use crate::engine::{Engine, Row, query};
use crate::error::StorageError;
use crate::open::Storage;

/// What was done to people in servers: numbered without gaps, counted in stings, and taken back when its
/// time is over. Kinds and sources are named by the caller.
#[async_trait]
pub trait CaseStore: Send + Sync {
    /// Opens a case under the next number. What was opened for the same cause before is found again.
    async fn open(&self, case: &NewCase) -> Result<OpenedCase, StorageError>;

    async fn case(&self, guild: GuildId, number: i64) -> Result<Option<CaseRow>, StorageError>;

    /// The newest cases of a server, or of one person there.
    async fn cases(
        &self,
        guild: GuildId,
        target: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StorageError>;

    /// Stings of somebody that count at a moment.
    async fn stings(
        &self,
        guild: GuildId,
        target: UserId,
        at: DateTime<Utc>,
    ) -> Result<i64, StorageError>;

    /// It counts no more and ends no more, and why; `false` when that is so already.
    async fn void(&self, guild: GuildId, number: i64, why: &str) -> Result<bool, StorageError>;

    /// Adds to what is said about it. `false`: there is no such case.
    async fn note(
        &self,
        guild: GuildId,
        number: i64,
        note: &CaseNote,
    ) -> Result<bool, StorageError>;

    async fn notes(&self, guild: GuildId, number: i64) -> Result<Vec<CaseNote>, StorageError>;

    /// Cases whose time is over and which nobody ends at this moment.
    async fn due(&self, at: DateTime<Utc>, limit: u32) -> Result<Vec<CaseRow>, StorageError>;

    /// Takes it on oneself to end one, for so long; the new fence, or `None` when somebody else has.
    async fn take_ending(
        &self,
        case: &CaseRow,
        at: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StorageError>;

    /// It has ended; `false` when the fence is not that of the last who took it.
    async fn end(
        &self,
        guild: GuildId,
        number: i64,
        fence: i64,
        end: CaseEnding,
    ) -> Result<bool, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCase {
    pub guild: GuildId,
    /// Names what brought it about.
    pub cause: String,
    pub kind: String,
    pub source: String,
    pub target: UserId,
    pub moderator: Option<UserId>,
    pub reason: String,
    pub stings: u32,
    pub stings_until: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub ends_at: Option<DateTime<Utc>>,
    /// Nothing older of this person ends by itself any more.
    pub supersedes: bool,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedCase {
    pub number: i64,
    /// Stings that counted before it and count with it.
    pub before: i64,
    pub after: i64,
    /// It was there already.
    pub repeated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseEnding {
    Active,
    Ending,
    Done,
    /// Somebody did something else meanwhile.
    Superseded,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    pub guild: GuildId,
    pub number: i64,
    pub kind: String,
    pub source: String,
    pub target: UserId,
    pub moderator: Option<UserId>,
    pub reason: String,
    pub stings: i64,
    pub stings_until: Option<DateTime<Utc>>,
    pub ends_at: Option<DateTime<Utc>>,
    pub ending: Option<CaseEnding>,
    pub fence: i64,
    pub void_reason: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseNote {
    pub author: UserId,
    pub note: String,
    pub at: DateTime<Utc>,
}

impl CaseEnding {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ending => "ending",
            Self::Done => "done",
            Self::Superseded => "superseded",
        }
    }

    fn of(text: &str) -> Option<Self> {
        let all = [Self::Active, Self::Ending, Self::Done, Self::Superseded];
        all.into_iter().find(|ending| ending.as_str() == text)
    }
}

impl Storage {
    pub fn cases(&self) -> &dyn CaseStore {
        self.engine()
    }
}

/// Numbers have no gaps: on PostgreSQL the guild's cases are locked meanwhile.
const LOCK_GUILD: &str = "SELECT pg_advisory_xact_lock(8, hashtext($1))";

const BY_CAUSE: &str = "SELECT number FROM cases WHERE guild_id = $1 AND cause = $2";

const NEXT: &str = "\
    SELECT COALESCE(MAX(number), 0) + 1 AS number FROM cases WHERE guild_id = $1";

const STINGS: &str = "\
    SELECT CAST(COALESCE(SUM(stings), 0) AS BIGINT) AS stings FROM cases \
    WHERE guild_id = $1 AND target_id = $2 AND void_reason IS NULL \
    AND (stings_until IS NULL OR stings_until > $3)";

const SUPERSEDE: &str = "\
    UPDATE cases SET ending = 'superseded', ending_until = NULL \
    WHERE guild_id = $1 AND target_id = $2 AND ending IN ('active', 'ending')";

const OPEN: &str = "\
    INSERT INTO cases (guild_id, number, cause, kind, source, target_id, moderator_id, reason, \
        stings, stings_until, ends_at, ending, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const CASE: &str = "SELECT * FROM cases WHERE guild_id = $1 AND number = $2";

const CASES: &str = "\
    SELECT * FROM cases WHERE guild_id = $1 ORDER BY number DESC LIMIT $2";

const CASES_OF: &str = "\
    SELECT * FROM cases WHERE guild_id = $1 AND target_id = $2 ORDER BY number DESC LIMIT $3";

const VOID: &str = "\
    UPDATE cases SET void_reason = $3, ending_until = NULL, \
        ending = CASE WHEN ending IN ('active', 'ending') THEN 'superseded' ELSE ending END \
    WHERE guild_id = $1 AND number = $2 AND void_reason IS NULL";

/// On PostgreSQL two notes at once would have one number.
const NOTE: &str = "\
    INSERT INTO case_notes (guild_id, number, seq, author_id, note, created_at) \
    SELECT $1, $2, (SELECT COALESCE(MAX(seq), 0) + 1 FROM case_notes \
        WHERE guild_id = $1 AND number = $2), $3, $4, $5 \
    FROM cases WHERE guild_id = $1 AND number = $2";

const NOTES: &str = "\
    SELECT author_id, note, created_at FROM case_notes \
    WHERE guild_id = $1 AND number = $2 ORDER BY seq";

const DUE: &str = "\
    SELECT * FROM cases WHERE ending IN ('active', 'ending') AND ends_at <= $1 \
    AND (ending = 'active' OR ending_until <= $1) ORDER BY ends_at LIMIT $2";

const TAKE: &str = "\
    UPDATE cases SET ending = 'ending', ending_until = $5, fence = fence + 1 \
    WHERE guild_id = $1 AND number = $2 AND fence = $3 \
    AND (ending = 'active' OR ending = 'ending' AND ending_until <= $4)";

const END: &str = "\
    UPDATE cases SET ending = $4, ending_until = NULL \
    WHERE guild_id = $1 AND number = $2 AND fence = $3 AND ending = 'ending'";

#[async_trait]
impl CaseStore for Engine {
    async fn open(&self, case: &NewCase) -> Result<OpenedCase, StorageError> {
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(case.guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        let stings = || {
            query(STINGS)
                .bind(case.guild)
                .bind(case.target)
                .bind(case.at)
        };
        let known = query(BY_CAUSE).bind(case.guild).bind(&case.cause);
        if let Some(known) = tx.fetch_optional(known).await? {
            let number: i64 = known.get("number")?;
            let after = count(tx.fetch_optional(stings()).await?.as_ref())?;
            tx.rollback().await?;
            return Ok(OpenedCase {
                number,
                before: after,
                after,
                repeated: true,
            });
        }
        let before = count(tx.fetch_optional(stings()).await?.as_ref())?;
        let next = tx.fetch_optional(query(NEXT).bind(case.guild)).await?;
        let number: i64 = next.map_or(Ok(1), |next| next.get("number"))?;
        if case.supersedes {
            let supersede = query(SUPERSEDE).bind(case.guild).bind(case.target);
            tx.execute(supersede).await?;
        }
        let ending = case.ends_at.map(|_| CaseEnding::Active.as_str());
        let open = query(OPEN)
            .bind(case.guild)
            .bind(number)
            .bind(&case.cause)
            .bind(&case.kind)
            .bind(&case.source)
            .bind(case.target)
            .bind(case.moderator)
            .bind(&case.reason)
            .bind(case.stings)
            .bind(case.stings_until)
            .bind(case.ends_at)
            .bind(ending)
            .bind(case.at);
        tx.execute(open).await?;
        let after = count(tx.fetch_optional(stings()).await?.as_ref())?;
        tx.commit().await?;
        Ok(OpenedCase {
            number,
            before,
            after,
            repeated: false,
        })
    }

    async fn case(&self, guild: GuildId, number: i64) -> Result<Option<CaseRow>, StorageError> {
        let row = self.fetch_optional(query(CASE).bind(guild).bind(number));
        row.await?.as_ref().map(read).transpose()
    }

    async fn cases(
        &self,
        guild: GuildId,
        target: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StorageError> {
        let list = match target {
            Some(target) => query(CASES_OF).bind(guild).bind(target).bind(limit),
            None => query(CASES).bind(guild).bind(limit),
        };
        self.fetch_all(list).await?.iter().map(read).collect()
    }

    async fn stings(
        &self,
        guild: GuildId,
        target: UserId,
        at: DateTime<Utc>,
    ) -> Result<i64, StorageError> {
        let stings = query(STINGS).bind(guild).bind(target).bind(at);
        count(self.fetch_optional(stings).await?.as_ref())
    }

    async fn void(&self, guild: GuildId, number: i64, why: &str) -> Result<bool, StorageError> {
        let void = query(VOID).bind(guild).bind(number).bind(why);
        Ok(self.execute(void).await? == 1)
    }

    async fn note(
        &self,
        guild: GuildId,
        number: i64,
        note: &CaseNote,
    ) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        let add = query(NOTE)
            .bind(guild)
            .bind(number)
            .bind(note.author)
            .bind(&note.note)
            .bind(note.at);
        let added = tx.execute(add).await? == 1;
        tx.commit().await?;
        Ok(added)
    }

    async fn notes(&self, guild: GuildId, number: i64) -> Result<Vec<CaseNote>, StorageError> {
        let rows = self
            .fetch_all(query(NOTES).bind(guild).bind(number))
            .await?;
        let note = |row: &Row| {
            Ok(CaseNote {
                author: row.get("author_id")?,
                note: row.get("note")?,
                at: row.get("created_at")?,
            })
        };
        rows.iter().map(note).collect()
    }

    async fn due(&self, at: DateTime<Utc>, limit: u32) -> Result<Vec<CaseRow>, StorageError> {
        let due = query(DUE).bind(at).bind(limit);
        self.fetch_all(due).await?.iter().map(read).collect()
    }

    async fn take_ending(
        &self,
        case: &CaseRow,
        at: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StorageError> {
        let take = query(TAKE)
            .bind(case.guild)
            .bind(case.number)
            .bind(case.fence)
            .bind(at)
            .bind(until);
        let taken = self.execute(take).await? == 1;
        Ok(taken.then_some(case.fence + 1))
    }

    async fn end(
        &self,
        guild: GuildId,
        number: i64,
        fence: i64,
        end: CaseEnding,
    ) -> Result<bool, StorageError> {
        let end = query(END)
            .bind(guild)
            .bind(number)
            .bind(fence)
            .bind(end.as_str());
        Ok(self.execute(end).await? == 1)
    }
}

fn count(row: Option<&Row>) -> Result<i64, StorageError> {
    row.map_or(Ok(0), |row| row.get("stings"))
}

fn read(row: &Row) -> Result<CaseRow, StorageError> {
    let ending: Option<String> = row.get("ending")?;
    Ok(CaseRow {
        guild: row.get("guild_id")?,
        number: row.get("number")?,
        kind: row.get("kind")?,
        source: row.get("source")?,
        target: row.get("target_id")?,
        moderator: row.get("moderator_id")?,
        reason: row.get("reason")?,
        stings: row.get("stings")?,
        stings_until: row.get("stings_until")?,
        ends_at: row.get("ends_at")?,
        ending: ending.as_deref().and_then(CaseEnding::of),
        fence: row.get("fence")?,
        void_reason: row.get("void_reason")?,
        at: row.get("created_at")?,
    })
}
