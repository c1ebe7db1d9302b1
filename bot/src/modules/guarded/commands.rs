//! `/guarded`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use serde_json::json;

use super::circle::Circle;
use super::desk::Desk;
use super::rules;
use super::setting::{ENTRY, GUARDED};
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::framework::check;
use crate::framework::setting_commands::asked;
use crate::ids;
use crate::reply;
use crate::settings::Fields;
use crate::text;

/// Rows of buttons in one message (Discord documentation, "Component Reference").
const SHOWN: usize = 5;

/// What needs a second trusted person.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("status", "pending", "set"),
    subcommand_required
)]
pub async fn guarded(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See whether a second person has to agree, and who can.
#[poise::command(slash_command, guild_only)]
async fn status(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let desk = cx.data().services.get::<Desk>()?;
    let wanted = desk.wanted(guild).await?;
    let language = app::language_here(cx);
    let circle = desk.circle(guild).ok_or_else(|| unknown(language))?;
    let mut lines = vec![match wanted.is_on {
        false => text!(language, "guarded-off"),
        true => text!(
            language,
            "guarded-on",
            minutes = rules::TOGETHER.num_minutes(),
            hours = rules::ALONE.num_hours(),
            bans = wanted.bans_above
        ),
    }];
    lines.extend(people(language, &circle));
    say(cx, lines).await
}

fn people(language: Language, circle: &Circle) -> Vec<String> {
    const NAMED: usize = 30;
    let names: Vec<String> = circle.all().map(|user| format!("<@{user}>")).collect();
    let more = names.len().saturating_sub(NAMED);
    let mut people = names[..names.len() - more].join(", ");
    if more > 0 {
        people = text!(
            language,
            "guarded-people-more",
            people = people,
            more = more
        );
    }
    let mut lines = vec![text!(language, "guarded-people", people = people)];
    if circle.all().count() < 2 {
        lines.push(text!(language, "guarded-alone"));
    }
    lines
}

/// See what waits for somebody to agree.
#[poise::command(slash_command, guild_only)]
async fn pending(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let desk = cx.data().services.get::<Desk>()?;
    let language = app::language_here(cx);
    let circle = desk.circle(guild).ok_or_else(|| unknown(language))?;
    let standing = check::standing(cx, guild).await.map_err(BotError::Denied)?;
    let user = ids::user(cx.author().id);
    if circle.may_look(user, standing.native).is_err() {
        let own = app::reader_language(cx);
        return Err(BotError::Input(text!(own, "guarded-not-yours")));
    }
    let open = desk
        .storage
        .guarded()
        .list(guild, true, u32::MAX >> 1)
        .await?;
    let now = desk.now();
    let open: Vec<_> = open
        .into_iter()
        .filter(|request| !rules::is_over(request, now))
        .collect();
    if open.is_empty() {
        return say(cx, vec![text!(language, "guarded-nothing-waits")]).await;
    }
    let more = open.len().saturating_sub(SHOWN);
    let mut message = CreateReply::default();
    if more > 0 {
        message = message.content(text!(
            language,
            "guarded-newest",
            shown = SHOWN,
            more = more
        ));
    }
    let mut rows = Vec::new();
    let beside = open.len().min(SHOWN) - 1;
    for (place, request) in open.iter().take(SHOWN).enumerate() {
        let shown = desk.shown(request, &circle, beside).await?;
        message = message.embed(shown.embed());
        if let Some(whole) = shown.attachment(place + 1) {
            message = message.attachment(whole);
        }
        rows.push(shown.row(place + 1));
    }
    reply::answer(cx, message.components(rows)).await?;
    Ok(())
}

/// Turn guarded operations on or off.
#[poise::command(slash_command, guild_only)]
async fn set(
    cx: Context<'_>,
    #[description = "Whether a second trusted person has to agree"] on: bool,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let asked = asked(cx, Some("guarded set")).await?;
    let mut fields = Fields::new();
    fields.insert("scope".to_owned(), json!(ENTRY));
    fields.insert("enabled".to_owned(), json!(on));
    let configuration = &cx.data().configuration;
    configuration.set(&asked, GUARDED, &fields).await?;
    let language = app::language_here(cx);
    let mut lines = vec![match on {
        true => text!(language, "guarded-set-on"),
        false => text!(language, "guarded-set-off"),
    }];
    if on {
        let desk = cx.data().services.get::<Desk>()?;
        let circle = desk.circle(guild).ok_or_else(|| unknown(language))?;
        lines.extend(people(language, &circle));
    }
    say(cx, lines).await
}

fn unknown(language: Language) -> BotError {
    BotError::Input(text!(language, "protection-unknown-server"))
}

async fn say(cx: Context<'_>, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(text!(app::language_here(cx), "guarded-title"))
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
