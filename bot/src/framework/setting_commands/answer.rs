//! What the commands here have in common: who asks, and what is said about a change.

use std::fmt::Write as _;

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use serde_json::Value;

use crate::app::Context;
use crate::colours;
use crate::configuration::{Asked, Changed, Way};
use crate::error::BotError;
use crate::framework::check;
use crate::ids;
use crate::markdown::{cut, neutralise};
use crate::reply;
use crate::settings::Fields;

/// The author as the one who asks. `command` is the command that has to be allowed.
///
/// # Errors
/// Discord does not say who the author is.
pub async fn asked(cx: Context<'_>, command: Option<&'static str>) -> Result<Asked, BotError> {
    let guild = ids::guild_of(cx)?;
    let standing = check::standing(cx, guild).await.map_err(BotError::Denied)?;
    Ok(Asked {
        guild,
        user: ids::user(cx.author().id),
        standing,
        custom: None,
        way: Way::Discord,
        command,
    })
}

/// Says what was done.
pub async fn changed(cx: Context<'_>, setting: &str, done: &Changed) -> Result<(), BotError> {
    let registry = &cx.data().registry;
    let name = registry
        .setting(setting)
        .map_or(setting, |(_, setting)| setting.name);
    let embed = CreateEmbed::new()
        .title(format!("{name}: change {}", done.version))
        .colour(colours::GREEN);
    let mut text = match &done.fields {
        None => "Deleted.".to_owned(),
        Some(fields) => shown(fields),
    };
    if done.others > 0 {
        let _ = write!(text, "\nOther entries that moved: {}.", done.others);
    }
    let _ = write!(text, "\n`/perms undo {}` takes it back.", done.version);
    reply::answer(cx, CreateReply::default().embed(embed.description(text))).await?;
    Ok(())
}

/// A line for each column that is set.
pub fn shown(fields: &Fields) -> String {
    let set = fields.iter().filter(|(_, value)| !value.is_null());
    let lines = set.map(|(column, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let items = items.iter().map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                });
                items.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        format!("**{column}**: {}", neutralise(cut(&value, 300)))
    });
    lines.collect::<Vec<_>>().join("\n")
}
