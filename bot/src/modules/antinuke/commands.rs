//! `/protection` and `/limits`.

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use splashtail_antinuke::{
    Column, Incident, IncidentState, LimitType, MAX_TRUSTED, Mode, NEVER, Policy, Spans, owner,
};
use splashtail_core::ids::GuildId;
use splashtail_guild::Id;

use super::service::{ChangeError, NoIdentity, Protection};
use crate::app::Context;
use crate::catalogue::{self, Language};
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{cut, neutralise};
use crate::reply;
use crate::text;

const LISTED: u32 = 10;
/// Fields of one embed (Discord documentation, "Embed Limits").
const FIELDS: usize = 25;

#[derive(Debug, Clone, Copy, poise::ChoiceParameter)]
enum ModeChoice {
    #[name = "off: nothing is judged"]
    Off,
    #[name = "dry run: judged and written down"]
    DryRun,
    #[name = "on: attackers are stopped"]
    On,
}

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

/// What stops somebody who tears this server down.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("status", "mode", "alerts", "trust", "untrust", "incidents"),
    subcommand_required
)]
pub async fn protection(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See whether protection is on and what it lacks.
#[poise::command(slash_command, guild_only)]
async fn status(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let (policy, coverage, audit) = server.read(|engine, structure| {
        let audit = engine.may_read_audit_log(structure);
        (engine.policy().clone(), structure.coverage(), audit)
    });
    let mut lines = vec![match policy.mode {
        Mode::On => text!(language, "protection-is-on"),
        Mode::DryRun => text!(language, "protection-is-dry-run"),
        Mode::Off => text!(language, "protection-is-off"),
    }];
    lines.push(match policy.alert_channel {
        Some(channel) => {
            text!(
                language,
                "protection-alerts-to",
                channel = format!("<#{channel}>")
            )
        }
        None => text!(language, "protection-no-alerts"),
    });
    if !audit {
        lines.push(text!(language, "protection-no-audit-log"));
    }
    let (all, seen) = coverage;
    if seen < all {
        lines.push(text!(
            language,
            "protection-coverage",
            seen = seen,
            all = all
        ));
    }
    let trusted = policy.trusted.users.iter().map(|id| format!("<@{id}>"));
    let roles = policy.trusted.roles.iter().map(|id| format!("<@&{id}>"));
    let trusted: Vec<String> = trusted.chain(roles).take(20).collect();
    if !trusted.is_empty() {
        lines.push(text!(
            language,
            "protection-trusted",
            who = trusted.join(", ")
        ));
    }
    show(cx, text!(language, "protection-title"), lines).await
}

/// Switch protection on, off or to a dry run.
#[poise::command(slash_command, guild_only)]
async fn mode(
    cx: Context<'_>,
    #[description = "What protection does"] mode: ModeChoice,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let mode = match mode {
        ModeChoice::Off => Mode::Off,
        ModeChoice::DryRun => Mode::DryRun,
        ModeChoice::On => Mode::On,
    };
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-mode")
    })?;
    change(cx, guild, |policy| policy.mode = mode).await?;
    let said = match mode {
        Mode::On => text!(language, "protection-now-on"),
        Mode::DryRun => text!(language, "protection-now-dry-run"),
        Mode::Off => text!(language, "protection-now-off"),
    };
    show(cx, text!(language, "protection-title"), vec![said]).await
}

/// Choose where alerts go.
#[poise::command(slash_command, guild_only)]
async fn alerts(
    cx: Context<'_>,
    #[description = "A channel that only staff can read"] channel: serenity::ChannelId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-alerts")
    })?;
    let id = Id::new(channel.get());
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let known = server.read(|_, structure| {
        structure.get(splashtail_guild::Kind::Channel, id).is_some() && !structure.is_hidden(id)
    });
    if !known {
        return Err(BotError::Input(text!(
            language,
            "protection-channel-hidden"
        )));
    }
    change(cx, guild, |policy| policy.alert_channel = Some(id)).await?;
    let said = text!(
        language,
        "protection-alerts-to",
        channel = format!("<#{id}>")
    );
    show(cx, text!(language, "protection-title"), vec![said]).await
}

/// Never stop somebody; what they do only raises an alarm.
#[poise::command(slash_command, guild_only)]
async fn trust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-trust")
    })?;
    let id = Id::new(user.get());
    let policy = change(cx, guild, |policy| {
        if policy.trusted.users.len() < MAX_TRUSTED {
            policy.trusted.users.insert(id);
        }
    });
    let said = match policy.await?.trusted.users.contains(&id) {
        true => text!(language, "protection-trusts", who = format!("<@{id}>")),
        false => text!(language, "protection-trusts-enough", most = MAX_TRUSTED),
    };
    show(cx, text!(language, "protection-title"), vec![said]).await
}

/// Treat somebody as everybody else again.
#[poise::command(slash_command, guild_only)]
async fn untrust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-untrust")
    })?;
    let id = Id::new(user.get());
    change(cx, guild, |policy| {
        policy.trusted.users.remove(&id);
    })
    .await?;
    let said = text!(language, "protection-trusts-not", who = format!("<@{id}>"));
    show(cx, text!(language, "protection-title"), vec![said]).await
}

