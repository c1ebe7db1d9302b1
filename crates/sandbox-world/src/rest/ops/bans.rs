//! Bans.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::json;

use super::{Table, guilds};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Ban, Id, Removed, action};

/// Users that one request can ban.
pub(in crate::rest) const MAX_BULK: usize = 200;

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}/bans", "list_guild_bans", list);
    table.get("/guilds/{guild_id}/bans/{user_id}", "get_guild_ban", get);
    // What bans may take is not published, and Discord once said that it stays high (#559): these
    // are the lowest figures that clients have been written for.
    table
        .put(
            "/guilds/{guild_id}/bans/{user_id}",
            "ban_user_from_guild",
            ban,
        )
        .limit("ban_user_from_guild", 5, 1000);
    table.delete(
        "/guilds/{guild_id}/bans/{user_id}",
        "unban_user_from_guild",
        unban,
    );
    table
        .post(
            "/guilds/{guild_id}/bulk-ban",
            "bulk_ban_users_from_guild",
            bulk,
        )
        .limit("bulk_ban_users_from_guild", 1, 2000);
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    cx.require(guild.id, perm::BAN_MEMBERS)?;
    if guild.bans.len() >= cx.limits.caps().long_ban_list {
        let (rate, key) = (cx.limits.beside().ban_list, guild.id.to_string());
        cx.limits.shared("ban_list", &key, rate, cx.steady_ms())?;
    }
    let limit = cx.query_number("limit", 1000, 1, 1000)? as usize;
    let page = cx.page(guild.bans.keys(), limit)?;
    let bans = page.iter().filter_map(|user| guild.bans.get(user));
    Reply::list(bans.map(|b| json!({"user": cx.world.user_json(b.user), "reason": b.reason})))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    cx.require(guild.id, perm::BAN_MEMBERS)?;
    let (rate, key) = (cx.limits.beside().ban_fetches, guild.id.to_string());
    let taken = cx.limits.hidden("ban_fetches", &key, rate, cx.steady_ms());
    taken.map_err(|e| e.known_limit(error::MAX_BAN_FETCHES))?;
    let ban = guild
        .bans
        .get(&cx.id("user_id")?)
        .ok_or(error::UNKNOWN_BAN)?;
    Reply::ok(json!({"user": cx.world.user_json(ban.user), "reason": ban.reason}))
}

/// How far back messages go, in seconds.
fn history(form: &mut Form<'_>) -> i64 {
    let seconds = form.int("delete_message_seconds", 0..=604_800);
    let days = form.int("delete_message_days", 0..=7);
    seconds.or(days.map(|d| d * 86_400)).unwrap_or(0)
}

fn may_ban(cx: &Cx<'_>, guild: &crate::world::Guild, user: Id) -> bool {
    let stranger = !guild.members.contains_key(&user);
    guild.owner_id != user && user != cx.me() && (stranger || perm::outranks(guild, cx.me(), user))
}

fn ban(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    let user = cx.id("user_id")?;
    if !cx.world.users.contains_key(&user) {
        return Err(error::UNKNOWN_USER.into());
    }
    cx.require(id, perm::BAN_MEMBERS)?;
    if !may_ban(cx, guild, user) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let seconds = history(&mut form);
    form.done()?;
    count_stranger(cx, id, user)?;
    let me = cx.me();
    put_ban(cx, id, user, Some(me), seconds, reason.as_deref());
    Reply::nothing()
}

/// Counts a ban of someone who is not in the guild: only so many are possible in a while.
fn count_stranger(cx: &Cx<'_>, id: Id, user: Id) -> Result<(), ApiError> {
    let guild = cx.guild_inside()?;
    if guild.members.contains_key(&user) || guild.bans.contains_key(&user) {
        return Ok(());
    }
    let rate = cx.limits.beside().stranger_bans;
    let taken = cx
        .limits
        .hidden("stranger_bans", &id.to_string(), rate, cx.steady_ms());
    taken.map_err(|_| error::MAX_STRANGER_BANS.into())
}

