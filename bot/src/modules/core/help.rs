//! `help` and `simplehelp`.

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    CreateActionRow, CreateEmbed, CreateSelectMenu, CreateSelectMenuKind, CreateSelectMenuOption,
};
use splashtail_api_types::modules::{CanonicalCommandData, CanonicalModule};

use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::framework::PREFIX;
use crate::ids;
use crate::markdown::{neutralise, shorten};
use crate::pages::{self, Pages, Reader, Turning};
use crate::registry::{Need, Registry};
use crate::reply;

/// Fields of one embed and options of one menu (Discord documentation, "Embed Limits", "Select
/// Menus").
const MAX_ITEMS: usize = 25;
const MAX_FIELD: usize = 1024;
/// An embed has 6000 characters in all: these for a module's page, those for its commands, the rest
/// for what it needs, short descriptions and names.
const MAX_DOCS: usize = 1500;
const MAX_COMMANDS: usize = 1800;
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
    let app = cx.data();
    let is_root = app.is_root_user(ids::user(cx.author().id));
    match command {
        Some(wanted) => {
            let found = find(&app.registry, &wanted, is_root).ok_or_else(|| unknown(&wanted))?;
            reply::answer(cx, CreateReply::default().embed(describe(found))).await?;
            Ok(())
        }
        None => pages::show::<HelpPages>(cx, "").await,
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
    let app = cx.data();
    let is_root = app.is_root_user(ids::user(cx.author().id));
    let text = match command {
        Some(wanted) => {
            let found = find(&app.registry, &wanted, is_root).ok_or_else(|| unknown(&wanted))?;
            plain(std::iter::once(found))
        }
        None => {
            let modules = app
                .registry
                .modules()
                .filter(|module| is_shown(module, is_root));
            plain(modules.flat_map(commands))
        }
    };
    reply::answer(cx, CreateReply::default().content(text)).await?;
    Ok(())
}

fn unknown(wanted: &str) -> BotError {
    let wanted = neutralise(&shorten(wanted.trim(), 100));
    BotError::Input(format!("There is no command “{wanted}”."))
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
fn plain<'a>(commands: impl Iterator<Item = &'a CanonicalCommandData>) -> String {
    let mut rows = Vec::new();
    commands.for_each(|command| collect_leaves(command, &mut rows));
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
    format!("```\n{}\n```", shorten(&text, MAX_PLAIN))
}

