//! `/modules`.

use poise::CreateReply;
use poise::serenity_prelude::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use serde_json::{Value, json};

use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::framework::gate::MODULES;
use crate::framework::setting_commands::{asked, changed};
use crate::ids;
use crate::reply;
use crate::settings::Fields;

/// See which modules are on, switch them, and change what they ask for.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("list", "enable", "disable", "modperms"),
    subcommand_required
)]
pub async fn modules(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Show all modules and whether they are on.
#[poise::command(slash_command, guild_only)]
async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let app = cx.data();
    let guild = ids::guild_of(cx)?;
    let asked = asked(cx, Some("modules list")).await?;
    let rows = app
        .configuration
        .view(&asked, MODULES, 0, usize::MAX)
        .await?;
    let set = |id: &str| {
        let row = rows
            .rows
            .iter()
            .find(|row| row.get("module") == Some(&json!(id)))?;
        row.get("disabled")?.as_bool()
    };
    let mut embed = CreateEmbed::new().title("Modules").colour(colours::BLUE);
    for module in app.registry.modules().filter(|module| !module.web_hidden) {
        let state = match app.gate.is_enabled(guild, &module.id) {
            true => "on",
            false => "off",
        };
        let why = match (module.toggleable, set(&module.id)) {
            (false, _) => "always",
            (true, None) => "by default",
            (true, Some(_)) => "set here",
        };
        let text = format!("{}\n`{}`: {state}, {why}", module.description, module.id);
        embed = embed.field(&module.name, text, true);
    }
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

/// Switch a module on.
#[poise::command(slash_command, guild_only)]
async fn enable(
    cx: Context<'_>,
    #[description = "The module"]
    #[autocomplete = "complete"]
    module: String,
) -> Result<(), BotError> {
    set(cx, "modules enable", &module, "disabled", json!(false)).await
}

/// Switch a module off.
#[poise::command(slash_command, guild_only)]
async fn disable(
    cx: Context<'_>,
    #[description = "The module"]
    #[autocomplete = "complete"]
    module: String,
) -> Result<(), BotError> {
    set(cx, "modules disable", &module, "disabled", json!(true)).await
}

/// Change what a module's commands ask for.
#[poise::command(slash_command, guild_only)]
async fn modperms(
    cx: Context<'_>,
    #[description = "The module"]
    #[autocomplete = "complete"]
    module: String,
    #[description = "Checks as JSON; leave out to go back to those of the bot"] checks: Option<
        String,
    >,
) -> Result<(), BotError> {
    let checks = checks.map_or(Value::Null, Value::from);
    set(cx, "modules modperms", &module, "default_perms", checks).await
}

async fn set(
    cx: Context<'_>,
    command: &'static str,
    module: &str,
    column: &str,
    value: Value,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some(command)).await?;
    let fields = Fields::from_iter([
        ("module".to_owned(), json!(module)),
        (column.to_owned(), value),
    ]);
    let done = cx
        .data()
        .configuration
        .set(&asked, MODULES, &fields)
        .await?;
    changed(cx, MODULES, &done).await
}

#[allow(clippy::unused_async, reason = "the framework waits for completions")]
async fn complete(cx: Context<'_>, typed: &str) -> CreateAutocompleteResponse {
    let modules = cx.data().registry.modules();
    let fitting = modules.filter(|module| !module.web_hidden && module.id.contains(typed));
    let choices = fitting.take(25);
    let choices =
        choices.map(|module| AutocompleteChoice::new(module.name.clone(), module.id.clone()));
    CreateAutocompleteResponse::new().set_choices(choices.collect())
}
