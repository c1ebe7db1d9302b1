//! `/guarded`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use serde_json::json;

use super::circle::Circle;
use super::desk::Desk;
use super::rules;
use super::setting::{ENTRY, GUARDED};
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::framework::check;
use crate::framework::setting_commands::asked;
use crate::ids;
use crate::reply;
use crate::settings::Fields;

/// Rows of buttons in one message (Discord documentation, "Component Reference").
const SHOWN: usize = 5;
const ADMINISTRATOR: u64 = 1 << 3;

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
    let circle = desk.circle(guild).ok_or_else(unknown)?;
    let mut lines = vec![match wanted.is_on {
        false => "Guarded operations are **off**: whoever may do something does it alone. The \
                  owner turns them on with `/guarded set`."
            .to_owned(),
        true => format!(
            "Guarded operations are **on**. A restore, weaker protection and trust in somebody need \
             two trusted people within {} minutes, or the owner alone after {} hours.",
            rules::TOGETHER.num_minutes(),
            rules::ALONE.num_hours(),
        ),
    }];
    lines.extend(people(&circle));
    say(cx, lines).await
}

fn people(circle: &Circle) -> Vec<String> {
    const NAMED: usize = 30;
    let names: Vec<String> = circle.all().map(|user| format!("<@{user}>")).collect();
    let more = names.len().saturating_sub(NAMED);
    let mut text = format!(
        "The trusted set: {}",
        names[..names.len() - more].join(", ")
    );
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text.push_str(". People only; roles and bots do not count here.");
    let mut lines = vec![text];
    if circle.all().count() < 2 {
        lines.push(
            "Nobody else is trusted by name: name people with `/protection trust`, or the owner \
             waits 24 hours each time."
                .to_owned(),
        );
    }
    lines
}

/// See what waits for somebody to agree.
#[poise::command(slash_command, guild_only)]
async fn pending(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let desk = cx.data().services.get::<Desk>()?;
    let circle = desk.circle(guild).ok_or_else(unknown)?;
    if !circle.has(ids::user(cx.author().id)) {
        let standing = check::standing(cx, guild).await.map_err(BotError::Denied)?;
        if standing.native.0 & ADMINISTRATOR == 0 {
            return Err(BotError::Input(
                "Only the owner, the people they trust and administrators see this.".to_owned(),
            ));
        }
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
        return say(cx, vec!["Nothing waits for anybody.".to_owned()]).await;
    }
    let more = open.len().saturating_sub(SHOWN);
    let mut message = CreateReply::default();
    if more > 0 {
        message = message.content(format!("The newest {SHOWN}; {more} more wait."));
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
    let mut lines = vec![match on {
        true => "Guarded operations are on.".to_owned(),
        false => "Guarded operations are off.".to_owned(),
    }];
    if on {
        let desk = cx.data().services.get::<Desk>()?;
        lines.extend(people(&desk.circle(guild).ok_or_else(unknown)?));
    }
    say(cx, lines).await
}

fn unknown() -> BotError {
    BotError::Input("I am still getting to know this server. Please try again soon.".to_owned())
}

async fn say(cx: Context<'_>, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title("Guarded operations")
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
