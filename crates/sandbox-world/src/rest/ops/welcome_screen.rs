//! What a guild shows to newcomers: the welcome screen.

use serde_json::{Value, json};

use super::Table;
use super::guilds::note;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, NO_CHANNEL};
use crate::world::permissions as perm;
use crate::world::{Guild, action};

pub(super) fn routes(table: &mut Table) {
    const WELCOME: &str = "/guilds/{guild_id}/welcome-screen";
    table.get(WELCOME, "get_guild_welcome_screen", welcome);
    table.patch(WELCOME, "update_guild_welcome_screen", update_welcome);
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
            part.error("channel_id", NO_CHANNEL.0, NO_CHANNEL.1);
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
