//! Channels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Table;
use super::{guilds, overwrites, threads};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, read_id};
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Channel, Guild, Id, Overwrite, Tag, action, intent};

/// Channels of a guild, threads not counted.
const MAX_CHANNELS: usize = 500;
/// Channels of a category.
const MAX_CHILDREN: usize = 50;
/// Kinds a guild channel can be made as.
const KINDS: [i64; 7] = [0, 2, 4, 5, 13, 15, 16];

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}/channels", "list_guild_channels", list);
    table.post(
        "/guilds/{guild_id}/channels",
        "create_guild_channel",
        create,
    );
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
    // Every channel is listed, also those the caller cannot see.
    let channels = guild
        .channels
        .iter()
        .filter_map(|c| cx.world.channels.get(c));
    Reply::ok(
        channels
            .map(|c| cx.world.channel_json(c))
            .collect::<Vec<_>>(),
    )
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let me = cx.me();
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

/// The name as the API keeps it: text channels are lower case without spaces.
fn clean_name(kind: u8, name: &str) -> String {
    if matches!(kind, 0 | 5 | 15 | 16) {
        name.trim()
            .to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("-")
    } else {
        name.trim().to_owned()
    }
}

fn audited(channel: &Channel) -> Vec<(&'static str, Value)> {
    let topic = if channel.kind == 4 {
        Value::Null
    } else {
        json!(channel.topic)
    };
    vec![
        ("name", json!(channel.name)),
        ("type", json!(channel.kind)),
        ("topic", topic),
        ("nsfw", json!(channel.nsfw)),
        ("rate_limit_per_user", json!(channel.rate_limit_per_user)),
        (
            "bitrate",
            if channel.is_voice() {
                json!(channel.bitrate)
            } else {
                Value::Null
            },
        ),
        (
            "user_limit",
            if channel.is_voice() {
                json!(channel.user_limit)
            } else {
                Value::Null
            },
        ),
        ("rtc_region", json!(channel.rtc_region)),
        (
            "default_auto_archive_duration",
            json!(channel.default_auto_archive_duration),
        ),
        ("flags", json!(channel.flags)),
        (
            "available_tags",
            channel.available_tags.iter().map(Tag::json).collect(),
        ),
        ("permission_overwrites", Value::Null),
    ]
}

/// How many bits a second a voice channel may carry depends on the boosts of its guild.
fn check_bitrate(guild: Option<&Guild>, channel: &Channel) -> Result<(), ApiError> {
    const BY_TIER: [u32; 4] = [96_000, 128_000, 256_000, 384_000];
    let vip = guild.is_some_and(|g| g.features.contains("VIP_REGIONS"));
    let tier = guild.map_or(0, |g| usize::from(g.premium_tier.min(3)));
    let most = match channel.kind {
        13 => 64_000,
        _ => BY_TIER[if vip { 3 } else { tier }],
    };
    Cx::refuse_if(
        channel.is_voice() && channel.bitrate > most,
        error::BITRATE_TOO_HIGH,
    )
}

/// Flags that a kind of channel has.
fn known_flags(kind: u8) -> u32 {
    const REQUIRE_TAG: u32 = 1 << 4;
    const HIDE_DOWNLOADS: u32 = 1 << 15;
    match kind {
        15 => REQUIRE_TAG,
        16 => REQUIRE_TAG | HIDE_DOWNLOADS,
        _ => 0,
    }
}