/// Bans, removes, deletes messages, and says so, naming `actor` in the audit log. A second ban
/// changes nothing, the reason neither.
fn put_ban(
    cx: &mut Cx<'_>,
    id: Id,
    user: Id,
    actor: Option<Id>,
    seconds: i64,
    reason: Option<&str>,
) {
    let me = cx.me();
    let Some(guild) = cx.world.guilds.get_mut(&id) else {
        return;
    };
    let Entry::Vacant(free) = guild.bans.entry(user) else {
        return;
    };
    free.insert(Ban {
        user,
        reason: reason.map(str::to_owned),
    });
    cx.world.ban_changed(id, user, true);
    let integrations = guilds::integrations_of(cx, id, user);
    cx.world.remove_member(id, user);
    cx.world.note_removal(id, user, me, Removed::Banned);
    cx.world.audit(
        id,
        Audit::of(action::BAN_ADD, actor)
            .target(user)
            .reason(reason),
    );
    for integration in &integrations {
        guilds::audit_integration_gone(cx, id, integration, reason);
    }
    if seconds > 0 {
        forget_messages(cx, id, user, seconds);
    }
}

/// Deletes what a user wrote lately; the audit log does not mention it.
fn forget_messages(cx: &mut Cx<'_>, id: Id, user: Id, seconds: i64) {
    let since = cx.now().plus(-seconds * 1000);
    let Some(guild) = cx.world.guilds.get(&id) else {
        return;
    };
    let mut by_channel: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    for channel in guild.channels.iter().chain(&guild.threads) {
        let messages = cx.world.messages.get(channel).into_iter().flatten();
        let recent = messages.rev().take_while(|(id, _)| id.created() >= since);
        let theirs: Vec<Id> = recent
            .filter(|(_, m)| m.author == user)
            .map(|(id, _)| *id)
            .collect();
        if !theirs.is_empty() {
            by_channel.insert(*channel, theirs);
        }
    }
    for (channel, ids) in by_channel {
        for part in ids.chunks(100) {
            cx.world.delete_messages_in_bulk(channel, part);
        }
    }
}

fn unban(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let (id, me) = (guild.id, cx.me());
    cx.require(id, perm::BAN_MEMBERS)?;
    let user = cx.id("user_id")?;
    let reason = cx.reason()?;
    let found = cx
        .world
        .guilds
        .get_mut(&id)
        .and_then(|g| g.bans.remove(&user));
    found.ok_or(error::UNKNOWN_BAN)?;
    cx.world.ban_changed(id, user, false);
    cx.world.audit(
        id,
        Audit::of(action::BAN_REMOVE, me)
            .target(user)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}

fn bulk(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild_inside()?.id;
    cx.require(id, perm::BAN_MEMBERS | perm::MANAGE_GUILD)?;
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("user_ids");
    let users = form.ids("user_ids", MAX_BULK).unwrap_or_default();
    let seconds = history(&mut form);
    form.done()?;
    let (mut banned, mut failed) = (Vec::new(), Vec::new());
    for user in users {
        let guild = cx.guild_inside()?;
        let fine = cx.world.users.contains_key(&user)
            && !guild.bans.contains_key(&user)
            && may_ban(cx, guild, user)
            && count_stranger(cx, id, user).is_ok();
        if fine {
            // Only the first entry of a bulk ban says who it was (discord-api-docs#8188).
            let actor = Some(cx.me()).filter(|_| banned.is_empty());
            put_ban(cx, id, user, actor, seconds, reason.as_deref());
            banned.push(user);
        } else {
            failed.push(user);
        }
    }
    Cx::refuse_if(banned.is_empty(), error::BAN_FAILED)?;
    Reply::ok(json!({"banned_users": banned, "failed_users": failed}))
}
