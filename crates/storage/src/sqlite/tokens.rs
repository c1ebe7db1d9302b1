use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Sqlite, key, ms, rows};
use crate::error::StorageError;
use crate::owner::Owner;
use crate::sql;
use crate::token::{NewToken, TokenHash, TokenRow, TokenStore};

#[async_trait]
impl TokenStore for Sqlite {
    async fn issue(&self, token: &NewToken) -> Result<TokenRow, StorageError> {
        sqlx::query(sql::INSERT_TOKEN)
            .bind(key(token.id))
            .bind(token.hash.as_bytes())
            .bind(token.owner.to_string())
            .bind(&token.name)
            .bind(ms(token.created_at))
            .bind(token.expires_at.map(ms))
            .execute(&self.writer)
            .await?;
        Ok(token.row())
    }

    async fn lookup(
        &self,
        hash: &TokenHash,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenRow>, StorageError> {
        let found = sqlx::query(sql::FIND_TOKEN)
            .bind(hash.as_bytes())
            .bind(ms(now))
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = found else {
            return Ok(None);
        };
        let stored: &[u8] = row.try_get("token_hash")?;
        if bool::from(stored.ct_eq(hash.as_bytes())) {
            rows::token(&row).map(Some)
        } else {
            Ok(None)
        }
    }

    async fn list(&self, owner: Owner) -> Result<Vec<TokenRow>, StorageError> {
        let found = sqlx::query(sql::LIST_TOKENS).bind(owner.to_string());
        found
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(rows::token)
            .collect()
    }

    async fn revoke(&self, id: Uuid) -> Result<bool, StorageError> {
        let revoked = sqlx::query(sql::REVOKE_TOKEN)
            .bind(key(id))
            .execute(&self.writer)
            .await?;
        Ok(revoked.rows_affected() == 1)
    }

    async fn purge(&self, now: DateTime<Utc>) -> Result<u64, StorageError> {
        let purged = sqlx::query(sql::PURGE_TOKENS)
            .bind(ms(now))
            .execute(&self.writer)
            .await?;
        Ok(purged.rows_affected())
    }
}
