//! Members: listing, nicknames, roles, timeouts, voice, kicking.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use super::{automod, guilds, images, roles, users};
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{
    AssetKind, Audit, BYPASSES_VERIFICATION, Change, Guild, Id, Member, Removed, Stamp, action,
};

/// Longest timeout.
const MAX_TIMEOUT_MS: i64 = 28 * 86_400_000;
/// The only flag others decide on.
const EDITABLE_FLAGS: u32 = BYPASSES_VERIFICATION;
/// Application flags that allow listing members.
const MEMBERS_FLAGS: u64 = (1 << 14) | (1 << 15);

pub(super) fn routes(table: &mut Table) {
    table
        .get("/guilds/{guild_id}/members", "list_guild_members", list)
        .limit("list_guild_members", 10, 10_000);
    table
        .get(
            "/guilds/{guild_id}/members/search",
            "search_guild_members",
            search,
        )
        .limit("search_guild_members", 10, 10_000);
    table.get(
        "/guilds/{guild_id}/members/{user_id}",
        "get_guild_member",
        get,
    );
    table
        .patch(
            "/guilds/{guild_id}/members/{user_id}",
            "update_guild_member",
            update,
        )
        .limit("update_guild_member", 10, 10_000);
    table
        .patch(
            "/guilds/{guild_id}/members/@me",
            "update_my_guild_member",
            update_mine,
        )
        .limit("update_guild_member", 10, 10_000);
    // Unpublished; the same as bans.
    table
        .delete(
            "/guilds/{guild_id}/members/{user_id}",
            "delete_guild_member",
            kick,
        )
        .limit("delete_guild_member", 5, 1000);
    table
        .put(
            "/guilds/{guild_id}/members/{user_id}/roles/{role_id}",
            "add_guild_member_role",
            add_role,
        )
        .limit("guild_member_roles", 10, 10_000);
    table
        .delete(
            "/guilds/{guild_id}/members/{user_id}/roles/{role_id}",
            "delete_guild_member_role",
            remove_role,
        )
        .limit("guild_member_roles", 10, 10_000);
    table.get(
        "/guilds/{guild_id}/voice-states/{user_id}",
        "get_voice_state",
        voice_state,
    );
    table.get(
        "/guilds/{guild_id}/voice-states/@me",
        "get_self_voice_state",
        voice_state,
    );
    table.patch(
        "/guilds/{guild_id}/voice-states/{user_id}",
        "update_voice_state",
        update_voice,
    );
    table.patch(
        "/guilds/{guild_id}/voice-states/@me",
        "update_self_voice_state",
        update_voice,
    );
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    if let Caller::Bot { app, .. } = cx.caller
        && cx
            .world
            .apps
            .get(&app)
            .is_none_or(|a| a.flags & MEMBERS_FLAGS == 0)
    {
        return Err(error::MISSING_ACCESS.into());
    }
    let limit = cx.query_number("limit", 1, 1, 1000)? as usize;
    let after = cx.query_id("after")?.unwrap_or_default();
    let members = guild
        .members
        .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
    let page = members.take(limit);
    Reply::list(page.map(|(_, m)| cx.world.member_view(m)))
}

fn search(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let limit = cx.query_number("limit", 1, 1, 1000)? as usize;
    let query = cx.query("query").unwrap_or_default();
    if query.is_empty() {
        return Err(ApiError::field(
            "query",
            "BASE_TYPE_REQUIRED",
            "This field is required",
        ));
    }
    let found = cx.world.members_by_prefix(guild, query).take(limit);
    Reply::list(found.map(|m| cx.world.member_view(m)))
}

/// The user in the path; `@me` and its absence are the caller.
fn target(cx: &Cx<'_>) -> Result<Id, ApiError> {
    if cx.param("user_id").is_empty() {
        Ok(cx.me())
    } else {
        cx.id("user_id")
    }
}

/// The member in the path.
fn member<'g>(cx: &Cx<'_>, guild: &'g Guild) -> Result<&'g Member, ApiError> {
    let user = target(cx)?;
    if let Some(member) = guild.members.get(&user) {
        return Ok(member);
    }
    let known = cx.world.users.contains_key(&user);
    Err(if known {
        error::UNKNOWN_MEMBER.into()
    } else {
        error::UNKNOWN_USER.into()
    })
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    Reply::ok(cx.world.member_json(member(cx, guild)?))
}

/// What a PATCH asks of a member.
#[derive(Default)]
struct Wish {
    nick: Option<Option<String>>,
    roles: Option<Vec<Id>>,
    mute: Option<bool>,
    deaf: Option<bool>,
    channel: Option<Option<Id>>,
    timeout: Option<Option<Stamp>>,
    flags: Option<u32>,
}

