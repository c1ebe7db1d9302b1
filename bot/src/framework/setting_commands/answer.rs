//! What the commands here have in common: who asks, and what is said about a change.

use std::fmt::Write as _;

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;

use crate::app::Context;
use crate::colours;
use crate::configuration::{Asked, Changed, Way};
use crate::error::BotError;
use crate::framework::check;
use crate::ids;
use crate::markdown::{cut, neutralise};
use crate::reply;
use crate::settings::{Fields, Setting};

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
    let known = cx.data().registry.setting(setting);
    let name = known.map_or(setting, |(_, setting)| setting.name);
    let title = match done.made {
        true => format!("{name}: change {}", done.version),
        false => format!("{name}: as it was"),
    };
    let embed = CreateEmbed::new().title(title).colour(colours::GREEN);
    let mut text = match done.fields.as_ref().zip(known) {
        None => "Deleted.".to_owned(),
        Some((fields, (_, setting))) => shown(setting, fields),
    };
    if done.others > 0 {
        let _ = write!(text, "\nOther entries that moved: {}.", done.others);
    }
    if done.made {
        let _ = write!(text, "\n`/perms undo {}` takes it back.", done.version);
    }
    reply::answer(cx, CreateReply::default().embed(embed.description(text))).await?;
    Ok(())
}

/// A line for each column that is set.
pub fn shown(setting: &Setting, fields: &Fields) -> String {
    let columns = setting.columns.iter().filter_map(|column| {
        let value = fields.get(column.id).filter(|value| !value.is_null())?;
        let words = column.words(value);
        Some(format!(
            "**{}**: {}",
            column.id,
            neutralise(cut(&words, 300))
        ))
    });
    columns.collect::<Vec<_>>().join("\n")
}
