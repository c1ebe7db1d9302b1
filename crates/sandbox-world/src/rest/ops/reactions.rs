//! Reactions.

use serde_json::{Value, json};

use super::Table;
use super::messages;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::world::permissions as perm;
use crate::world::{Id, Reaction, intent};

pub(super) fn routes(table: &mut Table) {
    const ONE: &str = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
    table
        .put(
            "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me",
            "add_my_message_reaction",
            add,
        )
        .limit("reactions", 1, 250);
    table
        .delete(
            "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me",
            "delete_my_message_reaction",
            remove,
        )
        .limit("reactions", 1, 250);
    table
        .delete(
            "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/{user_id}",
            "delete_user_message_reaction",
            remove,
        )
        .limit("reactions", 1, 250);
    table.get(ONE, "list_message_reactions_by_emoji", list);
    table.delete(ONE, "delete_all_message_reactions_by_emoji", clear_one);
    table.delete(
        "/channels/{channel_id}/messages/{message_id}/reactions",
        "delete_all_message_reactions",
        clear,
    );
}

/// The emoji in the path: `name:id` or Unicode.
fn emoji(cx: &Cx<'_>) -> Result<(Option<Id>, String, bool), ApiError> {
    let text = cx.param("emoji_name");
    let Some((name, id)) = text.rsplit_once(':') else {
        let plain = !text.is_empty() && !text.is_ascii()
            || text.chars().count() <= 8 && text.ends_with('\u{20e3}');
        return if plain {
            Ok((None, text.to_owned(), false))
        } else {
            Err(error::UNKNOWN_EMOJI.into())
        };
    };
    let id: Id = id.parse().map_err(|_| error::UNKNOWN_EMOJI)?;
    let known = cx
        .world
        .guilds
        .values()
        .find_map(|g| g.emojis.get(&id))
        .ok_or(error::UNKNOWN_EMOJI)?;
    let name = name.trim_start_matches("a:").trim_start_matches(':');
    Ok((
        Some(id),
        if name.is_empty() {
            known.name.clone()
        } else {
            name.to_owned()
        },
        known.animated,
    ))
}

fn same(reaction: &Reaction, (id, name, _): &(Option<Id>, String, bool)) -> bool {
    match id {
        Some(id) => reaction.emoji_id == Some(*id),
        None => reaction.emoji_id.is_none() && reaction.emoji_name == *name,
    }
}

fn announce(cx: &mut Cx<'_>, kind: &'static str, channel: Id, message: Id, extra: &Value) {
    let mut payload = json!({"channel_id": channel, "message_id": message});
    let mut intents = intent::DIRECT_MESSAGE_REACTIONS;
    if let Some(guild) = cx.world.guild_of(channel) {
        payload["guild_id"] = json!(guild);
        intents = intent::GUILD_MESSAGE_REACTIONS;
    }
    if let (Value::Object(payload), Value::Object(extra)) = (&mut payload, extra) {
        payload.extend(extra.clone());
    }
    cx.world.emit_in(channel, kind, intents, payload);
}

fn add(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = messages::in_path(cx)?;
    let (id, channel, author) = (message.id, message.channel, message.author);
    cx.require_in(channel, perm::READ_MESSAGE_HISTORY)?;
    cx.require_verified(cx.channel()?)?;
    let which = emoji(cx)?;
    let message = messages::in_path(cx)?;
    let known = message.reactions.iter().find(|r| same(r, &which));
    if known.is_none() {
        cx.require_in(channel, perm::ADD_REACTIONS)?;
        Cx::refuse_if(
            message.reactions.len() >= cx.limits.caps().reactions,
            error::MAX_REACTIONS,
        )?;
    }
    if known.is_some_and(|r| r.users.contains(&me)) {
        return Reply::nothing();
    }
    let Some(message) = cx.world.message_mut(channel, id) else {
        return Reply::nothing();
    };
    let at = message.reactions.iter().position(|r| same(r, &which));
    let at = at.unwrap_or_else(|| {
        let (emoji_id, emoji_name, animated) = which.clone();
        message.reactions.push(Reaction {
            emoji_id,
            emoji_name,
            animated,
            users: Vec::new(),
        });
        message.reactions.len() - 1
    });
    message.reactions[at].users.push(me);
    let emoji = message.reactions[at].emoji_json();
    let mut extra = json!({
        "user_id": me, "emoji": emoji, "burst": false, "type": 0, "message_author_id": author,
    });
    let guild = cx
        .world
        .guild_of(channel)
        .and_then(|g| cx.world.guilds.get(&g));
    if let Some(member) = guild.and_then(|g| g.members.get(&me)) {
        extra["member"] = cx.world.member_json(member);
    }
    announce(cx, "MESSAGE_REACTION_ADD", channel, id, &extra);
    Reply::nothing()
}

fn remove(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = messages::in_path(cx)?;
    let (id, channel) = (message.id, message.channel);
    let user = if cx.param("user_id").is_empty() {
        me
    } else {
        cx.id("user_id")?
    };
    if user != me {
        cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    }
    let which = emoji(cx)?;
    let Some(message) = cx.world.message_mut(channel, id) else {
        return Reply::nothing();
    };
    let Some(at) = message
        .reactions
        .iter()
        .position(|r| same(r, &which) && r.users.contains(&user))
    else {
        return Err(error::UNKNOWN_MESSAGE.into());
    };
    let emoji = message.reactions[at].emoji_json();
    message.reactions[at].users.retain(|u| *u != user);
    if message.reactions[at].users.is_empty() {
        message.reactions.remove(at);
    }
    let extra = json!({"user_id": user, "emoji": emoji, "burst": false, "type": 0});
    announce(cx, "MESSAGE_REACTION_REMOVE", channel, id, &extra);
    Reply::nothing()
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let which = emoji(cx)?;
    let limit = cx.query_number("limit", 25, 1, 100)? as usize;
    let after = cx.query_id("after")?.unwrap_or_default();
    let message = messages::in_path(cx)?;
    let reaction = message
        .reactions
        .iter()
        .find(|r| same(r, &which))
        .ok_or(error::UNKNOWN_EMOJI)?;
    let mut users: Vec<Id> = reaction
        .users
        .iter()
        .copied()
        .filter(|u| *u > after)
        .collect();
    users.sort_unstable();
    Reply::ok(
        users
            .into_iter()
            .take(limit)
            .map(|u| cx.world.user_json(u))
            .collect::<Vec<_>>(),
    )
}

fn clear(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let message = messages::in_path(cx)?;
    let (id, channel) = (message.id, message.channel);
    cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    if let Some(message) = cx.world.message_mut(channel, id) {
        message.reactions.clear();
    }
    announce(cx, "MESSAGE_REACTION_REMOVE_ALL", channel, id, &json!({}));
    Reply::nothing()
}

fn clear_one(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let message = messages::in_path(cx)?;
    let (id, channel) = (message.id, message.channel);
    cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    let which = emoji(cx)?;
    let Some(message) = cx.world.message_mut(channel, id) else {
        return Reply::nothing();
    };
    let Some(at) = message.reactions.iter().position(|r| same(r, &which)) else {
        return Err(error::UNKNOWN_EMOJI.into());
    };
    let gone = message.reactions.remove(at);
    announce(
        cx,
        "MESSAGE_REACTION_REMOVE_EMOJI",
        channel,
        id,
        &json!({"emoji": gone.emoji_json()}),
    );
    Reply::nothing()
}
