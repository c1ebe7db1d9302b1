//! What a user sees in a client, ephemeral messages included.
//!
//! Everything here only reads: unlike acts it leaves no trace in the journal and spends no rate
//! limit, so the page may ask as often as something changes. Every list has an upper bound.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_sandbox_world::world::permissions::{
    self as perm, BAN_MEMBERS, SEND_MESSAGES, VIEW_AUDIT_LOG, VIEW_CHANNEL,
};
use splashtail_sandbox_world::world::{AuditEntry, Channel, Guild, Id, Message, World};

use super::usable::{Usable, usable};
use super::{Answer, Ctl, Failure, Parameters, id, known_user};

/// Active threads that the list of channels names, newest first.
const MAX_THREADS: usize = 200;
/// Direct messages and bans of one answer.
const MAX_LISTED: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct Messages {
    channel_id: String,
    #[serde(default = "fifty")]
    limit: usize,
    /// Only messages older than this one.
    #[serde(default)]
    before: Option<String>,
}

fn fifty() -> usize {
    50
}

fn older_than(before: Option<&String>) -> Result<Id, Failure> {
    before.map_or(Ok(Id(u64::MAX)), |text| id(text))
}

/// `GET /ctl/as/{user}/messages`: the newest messages of a channel, oldest first.
pub(super) async fn messages(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(query): Parameters<Messages>,
) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    let channel = id(&query.channel_id)?;
    let before = older_than(query.before.as_ref())?;
    control.edge.sandbox.with_world(|world| {
        require_visible(world, channel, user)?;
        Ok(Json(seen(world, channel, user, before, query.limit)))
    })
}

fn require_visible(world: &World, channel: Id, user: Id) -> Result<(), Failure> {
    if world.permissions_in(channel, user) & VIEW_CHANNEL == 0 {
        return Err(Failure::missing("visible channel", &channel.to_string()));
    }
    Ok(())
}

fn seen(world: &World, channel: Id, user: Id, before: Id, limit: usize) -> Vec<Value> {
    let Some(all) = world.messages.get(&channel) else {
        return Vec::new();
    };
    let mine = all
        .range(..before)
        .rev()
        .map(|(_, message)| message)
        .filter(|m| m.ephemeral_for.is_none_or(|u| u == user));
    let mut newest: Vec<Value> = mine
        .take(limit.min(200))
        .map(|m| with_member(world, m, user))
        .collect();
    newest.reverse();
    newest
}

/// The message, with nickname and roles of its author as in gateway events.
fn with_member(world: &World, message: &Message, viewer: Id) -> Value {
    let mut json = world.message_json(message, viewer);
    let guild = world.guild_of(message.channel);
    let member = guild.and_then(|g| world.guilds.get(&g)?.members.get(&message.author));
    if let Some(member) = member {
        json["member"] = json!({"nick": member.nick, "roles": member.roles});
    }
    json
}

#[derive(Debug, Deserialize)]
pub(super) struct Where {
    guild_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    /// Absent in direct messages.
    #[serde(default)]
    guild_id: Option<String>,
    #[serde(default)]
    channel_id: Option<String>,
}

/// `GET /ctl/as/{user}/commands`: the commands the user's client would offer; in direct messages
/// those of the application whose bot is on the other side.
pub(super) async fn commands(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(place): Parameters<Scope>,
) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    let guild = place.guild_id.as_deref().map(id).transpose()?;
    let channel = place.channel_id.as_deref().map(id).transpose()?;
    control.edge.sandbox.with_world(|world| {
        let usable = usable(world, guild, channel, user);
        let json = |Usable { app, command }: &Usable<'_>| {
            let mut json = command.json(app.id);
            json["application"] = json!({"id": app.id, "name": app.name});
            json
        };
        Ok(Json(usable.iter().map(json).collect()))
    })
}

/// The guild, which has to be one of the user's.
fn inside(world: &World, guild: Id, user: Id) -> Result<&Guild, Failure> {
    let place = world.guilds.get(&guild);
    let place = place.ok_or_else(|| Failure::missing("guild", &guild.to_string()))?;
    if place.members.contains_key(&user) {
        return Ok(place);
    }
    let message = format!("user {user} is not in guild {guild}");
    Err(Failure::new(StatusCode::FORBIDDEN, "not_a_member", message))
}

