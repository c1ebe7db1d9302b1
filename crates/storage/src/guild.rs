use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};
use std::str::FromStr;

use crate::engine::{Engine, query};
use crate::error::StorageError;
use crate::open::Storage;

#[async_trait]
pub trait GuildStore: Send + Sync {
    /// Makes sure that the guild has a row; safe to race. `true` when it is new.
    async fn ensure(&self, guild: GuildId, at: DateTime<Utc>) -> Result<bool, StorageError>;

    async fn exists(&self, guild: GuildId) -> Result<bool, StorageError>;
}

#[async_trait]
pub trait UserStore: Send + Sync {
    /// Makes sure that the user has a row; safe to race. `true` when it is new.
    async fn ensure(&self, user: UserId, at: DateTime<Utc>) -> Result<bool, StorageError>;

    async fn get(&self, user: UserId) -> Result<Option<UserRow>, StorageError>;

    /// Creates the row when it is missing.
    async fn set_state(
        &self,
        user: UserId,
        state: UserState,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub id: UserId,
    pub state: UserState,
    pub vote_banned: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    Normal,
    Banned,
}

impl UserState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Banned => "banned",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user state")]
pub struct UnknownUserState;

impl FromStr for UserState {
    type Err = UnknownUserState;

    fn from_str(text: &str) -> Result<Self, UnknownUserState> {
        match text {
            "normal" => Ok(Self::Normal),
            "banned" => Ok(Self::Banned),
            _ => Err(UnknownUserState),
        }
    }
}

impl Storage {
    pub fn guilds(&self) -> &dyn GuildStore {
        self.engine()
    }

    pub fn users(&self) -> &dyn UserStore {
        self.engine()
    }
}

const ENSURE_GUILD: &str = "\
    INSERT INTO guilds (guild_id, created_at, updated_at) VALUES ($1, $2, $2) \
    ON CONFLICT DO NOTHING";

const GUILD_EXISTS: &str = "SELECT 1 FROM guilds WHERE guild_id = $1";

const ENSURE_USER: &str = "\
    INSERT INTO users (user_id, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";

const GET_USER: &str = "\
    SELECT user_id, state, vote_banned, created_at, updated_at FROM users WHERE user_id = $1";

const SET_USER_STATE: &str = "\
    INSERT INTO users (user_id, state, created_at, updated_at) VALUES ($1, $2, $3, $3) \
    ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at";

#[async_trait]
impl GuildStore for Engine {
    async fn ensure(&self, guild: GuildId, at: DateTime<Utc>) -> Result<bool, StorageError> {
        let ensure = query(ENSURE_GUILD).bind(guild).bind(at);
        Ok(self.execute(ensure).await? == 1)
    }

    async fn exists(&self, guild: GuildId) -> Result<bool, StorageError> {
        let found = self.fetch_optional(query(GUILD_EXISTS).bind(guild)).await?;
        Ok(found.is_some())
    }
}

#[async_trait]
impl UserStore for Engine {
    async fn ensure(&self, user: UserId, at: DateTime<Utc>) -> Result<bool, StorageError> {
        let ensure = query(ENSURE_USER).bind(user).bind(at);
        Ok(self.execute(ensure).await? == 1)
    }

    async fn get(&self, user: UserId) -> Result<Option<UserRow>, StorageError> {
        let Some(row) = self.fetch_optional(query(GET_USER).bind(user)).await? else {
            return Ok(None);
        };
        Ok(Some(UserRow {
            id: user,
            state: row.parsed("state")?,
            vote_banned: row.get("vote_banned")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        }))
    }

    async fn set_state(
        &self,
        user: UserId,
        state: UserState,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_USER_STATE)
            .bind(user)
            .bind(state.as_str())
            .bind(at);
        self.execute(set).await?;
        Ok(())
    }
}
