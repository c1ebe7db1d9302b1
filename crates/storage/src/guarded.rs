use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, MessageId, UserId};
use uuid::Uuid;

use crate::engine::{Engine, Query, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// Requests of one guild that can wait for answers at a time.
pub const MOST_OPEN: u32 = 20;
/// Answers of one person to one request that are recorded. Whoever gives more replaces their latest:
/// nobody keeps another from being heard.
pub const MOST_ANSWERS: u32 = 10;

/// What is done only when more than one person agrees: requests and each answer to them. Who may
/// answer and what it takes is the caller's to judge. Every move happens once, whoever else makes it
/// at the same time.
#[async_trait]
pub trait GuardedStore: Send + Sync {
    /// Adds an open request. `false`: the guild has [`MOST_OPEN`] of them already.
    async fn ask(&self, request: &NewRequest) -> Result<bool, StorageError>;

    async fn get(&self, id: Uuid) -> Result<Option<GuardedRequest>, StorageError>;

    /// The newest requests of a guild, those that wait for answers only when `open` is set.
    async fn list(
        &self,
        guild: GuildId,
        open: bool,
        limit: u32,
    ) -> Result<Vec<GuardedRequest>, StorageError>;

    /// All answers, the oldest first.
    async fn answers(&self, id: Uuid) -> Result<Vec<Answer>, StorageError>;

    /// Records an answer and moves the request as `judge` says, in one step: no word is there whose
    /// consequence is not. `None`: the request does not wait for answers, and nothing is recorded.
    async fn answer(
        &self,
        id: Uuid,
        answer: &Answer,
        judge: Judge<'_>,
    ) -> Result<Option<Move>, StorageError>;

    /// Hands a request to whoever calls that somebody else took and was not done with in time:
    /// `seen` is the time that they had. `false`: it has moved on since.
    async fn take_over(
        &self,
        id: Uuid,
        seen: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Ends a request that is in the state `from`, for good. `false`: it is not.
    async fn end(&self, id: Uuid, from: RequestState, end: &Ending) -> Result<bool, StorageError>;

    async fn set_message(
        &self,
        id: Uuid,
        message: (ChannelId, MessageId),
    ) -> Result<(), StorageError>;

    /// Open requests whose time is over, and such as were taken and not done with in time.
    async fn due(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<GuardedRequest>, StorageError>;

    /// Deletes what ended so long ago by the database's clock, at most [`PURGED_AT_ONCE`]; how many.
    async fn purge(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    pub id: Uuid,
    pub guild: GuildId,
    pub operation: String,
    /// Without secrets.
    pub arguments: Value,
    /// What it would do, line by line.
    pub summary: Vec<String>,
    /// Of what it would do.
    pub digest: String,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GuardedRequest {
    pub id: Uuid,
    pub guild: GuildId,
    pub operation: String,
    pub arguments: Value,
    pub summary: Vec<String>,
    pub digest: String,
    pub asked_by: UserId,
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub state: RequestState,
    pub run_until: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub message: Option<(ChannelId, MessageId)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub user: UserId,
    /// The caller's word for it.
    pub answer: String,
    pub at: DateTime<Utc>,
}

/// What all answers come to, the newest included and the oldest first.
pub type Judge<'a> = &'a (dyn Fn(&[Answer]) -> Move + Send + Sync);

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It waits for more answers.
    Stay,
    /// It is handed to whoever calls, to be done until then.
    Take(DateTime<Utc>),
    End(Ending),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub state: RequestState,
    pub outcome: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for answers.
    Open,
    /// It is being done.
    Running,
    Done,
    /// It was agreed to and could not be done.
    Failed,
    Refused,
    Withdrawn,
    Expired,
}

impl RequestState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Open | Self::Running)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a request")]
pub struct UnknownRequestState;

impl std::str::FromStr for RequestState {
    type Err = UnknownRequestState;

    fn from_str(text: &str) -> Result<Self, UnknownRequestState> {
        let all = [
            Self::Open,
            Self::Running,
            Self::Done,
            Self::Failed,
            Self::Refused,
            Self::Withdrawn,
            Self::Expired,
        ];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownRequestState)
    }
}

impl Storage {
    pub fn guarded(&self) -> &dyn GuardedStore {
        self.engine()
    }
}

/// Whoever counts last sees all that were added: on PostgreSQL the guild is locked meanwhile.
const LOCK_GUILD: &str = "SELECT pg_advisory_xact_lock(7, hashtext($1))";

const ASK: &str = "\
    INSERT INTO guarded_requests (request_id, guild_id, operation, arguments, summary, digest, \
        asked_by, asked_at, expires_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
    WHERE (SELECT COUNT(*) FROM guarded_requests WHERE guild_id = $2 AND state = 'open') < $10";

macro_rules! columns {
    () => {
        "request_id, guild_id, operation, arguments, summary, digest, asked_by, asked_at, \
         expires_at, state, run_until, outcome, ended_at, channel_id, message_id"
    };
}

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM guarded_requests WHERE request_id = $1"
);

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM guarded_requests WHERE guild_id = $1 AND ($2 = 0 OR state = 'open') \
      ORDER BY asked_at DESC, request_id LIMIT $3"
);

