use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};
use sqlx::Row;

use super::{Sqlite, ms, rows};
use crate::error::StorageError;
use crate::guild::{GuildStore, UserRow, UserState, UserStore};
use crate::sql;

#[async_trait]
impl GuildStore for Sqlite {
    async fn ensure(&self, guild: GuildId, at: DateTime<Utc>) -> Result<bool, StorageError> {
        let ensure = sqlx::query(sql::ENSURE_GUILD)
            .bind(guild.to_db())
            .bind(ms(at));
        Ok(ensure.execute(&self.writer).await?.rows_affected() == 1)
    }

    async fn exists(&self, guild: GuildId) -> Result<bool, StorageError> {
        let exists = sqlx::query(sql::GUILD_EXISTS).bind(guild.to_db());
        Ok(exists.fetch_optional(&self.reader).await?.is_some())
    }
}

#[async_trait]
impl UserStore for Sqlite {
    async fn ensure(&self, user: UserId, at: DateTime<Utc>) -> Result<bool, StorageError> {
        let ensure = sqlx::query(sql::ENSURE_USER)
            .bind(user.to_db())
            .bind(ms(at));
        Ok(ensure.execute(&self.writer).await?.rows_affected() == 1)
    }

    async fn get(&self, user: UserId) -> Result<Option<UserRow>, StorageError> {
        let found = sqlx::query(sql::GET_USER).bind(user.to_db());
        let Some(row) = found.fetch_optional(&self.reader).await? else {
            return Ok(None);
        };
        Ok(Some(UserRow {
            id: user,
            state: rows::parsed(&row, "state")?,
            vote_banned: row.try_get("vote_banned")?,
            created_at: rows::time(&row, "created_at")?,
            updated_at: rows::time(&row, "updated_at")?,
        }))
    }

    async fn set_state(
        &self,
        user: UserId,
        state: UserState,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = sqlx::query(sql::SET_USER_STATE).bind(user.to_db());
        set.bind(state.as_str())
            .bind(ms(at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
