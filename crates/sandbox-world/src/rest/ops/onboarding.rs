//! What newcomers are asked: onboarding.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Table;
use super::guilds::note;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, NO_CHANNEL, NO_ROLE};
use crate::world::permissions as perm;
use crate::world::{Guild, Id, Overwrite, World, action};

/// Default channels that onboarding needs, and how many of them everyone can write in.
const NEEDED: (usize, usize) = (7, 5);

pub(super) fn routes(table: &mut Table) {
    const ONBOARDING: &str = "/guilds/{guild_id}/onboarding";
    table.get(ONBOARDING, "get_guilds_onboarding", onboarding);
    table.put(ONBOARDING, "put_guilds_onboarding", put_onboarding);
}

fn onboarding(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(onboarding_json(cx.guild()?))
}

fn onboarding_json(guild: &Guild) -> Value {
    let mut json = json!({"prompts": [], "default_channel_ids": [], "enabled": false, "mode": 0});
    if !guild.onboarding.is_null() {
        json.clone_from(&guild.onboarding);
    }
    json["guild_id"] = json!(guild.id);
    json
}

/// Absent fields keep what was there.
fn put_onboarding(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_GUILD | perm::MANAGE_ROLES)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let before = onboarding_json(cx.guild()?);
    let mut after = before.clone();
    if let Some(prompts) = prompts(&mut form, cx) {
        after["prompts"] = prompts.into();
    }
    let guild = cx.guild()?;
    let channel = |id| guild.channels.contains(&id);
    if let Some(channels) = form.ids_of("default_channel_ids", 500, NO_CHANNEL, channel) {
        after["default_channel_ids"] = json!(channels);
    }
    if let Some(on) = form.flag("enabled") {
        after["enabled"] = on.into();
    }
    if let Some(mode) = form.choice("mode", &[0, 1]) {
        after["mode"] = mode.into();
    }
    form.done()?;
    let unmet = if before["enabled"] == true {
        error::ONBOARDING_BELOW
    } else {
        error::ONBOARDING_UNMET
    };
    Cx::refuse_if(
        after["enabled"] == true && !fit(cx.world, id, &after),
        unmet,
    )?;
    let fresh = before["prompts"] == json!([]) && before["default_channel_ids"] == json!([]);
    let view = |json: &Value| {
        ["prompts", "default_channel_ids", "enabled", "mode"].map(|key| (key, json[key].clone()))
    };
    let kind = if fresh {
        action::ONBOARDING_CREATE
    } else {
        action::ONBOARDING_UPDATE
    };
    let views = (view(&before).into(), view(&after).into());
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.onboarding.clone_from(&after);
    }
    note(cx, id, me, kind, views, reason.as_deref());
    Reply::ok(after)
}

/// Whether everyone sees a channel with these overwrites.
fn is_shown(guild: Id, everyone: u64, overwrites: &BTreeMap<Id, Overwrite>) -> bool {
    let own = overwrites.get(&guild).map_or((0, 0), |o| (o.allow, o.deny));
    ((everyone & !own.1) | own.0) & perm::VIEW_CHANNEL != 0
}

fn everyone(guild: &Guild) -> u64 {
    guild.roles.get(&guild.id).map_or(0, |r| r.permissions)
}

/// Channels that newcomers are shown.
fn default_channels(guild: &Guild) -> impl Iterator<Item = Id> {
    let list = guild.onboarding["default_channel_ids"].as_array();
    let list = list.into_iter().flatten();
    list.filter_map(|c| c.as_str()?.parse().ok())
}

/// What newcomers are shown must not be hidden from everyone, even while onboarding is off
/// (discord-api-docs#7296): not by overwrites of the channel,
pub(super) fn keep_open(
    cx: &Cx<'_>,
    guild: Id,
    channel: Id,
    before: &BTreeMap<Id, Overwrite>,
    after: &BTreeMap<Id, Overwrite>,
) -> Result<(), ApiError> {
    let Some(place) = cx.world.guilds.get(&guild) else {
        return Ok(());
    };
    let shown = |list| is_shown(guild, everyone(place), list);
    let hides = shown(before) && !shown(after);
    Cx::refuse_if(
        hides && default_channels(place).any(|c| c == channel),
        error::ONBOARDING_CHANNEL,
    )
}

