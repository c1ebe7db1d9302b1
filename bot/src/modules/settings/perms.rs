//! `/perms`: custom permissions, and what was changed by whom.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use poise::CreateReply;
use poise::serenity_prelude::{CreateEmbed, Role};
use serde_json::{Value, json};

use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::configuration::{PastChange, PastEdit};
use crate::error::BotError;
use crate::framework::gate::ROLES;
use crate::framework::setting_commands::{asked, changed};
use crate::markdown::{DESCRIPTION, neutralise, shorten};
use crate::reply;
use crate::settings::{Fields, Operation};
use crate::text;

/// Longest value that is shown whole.
const VALUE: usize = 150;
/// Changes that one message shows.
const SHOWN: u32 = 10;

/// Custom permissions of roles, and what was changed by whom.
#[poise::command(
    slash_command,
    guild_only,
    subcommands("list", "modrole", "deleterole", "history", "undo"),
    subcommand_required
)]
pub async fn perms(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// Show the roles with custom permissions, the strongest first.
#[poise::command(slash_command, guild_only)]
async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("perms list")).await?;
    let view = cx
        .data()
        .configuration
        .view(&asked, ROLES, 0, usize::MAX)
        .await?;
    let mut rows = view.rows;
    rows.sort_by_key(|row| row.get("index").and_then(Value::as_i64));
    let language = app::language_here(cx);
    let mut text = String::new();
    for row in &rows {
        let field = |column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default();
        let index = row.get("index").and_then(Value::as_i64).unwrap_or_default();
        let perms = row
            .get("perms")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let perms: Vec<_> = perms
            .filter_map(Value::as_str)
            .map(|perm| format!("`{perm}`"))
            .collect();
        let _ = writeln!(
            text,
            "{index}. <@&{}> {}: {}",
            field("role_id"),
            neutralise(field("display_name")),
            perms.join(" ")
        );
    }
    if text.is_empty() {
        text = text!(language, "perms-none");
    }
    let embed = CreateEmbed::new()
        .title(text!(language, "perms-title"))
        .description(shorten(&text, DESCRIPTION))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

/// Give a role custom permissions, or change those it has.
#[poise::command(slash_command, guild_only)]
async fn modrole(
    cx: Context<'_>,
    #[description = "The role"] role: Role,
    #[description = "Custom permissions, separated by commas"] perms: String,
    #[description = "The lower, the stronger (default: below all others)"] index: Option<i64>,
    #[description = "How the team calls the role"] display_name: Option<String>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    if let Some(item) = perms
        .split(',')
        .find(|item| !item.trim().is_empty() && !item.contains('.'))
    {
        let item = neutralise(&shorten(item.trim(), 100));
        let language = app::reader_language(cx);
        return Err(BotError::Input(text!(
            language,
            "perms-no-dot",
            item = format!("“{item}”")
        )));
    }
    let asked = asked(cx, Some("perms modrole")).await?;
    let mut fields = Fields::from_iter([
        ("role_id".to_owned(), json!(role.id.to_string())),
        ("perms".to_owned(), json!(perms)),
    ]);
    if let Some(index) = index {
        fields.insert("index".to_owned(), json!(index));
    }
    if let Some(name) = display_name {
        fields.insert("display_name".to_owned(), json!(name));
    }
    let done = cx.data().configuration.set(&asked, ROLES, &fields).await?;
    changed(cx, ROLES, &done).await
}

/// Take a role's custom permissions away.
#[poise::command(slash_command, guild_only)]
async fn deleterole(
    cx: Context<'_>,
    #[description = "The role"] role: Role,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, Some("perms deleterole")).await?;
    let key = Fields::from_iter([("role_id".to_owned(), json!(role.id.to_string()))]);
    let app = cx.data();
    let done = app
        .configuration
        .change(&asked, ROLES, Operation::Delete, &key)
        .await?;
    changed(cx, ROLES, &done).await
}

/// Show what was changed in the bot's settings, by whom and how.
#[poise::command(slash_command, guild_only)]
async fn history(
    cx: Context<'_>,
    #[description = "Show changes before this number"] before: Option<i64>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, None).await?;
    let past = cx
        .data()
        .configuration
        .history(&asked, before, SHOWN)
        .await?;
    let language = app::language_here(cx);
    let text: String = past
        .iter()
        .map(|change| describe(language, change))
        .collect();
    let text = match text.is_empty() {
        true => text!(language, "changes-none").into(),
        false => shorten(&text, DESCRIPTION),
    };
    let embed = CreateEmbed::new()
        .title(text!(language, "changes-title"))
        .description(text)
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

/// Take back a change of the bot's settings.
#[poise::command(slash_command, guild_only)]
async fn undo(
    cx: Context<'_>,
    #[description = "The change's number, from /perms history"] change: i64,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let asked = asked(cx, None).await?;
    let done = cx.data().configuration.roll_back(&asked, change).await?;
    let language = app::language_here(cx);
    let text = text!(
        language,
        "changes-undone",
        change = change.to_string(),
        version = done.version.to_string()
    );
    let embed = CreateEmbed::new().description(text).colour(colours::GREEN);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn describe(language: Language, change: &PastChange) -> String {
    let when = format!("<t:{}:R>", change.at.timestamp());
    let who = format!("<@{}>", change.by);
    let (version, way) = (change.version.to_string(), change.way.as_str());
    let mut text = match change.undoes {
        None => text!(
            language,
            "changes-line",
            version = version,
            when = when,
            who = who,
            way = way
        ),
        Some(undone) => text!(
            language,
            "changes-line-undo",
            version = version,
            when = when,
            who = who,
            way = way,
            undone = undone.to_string()
        ),
    };
    for edit in &change.edits {
        text.push('\n');
        text.push_str(&describe_edit(language, edit));
    }
    text.push('\n');
    text
}

/// What became of an entry: a line, and one for each column that changed.
pub fn describe_edit(language: Language, edit: &PastEdit) -> String {
    let entry = neutralise(&shorten(&edit.entry, 100));
    let entry = format!("`{}` {entry}", edit.setting);
    let mut text = match (&edit.before, &edit.after) {
        (None, _) => text!(language, "edit-made", entry = entry),
        (_, None) => text!(language, "edit-deleted", entry = entry),
        _ => text!(language, "edit-changed", entry = entry),
    };
    let (before, after) = (&edit.before, &edit.after);
    let columns = before.iter().chain(after).flat_map(|fields| fields.keys());
    for column in columns.collect::<BTreeSet<_>>() {
        let value = |fields: &Option<Fields>| {
            let value = fields.as_ref().and_then(|fields| fields.get(column));
            value.filter(|value| !value.is_null()).map(Value::to_string)
        };
        let (old, new) = (value(before), value(after));
        if old != new {
            let show = |value: Option<String>| {
                let value = value.unwrap_or_else(|| text!(language, "edit-nothing"));
                neutralise(&shorten(&value, VALUE))
            };
            let _ = write!(text, "\n · {column}: {} → {}", show(old), show(new));
        }
    }
    text
}
