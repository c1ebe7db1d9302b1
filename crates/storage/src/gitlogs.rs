use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, UserId};
use uuid::Uuid;

use crate::engine::{Engine, Row, Sql, Transaction, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{after, asked, before, clocked, length, now};
use crate::token::PURGED_AT_ONCE;

/// Hooks and repositories of a guild, and rules of a hook.
pub const MOST_GIT_HOOKS: u32 = 5;
pub const MOST_GIT_REPOS: u32 = 10;
pub const MOST_GIT_RULES: u32 = 10;
/// What waits behind each other for one hook.
pub const MOST_GIT_WAITING: u32 = 500;

/// What happens in repositories, and where it is told. What is told, and when again, is the caller's to
/// judge; of one hook one thing is told at a time, in the order in which they came.
#[async_trait]
pub trait GitlogsStore: Send + Sync {
    /// `false`: the guild has [`MOST_GIT_HOOKS`] already.
    async fn add_git_hook(&self, hook: &GitHook) -> Result<bool, StorageError>;

    /// Oldest first.
    async fn git_hooks(&self, guild: GuildId) -> Result<Vec<GitHook>, StorageError>;

    async fn git_hook(&self, id: Uuid) -> Result<Option<GitHook>, StorageError>;

    /// All that belongs to it goes along. `false`: the guild has no such hook.
    async fn remove_git_hook(&self, guild: GuildId, id: Uuid) -> Result<bool, StorageError>;

    async fn add_git_repo(&self, guild: GuildId, repo: &GitRepo) -> Result<Added, StorageError>;

    /// By name.
    async fn git_repos(&self, hook: Uuid) -> Result<Vec<GitRepo>, StorageError>;

    /// Its rules go along. `false`: the hook has no such repository.
    async fn remove_git_repo(&self, hook: Uuid, id: Uuid) -> Result<bool, StorageError>;

    async fn add_git_rule(&self, guild: GuildId, rule: &GitRule) -> Result<Added, StorageError>;

    /// Those that come first, first.
    async fn git_rules(&self, hook: Uuid) -> Result<Vec<GitRule>, StorageError>;

    /// `false`: the hook has no such rule.
    async fn remove_git_rule(&self, hook: Uuid, id: Uuid) -> Result<bool, StorageError>;

    /// Notes what came, once.
    async fn note_delivery(&self, new: &NewDelivery) -> Result<Heard, StorageError>;

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryRow>, StorageError>;

    /// The newest, or those that came before this one.
    async fn deliveries(
        &self,
        hook: Uuid,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StorageError>;

    /// Takes something that is due, by the database's clock: it is nobody else's for so long.
    async fn take_delivery(&self, for_long: Duration) -> Result<Option<DueDelivery>, StorageError>;

    /// What an attempt came to; at an end the next of the hook has its turn.
    async fn told(&self, delivery: Uuid, told: &Told) -> Result<(), StorageError>;

    /// Deletes what came so long ago and has ended, at most [`PURGED_AT_ONCE`]; how many.
    async fn purge_deliveries(&self, older_than: Duration) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHook {
    pub id: Uuid,
    pub guild: GuildId,
    pub comment: String,
    /// Sealed.
    pub secret: Vec<u8>,
    pub created_by: UserId,
    pub created_at: DateTime<Utc>,
}

impl GitHook {
    /// The name under which its secret is sealed.
    pub fn secret_name(id: Uuid) -> String {
        format!("gitlogs hook {id}")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRepo {
    pub id: Uuid,
    pub hook: Uuid,
    /// `owner/name` in small letters.
    pub name: String,
    pub channel: ChannelId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRule {
    pub id: Uuid,
    pub hook: Uuid,
    /// `None`: of all.
    pub repo: Option<Uuid>,
    /// Patterns.
    pub events: Vec<String>,
    pub act: GitAct,
    /// The highest comes first.
    pub priority: i32,
}

/// What is done with events that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitAct {
    /// They are not told.
    Block,
    /// Only they are told.
    Only,
    /// They are told there.
    Redirect(ChannelId),
}

impl GitAct {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Only => "only",
            Self::Redirect(_) => "redirect",
        }
    }

    pub const fn channel(self) -> Option<ChannelId> {
        match self {
            Self::Redirect(channel) => Some(channel),
            Self::Block | Self::Only => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Added,
    /// The guild has no such hook, or the hook no such repository.
    Nowhere,
    /// There are as many as there may be.
    Full,
    /// There is one of this name.
    Twice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: Uuid,
    pub hook: Uuid,
    /// Of what came.
    pub digest: String,
    pub event: String,
    pub repo: String,
    /// Where it is told, or why it is not.
    pub to: Result<ChannelId, String>,
    pub body: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    New,
    /// It came before, as this one.
    Again(Uuid),
    /// [`MOST_GIT_WAITING`] wait.
    Full,
    NoHook,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub number: i64,
    pub id: Uuid,
    pub hook: Uuid,
    pub event: String,
    pub repo: String,
    pub channel: Option<ChannelId>,
    /// `waiting`, `sent`, `failed` or `passed`.
    pub state: String,
    pub attempts: u32,
    pub outcome: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    pub id: Uuid,
    pub channel: ChannelId,
    pub body: String,
    /// From 1.
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Sent,
    Failed(String),
    /// After so long.
    Again(Duration, String),
}

impl Storage {
    pub fn gitlogs(&self) -> &dyn GitlogsStore {
        self.engine()
    }
}

const ADD_HOOK: &str = "\
    INSERT INTO gitlogs_hooks (hook_id, guild_id, comment, secret, created_by, created_at) \
    SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT COUNT(*) FROM gitlogs_hooks WHERE guild_id = $2) < $7";

/// Whoever counts last sees all that were added.
const LOCK_GUILD: &str = "SELECT pg_advisory_xact_lock(10, hashtext($1))";

const HOOKS: &str = "\
    SELECT hook_id, guild_id, comment, secret, created_by, created_at FROM gitlogs_hooks \
    WHERE guild_id = $1 ORDER BY created_at, hook_id";

const HOOK: &str = "\
    SELECT hook_id, guild_id, comment, secret, created_by, created_at FROM gitlogs_hooks \
    WHERE hook_id = $1";

const REMOVE_HOOK: &str = "DELETE FROM gitlogs_hooks WHERE guild_id = $1 AND hook_id = $2";

/// Whoever changes what waits for a hook, or what it has, does so alone.
const HOLD: Sql = Sql {
    sqlite: "SELECT guild_id FROM gitlogs_hooks WHERE hook_id = $1",
    postgres: "SELECT guild_id FROM gitlogs_hooks WHERE hook_id = $1 FOR UPDATE",
};

const COUNT_REPOS: &str = "\
    SELECT COUNT(*) AS many FROM gitlogs_repos \
    WHERE hook_id IN (SELECT hook_id FROM gitlogs_hooks WHERE guild_id = $1)";

const ADD_REPO: &str = "\
    INSERT INTO gitlogs_repos (repo_id, hook_id, name, channel_id) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (hook_id, name) DO NOTHING";

const REPOS: &str = "\
    SELECT repo_id, hook_id, name, channel_id FROM gitlogs_repos WHERE hook_id = $1 ORDER BY name";

const REPO: &str = "SELECT repo_id FROM gitlogs_repos WHERE hook_id = $1 AND repo_id = $2";

const REMOVE_REPO: &str = "DELETE FROM gitlogs_repos WHERE hook_id = $1 AND repo_id = $2";

const COUNT_RULES: &str = "SELECT COUNT(*) AS many FROM gitlogs_rules WHERE hook_id = $1";

const ADD_RULE: &str = "\
    INSERT INTO gitlogs_rules (rule_id, hook_id, repo_id, events, act, channel_id, priority) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const RULES: &str = "\
    SELECT rule_id, hook_id, repo_id, events, act, channel_id, priority FROM gitlogs_rules \
    WHERE hook_id = $1 ORDER BY priority DESC, rule_id";

const REMOVE_RULE: &str = "DELETE FROM gitlogs_rules WHERE hook_id = $1 AND rule_id = $2";

const HEARD: &str = "SELECT delivery_id FROM gitlogs_deliveries WHERE hook_id = $1 AND digest = $2";

const COUNT_WAITING: &str = "\
    SELECT COUNT(*) AS many FROM gitlogs_deliveries WHERE hook_id = $1 AND state = 'waiting'";

/// What goes behind others has no time of its own yet.
macro_rules! note {
    ($engine:ident) => {
        concat!(
            "INSERT INTO gitlogs_deliveries (delivery_id, hook_id, digest, event, repo, channel_id, \
             body, state, outcome, created_at, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
             $10, CASE WHEN $11 THEN ",
            now!($engine),
            " ELSE NULL END)"
        )
    };
}

const NOTE: Sql = clocked!(note);

macro_rules! columns {
    () => {
        "seq, delivery_id, hook_id, event, repo, channel_id, state, attempts, outcome, created_at"
    };
}

const DELIVERY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM gitlogs_deliveries WHERE delivery_id = $1"
);

const DELIVERIES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM gitlogs_deliveries WHERE hook_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"
);

macro_rules! take {
    ($engine:ident, $lock:literal) => {
        concat!(
            "UPDATE gitlogs_deliveries SET attempts = attempts + 1, due_at = ",
            after!($engine, "$1"),
            " WHERE delivery_id = (SELECT delivery_id FROM gitlogs_deliveries WHERE due_at <= ",
            asked!($engine),
            " ORDER BY due_at LIMIT 1",
            $lock,
            ") RETURNING delivery_id, channel_id, body, attempts"
        )
    };
}

const TAKE: Sql = Sql {
    sqlite: take!(sqlite, ""),
    postgres: take!(postgres, " FOR UPDATE SKIP LOCKED"),
};

const OF_DELIVERY: &str = "SELECT hook_id FROM gitlogs_deliveries WHERE delivery_id = $1";

macro_rules! again {
    ($engine:ident) => {
        concat!(
            "UPDATE gitlogs_deliveries SET outcome = $2, due_at = ",
            after!($engine, "$3"),
            " WHERE delivery_id = $1 AND state = 'waiting'"
        )
    };
}

const AGAIN: Sql = clocked!(again);

const END: &str = "\
    UPDATE gitlogs_deliveries SET state = $2, outcome = $3, due_at = NULL \
    WHERE delivery_id = $1 AND state = 'waiting'";

macro_rules! next {
    ($engine:ident) => {
        concat!(
            "UPDATE gitlogs_deliveries SET due_at = ",
            now!($engine),
            " WHERE due_at IS NULL AND delivery_id = (SELECT delivery_id FROM gitlogs_deliveries \
             WHERE hook_id = $1 AND state = 'waiting' ORDER BY seq LIMIT 1)"
        )
    };
}

const NEXT: Sql = clocked!(next);

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM gitlogs_deliveries WHERE seq IN (SELECT seq FROM gitlogs_deliveries \
             WHERE created_at < ",
            before!($engine, "$1"),
            " AND state <> 'waiting' ORDER BY created_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl GitlogsStore for Engine {
    async fn add_git_hook(&self, hook: &GitHook) -> Result<bool, StorageError> {
        let add = query(ADD_HOOK)
            .bind(hook.id)
            .bind(hook.guild)
            .bind(&hook.comment)
            .bind(hook.secret.as_slice())
            .bind(hook.created_by)
            .bind(hook.created_at)
            .bind(MOST_GIT_HOOKS);
        let mut tx = self.begin().await?;
        self.lock_git(&mut tx, hook.guild).await?;
        let added = tx.execute(add).await? == 1;
        tx.commit().await?;
        Ok(added)
    }

    async fn git_hooks(&self, guild: GuildId) -> Result<Vec<GitHook>, StorageError> {
        let rows = self.fetch_all(query(HOOKS).bind(guild)).await?;
        rows.iter().map(read_hook).collect()
    }

    async fn git_hook(&self, id: Uuid) -> Result<Option<GitHook>, StorageError> {
        let row = self.fetch_optional(query(HOOK).bind(id)).await?;
        row.as_ref().map(read_hook).transpose()
    }

    async fn remove_git_hook(&self, guild: GuildId, id: Uuid) -> Result<bool, StorageError> {
        let remove = query(REMOVE_HOOK).bind(guild).bind(id);
        Ok(self.execute(remove).await? == 1)
    }

    async fn add_git_repo(&self, guild: GuildId, repo: &GitRepo) -> Result<Added, StorageError> {
        let mut tx = self.begin().await?;
        self.lock_git(&mut tx, guild).await?;
        let add = query(ADD_REPO)
            .bind(repo.id)
            .bind(repo.hook)
            .bind(&repo.name)
            .bind(repo.channel.to_db());
        let added = if held(&mut tx, repo.hook).await? != Some(guild) {
            Added::Nowhere
        } else if many(&mut tx, query(COUNT_REPOS).bind(guild)).await? >= MOST_GIT_REPOS.into() {
            Added::Full
        } else if tx.execute(add).await? == 1 {
            Added::Added
        } else {
            Added::Twice
        };
        tx.commit().await?;
        Ok(added)
    }

    async fn git_repos(&self, hook: Uuid) -> Result<Vec<GitRepo>, StorageError> {
        let rows = self.fetch_all(query(REPOS).bind(hook)).await?;
        rows.iter().map(read_repo).collect()
    }

    async fn remove_git_repo(&self, hook: Uuid, id: Uuid) -> Result<bool, StorageError> {
        let remove = query(REMOVE_REPO).bind(hook).bind(id);
        Ok(self.execute(remove).await? == 1)
    }

    async fn add_git_rule(&self, guild: GuildId, rule: &GitRule) -> Result<Added, StorageError> {
        let mut tx = self.begin().await?;
        let known = held(&mut tx, rule.hook).await? == Some(guild);
        let of_repo = match rule.repo {
            None => true,
            Some(repo) => {
                let repo = query(REPO).bind(rule.hook).bind(repo);
                tx.fetch_optional(repo).await?.is_some()
            }
        };
        let count = query(COUNT_RULES).bind(rule.hook);
        let added = if !known || !of_repo {
            Added::Nowhere
        } else if many(&mut tx, count).await? >= MOST_GIT_RULES.into() {
            Added::Full
        } else {
            let add = query(ADD_RULE)
                .bind(rule.id)
                .bind(rule.hook)
                .bind(rule.repo)
                .bind(Value::from(rule.events.clone()).to_string())
                .bind(rule.act.as_str())
                .bind(rule.act.channel().map(ChannelId::to_db))
                .bind(rule.priority);
            tx.execute(add).await?;
            Added::Added
        };
        tx.commit().await?;
        Ok(added)
    }

    async fn git_rules(&self, hook: Uuid) -> Result<Vec<GitRule>, StorageError> {
        let rows = self.fetch_all(query(RULES).bind(hook)).await?;
        rows.iter().map(read_rule).collect()
    }

    async fn remove_git_rule(&self, hook: Uuid, id: Uuid) -> Result<bool, StorageError> {
        let remove = query(REMOVE_RULE).bind(hook).bind(id);
        Ok(self.execute(remove).await? == 1)
    }

    async fn note_delivery(&self, new: &NewDelivery) -> Result<Heard, StorageError> {
        let mut tx = self.begin().await?;
        if held(&mut tx, new.hook).await?.is_none() {
            tx.rollback().await?;
            return Ok(Heard::NoHook);
        }
        let heard = query(HEARD).bind(new.hook).bind(&new.digest);
        if let Some(row) = tx.fetch_optional(heard).await? {
            tx.rollback().await?;
            return Ok(Heard::Again(row.get("delivery_id")?));
        }
        let waiting = many(&mut tx, query(COUNT_WAITING).bind(new.hook)).await?;
        let is_told = new.to.is_ok();
        if is_told && waiting >= MOST_GIT_WAITING.into() {
            tx.rollback().await?;
            return Ok(Heard::Full);
        }
        let channel = new.to.as_ref().ok().map(|channel| channel.to_db());
        let note = query(NOTE)
            .bind(new.id)
            .bind(new.hook)
            .bind(&new.digest)
            .bind(&new.event)
            .bind(&new.repo)
            .bind(channel)
            .bind(&new.body)
            .bind(if is_told { "waiting" } else { "passed" })
            .bind(new.to.as_ref().err().map(String::as_str))
            .bind(new.at)
            .bind(is_told && waiting == 0);
        tx.execute(note).await?;
        tx.commit().await?;
        Ok(Heard::New)
    }

    async fn delivery(&self, id: Uuid) -> Result<Option<DeliveryRow>, StorageError> {
        let row = self.fetch_optional(query(DELIVERY).bind(id)).await?;
        row.as_ref().map(read_delivery).transpose()
    }

    async fn deliveries(
        &self,
        hook: Uuid,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StorageError> {
        let list = query(DELIVERIES)
            .bind(hook)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit);
        let rows = self.fetch_all(list).await?;
        rows.iter().map(read_delivery).collect()
    }

    async fn take_delivery(&self, for_long: Duration) -> Result<Option<DueDelivery>, StorageError> {
        let take = query(TAKE).bind(length(for_long));
        let Some(row) = self.fetch_changed(take).await? else {
            return Ok(None);
        };
        let channel = channel(&row)?;
        Ok(Some(DueDelivery {
            id: row.get("delivery_id")?,
            channel: channel.ok_or_else(|| StorageError::corrupt("it is told nowhere"))?,
            body: row.get("body")?,
            attempt: attempts(&row)?,
        }))
    }

    async fn told(&self, delivery: Uuid, told: &Told) -> Result<(), StorageError> {
        let (state, outcome) = match told {
            Told::Again(wait, why) => {
                let again = query(AGAIN).bind(delivery).bind(why).bind(length(*wait));
                return self.execute(again).await.map(drop);
            }
            Told::Sent => ("sent", ""),
            Told::Failed(why) => ("failed", why.as_str()),
        };
        let of = query(OF_DELIVERY).bind(delivery);
        let Some(of) = self.fetch_optional(of).await? else {
            return Ok(());
        };
        let hook: Uuid = of.get("hook_id")?;
        let mut tx = self.begin().await?;
        held(&mut tx, hook).await?;
        let end = query(END).bind(delivery).bind(state).bind(outcome);
        tx.execute(end).await?;
        tx.execute(query(NEXT).bind(hook)).await?;
        tx.commit().await
    }

    async fn purge_deliveries(&self, older_than: Duration) -> Result<u64, StorageError> {
        let purge = query(PURGE).bind(length(older_than));
        self.execute(purge.bind(PURGED_AT_ONCE)).await
    }
}

impl Engine {
    /// Only PostgreSQL has more than one writer.
    async fn lock_git(&self, tx: &mut Transaction, guild: GuildId) -> Result<(), StorageError> {
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(guild.to_string());
            tx.fetch_optional(lock).await?;
        }
        Ok(())
    }
}

/// The guild of a hook, whose row is held then.
async fn held(tx: &mut Transaction, hook: Uuid) -> Result<Option<GuildId>, StorageError> {
    let row = tx.fetch_optional(query(HOLD).bind(hook)).await?;
    row.map(|row| row.get("guild_id")).transpose()
}

async fn many(tx: &mut Transaction, count: crate::engine::Query) -> Result<i64, StorageError> {
    let row = tx.fetch_optional(count).await?;
    let many = row.map(|row| row.get("many")).transpose()?;
    Ok(many.unwrap_or_default())
}

fn read_hook(row: &Row) -> Result<GitHook, StorageError> {
    Ok(GitHook {
        id: row.get("hook_id")?,
        guild: row.get("guild_id")?,
        comment: row.get("comment")?,
        secret: row.get("secret")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
    })
}

fn read_repo(row: &Row) -> Result<GitRepo, StorageError> {
    let channel = channel(row)?;
    Ok(GitRepo {
        id: row.get("repo_id")?,
        hook: row.get("hook_id")?,
        name: row.get("name")?,
        channel: channel.ok_or_else(|| StorageError::corrupt("a repository has no channel"))?,
    })
}

fn read_rule(row: &Row) -> Result<GitRule, StorageError> {
    let act: String = row.get("act")?;
    let act = match (act.as_str(), channel(row)?) {
        ("block", _) => GitAct::Block,
        ("only", _) => GitAct::Only,
        ("redirect", Some(channel)) => GitAct::Redirect(channel),
        _ => return Err(StorageError::corrupt("a rule without an act")),
    };
    Ok(GitRule {
        id: row.get("rule_id")?,
        hook: row.get("hook_id")?,
        repo: row.get("repo_id")?,
        events: row.json("events")?,
        act,
        priority: row.get("priority")?,
    })
}

fn read_delivery(row: &Row) -> Result<DeliveryRow, StorageError> {
    Ok(DeliveryRow {
        number: row.get("seq")?,
        id: row.get("delivery_id")?,
        hook: row.get("hook_id")?,
        event: row.get("event")?,
        repo: row.get("repo")?,
        channel: channel(row)?,
        state: row.get("state")?,
        attempts: attempts(row)?,
        outcome: row.get("outcome")?,
        created_at: row.get("created_at")?,
    })
}

fn channel(row: &Row) -> Result<Option<ChannelId>, StorageError> {
    let id: Option<i64> = row.get("channel_id")?;
    id.map(ChannelId::from_db)
        .transpose()
        .map_err(StorageError::corrupt)
}

fn attempts(row: &Row) -> Result<u32, StorageError> {
    let attempts: i32 = row.get("attempts")?;
    u32::try_from(attempts).map_err(StorageError::corrupt)
}
