use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::UserId;

use crate::engine::{Engine, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{before, clocked, length};
use crate::token::PURGED_AT_ONCE;

/// What the platform told of people, whoever they are. Profiles are the caller's JSON.
#[async_trait]
pub trait ProfileStore: Send + Sync {
    /// With the time at which it was told.
    async fn profile(&self, user: UserId) -> Result<Option<(String, DateTime<Utc>)>, StorageError>;

    async fn set_profile(
        &self,
        user: UserId,
        profile: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// `false`: there was none.
    async fn forget_profile(&self, user: UserId) -> Result<bool, StorageError>;

    /// Deletes what was told so long ago by the database's clock, at most [`PURGED_AT_ONCE`]; how many.
    async fn purge_profiles(&self, older_than: Duration) -> Result<u64, StorageError>;
}

impl Storage {
    pub fn profiles(&self) -> &dyn ProfileStore {
        self.engine()
    }
}

const GET: &str = "SELECT profile, told_at FROM profiles WHERE user_id = $1";

const SET: &str = "\
    INSERT INTO profiles (user_id, profile, told_at) VALUES ($1, $2, $3) \
    ON CONFLICT (user_id) DO UPDATE SET profile = excluded.profile, told_at = excluded.told_at";

const FORGET: &str = "DELETE FROM profiles WHERE user_id = $1";

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM profiles WHERE user_id IN (SELECT user_id FROM profiles WHERE told_at < ",
            before!($engine, "$1"),
            " ORDER BY told_at LIMIT $2)"
        )
    };
}

const PURGE: Sql = clocked!(purge);

#[async_trait]
impl ProfileStore for Engine {
    async fn profile(&self, user: UserId) -> Result<Option<(String, DateTime<Utc>)>, StorageError> {
        let row = self.fetch_optional(query(GET).bind(user)).await?;
        row.map(|row| Ok((row.get("profile")?, row.get("told_at")?)))
            .transpose()
    }

    async fn set_profile(
        &self,
        user: UserId,
        profile: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET).bind(user).bind(profile).bind(at);
        self.execute(set).await.map(drop)
    }

    async fn forget_profile(&self, user: UserId) -> Result<bool, StorageError> {
        Ok(self.execute(query(FORGET).bind(user)).await? == 1)
    }

    async fn purge_profiles(&self, older_than: Duration) -> Result<u64, StorageError> {
        let purge = query(PURGE).bind(length(older_than));
        self.execute(purge.bind(PURGED_AT_ONCE)).await
    }
}
