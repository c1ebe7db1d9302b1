use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::engine::{Engine, Query, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::owner::Owner;
use crate::sql::{asked, clocked};

/// Most rows that one statement deletes because they are old: nobody waits long for its locks.
pub const PURGED_AT_ONCE: u32 = 500;

/// Tokens of the public API. Only their hashes are stored.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// # Errors
    /// [`StorageError::Conflict`]: the token exists.
    async fn issue(&self, token: &NewToken) -> Result<TokenRow, StorageError>;

    /// The same, unless the owner has `most` tokens of its kind that have not ended: `None`. Several
    /// at the same moment may go a little beyond it.
    async fn issue_within(
        &self,
        token: &NewToken,
        most: u32,
    ) -> Result<Option<TokenRow>, StorageError>;

    /// The token's row, unless it has expired.
    async fn lookup(
        &self,
        hash: &TokenHash,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenRow>, StorageError>;

    /// An owner's tokens, newest first, expired ones included.
    async fn list(&self, owner: Owner) -> Result<Vec<TokenRow>, StorageError>;

    /// With it go the tokens that it made. `false`: there was none.
    async fn revoke(&self, id: Uuid) -> Result<bool, StorageError>;

    /// The same for a token of this owner.
    async fn revoke_of(&self, owner: Owner, id: Uuid) -> Result<bool, StorageError>;

    /// Keeps the newest tokens of a kind that an owner has; how many went.
    async fn keep_newest(
        &self,
        owner: Owner,
        kind: TokenKind,
        keep: u32,
    ) -> Result<u64, StorageError>;

    /// Notes that a token was used, and until when it is good from now on if that changes.
    async fn touch(
        &self,
        id: Uuid,
        at: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError>;

    /// `false`: the owner has no such token that has not ended, or the one that made it ends before.
    async fn extend(
        &self,
        owner: Owner,
        id: Uuid,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Removes tokens that have expired by the database's clock, at most [`PURGED_AT_ONCE`], the oldest first; how many there were.
    /// While it is as many, there are more.
    async fn purge(&self) -> Result<u64, StorageError>;
}

/// SHA-256 of a token. Tokens are 32 random bytes, so there is nothing to guess and no need for a
/// slow hash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Of one that a browser's cookie carries: it is good nowhere else, and no other token is good there.
    pub fn of_cookie(token: &str) -> Self {
        Self(Sha256::digest(format!("cookie {token}")).into())
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

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Issued by the operator of the installation.
    Operator,
    /// Of a browser in which somebody logged in.
    Login,
    /// Made by a person for a program.
    Api,
}

impl TokenKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Login => "login",
            Self::Api => "api",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of token")]
pub struct UnknownTokenKind;

impl FromStr for TokenKind {
    type Err = UnknownTokenKind;

    fn from_str(text: &str) -> Result<Self, UnknownTokenKind> {
        let mut kinds = [Self::Operator, Self::Login, Self::Api].into_iter();
        kinds
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownTokenKind)
    }
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub id: Uuid,
    pub hash: TokenHash,
    pub owner: Owner,
    pub kind: TokenKind,
    /// For people.
    pub name: String,
    /// Permissions that it is reduced to; none reduce nothing.
    pub perm_limits: Vec<String>,
    /// The token that makes it, and takes it along when it goes.
    pub maker: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// The row that it becomes.
    pub(crate) fn row(&self) -> TokenRow {
        TokenRow {
            id: self.id,
            owner: self.owner,
            kind: self.kind,
            name: self.name.clone(),
            perm_limits: self.perm_limits.clone(),
            maker: self.maker,
            last_used_at: None,
            created_at: self.created_at.trunc_subsecs(3),
            expires_at: self.expires_at.map(|at| at.trunc_subsecs(3)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    pub id: Uuid,
    pub owner: Owner,
    pub kind: TokenKind,
    pub name: String,
    pub perm_limits: Vec<String>,
    /// The token that made it.
    pub maker: Option<Uuid>,
    /// To about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

impl Storage {
    pub fn tokens(&self) -> &dyn TokenStore {
        self.engine()
    }
}

macro_rules! columns {
    () => {
        "id, owner, kind, name, perm_limits, created_at, expires_at, last_used_at, maker"
    };
}

const INSERT_TOKEN: &str = "\
    INSERT INTO web_api_tokens (id, token_hash, owner, kind, name, perm_limits, created_at, \
        expires_at, maker) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const INSERT_TOKEN_WITHIN: &str = "\
    INSERT INTO web_api_tokens (id, token_hash, owner, kind, name, perm_limits, created_at, \
        expires_at, maker) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
    WHERE (SELECT COUNT(*) FROM web_api_tokens WHERE owner = $3 AND kind = $4 \
        AND (expires_at IS NULL OR expires_at > $7)) < $10";

const FIND_TOKEN: &str = concat!(
    "SELECT token_hash, ",
    columns!(),
    " FROM web_api_tokens WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)"
);

const LIST_TOKENS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM web_api_tokens WHERE owner = $1 ORDER BY created_at DESC, id"
);

const REVOKE_TOKEN_OF: &str = "DELETE FROM web_api_tokens WHERE owner = $1 AND id = $2";

const KEEP_NEWEST: &str = "\
    DELETE FROM web_api_tokens WHERE id IN (SELECT id FROM web_api_tokens \
        WHERE owner = $1 AND kind = $2 ORDER BY created_at DESC, id LIMIT 1000 OFFSET $3)";

const TOUCH_TOKEN: &str = "\
    UPDATE web_api_tokens SET last_used_at = $2, expires_at = COALESCE($3, expires_at) \
    WHERE id = $1";

const EXTEND_TOKEN: &str = "\
    UPDATE web_api_tokens SET expires_at = $4 \
    WHERE owner = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3) \
        AND NOT EXISTS (SELECT 1 FROM web_api_tokens AS makers \
            WHERE makers.id = web_api_tokens.maker AND makers.expires_at < $4)";

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
        self.execute(values(INSERT_TOKEN, token)).await?;
        Ok(token.row())
    }

    async fn issue_within(
        &self,
        token: &NewToken,
        most: u32,
    ) -> Result<Option<TokenRow>, StorageError> {
        let insert = values(INSERT_TOKEN_WITHIN, token).bind(most);
        Ok((self.execute(insert).await? == 1).then(|| token.row()))
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

    async fn revoke_of(&self, owner: Owner, id: Uuid) -> Result<bool, StorageError> {
        let revoke = query(REVOKE_TOKEN_OF).bind(owner.to_string()).bind(id);
        Ok(self.execute(revoke).await? == 1)
    }

    async fn keep_newest(
        &self,
        owner: Owner,
        kind: TokenKind,
        keep: u32,
    ) -> Result<u64, StorageError> {
        let delete = query(KEEP_NEWEST)
            .bind(owner.to_string())
            .bind(kind.as_str());
        self.execute(delete.bind(keep)).await
    }

    async fn touch(
        &self,
        id: Uuid,
        at: DateTime<Utc>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(), StorageError> {
        let touch = query(TOUCH_TOKEN).bind(id).bind(at).bind(expires_at);
        self.execute(touch).await.map(drop)
    }

    async fn extend(
        &self,
        owner: Owner,
        id: Uuid,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let extend = query(EXTEND_TOKEN).bind(owner.to_string()).bind(id);
        let extend = extend.bind(now).bind(expires_at);
        Ok(self.execute(extend).await? == 1)
    }

    async fn purge(&self) -> Result<u64, StorageError> {
        self.execute(query(PURGE_TOKENS).bind(PURGED_AT_ONCE)).await
    }
}

fn values(insert: &'static str, token: &NewToken) -> Query {
    let limits = serde_json::Value::from(token.perm_limits.as_slice()).to_string();
    query(insert)
        .bind(token.id)
        .bind(token.hash.as_bytes())
        .bind(token.owner.to_string())
        .bind(token.kind.as_str())
        .bind(&token.name)
        .bind(limits)
        .bind(token.created_at)
        .bind(token.expires_at)
        .bind(token.maker)
}

fn read(row: &Row) -> Result<TokenRow, StorageError> {
    Ok(TokenRow {
        id: row.get("id")?,
        owner: row.parsed("owner")?,
        kind: row.parsed("kind")?,
        name: row.get("name")?,
        perm_limits: row.json("perm_limits")?,
        maker: row.get("maker")?,
        last_used_at: row.get("last_used_at")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}
