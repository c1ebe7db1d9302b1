//! Adding people to a guild with what they allowed the application to do.

use std::collections::BTreeSet;

use super::Table;
use super::{apps, members};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;

pub(super) fn routes(table: &mut Table) {
    // Unpublished; members are changed at the same rate.
    table
        .put(
            "/guilds/{guild_id}/members/{user_id}",
            "add_guild_member",
            add,
        )
        .limit("add_guild_member", 10, 10_000);
}

/// Lets the owner of an access token in: 201 with the new member, 204 when it already is one.
fn add(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let app = apps::own(cx)?;
    let guild = cx.guild_inside()?;
    let (id, user) = (guild.id, cx.id("user_id")?);
    let (banned, present) = (
        guild.bans.contains_key(&user),
        guild.members.contains_key(&user),
    );
    Cx::refuse_if(!cx.world.users.contains_key(&user), error::UNKNOWN_USER)?;
    cx.require(id, perm::CREATE_INSTANT_INVITE)?;
    let body = cx.object()?;
    // Each property of the new member needs the permission that changing it would.
    for (key, bits) in [
        ("nick", perm::MANAGE_NICKNAMES),
        ("roles", perm::MANAGE_ROLES),
        ("mute", perm::MUTE_MEMBERS),
        ("deaf", perm::DEAFEN_MEMBERS),
    ] {
        if body.get(key).is_some_and(|v| !v.is_null()) {
            cx.require(id, bits)?;
        }
    }
    let mut form = Form::new(&body);
    form.require("access_token");
    let token = form.text("access_token", 1..=10_240).unwrap_or_default();
    let nick = form.nullable_text("nick", 32).flatten();
    let roles = form.ids("roles", 250).unwrap_or_default();
    let (mute, deaf) = (form.flag("mute"), form.flag("deaf"));
    form.done()?;
    let grant = cx
        .world
        .grant(&token)
        .filter(|g| g.app == app && g.user == user);
    let grant = grant.ok_or(error::BAD_ACCESS_TOKEN)?;
    Cx::refuse_if(!grant.allows("guilds.join"), error::MISSING_SCOPE)?;
    let guild = cx.guild_inside()?;
    for role in &roles {
        let role = guild.roles.get(role).ok_or(error::UNKNOWN_ROLE)?;
        members::check_given(cx, guild, role)?;
    }
    Cx::refuse_if(banned, error::BANNED)?;
    if present {
        return Reply::nothing();
    }
    let guilds = cx.world.guilds.values();
    let joined = guilds.filter(|g| g.members.contains_key(&user)).count();
    Cx::refuse_if(
        joined >= cx.limits.caps().user_guilds,
        error::MAX_USER_GUILDS,
    )?;
    cx.world.add_member_as(id, user, |member| {
        member.nick = nick;
        // Whoever is given a role need not pass the screening any more.
        member.pending &= roles.is_empty();
        member.roles = roles.into_iter().collect::<BTreeSet<_>>();
        member.mute = mute.unwrap_or(false);
        member.deaf = deaf.unwrap_or(false);
    });
    let guild = cx.guild_inside()?;
    let member = guild.members.get(&user).ok_or(error::UNKNOWN_MEMBER)?;
    Reply::created(cx.world.member_json(member))
}
