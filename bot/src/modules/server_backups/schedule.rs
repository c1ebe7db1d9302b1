//! `/backups schedule`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use sha2::{Digest as _, Sha256};
use splashtail_core::ids::UserId;
use splashtail_ipc::clients::ScheduleOrder;
use splashtail_storage::Schedule;
use uuid::Uuid;

use super::options::{CreateOptions, quote};
use super::{Backups, CREATE_TASK};
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::reply;
use crate::text;

/// Backups of all servers do not begin at the same second.
const JITTER_MS: u64 = 10 * 60 * 1000;
/// What stays unless something else is said.
const KEEP: u32 = 7;
/// Hour at which it is done unless another one is named, in UTC.
const HOUR: u32 = 4;

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

impl Every {
    /// Five fields of cron, in UTC.
    fn cron(self, hour: u32) -> String {
        let hours = |step: u32| {
            let hours = (hour % step..24).step_by(step as usize);
            let hours: Vec<String> = hours.map(|hour| hour.to_string()).collect();
            format!("0 {} * * *", hours.join(","))
        };
        match self {
            Self::SixHours => hours(6),
            Self::TwelveHours => hours(12),
            Self::Day => format!("0 {hour} * * *"),
            Self::Week => format!("0 {hour} * * 1"),
            Self::Month => format!("0 {hour} 1 * *"),
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
    let options = CreateOptions {
        messages: messages.unwrap_or(false),
        attachments: attachments.unwrap_or(false),
        members: true,
        rollover_leftovers: true,
        // Nobody is there who could try again.
        ignore_errors: true,
        incremental: true,
        ..CreateOptions::default()
    };
    let data = options
        .job_data(app::reader_language(cx), guild, &backups.config.plans.free)
        .map_err(BotError::Input)?;
    let by = ids::user(cx.author().id);
    let order = ScheduleOrder {
        schedule_id: id_of(cx.id()),
        name: CREATE_TASK.to_owned(),
        data,
        cron: every.cron(hour.unwrap_or(HOUR)),
        jitter_ms: JITTER_MS,
        keep_count: Some(keep.unwrap_or(KEEP)),
        keep_days,
        actor: Some(actor(by)),
    };
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

fn actor(user: UserId) -> String {
    format!("u/{user}")
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
    fn times_are_cron() {
        for (every, hour, cron) in [
            (Every::SixHours, 4, "0 4,10,16,22 * * *"),
            (Every::SixHours, 23, "0 5,11,17,23 * * *"),
            (Every::TwelveHours, 0, "0 0,12 * * *"),
            (Every::Day, 4, "0 4 * * *"),
            (Every::Week, 5, "0 5 * * 1"),
            (Every::Month, 6, "0 6 1 * *"),
        ] {
            assert_eq!(every.cron(hour), cron);
        }
        assert_eq!(id_of(5), id_of(5));
        assert_ne!(id_of(5), id_of(6));
    }
}
