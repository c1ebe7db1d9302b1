//! `help` and `simplehelp`.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    CreateActionRow, CreateEmbed, CreateSelectMenu, CreateSelectMenuKind, CreateSelectMenuOption,
};
use splashtail_api_types::modules::{CanonicalCommandData, CanonicalModule};

use crate::app::{self, Context};
use crate::catalogue::{self, Language};
use crate::colours;
use crate::error::BotError;
use crate::framework::PREFIX;
use crate::ids;
use crate::markdown::{neutralise, shorten};
use crate::pages::{self, Pages, Reader, Turning};
use crate::registry::{self, Need, Needed, Registry};
use crate::reply;
use crate::text;

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
            let found = find(&app.registry, &wanted, is_root);
            let found = found.ok_or_else(|| unknown(cx, &wanted))?;
            let embed = describe(app::language_here(cx), found);
            reply::answer(cx, CreateReply::default().embed(embed)).await?;
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
    let language = app::language_here(cx);
    let text = match command {
        Some(wanted) => {
            let found = find(&app.registry, &wanted, is_root);
            let found = found.ok_or_else(|| unknown(cx, &wanted))?;
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

fn unknown(cx: Context<'_>, wanted: &str) -> BotError {
    let name = neutralise(&shorten(wanted.trim(), 100));
    BotError::Input(text!(app::reader_language(cx), "help-unknown", name = name))
}

/// What a command does.
fn about(language: Language, command: &CanonicalCommandData) -> String {
    catalogue::description(language, &command.qualified_name)
        .or_else(|| command.description.clone())
        .unwrap_or_else(|| text!(language, "help-no-description"))
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
    format!("```\n{}\n```", shorten(&text, MAX_PLAIN))
}

fn collect_leaves<'a>(
    language: Language,
    command: &'a CanonicalCommandData,
    rows: &mut Vec<(&'a str, String)>,
) {
    if command.subcommands.is_empty() {
        rows.push((&command.qualified_name, about(language, command)));
    }
    command
        .subcommands
        .iter()
        .for_each(|subcommand| collect_leaves(language, subcommand, rows));
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
    let mut embed = CreateEmbed::new()
        .title(format!("/{}", command.qualified_name))
        .description(about(language, command))
        .colour(colours::BLUE);
    if !command.arguments.is_empty() {
        let lines = command.arguments.iter().map(|argument| {
            let name = &argument.name;
            let about = catalogue::option(language, &command.qualified_name, name)
                .or_else(|| argument.description.clone())
                .unwrap_or_else(|| text!(language, "help-no-description"));
            match argument.required {
                true => text!(language, "help-parameter", name = name, about = about),
                false => text!(language, "help-optional", name = name, about = about),
            }
        });
        embed = embed.field(text!(language, "help-parameters"), join_lines(lines), false);
    }
    // One place is taken by the parameters.
    for subcommand in command.subcommands.iter().take(MAX_ITEMS - 1) {
        let name = format!("/{}", subcommand.qualified_name);
        embed = embed.field(name, about(language, subcommand), false);
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
            return CreateReply::default().content(text!(turning.language, "help-none"));
        };
        let language = turning.language;
        let module = &page.module;
        let mut embed = CreateEmbed::new()
            .title(page.name(language))
            .description(page.text(language))
            .colour(colours::BLUE);
        // One place is taken by what the module needs.
        let mut room = MAX_COMMANDS;
        for command in commands(module).take(MAX_ITEMS - 1) {
            let summary = summary(language, command);
            let text = match room.checked_sub(summary.chars().count()) {
                Some(left) => {
                    room = left;
                    summary
                }
                None => about(language, command),
            };
            embed = embed.field(format!("/{}", command.name), text, false);
        }
        if !page.needs.is_empty() {
            let needs = page.needs.iter();
            let needs = needs.map(|need| need_words(language, &module.id, need));
            embed = embed.field(text!(language, "help-needs"), join_lines(needs), false);
        }
        let embed = embed.footer(serenity::CreateEmbedFooter::new(text!(
            language,
            "help-foot",
            number = number + 1,
            pages = last + 1,
            prefix = PREFIX
        )));
        CreateReply::default()
            .embed(embed)
            .components(self.controls(turning, number, last))
    }

    fn controls(&self, turning: &Turning, number: usize, last: usize) -> Vec<CreateActionRow> {
        let prefix = Self::PREFIX;
        let options = self
            .modules
            .iter()
            .take(MAX_ITEMS)
            .enumerate()
            .map(|(at, page)| {
                CreateSelectMenuOption::new(page.name(turning.language), at.to_string())
                    .description(shorten(&page.about(turning.language), 100))
                    .default_selection(at == number)
            });
        let kind = CreateSelectMenuKind::String {
            options: options.collect(),
        };
        let menu = CreateSelectMenu::new(turning.menu(prefix), kind)
            .placeholder(text!(turning.language, "help-choose"));
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
    fn name(&self, language: Language) -> String {
        let own = catalogue::module(language, &self.module.id);
        own.unwrap_or_else(|| self.module.name.clone())
    }

    fn about(&self, language: Language) -> String {
        let own = catalogue::module_description(language, &self.module.id);
        own.unwrap_or_else(|| self.module.description.clone())
    }

    /// What the module says about itself: its page, without the title, as far as it fits.
    fn text(&self, language: Language) -> String {
        let about = self.about(language);
        let docs = self.docs.trim();
        let body = match docs.split_once('\n') {
            Some((title, body)) if title.starts_with("# ") => body.trim(),
            _ => docs,
        };
        match body {
            "" => about,
            body => format!("{about}\n\n{}", shorten(body, MAX_DOCS)),
        }
    }
}

fn summary(language: Language, command: &CanonicalCommandData) -> String {
    let subcommands = command.subcommands.iter().map(|subcommand| {
        let about = about(language, subcommand);
        format!("`{}`: {about}", subcommand.name)
    });
    join_lines(std::iter::once(about(language, command)).chain(subcommands))
}

/// `**View Audit Log**: why`
fn need_words(language: Language, module: &str, need: &Need) -> String {
    let what = match need.what {
        Needed::Permission(permission) => {
            let own = catalogue::permission(language, permission.0.trailing_zeros());
            own.unwrap_or_else(|| permission.to_string())
        }
        Needed::Intents(intents) => registry::names(intents),
    };
    let why = catalogue::need(language, module, &need.what.key());
    format!("**{what}**: {}", why.unwrap_or_else(|| need.why.to_owned()))
}
