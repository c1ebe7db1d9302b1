//! What only people do, in a client: bots have no request for it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::{self, ApiError};
use crate::world::permissions::{MANAGE_GUILD, READ_MESSAGE_HISTORY, VIEW_CHANNEL};
use crate::world::{Door, Entry, Id, NoEntry, World};

/// Joins by a door: the new member, the request that waits for a verdict, or nothing for one who is
/// in already. `answers` is what the person writes where members are approved by hand.
pub fn join(
    world: &mut World,
    user: Id,
    door: Door<'_>,
    answers: &str,
) -> Result<Option<Value>, ApiError> {
    let entry = world.enter(user, door, answers);
    let entry = entry.map_err(|why| match why {
        NoEntry::UnknownGuild => error::UNKNOWN_GUILD.into(),
        NoEntry::UnknownInvite => error::UNKNOWN_INVITE.into(),
        NoEntry::Banned => error::BANNED.into(),
        NoEntry::Paused => error::INVITES_PAUSED.into(),
        NoEntry::Down => super::outage_error(world),
    })?;
    Ok(match entry {
        Entry::Present(_) => None,
        Entry::Joined(guild) => {
            let member = world.guilds.get(&guild).and_then(|g| g.members.get(&user));
            member.map(|m| world.member_json(m))
        }
        Entry::Requested(guild, request) => {
            let place = world.guilds.get(&guild);
            let request = place.and_then(|g| g.join_requests.get(&request));
            request.map(|r| world.join_request_json(guild, r))
        }
    })
}

/// Whether the guild is in no outage, in which people can do as little as bots.
fn reachable(world: &World, guild: Id) -> Result<(), ApiError> {
    match world.guilds.get(&guild).is_some_and(|g| g.unavailable) {
        true => Err(super::outage_error(world)),
        false => Ok(()),
    }
}

/// Takes back a request to join.
pub fn withdraw(world: &mut World, user: Id, guild: Id) -> Result<(), ApiError> {
    reachable(world, guild)?;
    if world.withdraw_join_request(guild, user) {
        Ok(())
    } else {
        Err(error::UNKNOWN_JOIN_REQUEST.into())
    }
}

/// Votes in a poll; what was chosen before counts no more.
pub fn vote(
    world: &mut World,
    user: Id,
    channel: Id,
    message: Id,
    answers: &[u64],
) -> Result<(), ApiError> {
    if let Some(guild) = world.guild_of(channel) {
        reachable(world, guild)?;
    }
    let needed = VIEW_CHANNEL | READ_MESSAGE_HISTORY;
    if world.permissions_in(channel, user) & needed != needed {
        return Err(error::MISSING_ACCESS.into());
    }
    let found = world
        .message(channel, message)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    let poll = found.poll.as_ref().ok_or(error::NOT_A_POLL)?;
    let now = world.now().to_string();
    let ended = poll["expiry"]
        .as_str()
        .is_some_and(|end| end <= now.as_str());
    if ended || poll["results"]["is_finalized"] == true {
        return Err(error::POLL_EXPIRED.into());
    }
    let listed = poll["answers"].as_array().into_iter().flatten();
    let known: Vec<u64> = listed.filter_map(|a| a["answer_id"].as_u64()).collect();
    let single = poll["allow_multiselect"] != true;
    if answers.iter().any(|a| !known.contains(a)) || (single && answers.len() > 1) {
        return Err(error::UNKNOWN_POLL_ANSWER.into());
    }
    world.vote(channel, message, user, answers);
    Ok(())
}

/// Takes roles for oneself: what an option of onboarding or a linked role gives.
pub fn take_for_oneself(
    world: &mut World,
    user: Id,
    guild: Id,
    roles: &BTreeSet<Id>,
) -> Result<(), ApiError> {
    reachable(world, guild)?;
    let place = world.guilds.get(&guild).ok_or(error::UNKNOWN_GUILD)?;
    if !place.members.contains_key(&user) {
        return Err(error::UNKNOWN_MEMBER.into());
    }
    if roles.iter().any(|r| !place.roles.contains_key(r)) {
        return Err(error::UNKNOWN_ROLE.into());
    }
    world.grant_oneself(guild, user, roles);
    Ok(())
}

/// Passes the membership screening.
pub fn accept_rules(world: &mut World, user: Id, guild: Id) -> Result<(), ApiError> {
    reachable(world, guild)?;
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
    reachable(world, guild)?;
    if world.permissions_of(guild, user) & MANAGE_GUILD == 0 {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    if world.add_bot(guild, app, user, permissions) {
        Ok(())
    } else {
        Err(error::BANNED.into())
    }
}
