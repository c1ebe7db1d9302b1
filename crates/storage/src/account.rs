use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::UserId;

use crate::engine::{Engine, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{asked, before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// What is known of people who log in. Documents are JSON as text; their shape is the caller's.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Keeps what a login told; makes the user's row when it is missing.
    async fn log_in(
        &self,
        user: UserId,
        told: &LoginTold,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// `None`: this user never logged in.
    async fn account(&self, user: UserId) -> Result<Option<Account>, StorageError>;

    /// Replaces the servers that the user is in.
    async fn set_guilds(
        &self,
        user: UserId,
        guilds: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Replaces Discord's tokens, `None` forgets them, if they still are those that were `tried`.
    /// `false`: somebody was faster, with a login or another refresh.
    async fn replace_grant(
        &self,
        user: UserId,
        tried: &[u8],
        grant: Option<&[u8]>,
    ) -> Result<bool, StorageError>;

    /// Forgets Discord's tokens of people who have no session left, at most [`PURGED_AT_ONCE`]; how
    /// many there were. Who logged in within the last ten minutes is left alone: their session may be
    /// about to begin.
    async fn forget_grants(&self) -> Result<u64, StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTold {
    pub profile: String,
    pub guilds: String,
    /// Sealed by the caller.
    pub grant: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub profile: String,
    pub guilds: Option<String>,
    pub guilds_at: Option<DateTime<Utc>>,
    pub grant: Option<Vec<u8>>,
}

impl Storage {
    pub fn accounts(&self) -> &dyn AccountStore {
        self.engine()
    }
}

const LOG_IN: &str = "\
    INSERT INTO users (user_id, created_at, updated_at, profile, guilds_cache, guilds_cached_at, \
        discord_grant) \
    VALUES ($1, $2, $2, $3, $4, $2, $5) \
    ON CONFLICT (user_id) DO UPDATE SET updated_at = excluded.updated_at, \
        profile = excluded.profile, guilds_cache = excluded.guilds_cache, \
        guilds_cached_at = excluded.guilds_cached_at, discord_grant = excluded.discord_grant";

const ACCOUNT: &str = "\
    SELECT profile, guilds_cache, guilds_cached_at, discord_grant FROM users \
    WHERE user_id = $1 AND profile IS NOT NULL";

const SET_GUILDS: &str =
    "UPDATE users SET guilds_cache = $2, guilds_cached_at = $3 WHERE user_id = $1";

const REPLACE_GRANT: &str = "\
    UPDATE users SET discord_grant = $3 WHERE user_id = $1 AND discord_grant = $2";

const BEGINNING: Duration = Duration::from_mins(10);

macro_rules! forget_grants {
    ($engine:ident) => {
        concat!(
            "UPDATE users SET discord_grant = NULL WHERE discord_grant IS NOT NULL \
             AND user_id IN (SELECT user_id FROM users WHERE discord_grant IS NOT NULL \
             AND updated_at < ",
            before!($engine, "$1"),
            " AND NOT EXISTS (SELECT 1 FROM web_api_tokens \
             WHERE owner = 'u/' || CAST(users.user_id AS TEXT) \
             AND (expires_at IS NULL OR expires_at > ",
            asked!($engine),
            ")) LIMIT $2)"
        )
    };
}

pub(crate) const FORGET_GRANTS: Sql = clocked!(forget_grants);

#[async_trait]
impl AccountStore for Engine {
    async fn log_in(
        &self,
        user: UserId,
        told: &LoginTold,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let log_in = query(LOG_IN)
            .bind(user)
            .bind(at)
            .bind(&told.profile)
            .bind(&told.guilds)
            .bind(told.grant.as_deref());
        self.execute(log_in).await.map(drop)
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StorageError> {
        let Some(row) = self.fetch_optional(query(ACCOUNT).bind(user)).await? else {
            return Ok(None);
        };
        Ok(Some(Account {
            profile: row.get("profile")?,
            guilds: row.get("guilds_cache")?,
            guilds_at: row.get("guilds_cached_at")?,
            grant: row.get("discord_grant")?,
        }))
    }

    async fn set_guilds(
        &self,
        user: UserId,
        guilds: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_GUILDS).bind(user).bind(guilds).bind(at);
        self.execute(set).await.map(drop)
    }

    async fn replace_grant(
        &self,
        user: UserId,
        tried: &[u8],
        grant: Option<&[u8]>,
    ) -> Result<bool, StorageError> {
        let replace = query(REPLACE_GRANT).bind(user).bind(tried).bind(grant);
        Ok(self.execute(replace).await? == 1)
    }

    async fn forget_grants(&self) -> Result<u64, StorageError> {
        let forget = query(FORGET_GRANTS).bind(length(BEGINNING));
        self.execute(forget.bind(PURGED_AT_ONCE)).await
    }
}
