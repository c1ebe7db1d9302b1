//! `/commands`.

use poise::CreateReply;
use poise::serenity_prelude::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use serde_json::{Value, json};
use splashtail_api_types::modules::CanonicalCommandData;
use splashtail_permissions::CheckOptions;

use crate::app::{self, Context};
use crate::colours;
use crate::error::BotError;
use crate::framework::gate::{COMMANDS, Question};
use crate::framework::setting_commands::{asked, changed};
use crate::markdown::{DESCRIPTION, neutralise, shorten};
use crate::reply;
use crate::settings::Fields;
use crate::text;

/// Longest name of a command that is shown whole.
const NAME: usize = 100;

/// Check commands, switch them, and change what they ask for.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("check", "enable", "disable", "modperms"),
    subcommand_required
)]
pub async fn commands(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See whether you can run a command.
#[poise::command(slash_command, guild_only)]
async fn check(
    cx: Context<'_>,
    #[description = "The command"]
    #[autocomplete = "complete"]
    command: String,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("commands check")).await?;
    let question = Question {
        guild: asked.guild,
        user: asked.user,
        command: &command,
        options: &CheckOptions::default(),
    };
    let result = cx.data().gate.decide(&question, &Ok(asked.standing)).await;
    let language = app::language_here(cx);
    let code = format!("`{}`", result.code());
    let (text, colour) = match result.is_ok() {
        true => (text!(language, "check-may"), colours::GREEN),
        false => (BotError::Denied(result).user_text(language), colours::RED),
    };
    let embed = CreateEmbed::new()
        .title(format!("/{}", neutralise(&shorten(&command, NAME))))
        .description(shorten(&text, DESCRIPTION))
        .field(text!(language, "error-code"), code, true)
        .colour(colour);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

/// Switch a command on.
#[poise::command(slash_command, guild_only)]
async fn enable(
    cx: Context<'_>,
    #[description = "The command, such as backups create"]
    #[autocomplete = "complete"]
    command: String,
) -> Result<(), BotError> {
    set(cx, "commands enable", &command, "disabled", json!(false)).await
}

/// Switch a command off.
#[poise::command(slash_command, guild_only)]
async fn disable(
    cx: Context<'_>,
    #[description = "The command, such as backups create"]
    #[autocomplete = "complete"]
    command: String,
) -> Result<(), BotError> {
    set(cx, "commands disable", &command, "disabled", json!(true)).await
}

/// Change what a command asks for.
#[poise::command(slash_command, guild_only)]
async fn modperms(
    cx: Context<'_>,
    #[description = "The command, such as backups create"]
    #[autocomplete = "complete"]
    command: String,
    #[description = "Checks as JSON; leave out to go back to those of the bot"] checks: Option<
        String,
    >,
) -> Result<(), BotError> {
    let checks = checks.map_or(Value::Null, Value::from);
    set(cx, "commands modperms", &command, "perms", checks).await
}

async fn set(
    cx: Context<'_>,
    gated_by: &'static str,
    command: &str,
    column: &str,
    value: Value,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some(gated_by)).await?;
    let command = command.trim().trim_start_matches('/');
    // An alias stands for the command.
    let command = cx
        .data()
        .registry
        .command(command)
        .unwrap_or_else(|| command.to_owned());
    let fields = Fields::from_iter([
        ("command".to_owned(), json!(command)),
        (column.to_owned(), value),
    ]);
    let done = cx
        .data()
        .configuration
        .set(&asked, COMMANDS, &fields)
        .await?;
    changed(cx, COMMANDS, &done).await
}

#[allow(clippy::unused_async, reason = "the framework waits for completions")]
async fn complete(cx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let modules = cx.data().registry.modules();
    let mut names = Vec::new();
    for command in modules
        .filter(|m| !m.web_hidden)
        .flat_map(|module| &module.commands)
    {
        let hidden = command
            .extended_data
            .get("")
            .is_some_and(|data| data.virtual_command);
        if !hidden {
            collect(&command.command, &mut names);
        }
    }
    let fitting = names.into_iter().filter(|name| name.contains(typed));
    let choices = fitting.take(25);
    let choices = choices.map(|name| AutocompleteChoice::new(name.clone(), name));
    CreateAutocompleteResponse::new().set_choices(choices.collect())
}

fn collect(command: &CanonicalCommandData, names: &mut Vec<String>) {
    names.push(command.qualified_name.clone());
    command
        .subcommands
        .iter()
        .for_each(|below| collect(below, names));
}