fn read_wish(body: &Value, now: Stamp) -> Result<Wish, ApiError> {
    let mut form = Form::new(body);
    let wish = Wish {
        nick: form.nullable_text("nick", 32),
        roles: if form.has("roles") {
            Some(form.ids("roles", 250).unwrap_or_default())
        } else {
            None
        },
        mute: form.flag("mute"),
        deaf: form.flag("deaf"),
        channel: form.nullable_id("channel_id"),
        timeout: form.nullable_time("communication_disabled_until"),
        flags: form.int("flags", 0..=i64::from(u32::MAX)).map(|f| f as u32),
    };
    if let Some(Some(until)) = wish.timeout
        && until > now.plus(MAX_TIMEOUT_MS)
    {
        form.error(
            "communication_disabled_until",
            "BASE_TYPE_MAX_VALUE",
            "Must be at most 28 days in the future.",
        );
    }
    form.done()?;
    Ok(wish)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let (id, now, me) = (guild.id, cx.now(), cx.me());
    let before = member(cx, guild)?.clone();
    let user = before.user;
    let reason = cx.reason()?;
    let body = cx.object()?;
    // What is needed follows from the fields, so the body is looked at before it is judged.
    let asks = |key: &str| body.get(key).is_some();
    let need = |bits: u64| cx.require(id, bits);
    let guild = cx.guild_inside()?;
    let above = user == me || perm::outranks(guild, me, user);
    if asks("nick") {
        need(if user == me {
            perm::CHANGE_NICKNAME
        } else {
            perm::MANAGE_NICKNAMES
        })?;
    }
    if asks("roles") {
        need(perm::MANAGE_ROLES)?;
    }
    if asks("mute") {
        need(perm::MUTE_MEMBERS)?;
    }
    if asks("deaf") {
        need(perm::DEAFEN_MEMBERS)?;
    }
    if asks("channel_id") {
        need(perm::MOVE_MEMBERS)?;
    }
    if asks("flags") {
        let judges = perm::MODERATE_MEMBERS | perm::KICK_MEMBERS | perm::BAN_MEMBERS;
        need(perm::MANAGE_GUILD)
            .or_else(|_| need(perm::MANAGE_ROLES))
            .or_else(|_| need(judges))?;
    }
    if asks("communication_disabled_until") {
        need(perm::MODERATE_MEMBERS)?;
        let theirs = perm::in_guild(guild, user, now);
        if user == me
            || (theirs & perm::ADMINISTRATOR != 0
                && body["communication_disabled_until"].is_string())
        {
            return Err(error::MISSING_PERMISSIONS.into());
        }
    }
    // Voice needs the permission alone; the rest needs the higher role too.
    if !above
        && ["nick", "communication_disabled_until", "flags"]
            .into_iter()
            .any(asks)
    {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    let wish = read_wish(&body, now)?;
    if let Some(wanted) = &wish.roles {
        check_roles(cx, guild, &before, wanted)?;
    }
    let voice = guild.voice.get(&user).cloned();
    if (wish.mute.is_some() || wish.deaf.is_some() || wish.channel.is_some()) && voice.is_none() {
        return Err(error::NOT_IN_VOICE.into());
    }
    if let Some(Some(target)) = wish.channel {
        cx.require_in(cx.channel_by(target)?.id, perm::CONNECT)?;
    }
    apply(cx, id, &before, &wish, reason.as_deref());
    if let Some(channel) = wish.channel {
        move_voice(cx, id, user, channel, reason.as_deref())?;
    }
    let guild = cx.guild_inside()?;
    Reply::ok(cx.world.member_json(member(cx, guild)?))
}

/// Whether the caller may turn the member's roles into `wanted`.
fn check_roles(cx: &Cx<'_>, guild: &Guild, before: &Member, wanted: &[Id]) -> Result<(), ApiError> {
    let wanted: BTreeSet<Id> = wanted.iter().copied().collect();
    for id in before.roles.symmetric_difference(&wanted) {
        let role = guild.roles.get(id).ok_or(error::UNKNOWN_ROLE)?;
        if wanted.contains(id) {
            check_given(cx, guild, role)?;
        } else {
            check_role(cx, guild, role)?;
        }
    }
    Ok(())
}

/// Whether the caller may give the role: a linked one comes by a connection alone.
pub(super) fn check_given(
    cx: &Cx<'_>,
    guild: &Guild,
    role: &crate::world::Role,
) -> Result<(), ApiError> {
    check_role(cx, guild, role)?;
    Cx::refuse_if(role.linked, error::INVALID_ROLE)
}

fn check_role(cx: &Cx<'_>, guild: &Guild, role: &crate::world::Role) -> Result<(), ApiError> {
    if !perm::outranks_role(guild, cx.me(), role) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    Cx::refuse_if(role.managed || role.id == guild.id, error::INVALID_ROLE)
}

/// Makes the changes and writes the entries they deserve.
fn apply(cx: &mut Cx<'_>, id: Id, before: &Member, wish: &Wish, reason: Option<&str>) {
    let (user, me) = (before.user, cx.me());
    let mut after = before.clone();
    if let Some(nick) = &wish.nick {
        after.nick.clone_from(nick);
    }
    if let Some(mute) = wish.mute {
        after.mute = mute;
    }
    if let Some(deaf) = wish.deaf {
        after.deaf = deaf;
    }
    if let Some(until) = wish.timeout {
        after.timeout_until = until;
    }
    if let Some(flags) = wish.flags {
        after.flags = (after.flags & !EDITABLE_FLAGS) | (flags & EDITABLE_FLAGS);
    }
    if let Some(roles) = &wish.roles {
        after.roles = roles.iter().copied().collect();
        // Whoever is given a role need not pass the screening any more.
        after.pending &= after.roles.is_subset(&before.roles);
    }
    let view = |m: &Member| {
        vec![
            ("nick", json!(m.nick)),
            ("mute", json!(m.mute)),
            ("deaf", json!(m.deaf)),
            ("communication_disabled_until", json!(m.timeout_until)),
            ("flags", json!(m.flags)),
        ]
    };
    let changed = super::guilds::changes(view(before), view(&after));
    let (given, taken) = (&after.roles - &before.roles, &before.roles - &after.roles);
    if !changed.is_empty() || !given.is_empty() || !taken.is_empty() {
        let fresh = after.clone();
        cx.world.edit_member(id, user, |m| *m = fresh);
    }
    if !changed.is_empty() {
        cx.world.audit(
            id,
            Audit::of(action::MEMBER_UPDATE, me)
                .target(user)
                .changes(changed)
                .reason(reason),
        );
    }
    audit_roles(cx, id, user, &given, &taken, reason);
    if user == me && before.nick != after.nick && !super::guilds::is_bot(cx) {
        automod::judge_profile(cx, id, user);
    }
}

fn audit_roles(
    cx: &mut Cx<'_>,
    id: Id,
    user: Id,
    given: &BTreeSet<Id>,
    taken: &BTreeSet<Id>,
    reason: Option<&str>,
) {
    let me = cx.me();
    let Some(guild) = cx.world.guilds.get(&id) else {
        return;
    };
    let named = |roles: &BTreeSet<Id>| -> Option<Value> {
        let list = roles
            .iter()
            .map(|r| json!({"id": r, "name": guild.roles.get(r).map(|r| r.name.as_str())}));
        (!roles.is_empty()).then(|| list.collect())
    };
    let mut changes = Vec::new();
    if let Some(list) = named(given) {
        changes.push(Change::new("$add", None, Some(list)));
    }
    if let Some(list) = named(taken) {
        changes.push(Change::new("$remove", None, Some(list)));
    }
    if !changes.is_empty() {
        cx.world.audit(
            id,
            Audit::of(action::MEMBER_ROLE_UPDATE, me)
                .target(user)
                .changes(changes)
                .reason(reason),
        );
    }
}

fn move_voice(
    cx: &mut Cx<'_>,
    id: Id,
    user: Id,
    channel: Option<Id>,
    reason: Option<&str>,
) -> Result<(), ApiError> {
    let me = cx.me();
    let Some(channel) = channel else {
        cx.world.leave_voice(id, user);
        cx.world.audit_counted(
            id,
            Audit::of(action::MEMBER_DISCONNECT, me).reason(reason),
            None,
        );
        return Ok(());
    };
    let state = cx.guild_inside()?.voice.get(&user).cloned();
    let place = cx
        .world
        .channels
        .get(&channel)
        .filter(|c| c.is_voice() && c.guild_id == Some(id));
    place.ok_or(error::UNKNOWN_CHANNEL)?;
    if let Some(mut state) = state {
        state.channel = channel;
        cx.world.enter_voice(id, state);
        cx.world.audit_counted(
            id,
            Audit::of(action::MEMBER_MOVE, me).reason(reason),
            Some(channel),
        );
    }
    Ok(())
}

fn update_mine(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let (id, me) = (guild.id, cx.me());
    let before = guild
        .members
        .get(&me)
        .cloned()
        .ok_or(error::UNKNOWN_MEMBER)?;
    let reason = cx.reason()?;
    let body = cx.object()?;
    if body.get("nick").is_some() {
        cx.require(id, perm::CHANGE_NICKNAME)?;
    }
    let mut form = Form::new(&body);
    let wish = Wish {
        nick: form.nullable_text("nick", 32),
        ..Wish::default()
    };
    let avatar = images::read(&mut form, "avatar");
    let banner = images::read(&mut form, "banner");
    let bio = form.nullable_text("bio", 190);
    form.done()?;
    apply(cx, id, &before, &wish, reason.as_deref());
    if avatar.is_some() || banner.is_some() || bio.is_some() {
        let assets = &mut cx.world.assets;
        let mut keep = |kind, picture: Option<_>| picture.map(|p| assets.keep(kind, me, p));
        let avatar = avatar.map(|picture| keep(AssetKind::GuildAvatar, picture));
        let banner = banner.map(|picture| keep(AssetKind::Banner, picture));
        cx.world.edit_member(id, me, |member| {
            member.avatar = avatar.unwrap_or_else(|| member.avatar.take());
            member.banner = banner.unwrap_or_else(|| member.banner.take());
            member.bio = bio.unwrap_or_else(|| member.bio.take());
        });
    }
    let guild = cx.guild_inside()?;
    let member = guild.members.get(&me).ok_or(error::UNKNOWN_MEMBER)?;
    Reply::ok(users::own_member(cx, member))
}

fn kick(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let (id, me) = (guild.id, cx.me());
    let user = member(cx, guild)?.user;
    cx.require(id, perm::KICK_MEMBERS)?;
    if !perm::outranks(guild, me, user) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    let reason = cx.reason()?;
    let integrations = guilds::integrations_of(cx, id, user);
    cx.world.remove_member(id, user);
    cx.world.note_removal(id, user, me, Removed::Kicked);
    cx.world.audit(
        id,
        Audit::of(action::MEMBER_KICK, me)
            .target(user)
            .reason(reason.as_deref()),
    );
    for integration in &integrations {
        guilds::audit_integration_gone(cx, id, integration, reason.as_deref());
    }
    Reply::nothing()
}

fn add_role(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    toggle_role(cx, true)
}

fn remove_role(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    toggle_role(cx, false)
}

fn toggle_role(cx: &mut Cx<'_>, give: bool) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    let target = member(cx, guild)?;
    let (user, has) = (target.user, target.roles.contains(&cx.id("role_id")?));
    let role = roles::in_path(cx, guild)?;
    cx.require(id, perm::MANAGE_ROLES)?;
    if give {
        check_given(cx, guild, role)?;
    } else {
        check_role(cx, guild, role)?;
    }
    let role = role.id;
    let reason = cx.reason()?;
    if has != give {
        cx.world.edit_member(id, user, |m| {
            if give {
                m.roles.insert(role);
                m.pending = false;
            } else {
                m.roles.remove(&role);
            }
        });
        let one = BTreeSet::from([role]);
        let none = BTreeSet::new();
        let (given, taken) = if give { (&one, &none) } else { (&none, &one) };
        audit_roles(cx, id, user, given, taken, reason.as_deref());
    }
    Reply::nothing()
}

fn voice_state(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let state = guild
        .voice
        .get(&target(cx)?)
        .ok_or(error::UNKNOWN_VOICE_STATE)?;
    let mut json = cx.world.voice_json(guild, state);
    json["guild_id"] = json!(guild.id);
    Reply::ok(json)
}

fn update_voice(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    let user = target(cx)?;
    let mut state = guild
        .voice
        .get(&user)
        .cloned()
        .ok_or(error::UNKNOWN_VOICE_STATE)?;
    let stage = cx
        .world
        .channels
        .get(&state.channel)
        .is_some_and(|c| c.kind == 13);
    Cx::refuse_if(!stage, error::CHANNEL_TYPE)?;
    if user != cx.me() {
        cx.require_in(state.channel, perm::MUTE_MEMBERS)?;
    }
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let suppress = form.flag("suppress");
    let request = form.nullable_time("request_to_speak_timestamp");
    form.done()?;
    if let Some(on) = suppress {
        state.suppress = on;
    }
    if let Some(at) = request {
        state.request_to_speak = at;
    }
    cx.world.enter_voice(id, state);
    Reply::nothing()
}
