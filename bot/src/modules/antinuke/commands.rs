//! `/protection` and `/limits`.

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use splashtail_antinuke::{Column, LimitType, MAX_TRUSTED, Mode, NEVER, Policy, Spans, owner};
use splashtail_core::ids::GuildId;
use splashtail_guild::Id;

use super::service::{ChangeError, Protection};
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::reply;

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
    subcommands("status", "mode", "alerts", "trust", "untrust"),
    subcommand_required
)]
pub async fn protection(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See whether protection is on and what it lacks.
#[poise::command(slash_command, guild_only)]
async fn status(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(unknown)?;
    let (policy, coverage, audit) = server.read(|engine, structure| {
        let audit = engine.may_read_audit_log(structure);
        (engine.policy().clone(), structure.coverage(), audit)
    });
    let mut lines = vec![match policy.mode {
        Mode::On => "Protection is **on**: attackers are stopped.".to_owned(),
        Mode::DryRun => "This is a **dry run**: everything is judged and written down, nothing is \
                         done. The owner switches it on with `/protection mode`."
            .to_owned(),
        Mode::Off => "Protection is **off**.".to_owned(),
    }];
    lines.push(match policy.alert_channel {
        Some(channel) => format!("Alerts go to <#{channel}>."),
        None => "There is no channel for alerts: set one with `/protection alerts`.".to_owned(),
    });
    if !audit {
        lines.push(
            "I lack **View Audit Log**: without it nobody can be held responsible.".to_owned(),
        );
    }
    let (all, seen) = coverage;
    if seen < all {
        lines.push(format!(
            "I see {seen} of {all} channels; what happens in the others to messages and webhooks \
             is hidden from me."
        ));
    }
    let trusted = policy.trusted.users.iter().map(|id| format!("<@{id}>"));
    let roles = policy.trusted.roles.iter().map(|id| format!("<@&{id}>"));
    let trusted: Vec<String> = trusted.chain(roles).take(20).collect();
    if !trusted.is_empty() {
        lines.push(format!("Trusted: {}.", trusted.join(", ")));
    }
    show(cx, "Protection", lines).await
}

/// Switch protection on, off or to a dry run.
#[poise::command(slash_command, guild_only)]
async fn mode(
    cx: Context<'_>,
    #[description = "What protection does"] mode: ModeChoice,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let mode = match mode {
        ModeChoice::Off => Mode::Off,
        ModeChoice::DryRun => Mode::DryRun,
        ModeChoice::On => Mode::On,
    };
    owner_only(cx, guild, "switch protection")?;
    change(cx, guild, |policy| policy.mode = mode).await?;
    let said = match mode {
        Mode::On => "Protection is on.",
        Mode::DryRun => "Protection judges and writes down, and does nothing.",
        Mode::Off => "Protection is off.",
    };
    show(cx, "Protection", vec![said.to_owned()]).await
}

/// Choose where alerts go.
#[poise::command(slash_command, guild_only)]
async fn alerts(
    cx: Context<'_>,
    #[description = "A channel that only staff can read"] channel: serenity::ChannelId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    owner_only(cx, guild, "say where alerts go")?;
    let id = Id::new(channel.get());
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(unknown)?;
    let known = server.read(|_, structure| {
        structure.get(splashtail_guild::Kind::Channel, id).is_some() && !structure.is_hidden(id)
    });
    if !known {
        return Err(BotError::Input(
            "I cannot see that channel. Let my role view it and send messages there.".to_owned(),
        ));
    }
    change(cx, guild, |policy| policy.alert_channel = Some(id)).await?;
    show(cx, "Protection", vec![format!("Alerts go to <#{id}>.")]).await
}

/// Never stop somebody; what they do only raises an alarm.
#[poise::command(slash_command, guild_only)]
async fn trust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    owner_only(cx, guild, "trust somebody")?;
    let id = Id::new(user.get());
    let policy = change(cx, guild, |policy| {
        if policy.trusted.users.len() < MAX_TRUSTED {
            policy.trusted.users.insert(id);
        }
    });
    let said = match policy.await?.trusted.users.contains(&id) {
        true => format!("<@{id}> is trusted: nothing they do is stopped."),
        false => format!("At most {MAX_TRUSTED} can be trusted."),
    };
    show(cx, "Protection", vec![said]).await
}

/// Treat somebody as everybody else again.
#[poise::command(slash_command, guild_only)]
async fn untrust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    owner_only(cx, guild, "end trust")?;
    let id = Id::new(user.get());
    change(cx, guild, |policy| {
        policy.trusted.users.remove(&id);
    })
    .await?;
    show(cx, "Protection", vec![format!("<@{id}> is not trusted.")]).await
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
    let guild = ids::guild_of(cx)?;
    let kind = kind(&limit_type)?;
    owner_only(cx, guild, "change limits")?;
    let bounds = [minute, hour, day];
    let column = Column::from(of);
    change(cx, guild, |policy| {
        let row = policy.limits.entry(kind).or_default();
        row.insert(column, Spans(bounds));
    })
    .await?;
    let said = format!("`{}`: {minute} / {hour} / {day}.", kind.name());
    show(cx, "Limits", vec![said]).await
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
    let guild = ids::guild_of(cx)?;
    let kind = kind(&limit_type)?;
    owner_only(cx, guild, "change limits")?;
    change(cx, guild, |policy| {
        policy.limits.remove(&kind);
    })
    .await?;
    let said = format!("`{}` has its default again.", kind.name());
    show(cx, "Limits", vec![said]).await
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

async fn change(
    cx: Context<'_>,
    guild: GuildId,
    change: impl Fn(&mut Policy) + Send + Sync,
) -> Result<std::sync::Arc<Policy>, BotError> {
    let protection = cx.data().services.get::<Protection>()?;
    let changed = protection.change(guild, change).await;
    changed.map_err(|error| match error {
        ChangeError::Storage(error) => BotError::Storage(error),
        ChangeError::NoServer => unknown(),
        ChangeError::NoIdentity(error) => BotError::Input(error.to_string()),
        ChangeError::Unusable(problems) => BotError::Input(format!("{}.", problems.join("; "))),
        ChangeError::Unread => BotError::Input(
            "I cannot read what was set here before, so I change nothing. Please try again soon."
                .to_owned(),
        ),
        ChangeError::Raced => BotError::Input(
            "Somebody changed it at the same time. Please look and try again.".to_owned(),
        ),
    })
}

fn unknown() -> BotError {
    BotError::Input("I am still getting to know this server. Please try again soon.".to_owned())
}

/// Whoever can change the policy can turn it against others or away from themselves, so no
/// administrator can: only the owner.
fn owner_only(cx: Context<'_>, guild: GuildId, what: &str) -> Result<(), BotError> {
    let protection = cx.data().services.get::<Protection>()?;
    let server = protection.server(guild).ok_or_else(unknown)?;
    let owner = server.read(|_, structure| owner(structure));
    match owner == Some(Id::new(cx.author().id.get())) {
        true => Ok(()),
        false => Err(BotError::Input(format!(
            "Only the owner of the server can {what}."
        ))),
    }
}

async fn show(cx: Context<'_>, title: &str, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
