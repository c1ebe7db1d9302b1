//! What the commands here have in common: who asks, and what is said about a change.

use std::fmt::Write as _;

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;

use crate::app::{self, App, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::configuration::{Asked, Changed, Way};
use crate::error::BotError;
use crate::framework::check;
use crate::ids;
use crate::markdown::{neutralise, shorten};
use crate::presses::Press;
use crate::reply;
use crate::settings::{Fields, Setting};
use crate::text;

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

/// Whoever pressed a button as the one who asks.
///
/// # Errors
/// Discord does not say who they are.
pub async fn asked_by(
    app: &App,
    press: &Press,
    command: Option<&'static str>,
) -> Result<Asked, BotError> {
    let roles = press.roles.clone();
    let asked = Asked::in_discord(&app.state, (press.guild()?, press.user), roles, command);
    asked.await.map_err(BotError::Denied)
}

/// Says what was done.
pub async fn changed(cx: Context<'_>, setting: &str, done: &Changed) -> Result<(), BotError> {
    let known = cx.data().registry.setting(setting);
    let language = app::language_here(cx);
    let name = known.map(|(_, setting)| setting.name_in(language));
    let name = name.unwrap_or_else(|| setting.to_owned());
    let title = match done.made {
        true => text!(
            language,
            "changed-title",
            name = name,
            version = done.version.to_string()
        ),
        false => text!(language, "changed-nothing", name = name),
    };
    let embed = CreateEmbed::new().title(title).colour(colours::GREEN);
    let mut text = match done.fields.as_ref().zip(known) {
        None => text!(language, "changed-deleted"),
        Some((fields, (_, setting))) => shown(setting, fields),
    };
    if done.others > 0 {
        let moved = text!(language, "changed-others", others = done.others);
        let _ = write!(text, "\n{moved}");
    }
    if done.made {
        let _ = write!(text, "\n{}", takes_back(language, done.version));
    }
    reply::answer(cx, CreateReply::default().embed(embed.description(text))).await?;
    Ok(())
}

/// How a change is taken back.
pub fn takes_back(language: Language, version: i64) -> String {
    text!(
        language,
        "changed-takes-back",
        version = version.to_string()
    )
}

/// A line for each column that is set.
pub fn shown(setting: &Setting, fields: &Fields) -> String {
    let columns = setting.columns.iter().filter_map(|column| {
        let value = fields.get(column.id).filter(|value| !value.is_null())?;
        let words = column.words(value);
        Some(format!(
            "**{}**: {}",
            column.id,
            neutralise(&shorten(&words, 300))
        ))
    });
    columns.collect::<Vec<_>>().join("\n")
}
