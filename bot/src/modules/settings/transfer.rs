//! `/settings`: all of them as one file.

use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude::{Attachment, CreateAttachment, CreateEmbed, CreateEmbedFooter};
use splashtail_discord::DownloadError;

use super::perms::{self, MAX_DESCRIPTION};
use crate::app::Context;
use crate::catalogue;
use crate::configuration::{Asked, MAX_FILE, Plan};
use crate::error::BotError;
use crate::framework::setting_commands::asked;
use crate::markdown::cut;
use crate::reply::{self, EditError};
use crate::{colours, confirm, framework};

/// Until the file has come from Discord.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keep all settings of this server as a file, or take them from one.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("export", "import"),
    subcommand_required
)]
pub async fn settings(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Get all settings of this server that you may see as one readable file.
#[poise::command(slash_command, guild_only, ephemeral)]
async fn export(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("settings export")).await?;
    let text = cx.data().configuration.export(&asked).await?;
    let file = CreateAttachment::bytes(text.into_bytes(), "settings.yaml");
    let embed = CreateEmbed::new()
        .description("The settings of this server. `/settings import` takes them back.")
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed).attachment(file)).await?;
    Ok(())
}

/// Take the settings of this server from a file: first you see what would change.
#[poise::command(slash_command, guild_only)]
async fn import(
    cx: Context<'_>,
    #[description = "A file from /settings export"] file: Attachment,
    #[description = "Delete what the file does not name (default: no)"] replace: Option<bool>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("settings import")).await?;
    let text = read(cx, &file).await?;
    let replace = replace.unwrap_or(false);
    let configuration = &cx.data().configuration;
    let plan = configuration.plan_import(&asked, &text, replace).await?;
    if plan.shown.is_empty() {
        let text = "Everything is as the file says already.";
        let embed = CreateEmbed::new().description(text).colour(colours::GREEN);
        reply::answer(cx, CreateReply::default().embed(embed)).await?;
        return Ok(());
    }
    let shown = CreateReply::default().embed(describe(&plan, &asked));
    let label = format!("Change {}", plan.shown.len());
    let Some(message) = confirm::ask(cx, shown, &label).await? else {
        return Ok(());
    };
    // Some time has passed.
    let asked = framework::setting_commands::asked(cx, asked.command).await?;
    let done = configuration
        .import(&asked, &text, replace, Some(&plan))
        .await;
    let embed = match done {
        Ok(done) => {
            let text = format!(
                "Entries changed: {}. `/perms undo {}` takes it back.",
                done.others, done.version
            );
            CreateEmbed::new().description(text).colour(colours::GREEN)
        }
        Err(refusal) => {
            let text = BotError::from(refusal).user_text(catalogue::of_server(cx));
            CreateEmbed::new().description(text).colour(colours::RED)
        }
    };
    let said = CreateReply::default().embed(embed).components(Vec::new());
    match message.edit(cx, said).await {
        Ok(()) | Err(EditError::Gone) => Ok(()),
        Err(EditError::Discord(error)) => Err(BotError::Discord(error)),
    }
}

/// The file that somebody uploaded.
async fn read(cx: Context<'_>, file: &Attachment) -> Result<String, BotError> {
    let too_large = || BotError::Input(format!("The file has more than {MAX_FILE} bytes."));
    if file.size as usize > MAX_FILE {
        return Err(too_large());
    }
    let unread = || BotError::Input("The file could not be read from Discord.".to_owned());
    let connection = cx.data().state.connection().ok_or_else(unread)?;
    let download = connection
        .discord
        .download(&file.url, MAX_FILE as u64, &cx.data().shutdown);
    let file = tokio::time::timeout(PATIENCE, download).await;
    let file = match file.map_err(|_| unread())? {
        Err(DownloadError::TooLarge { .. }) => return Err(too_large()),
        file => file.map_err(|_| unread())?,
    };
    String::from_utf8(file.bytes.into()).map_err(|_| {
        BotError::Input("The file is no text: it is not one from `/settings export`.".to_owned())
    })
}

/// What would change, line by line.
fn describe(plan: &Plan, asked: &Asked) -> CreateEmbed {
    let mut text = String::new();
    if plan.from != asked.guild {
        text.push_str("This file is from another server.\n");
    }
    let lines = plan.shown.iter().map(perms::describe_edit);
    text.push_str(&lines.collect::<Vec<_>>().join("\n"));
    let footer = format!("Entries that would change: {}", plan.shown.len());
    CreateEmbed::new()
        .title("Nothing is changed yet")
        .description(cut(&text, MAX_DESCRIPTION))
        .footer(CreateEmbedFooter::new(footer))
        .colour(colours::BLUE)
}
