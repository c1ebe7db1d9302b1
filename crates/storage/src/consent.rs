use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use splashtail_core::ids::{GuildId, UserId};
use uuid::Uuid;

use crate::engine::{Engine, Row, Sql, query};
use crate::error::StorageError;
use crate::open::Storage;
use crate::sql::{after, asked, clocked, length, now};

/// Who may be brought back into which server, and what Discord gave for it: one grant per person, sealed by
/// the caller, for all servers that the person named. A grant without such a server does not exist.
#[async_trait]
pub trait ConsentStore: Send + Sync {
    /// The server may bring the person back from now on. The grant takes the place of an earlier one, and
    /// what was still to be taken back at Discord stays: it is part of the same authorization there.
    /// `false`: Discord is being asked at this moment to end that authorization, so this grant is worth
    /// nothing, and nothing was kept.
    async fn consent(&self, new: &NewConsent<'_>) -> Result<bool, StorageError>;

    /// Takes the consent for one server back, or for all; how many there were. With the last one goes the
    /// grant, which is then to be revoked at Discord ([`ConsentStore::take_revocation`]).
    async fn withdraw(&self, user: UserId, guild: Option<GuildId>) -> Result<u64, StorageError>;

    /// Of a server, ascending as the database has them; `after`: the last one of the page before.
    async fn consents(
        &self,
        guild: GuildId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StorageError>;

    async fn count_consents(&self, guild: GuildId) -> Result<u64, StorageError>;

    /// Of a person, the newest first, at most [`MOST_CONSENTS`].
    async fn consents_of(
        &self,
        user: UserId,
    ) -> Result<Vec<(GuildId, DateTime<Utc>)>, StorageError>;

    /// `None`: the person does not let this server bring them back.
    async fn join_grant(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<JoinGrant>, StorageError>;

    /// Takes the right to renew a grant, for so long by the database's clock: until when. `None`: somebody
    /// else has it, or the grant is another one by now.
    async fn hold_grant(
        &self,
        user: UserId,
        version: i64,
        time: Duration,
    ) -> Result<Option<DateTime<Utc>>, StorageError>;

    /// Gives the right back, which was taken until then, because nothing came of it: the grant is as good as
    /// before. Somebody else's stays.
    async fn release_grant(&self, user: UserId, until: DateTime<Utc>) -> Result<(), StorageError>;

    /// Replaces a grant, and gives the right back. `false`: it is another one by now, which stays.
    async fn renew_grant(
        &self,
        user: UserId,
        version: i64,
        sealed: &[u8],
        ends_at: DateTime<Utc>,
    ) -> Result<bool, StorageError>;

    /// Forgets a grant that Discord takes no more, and all consents with it. `false`: it is another one by
    /// now, which stays.
    async fn end_grant(&self, user: UserId, version: i64) -> Result<bool, StorageError>;

    /// What Discord gave for a renewal meanwhile is to be revoked, if the person took everything back.
    async fn revoke_lost(&self, user: UserId, sealed: &[u8]) -> Result<(), StorageError>;

    /// Takes a grant that is to be revoked at Discord and whose time has come: nobody else has it for so
    /// long by the database's clock.
    async fn take_revocation(&self, time: Duration) -> Result<Option<Revocation>, StorageError>;

    /// It is revoked, or nobody can revoke it. One that took its place meanwhile stays.
    async fn revoked(&self, revocation: &Revocation) -> Result<(), StorageError>;

    /// Discord could not be asked: once more after so long.
    async fn revoke_again(
        &self,
        revocation: &Revocation,
        wait: Duration,
    ) -> Result<(), StorageError>;
}

/// Servers that one person is told of.
pub const MOST_CONSENTS: u32 = 500;

#[derive(Debug, Clone, Copy)]
pub struct NewConsent<'a> {
    pub guild: GuildId,
    pub user: UserId,
    pub sealed: &'a [u8],
    /// Of the access token.
    pub ends_at: DateTime<Utc>,
    pub given_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGrant {
    pub sealed: Vec<u8>,
    pub ends_at: DateTime<Utc>,
    pub version: i64,
}

/// A grant of which nobody makes use any more, to be ended at Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub user: UserId,
    pub sealed: Vec<u8>,
    /// This one, from 1.
    pub attempt: u32,
}

impl Storage {
    pub fn join_consents(&self) -> &dyn ConsentStore {
        self.engine()
    }
}

const SET_GRANT: &str = "\
    INSERT INTO join_grants (user_id, sealed, ends_at, version, updated_at) \
    VALUES ($1, $2, $3, $5, $4) \
    ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, ends_at = excluded.ends_at, \
        version = join_grants.version + 1, held_until = NULL, updated_at = excluded.updated_at";

const SET_CONSENT: &str = "\
    INSERT INTO join_consents (guild_id, user_id, given_at) VALUES ($1, $2, $3) \
    ON CONFLICT (guild_id, user_id) DO UPDATE SET given_at = excluded.given_at";

/// Whoever consents at the same time comes before or after.
const LOCK: &str = "UPDATE join_grants SET version = version WHERE user_id = $1";

const WITHDRAW: &str = "DELETE FROM join_consents WHERE user_id = $1 AND guild_id = $2";

const WITHDRAW_ALL: &str = "DELETE FROM join_consents WHERE user_id = $1";

macro_rules! revoke_last {
    ($engine:ident) => {
        concat!(
            "INSERT INTO join_revocations (user_id, sealed, attempts, due_at, created_at) \
             SELECT user_id, sealed, 0, ",
            now!($engine),
            ", ",
            now!($engine),
            " FROM join_grants WHERE user_id = $1 \
             AND NOT EXISTS (SELECT 1 FROM join_consents WHERE user_id = $1) \
             ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, attempts = 0, \
             due_at = excluded.due_at, held_until = NULL"
        )
    };
}

const REVOKE_LAST: Sql = clocked!(revoke_last);

/// In a transaction that has locked what grant there is.
macro_rules! revoke_this {
    ($engine:ident) => {
        concat!(
            "INSERT INTO join_revocations (user_id, sealed, attempts, due_at, created_at) \
             VALUES ($1, $2, 0, ",
            now!($engine),
            ", ",
            now!($engine),
            ") ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, attempts = 0, \
             due_at = excluded.due_at, held_until = NULL"
        )
    };
}

const REVOKE_THIS: Sql = clocked!(revoke_this);

const HAS_GRANT: &str = "SELECT version FROM join_grants WHERE user_id = $1";

macro_rules! keep_instead {
    ($engine:ident) => {
        concat!(
            "DELETE FROM join_revocations WHERE user_id = $1 \
             AND (held_until IS NULL OR held_until <= ",
            now!($engine),
            ")"
        )
    };
}

const KEEP_INSTEAD: Sql = clocked!(keep_instead);

const BEING_REVOKED: &str = "SELECT attempts FROM join_revocations WHERE user_id = $1";

macro_rules! take {
    ($engine:ident, $lock:literal) => {
        concat!(
            "UPDATE join_revocations SET attempts = attempts + 1, due_at = ",
            after!($engine, "$1"),
            ", held_until = ",
            after!($engine, "$1"),
            " WHERE user_id = (SELECT user_id FROM join_revocations WHERE due_at <= ",
            asked!($engine),
            " ORDER BY due_at LIMIT 1",
            $lock,
            ") RETURNING user_id, sealed, attempts"
        )
    };
}

const TAKE: Sql = Sql {
    sqlite: take!(sqlite, ""),
    postgres: take!(postgres, " FOR UPDATE SKIP LOCKED"),
};

const REVOKED: &str = "DELETE FROM join_revocations WHERE user_id = $1 AND sealed = $2";

macro_rules! revoke_again {
    ($engine:ident) => {
        concat!(
            "UPDATE join_revocations SET held_until = NULL, due_at = ",
            after!($engine, "$3"),
            " WHERE user_id = $1 AND sealed = $2"
        )
    };
}

const REVOKE_AGAIN: Sql = clocked!(revoke_again);

const FORGET: &str = "\
    DELETE FROM join_grants WHERE user_id = $1 \
    AND NOT EXISTS (SELECT 1 FROM join_consents WHERE user_id = $1)";

const CONSENTS: &str = "\
    SELECT user_id FROM join_consents WHERE guild_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";

const COUNT: &str = "SELECT COUNT(*) AS count FROM join_consents WHERE guild_id = $1";

const CONSENTS_OF: &str = "\
    SELECT guild_id, given_at FROM join_consents WHERE user_id = $1 \
    ORDER BY given_at DESC, guild_id LIMIT $2";

const GRANT: &str = "\
    SELECT sealed, ends_at, version FROM join_grants WHERE user_id = $2 \
    AND EXISTS (SELECT 1 FROM join_consents WHERE guild_id = $1 AND user_id = $2)";

macro_rules! hold {
    ($engine:ident) => {
        concat!(
            "UPDATE join_grants SET held_until = ",
            after!($engine, "$3"),
            " WHERE user_id = $1 AND version = $2 AND (held_until IS NULL OR held_until <= ",
            now!($engine),
            ") RETURNING held_until"
        )
    };
}

const HOLD: Sql = clocked!(hold);

const RELEASE: &str =
    "UPDATE join_grants SET held_until = NULL WHERE user_id = $1 AND held_until = $2";

const RENEW: &str = "\
    UPDATE join_grants SET sealed = $3, ends_at = $4, version = version + 1, held_until = NULL \
    WHERE user_id = $1 AND version = $2";

const END: &str = "DELETE FROM join_grants WHERE user_id = $1 AND version = $2";

/// Of a grant that takes no other's place: somebody may still be about to renew one of this person's that was taken
/// back since.
fn first_version() -> i64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(high >> 2).unwrap_or_default()
}

#[async_trait]
impl ConsentStore for Engine {
    async fn consent(&self, new: &NewConsent<'_>) -> Result<bool, StorageError> {
        let grant = query(SET_GRANT)
            .bind(new.user)
            .bind(new.sealed)
            .bind(new.ends_at)
            .bind(new.given_at)
            .bind(first_version());
        let consent = query(SET_CONSENT).bind(new.guild).bind(new.user);
        let mut tx = self.begin().await?;
        tx.execute(grant).await?;
        tx.execute(query(KEEP_INSTEAD).bind(new.user)).await?;
        let being_revoked = tx.fetch_optional(query(BEING_REVOKED).bind(new.user));
        if being_revoked.await?.is_some() {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.execute(consent.bind(new.given_at)).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn withdraw(&self, user: UserId, guild: Option<GuildId>) -> Result<u64, StorageError> {
        let withdraw = match guild {
            Some(guild) => query(WITHDRAW).bind(user).bind(guild),
            None => query(WITHDRAW_ALL).bind(user),
        };
        let mut tx = self.begin().await?;
        tx.execute(query(LOCK).bind(user)).await?;
        let gone = tx.execute(withdraw).await?;
        tx.execute(query(REVOKE_LAST).bind(user)).await?;
        tx.execute(query(FORGET).bind(user)).await?;
        tx.commit().await?;
        Ok(gone)
    }

    async fn consents(
        &self,
        guild: GuildId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StorageError> {
        let after = after.map_or(i64::MIN, UserId::to_db);
        let page = query(CONSENTS).bind(guild).bind(after).bind(limit);
        let rows = self.fetch_all(page).await?;
        rows.iter().map(|row| row.get("user_id")).collect()
    }

    async fn count_consents(&self, guild: GuildId) -> Result<u64, StorageError> {
        let row = self.fetch_optional(query(COUNT).bind(guild)).await?;
        let count: Option<i64> = row.map(|row| row.get("count")).transpose()?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or(0))
    }

    async fn consents_of(
        &self,
        user: UserId,
    ) -> Result<Vec<(GuildId, DateTime<Utc>)>, StorageError> {
        let of = query(CONSENTS_OF).bind(user).bind(MOST_CONSENTS);
        let rows = self.fetch_all(of).await?;
        rows.iter()
            .map(|row| Ok((row.get("guild_id")?, row.get("given_at")?)))
            .collect()
    }

    async fn join_grant(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<JoinGrant>, StorageError> {
        let row = self.fetch_optional(query(GRANT).bind(guild).bind(user));
        let read = |row: Row| {
            Ok(JoinGrant {
                sealed: row.get("sealed")?,
                ends_at: row.get("ends_at")?,
                version: row.get("version")?,
            })
        };
        row.await?.map(read).transpose()
    }

    async fn hold_grant(
        &self,
        user: UserId,
        version: i64,
        time: Duration,
    ) -> Result<Option<DateTime<Utc>>, StorageError> {
        let hold = query(HOLD).bind(user).bind(version).bind(length(time));
        let held = self.fetch_changed(hold).await?;
        held.map(|row| row.get("held_until")).transpose()
    }

    async fn release_grant(&self, user: UserId, until: DateTime<Utc>) -> Result<(), StorageError> {
        let release = query(RELEASE).bind(user).bind(until);
        self.execute(release).await.map(drop)
    }

    async fn renew_grant(
        &self,
        user: UserId,
        version: i64,
        sealed: &[u8],
        ends_at: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        let renew = query(RENEW).bind(user).bind(version).bind(sealed);
        Ok(self.execute(renew.bind(ends_at)).await? == 1)
    }

    async fn end_grant(&self, user: UserId, version: i64) -> Result<bool, StorageError> {
        let end = query(END).bind(user).bind(version);
        Ok(self.execute(end).await? == 1)
    }

    async fn revoke_lost(&self, user: UserId, sealed: &[u8]) -> Result<(), StorageError> {
        let mut tx = self.begin().await?;
        tx.execute(query(LOCK).bind(user)).await?;
        let grant = tx.fetch_optional(query(HAS_GRANT).bind(user)).await?;
        if grant.is_none() {
            tx.execute(query(REVOKE_THIS).bind(user).bind(sealed))
                .await?;
        }
        tx.commit().await
    }

    async fn take_revocation(&self, time: Duration) -> Result<Option<Revocation>, StorageError> {
        let take = query(TAKE).bind(length(time));
        let read = |row: Row| {
            let attempts: i64 = row.get("attempts")?;
            Ok(Revocation {
                user: row.get("user_id")?,
                sealed: row.get("sealed")?,
                attempt: attempts.try_into().map_err(StorageError::corrupt)?,
            })
        };
        self.fetch_changed(take).await?.map(read).transpose()
    }

    async fn revoked(&self, revocation: &Revocation) -> Result<(), StorageError> {
        let revoked = query(REVOKED).bind(revocation.user);
        let revoked = revoked.bind(&revocation.sealed);
        self.execute(revoked).await.map(drop)
    }

    async fn revoke_again(
        &self,
        revocation: &Revocation,
        wait: Duration,
    ) -> Result<(), StorageError> {
        let again = query(REVOKE_AGAIN).bind(revocation.user);
        let again = again.bind(&revocation.sealed).bind(length(wait));
        self.execute(again).await.map(drop)
    }
}
