//! `/case`: what was done to people here, and what is said about it.

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::CreateEmbed;
use splashtail_core::ids::GuildId;
use splashtail_storage::{CaseEnding, CaseNote, CaseRow};

use super::Tools;
use super::sanction::Kind;
use super::sanctions::Sanctions;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{neutralise, shorten};
use crate::reply;
use crate::text;

/// Cases of one answer.
const LISTED: u32 = 15;
/// Of a reason in a list, in characters.
const SHORT: usize = 80;

/// What was done to people here, by number.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("view", "list", "note", "void"),
    subcommand_required
)]
pub(super) async fn case(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See a case with its notes.
#[poise::command(slash_command, guild_only)]
async fn view(
    cx: Context<'_>,
    #[description = "Its number"]
    #[min = 1]
    number: i64,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let sanctions = cx.data().services.get::<Tools>()?.sanctions.clone();
    let case = known(cx, &sanctions, guild, number).await?;
    let mut lines = about(language, &case);
    for note in sanctions.storage.cases().notes(guild, number).await? {
        let at = format!("<t:{}:f>", note.at.timestamp());
        let (author, said) = (format!("<@{}>", note.author), neutralise(&note.note));
        lines.push(text!(
            language,
            "case-note",
            author = author,
            at = at,
            note = said
        ));
    }
    show(
        cx,
        text!(language, "case-title", number = number.to_string()),
        lines,
    )
    .await
}

/// See the latest cases, of everybody or of one person.
#[poise::command(slash_command, guild_only)]
async fn list(
    cx: Context<'_>,
    #[description = "Whose; an id is enough"] user: Option<serenity::UserId>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let sanctions = cx.data().services.get::<Tools>()?.sanctions.clone();
    let store = sanctions.storage.cases();
    let target = user.map(ids::user);
    let cases = store.cases(guild, target, LISTED).await?;
    let mut lines: Vec<String> = cases.iter().map(|case| line(language, case)).collect();
    if lines.is_empty() {
        lines.push(text!(language, "case-none"));
    }
    if let Some(target) = target {
        let stings = store.stings(guild, target, cx.data().clock.now()).await?;
        lines.push(text!(language, "case-stings", stings = stings));
    }
    show(cx, text!(language, "case-list-title"), lines).await
}

/// Add to what is said about a case.
#[poise::command(slash_command, guild_only)]
async fn note(
    cx: Context<'_>,
    #[description = "Its number"]
    #[min = 1]
    number: i64,
    #[description = "What there is to say; nobody can change it later"]
    #[max_length = 1000]
    note: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let sanctions = cx.data().services.get::<Tools>()?.sanctions.clone();
    let note = CaseNote {
        author: ids::user(cx.author().id),
        note,
        at: cx.data().clock.now(),
    };
    if !sanctions.storage.cases().note(guild, number, &note).await? {
        return Err(no_case(cx, number));
    }
    let title = text!(language, "case-title", number = number.to_string());
    show(cx, title, vec![text!(language, "case-noted")]).await
}

/// Say that a case was a mistake: it counts no more, and nothing of it ends by itself.
#[poise::command(slash_command, guild_only)]
async fn void(
    cx: Context<'_>,
    #[description = "Its number"]
    #[min = 1]
    number: i64,
    #[description = "Why"]
    #[max_length = 384]
    reason: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let sanctions = cx.data().services.get::<Tools>()?.sanctions.clone();
    known(cx, &sanctions, guild, number).await?;
    let said = match sanctions
        .storage
        .cases()
        .void(guild, number, &reason)
        .await?
    {
        true => text!(language, "case-voided"),
        false => text!(language, "case-void-already"),
    };
    let title = text!(language, "case-title", number = number.to_string());
    show(cx, title, vec![said]).await
}

async fn known(
    cx: Context<'_>,
    sanctions: &Sanctions,
    guild: GuildId,
    number: i64,
) -> Result<CaseRow, BotError> {
    let case = sanctions.storage.cases().case(guild, number).await?;
    case.ok_or_else(|| no_case(cx, number))
}

fn no_case(cx: Context<'_>, number: i64) -> BotError {
    let number = number.to_string();
    BotError::Input(text!(
        app::reader_language(cx),
        "case-unknown",
        number = number
    ))
}

fn kind(language: Language, case: &CaseRow) -> String {
    Kind::of(&case.kind).map_or_else(|| case.kind.clone(), |kind| kind.name(language))
}

fn line(language: Language, case: &CaseRow) -> String {
    let reason = shorten(&case.reason, SHORT);
    let said = text!(
        language,
        "case-line",
        number = case.number.to_string(),
        kind = kind(language, case),
        who = format!("<@{}>", case.target),
        at = format!("<t:{}:d>", case.at.timestamp()),
        reason = neutralise(&reason)
    );
    match case.void_reason {
        Some(_) => format!("~~{said}~~"),
        None => said,
    }
}

fn about(language: Language, case: &CaseRow) -> Vec<String> {
    let at = format!("<t:{}:f>", case.at.timestamp());
    let who = format!("<@{}>", case.target);
    let mut lines = vec![text!(
        language,
        "case-what",
        kind = kind(language, case),
        who = who,
        at = at
    )];
    lines.push(match (case.moderator, case.source.as_str()) {
        (_, "rule") => text!(language, "case-by-rule"),
        (Some(by), "outside") => text!(language, "case-by-outside", by = format!("<@{by}>")),
        (Some(by), _) => text!(language, "case-by", by = format!("<@{by}>")),
        (None, _) => text!(language, "case-by-nobody"),
    });
    if !case.reason.is_empty() {
        lines.push(text!(
            language,
            "case-reason",
            reason = neutralise(&case.reason)
        ));
    }
    if case.stings > 0 {
        lines.push(text!(language, "case-counts", stings = case.stings));
    }
    if let Some(ends_at) = case.ends_at {
        let at = format!("<t:{}:f>", ends_at.timestamp());
        lines.push(match case.ending {
            Some(CaseEnding::Done) => text!(language, "case-ended"),
            Some(CaseEnding::Superseded) => text!(language, "case-superseded"),
            _ => text!(language, "case-ends", at = at),
        });
    }
    if case.is_unsure && case.void_reason.is_none() {
        lines.push(text!(language, "case-unsure"));
    }
    if let Some(why) = &case.void_reason {
        lines.push(text!(language, "case-void", why = neutralise(why)));
    }
    lines
}

async fn show(cx: Context<'_>, title: String, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
