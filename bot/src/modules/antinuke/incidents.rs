//! `/incidents`: what was stopped, or would have been, act by act.

use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateActionRow, CreateAttachment, CreateButton, CreateEmbed};
use splashtail_antinuke::{Incident, IncidentState};
use splashtail_core::ids::GuildId;
use splashtail_storage::IncidentRow;

use super::progress::Progress;
use super::service::Protection;
use super::timeline;
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::pages::{self, Pages};
use crate::reply;

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
    let pages = IncidentList {
        protection: cx.data().services.get()?,
        guild: ids::guild_of(cx)?,
        starts: vec![None],
    };
    pages::show(cx, pages).await
}

/// Show one: who did what, and what was done about it.
#[poise::command(slash_command, guild_only)]
async fn view(
    cx: Context<'_>,
    #[description = "Its id, from /incidents list"] incident: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (protection, incident) = find(cx, &incident).await?;
    let put_back = protection.put_backs.get(ids::guild_of(cx)?, incident.id);
    let mut lines = head(&incident);
    lines.extend(put_back.as_ref().map(Progress::text));
    let all = timeline::lines(&incident);
    let hidden = all.len().saturating_sub(SHOWN);
    lines.push(String::new());
    lines.extend(all.into_iter().take(SHOWN));
    if hidden > 0 {
        lines.push(format!("… and {hidden} more: `/incidents export` has all."));
    }
    let embed = CreateEmbed::new()
        .title(format!("Incident {}", incident.id))
        .description(joined(&lines))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
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
    let (bytes, extension) = match format.unwrap_or(Format::Text) {
        Format::Text => (document(&incident).into_bytes(), "txt"),
        Format::Json => {
            let json = serde_json::to_vec_pretty(&incident);
            (json.map_err(|_| unreadable(incident.id))?, "json")
        }
    };
    let name = format!("incident-{}.{extension}", incident.id);
    let reply = CreateReply::default()
        .content(format!("Incident {}.", incident.id))
        .attachment(CreateAttachment::bytes(bytes, name));
    reply::answer(cx, reply).await?;
    Ok(())
}

/// As the engine has it, else as it was written down.
async fn find(cx: Context<'_>, typed: &str) -> Result<(Arc<Protection>, Incident), BotError> {
    let guild = ids::guild_of(cx)?;
    let protection = cx.data().services.get::<Protection>()?;
    let id: splashtail_guild::Id = typed.trim().parse().map_err(|_| {
        BotError::Input(
            "That is not the id of an incident. `/incidents list` shows them.".to_owned(),
        )
    })?;
    let live = protection.server(guild).and_then(|server| {
        server.read(|engine, _| engine.incidents().find(|i| i.id == id).cloned())
    });
    if let Some(incident) = live {
        return Ok((protection, incident));
    }
    let store = protection.storage.protections();
    let row = store.incident(guild, id.get().cast_signed()).await?;
    let row = row.ok_or_else(|| {
        BotError::Input("There is no such incident here. `/incidents list` shows them.".to_owned())
    })?;
    let incident = serde_json::from_str(&row.document).map_err(|_| unreadable(id))?;
    Ok((protection, incident))
}

fn unreadable(id: splashtail_guild::Id) -> BotError {
    BotError::Input(format!(
        "Incident {id} was written by another version of me and cannot be read."
    ))
}

struct IncidentList {
    protection: Arc<Protection>,
    guild: GuildId,
    /// Where each page that was reached begins: behind this incident.
    starts: Vec<Option<i64>>,
}

#[async_trait]
impl Pages for IncidentList {
    const PREFIX: &'static str = "inlist";

    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError> {
        let number = number.min(self.starts.len() - 1);
        // One more than a page holds tells whether another page follows.
        let limit = PER_PAGE as u32 + 1;
        let store = self.protection.storage.protections();
        let mut rows = store
            .incidents(self.guild, self.starts[number], limit)
            .await?;
        let more = rows.len() > PER_PAGE;
        rows.truncate(PER_PAGE);
        if let Some(last) = rows.last().filter(|_| more) {
            self.starts.truncate(number + 1);
            self.starts.push(Some(last.incident));
        }
        let text = match (rows.is_empty(), number) {
            (true, 0) => "Nothing so far.".to_owned(),
            (true, _) => "There are no more.".to_owned(),
            (false, _) => joined(&rows.iter().map(line_of_row).collect::<Vec<_>>()),
        };
        let embed = CreateEmbed::new()
            .title("Incidents")
            .description(text)
            .colour(colours::BLUE);
        let reply = CreateReply::default().embed(embed);
        Ok(reply.components(turning(Self::PREFIX, number, more)))
    }
}

/// None when there is only one page.
fn turning(prefix: &str, page: usize, more: bool) -> Vec<CreateActionRow> {
    if page == 0 && !more {
        return Vec::new();
    }
    let previous = match page.checked_sub(1) {
        Some(target) => CreateButton::new(format!("{prefix}:{target}")),
        None => CreateButton::new(format!("{prefix}:none")).disabled(true),
    };
    let next = CreateButton::new(format!("{prefix}:{}", page + 1)).disabled(!more);
    vec![CreateActionRow::Buttons(vec![
        previous.label("Newer"),
        next.label("Older"),
    ])]
}

fn line_of_row(row: &IncidentRow) -> String {
    match serde_json::from_str::<Incident>(&row.document) {
        Ok(incident) => line(&incident),
        // Written by another version of this program.
        Err(_) => format!("`{}` {}", row.incident, row.state),
    }
}

/// One line of the list.
pub(super) fn line(incident: &Incident) -> String {
    let at = incident.times.act.unix_ms() / 1000;
    format!(
        "`{}` <t:{at}:R> {}: {} acts, {}",
        incident.id,
        who(incident),
        incident.acts_in_all,
        state(incident.state)
    )
}

fn who(incident: &Incident) -> String {
    let some = incident.suspects.iter().take(3);
    let some: Vec<String> = some.map(|suspect| format!("<@{}>", suspect.id)).collect();
    let more = incident.suspects.len().saturating_sub(some.len());
    match (some.is_empty(), more) {
        (true, _) => "nobody known".to_owned(),
        (false, 0) => some.join(", "),
        (false, more) => format!("{} and {more} more", some.join(", ")),
    }
}

const fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::DryRun => "would have been stopped",
        IncidentState::Contained => "stopped",
        IncidentState::Unreachable | IncidentState::Failed => "**not stopped**",
        IncidentState::Open | IncidentState::Containing => "under way",
        IncidentState::Returned => "given back",
        IncidentState::Closed => "closed",
    }
}

fn head(incident: &Incident) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", who(incident), state(incident.state))];
    lines.extend(timeline::times(incident));
    lines
}

/// Everything, for a file.
fn document(incident: &Incident) -> String {
    let mut lines = vec![format!("Incident {}", incident.id)];
    lines.extend(head(incident));
    lines.push(String::new());
    lines.extend(timeline::lines(incident));
    let recorded = u32::try_from(incident.acts.len()).unwrap_or(u32::MAX);
    if incident.acts_in_all > recorded {
        lines.push(format!(
            "{} more acts were counted and not kept.",
            incident.acts_in_all - recorded
        ));
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
