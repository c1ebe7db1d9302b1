//! `help` and `simplehelp`.

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    CreateActionRow, CreateButton, CreateEmbed, CreateSelectMenu, CreateSelectMenuKind,
    CreateSelectMenuOption,
};
use splashtail_api_types::modules::{CanonicalCommandData, CanonicalModule};

use crate::app::Context;
use crate::catalogue::{self, Language};
use crate::colours;
use crate::error::BotError;
use crate::framework::PREFIX;
use crate::ids;
use crate::markdown::{cut, neutralise};
use crate::pages::{self, Pages};
use crate::registry::Registry;
use crate::reply;
use crate::text;

/// Fields of one embed and options of one menu (Discord documentation, "Embed Limits", "Select
/// Menus").
const MAX_ITEMS: usize = 25;
const MAX_FIELD: usize = 1024;
/// Of the 2000 characters of a message.
const MAX_PLAIN: usize = 1900;

/// Show what the bot can do, or how to use one command.
#[poise::command(prefix_command, slash_command)]
pub async fn help(
    cx: Context<'_>,
    #[description = "A command, such as backups create"]
    #[rest]
    command: Option<String>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (app, language) = (cx.data(), catalogue::of_server(cx));
    let is_root = app.is_root_user(ids::user(cx.author().id));
    match command {
        Some(wanted) => {
            let found = find(&app.registry, &wanted, is_root);
            let found = found.ok_or_else(|| unknown(language, &wanted))?;
            let embed = describe(language, found);
            reply::answer(cx, CreateReply::default().embed(embed)).await?;
            Ok(())
        }
        None => {
            let modules = app
                .registry
                .modules()
                .filter(|module| is_shown(module, is_root));
            pages::show(
                cx,
                HelpPages {
                    language,
                    modules: modules.cloned().collect(),
                },
            )
            .await
        }
    }
}

/// Show all commands as plain text.
#[poise::command(prefix_command, slash_command, user_cooldown = 1)]
pub async fn simplehelp(
    cx: Context<'_>,
    #[description = "A command"]
    #[rest]
    command: Option<String>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (app, language) = (cx.data(), catalogue::of_server(cx));
    let is_root = app.is_root_user(ids::user(cx.author().id));
    let text = match command {
        Some(wanted) => {
            let found = find(&app.registry, &wanted, is_root);
            let found = found.ok_or_else(|| unknown(language, &wanted))?;
            plain(language, std::iter::once(found))
        }
        None => {
            let modules = app
                .registry
                .modules()
                .filter(|module| is_shown(module, is_root));
            plain(language, modules.flat_map(commands))
        }
    };
    reply::answer(cx, CreateReply::default().content(text)).await?;
    Ok(())
}

fn unknown(language: Language, wanted: &str) -> BotError {
    let wanted = neutralise(cut(wanted.trim(), 100));
    BotError::Input(text!(language, "help-unknown", name = wanted))
}

/// The module's commands that somebody can type.
fn commands(module: &CanonicalModule) -> impl Iterator<Item = &CanonicalCommandData> {
    let typed = module.commands.iter().filter(|entry| {
        let root = entry.extended_data.get("");
        !root.is_some_and(|root| root.virtual_command)
    });
    typed.map(|entry| &entry.command)
}

/// A line for each command that can be run, its path and its description in columns; the paths
/// alone when that is too long.
fn plain<'a>(
    language: Language,
    commands: impl Iterator<Item = &'a CanonicalCommandData>,
) -> String {
    let mut rows = Vec::new();
    commands.for_each(|command| collect_leaves(language, command, &mut rows));
    let width = rows
        .iter()
        .map(|(path, _)| path.len())
        .max()
        .unwrap_or_default();
    let lines = rows
        .iter()
        .map(|(path, description)| format!("/{path:width$}  {description}"));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    if text.chars().count() > MAX_PLAIN {
        let paths = rows.iter().map(|(path, _)| format!("/{path}"));
        text = paths.collect::<Vec<_>>().join("\n");
    }
    format!("```\n{}\n```", cut(&text, MAX_PLAIN))
}

fn collect_leaves<'a>(
    language: Language,
    command: &'a CanonicalCommandData,
    rows: &mut Vec<(&'a str, String)>,
) {
    if command.subcommands.is_empty() {
        let description = description(language, command).unwrap_or_default();
        rows.push((&command.qualified_name, description));
    }
    for subcommand in &command.subcommands {
        collect_leaves(language, subcommand, rows);
    }
}

/// What a command does, as Discord shows it in this language.
fn description(language: Language, command: &CanonicalCommandData) -> Option<String> {
    let localised = catalogue::description(language, &command.qualified_name);
    localised.or_else(|| command.description.clone())
}

