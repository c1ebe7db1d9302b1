//! `/kick`, `/ban`, `/tempban`, `/unban`, `/timeout` and `/prune_user`.

use chrono::TimeDelta;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::json;
use serenity::CreateEmbed;
use splashtail_api_types::job_kinds;

use super::Tools;
use super::sanction::{Kind, LONGEST_BAN, LONGEST_TIMEOUT, Order, SHORTEST_BAN};
use super::sanctions::{Done, Outcome, length as within};
use super::thresholds::Threshold;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::modules::jobs;
use crate::reply;
use crate::settings::interval;
use crate::text;

const DAY: u32 = 24 * 60 * 60;

/// What somebody typed, as far as it is the same for all.
struct Typed {
    kind: Kind,
    target: serenity::UserId,
    reason: String,
    stings: Option<u32>,
    length: Option<TimeDelta>,
    delete_days: Option<u32>,
}

impl Typed {
    fn new(kind: Kind, target: serenity::UserId, reason: String, stings: Option<u32>) -> Self {
        Self {
            kind,
            target,
            reason,
            stings,
            length: None,
            delete_days: None,
        }
    }
}

/// Remove somebody from this server; they can come back.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn kick(
    cx: Context<'_>,
    #[description = "Whom"] user: serenity::UserId,
    #[description = "For the case and the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "Stings that it counts (default: 0)"]
    #[max = 1000]
    stings: Option<u32>,
) -> Result<(), BotError> {
    perform(cx, Typed::new(Kind::Kick, user, reason, stings)).await
}

/// Ban somebody, whether they are here or not.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn ban(
    cx: Context<'_>,
    #[description = "Whom; an id is enough"] user: serenity::UserId,
    #[description = "For the case and the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "Stings that it counts (default: 1)"]
    #[max = 1000]
    stings: Option<u32>,
    #[description = "Delete their messages of so many days (default: none)"]
    #[max = 7]
    delete_days: Option<u32>,
) -> Result<(), BotError> {
    let typed = Typed {
        delete_days,
        ..Typed::new(Kind::Ban, user, reason, stings)
    };
    perform(cx, typed).await
}

/// Ban somebody for a while.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn tempban(
    cx: Context<'_>,
    #[description = "Whom; an id is enough"] user: serenity::UserId,
    #[description = "How long, such as 12h, 7d or 4w"] length: String,
    #[description = "For the case and the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "Stings that it counts (default: 1)"]
    #[max = 1000]
    stings: Option<u32>,
    #[description = "Delete their messages of so many days (default: none)"]
    #[max = 7]
    delete_days: Option<u32>,
) -> Result<(), BotError> {
    let length = within(interval(&length), (SHORTEST_BAN, LONGEST_BAN));
    let length = length
        .ok_or_else(|| BotError::Input(text!(app::reader_language(cx), "sanction-length-ban")))?;
    let typed = Typed {
        length: Some(length),
        delete_days,
        ..Typed::new(Kind::TempBan, user, reason, stings)
    };
    perform(cx, typed).await
}

/// Lift somebody's ban.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn unban(
    cx: Context<'_>,
    #[description = "Whom; an id is enough"] user: serenity::UserId,
    #[description = "For the case and the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "Stings that it counts (default: 0)"]
    #[max = 1000]
    stings: Option<u32>,
) -> Result<(), BotError> {
    perform(cx, Typed::new(Kind::Unban, user, reason, stings)).await
}

/// Keep somebody from writing and speaking for a while.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn timeout(
    cx: Context<'_>,
    #[description = "Whom"] user: serenity::UserId,
    #[description = "How long, such as 10m, 2h or 7d; 28 days at most"] length: String,
    #[description = "For the case and the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "Stings that it counts (default: 1)"]
    #[max = 1000]
    stings: Option<u32>,
) -> Result<(), BotError> {
    let length = within(interval(&length), (TimeDelta::seconds(1), LONGEST_TIMEOUT));
    let length = length.ok_or_else(|| {
        BotError::Input(text!(app::reader_language(cx), "sanction-length-timeout"))
    })?;
    let typed = Typed {
        length: Some(length),
        ..Typed::new(Kind::Timeout, user, reason, stings)
    };
    perform(cx, typed).await
}