const ANSWERS: &str = "\
    SELECT user_id, answer, answered_at FROM guarded_answers WHERE request_id = $1 ORDER BY seq";

/// On PostgreSQL the lock on the request keeps numbers apart.
const LOCK_REQUEST: Sql = Sql {
    sqlite: "SELECT state FROM guarded_requests WHERE request_id = $1 AND state = 'open'",
    postgres: "SELECT state FROM guarded_requests WHERE request_id = $1 AND state = 'open' FOR UPDATE",
};

const ANSWER: &str = "\
    INSERT INTO guarded_answers (request_id, seq, user_id, answer, answered_at) \
    SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4 FROM guarded_answers WHERE request_id = $1";

/// Makes room for one more.
const REPLACE: &str = "\
    DELETE FROM guarded_answers WHERE request_id = $1 AND user_id = $2 \
    AND seq = (SELECT MAX(seq) FROM guarded_answers WHERE request_id = $1 AND user_id = $2) \
    AND (SELECT COUNT(*) FROM guarded_answers WHERE request_id = $1 AND user_id = $2) >= $3";

const TAKE: &str = "\
    UPDATE guarded_requests SET state = 'running', run_until = $2 \
    WHERE request_id = $1 AND state = 'open'";

const TAKE_OVER: &str = "\
    UPDATE guarded_requests SET run_until = $3 \
    WHERE request_id = $1 AND state = 'running' AND run_until = $2";

const END: &str = "\
    UPDATE guarded_requests SET state = $3, outcome = $4, ended_at = $5, run_until = NULL \
    WHERE request_id = $1 AND state = $2";

const SET_MESSAGE: &str = "\
    UPDATE guarded_requests SET channel_id = $2, message_id = $3 WHERE request_id = $1";

