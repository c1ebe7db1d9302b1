use std::collections::{HashMap, HashSet};

use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};

use super::{Acting, EnsureError, Ensured, Outcome, gone_is_fine};
use crate::error::DiscordError;
use crate::snowflake::{array, typed};

/// Users that Discord bans in one call.
pub const BULK_BAN: usize = 200;
/// "Failed to ban users": none of them.
const NONE_BANNED: u64 = 500_000;

/// What became of a bulk ban. Every user asked for is in exactly one list.
#[derive(Debug, Default)]
pub struct BulkBan {
    /// Banned by these calls.
    pub banned: Vec<UserId>,
    /// Banned already, or by an earlier try.
    pub already: Vec<UserId>,
    /// Refused: above the bot, or owner.
    pub failed: Vec<UserId>,
    /// Not tried, because of `stopped`.
    pub left: Vec<UserId>,
    /// What kept the rest from being tried. After an ambiguous answer the users of that call are
    /// among `left`.
    pub stopped: Option<DiscordError>,
}

impl Acting {
    /// A user who is banned. `banned`: whether they are already, if that is known.
    /// `purge_seconds` of messages are deleted with a new ban (at most seven days).
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_banned(
        &self,
        guild: GuildId,
        user: UserId,
        purge_seconds: u32,
        banned: Option<bool>,
    ) -> Result<Ensured, EnsureError> {
        if banned == Some(true) {
            return Ok(Ensured::new(Outcome::Unchanged, Value::Null));
        }
        let request = self.request(Method::PUT, format!("/guilds/{guild}/bans/{user}"));
        let request = request.json(&json!({"delete_message_seconds": purge_seconds}));
        let object = request.send().await?;
        Ok(Ensured::new(Outcome::Created, object))
    }

    /// A user who is not banned. `banned`: whether they are, if that is known.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_unbanned(
        &self,
        guild: GuildId,
        user: UserId,
        banned: Option<bool>,
    ) -> Result<Ensured, EnsureError> {
        if banned == Some(false) {
            return Ok(Ensured::new(Outcome::Unchanged, Value::Null));
        }
        let path = format!("/guilds/{guild}/bans/{user}");
        gone_is_fine(self.request(Method::DELETE, path).send().await)
    }

    /// Users who are banned, 200 per call. `banned`: who is already. What was done is never lost:
    /// a failure ends it and is part of the result.
    pub async fn ensure_all_banned(
        &self,
        guild: GuildId,
        users: &[UserId],
        purge_seconds: u32,
        banned: &HashSet<UserId>,
    ) -> BulkBan {
        let mut done = BulkBan::default();
        let mut seen = HashSet::new();
        let mut open = Vec::new();
        for user in users.iter().copied().filter(|user| seen.insert(*user)) {
            if banned.contains(&user) {
                done.already.push(user);
            } else {
                open.push(user);
            }
        }
        let mut chunks = open.chunks(BULK_BAN);
        while let Some(chunk) = chunks.next() {
            if let Err(error) = self.ban_chunk(guild, chunk, purge_seconds, &mut done).await {
                let known = |list: &[UserId]| list.iter().copied().collect::<HashSet<_>>();
                let mut settled = known(&done.banned);
                settled.extend(known(&done.already));
                settled.extend(known(&done.failed));
                let rest = chunk.iter().chain(chunks.by_ref().flatten());
                done.left = rest
                    .copied()
                    .filter(|user| !settled.contains(user))
                    .collect();
                done.stopped = Some(error);
            }
        }
        done
    }

    async fn ban_chunk(
        &self,
        guild: GuildId,
        chunk: &[UserId],
        purge_seconds: u32,
        done: &mut BulkBan,
    ) -> Result<(), DiscordError> {
        // To be banned twice is to be banned: a repetition only tells less about who was first.
        let answer = self
            .request(Method::POST, format!("/guilds/{guild}/bulk-ban"))
            .json(&json!({"user_ids": chunk, "delete_message_seconds": purge_seconds}))
            .idempotent(true)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.code() == Some(NONE_BANNED) => Value::Null,
            Err(error) => return Err(error),
        };
        let listed = |name: &str| -> HashSet<UserId> {
            array(&answer[name]).iter().filter_map(typed).collect()
        };
        let banned = listed("banned_users");
        let (banned, others): (Vec<UserId>, Vec<UserId>) =
            chunk.iter().partition(|user| banned.contains(user));
        done.banned.extend(banned);
        // Discord does not tell those who are banned already from those it refused.
        let mut found = HashMap::new();
        for user in &others {
            found.insert(*user, self.is_banned(guild, *user).await?);
            match found[user] {
                true => done.already.push(*user),
                false => done.failed.push(*user),
            }
        }
        Ok(())
    }

    async fn is_banned(&self, guild: GuildId, user: UserId) -> Result<bool, DiscordError> {
        let path = format!("/guilds/{guild}/bans/{user}");
        match self.request(Method::GET, path).send().await {
            Ok(_) => Ok(true),
            Err(DiscordError::Api(error)) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