/// List what was stopped, or would have been.
#[poise::command(slash_command, guild_only)]
async fn incidents(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let protection = cx.data().services.get::<Protection>()?;
    let store = protection.storage.protections();
    let rows = store.incidents(guild, None, LISTED).await?;
    let lines = rows.iter().map(|row| {
        match serde_json::from_str::<Incident>(&row.document) {
            Ok(incident) => line(language, &incident),
            // Written by another version of this program.
            Err(_) => format!("`{}` {}", row.incident, row.state),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        lines.push(text!(language, "incidents-none"));
    }
    show(cx, text!(language, "incidents-title"), lines).await
}

fn line(language: Language, incident: &Incident) -> String {
    let who: Vec<String> = incident
        .suspects
        .iter()
        .take(3)
        .map(|suspect| format!("<@{}>", suspect.id))
        .collect();
    let who = match who.is_empty() {
        true => text!(language, "incidents-nobody"),
        false => who.join(", "),
    };
    let state = match incident.state {
        IncidentState::DryRun => text!(language, "incident-state-dry-run"),
        IncidentState::Contained => text!(language, "incident-state-contained"),
        IncidentState::Unreachable | IncidentState::Failed => {
            text!(language, "incident-state-not-stopped")
        }
        IncidentState::Open | IncidentState::Containing => {
            text!(language, "incident-state-under-way")
        }
        IncidentState::Returned => text!(language, "incident-state-returned"),
        IncidentState::Closed => text!(language, "incident-state-closed"),
    };
    let at = incident.times.act.unix_ms() / 1000;
    text!(
        language,
        "incidents-line",
        when = format!("<t:{at}:R>"),
        who = who,
        acts = incident.acts_in_all,
        state = state
    )
}

/// See and change what is normal here.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("view", "set", "reset"),
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
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let policy = server.read(|engine, _| engine.policy().clone());
    let column = of.map_or(Column::Moderator, Column::from);
    let mut embed = CreateEmbed::new()
        .title(text!(language, "limits-title"))
        .colour(colours::GREEN);
    let set = LimitType::ALL.iter().filter_map(|kind| {
        let own = policy.limits.get(kind).and_then(|row| row.get(&column));
        let spans = own.copied().unwrap_or_else(|| kind.default_spans(column));
        let some = spans.0.iter().any(|bound| *bound != NEVER);
        some.then(|| (kind.name(), spans, own.is_some()))
    });
    for (name, spans, own) in set.take(FIELDS) {
        let [minute, hour, day] = spans.0.map(|most| bound(language, most));
        let bounds = match own {
            true => text!(
                language,
                "limits-row-set",
                minute = minute,
                hour = hour,
                day = day
            ),
            false => text!(
                language,
                "limits-row",
                minute = minute,
                hour = hour,
                day = day
            ),
        };
        embed = embed.field(name, bounds, true);
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
#[poise::command(slash_command, guild_only)]
async fn set(
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
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let kind = kind(language, &limit_type)?;
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-limits")
    })?;
    let bounds = [minute, hour, day];
    let column = Column::from(of);
    change(cx, guild, |policy| {
        let row = policy.limits.entry(kind).or_default();
        row.insert(column, Spans(bounds));
    })
    .await?;
    let said = text!(
        language,
        "limits-set",
        kind = kind.name(),
        minute = minute,
        hour = hour,
        day = day
    );
    show(cx, text!(language, "limits-heading"), vec![said]).await
}

/// Go back to the default of one type.
#[poise::command(slash_command, guild_only)]
async fn reset(
    cx: Context<'_>,
    #[description = "Type of act"]
    #[autocomplete = "complete"]
    limit_type: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, catalogue::of_server(cx));
    let kind = kind(language, &limit_type)?;
    owner_only(cx, guild, |language| {
        text!(language, "protection-owner-limits")
    })?;
    change(cx, guild, |policy| {
        policy.limits.remove(&kind);
    })
    .await?;
    let said = text!(language, "limits-reset", kind = kind.name());
    show(cx, text!(language, "limits-heading"), vec![said]).await
}

fn kind(language: Language, name: &str) -> Result<LimitType, BotError> {
    let known = name.trim().parse::<LimitType>();
    known.map_err(|_| {
        let typed = neutralise(cut(name.trim(), 50));
        BotError::Input(text!(language, "limits-no-type", kind = typed))
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

async fn change(
    cx: Context<'_>,
    guild: GuildId,
    change: impl Fn(&mut Policy) + Send + Sync,
) -> Result<std::sync::Arc<Policy>, BotError> {
    let language = catalogue::of_server(cx);
    let protection = cx.data().services.get::<Protection>()?;
    let changed = protection.change(guild, change).await;
    changed.map_err(|error| change_refused(language, error))
}

/// What is said when a policy was not changed.
pub fn change_refused(language: Language, error: ChangeError) -> BotError {
    match error {
        ChangeError::Storage(error) => BotError::Storage(error),
        ChangeError::NoServer => unknown(language),
        ChangeError::NoIdentity(NoIdentity::NoToken) => {
            BotError::Input(text!(language, "protection-no-token"))
        }
        ChangeError::NoIdentity(NoIdentity::NoSecret) => {
            BotError::Input(text!(language, "protection-no-secret"))
        }
        ChangeError::Unusable(problems) => BotError::Input(format!("{}.", problems.join("; "))),
        ChangeError::Unread => BotError::Input(text!(language, "protection-unreadable")),
        ChangeError::Raced => BotError::Input(text!(language, "protection-raced")),
    }
}

fn unknown(language: Language) -> BotError {
    BotError::Input(text!(language, "protection-unknown-server"))
}

/// Whoever can change the policy can turn it against others or away from themselves, so no
/// administrator can: only the owner.
fn owner_only(
    cx: Context<'_>,
    guild: GuildId,
    refusal: fn(Language) -> String,
) -> Result<(), BotError> {
    let language = catalogue::of_server(cx);
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let owner = server.read(|_, structure| owner(structure));
    match owner == Some(Id::new(cx.author().id.get())) {
        true => Ok(()),
        false => Err(BotError::Input(refusal(language))),
    }
}

async fn show(cx: Context<'_>, title: String, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
