//! `/limits`.

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::json;
use serenity::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use splashtail_antinuke::{Column, LimitType, NEVER, Nearness, Span, State};

use super::commands::{delete, set, show_done, unknown};
use super::policy::POINTS;
use super::service::Protection;
use super::settings::LIMITS;
use super::text::number;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::shorten;
use crate::pages::{self, Pages, Reader};
use crate::reply;
use crate::text;

/// Fields of one embed (Discord documentation, "Embed Limits").
const FIELDS: usize = 25;
/// Lines of one page.
const PER_PAGE: usize = 10;
/// Longest name that is quoted.
const NAME: usize = 50;
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
    let language = app::language_here(cx);
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let policy = server.read(|engine, _| engine.policy().clone());
    let column = of.map_or(Column::Moderator, Column::from);
    let mut embed = CreateEmbed::new()
        .title(text!(language, "limits-view-title"))
        .colour(colours::GREEN);
    let set = LimitType::ALL.iter().filter_map(|kind| {
        let own = policy.limits.get(kind).and_then(|row| row.get(&column));
        let spans = own.copied().unwrap_or_else(|| kind.default_spans(column));
        let some = spans.0.iter().any(|bound| *bound != NEVER);
        some.then(|| (kind.name(), spans, own.is_some()))
    });
    for (name, spans, own) in set.take(FIELDS) {
        let spans = spans.0.map(|span| bound(language, span)).join(" / ");
        let spans = match own {
            true => text!(language, "limits-own", spans = spans),
            false => spans,
        };
        embed = embed.field(name, spans, true);
    }
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn bound(language: Language, bound: u32) -> String {
    match bound {
        NEVER => text!(language, "limits-any"),
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
    let kind = kind(app::reader_language(cx), &limit_type)?;
    let limit = format!("{}/{}", kind.name(), Column::from(of).name());
    let fields = json!({"limit": limit, "minute": minute, "hour": hour, "day": day});
    let done = set(cx, "limits set", LIMITS, fields).await?;
    let language = app::language_here(cx);
    let said = text!(
        language,
        "limits-set",
        limit = limit,
        minute = minute,
        hour = hour,
        day = day
    );
    show_done(cx, text!(language, "limits-title"), said, &done).await
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
    let kind = kind(app::reader_language(cx), &limit_type)?;
    let limit = format!("{}/{}", kind.name(), Column::from(of).name());
    let done = delete(cx, "limits reset", LIMITS, json!({"limit": limit})).await?;
    let language = app::language_here(cx);
    let said = text!(language, "limits-reset", limit = limit);
    show_done(cx, text!(language, "limits-title"), said, &done).await
}

/// Show who is near a limit now, or beyond it.
#[poise::command(slash_command, guild_only)]
async fn hit(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    pages::show::<Hits>(cx, "").await
}

/// Whoever used half of a limit or more, as it is when a page is looked at.
pub(super) struct Hits;

#[async_trait]
impl Pages for Hits {
    const PREFIX: &'static str = "hit";

    fn command(_: &str) -> Option<String> {
        pages::command("limits hit")
    }

    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError> {
        let protection = reader.app.services.get::<Protection>()?;
        let language = reader.turning.language;
        let server = protection.server(reader.guild()?);
        let server = server.ok_or_else(|| unknown(language))?;
        let now = protection.now();
        let near = server.read(|engine, structure| engine.near_limits(HALF, structure, now));
        let count = near.len().div_ceil(PER_PAGE).max(1);
        let shown = near
            .iter()
            .skip(number.saturating_mul(PER_PAGE))
            .take(PER_PAGE);
        let lines: Vec<String> = shown.map(|near| line(language, near)).collect();
        let text = match lines.is_empty() {
            true => text!(language, "limits-near-none"),
            false => lines.join("\n"),
        };
        let footer = text!(
            language,
            "limits-near-foot",
            page = reader.turning.of(number, count),
            count = near.len()
        );
        let embed = CreateEmbed::new()
            .title(text!(language, "limits-near-title"))
            .description(text)
            .footer(serenity::CreateEmbedFooter::new(footer))
            .colour(colours::BLUE);
        let buttons = reader
            .turning
            .buttons(Self::PREFIX, number, number + 1 < count);
        Ok(CreateReply::default().embed(embed).components(buttons))
    }
}

/// `<@7>: 5 of 6 ban in an hour (83 %)`
fn line(language: Language, near: &Nearness) -> String {
    let span = match near.span {
        Span::Minute => text!(language, "span-minute"),
        Span::TenMinutes => text!(language, "span-ten-minutes"),
        Span::Hour => text!(language, "span-hour"),
        Span::Day => text!(language, "span-day"),
    };
    let line = text!(
        language,
        "limits-near",
        who = format!("<@{}>", near.user),
        count = number(language, near.count),
        limit = number(language, near.limit),
        kind = near.kind.map_or(POINTS, LimitType::name),
        span = span,
        used = near.used()
    );
    let state = match near.state {
        State::Idle | State::Suspect { .. } => return line,
        State::Acting { .. } => text!(language, "limits-being-stopped"),
        State::Contained { .. } => text!(language, "limits-stopped"),
        State::Unreachable { .. } => text!(language, "limits-not-stopped"),
        State::Watch { .. } => text!(language, "limits-watched"),
    };
    text!(language, "limits-near-state", line = line, state = state)
}

fn kind(language: Language, name: &str) -> Result<LimitType, BotError> {
    let known = name.trim().parse::<LimitType>();
    known.map_err(|_| {
        let kind = shorten(name, NAME).replace('`', "'");
        BotError::Input(text!(language, "limits-unknown", kind = kind))
    })
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
        assert_eq!(
            line(Language::English, &near),
            "<@7>: 5 of 6 `ban` in an hour (83 %)"
        );
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
        assert_eq!(line(Language::English, &points), expected);
    }
}