/// Commands of operators are shown to operators.
fn is_shown(module: &CanonicalModule, is_root: bool) -> bool {
    !module.virtual_module && commands(module).next().is_some() && (is_root || !module.web_hidden)
}

fn find<'a>(
    registry: &'a Registry,
    wanted: &str,
    is_root: bool,
) -> Option<&'a CanonicalCommandData> {
    let wanted = wanted.trim().trim_start_matches(['/', '%']);
    let wanted: Vec<_> = wanted
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    let (root, below) = wanted.split_first()?;
    let shown = registry
        .modules()
        .filter(|module| is_shown(module, is_root));
    let mut found = shown
        .flat_map(commands)
        .find(|command| command.name == *root)?;
    for name in below {
        found = found
            .subcommands
            .iter()
            .find(|command| command.name == *name)?;
    }
    Some(found)
}

fn describe(language: Language, command: &CanonicalCommandData) -> CreateEmbed {
    let or_none = |description: Option<String>| {
        description.unwrap_or_else(|| text!(language, "help-no-description"))
    };
    let mut embed = CreateEmbed::new()
        .title(format!("/{}", command.qualified_name))
        .description(or_none(description(language, command)))
        .colour(colours::BLUE);
    if !command.arguments.is_empty() {
        let lines = command.arguments.iter().map(|argument| {
            let name = &argument.name;
            let means = catalogue::option(language, &command.qualified_name, name);
            let means = or_none(means.or_else(|| argument.description.clone()));
            match argument.required {
                true => format!("`{name}`: {means}"),
                false => format!("`{name}` {}: {means}", text!(language, "help-optional")),
            }
        });
        embed = embed.field(text!(language, "help-parameters"), join_lines(lines), false);
    }
    // One place is taken by the parameters.
    for subcommand in command.subcommands.iter().take(MAX_ITEMS - 1) {
        let name = format!("/{}", subcommand.qualified_name);
        embed = embed.field(name, or_none(description(language, subcommand)), false);
    }
    embed
}

/// The lines that fit into a field.
fn join_lines(lines: impl Iterator<Item = String>) -> String {
    let text = lines.collect::<Vec<_>>().join("\n");
    cut(&text, MAX_FIELD).to_owned()
}

/// One page per module.
struct HelpPages {
    language: Language,
    modules: Vec<CanonicalModule>,
}

#[async_trait]
impl Pages for HelpPages {
    const PREFIX: &'static str = "hnav";

    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError> {
        Ok(self.render(number))
    }
}

impl HelpPages {
    fn render(&self, number: usize) -> CreateReply {
        let last = self.modules.len().saturating_sub(1);
        let number = number.min(last);
        let Some(module) = self.modules.get(number) else {
            return CreateReply::default().content(text!(self.language, "help-none"));
        };
        let language = self.language;
        let mut embed = CreateEmbed::new()
            .title(module_name(language, module))
            .description(module_description(language, module))
            .colour(colours::BLUE);
        for command in commands(module).take(MAX_ITEMS) {
            let name = format!("/{}", command.name);
            embed = embed.field(name, summary(language, command), false);
        }
        let footer = text!(
            language,
            "help-page",
            number = number + 1,
            of = last + 1,
            prefix = PREFIX
        );
        let embed = embed.footer(serenity::CreateEmbedFooter::new(footer));
        CreateReply::default()
            .embed(embed)
            .components(self.controls(number, last))
    }

    fn controls(&self, number: usize, last: usize) -> Vec<CreateActionRow> {
        let (prefix, language) = (Self::PREFIX, self.language);
        let previous = match number.checked_sub(1) {
            Some(target) => CreateButton::new(format!("{prefix}:{target}")),
            None => CreateButton::new(format!("{prefix}:none")).disabled(true),
        };
        let next = CreateButton::new(format!("{prefix}:{}", number + 1)).disabled(number >= last);
        let cancel = CreateButton::new(format!("{prefix}:cancel"))
            .label(text!(language, "page-cancel"))
            .style(serenity::ButtonStyle::Danger);
        let options = self
            .modules
            .iter()
            .take(MAX_ITEMS)
            .enumerate()
            .map(|(at, module)| {
                let description = module_description(language, module);
                CreateSelectMenuOption::new(module_name(language, module), at.to_string())
                    .description(cut(&description, 100))
                    .default_selection(at == number)
            });
        let kind = CreateSelectMenuKind::String {
            options: options.collect(),
        };
        let menu = CreateSelectMenu::new(format!("{prefix}:selectmenu"), kind)
            .placeholder(text!(language, "help-choose"));
        vec![
            CreateActionRow::Buttons(vec![
                previous.label(text!(language, "page-previous")),
                cancel,
                next.label(text!(language, "page-next")),
            ]),
            CreateActionRow::SelectMenu(menu),
        ]
    }
}

fn module_name(language: Language, module: &CanonicalModule) -> String {
    catalogue::module(language, &module.id).unwrap_or_else(|| module.name.clone())
}

