//! `/backups delete`.

use poise::CreateReply;
use poise::serenity_prelude::{ButtonStyle, CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::ids::TaskId;

use super::options::quote;
use super::{Backups, CREATE_TASK};
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::reply;

/// Delete a backup of this server for good.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub async fn delete(
    cx: Context<'_>,
    #[description = "Id of a backup of this server, from /backups list"] backup_id: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let unknown = || {
        BotError::Input(format!(
            "{} is not the id of a backup of this server. `/backups list` shows them.",
            quote(&backup_id)
        ))
    };
    let task: TaskId = backup_id.trim().parse().map_err(|_| unknown())?;
    let row = backups.row(guild, task).await?.ok_or_else(unknown)?;
    if !row.state.is_terminal() {
        return Err(BotError::Input(
            "That backup is still being made. Wait until it has ended.".to_owned(),
        ));
    }
    let what = match row.name == CREATE_TASK {
        true => "The backup",
        false => "The restore's safety backup and its report, without which it cannot be undone,",
    };
    let created = row.created_at.timestamp();
    let embed = CreateEmbed::new()
        .title("Delete a backup")
        .description(format!(
            "{what} of <t:{created}:f> would be gone for good.\n`{task}`"
        ))
        .colour(colours::RED);
    let user = cx.author().id;
    let button = |verb: &str| CreateButton::new(format!("bk:{verb}:{task}:{user}"));
    let buttons = vec![
        button("del").label("Delete").style(ButtonStyle::Danger),
        button("keep").label("Keep").style(ButtonStyle::Secondary),
    ];
    let message = CreateReply::default()
        .embed(embed)
        .components(vec![CreateActionRow::Buttons(buttons)]);
    reply::answer(cx, message).await?;
    Ok(())
}
