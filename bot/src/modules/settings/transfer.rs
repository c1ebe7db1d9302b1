//! `/settings`: all of them as one file.

use std::sync::Arc;
use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    Attachment, ButtonStyle, CreateActionRow, CreateAttachment, CreateButton, CreateEmbed,
    CreateEmbedFooter,
};
use splashtail_core::ids::UserId;
use splashtail_discord::DownloadError;
use uuid::Uuid;

use super::imports::{Import, Imports};
use super::perms;
use crate::app::{self, App, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::configuration::{Asked, MAX_FILE, Plan};
use crate::error::BotError;
use crate::framework::setting_commands::{asked, asked_by, takes_back};
use crate::markdown::{DESCRIPTION, shorten};
use crate::presses::{Change, Press, Presses, Reaction};
use crate::reply;
use crate::text;

const PREFIX: &str = "import";
/// Until the file has come from Discord.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keep all settings of this server as a file, or take them from one.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("export", "import"),
    subcommand_required
)]
pub async fn settings(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Get all settings of this server that you may see as one readable file.
#[poise::command(slash_command, guild_only, ephemeral)]
async fn export(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("settings export")).await?;
    let text = cx.data().configuration.export(&asked).await?;
    let file = CreateAttachment::bytes(text.into_bytes(), "settings.yaml");
    let embed = CreateEmbed::new()
        .description(text!(app::reader_language(cx), "export-done"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed).attachment(file)).await?;
    Ok(())
}

/// Take the settings of this server from a file: first you see what would change.
#[poise::command(slash_command, guild_only)]
async fn import(
    cx: Context<'_>,
    #[description = "A file from /settings export"] file: Attachment,
    #[description = "Delete what the file does not name (default: no)"] replace: Option<bool>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("settings import")).await?;
    let text = read(cx, &file).await?;
    let replace = replace.unwrap_or(false);
    let configuration = &cx.data().configuration;
    let plan = configuration.plan_import(&asked, &text, replace).await?;
    if plan.shown.is_empty() {
        let text = text!(app::language_here(cx), "import-nothing");
        let embed = CreateEmbed::new().description(text).colour(colours::GREEN);
        reply::answer(cx, CreateReply::default().embed(embed)).await?;
        return Ok(());
    }
    let language = app::language_here(cx);
    let shown = CreateReply::default().embed(describe(language, &plan, &asked));
    let label = text!(language, "import-change", count = plan.shown.len());
    let (guild, user) = (asked.guild, asked.user);
    let text = text.into();
    let import = Import {
        guild,
        user,
        text,
        replace,
        plan,
    };
    let id = cx.data().services.get::<Imports>()?.ask(import).simple();
    let button = |verb: &str| CreateButton::new(format!("{PREFIX}:{user}:{verb}:{id}"));
    let buttons = vec![
        button("yes").label(label).style(ButtonStyle::Danger),
        button("no")
            .label(text!(language, "page-cancel"))
            .style(ButtonStyle::Secondary),
    ];
    let buttons = vec![CreateActionRow::Buttons(buttons)];
    reply::answer(cx, shown.components(buttons)).await?;
    Ok(())
}

/// What becomes of the question.
pub(super) fn presses() -> Presses {
    Presses::new(PREFIX, |app, press| {
        let Some((user, wanted, id)) = read_press(press) else {
            return Reaction::stale(press);
        };
        if user != press.user {
            return Reaction::not_yours(press);
        }
        let (app, press) = (Arc::clone(app), Arc::clone(press));
        Reaction::change(async move {
            let imports = app.services.get::<Imports>()?;
            let language = press.language_here(&app);
            let said = |text: String, colour| {
                let embed = CreateEmbed::new().description(text).colour(colour);
                Change::show(CreateReply::default().embed(embed).components(Vec::new()))
            };
            let Some(import) = imports.take(id, press.guild()?, user) else {
                return said(text!(language, "import-closed"), colours::RED);
            };
            if !wanted {
                return said(text!(language, "import-not"), colours::BLUE);
            }
            match carry_out(&app, &press, &import).await {
                Ok(text) => said(text, colours::GREEN),
                Err(refusal) => said(refusal.user_text(language), colours::RED),
            }
        })
    })
}

/// Who was asked, whether they want it, and which question it is.
fn read_press(press: &Press) -> Option<(UserId, bool, Uuid)> {
    let [user, verb, id] = press.parts()?;
    let wanted = match verb {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    Some((user.parse().ok()?, wanted, id.parse().ok()?))
}

/// Some time has passed: everything is judged again.
async fn carry_out(app: &App, press: &Press, import: &Import) -> Result<String, BotError> {
    let asked = asked_by(app, press, Some("settings import")).await?;
    let Import {
        text,
        replace,
        plan,
        ..
    } = import;
    let done = app.configuration.import(&asked, text, *replace, Some(plan));
    let done = done.await?;
    let language = press.language_here(app);
    let changed = text!(language, "import-done", count = done.others);
    Ok(format!("{changed} {}", takes_back(language, done.version)))
}

/// The file that somebody uploaded.
async fn read(cx: Context<'_>, file: &Attachment) -> Result<String, BotError> {
    let language = app::reader_language(cx);
    let too_large = || BotError::Input(text!(language, "import-too-large", bytes = MAX_FILE));
    if file.size as usize > MAX_FILE {
        return Err(too_large());
    }
    let unread = || BotError::Input(text!(language, "import-unread"));
    let connection = cx.data().state.connection().ok_or_else(unread)?;
    let download = connection
        .discord
        .download(&file.url, MAX_FILE as u64, &cx.data().shutdown);
    let file = tokio::time::timeout(PATIENCE, download).await;
    let file = match file.map_err(|_| unread())? {
        Err(DownloadError::TooLarge { .. }) => return Err(too_large()),
        file => file.map_err(|_| unread())?,
    };
    let text = String::from_utf8(file.bytes.into());
    text.map_err(|_| BotError::Input(text!(language, "import-no-text")))
}

/// What would change, line by line.
fn describe(language: Language, plan: &Plan, asked: &Asked) -> CreateEmbed {
    let mut text = String::new();
    if plan.from != asked.guild {
        text.push_str(&text!(language, "import-other-server"));
        text.push('\n');
    }
    let lines = plan.shown.iter();
    let lines = lines.map(|edit| perms::describe_edit(language, edit));
    text.push_str(&lines.collect::<Vec<_>>().join("\n"));
    let footer = text!(language, "import-foot", count = plan.shown.len());
    CreateEmbed::new()
        .title(text!(language, "import-title"))
        .description(shorten(&text, DESCRIPTION))
        .footer(CreateEmbedFooter::new(footer))
        .colour(colours::BLUE)
}
