//! Channels.

mod fields;
mod order;

use std::collections::BTreeMap;

use serde_json::json;

use super::Table;
use super::{guilds, onboarding, overwrites, threads};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Channel, Id, Overwrite, action, intent};

use fields::{audited, check_bitrate, number_tags, read};
use order::reorder;

/// Kinds a guild channel can be made as.
const KINDS: [i64; 7] = [0, 2, 4, 5, 13, 15, 16];

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}/channels", "list_guild_channels", list);
    // Unpublished: what restores are planned with.
    table
        .post(
            "/guilds/{guild_id}/channels",
            "create_guild_channel",
            create,
        )
        .limit("create_guild_channel", 50, 10_000);
    table.patch(
        "/guilds/{guild_id}/channels",
        "bulk_update_guild_channels",
        reorder,
    );
    table.get("/channels/{channel_id}", "get_channel", get);
    table
        .patch("/channels/{channel_id}", "update_channel", update)
        .limit("update_channel", 5, 15_000);
    table.delete("/channels/{channel_id}", "delete_channel", delete);
    table
        .post(
            "/channels/{channel_id}/typing",
            "trigger_typing_indicator",
            typing,
        )
        .limit("typing", 5, 5000);
    table.put(
        "/channels/{channel_id}/voice-status",
        "update_voice_channel_status",
        voice_status,
    );
}

