use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::StorageError;
use crate::owner::Owner;

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

    /// Removes expired tokens; how many there were.
    async fn purge(&self, now: DateTime<Utc>) -> Result<u64, StorageError>;
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
