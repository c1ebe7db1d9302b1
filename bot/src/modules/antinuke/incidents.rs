//! `/incidents`: what was stopped, or would have been, act by act.

use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateAttachment, CreateEmbed};
use splashtail_antinuke::{Incident, IncidentKind, IncidentState};
use splashtail_core::ids::GuildId;
use splashtail_guild::Id;
use splashtail_storage::IncidentRow;

use super::service::Protection;
use super::text::{acts, rule};
use super::timeline;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::pages::{self, Pages, Reader};
use crate::reply;
use crate::text;

const PER_PAGE: usize = 10;
/// Lines of the timeline that a message shows.
const SHOWN: usize = 25;
/// Characters of an embed's description (Discord documentation, "Embed Limits").
const DESCRIPTION: usize = 4000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, poise::ChoiceParameter)]
enum Format {
    #[name = "text: for people"]
    Text,
    #[name = "JSON: for programs, with everything"]
    Json,
}

/// What was stopped here, or would have been.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("list", "view", "export"),
    subcommand_required
)]
pub async fn incidents(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// List them, newest first.
#[poise::command(slash_command, guild_only)]
async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    pages::show::<IncidentList>(cx, "").await
}

/// Show one: who did what, and what was done about it.
#[poise::command(slash_command, guild_only)]
async fn view(
    cx: Context<'_>,
    #[description = "Its id, from /incidents list"] incident: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (protection, incident) = find(cx, &incident).await?;
    let language = app::language_here(cx);
    let guild = ids::guild_of(cx)?;
    let lines = details(&protection, guild, language, &incident).await;
    let embed = CreateEmbed::new()
        .title(text!(
            language,
            "incident-foot",
            id = incident.id.to_string()
        ))
        .description(joined(&lines))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

/// Who did what, and what was done about it.
pub(super) async fn details(
    protection: &Protection,
    guild: GuildId,
    language: Language,
    incident: &Incident,
) -> Vec<String> {
    let put_back = protection.put_backs.get(guild, incident.id);
    let mut lines = head(language, incident);
    lines.extend(put_back.map(|put_back| put_back.text(language)));
    lines.extend(protection.backup_found(language, guild, incident.id).await);
    let all = timeline::lines(language, incident);
    let hidden = all.len().saturating_sub(SHOWN);
    lines.push(String::new());
    lines.extend(all.into_iter().take(SHOWN));
    if hidden > 0 {
        lines.push(text!(language, "incidents-more-lines", hidden = hidden));
    }
    lines
}

/// Save all of one as a file.
#[poise::command(slash_command, guild_only)]
async fn export(
    cx: Context<'_>,
    #[description = "Its id, from /incidents list"] incident: String,
    #[description = "What kind of file (default: text)"] format: Option<Format>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (_, incident) = find(cx, &incident).await?;
    let language = app::language_here(cx);
    let (bytes, extension) = match format.unwrap_or(Format::Text) {
        Format::Text => (document(language, &incident).into_bytes(), "txt"),
        Format::Json => {
            let json = serde_json::to_vec_pretty(&incident);
            (json.map_err(|_| unreadable(language, incident.id))?, "json")
        }
    };
    let name = format!("incident-{}.{extension}", incident.id);
    let reply = CreateReply::default()
        .content(text!(
            language,
            "incident-foot",
            id = incident.id.to_string()
        ))
        .attachment(CreateAttachment::bytes(bytes, name));
    reply::answer(cx, reply).await?;
    Ok(())
}

async fn find(cx: Context<'_>, typed: &str) -> Result<(Arc<Protection>, Incident), BotError> {
    let guild = ids::guild_of(cx)?;
    let protection = cx.data().services.get::<Protection>()?;
    let language = app::reader_language(cx);
    let id: Id = typed
        .trim()
        .parse()
        .map_err(|_| BotError::Input(text!(language, "incidents-no-id")))?;
    let incident = known(&protection, guild, language, id).await?;
    Ok((protection, incident))
}

/// As the engine has it, else as it was written down.
pub(super) async fn known(
    protection: &Protection,
    guild: GuildId,
    language: Language,
    id: Id,
) -> Result<Incident, BotError> {
    let live = protection
        .server(guild)
        .and_then(|server| server.read(|engine, _| engine.incident(id).cloned()));
    if let Some(incident) = live {
        return Ok(incident);
    }
    let store = protection.storage.protections();
    let row = store.incident(guild, id.get().cast_signed()).await?;
    let row = row.ok_or_else(|| BotError::Input(text!(language, "incidents-unknown")))?;
    serde_json::from_str(&row.document).map_err(|_| unreadable(language, id))
}

fn unreadable(language: Language, id: Id) -> BotError {
    BotError::Input(text!(language, "incidents-unreadable", id = id.to_string()))
}

pub(super) struct IncidentList;

#[async_trait]
impl Pages for IncidentList {
    const PREFIX: &'static str = "inlist";

    fn command(_: &str) -> Option<String> {
        pages::command("incidents list")
    }

    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError> {
        let protection = reader.app.services.get::<Protection>()?;
        let (guild, store) = (reader.guild()?, protection.storage.protections());
        let (mut after, mut at) = (None, 0);
        let (rows, more) = loop {
            // One more than a page holds tells whether another page follows.
            let mut rows = store.incidents(guild, after, PER_PAGE as u32 + 1).await?;
            let more = rows.len() > PER_PAGE;
            rows.truncate(PER_PAGE);
            match rows.last().filter(|_| more && at < number) {
                Some(last) => after = Some(last.incident),
                None => break (rows, more),
            }
            at += 1;
        };
        let language = reader.turning.language;
        let text = match (rows.is_empty(), at) {
            (true, 0) => text!(language, "incidents-none"),
            (true, _) => text!(language, "incidents-no-more"),
            (false, _) => {
                let lines = rows.iter().map(|row| line_of_row(language, row));
                joined(&lines.collect::<Vec<_>>())
            }
        };
        let embed = CreateEmbed::new()
            .title(text!(language, "incidents-title"))
            .description(text)
            .colour(colours::BLUE);
        let reply = CreateReply::default().embed(embed);
        Ok(reply.components(reader.turning.buttons(Self::PREFIX, at, more)))
    }
}

fn line_of_row(language: Language, row: &IncidentRow) -> String {
    match serde_json::from_str::<Incident>(&row.document) {
        Ok(incident) => line(language, &incident),
        // Written by another version of this program.
        Err(_) => format!("`{}` {}", row.incident, row.state),
    }
}

/// One line of the list.
fn line(language: Language, incident: &Incident) -> String {
    let at = incident.times.act.unix_ms() / 1000;
    text!(
        language,
        "incidents-line",
        id = incident.id.to_string(),
        when = format!("<t:{at}:R>"),
        who = who(language, incident),
        acts = deeds(language, incident),
        state = state(language, incident.state)
    )
}

fn who(language: Language, incident: &Incident) -> String {
    let some = incident.suspects.iter().take(3);
    let some: Vec<String> = some.map(|suspect| format!("<@{}>", suspect.id)).collect();
    let more = incident.suspects.len().saturating_sub(some.len());
    match (some.is_empty(), more) {
        (true, _) => nobody(language, incident),
        (false, 0) => some.join(", "),
        (false, more) => text!(
            language,
            "incident-and-more",
            people = some.join(", "),
            more = more
        ),
    }
}

/// Whom it is about when nobody is held responsible.
fn nobody(language: Language, incident: &Incident) -> String {
    match incident.kind {
        _ if incident.asked_for => text!(language, "incidents-asked-for"),
        IncidentKind::Webhook => text!(language, "incidents-webhook"),
        IncidentKind::SelfToken => text!(language, "incidents-own-token"),
        _ => text!(language, "incidents-nobody"),
    }
}

/// How many acts; of what leaves none, what was seen.
fn deeds(language: Language, incident: &Incident) -> String {
    match (incident.acts_in_all, incident.rules.first()) {
        (0, Some(seen)) => {
            let seen = rule(language, seen);
            seen.trim_end_matches('.').to_owned()
        }
        (0, None) if incident.panic => text!(language, "incidents-panic"),
        _ => acts(language, incident),
    }
}

fn state(language: Language, state: IncidentState) -> String {
    match state {
        IncidentState::DryRun => text!(language, "incidents-would-stop"),
        IncidentState::Contained => text!(language, "incidents-stopped"),
        IncidentState::Unreachable | IncidentState::Failed => {
            text!(language, "incidents-not-stopped")
        }
        IncidentState::Open | IncidentState::Containing => text!(language, "incidents-under-way"),
        IncidentState::Returned => text!(language, "incidents-given-back"),
        IncidentState::Closed => text!(language, "incidents-closed"),
    }
}

fn head(language: Language, incident: &Incident) -> Vec<String> {
    let (who, state) = (who(language, incident), state(language, incident.state));
    let mut lines = vec![format!("{who}: {state}")];
    lines.extend(timeline::times(language, incident));
    lines
}

/// Everything, for a file.
fn document(language: Language, incident: &Incident) -> String {
    let mut lines = vec![text!(
        language,
        "incident-foot",
        id = incident.id.to_string()
    )];
    lines.extend(head(language, incident));
    lines.push(String::new());
    lines.extend(timeline::lines(language, incident));
    let recorded = u32::try_from(incident.acts.len()).unwrap_or(u32::MAX);
    if incident.acts_in_all > recorded {
        let more = incident.acts_in_all - recorded;
        lines.push(text!(language, "incidents-more-acts", more = more));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn joined(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        if text.chars().count() + line.chars().count() + 1 > DESCRIPTION {
            text.push('…');
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}
