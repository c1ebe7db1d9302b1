//! What Discord says about a member.

use ::serenity::http::{LightMethod, Request, Route};
use async_trait::async_trait;
use poise::serenity_prelude as serenity;
use serde_json::Value;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_permissions::{NativePermissions, PermissionResult};

use crate::cluster::{ClusterState, Connection};
use crate::discord_http::{code, describe};
use crate::guilds::Facts;
use crate::ids;

/// Discord documentation, "JSON Error Codes".
const UNKNOWN_MEMBER: isize = 10_007;
const UNKNOWN_USER: isize = 10_013;

/// What Discord says about the author, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub is_owner: bool,
    /// Of the guild as a whole; channel overwrites do not count.
    pub native: NativePermissions,
    /// The everyone role, whose id is the guild's, included.
    pub roles: Vec<RoleId>,
    /// Every role of the guild and its position.
    pub positions: Vec<(RoleId, i64)>,
}

/// Which roles members hold.
#[async_trait]
pub trait MemberRoles: Send + Sync {
    /// The everyone role included, which is all that somebody has who is not in the guild.
    ///
    /// # Errors
    /// It is not known.
    async fn roles(&self, guild: GuildId, user: UserId) -> Result<Vec<RoleId>, PermissionResult>;
}

#[async_trait]
impl MemberRoles for ClusterState {
    async fn roles(&self, guild: GuildId, user: UserId) -> Result<Vec<RoleId>, PermissionResult> {
        let connection = self.connection().ok_or_else(not_connected)?;
        let mut roles = match member_roles(connection, guild, user).await {
            Ok(roles) => roles,
            Err(error) if matches!(code(&error), Some(UNKNOWN_MEMBER | UNKNOWN_USER)) => Vec::new(),
            Err(error) => return Err(unknown(error)),
        };
        roles.extend(RoleId::new(guild.get()));
        Ok(roles)
    }
}

pub fn not_connected() -> PermissionResult {
    PermissionResult::DiscordError {
        error: "not connected".to_owned(),
    }
}

/// A member in the guild. `roles` are the member's if they are known already; what the bot does not
/// know of the guild or the member is asked from Discord.
pub async fn member_standing(
    connection: &Connection,
    guild: GuildId,
    user: UserId,
    roles: Option<Vec<RoleId>>,
) -> Result<Standing, PermissionResult> {
    let facts = match connection.guilds.get(guild) {
        Some(known) if known.is_available() => known.facts(),
        _ => fetch_facts(&connection.http, guild).await?.into(),
    };
    let mut roles = match roles {
        Some(roles) => roles,
        None => member_roles(connection, guild, user)
            .await
            .map_err(unknown)?,
    };
    let native = facts.permissions(guild, &roles);
    roles.extend(RoleId::new(guild.get()));
    Ok(Standing {
        is_owner: facts.owner == Some(user),
        native: NativePermissions(native),
        roles,
        positions: facts
            .roles
            .iter()
            .map(|role| (role.id, role.position))
            .collect(),
    })
}

async fn member_roles(
    connection: &Connection,
    guild: GuildId,
    user: UserId,
) -> Result<Vec<RoleId>, serenity::Error> {
    let (guilds, now) = (&connection.guilds, connection.clock.monotonic());
    if let Some(roles) = guilds.member_roles(guild, user, now) {
        return Ok(roles);
    }
    let ticket = guilds.ask_for_member(guild, user, now);
    let (guild, user) = (
        serenity::GuildId::new(guild.get()),
        serenity::UserId::new(user.get()),
    );
    let member = connection.http.get_member(guild, user).await?;
    let roles: Vec<_> = member.roles.into_iter().map(ids::role).collect();
    guilds.keep_member(&ticket, &roles);
    Ok(roles)
}

/// As raw JSON: serenity's roles lose the bits that it does not know.
async fn fetch_facts(http: &serenity::Http, guild: GuildId) -> Result<Facts, PermissionResult> {
    let guild_id = serenity::GuildId::new(guild.get());
    let request = Request::new(Route::Guild { guild_id }, LightMethod::Get);
    let fetched: Value = http.fire(request).await.map_err(unknown)?;
    Facts::from_rest(&fetched).ok_or_else(|| PermissionResult::DiscordError {
        error: "a server without an id".to_owned(),
    })
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unknown(error: serenity::Error) -> PermissionResult {
    PermissionResult::DiscordError {
        error: describe(&error),
    }
}
