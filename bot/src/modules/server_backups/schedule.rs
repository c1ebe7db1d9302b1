//! `/backups schedule`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use sha2::{Digest as _, Sha256};
use splashtail_api_types::tasks::{BackupSchedule, ScheduleEvery};
use splashtail_ipc::clients::ScheduleOrder;
use splashtail_storage::Schedule;
use uuid::Uuid;

use super::Backups;
use super::options::quote;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::reply;
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, poise::ChoiceParameter)]
pub enum Every {
    #[name = "6 hours"]
    SixHours,
    #[name = "12 hours"]
    TwelveHours,
    #[name = "day"]
    Day,
    #[name = "week, on Monday"]
    Week,
    #[name = "month, on the 1st"]
    Month,
}

impl From<Every> for ScheduleEvery {
    fn from(every: Every) -> Self {
        match every {
            Every::SixHours => Self::SixHours,
            Every::TwelveHours => Self::TwelveHours,
            Every::Day => Self::Day,
            Every::Week => Self::Week,
            Every::Month => Self::Month,
        }
    }
}

/// Have backups made again and again.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("add", "list", "remove"),
    subcommand_required
)]
pub async fn schedule(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Make a backup every day, week or so, and keep the newest of them.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
#[allow(
    clippy::too_many_arguments,
    reason = "one parameter per option of the slash command"
)]
async fn add(
    cx: Context<'_>,
    #[description = "How often"] every: Every,
    #[description = "At which hour, in UTC (default: 4)"]
    #[min = 0]
    #[max = 23]
    hour: Option<u32>,
    #[description = "Keep messages (default: no)"] messages: Option<bool>,
    #[description = "Keep attachments of messages (default: no)"] attachments: Option<bool>,
    #[description = "How many of these backups stay (default: 7)"]
    #[min = 1]
    #[max = 100]
    keep: Option<u32>,
    #[description = "Delete them when they are so many days old; the newest stays (default: never)"]
    #[min = 1]
    #[max = 3650]
    keep_days: Option<u32>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let wanted = BackupSchedule {
        every: every.into(),
        hour,
        messages: messages.unwrap_or(false),
        attachments: attachments.unwrap_or(false),
        keep,
        keep_days,
    };
    if wanted.attachments && !wanted.messages {
        let own = app::reader_language(cx);
        return Err(BotError::Input(text!(own, "option-attachments")));
    }
    let by = ids::user(cx.author().id);
    let order = ScheduleOrder::of_backups(id_of(cx.id()), guild, by, &wanted);
    backups.jobserver.put_schedule(&order).await?;
    let stored = backups.storage.schedules().get(order.schedule_id).await?;
    let language = app::language_here(cx);
    let line = match stored {
        Some(stored) => line(language, &stored),
        None => text!(language, "schedule-stored"),
    };
    say(
        cx,
        vec![
            line,
            text!(language, "schedule-stays"),
            text!(language, "schedule-told"),
        ],
    )
    .await
}

/// The same for a command that Discord delivers twice.
fn id_of(interaction: u64) -> Uuid {
    let digest = Sha256::digest(format!("schedule {interaction}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

/// Show which backups are made again and again.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let schedules = backups.storage.schedules().of_guild(guild).await?;
    let language = app::language_here(cx);
    let lines = schedules.iter().map(|schedule| line(language, schedule));
    let mut lines: Vec<String> = lines.collect();
    lines.push(match lines.is_empty() {
        true => text!(language, "schedule-none"),
        false => text!(language, "schedule-stays"),
    });
    say(cx, lines).await
}

/// Stop making them. What was made stays.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn remove(
    cx: Context<'_>,
    #[description = "Id of the schedule, from /backups schedule list"] schedule_id: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let backups = cx.data().services.get::<Backups>()?;
    let known = backups.storage.schedules().of_guild(guild).await?;
    let wanted = schedule_id.trim().parse::<Uuid>().ok();
    let found = known.iter().find(|schedule| Some(schedule.id) == wanted);
    let Some(found) = found else {
        let what = quote(&schedule_id);
        let own = app::reader_language(cx);
        return Err(BotError::Input(text!(own, "schedule-unknown", what = what)));
    };
    backups.jobserver.remove_schedule(found.id, guild).await?;
    let language = app::language_here(cx);
    let text = text!(language, "schedule-removed", id = found.id.to_string());
    say(cx, vec![text]).await
}

fn line(language: Language, schedule: &Schedule) -> String {
    let next = match schedule.next_at.map(|at| at.timestamp()) {
        Some(at) => text!(
            language,
            "schedule-next",
            at = format!("<t:{at}:f>"),
            when = format!("<t:{at}:R>")
        ),
        None => text!(language, "schedule-never"),
    };
    let keeps = match (schedule.keep.count, schedule.keep.days) {
        (Some(count), Some(days)) => {
            text!(language, "schedule-keeps-both", count = count, days = days)
        }
        (Some(count), None) => text!(language, "schedule-keeps-newest", count = count),
        (None, Some(days)) => text!(language, "schedule-keeps-days", days = days),
        (None, None) => text!(language, "schedule-keeps-all"),
    };
    let line = text!(
        language,
        "schedule-line",
        cron = schedule.cron.as_str(),
        next = next,
        keeps = keeps
    );
    format!("`{}`\n{line}", schedule.id)
}

async fn say(cx: Context<'_>, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(text!(app::language_here(cx), "schedule-title"))
        .description(lines.join("\n\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_comes_twice_is_one() {
        assert_eq!(id_of(5), id_of(5));
        assert_ne!(id_of(5), id_of(6));
    }
}
