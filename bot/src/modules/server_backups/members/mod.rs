//! `/members`: brings people back who allowed it, and asks them to allow it. The jobserver carries it out
//! (`guild_rejoin_members`); people allow it on a page of the website.

mod begin;
mod operation;
mod plan;
mod presses;

use poise::CreateReply;
use poise::serenity_prelude::{CreateActionRow, CreateButton, CreateEmbed};
use serde_json::json;
use splashtail_api_types::job_kinds;
use splashtail_core::config::without_slash;
use splashtail_core::ids::UserId;

pub(super) use self::operation::Rejoin;
use self::plan::{Shown, button};
pub(super) use self::presses::presses;
use super::Backups;
use super::restore::mentioned;
use super::restore_operation::arguments;
use crate::app::{self, Context};
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::modules::guarded::Desk;
use crate::modules::jobs::{Order, look};
use crate::reply;
use crate::text;

/// The kind of task.
const TASK: &str = job_kinds::REJOIN_MEMBERS.name;

/// Bring people back who allowed it, and ask people to allow it.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("rejoin", "consent"),
    subcommand_required
)]
pub(super) async fn members(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Let people back in who allowed it; you see first how many.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn rejoin(
    cx: Context<'_>,
    #[description = "Only these, ids or mentions separated by commas (default: all who allowed it)"]
    users: Option<String>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let own = app::reader_language(cx);
    let (guild, by) = (ids::guild_of(cx)?, ids::user(cx.author().id));
    let users: Vec<UserId> =
        mentioned(own, "users", users.as_deref(), "@").map_err(BotError::Input)?;
    let backups = cx.data().services.get::<Backups>()?;
    let desk = cx.data().services.get::<Desk>()?;
    let mut data = json!({"ServerID": guild, "Options": {"Users": users, "DryRun": true}});
    let Some(looked) = look(cx, TASK, data.clone()).await? else {
        return Ok(());
    };
    let Some(plan) = backups.rejoin_plan(looked.task).await? else {
        return Ok(());
    };
    let language = looked.language();
    let shown = Shown {
        plan: &plan,
        language,
        api: &backups.jobs.api(),
        look: looked.task,
    };
    if let Some(why) = plan.impossible(language) {
        return looked.say(&shown, &why).await;
    }
    data["Options"]["DryRun"] = false.into();
    data["Options"]["PlanHash"] = plan.hash.as_str().into();
    let key = format!("{}-go", cx.id());
    let created = backups
        .jobserver
        .create_task(TASK, data, false, Some(&key))
        .await?;
    let task = created.task_id;
    let yes = text!(language, "rejoin-yes", count = plan.count);
    let order = Order {
        by_others: desk.wanted(guild).await?.is_on,
        operation: operation::ID,
        arguments: arguments(task, looked.channel()),
        question: text!(language, "rejoin-ask"),
        buttons: vec![
            button(3, &yes, "go", task, by),
            button(2, &text!(language, "rejoin-no"), "no", task, by),
        ],
    };
    looked.ask(&desk, by, &shown, order).await
}

/// Post a message with the link by which people allow that they are brought back.
#[poise::command(slash_command, guild_only, user_cooldown = 20)]
async fn consent(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let auth = &backups.config.discord_auth;
    if auth.client_id.is_none() || auth.client_secret.is_none() {
        let own = app::reader_language(cx);
        return Err(BotError::Input(text!(own, "consent-no-application")));
    }
    let language = app::language_here(cx);
    let site = without_slash(&backups.config.sites.frontend);
    let button = CreateButton::new_link(format!("{site}/consent?id={guild}"))
        .label(text!(language, "consent-button"));
    let embed = CreateEmbed::new()
        .title(text!(language, "consent-title"))
        .description(text!(language, "consent-text"))
        .colour(colours::BLUE);
    let message = CreateReply::default()
        .embed(embed)
        .components(vec![CreateActionRow::Buttons(vec![button])]);
    reply::answer(cx, message).await?;
    Ok(())
}
