//! `/settings`: all of them as one file.

use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude::{Attachment, CreateAttachment, CreateEmbed};

use crate::app::Context;
use crate::colours;
use crate::configuration::MAX_FILE;
use crate::error::BotError;
use crate::framework::setting_commands::asked;
use crate::reply;

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

/// Take the settings of this server from a file.
#[poise::command(slash_command, guild_only)]
async fn import(
    cx: Context<'_>,
    #[description = "A file from /settings export"] file: Attachment,
    #[description = "Delete what the file does not name (default: no)"] replace: Option<bool>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("settings import")).await?;
    if file.size as usize > MAX_FILE {
        let text = format!("The file has more than {MAX_FILE} bytes.");
        return Err(BotError::Input(text));
    }
    let unread = || BotError::Input("The file could not be read from Discord.".to_owned());
    let bytes = tokio::time::timeout(PATIENCE, file.download()).await;
    let bytes = bytes.map_err(|_| unread())?.map_err(|_| unread())?;
    let text = String::from_utf8(bytes).map_err(|_| unread())?;
    let configuration = &cx.data().configuration;
    let done = configuration
        .import(&asked, &text, replace.unwrap_or(false))
        .await?;
    let text = match done.others {
        0 => "Everything is as the file says already.".to_owned(),
        others => format!(
            "Entries changed: {others}. `/perms undo {}` takes it back.",
            done.version
        ),
    };
    let embed = CreateEmbed::new().description(text).colour(colours::GREEN);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