/// Delete the newest messages of somebody.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
pub(super) async fn prune_user(
    cx: Context<'_>,
    #[description = "Whose"] user: serenity::UserId,
    #[description = "For the audit log"]
    #[max_length = 384]
    reason: String,
    #[description = "So many messages at most (default: 1000)"]
    #[min = 10]
    #[max = 1000]
    max_messages: Option<u32>,
    #[description = "Only those that are younger, such as 2h or 7d (default: 14d)"] from: Option<
        String,
    >,
) -> Result<(), BotError> {
    let own = app::reader_language(cx);
    let wrong = || BotError::Input(text!(own, "sanction-length-prune"));
    let from = match from {
        Some(from) => {
            let bounds = (TimeDelta::seconds(1), TimeDelta::days(3650));
            Some(within(interval(&from), bounds).ok_or_else(wrong)?)
        }
        None => None,
    };
    reply::defer(cx).await?;
    let mut options = json!({"UserID": user.to_string(), "Reason": reason});
    if let Some(most) = max_messages {
        options["MaxMessages"] = most.into();
    }
    if let Some(from) = from {
        options["PruneFrom"] = from.num_seconds().into();
    }
    let data = json!({"ServerID": ids::guild_of(cx)?, "CallerID": ids::user(cx.author().id),
                      "Options": options});
    jobs::run(cx, job_kinds::MESSAGE_PRUNE.name, data).await
}

async fn perform(cx: Context<'_>, typed: Typed) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let sanctions = cx.data().services.get::<Tools>()?.sanctions.clone();
    let language = app::language_here(cx);
    let order = Order {
        guild: ids::guild_of(cx)?,
        by: Some(ids::user(cx.author().id)),
        target: ids::user(typed.target),
        kind: typed.kind,
        reason: typed.reason,
        stings: typed.stings.unwrap_or(typed.kind.default_stings()),
        length: typed.length,
        delete_seconds: typed.delete_days.unwrap_or(0) * DAY,
        cause: format!("interaction:{}", cx.id()),
    };
    let (title, lines) = match sanctions.perform(&order, language).await? {
        Outcome::Refused(why) => return Err(BotError::Input(why)),
        Outcome::Done(done) => {
            let title = text!(language, "case-title", number = done.number.to_string());
            (title, told(language, &order, &done))
        }
    };
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::GREEN);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn told(language: Language, order: &Order, done: &Done) -> Vec<String> {
    let who = format!("<@{}>", order.target);
    let stays = done
        .stays
        .map(|until| format!("<t:{}:f>", until.timestamp()));
    let is_new = stays.is_none();
    let mut lines = vec![match (order.kind, stays) {
        (Kind::Timeout, Some(until)) => {
            text!(language, "sanction-did-stay", who = who, until = until)
        }
        (Kind::Kick, _) => text!(language, "sanction-did-kick", who = who),
        (Kind::Ban, _) => text!(language, "sanction-did-ban", who = who),
        (Kind::TempBan, _) => text!(language, "sanction-did-temp-ban", who = who),
        (Kind::Unban, _) => text!(language, "sanction-did-unban", who = who),
        (Kind::Timeout, None) => text!(language, "sanction-did-timeout", who = who),
    }];
    if let Some(until) = done.ends_at.filter(|_| is_new) {
        let until = format!("<t:{}:f>", until.timestamp());
        lines.push(text!(language, "sanction-until", until = until));
    }
    if order.stings > 0 {
        lines.push(text!(
            language,
            "sanction-stings",
            more = order.stings,
            stings = done.stings
        ));
    }
    if let Some((threshold, came_of_it)) = &done.punished {
        lines.push(punished(language, *threshold, came_of_it));
    }
    lines
}

fn punished(language: Language, threshold: Threshold, came_of_it: &Result<i64, String>) -> String {
    let (stings, what) = (threshold.stings, threshold.kind.name(language));
    match came_of_it {
        Ok(number) => text!(
            language,
            "sanction-punished",
            stings = stings,
            what = what,
            number = number.to_string()
        ),
        Err(why) => text!(
            language,
            "sanction-not-punished",
            stings = stings,
            what = what,
            why = why.as_str()
        ),
    }
}
