use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::owner::Owner;
use crate::sql::{asked, clocked};

/// Most tokens that one [`TokenStore::purge`] removes: nobody waits long for its locks.
pub const PURGED_AT_ONCE: u32 = 500;

/// Tokens of the public API. Only their hashes are stored.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// # Errors
    /// [`StorageError::Conflict`]: the token exists.
    async fn issue(&self, token: &NewToken) -> Result<TokenRow, StorageError>;

    /// The token's row, unless it has expired.
    async fn lookup(
        &self,
        hash: &TokenHash,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenRow>, StorageError>;

    /// An owner's tokens, newest first, expired ones included.
    async fn list(&self, owner: Owner) -> Result<Vec<TokenRow>, StorageError>;

    /// `false`: there was none.
    async fn revoke(&self, id: Uuid) -> Result<bool, StorageError>;

    /// Removes tokens that have expired by the database's clock, at most [`PURGED_AT_ONCE`], the oldest first; how many there were.
    /// While it is as many, there are more.
    async fn purge(&self) -> Result<u64, StorageError>;
}

/// SHA-256 of a token. Tokens are 32 random bytes, so there is nothing to guess and no need for a
/// slow hash.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub id: Uuid,
    pub hash: TokenHash,
    pub owner: Owner,
    /// For people.
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// The row that it becomes.
    pub(crate) fn row(&self) -> TokenRow {
        TokenRow {
            id: self.id,
            owner: self.owner,
            name: self.name.clone(),
            created_at: self.created_at.trunc_subsecs(3),
            expires_at: self.expires_at.map(|at| at.trunc_subsecs(3)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub id: Uuid,
    pub owner: Owner,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Storage {
    pub fn tokens(&self) -> &dyn TokenStore {
        self.engine()
    }
}

const INSERT_TOKEN: &str = "\
    INSERT INTO web_api_tokens (id, token_hash, owner, name, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

const FIND_TOKEN: &str = "\
    SELECT id, token_hash, owner, name, created_at, expires_at FROM web_api_tokens \
    WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)";

const LIST_TOKENS: &str = "\
    SELECT id, owner, name, created_at, expires_at FROM web_api_tokens \
    WHERE owner = $1 ORDER BY created_at DESC, id";

const REVOKE_TOKEN: &str = "DELETE FROM web_api_tokens WHERE id = $1";

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM web_api_tokens WHERE id IN (SELECT id FROM web_api_tokens \
             WHERE expires_at <= ",
            asked!($engine),
            " ORDER BY expires_at LIMIT $1)"
        )
    };
}

pub(crate) const PURGE_TOKENS: Sql = clocked!(purge);

#[async_trait]
impl TokenStore for Engine {
    async fn issue(&self, token: &NewToken) -> Result<TokenRow, StorageError> {
        let insert = query(INSERT_TOKEN)
            .bind(token.id)
            .bind(token.hash.as_bytes())
            .bind(token.owner.to_string())
            .bind(&token.name)
            .bind(token.created_at)
            .bind(token.expires_at);
        self.execute(insert).await?;
        Ok(token.row())
    }

    async fn lookup(
        &self,
        hash: &TokenHash,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenRow>, StorageError> {
        let find = query(FIND_TOKEN).bind(hash.as_bytes()).bind(now);
        let Some(row) = self.fetch_optional(find).await? else {
            return Ok(None);
        };
        let stored: Vec<u8> = row.get("token_hash")?;
        if bool::from(stored.ct_eq(hash.as_bytes())) {
            read(&row).map(Some)
        } else {
            Ok(None)
        }
    }

    async fn list(&self, owner: Owner) -> Result<Vec<TokenRow>, StorageError> {
        let found = self
            .fetch_all(query(LIST_TOKENS).bind(owner.to_string()))
            .await?;
        found.iter().map(read).collect()
    }

    async fn revoke(&self, id: Uuid) -> Result<bool, StorageError> {
        Ok(self.execute(query(REVOKE_TOKEN).bind(id)).await? == 1)
    }

    async fn purge(&self) -> Result<u64, StorageError> {
        self.execute(query(PURGE_TOKENS).bind(PURGED_AT_ONCE)).await
    }
}

fn read(row: &Row) -> Result<TokenRow, StorageError> {
    Ok(TokenRow {
        id: row.get("id")?,
        owner: row.parsed("owner")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}
