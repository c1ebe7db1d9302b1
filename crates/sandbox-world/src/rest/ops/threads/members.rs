//! Who follows a thread.

use serde_json::{Value, json};

use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::world::permissions as perm;
use crate::world::{Channel, Message, ThreadMember, ThreadState, intent};

/// The thread in the path.
fn thread<'c>(cx: &'c Cx<'_>) -> Result<(&'c Channel, &'c ThreadState), ApiError> {
    let channel = cx.channel()?;
    let state = channel.thread.as_ref().ok_or(error::CHANNEL_TYPE)?;
    Ok((channel, state))
}

pub(super) fn members(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let with = cx.query_flag("with_member", false);
    let (channel, state) = thread(cx)?;
    Reply::ok(
        state
            .members
            .values()
            .map(|m| member_json(cx, channel, *m, with))
            .collect::<Vec<_>>(),
    )
}

fn member_json(cx: &Cx<'_>, channel: &Channel, member: ThreadMember, with: bool) -> Value {
    let mut json = member.json(channel.id);
    let guild = channel.guild_id.and_then(|g| cx.world.guilds.get(&g));
    if let Some(full) = guild
        .and_then(|g| g.members.get(&member.user))
        .filter(|_| with)
    {
        json["member"] = cx.world.member_json(full);
    }
    json
}

pub(super) fn member(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let user = cx.id("user_id")?;
    let with = cx.query_flag("with_member", false);
    let (channel, state) = thread(cx)?;
    let found = state
        .members
        .get(&user)
        .copied()
        .ok_or(error::UNKNOWN_MEMBER)?;
    Reply::ok(member_json(cx, channel, found, with))
}

pub(super) fn join(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    change_member(cx, true)
}

pub(super) fn leave(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    change_member(cx, false)
}

fn change_member(cx: &mut Cx<'_>, add: bool) -> Result<Reply, ApiError> {
    let me = cx.me();
    let user = if cx.param("user_id").is_empty() {
        me
    } else {
        cx.id("user_id")?
    };
    let (channel, state) = thread(cx)?;
    let (id, guild, owner) = (
        channel.id,
        channel.guild_id.ok_or(error::DM_ONLY_GUILD)?,
        state.owner,
    );
    Cx::refuse_if(state.archived, error::ARCHIVED)?;
    let has = state.members.contains_key(&user);
    if user != me {
        let known = cx
            .world
            .guilds
            .get(&guild)
            .is_some_and(|g| g.members.contains_key(&user));
        Cx::refuse_if(!known, error::UNKNOWN_MEMBER)?;
        if add {
            cx.require_in(id, perm::SEND_MESSAGES)?;
        } else if !(owner == me && channel.kind == 12) {
            cx.require_in(id, perm::MANAGE_THREADS)?;
        }
    }
    let full = state.members.len() >= cx.limits.caps().thread_members;
    if has == add {
        return Reply::nothing();
    }
    Cx::refuse_if(add && full, error::MAX_THREAD_MEMBERS)?;
    let joined = cx.now();
    let new = ThreadMember { user, joined };
    let Some(state) = cx
        .world
        .channels
        .get_mut(&id)
        .and_then(|c| c.thread.as_mut())
    else {
        return Reply::nothing();
    };
    if add {
        state.members.insert(user, new);
    } else {
        state.members.remove(&user);
    }
    let count = state.members.len().min(50);
    let mut payload = json!({"id": id, "guild_id": guild, "member_count": count});
    if add {
        payload["added_members"] = json!([new.json(id)]);
    } else {
        payload["removed_member_ids"] = json!([user]);
    }
    cx.world.emit_thread_members(id, guild, user, payload);
    if add
        && cx.world.users.get(&user).is_some_and(|u| u.bot)
        && let Some(channel) = cx.world.channels.get(&id)
    {
        let json = cx.world.thread_json_for(channel, user);
        cx.world
            .emit_to(user, Some(guild), "THREAD_CREATE", intent::GUILDS, json);
    }
    if add && user != me {
        // "Somebody added somebody to the thread." Who joins by themselves leaves none.
        let notice = cx.world.next_id();
        let mut message = Message::new(notice, id, me, "");
        message.kind = 1;
        message.mentions = vec![user];
        cx.world.add_message(message);
    }
    Reply::nothing()
}