const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM guarded_requests WHERE state IN ('open', 'running') AND \
      (state = 'open' AND expires_at <= $1 OR state = 'running' AND run_until <= $1) \
      ORDER BY expires_at, request_id LIMIT $2"
);

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM guarded_requests WHERE request_id IN (SELECT request_id \
             FROM guarded_requests WHERE ended_at < ",
            before!($engine, "$1"),
            " ORDER BY ended_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl GuardedStore for Engine {
    async fn ask(&self, request: &NewRequest) -> Result<bool, StorageError> {
        let summary = Value::from(request.summary.clone());
        let ask = query(ASK)
            .bind(request.id)
            .bind(request.guild)
            .bind(&request.operation)
            .bind(request.arguments.to_string())
            .bind(summary.to_string())
            .bind(&request.digest)
            .bind(request.asked_by)
            .bind(request.asked_at)
            .bind(request.expires_at)
            .bind(MOST_OPEN);
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(request.guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        let added = tx.execute(ask).await? == 1;
        tx.commit().await?;
        Ok(added)
    }

    async fn get(&self, id: Uuid) -> Result<Option<GuardedRequest>, StorageError> {
        let row = self.fetch_optional(query(GET).bind(id)).await?;
        row.as_ref().map(read).transpose()
    }

    async fn list(
        &self,
        guild: GuildId,
        open: bool,
        limit: u32,
    ) -> Result<Vec<GuardedRequest>, StorageError> {
        let list = query(LIST).bind(guild).bind(i64::from(open)).bind(limit);
        self.fetch_all(list).await?.iter().map(read).collect()
    }

    async fn answers(&self, id: Uuid) -> Result<Vec<Answer>, StorageError> {
        let rows = self.fetch_all(query(ANSWERS).bind(id)).await?;
        rows.iter().map(read_answer).collect()
    }

    async fn answer(
        &self,
        id: Uuid,
        answer: &Answer,
        judge: Judge<'_>,
    ) -> Result<Option<Move>, StorageError> {
        let mut tx = self.begin().await?;
        let open = tx.fetch_optional(query(LOCK_REQUEST).bind(id)).await?;
        if open.is_none() {
            tx.rollback().await?;
            return Ok(None);
        }
        let replace = query(REPLACE).bind(id).bind(answer.user);
        tx.execute(replace.bind(MOST_ANSWERS)).await?;
        let add = query(ANSWER)
            .bind(id)
            .bind(answer.user)
            .bind(&answer.answer)
            .bind(answer.at);
        tx.execute(add).await?;
        let rows = tx.fetch_all(query(ANSWERS).bind(id)).await?;
        let answers: Vec<Answer> = rows.iter().map(read_answer).collect::<Result<_, _>>()?;
        let to = judge(&answers);
        match &to {
            Move::Stay => {}
            Move::Take(until) => drop(tx.execute(query(TAKE).bind(id).bind(*until)).await?),
            Move::End(end) => drop(tx.execute(ending(id, RequestState::Open, end)).await?),
        }
        tx.commit().await?;
        Ok(Some(to))
    }

    async fn take_over(
        &self,
        id: Uuid,
        seen: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let take = query(TAKE_OVER).bind(id).bind(seen).bind(until);
        Ok(self.execute(take).await? == 1)
    }

    async fn end(&self, id: Uuid, from: RequestState, end: &Ending) -> Result<bool, StorageError> {
        Ok(self.execute(ending(id, from, end)).await? == 1)
    }

    async fn set_message(
        &self,
        id: Uuid,
        (channel, message): (ChannelId, MessageId),
    ) -> Result<(), StorageError> {
        let set = query(SET_MESSAGE)
            .bind(id)
            .bind(channel.to_db())
            .bind(message.to_db());
        self.execute(set).await.map(drop)
    }

    async fn due(
        &self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<GuardedRequest>, StorageError> {
        let due = query(DUE).bind(now).bind(limit);
        self.fetch_all(due).await?.iter().map(read).collect()
    }

    async fn purge(&self, older_than: Duration) -> Result<u64, StorageError> {
        self.execute(query(PURGE).bind(length(older_than)).bind(PURGED_AT_ONCE))
            .await
    }
}

fn ending(id: Uuid, from: RequestState, end: &Ending) -> Query {
    query(END)
        .bind(id)
        .bind(from.as_str())
        .bind(end.state.as_str())
        .bind(end.outcome.as_deref())
        .bind(end.at)
}

fn read_answer(row: &Row) -> Result<Answer, StorageError> {
    Ok(Answer {
        user: row.get("user_id")?,
        answer: row.get("answer")?,
        at: row.get("answered_at")?,
    })
}

fn read(row: &Row) -> Result<GuardedRequest, StorageError> {
    let id = |name| row.get::<Option<i64>>(name);
    let channel = id("channel_id")?.and_then(|id| ChannelId::from_db(id).ok());
    let message = id("message_id")?.and_then(|id| MessageId::from_db(id).ok());
    Ok(GuardedRequest {
        id: row.get("request_id")?,
        guild: row.get("guild_id")?,
        operation: row.get("operation")?,
        arguments: row.json("arguments")?,
        summary: row.json("summary")?,
        digest: row.get("digest")?,
        asked_by: row.get("asked_by")?,
        asked_at: row.get("asked_at")?,
        expires_at: row.get("expires_at")?,
        state: row.parsed("state")?,
        run_until: row.get("run_until")?,
        outcome: row.get("outcome")?,
        ended_at: row.get("ended_at")?,
        message: channel.zip(message),
    })
}