/// nor by the permissions of @everyone.
pub(super) fn keep_all_open(cx: &Cx<'_>, guild: Id, permissions: u64) -> Result<(), ApiError> {
    let Some(place) = cx.world.guilds.get(&guild) else {
        return Ok(());
    };
    let mut channels = default_channels(place).filter_map(|c| cx.world.channels.get(&c));
    let hides = channels.any(|c| {
        is_shown(guild, everyone(place), &c.overwrites)
            && !is_shown(guild, permissions, &c.overwrites)
    });
    Cx::refuse_if(hides, error::ONBOARDING_CHANNEL)
}

/// Whether there are enough channels to show. In the advanced mode the channels of the options
/// count as well.
fn fit(world: &World, guild: Id, onboarding: &Value) -> bool {
    let listed = |list: &Value| -> Vec<Id> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|c| c.as_str()?.parse().ok()).collect()
    };
    let mut shown = listed(&onboarding["default_channel_ids"]);
    if onboarding["mode"] == 1 {
        let prompts = onboarding["prompts"].as_array().into_iter().flatten();
        let options = prompts.flat_map(|p| p["options"].as_array().into_iter().flatten());
        shown.extend(options.flat_map(|o| listed(&o["channel_ids"])));
    }
    shown.sort_unstable();
    shown.dedup();
    let everyone = world.guilds.get(&guild).map_or(0, everyone);
    let open = shown.iter().filter(|c| {
        let overwrite = world
            .channels
            .get(c)
            .and_then(|c| c.overwrites.get(&guild))
            .map_or((0, 0), |o| (o.allow, o.deny));
        let bits = (everyone & !overwrite.1) | overwrite.0;
        bits & perm::VIEW_CHANNEL != 0 && bits & perm::SEND_MESSAGES != 0
    });
    shown.len() >= NEEDED.0 && open.count() >= NEEDED.1
}

fn prompts(form: &mut Form<'_>, cx: &mut Cx<'_>) -> Option<Vec<Value>> {
    let list = form.list("prompts", 15)?;
    let mut prompts = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("prompts.{n}"));
        for key in ["id", "title", "options"] {
            part.require(key);
        }
        let options = options(&mut part, cx);
        let id = number(cx, part.id("id"));
        prompts.push(json!({
            "id": id,
            "title": part.text("title", 1..=100),
            "options": options,
            "single_select": part.flag("single_select").unwrap_or(false),
            "required": part.flag("required").unwrap_or(false),
            "in_onboarding": part.flag("in_onboarding").unwrap_or(false),
            "type": part.choice("type", &[0, 1]).unwrap_or(0),
        }));
        form.absorb(part);
    }
    Some(prompts)
}

/// New things come with ids that the client made up.
fn number(cx: &mut Cx<'_>, given: Option<Id>) -> Id {
    match given {
        Some(id) if id.created() > crate::world::Stamp(crate::world::EPOCH_MS) => id,
        _ => cx.world.next_id(),
    }
}

fn options(prompt: &mut Form<'_>, cx: &mut Cx<'_>) -> Vec<Value> {
    let list = prompt.list("options", 50).unwrap_or_default();
    let mut options = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &prompt.path_to(&format!("options.{n}")));
        part.require("title");
        let id = number(cx, part.id("id"));
        let place = cx.guild().ok();
        let role = |id| place.is_some_and(|g| g.roles.contains_key(&id));
        let roles = part.ids_of("role_ids", 50, NO_ROLE, role);
        let channel = |id| place.is_some_and(|g| g.channels.contains(&id));
        let channels = part.ids_of("channel_ids", 50, NO_CHANNEL, channel);
        let emoji = json!({
            "id": part.id("emoji_id"),
            "name": part.text("emoji_name", 0..=100),
            "animated": part.flag("emoji_animated").unwrap_or(false),
        });
        options.push(json!({
            "id": id,
            "title": part.text("title", 1..=50),
            "description": part.text("description", 0..=100).unwrap_or_default(),
            "emoji": emoji,
            "role_ids": roles.unwrap_or_default(),
            "channel_ids": channels.unwrap_or_default(),
        }));
        prompt.absorb(part);
    }
    options
}
