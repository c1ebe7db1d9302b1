use std::str::FromStr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};

use crate::error::StorageError;

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
