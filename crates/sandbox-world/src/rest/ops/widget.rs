//! Settings of a guild's widget.

use serde_json::{Value, json};

use super::Table;
use super::guilds::note;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Guild, action};

pub(super) fn routes(table: &mut Table) {
    const WIDGET: &str = "/guilds/{guild_id}/widget";
    table.get(WIDGET, "get_guild_widget_settings", widget);
    table.patch(WIDGET, "update_guild_widget_settings", update_widget);
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
