use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::GuildId;

use crate::engine::{Engine, query};
use crate::error::StorageError;
use crate::open::Storage;

/// How far servers have come with setting the bot up. Steps are named by the caller.
#[async_trait]
pub trait SetupStore: Send + Sync {
    /// Notes that a server is greeted, unless it was since `not_since`; safe to race. `true` when it
    /// is the caller's to greet.
    async fn claim_greeting(
        &self,
        guild: GuildId,
        at: DateTime<Utc>,
        not_since: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Notes that the owner went past a step, which may be repeated.
    async fn pass(&self, guild: GuildId, step: &str, at: DateTime<Utc>)
    -> Result<(), StorageError>;

    /// Steps that the owner went past, by name.
    async fn passed(&self, guild: GuildId) -> Result<Vec<String>, StorageError>;

    /// Begins anew: no step was passed.
    async fn forget(&self, guild: GuildId) -> Result<(), StorageError>;
}

impl Storage {
    pub fn setups(&self) -> &dyn SetupStore {
        self.engine()
    }
}

const CLAIM: &str = "\
    INSERT INTO guild_greetings (guild_id, greeted_at) VALUES ($1, $2) \
    ON CONFLICT (guild_id) DO UPDATE SET greeted_at = excluded.greeted_at \
    WHERE guild_greetings.greeted_at < $3";

const PASS: &str = "\
    INSERT INTO guild_setup_steps (guild_id, step, passed_at) VALUES ($1, $2, $3) \
    ON CONFLICT DO NOTHING";

const PASSED: &str = "SELECT step FROM guild_setup_steps WHERE guild_id = $1 ORDER BY step";

const FORGET: &str = "DELETE FROM guild_setup_steps WHERE guild_id = $1";

#[async_trait]
impl SetupStore for Engine {
    async fn claim_greeting(
        &self,
        guild: GuildId,
        at: DateTime<Utc>,
        not_since: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let claim = query(CLAIM).bind(guild).bind(at).bind(not_since);
        Ok(self.execute(claim).await? == 1)
    }

    async fn pass(
        &self,
        guild: GuildId,
        step: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let pass = query(PASS).bind(guild).bind(step).bind(at);
        self.execute(pass).await.map(drop)
    }

    async fn passed(&self, guild: GuildId) -> Result<Vec<String>, StorageError> {
        let rows = self.fetch_all(query(PASSED).bind(guild)).await?;
        rows.iter().map(|row| row.get("step")).collect()
    }

    async fn forget(&self, guild: GuildId) -> Result<(), StorageError> {
        self.execute(query(FORGET).bind(guild)).await.map(drop)
    }
}