fn module_description(language: Language, module: &CanonicalModule) -> String {
    let localised = catalogue::module_description(language, &module.id);
    localised.unwrap_or_else(|| module.description.clone())
}

fn summary(language: Language, command: &CanonicalCommandData) -> String {
    let or_none = |description: Option<String>| {
        description.unwrap_or_else(|| text!(language, "help-no-description"))
    };
    let own = or_none(description(language, command));
    let subcommands = command.subcommands.iter().map(|subcommand| {
        let description = or_none(description(language, subcommand));
        format!("`{}`: {description}", subcommand.name)
    });
    join_lines(std::iter::once(own).chain(subcommands))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::{all, assemble::assemble, foundation};
    use crate::reply::shown;

    async fn registry() -> Registry {
        let foundation = foundation::for_tests().await;
        assemble(&all(&foundation)).unwrap().registry
    }

    async fn pages(is_root: bool) -> HelpPages {
        let registry = registry().await;
        let modules = registry
            .modules()
            .filter(|module| is_shown(module, is_root));
        HelpPages {
            language: Language::English,
            modules: modules.cloned().collect(),
        }
    }

    #[tokio::test]
    async fn the_first_page_has_nothing_before_it() {
        let page = shown(&pages(false).await.render(0));
        assert_eq!(page["embeds"][0]["title"], "Core");
        let buttons = &page["components"][0]["components"];
        assert_eq!(buttons[0]["disabled"], true);
        assert_eq!(buttons[1]["custom_id"], "hnav:cancel");
        assert_eq!(buttons[2]["custom_id"], "hnav:1");
        let menu = &page["components"][1]["components"][0];
        assert_eq!(menu["custom_id"], "hnav:selectmenu");
        assert_eq!(menu["options"][1]["value"], "1");
    }

    #[tokio::test]
    async fn the_last_page_has_nothing_behind_it_and_no_page_is_missing() {
        let pages = pages(false).await;
        let last = pages.modules.len() - 1;
        let page = shown(&pages.render(last));
        assert_eq!(page["components"][0]["components"][2]["disabled"], true);
        assert_eq!(page, shown(&pages.render(usize::MAX)));
    }

    #[tokio::test]
    async fn only_operators_see_their_commands() {
        let titles = async |is_root| {
            let pages = pages(is_root).await;
            pages
                .modules
                .iter()
                .map(|module| module.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            titles(false).await,
            [
                "core",
                "setup",
                "antinuke",
                "guarded",
                "server_backups",
                "settings"
            ]
        );
        assert_eq!(
            titles(true).await,
            [
                "core",
                "setup",
                "antinuke",
                "guarded",
                "server_backups",
                "settings",
                "root"
            ]
        );
        let registry = registry().await;
        assert!(find(&registry, "register", false).is_none());
        assert!(find(&registry, "register", true).is_some());
        assert!(find(&registry, "acl__core_defaultperms_check", true).is_none());
    }

    #[tokio::test]
    async fn commands_are_found_by_path() {
        let registry = registry().await;
        let name = |wanted: &str| {
            find(&registry, wanted, false).map(|command| command.qualified_name.clone())
        };
        assert_eq!(name("/Backups  Create").as_deref(), Some("backups create"));
        assert_eq!(name("%ping").as_deref(), Some("ping"));
        assert_eq!(name("backups destroy"), None);
        assert_eq!(name("  "), None);
    }

    #[tokio::test]
    async fn plain_help_lists_what_can_be_run() {
        let registry = registry().await;
        let modules = registry.modules().filter(|module| is_shown(module, false));
        let text = plain(Language::English, modules.flat_map(commands));
        assert!(text.starts_with("```\n/help"), "{text}");
        for shown in ["\n/backups create", "\n/perms undo", "\n/guild_roles view"] {
            assert!(text.contains(shown), "{text}");
        }
        assert!(!text.contains("register") && text.len() < 2000);
        let few = plain(
            Language::English,
            find(&registry, "backups", false).into_iter(),
        );
        assert!(few.contains("Back up this server"), "{few}");
    }

    #[tokio::test]
    async fn a_command_shows_parameters_and_subcommands() {
        let registry = registry().await;
        let backups = serde_json::to_value(describe(
            Language::English,
            find(&registry, "backups", false).unwrap(),
        ));
        let names: Vec<_> = backups.unwrap()["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            ["/backups create", "/backups list", "/backups restore"]
        );
        let create = find(&registry, "backups create", false).unwrap();
        let create = serde_json::to_value(describe(Language::English, create)).unwrap();
        let parameters = &create["fields"][0];
        assert_eq!(parameters["name"], "Parameters");
        assert!(
            parameters["value"]
                .as_str()
                .unwrap()
                .contains("`password` (optional): ")
        );
    }
}