/// `GET /ctl/as/{user}/guild`: a guild with the channels, active threads and voices that the user
/// sees.
pub(super) async fn guild(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(place): Parameters<Where>,
) -> Answer {
    let user = known_user(&control.edge, &user)?;
    let guild = id(&place.guild_id)?;
    control.edge.sandbox.with_world(|world| {
        let guild = inside(world, guild, user)?;
        let visible = |id: &Id| {
            let bits = world.permissions_in(*id, user);
            let channel = world.channels.get(id)?;
            (bits & VIEW_CHANNEL != 0).then(|| (channel, channel_line(channel, bits)))
        };
        let channels: Vec<Value> = guild.channels.iter().filter_map(visible).map(|c| c.1).collect();
        let threads = guild.threads.iter().rev().filter_map(visible);
        let threads = threads.filter(|(t, _)| t.thread.as_ref().is_some_and(|t| !t.archived));
        let voices = guild.voice.values().filter(|v| {
            world.permissions_in(v.channel, user) & VIEW_CHANNEL != 0
        });
        Ok(Json(json!({
            "id": guild.id,
            "name": guild.name,
            "icon": guild.icon,
            "owner_id": guild.owner_id,
            "members": guild.members.len(),
            "permissions": perm::in_guild(guild, user, world.now()).to_string(),
            "roles": guild.roles.values().map(|r| json!({
                "id": r.id, "name": r.name, "color": r.colors.0, "position": r.position,
                "managed": r.managed,
            })).collect::<Vec<_>>(),
            "emojis": guild.emojis.values().map(|e| json!({
                "id": e.id, "name": e.name, "animated": e.animated,
            })).collect::<Vec<_>>(),
            "channels": channels,
            "threads": threads.take(MAX_THREADS).map(|t| t.1).collect::<Vec<_>>(),
            "voices": voices.take(MAX_THREADS).map(|v| json!({
                "channel_id": v.channel, "user_id": v.user, "name": shown_name(world, guild, v.user),
            })).collect::<Vec<_>>(),
        })))
    })
}

/// Channel flag of forums whose posts need a tag.
const REQUIRES_TAG: u32 = 1 << 4;

fn channel_line(channel: &Channel, bits: u64) -> Value {
    let closed = channel.thread.as_ref().is_some_and(|t| t.locked);
    let mut json = json!({
        "id": channel.id,
        "type": channel.kind,
        "name": channel.name,
        "parent_id": channel.parent_id,
        "position": channel.position,
        "topic": channel.topic,
        "can_send": bits & SEND_MESSAGES != 0 && !closed && channel.has_messages(),
        "permissions": bits.to_string(),
    });
    if matches!(channel.kind, 15 | 16) {
        json["needs_tag"] = (channel.flags & REQUIRES_TAG != 0).into();
        json["tags"] = channel
            .available_tags
            .iter()
            .map(|tag| json!({"id": tag.id, "name": tag.name}))
            .collect();
    }
    if let Some(thread) = &channel.thread {
        json["archived"] = thread.archived.into();
        json["locked"] = thread.locked.into();
        json["messages"] = thread.message_count.into();
        json["applied_tags"] = json!(thread.applied_tags);
    }
    json
}

/// Nickname, else display name.
fn shown_name(world: &World, guild: &Guild, user: Id) -> Option<String> {
    let nick = guild.members.get(&user).and_then(|m| m.nick.clone());
    nick.or_else(|| Some(world.users.get(&user)?.display_name().to_owned()))
}

/// `GET /ctl/as/{user}/threads`: threads of a channel or posts of a forum, newest first, archived
/// ones included.
pub(super) async fn threads(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(query): Parameters<Messages>,
) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    let parent = id(&query.channel_id)?;
    let before = older_than(query.before.as_ref())?;
    control.edge.sandbox.with_world(|world| {
        require_visible(world, parent, user)?;
        let guild = world.guild_of(parent).and_then(|g| world.guilds.get(&g));
        let all = guild
            .into_iter()
            .flat_map(|g| g.threads.range(..before).rev());
        let here = all
            .filter_map(|id| world.channels.get(id))
            .filter(|c| c.parent_id == Some(parent));
        let visible = here.filter_map(|thread| {
            let bits = world.permissions_in(thread.id, user);
            (bits & VIEW_CHANNEL != 0).then(|| channel_line(thread, bits))
        });
        Ok(Json(visible.take(query.limit.min(100)).collect()))
    })
}