/// Says what goes on in a voice channel; those who are not in it manage it (channel resource, "Set
/// Voice Channel Status").
fn voice_status(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let (id, guild) = (channel.id, channel.guild_id.ok_or(error::DM_ONLY_GUILD)?);
    Cx::refuse_if(channel.kind != 2, error::CHANNEL_TYPE)?;
    let me = cx.me();
    let inside = cx.world.guilds.get(&guild).and_then(|g| g.voice.get(&me));
    let inside = inside.is_some_and(|state| state.channel == id);
    let needed = if inside {
        perm::SET_VOICE_CHANNEL_STATUS
    } else {
        perm::SET_VOICE_CHANNEL_STATUS | perm::MANAGE_CHANNELS
    };
    cx.require_in(id, needed)?;
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let status = form.text("status", 0..=500).filter(|s| !s.is_empty());
    form.done()?;
    let payload = json!({"id": id, "guild_id": guild, "status": status});
    if let Some(channel) = cx.world.channels.get_mut(&id) {
        channel.voice_status.clone_from(&status);
    }
    cx.world
        .emit_in(id, "VOICE_CHANNEL_STATUS_UPDATE", intent::GUILDS, payload);
    let (action, options) = match status {
        Some(status) => (action::VOICE_STATUS_UPDATE, vec![("status", status)]),
        None => (action::VOICE_STATUS_DELETE, Vec::new()),
    };
    cx.world.audit(
        guild,
        Audit::of(action, me)
            .target(id)
            .options(options)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    // What the caller may not see is left out (change log, "Channel Obfuscation for Users and Bots").
    let seen = if cx.world.conduct.channel_obfuscation {
        cx.world.seen_by(guild, cx.me())
    } else {
        guild.channels.clone()
    };
    let channels = seen.iter().filter_map(|c| cx.world.channels.get(c));
    Reply::ok(
        channels
            .map(|c| cx.world.channel_json(c))
            .collect::<Vec<_>>(),
    )
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.id("channel_id")?;
    let me = cx.me();
    // A category is seen by what is in it, a voice channel by whoever is connected.
    let channel = match cx.channel() {
        Err(_) if cx.world.sees(id, me) => {
            cx.world.channels.get(&id).ok_or(error::UNKNOWN_CHANNEL)?
        }
        other => other?,
    };
    let mut json = cx.world.thread_json_for(channel, me);
    if channel.guild_id.is_none() {
        json["recipients"] = channel
            .recipients
            .iter()
            .filter(|u| **u != me)
            .map(|u| cx.world.user_json(*u))
            .collect();
    }
    Reply::ok(json)
}

/// Whether the caller may put a channel under `parent`: it has to see and to manage it.
fn check_destination(cx: &Cx<'_>, parent: Id) -> Result<(), ApiError> {
    Cx::refuse_if(!cx.world.sees(parent, cx.me()), error::MISSING_ACCESS)?;
    cx.require_in(parent, perm::MANAGE_CHANNELS)
}

/// Whether a channel can go under `parent`.
fn check_parent(cx: &Cx<'_>, guild: Id, child: Id, parent: Id) -> Result<(), ApiError> {
    let category = cx
        .world
        .channels
        .get(&parent)
        .filter(|c| c.guild_id == Some(guild) && c.kind == 4);
    if category.is_none() {
        return Err(ApiError::field(
            "parent_id",
            "CHANNEL_PARENT_INVALID",
            "Category does not exist",
        ));
    }
    let Some(guild) = cx.world.guilds.get(&guild) else {
        return Ok(());
    };
    let children = guild
        .channels
        .iter()
        .filter(|c| **c != child)
        .filter_map(|c| cx.world.channels.get(c));
    if children.filter(|c| c.parent_id == Some(parent)).count()
        >= cx.limits.caps().category_channels
    {
        return Err(ApiError::field(
            "parent_id",
            "CHANNEL_PARENT_MAX_CHANNELS",
            "Maximum number of channels in category reached (50)",
        ));
    }
    Ok(())
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let (id, count) = (guild.id, guild.channels.len());
    let community = guild.features.contains("COMMUNITY");
    let news = guild.features.contains("NEWS");
    let last = guild
        .channels
        .iter()
        .filter_map(|c| cx.world.channels.get(c))
        .map(|c| c.position)
        .max();
    cx.require(id, perm::MANAGE_CHANNELS)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("name");
    let kind = form.choice("type", &KINDS).unwrap_or(0) as u8;
    let mut channel = Channel::new(Id(0), kind, Some(id), "");
    channel.position = last.map_or(0, |p| p + 1);
    read(&mut form, &mut channel, true);
    let parent = form
        .nullable_id("parent_id")
        .flatten()
        .filter(|_| kind != 4);
    let most = cx.limits.caps().overwrites_in_body;
    let given = overwrites::read_list(&mut form, cx.world.guilds.get(&id), most);
    if kind == 5 && !news {
        form.error(
            "type",
            "BASE_TYPE_CHOICES",
            "Value must be one of {0, 2, 4, 13, 15, 16}.",
        );
    }
    form.done()?;
    Cx::refuse_if(kind == 13 && !community, error::CHANNEL_TYPE)?;
    check_bitrate(cx.world.guilds.get(&id), &channel)?;
    if let Some(list) = &given {
        overwrites::check_all(cx, id, None, &BTreeMap::new(), list)?;
    }
    if let Some(parent) = parent {
        check_parent(cx, id, Id(0), parent)?;
        check_destination(cx, parent)?;
        channel.parent_id = Some(parent);
        if given.is_none() {
            channel.overwrites = cx
                .world
                .channels
                .get(&parent)
                .map(|p| p.overwrites.clone())
                .unwrap_or_default();
        }
    }
    Cx::refuse_if(count >= cx.limits.caps().channels, error::MAX_CHANNELS)?;
    if let Some(list) = given {
        channel.overwrites = list;
    }
    channel.id = cx.world.next_id();
    number_tags(cx, &[], &mut channel)?;
    let mut changes: Vec<Change> = Change::made(audited(&channel));
    changes.retain(|c| c.new.is_some());
    changes.push(Change::new(
        "permission_overwrites",
        None,
        Some(channel.overwrites.values().map(Overwrite::json).collect()),
    ));
    let new = channel.id;
    let json = cx.world.channel_json(&channel);
    cx.world.add_channel(channel);
    cx.world.audit(
        id,
        Audit::of(action::CHANNEL_CREATE, me)
            .target(new)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::created(json)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let before = cx.channel()?.clone();
    let Some(guild) = before.guild_id else {
        return Err(error::DM_ONLY_GUILD.into());
    };
    if before.is_thread() {
        return threads::update(cx, before);
    }
    cx.require_in(before.id, perm::MANAGE_CHANNELS)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut channel = before.clone();
    let place = cx.world.guilds.get(&guild);
    let news = place.is_some_and(|g| g.features.contains("NEWS"));
    let kinds: &[i64] = if news { &[0, 5] } else { &[0] };
    if matches!(before.kind, 0 | 5)
        && let Some(kind) = form.choice("type", kinds)
    {
        channel.kind = kind as u8;
    }
    read(&mut form, &mut channel, false);
    let parent = form.nullable_id("parent_id");
    let most = cx.limits.caps().overwrites_in_body;
    let given = overwrites::read_list(&mut form, cx.world.guilds.get(&guild), most);
    form.done()?;
    if channel.bitrate != before.bitrate {
        check_bitrate(cx.world.guilds.get(&guild), &channel)?;
    }
    if let Some(list) = &given {
        overwrites::check_all(cx, guild, Some(&before), &before.overwrites, list)?;
        onboarding::keep_open(cx, guild, before.id, &before.overwrites, list)?;
    }
    if let Some(parent) = parent.filter(|_| before.kind != 4) {
        if let Some(parent) = parent.filter(|p| before.parent_id != Some(*p)) {
            check_parent(cx, guild, before.id, parent)?;
            check_destination(cx, parent)?;
        }
        if parent.is_none() && before.parent_id.is_some() {
            // Out of every category is where the guild's own permissions count.
            cx.require(guild, perm::MANAGE_CHANNELS)?;
        }
        if parent != before.parent_id {
            // A position that is sent along with another parent has no effect.
            channel.position = before.position;
        }
        channel.parent_id = parent;
    }
    hidden_limit(cx, &before, &channel)?;
    if let Some(list) = given {
        channel.overwrites = list;
    }
    number_tags(cx, &before.available_tags, &mut channel)?;
    let changed = guilds::changes(audited(&before), audited(&channel));
    let after = channel.clone();
    cx.world.edit_channel(before.id, |c| *c = channel);
    if !changed.is_empty() {
        cx.world.audit(
            guild,
            Audit::of(action::CHANNEL_UPDATE, me)
                .target(before.id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    overwrites::audit_difference(
        cx,
        guild,
        before.id,
        &before.overwrites,
        &after.overwrites,
        reason.as_deref(),
    );
    Reply::ok(cx.world.channel_json(&after))
}

/// Names and topics may change twice in ten minutes, those of threads too, whatever the headers say.
pub(super) fn hidden_limit(cx: &Cx<'_>, before: &Channel, after: &Channel) -> Result<(), ApiError> {
    let rate = cx.limits.beside().channel_edits;
    let (key, now) = (before.id.to_string(), cx.steady_ms());
    if before.name != after.name {
        cx.limits.hidden("update_channel_name", &key, rate, now)?;
    }
    if before.topic != after.topic {
        cx.limits.hidden("update_channel_topic", &key, rate, now)?;
    }
    Ok(())
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?.clone();
    let json = cx.world.channel_json(&channel);
    let me = cx.me();
    let Some(guild) = channel.guild_id else {
        // Closing direct messages only hides them.
        return Reply::ok(json);
    };
    cx.require_in(
        channel.id,
        if channel.is_thread() {
            perm::MANAGE_THREADS
        } else {
            perm::MANAGE_CHANNELS
        },
    )?;
    if let Some(state) = cx.world.guilds.get(&guild)
        && state.features.contains("COMMUNITY")
        && [state.rules_channel_id, state.public_updates_channel_id].contains(&Some(channel.id))
    {
        return Err(error::COMMUNITY_CHANNEL.into());
    }
    let reason = cx.reason()?;
    cx.world.delete_channel(channel.id);
    let (kind, view) = if channel.is_thread() {
        (action::THREAD_DELETE, threads::audited(&channel))
    } else {
        (action::CHANNEL_DELETE, audited(&channel))
    };
    let mut changes: Vec<Change> = Change::gone(view);
    changes.retain(|c| c.old.is_some());
    if !channel.is_thread() {
        let old = channel.overwrites.values().map(Overwrite::json).collect();
        changes.push(Change::new("permission_overwrites", Some(old), None));
    }
    cx.world.audit(
        guild,
        Audit::of(kind, me)
            .target(channel.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::ok(json)
}

fn typing(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let (id, guild) = (channel.id, channel.guild_id);
    cx.require_in(id, perm::SEND_MESSAGES)?;
    let me = cx.me();
    let mut payload = json!({"channel_id": id, "user_id": me, "timestamp": cx.now().0 / 1000});
    let mut intents = intent::DIRECT_MESSAGE_TYPING;
    if let Some(guild) = guild.and_then(|g| cx.world.guilds.get(&g)) {
        intents = intent::GUILD_MESSAGE_TYPING;
        payload["guild_id"] = json!(guild.id);
        payload["member"] = guild
            .members
            .get(&me)
            .map(|m| cx.world.member_json(m))
            .unwrap_or_default();
    }
    cx.world.emit_in(id, "TYPING_START", intents, payload);
    Reply::nothing()
}
