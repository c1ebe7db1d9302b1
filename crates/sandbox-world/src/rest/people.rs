//! What only people do, in a client: bots have no request for it.

use serde_json::Value;

use super::error::{self, ApiError};
use crate::world::permissions::MANAGE_GUILD;
use crate::world::{Id, World};

/// Joins a guild as with an invite; the new member, or nothing for one who is in it already.
pub fn join(world: &mut World, user: Id, guild: Id) -> Result<Option<Value>, ApiError> {
    let now = world.now();
    let place = world.guilds.get(&guild).ok_or(error::UNKNOWN_GUILD)?;
    if place.bans.contains_key(&user) {
        return Err(error::BANNED.into());
    }
    if place.invites_paused(now) {
        return Err(error::INVITES_PAUSED.into());
    }
    if !world.add_member(guild, user) {
        return Ok(None);
    }
    let member = world.guilds.get(&guild).and_then(|g| g.members.get(&user));
    Ok(member.map(|m| world.member_json(m)))
}

/// Passes the membership screening.
pub fn accept_rules(world: &mut World, user: Id, guild: Id) -> Result<(), ApiError> {
    let member = world.guilds.get(&guild).and_then(|g| g.members.get(&user));
    if member.ok_or(error::UNKNOWN_MEMBER)?.pending {
        world.edit_member(guild, user, |m| m.pending = false);
    }
    Ok(())
}

/// Adds a bot, as on the consent page.
pub fn add_bot(
    world: &mut World,
    user: Id,
    guild: Id,
    app: Id,
    permissions: u64,
) -> Result<(), ApiError> {
    if !world.apps.contains_key(&app) {
        return Err(error::UNKNOWN_APPLICATION.into());
    }
    if world.permissions_of(guild, user) & MANAGE_GUILD == 0 {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    if world.add_bot(guild, app, user, permissions) {
        Ok(())
    } else {
        Err(error::BANNED.into())
    }
}
