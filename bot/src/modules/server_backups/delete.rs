//! `/backups delete`.

use poise::CreateReply;
use poise::serenity_prelude::{ButtonStyle, CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::ids::TaskId;

use super::options::quote;
use super::{Backups, CREATE_TASK};
use crate::app::{self, Context};
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::reply;
use crate::text;

/// Delete a backup of this server for good.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub async fn delete(
    cx: Context<'_>,
    #[description = "Id of a backup of this server, from /backups list"] backup_id: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let own = app::reader_language(cx);
    let unknown = || BotError::Input(text!(own, "backups-unknown", what = quote(&backup_id)));
    let task: TaskId = backup_id.trim().parse().map_err(|_| unknown())?;
    let row = backups.row(guild, task).await?.ok_or_else(unknown)?;
    if !row.state.is_terminal() {
        return Err(BotError::Input(text!(own, "delete-running")));
    }
    let language = app::language_here(cx);
    let at = format!("<t:{}:f>", row.created_at.timestamp());
    let what = match row.name == CREATE_TASK {
        true => text!(language, "delete-backup", at = at),
        false => text!(language, "delete-report", at = at),
    };
    let embed = CreateEmbed::new()
        .title(text!(language, "delete-title"))
        .description(format!("{what}\n`{task}`"))
        .colour(colours::RED);
    let user = cx.author().id;
    let button = |verb: &str| CreateButton::new(format!("bk:{verb}:{task}:{user}"));
    let buttons = vec![
        button("del")
            .label(text!(language, "delete-yes"))
            .style(ButtonStyle::Danger),
        button("keep")
            .label(text!(language, "delete-no"))
            .style(ButtonStyle::Secondary),
    ];
    let message = CreateReply::default()
        .embed(embed)
        .components(vec![CreateActionRow::Buttons(buttons)]);
    reply::answer(cx, message).await?;
    Ok(())
}
