//! `/modules`.

use poise::CreateReply;
use poise::serenity_prelude::{AutocompleteChoice, CreateAutocompleteResponse, CreateEmbed};
use serde_json::{Value, json};

use crate::app::{self, Context};
use crate::catalogue;
use crate::colours;
use crate::error::BotError;
use crate::framework::gate::MODULES;
use crate::framework::setting_commands::{asked, changed};
use crate::ids;
use crate::markdown::{FIELD, TITLE, shorten};
use crate::reply;
use crate::settings::Fields;
use crate::text;

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
    let language = app::language_here(cx);
    let mut embed = CreateEmbed::new()
        .title(text!(language, "modules-title"))
        .colour(colours::BLUE);
    for module in app.registry.modules().filter(|module| !module.web_hidden) {
        let id = module.id.as_str();
        let is_on = app.gate.is_enabled(guild, id);
        let state = match (is_on, module.toggleable, set(id)) {
            (true, false, _) => text!(language, "modules-on-always", id = id),
            (false, false, _) => text!(language, "modules-off-always", id = id),
            (true, true, None) => text!(language, "modules-on-default", id = id),
            (false, true, None) => text!(language, "modules-off-default", id = id),
            (true, true, Some(_)) => text!(language, "modules-on-here", id = id),
            (false, true, Some(_)) => text!(language, "modules-off-here", id = id),
        };
        let name = catalogue::module(language, id).unwrap_or_else(|| module.name.clone());
        let about = catalogue::module_description(language, id);
        let about = about.as_deref().unwrap_or(&module.description);
        let text = format!("{about}\n{state}");
        embed = embed.field(shorten(&name, TITLE), shorten(&text, FIELD), true);
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