/// Reads the fields that all kinds of guild channel share.
fn read(form: &mut Form<'_>, channel: &mut Channel) {
    if let Some(name) = form.text("name", 1..=100) {
        channel.name = clean_name(channel.kind, &name);
    }
    let longest = if channel.is_forum() { 4096 } else { 1024 };
    if let Some(topic) = form.nullable_text("topic", longest) {
        channel.topic = topic;
    }
    if let Some(on) = form.flag("nsfw") {
        channel.nsfw = on;
    }
    if let Some(n) = form.int("rate_limit_per_user", 0..=21_600) {
        channel.rate_limit_per_user = n as u32;
    }
    if let Some(n) = form.int("position", 0..=i64::from(i32::MAX)) {
        channel.position = n;
    }
    if let Some(n) = form.choice("default_auto_archive_duration", &threads::DURATIONS) {
        channel.default_auto_archive_duration = Some(n as u32);
    }
    if let Some(n) = form.int("default_thread_rate_limit_per_user", 0..=21_600) {
        channel.default_thread_rate_limit_per_user = n as u32;
    }
    if let Some(n) = form.int("flags", 0..=i64::from(u32::MAX)) {
        channel.flags = n as u32 & known_flags(channel.kind);
    }
    if channel.is_voice() {
        if let Some(n) = form.int("bitrate", 8000..=384_000) {
            channel.bitrate = n as u32;
        }
        let most = if channel.kind == 2 { 99 } else { 10_000 };
        if let Some(n) = form.int("user_limit", 0..=most) {
            channel.user_limit = n as u32;
        }
        if let Some(region) = form.nullable_text("rtc_region", 100) {
            channel.rtc_region = region;
        }
        if let Some(n) = form.choice("video_quality_mode", &[1, 2]) {
            channel.video_quality_mode = Some(n as u8);
        }
    }
    if channel.is_forum() {
        read_forum(form, channel);
    }
}

fn read_forum(form: &mut Form<'_>, channel: &mut Channel) {
    if form.has("default_reaction_emoji") {
        channel.default_reaction_emoji = match form.raw("default_reaction_emoji") {
            Some(emoji) => {
                json!({"emoji_id": emoji["emoji_id"], "emoji_name": emoji["emoji_name"]})
            }
            None => Value::Null,
        };
    }
    if form.has("default_sort_order") {
        channel.default_sort_order = form.choice("default_sort_order", &[0, 1]).map(|n| n as u8);
    }
    if let Some(n) = form.choice("default_forum_layout", &[0, 1, 2]) {
        channel.default_forum_layout = n as u8;
    }
    let Some(list) = form.list("available_tags", 20) else {
        return;
    };
    let mut tags = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("available_tags.{n}"));
        part.require("name");
        tags.push(Tag {
            id: part.id("id").unwrap_or(Id(0)),
            name: part.text("name", 1..=20).unwrap_or_default(),
            moderated: part.flag("moderated").unwrap_or(false),
            emoji_id: part.id("emoji_id"),
            emoji_name: part.text("emoji_name", 0..=100),
        });
        form.absorb(part);
    }
    channel.available_tags = tags;
}

