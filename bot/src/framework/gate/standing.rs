//! What Discord says about a member.

use poise::serenity_prelude as serenity;
use splashtail_core::ids::{GuildId, RoleId};
use splashtail_permissions::{NativePermissions, PermissionResult};

use crate::app::Context;
use crate::discord_http::describe;
use crate::ids;

/// What Discord says about the author, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub is_owner: bool,
    /// Of the guild as a whole; channel overwrites do not count.
    pub native: NativePermissions,
    /// The everyone role, whose id is the guild's, included.
    pub roles: Vec<RoleId>,
}

/// The author in the guild: from the interaction or message and the cache, else from Discord.
pub(super) async fn standing(
    cx: Context<'_>,
    guild: GuildId,
) -> Result<Standing, PermissionResult> {
    let user = cx.author().id;
    let roles = match cx {
        Context::Application(application) => application
            .interaction
            .member
            .as_ref()
            .map(|member| member.roles.clone()),
        Context::Prefix(prefix) => prefix
            .msg
            .member
            .as_ref()
            .map(|member| member.roles.clone()),
    };
    member_standing(cx.cache(), cx.http(), guild, user, roles).await
}

/// The same for any member. `roles` are the member's if they are known already.
pub(super) async fn member_standing(
    cache: &serenity::Cache,
    http: &serenity::Http,
    guild: GuildId,
    user: serenity::UserId,
    roles: Option<Vec<serenity::RoleId>>,
) -> Result<Standing, PermissionResult> {
    let guild_id = serenity::GuildId::new(guild.get());
    let discord_error = |error: &serenity::Error| PermissionResult::DiscordError {
        error: describe(error),
    };
    let cached = cache.guild(guild_id).map(|cached| {
        let roles = roles
            .clone()
            .or_else(|| cached.members.get(&user).map(|member| member.roles.clone()));
        (
            cached.owner_id,
            permission_bits(cached.roles.values()),
            roles,
        )
    });
    let (owner, bits, roles) = match cached {
        Some(cached) => cached,
        None => {
            let fetched = http
                .get_guild(guild_id)
                .await
                .map_err(|e| discord_error(&e))?;
            (
                fetched.owner_id,
                permission_bits(fetched.roles.values()),
                roles,
            )
        }
    };
    let roles = match roles {
        Some(roles) => roles,
        None => {
            http.get_member(guild_id, user)
                .await
                .map_err(|e| discord_error(&e))?
                .roles
        }
    };
    let mut roles: Vec<RoleId> = roles.into_iter().map(ids::role).collect();
    roles.extend(RoleId::new(guild.get()));
    let held = |(role, bits): &(RoleId, u64)| roles.contains(role).then_some(*bits);
    let native = bits.iter().filter_map(held).fold(0, |all, bits| all | bits);
    Ok(Standing {
        is_owner: owner == user,
        native: NativePermissions(native),
        roles,
    })
}

fn permission_bits<'a>(roles: impl Iterator<Item = &'a serenity::Role>) -> Vec<(RoleId, u64)> {
    roles
        .map(|role| (ids::role(role.id), role.permissions.bits()))
        .collect()
}