fn collect_leaves<'a>(command: &'a CanonicalCommandData, rows: &mut Vec<(&'a str, &'a str)>) {
    if command.subcommands.is_empty() {
        let description = command.description.as_deref().unwrap_or_default();
        rows.push((&command.qualified_name, description));
    }
    command
        .subcommands
        .iter()
        .for_each(|subcommand| collect_leaves(subcommand, rows));
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

fn describe(command: &CanonicalCommandData) -> CreateEmbed {
    let description = command.description.as_deref().unwrap_or("No description.");
    let mut embed = CreateEmbed::new()
        .title(format!("/{}", command.qualified_name))
        .description(description)
        .colour(colours::BLUE);
    if !command.arguments.is_empty() {
        let lines = command.arguments.iter().map(|argument| {
            let need = if argument.required { "" } else { " (optional)" };
            let description = argument.description.as_deref().unwrap_or("no description");
            format!("`{}`{need}: {description}", argument.name)
        });
        embed = embed.field("Parameters", join_lines(lines), false);
    }
    // One place is taken by the parameters.
    for subcommand in command.subcommands.iter().take(MAX_ITEMS - 1) {
        let description = subcommand
            .description
            .as_deref()
            .unwrap_or("No description.");
        embed = embed.field(
            format!("/{}", subcommand.qualified_name),
            description,
            false,
        );
    }
    embed
}

/// The lines that fit into a field.
fn join_lines(lines: impl Iterator<Item = String>) -> String {
    let text = lines.collect::<Vec<_>>().join("\n");
    shorten(&text, MAX_FIELD).into_owned()
}

/// One page per module.
pub(super) struct HelpPages {
    modules: Vec<Page>,
}

struct Page {
    module: CanonicalModule,
    /// Markdown.
    docs: &'static str,
    needs: Vec<Need>,
}

#[async_trait]
impl Pages for HelpPages {
    const PREFIX: &'static str = "hnav";

    fn command(_: &str) -> Option<String> {
        None
    }

    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError> {
        let turning = &reader.turning;
        let is_root = reader.app.is_root_user(turning.user);
        let pages = Self::of(&reader.app.registry, is_root);
        Ok(pages.render(turning, number))
    }
}

impl HelpPages {
    fn of(registry: &Registry, is_root: bool) -> Self {
        let shown = registry
            .all()
            .filter(|module| is_shown(&module.canonical, is_root));
        let pages = shown.map(|module| Page {
            module: module.canonical.clone(),
            docs: module.docs,
            needs: module.needs.clone(),
        });
        Self {
            modules: pages.collect(),
        }
    }

    fn render(&self, turning: &Turning, number: usize) -> CreateReply {
        let last = self.modules.len().saturating_sub(1);
        let number = number.min(last);
        let Some(page) = self.modules.get(number) else {
            return CreateReply::default().content("There are no commands.");
        };
        let module = &page.module;
        let mut embed = CreateEmbed::new()
            .title(&module.name)
            .description(page.text())
            .colour(colours::BLUE);
        // One place is taken by what the module needs.
        let mut room = MAX_COMMANDS;
        for command in commands(module).take(MAX_ITEMS - 1) {
            let summary = summary(command);
            let short = command.description.as_deref().unwrap_or("No description.");
            let text = match room.checked_sub(summary.chars().count()) {
                Some(left) => {
                    room = left;
                    summary
                }
                None => short.to_owned(),
            };
            embed = embed.field(format!("/{}", command.name), text, false);
        }
        if !page.needs.is_empty() {
            let needs = page.needs.iter().map(Need::words);
            embed = embed.field("What it needs, and why", join_lines(needs), false);
        }
        let embed = embed.footer(serenity::CreateEmbedFooter::new(format!(
            "Page {} of {}. Commands work with / and with {PREFIX}",
            number + 1,
            last + 1
        )));
        CreateReply::default()
            .embed(embed)
            .components(self.controls(turning, number, last))
    }

    fn controls(&self, turning: &Turning, number: usize, last: usize) -> Vec<CreateActionRow> {
        let prefix = Self::PREFIX;
        let options =
            self.modules
                .iter()
                .take(MAX_ITEMS)
                .enumerate()
                .map(|(at, Page { module, .. })| {
                    CreateSelectMenuOption::new(&module.name, at.to_string())
                        .description(shorten(&module.description, 100))
                        .default_selection(at == number)
                });
        let kind = CreateSelectMenuKind::String {
            options: options.collect(),
        };
        let menu = CreateSelectMenu::new(turning.menu(prefix), kind).placeholder("Choose a module");
        vec![
            CreateActionRow::Buttons(vec![
                turning.previous(prefix, number),
                turning.cancel(prefix),
                turning.next(prefix, number, number < last),
            ]),
            CreateActionRow::SelectMenu(menu),
        ]
    }
}

impl Page {
    /// What the module says about itself: its page, without the title, as far as it fits.
    fn text(&self) -> String {
        let about = &self.module.description;
        let docs = self.docs.trim();
        let body = match docs.split_once('\n') {
            Some((title, body)) if title.starts_with("# ") => body.trim(),
            _ => docs,
        };
        match body {
            "" => about.clone(),
            body => format!("{about}\n\n{}", shorten(body, MAX_DOCS)),
        }
    }
}

fn summary(command: &CanonicalCommandData) -> String {
    let description = command
        .description
        .as_deref()
        .unwrap_or("No description.")
        .to_owned();
    let subcommands = command.subcommands.iter().map(|subcommand| {
        let description = subcommand
            .description
            .as_deref()
            .unwrap_or("no description");
        format!("`{}`: {description}", subcommand.name)
    });
    join_lines(std::iter::once(description).chain(subcommands))
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::UserId;

    use super::*;
    use crate::catalogue::Language;
    use crate::modules::{all, assemble::assemble, foundation};
    use crate::reply::shown;

    async fn registry() -> Registry {
        let foundation = foundation::for_tests().await;
        assemble(&all(&foundation)).unwrap().registry
    }

    fn turning() -> Turning {
        Turning {
            user: UserId::new(7).unwrap(),
            language: Language::English,
            about: String::new(),
        }
    }

    async fn pages(is_root: bool) -> HelpPages {
        HelpPages::of(&registry().await, is_root)
    }

    #[tokio::test]
    async fn the_first_page_has_nothing_before_it() {
        let page = shown(&pages(false).await.render(&turning(), 0));
        assert_eq!(page["embeds"][0]["title"], "Core");
        let buttons = &page["components"][0]["components"];
        assert_eq!(buttons[0]["disabled"], true);
        assert_eq!(buttons[1]["custom_id"], "hnav:7:cancel:");
        assert_eq!(buttons[2]["custom_id"], "hnav:7:1:");
        let menu = &page["components"][1]["components"][0];
        assert_eq!(menu["custom_id"], "hnav:7:menu:");
        assert_eq!(menu["options"][1]["value"], "1");
    }

    #[tokio::test]
    async fn the_last_page_has_nothing_behind_it_and_no_page_is_missing() {
        let pages = pages(false).await;
        let last = pages.modules.len() - 1;
        let page = shown(&pages.render(&turning(), last));
        assert_eq!(page["components"][0]["components"][2]["disabled"], true);
        assert_eq!(page, shown(&pages.render(&turning(), usize::MAX)));
    }

    #[tokio::test]
    async fn a_page_says_what_the_module_needs_and_fits() {
        let pages = pages(true).await;
        for number in 0..pages.modules.len() {
            let page = shown(&pages.render(&turning(), number));
            let embed = &page["embeds"][0];
            let fields = embed["fields"].as_array().unwrap();
            let texts = fields
                .iter()
                .flat_map(|field| [&field["name"], &field["value"]]);
            let texts = texts.chain([&embed["title"], &embed["description"]]);
            let length: usize = texts
                .map(|text| text.as_str().unwrap().chars().count())
                .sum();
            // The footer is short.
            assert!(
                length < 5900 && fields.len() <= MAX_ITEMS,
                "{length}: {embed}"
            );
        }
        let place = pages
            .modules
            .iter()
            .position(|page| page.module.id == "antinuke");
        let antinuke = shown(&pages.render(&turning(), place.unwrap()));
        let embed = &antinuke["embeds"][0];
        let needs = embed["fields"].as_array().unwrap().last().unwrap();
        let needs = needs["value"].as_str().unwrap();
        assert!(needs.contains("**View Audit Log**: To see in the audit log who did what"));
        let text = embed["description"].as_str().unwrap();
        assert!(
            text.contains("AntiRaid counts") && !text.contains("# Protection"),
            "{text}"
        );
        let core = shown(&pages.render(&turning(), 0));
        assert!(core.to_string().contains("Message Content**"), "{core}");
    }

    #[tokio::test]
    async fn only_operators_see_their_commands() {
        let titles = async |is_root| {
            let pages = pages(is_root).await;
            pages
                .modules
                .iter()
                .map(|page| page.module.id.clone())
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
        let text = plain(modules.flat_map(commands));
        assert!(text.starts_with("```\n/help"), "{text}");
        for shown in ["\n/backups create", "\n/perms undo", "\n/guild_roles view"] {
            assert!(text.contains(shown), "{text}");
        }
        assert!(!text.contains("register") && text.len() < 2000);
        let few = plain(find(&registry, "backups", false).into_iter());
        assert!(few.contains("Back up this server"), "{few}");
    }

    #[tokio::test]
    async fn a_command_shows_parameters_and_subcommands() {
        let registry = registry().await;
        let backups = serde_json::to_value(describe(find(&registry, "backups", false).unwrap()));
        let names: Vec<_> = backups.unwrap()["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "/backups create",
                "/backups list",
                "/backups restore",
                "/backups delete",
                "/backups schedule"
            ]
        );
        let create = find(&registry, "backups create", false).unwrap();
        let create = serde_json::to_value(describe(create)).unwrap();
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
