//! Accounts: one's own, others', and direct messages.

use serde_json::{Value, json};

use super::Table;
use super::{automod, images};
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::{AssetKind, Channel, Id};

pub(super) fn routes(table: &mut Table) {
    table
        .get("/users/@me", "get_my_user", get_my_user)
        .auth(Auth::Scope("identify"));
    table
        .patch("/users/@me", "update_my_user", update_my_user)
        .limit("update_my_user", 2, 3_600_000);
    table
        .get("/users/{user_id}", "get_user", get_user)
        .limit("get_user", 30, 30_000);
    table
        .get("/users/@me/guilds", "list_my_guilds", list_my_guilds)
        .auth(Auth::Scope("guilds"))
        .limit("list_my_guilds", 1, 1000);
    table
        .get(
            "/users/@me/guilds/{guild_id}/member",
            "get_my_guild_member",
            get_my_guild_member,
        )
        .auth(Auth::Scope("guilds.members.read"));
    table.delete("/users/@me/guilds/{guild_id}", "leave_guild", leave_guild);
    table.post("/users/@me/channels", "create_dm", create_dm);
    table
        .get("/users/@me/connections", "list_my_connections", connections)
        .auth(Auth::Scope("connections"));
}

fn get_my_user(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let with_email = match &cx.caller {
        Caller::Bearer(grant) => grant.allows("email"),
        Caller::Bot { .. } => false,
        _ => true,
    };
    let user = cx
        .world
        .users
        .get(&cx.me())
        .ok_or_else(ApiError::unauthorized)?;
    let mut json = user.private_json(with_email);
    if user.bot {
        json["email"] = Value::Null;
        json["verified"] = true.into();
    }
    Reply::ok(json)
}

fn update_my_user(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let username = form.text("username", 2..=32);
    let avatar = images::read(&mut form, "avatar");
    let banner = images::read(&mut form, "banner");
    form.done()?;
    let avatar =
        avatar.map(|a| a.map(|stored| cx.world.assets.keep(AssetKind::Avatar, me, stored)));
    let banner =
        banner.map(|b| b.map(|stored| cx.world.assets.keep(AssetKind::Banner, me, stored)));
    let user = cx
        .world
        .users
        .get_mut(&me)
        .ok_or_else(ApiError::unauthorized)?;
    if let Some(name) = username {
        user.username = name;
    }
    if let Some(hash) = avatar {
        user.avatar = hash;
    }
    if let Some(hash) = banner {
        user.banner = hash;
    }
    let json = user.private_json(false);
    if !user.bot {
        let guilds = cx.world.guilds.values();
        let theirs: Vec<Id> = guilds
            .filter(|g| g.members.contains_key(&me))
            .map(|g| g.id)
            .collect();
        for guild in theirs {
            automod::judge_profile(cx, guild, me);
        }
    }
    cx.world.emit_to(me, None, "USER_UPDATE", 0, json.clone());
    Reply::ok(json)
}

fn get_user(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.id("user_id")?;
    let user = cx.world.users.get(&id).ok_or(error::UNKNOWN_USER)?;
    Reply::ok(user.json())
}

fn list_my_guilds(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let limit = cx.query_number("limit", 200, 1, 200)? as usize;
    let before = cx.query_id("before")?;
    let after = cx.query_id("after")?.unwrap_or_default();
    let counts = cx.query_flag("with_counts", false);
    let me = cx.me();
    let mine = cx
        .world
        .guilds
        .values()
        .filter(|g| g.members.contains_key(&me));
    let wanted = mine.filter(|g| g.id > after && before.is_none_or(|b| g.id < b));
    let mut list: Vec<Value> = wanted
        .map(|g| {
            let mut json = json!({
                "id": g.id,
                "name": g.name,
                "icon": g.icon,
                "banner": g.banner,
                "owner": g.owner_id == me,
                "permissions": cx.world.permissions_of(g.id, me).to_string(),
                "features": g.features,
            });
            if counts {
                json["approximate_member_count"] = g.members.len().into();
                json["approximate_presence_count"] = g
                    .members
                    .keys()
                    .filter(|u| cx.world.presences.contains_key(u))
                    .count()
                    .into();
            }
            json
        })
        .collect();
    if before.is_some() && list.len() > limit {
        list.drain(..list.len() - limit);
    }
    list.truncate(limit);
    Reply::ok(list)
}

fn get_my_guild_member(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let member = guild.members.get(&cx.me()).ok_or(error::UNKNOWN_MEMBER)?;
    Reply::ok(own_member(cx, member))
}

/// The member object its own user gets.
pub(super) fn own_member(cx: &Cx<'_>, member: &crate::world::Member) -> Value {
    let mut json = cx.world.member_json(member);
    json["bio"] = member.bio.clone().unwrap_or_default().into();
    json
}

fn leave_guild(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let (id, me) = (guild.id, cx.me());
    if guild.owner_id == me {
        return Err(ApiError::new(400, 50055, "Invalid Guild"));
    }
    cx.world.remove_member(id, me);
    Reply::nothing()
}

fn create_dm(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("recipient_id");
    let other = form.id("recipient_id");
    form.done()?;
    let other = other.unwrap_or_default();
    let user = cx.world.users.get(&other).ok_or(error::UNKNOWN_USER)?;
    if other == me || (user.bot && matches!(cx.caller, Caller::Bot { .. })) {
        return Err(error::CANNOT_DM.into());
    }
    let id = match direct_channel(cx, me, other) {
        Some(known) => known,
        None => open_direct_channel(cx, me, other)?,
    };
    // A bot sees only the other side among the recipients.
    let mut json = cx.world.channel_json(&cx.world.channels[&id]);
    json["recipients"] = json!([cx.world.user_json(other)]);
    Reply::ok(json)
}

/// The direct channel that two users have.
fn direct_channel(cx: &Cx<'_>, a: Id, b: Id) -> Option<Id> {
    let mut channels = cx.world.channels.values();
    let between =
        |c: &&Channel| c.kind == 1 && c.recipients.contains(&a) && c.recipients.contains(&b);
    channels.find(between).map(|channel| channel.id)
}

/// A new direct channel. Who opens many in a short time is taken for a spammer.
fn open_direct_channel(cx: &mut Cx<'_>, me: Id, other: Id) -> Result<Id, ApiError> {
    let rate = cx.limits.beside().direct_channels;
    let taken = cx
        .limits
        .hidden("direct_channels", &me.to_string(), rate, cx.steady_ms());
    Cx::refuse_if(taken.is_err(), error::DMS_TOO_FAST)?;
    let id = cx.world.next_id();
    let mut channel = Channel::new(id, 1, None, "");
    channel.recipients = vec![me, other];
    cx.world.add_channel(channel);
    Ok(id)
}

fn connections(_: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!([]))
}