/// `GET /ctl/as/{user}/dms`: the user's direct messages, the latest first, each named after the
/// other side.
pub(super) async fn dms(State(control): Ctl, Path(user): Path<String>) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    control.edge.sandbox.with_world(|world| {
        let mine = |c: &&Channel| c.guild_id.is_none() && c.recipients.contains(&user);
        let mut found: Vec<&Channel> = world.channels.values().filter(mine).collect();
        found.sort_unstable_by_key(|c| std::cmp::Reverse(c.last_message_id.unwrap_or(c.id)));
        let line = |channel: &Channel| {
            let other = channel.recipients.iter().copied().find(|r| *r != user);
            let mut json = channel_line(channel, world.permissions_in(channel.id, user));
            json["name"] = other
                .and_then(|id| Some(world.users.get(&id)?.display_name()))
                .into();
            json["recipient"] = other.map(|id| world.user_json(id)).into();
            json["last_message_id"] = json!(channel.last_message_id);
            json
        };
        Ok(Json(found.into_iter().take(MAX_LISTED).map(line).collect()))
    })
}

/// `GET /ctl/as/{user}/bans`: who is banned, by id; and how many are.
pub(super) async fn bans(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(place): Parameters<Where>,
) -> Answer {
    let user = known_user(&control.edge, &user)?;
    let guild = id(&place.guild_id)?;
    control.edge.sandbox.with_world(|world| {
        let guild = inside(world, guild, user)?;
        allowed(world, guild, user, BAN_MEMBERS, "see bans")?;
        let bans: Vec<Value> = guild
            .bans
            .values()
            .take(MAX_LISTED)
            .map(|ban| json!({"user": world.user_json(ban.user), "reason": ban.reason}))
            .collect();
        Ok(Json(json!({"total": guild.bans.len(), "bans": bans})))
    })
}

fn allowed(world: &World, guild: &Guild, user: Id, bit: u64, what: &str) -> Result<(), Failure> {
    if perm::in_guild(guild, user, world.now()) & bit != 0 {
        return Ok(());
    }
    let message = format!("the user may not {what}");
    Err(Failure::new(StatusCode::FORBIDDEN, "not_allowed", message))
}

#[derive(Debug, Deserialize)]
pub(super) struct Audit {
    guild_id: String,
    #[serde(default = "fifty")]
    limit: usize,
    #[serde(default)]
    before: Option<String>,
}

/// `GET /ctl/as/{user}/audit`: the audit log, newest first, with the names of whom it is about.
pub(super) async fn audit(
    State(control): Ctl,
    Path(user): Path<String>,
    Parameters(query): Parameters<Audit>,
) -> Answer {
    let user = known_user(&control.edge, &user)?;
    let guild = id(&query.guild_id)?;
    let before = older_than(query.before.as_ref())?;
    control.edge.sandbox.with_world(|world| {
        let guild = inside(world, guild, user)?;
        allowed(world, guild, user, VIEW_AUDIT_LOG, "view the audit log")?;
        let entries: Vec<&AuditEntry> = guild
            .audit
            .entries()
            .rev()
            .filter(|e| e.id < before)
            .take(query.limit.min(100))
            .collect();
        let named = entries.iter().flat_map(|e| [e.user, e.target]).flatten();
        let names: BTreeMap<String, String> = named
            .filter_map(|id| Some((id.to_string(), name_of(world, guild, id)?)))
            .collect();
        Ok(Json(json!({
            "entries": entries.iter().map(|e| e.json()).collect::<Vec<_>>(),
            "names": names,
        })))
    })
}

/// Of a user, channel, role, emoji or webhook.
fn name_of(world: &World, guild: &Guild, id: Id) -> Option<String> {
    let channel = || world.channels.get(&id).map(|c| format!("#{}", c.name));
    let role = || {
        guild
            .roles
            .get(&id)
            .map(|r| format!("@{}", r.name.trim_start_matches('@')))
    };
    let emoji = || guild.emojis.get(&id).map(|e| format!(":{}:", e.name));
    let webhook = || world.webhooks.get(&id).map(|w| w.name.clone());
    // The guild's id is also that of @everyone, and a user's id is nothing else.
    if id == guild.id {
        return Some(guild.name.clone());
    }
    shown_name(world, guild, id)
        .or_else(channel)
        .or_else(role)
        .or_else(emoji)
        .or_else(webhook)
}