/// Gives new tags their ids. No two may have one name.
fn number_tags(cx: &mut Cx<'_>, channel: &mut Channel) -> Result<(), ApiError> {
    let mut names: Vec<&str> = channel.available_tags.iter().map(|t| &*t.name).collect();
    names.sort_unstable();
    Cx::refuse_if(names.windows(2).any(|w| w[0] == w[1]), error::TAG_NAMES)?;
    for tag in &mut channel.available_tags {
        if tag.id == Id(0) {
            tag.id = cx.world.next_id();
        }
    }
    Ok(())
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
    if children.filter(|c| c.parent_id == Some(parent)).count() >= MAX_CHILDREN {
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
    read(&mut form, &mut channel);
    let parent = form
        .nullable_id("parent_id")
        .flatten()
        .filter(|_| kind != 4);
    let given = overwrites::read_list(&mut form, cx.world.guilds.get(&id));
    if matches!(kind, 5 | 13) && !community {
        form.error(
            "type",
            "BASE_TYPE_CHOICES",
            "Value must be one of {0, 2, 4, 15, 16}.",
        );
    }
    form.done()?;
    check_bitrate(cx.world.guilds.get(&id), &channel)?;
    if let Some(list) = &given {
        overwrites::check_all(cx, id, None, &BTreeMap::new(), list)?;
    }
    if let Some(parent) = parent {
        check_parent(cx, id, Id(0), parent)?;
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
    Cx::refuse_if(count >= MAX_CHANNELS, error::MAX_CHANNELS)?;
    if let Some(list) = given {
        channel.overwrites = list;
    }
    channel.id = cx.world.next_id();
    number_tags(cx, &mut channel)?;
    let mut changes: Vec<Change> = audited(&channel)
        .into_iter()
        .map(|(k, v)| Change::new(k, None, Some(v)))
        .collect();
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
    read(&mut form, &mut channel);
    let parent = form.nullable_id("parent_id");
    let given = overwrites::read_list(&mut form, cx.world.guilds.get(&guild));
    form.done()?;
    if channel.bitrate != before.bitrate {
        check_bitrate(cx.world.guilds.get(&guild), &channel)?;
    }
    if let Some(list) = &given {
        overwrites::check_all(cx, guild, Some(before.id), &before.overwrites, list)?;
    }
    if let Some(parent) = parent.filter(|_| before.kind != 4) {
        if let Some(parent) = parent {
            check_parent(cx, guild, before.id, parent)?;
        }
        channel.parent_id = parent;
    }
    hidden_limit(cx, &before, &channel)?;
    if let Some(list) = given {
        channel.overwrites = list;
    }
    number_tags(cx, &mut channel)?;
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

/// Names and topics may change twice in ten minutes, whatever the headers say.
fn hidden_limit(cx: &Cx<'_>, before: &Channel, after: &Channel) -> Result<(), ApiError> {
    let rate = cx.limits.rules().hidden_channel_edit;
    let (key, now) = (before.id.to_string(), cx.now().0);
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
    let mut changes: Vec<Change> = view
        .into_iter()
        .map(|(k, v)| Change::new(k, Some(v), None))
        .collect();
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

/// New positions, and at most one new parent. The audit log is not told.
fn reorder(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_CHANNELS)?;
    let body = cx.body()?;
    let list = body.as_array().ok_or_else(|| {
        ApiError::field(
            "",
            "LIST_TYPE_CONVERT",
            "Only iterables may be used in a ListType",
        )
    })?;
    let mut moves = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let channel = entry.get("id").and_then(read_id).ok_or_else(|| {
            ApiError::field(
                &format!("{n}.id"),
                "BASE_TYPE_REQUIRED",
                "This field is required",
            )
        })?;
        let place = cx
            .world
            .channels
            .get(&channel)
            .filter(|c| c.guild_id == Some(id) && !c.is_thread());
        let place = place.ok_or(error::UNKNOWN_CHANNEL)?;
        let mut form = Form::at(entry, &n.to_string());
        let position = form.int("position", 0..=i64::from(i32::MAX));
        let parent = form
            .nullable_id("parent_id")
            .filter(|p| *p != place.parent_id);
        let sync = form.flag("lock_permissions").unwrap_or(false);
        form.done()?;
        moves.push((channel, position, parent, sync));
    }
    Cx::refuse_if(
        moves.iter().filter(|m| m.2.is_some()).count() > 1,
        error::ONE_PARENT_CHANGE,
    )?;
    for (channel, _, parent, _) in &moves {
        if let Some(Some(parent)) = parent {
            check_parent(cx, id, *channel, *parent)?;
        }
    }
    for (channel, position, parent, sync) in moves {
        let target =
            parent.unwrap_or_else(|| cx.world.channels.get(&channel).and_then(|c| c.parent_id));
        let synced = target
            .filter(|_| sync)
            .and_then(|p| cx.world.channels.get(&p))
            .map(|p| p.overwrites.clone());
        cx.world.edit_channel(channel, |c| {
            c.position = position.unwrap_or(c.position);
            c.parent_id = target;
            if let Some(overwrites) = synced {
                c.overwrites = overwrites;
            }
        });
    }
    Reply::nothing()
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
