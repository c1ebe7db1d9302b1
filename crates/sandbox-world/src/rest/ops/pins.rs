//! Pins, on their present routes and the older ones.

use serde_json::{Value, json};

use super::Table;
use super::messages;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::world::permissions as perm;
use crate::world::{Audit, Id, Message, Stamp, action, intent};

pub(super) fn routes(table: &mut Table) {
    table.get("/channels/{channel_id}/messages/pins", "list_pins", list);
    table.put(
        "/channels/{channel_id}/messages/pins/{message_id}",
        "create_pin",
        pin,
    );
    table.delete(
        "/channels/{channel_id}/messages/pins/{message_id}",
        "delete_pin",
        unpin,
    );
    table.get(
        "/channels/{channel_id}/pins",
        "deprecated_list_pins",
        list_old,
    );
    table.put(
        "/channels/{channel_id}/pins/{message_id}",
        "deprecated_create_pin",
        pin,
    );
    table.delete(
        "/channels/{channel_id}/pins/{message_id}",
        "deprecated_delete_pin",
        unpin,
    );
}

/// Pinned messages, the newest pin first.
fn pinned<'c>(cx: &'c Cx<'_>, channel: Id) -> Vec<(Stamp, &'c Message)> {
    let all = cx.world.messages.get(&channel).into_iter().flatten();
    let mut pins: Vec<_> = all.filter_map(|(_, m)| Some((m.pinned?, m))).collect();
    pins.sort_unstable_by_key(|(at, m)| std::cmp::Reverse((*at, m.id)));
    pins
}

fn channel(cx: &Cx<'_>) -> Result<Id, ApiError> {
    let channel = cx.channel()?;
    Cx::refuse_if(!channel.has_messages(), error::NON_TEXT_CHANNEL)?;
    Ok(channel.id)
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = channel(cx)?;
    let me = cx.me();
    let limit = cx.query_number("limit", 50, 1, 50)? as usize;
    let before = cx.query("before").and_then(Stamp::parse);
    if cx.world.permissions_in(channel, me) & perm::READ_MESSAGE_HISTORY == 0 {
        return Reply::ok(json!({"items": [], "has_more": false}));
    }
    let mut pins = pinned(cx, channel);
    pins.retain(|(at, _)| before.is_none_or(|b| *at < b));
    let more = pins.len() > limit;
    let shown = pins.into_iter().take(limit);
    let items: Vec<Value> = shown
        .map(|(at, m)| json!({"pinned_at": at, "message": cx.world.message_json(m, me)}))
        .collect();
    Reply::ok(json!({"items": items, "has_more": more}))
}

fn list_old(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = channel(cx)?;
    let me = cx.me();
    let pins = pinned(cx, channel).into_iter().take(50);
    Reply::ok(
        pins.map(|(_, m)| cx.world.message_json(m, me))
            .collect::<Vec<_>>(),
    )
}

fn pin(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    set(cx, true)
}

fn unpin(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    set(cx, false)
}

fn set(cx: &mut Cx<'_>, on: bool) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = messages::in_path(cx)?;
    let (id, channel, author, was) = (
        message.id,
        message.channel,
        message.author,
        message.pinned.is_some(),
    );
    let guild = cx.world.guild_of(channel);
    cx.require_in(channel, perm::PIN_MESSAGES)?;
    let reason = cx.reason()?;
    if was == on {
        return Reply::nothing();
    }
    Cx::refuse_if(
        on && pinned(cx, channel).len() >= cx.limits.caps().pins,
        error::MAX_PINS,
    )?;
    let now = cx.now();
    if let Some(message) = cx.world.message_mut(channel, id) {
        message.pinned = on.then_some(now);
    }
    cx.world.message_updated(channel, id);
    let last = pinned(cx, channel).first().map(|(at, _)| *at);
    if let Some(place) = cx.world.channels.get_mut(&channel) {
        place.last_pin = last;
    }
    let mut payload = json!({"channel_id": channel, "last_pin_timestamp": last});
    let intents = match guild {
        Some(guild) => {
            payload["guild_id"] = json!(guild);
            intent::GUILDS
        }
        None => intent::DIRECT_MESSAGES,
    };
    cx.world
        .emit_in(channel, "CHANNEL_PINS_UPDATE", intents, payload);
    let Some(guild) = guild else {
        return Reply::nothing();
    };
    let kind = if on {
        action::MESSAGE_PIN
    } else {
        action::MESSAGE_UNPIN
    };
    let options = vec![
        ("channel_id", channel.to_string()),
        ("message_id", id.to_string()),
    ];
    cx.world.audit(
        guild,
        Audit::of(kind, me)
            .target(author)
            .options(options)
            .reason(reason.as_deref()),
    );
    if on {
        let notice = cx.world.next_id();
        let mut message = Message::new(notice, channel, me, "");
        message.kind = 6;
        message.reference =
            Some(json!({"type": 0, "channel_id": channel, "message_id": id, "guild_id": guild}));
        cx.world.add_message(message);
    }
    Reply::nothing()
}
