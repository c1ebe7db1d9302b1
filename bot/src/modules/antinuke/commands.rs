//! `/protection`, and what it has in common with `/limits`.

use chrono::TimeDelta;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use serenity::CreateEmbed;
use splashtail_antinuke::Mode;
use splashtail_core::ids::GuildId;

use super::service::Protection;
use super::settings::{MAINTENANCE, POLICY, TRUST};
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::configuration::Changed;
use crate::error::BotError;
use crate::framework::setting_commands::{asked, takes_back};
use crate::ids;
use crate::reply;
use crate::settings::{Operation, interval};
use crate::text;

#[derive(Debug, Clone, Copy, poise::ChoiceParameter)]
enum ModeChoice {
    #[name = "off: nothing is judged"]
    Off,
    #[name = "dry run: judged and written down"]
    DryRun,
    #[name = "on: attackers are stopped"]
    On,
}

/// What stops somebody who tears this server down.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("status", "mode", "alerts", "trust", "untrust", "maintenance"),
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
    let language = app::language_here(cx);
    let server = protection.server(guild).ok_or_else(|| unknown(language))?;
    let (policy, coverage, audit) = server.read(|engine, structure| {
        let audit = engine.may_read_audit_log(structure);
        (engine.policy().clone(), structure.coverage(), audit)
    });
    let mut lines = vec![match policy.mode {
        Mode::On => text!(language, "protection-is-on"),
        Mode::DryRun => text!(language, "protection-is-dry"),
        Mode::Off => text!(language, "protection-is-off"),
    }];
    lines.push(match policy.alert_channel {
        Some(channel) => text!(
            language,
            "protection-alerts",
            channel = format!("<#{channel}>")
        ),
        None => text!(language, "protection-alerts-none"),
    });
    if !audit {
        lines.push(text!(language, "protection-no-audit-log"));
    }
    let (all, seen) = coverage;
    if seen < all {
        lines.push(text!(language, "protection-sight", seen = seen, all = all));
    }
    let trusted = policy.trusted.users.iter().map(|id| format!("<@{id}>"));
    let roles = policy.trusted.roles.iter().map(|id| format!("<@&{id}>"));
    let trusted: Vec<String> = trusted.chain(roles).take(20).collect();
    if !trusted.is_empty() {
        lines.push(text!(
            language,
            "protection-trusted",
            people = trusted.join(", ")
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
    let language = app::language_here(cx);
    let (mode, said) = match mode {
        ModeChoice::Off => ("off", text!(language, "protection-set-off")),
        ModeChoice::DryRun => ("dry_run", text!(language, "protection-set-dry")),
        ModeChoice::On => ("on", text!(language, "protection-set-on")),
    };
    let done = set(cx, "protection mode", POLICY, json!({"mode": mode})).await?;
    show_done(cx, text!(language, "protection-title"), said, &done).await
}

/// Choose where alerts go.
#[poise::command(slash_command, guild_only)]
async fn alerts(
    cx: Context<'_>,
    #[description = "A channel that only staff can read"] channel: serenity::ChannelId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let fields = json!({"alert_channel": channel.to_string()});
    let done = set(cx, "protection alerts", POLICY, fields).await?;
    let channel = format!("<#{channel}>");
    let said = |language| text!(language, "protection-alerts", channel = channel.as_str());
    let language = app::language_here(cx);
    show_done(
        cx,
        text!(language, "protection-title"),
        said(language),
        &done,
    )
    .await
}

/// Never stop somebody; what they do only raises an alarm.
#[poise::command(slash_command, guild_only)]
async fn trust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let who = json!({"who": format!("user/{user}")});
    let done = set(cx, "protection trust", TRUST, who).await?;
    let user = format!("<@{user}>");
    let said = |language| text!(language, "protection-trusts", who = user.as_str());
    let language = app::language_here(cx);
    show_done(
        cx,
        text!(language, "protection-title"),
        said(language),
        &done,
    )
    .await
}

/// Treat somebody as everybody else again.
#[poise::command(slash_command, guild_only)]
async fn untrust(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let who = json!({"who": format!("user/{user}")});
    let done = delete(cx, "protection untrust", TRUST, who).await?;
    let user = format!("<@{user}>");
    let said = |language| text!(language, "protection-trusts-not", who = user.as_str());
    let language = app::language_here(cx);
    show_done(
        cx,
        text!(language, "protection-title"),
        said(language),
        &done,
    )
    .await
}

/// Say that much is normal of somebody for a while, such as when you rebuild the server.
#[poise::command(slash_command, guild_only)]
async fn maintenance(
    cx: Context<'_>,
    #[description = "A person or a bot"] user: serenity::UserId,
    #[description = "Types of acts, separated by commas, such as channel_add, channel_update"]
    kinds: String,
    #[description = "How long, such as 45m or 2h; two hours at most"] length: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let language = app::reader_language(cx);
    let wrong = || BotError::Input(text!(language, "protection-length"));
    let length = interval(&length).ok_or_else(wrong)?;
    let length = TimeDelta::try_seconds(length).ok_or_else(wrong)?;
    let until = cx.data().clock.now().checked_add_signed(length);
    let until = until.ok_or_else(wrong)?;
    let fields = json!({"actor": user.to_string(), "kinds": kinds, "until": until.timestamp()});
    let done = set(cx, "protection maintenance", MAINTENANCE, fields).await?;
    let at = until.timestamp();
    let said = |language| {
        text!(
            language,
            "protection-maintenance",
            at = format!("<t:{at}:t>"),
            when = format!("<t:{at}:R>"),
            who = format!("<@{user}>")
        )
    };
    let language = app::language_here(cx);
    show_done(
        cx,
        text!(language, "protection-title"),
        said(language),
        &done,
    )
    .await
}

/// Changes an entry of a setting or makes it, and has the engine go by it before it is said.
pub(super) async fn set(
    cx: Context<'_>,
    command: &'static str,
    setting: &str,
    fields: Value,
) -> Result<Changed, BotError> {
    let asked = asked(cx, Some(command)).await?;
    let fields = fields.as_object().cloned().unwrap_or_default();
    let configuration = &cx.data().configuration;
    let done = configuration.set(&asked, setting, &fields).await?;
    go_by(cx, asked.guild).await?;
    Ok(done)
}

pub(super) async fn delete(
    cx: Context<'_>,
    command: &'static str,
    setting: &str,
    key: Value,
) -> Result<Changed, BotError> {
    let asked = asked(cx, Some(command)).await?;
    let key = key.as_object().cloned().unwrap_or_default();
    let configuration = &cx.data().configuration;
    let done = configuration.change(&asked, setting, Operation::Delete, &key);
    let done = done.await?;
    go_by(cx, asked.guild).await?;
    Ok(done)
}

async fn go_by(cx: Context<'_>, guild: GuildId) -> Result<(), BotError> {
    let protection = cx.data().services.get::<Protection>()?;
    if let Some(server) = protection.server(guild) {
        protection.refresh(&server).await;
    }
    Ok(())
}

pub(super) async fn show_done(
    cx: Context<'_>,
    title: String,
    said: String,
    done: &Changed,
) -> Result<(), BotError> {
    let mut lines = vec![said];
    if done.made {
        lines.push(takes_back(app::language_here(cx), done.version));
    }
    show(cx, title, lines).await
}

pub(super) fn unknown(language: Language) -> BotError {
    BotError::Input(text!(language, "protection-unknown-server"))
}

async fn show(cx: Context<'_>, title: String, lines: Vec<String>) -> Result<(), BotError> {
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
