//! What newcomers meet: welcome screen, onboarding, widget.

use serde_json::{Value, json};

use super::Table;
use super::guilds::changes;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Guild, Id, World, action};

/// Default channels that onboarding needs, and how many of them everyone can write in.
const NEEDED: (usize, usize) = (7, 5);

pub(super) fn routes(table: &mut Table) {
    const WELCOME: &str = "/guilds/{guild_id}/welcome-screen";
    const ONBOARDING: &str = "/guilds/{guild_id}/onboarding";
    const WIDGET: &str = "/guilds/{guild_id}/widget";
    table.get(WELCOME, "get_guild_welcome_screen", welcome);
    table.patch(WELCOME, "update_guild_welcome_screen", update_welcome);
    table.get(ONBOARDING, "get_guilds_onboarding", onboarding);
    table.put(ONBOARDING, "put_guilds_onboarding", put_onboarding);
    table.get(WIDGET, "get_guild_widget_settings", widget);
    table.patch(WIDGET, "update_guild_widget_settings", update_widget);
}

fn welcome(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    if guild.welcome_screen.is_null() {
        return Err(error::UNKNOWN_WELCOME_SCREEN.into());
    }
    Reply::ok(guild.welcome_screen.clone())
}

fn update_welcome(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_GUILD)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let on = form.flag("enabled");
    let description = form.nullable_text("description", 140);
    let channels = welcome_channels(&mut form, cx.guild()?);
    form.done()?;
    let guild = cx.world.guilds.get_mut(&id).ok_or(error::UNKNOWN_GUILD)?;
    let before = audited_welcome(guild);
    if let Some(on) = on {
        let feature = "WELCOME_SCREEN_ENABLED".to_owned();
        if on {
            guild.features.insert(feature);
        } else {
            guild.features.remove(&feature);
        }
    }
    if guild.welcome_screen.is_null() {
        guild.welcome_screen = json!({"description": null, "welcome_channels": []});
    }
    if let Some(text) = description {
        guild.welcome_screen["description"] = json!(text);
    }
    if let Some(channels) = channels {
        guild.welcome_screen["welcome_channels"] = channels.into();
    }
    let (screen, after) = (guild.welcome_screen.clone(), audited_welcome(guild));
    note(
        cx,
        id,
        me,
        action::GUILD_UPDATE,
        (before, after),
        reason.as_deref(),
    );
    Reply::ok(screen)
}

fn audited_welcome(guild: &Guild) -> Vec<(&'static str, Value)> {
    let screen = &guild.welcome_screen;
    vec![
        ("description", screen["description"].clone()),
        ("welcome_channels", screen["welcome_channels"].clone()),
    ]
}

fn welcome_channels(form: &mut Form<'_>, guild: &Guild) -> Option<Vec<Value>> {
    let list = form.list("welcome_channels", 5)?;
    let mut channels = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("welcome_channels.{n}"));
        part.require("channel_id");
        part.require("description");
        let channel = part.id("channel_id");
        if channel.is_some_and(|c| !guild.channels.contains(&c)) {
            part.error("channel_id", "CHANNEL_INVALID", "Channel is invalid.");
        }
        channels.push(json!({
            "channel_id": channel,
            "description": part.text("description", 1..=50),
            "emoji_id": part.id("emoji_id"),
            "emoji_name": part.text("emoji_name", 0..=100),
        }));
        form.absorb(part);
    }
    Some(channels)
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
    if let Some(channels) = form.ids("default_channel_ids", 500) {
        let guild = cx.guild()?;
        for (n, channel) in channels.iter().enumerate() {
            if !guild.channels.contains(channel) {
                let path = format!("default_channel_ids.{n}");
                form.error(&path, "CHANNEL_INVALID", "Channel is invalid.");
            }
        }
        after["default_channel_ids"] = json!(channels);
    }
    if let Some(on) = form.flag("enabled") {
        after["enabled"] = on.into();
    }
    if let Some(mode) = form.choice("mode", &[0, 1]) {
        after["mode"] = mode.into();
    }
    form.done()?;
    Cx::refuse_if(
        after["enabled"] == true && !fit(cx.world, id, &after),
        error::ONBOARDING_UNMET,
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
    let open = shown.iter().filter(|c| {
        let everyone = world
            .guilds
            .get(&guild)
            .and_then(|g| g.roles.get(&guild))
            .map_or(0, |r| r.permissions);
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
        let roles = part.ids("role_ids", 50).unwrap_or_default();
        let channels = part.ids("channel_ids", 50).unwrap_or_default();
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
            "role_ids": roles,
            "channel_ids": channels,
        }));
        prompt.absorb(part);
    }
    options
}

fn widget_json(guild: &Guild) -> Value {
    json!({"enabled": guild.widget_enabled, "channel_id": guild.widget_channel_id})
}

fn widget(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    cx.require(guild.id, perm::MANAGE_GUILD)?;
    Reply::ok(widget_json(guild))
}

fn update_widget(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_GUILD)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let enabled = form.flag("enabled");
    let channel = form.nullable_id("channel_id");
    if channel
        .flatten()
        .is_some_and(|c| cx.guild().is_ok_and(|g| !g.channels.contains(&c)))
    {
        form.error("channel_id", "CHANNEL_INVALID", "Channel is invalid.");
    }
    form.done()?;
    let view = |g: &Guild| {
        vec![
            ("widget_enabled", json!(g.widget_enabled)),
            ("widget_channel_id", json!(g.widget_channel_id)),
        ]
    };
    let guild = cx.world.guilds.get_mut(&id).ok_or(error::UNKNOWN_GUILD)?;
    let before = view(guild);
    guild.widget_enabled = enabled.unwrap_or(guild.widget_enabled);
    guild.widget_channel_id = channel.unwrap_or(guild.widget_channel_id);
    let (json, after) = (widget_json(guild), view(guild));
    note(
        cx,
        id,
        me,
        action::GUILD_UPDATE,
        (before, after),
        reason.as_deref(),
    );
    Reply::ok(json)
}

type View = Vec<(&'static str, Value)>;

/// Announces the guild and writes an entry, if anything changed.
fn note(
    cx: &mut Cx<'_>,
    guild: Id,
    me: Id,
    kind: u16,
    (before, after): (View, View),
    reason: Option<&str>,
) {
    let changed = changes(before, after);
    if changed.is_empty() {
        return;
    }
    cx.world.guild_updated(guild);
    cx.world
        .audit(guild, me, kind, Some(guild), changed, Vec::new(), reason);
}
