//! `/limits`.

use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::json;
use serenity::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use splashtail_antinuke::{Column, LimitType, NEVER, Nearness, Span, State};
use splashtail_core::ids::GuildId;

use super::commands::{delete, set, show_done, unknown};
use super::policy::POINTS;
use super::service::Protection;
use super::settings::LIMITS;
use super::text::number;
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::pages::{self, Pages};
use crate::reply;

/// Fields of one embed (Discord documentation, "Embed Limits").
const FIELDS: usize = 25;
/// Lines of one page.
const PER_PAGE: usize = 10;
/// Of a limit, in hundredths.
const HALF: u32 = 50;

#[derive(Debug, Clone, Copy, poise::ChoiceParameter)]
enum ColumnChoice {
    #[name = "moderators"]
    Moderator,
    #[name = "administrators"]
    Administrator,
    #[name = "bots"]
    Bot,
}

impl From<ColumnChoice> for Column {
    fn from(choice: ColumnChoice) -> Self {
        match choice {
            ColumnChoice::Moderator => Self::Moderator,
            ColumnChoice::Administrator => Self::Administrator,
            ColumnChoice::Bot => Self::Bot,
        }
    }
}

/// See and change what is normal here.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("view", "set_limit", "reset", "hit"),
    subcommand_required
)]
pub async fn limits(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Show what moderators, administrators and bots may do.
#[poise::command(slash_command, guild_only)]
async fn view(
    cx: Context<'_>,
    #[description = "Whose limits"] of: Option<ColumnChoice>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(unknown)?;
    let policy = server.read(|engine, _| engine.policy().clone());
    let column = of.map_or(Column::Moderator, Column::from);
    let mut embed = CreateEmbed::new()
        .title("Limits: in a minute, an hour, a day")
        .colour(colours::GREEN);
    let set = LimitType::ALL.iter().filter_map(|kind| {
        let own = policy.limits.get(kind).and_then(|row| row.get(&column));
        let spans = own.copied().unwrap_or_else(|| kind.default_spans(column));
        let some = spans.0.iter().any(|bound| *bound != NEVER);
        some.then(|| (kind.name(), spans, own.is_some()))
    });
    for (name, spans, own) in set.take(FIELDS) {
        let [minute, hour, day] = spans.0.map(bound);
        let mark = if own { " (set here)" } else { "" };
        embed = embed.field(name, format!("{minute} / {hour} / {day}{mark}"), true);
    }
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn bound(bound: u32) -> String {
    match bound {
        NEVER => "any".to_owned(),
        bound => bound.to_string(),
    }
}

/// Set what is normal of one type.
#[poise::command(slash_command, guild_only, rename = "set")]
async fn set_limit(
    cx: Context<'_>,
    #[description = "Type of act"]
    #[autocomplete = "complete"]
    limit_type: String,
    #[description = "Whose limit"] of: ColumnChoice,
    #[description = "In a minute"]
    #[min = 1]
    #[max = 100_000]
    minute: u32,
    #[description = "In an hour"]
    #[min = 1]
    #[max = 100_000]
    hour: u32,
    #[description = "In a day"]
    #[min = 1]
    #[max = 100_000]
    day: u32,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let kind = kind(&limit_type)?;
    let limit = format!("{}/{}", kind.name(), Column::from(of).name());
    let fields = json!({"limit": limit, "minute": minute, "hour": hour, "day": day});
    let done = set(cx, "limits set", LIMITS, fields).await?;
    let said = format!("`{limit}`: {minute} / {hour} / {day}.");
    show_done(cx, "Limits", &said, &done).await
}

/// Go back to the default of one type.
#[poise::command(slash_command, guild_only)]
async fn reset(
    cx: Context<'_>,
    #[description = "Type of act"]
    #[autocomplete = "complete"]
    limit_type: String,
    #[description = "Whose limit"] of: ColumnChoice,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let kind = kind(&limit_type)?;
    let limit = format!("{}/{}", kind.name(), Column::from(of).name());
    let done = delete(cx, "limits reset", LIMITS, json!({"limit": limit})).await?;
    let said = format!("`{limit}` has its default again.");
    show_done(cx, "Limits", &said, &done).await
}

/// Show who is near a limit now, or beyond it.
#[poise::command(slash_command, guild_only)]
async fn hit(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let protection = cx.data().services.get::<Protection>()?;
    pages::show(cx, Hits { protection, guild }).await
}

/// Whoever used half of a limit or more, as it is when a page is looked at.
struct Hits {
    protection: Arc<Protection>,
    guild: GuildId,
}

#[async_trait]
impl Pages for Hits {
    const PREFIX: &'static str = "hit";

    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError> {
        let server = self.protection.server(self.guild).ok_or_else(unknown)?;
        let now = self.protection.now();
        let near = server.read(|engine, structure| engine.near_limits(HALF, structure, now));
        let count = near.len().div_ceil(PER_PAGE).max(1);
        let shown = near
            .iter()
            .skip(number.saturating_mul(PER_PAGE))
            .take(PER_PAGE);
        let lines: Vec<String> = shown.map(line).collect();
        let text = match lines.is_empty() {
            true => "Nobody is near a limit.".to_owned(),
            false => lines.join("\n"),
        };
        let footer = format!(
            "Page {} of {count}, people and bots: {}",
            number + 1,
            near.len()
        );
        let embed = CreateEmbed::new()
            .title("Near a limit, or beyond it")
            .description(text)
            .footer(serenity::CreateEmbedFooter::new(footer))
            .colour(colours::BLUE);
        let buttons = pages::buttons(Self::PREFIX, number, count);
        Ok(CreateReply::default().embed(embed).components(buttons))
    }
}

/// `<@7>: 5 of 6 ban in an hour (83 %)`
fn line(near: &Nearness) -> String {
    let span = match near.span {
        Span::Minute => "a minute",
        Span::TenMinutes => "ten minutes",
        Span::Hour => "an hour",
        Span::Day => "a day",
    };
    let kind = near.kind.map_or(POINTS, LimitType::name);
    let state = match near.state {
        State::Idle | State::Suspect { .. } => "",
        State::Acting { .. } => ", being stopped",
        State::Contained { .. } => ", stopped",
        State::Unreachable { .. } => ", **could not be stopped**",
        State::Watch { .. } => ", stopped within the last day",
    };
    format!(
        "<@{}>: {} of {} `{kind}` in {span} ({} %){state}",
        near.user,
        number(near.count),
        number(near.limit),
        near.used(),
    )
}

fn kind(name: &str) -> Result<LimitType, BotError> {
    let known = name.trim().parse::<LimitType>();
    known.map_err(|error| BotError::Input(format!("{error}. See `/limits view`.")))
}

#[allow(clippy::unused_async, reason = "the framework wants it so")]
async fn complete(_cx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let typed = typed.to_lowercase();
    let names = LimitType::ALL.iter().map(|kind| kind.name());
    let found = names.filter(|name| name.contains(&typed)).take(FIELDS);
    let choices = found.map(|name| AutocompleteChoice::new(name, name));
    CreateAutocompleteResponse::new().set_choices(choices.collect())
}

#[cfg(test)]
mod tests {
    use splashtail_antinuke::UNIT;
    use splashtail_guild::Id;

    use super::*;

    #[test]
    fn a_line_says_who_and_how_near() {
        let near = Nearness {
            user: Id::new(7),
            kind: Some(LimitType::Ban),
            span: Span::Hour,
            count: 5 * UNIT,
            limit: 6 * UNIT,
            state: State::Idle,
        };
        assert_eq!(line(&near), "<@7>: 5 of 6 `ban` in an hour (83 %)");
        let points = Nearness {
            kind: None,
            span: Span::TenMinutes,
            count: 13 * UNIT / 2,
            state: State::Contained {
                since: splashtail_antinuke::Moment(1),
            },
            ..near
        };
        let expected = "<@7>: 6.5 of 6 `points` in ten minutes (108 %), stopped";
        assert_eq!(line(&points), expected);
    }
}
