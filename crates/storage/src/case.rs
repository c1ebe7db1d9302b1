use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{after, asked, clocked, length, now};

/// What was done to people in servers: numbered without gaps, counted in stings, and taken back when its
/// time is over. Kinds and sources are named by the caller.
#[async_trait]
pub trait CaseStore: Send + Sync {
    /// Opens a case under the next number. What was opened for the same cause before is found again.
    /// One of which it is not known yet whether it stands takes the place of nothing.
    async fn open(&self, case: &NewCase) -> Result<OpenedCase, StorageError>;

    /// It stands: nothing older of its person and line ends by itself any more. Repeating it changes
    /// nothing; `false` when it is void.
    async fn stand(&self, guild: GuildId, number: i64) -> Result<bool, StorageError>;

    /// Cases of which it should be known by now whether they stand, the longest waiting first.
    async fn unsure(&self, limit: u32) -> Result<Vec<CaseRow>, StorageError>;

    /// Takes it on oneself to find out about one, for so long by the database's clock; then it is
    /// anybody's again. `false`: somebody else has.
    async fn take_unsure(&self, case: &CaseRow, lease: Duration) -> Result<bool, StorageError>;

    /// Somebody else did something to a person in a line at a moment: nothing that was older ends by
    /// itself any more.
    async fn supersede(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// What stands of a line for somebody and is to end by itself later than a moment; the last to end.
    async fn running(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
        at: DateTime<Utc>,
    ) -> Result<Option<CaseRow>, StorageError>;

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

    /// Cases whose time is over and which nobody ends at this moment; those that were put off come when
    /// their time comes, not before the others. None of which something newer may take the place.
    async fn due(&self, at: DateTime<Utc>, limit: u32) -> Result<Vec<CaseRow>, StorageError>;

    /// Takes it on oneself to end one, for so long by the database's clock; the new fence, or `None` when
    /// somebody else has, or something newer may take its place.
    async fn take_ending(
        &self,
        case: &CaseRow,
        lease: Duration,
    ) -> Result<Option<i64>, StorageError>;

    /// Whether somebody ends a case of this person and line at this moment.
    async fn is_ending(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
    ) -> Result<bool, StorageError>;

    /// It could not be ended now and is due again after so long; `false` as for [`Self::end`].
    async fn put_off(
        &self,
        guild: GuildId,
        number: i64,
        fence: i64,
        pause: Duration,
    ) -> Result<bool, StorageError>;

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
    /// What takes the place of each other: of one person's cases of a line the last one that stands is
    /// the only one that ends by itself.
    pub line: Option<String>,
    /// So long it may not be known whether it stands, by the database's clock. `None`: it stands, and takes
    /// the place of what is older than its time.
    pub unsure_for: Option<Duration>,
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
    pub line: Option<String>,
    /// It is not known whether it stands.
    pub is_unsure: bool,
    /// How often it was put off, or asked about, in vain.
    pub tries: i64,
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

/// What somebody did without the bot takes the place of what was there at that time: it may be heard of late.
const SUPERSEDE: &str = "\
    UPDATE cases SET ending = 'superseded', ending_until = NULL \
    WHERE guild_id = $1 AND target_id = $2 AND line = $3 AND created_at <= $4 \
    AND ending IN ('active', 'ending')";

/// Numbers have the order in which things are done here, whatever clocks say.
const SUPERSEDE_BEFORE: &str = "\
    UPDATE cases SET ending = 'superseded', ending_until = NULL \
    WHERE guild_id = $1 AND target_id = $2 AND line = $3 AND number < $4 \
    AND ending IN ('active', 'ending')";

macro_rules! open {
    ($engine:ident) => {
        concat!(
            "INSERT INTO cases (guild_id, number, cause, kind, source, target_id, moderator_id, reason, \
             stings, stings_until, ends_at, ending, created_at, line, unsure_until) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, ",
            after!($engine, "$15"),
            ")"
        )
    };
}

/// Nothing is known for so long as NULL.
const OPEN: Sql = clocked!(open);

const TO_STAND: &str = "\
    SELECT target_id, line FROM cases \
    WHERE guild_id = $1 AND number = $2 AND void_reason IS NULL";

const STAND: &str = "\
    UPDATE cases SET unsure_until = NULL, tries = 0 WHERE guild_id = $1 AND number = $2";

macro_rules! unsure {
    ($engine:ident) => {
        concat!(
            "SELECT * FROM cases WHERE void_reason IS NULL AND unsure_until <= ",
            asked!($engine),
            " ORDER BY unsure_until LIMIT $1"
        )
    };
}

const UNSURE: Sql = clocked!(unsure);

macro_rules! take_unsure {
    ($engine:ident) => {
        concat!(
            "UPDATE cases SET fence = fence + 1, tries = tries + 1, unsure_until = ",
            after!($engine, "$4"),
            " WHERE guild_id = $1 AND number = $2 AND fence = $3 AND void_reason IS NULL \
             AND unsure_until <= ",
            now!($engine)
        )
    };
}

const TAKE_UNSURE: Sql = clocked!(take_unsure);

const RUNNING: &str = "\
    SELECT * FROM cases WHERE guild_id = $1 AND target_id = $2 AND line = $3 AND ends_at > $4 \
    AND ending = 'active' AND unsure_until IS NULL ORDER BY ends_at DESC LIMIT 1";

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

/// Nothing newer of its person and line is under way, of which nobody knows yet whether it stands.
macro_rules! is_latest {
    () => {
        "unsure_until IS NULL AND NOT EXISTS (SELECT 1 FROM cases newer \
         WHERE newer.guild_id = cases.guild_id AND newer.target_id = cases.target_id \
         AND newer.line = cases.line AND newer.number > cases.number \
         AND newer.unsure_until IS NOT NULL AND newer.void_reason IS NULL)"
    };
}

macro_rules! due {
    ($engine:ident) => {
        concat!(
            "SELECT * FROM cases WHERE ending IN ('active', 'ending') AND ends_at <= $1 AND ",
            is_latest!(),
            " AND (ending_until IS NULL OR ending_until <= ",
            asked!($engine),
            ") ORDER BY COALESCE(ending_until, ends_at), guild_id, number LIMIT $2"
        )
    };
}

const DUE: Sql = clocked!(due);

macro_rules! take {
    ($engine:ident) => {
        concat!(
            "UPDATE cases SET ending = 'ending', fence = fence + 1, ending_until = ",
            after!($engine, "$4"),
            " WHERE guild_id = $1 AND number = $2 AND fence = $3 AND ending IN ('active', 'ending') AND ",
            is_latest!(),
            " AND (ending_until IS NULL OR ending_until <= ",
            now!($engine),
            ")"
        )
    };
}

const TAKE: Sql = clocked!(take);

macro_rules! being_ended {
    ($engine:ident) => {
        concat!(
            "SELECT number FROM cases WHERE guild_id = $1 AND target_id = $2 AND line = $3 \
             AND ending = 'ending' AND ending_until > ",
            asked!($engine),
            " LIMIT 1"
        )
    };
}

const BEING_ENDED: Sql = clocked!(being_ended);

macro_rules! put_off {
    ($engine:ident) => {
        concat!(
            "UPDATE cases SET ending = 'active', tries = tries + 1, ending_until = ",
            after!($engine, "$4"),
            " WHERE guild_id = $1 AND number = $2 AND fence = $3 AND ending = 'ending'"
        )
    };
}

const PUT_OFF: Sql = clocked!(put_off);

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
        if let (Some(line), None) = (&case.line, case.unsure_for) {
            let supersede = query(SUPERSEDE)
                .bind(case.guild)
                .bind(case.target)
                .bind(line)
                .bind(case.at);
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
            .bind(case.at)
            .bind(case.line.as_deref())
            .bind(case.unsure_for.map(length));
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

    async fn stand(&self, guild: GuildId, number: i64) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        let row = query(TO_STAND).bind(guild).bind(number);
        let Some(row) = tx.fetch_optional(row).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let (target, line): (UserId, Option<String>) = (row.get("target_id")?, row.get("line")?);
        if let Some(line) = line {
            let supersede = query(SUPERSEDE_BEFORE)
                .bind(guild)
                .bind(target)
                .bind(line)
                .bind(number);
            tx.execute(supersede).await?;
        }
        tx.execute(query(STAND).bind(guild).bind(number)).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn unsure(&self, limit: u32) -> Result<Vec<CaseRow>, StorageError> {
        let unsure = query(UNSURE).bind(limit);
        self.fetch_all(unsure).await?.iter().map(read).collect()
    }

    async fn take_unsure(&self, case: &CaseRow, lease: Duration) -> Result<bool, StorageError> {
        let take = query(TAKE_UNSURE)
            .bind(case.guild)
            .bind(case.number)
            .bind(case.fence)
            .bind(length(lease));
        Ok(self.execute(take).await? == 1)
    }

    async fn supersede(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let supersede = query(SUPERSEDE)
            .bind(guild)
            .bind(target)
            .bind(line)
            .bind(at);
        self.execute(supersede).await.map(drop)
    }

    async fn running(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
        at: DateTime<Utc>,
    ) -> Result<Option<CaseRow>, StorageError> {
        let running = query(RUNNING).bind(guild).bind(target).bind(line).bind(at);
        let row = self.fetch_optional(running).await?;
        row.as_ref().map(read).transpose()
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
        lease: Duration,
    ) -> Result<Option<i64>, StorageError> {
        let mut tx = self.begin().await?;
        // Whoever opens a newer case meanwhile sees that this one is being ended, or is seen here.
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(case.guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        let take = query(TAKE)
            .bind(case.guild)
            .bind(case.number)
            .bind(case.fence)
            .bind(length(lease));
        let taken = tx.execute(take).await? == 1;
        tx.commit().await?;
        Ok(taken.then_some(case.fence + 1))
    }

    async fn is_ending(
        &self,
        guild: GuildId,
        target: UserId,
        line: &str,
    ) -> Result<bool, StorageError> {
        let ending = query(BEING_ENDED).bind(guild).bind(target).bind(line);
        Ok(self.fetch_optional(ending).await?.is_some())
    }

    async fn put_off(
        &self,
        guild: GuildId,
        number: i64,
        fence: i64,
        pause: Duration,
    ) -> Result<bool, StorageError> {
        let put_off = query(PUT_OFF)
            .bind(guild)
            .bind(number)
            .bind(fence)
            .bind(length(pause));
        Ok(self.execute(put_off).await? == 1)
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
        line: row.get("line")?,
        is_unsure: row.get::<Option<DateTime<Utc>>>("unsure_until")?.is_some(),
        tries: row.get("tries")?,
        fence: row.get("fence")?,
        void_reason: row.get("void_reason")?,
        at: row.get("created_at")?,
    })
}
