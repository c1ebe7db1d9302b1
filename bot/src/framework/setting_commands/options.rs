//! Columns as options of a slash command.

use poise::serenity_prelude as serenity;
use poise::{CommandParameter, CommandParameterChoice};
use serde_json::Value;
use serenity::{CommandOptionType, CreateCommandOption, ResolvedOption, ResolvedValue, Unresolved};

use crate::app::Data;
use crate::error::BotError;
use crate::settings::{Column, Fields, Format, Kind, Operation, Setting};

type TypeSetter = fn(CreateCommandOption) -> CreateCommandOption;

/// Choices of one option (Discord documentation, "Application Command Option Structure").
const MAX_CHOICES: usize = 25;

/// One option per column that the operation reads, those that have to be given first.
pub fn parameters(
    setting: &Setting,
    operation: Operation,
) -> Vec<CommandParameter<Data, BotError>> {
    let is_key = |column: &Column| column.id == setting.primary_key;
    let read = setting.columns.iter().filter(|column| match operation {
        Operation::View => false,
        Operation::Delete => is_key(column),
        Operation::Create | Operation::Update => {
            is_key(column) || !column.ignored_for.contains(&operation)
        }
    });
    let mut parameters: Vec<_> = read
        .map(|column| {
            let needed = column.default.is_none() && !column.nullable;
            let required = is_key(column) || (operation == Operation::Create && needed);
            parameter(column, required)
        })
        .collect();
    parameters.sort_by_key(|parameter| !parameter.required);
    parameters
}

fn parameter(column: &Column, required: bool) -> CommandParameter<Data, BotError> {
    let choices = choices(column).iter().map(|value| CommandParameterChoice {
        name: (*value).into(),
        localizations: Vec::new().into(),
        __non_exhaustive: (),
    });
    CommandParameter {
        name: column.id.into(),
        name_localizations: Vec::new().into(),
        description: Some(column.description.into()),
        description_localizations: Vec::new().into(),
        required,
        channel_types: None,
        choices: choices.collect::<Vec<_>>().into(),
        type_setter: Some(type_setter(column)),
        autocomplete_callback: None,
        __non_exhaustive: (),
    }
}

/// What can be chosen; Discord then sends the place in this list.
fn choices(column: &Column) -> &'static [&'static str] {
    match column.kind {
        Kind::Text { allowed, .. } if column.list.is_none() && allowed.len() <= MAX_CHOICES => {
            allowed
        }
        _ => &[],
    }
}

fn type_setter(column: &Column) -> TypeSetter {
    if column.list.is_some() {
        return |option| option.kind(CommandOptionType::String);
    }
    match column.kind {
        Kind::Text { .. } if !choices(column).is_empty() => {
            |option| option.kind(CommandOptionType::Integer)
        }
        Kind::Text { format, .. } => match format {
            Format::User => |option| option.kind(CommandOptionType::User),
            Format::Role => |option| option.kind(CommandOptionType::Role),
            Format::Channel => |option| option.kind(CommandOptionType::Channel),
            _ => |option| option.kind(CommandOptionType::String),
        },
        Kind::Integer { .. } => |option| option.kind(CommandOptionType::Integer),
        Kind::Boolean => |option| option.kind(CommandOptionType::Boolean),
        Kind::Interval { .. } | Kind::Json { .. } => {
            |option| option.kind(CommandOptionType::String)
        }
    }
}

/// What was entered, by column. A word alone empties a column that may be empty: `none`.
pub fn read(setting: &Setting, options: &[ResolvedOption<'_>]) -> Fields {
    let entered = options.iter().filter_map(|option| {
        let column = setting.column(option.name)?;
        let value = match &option.value {
            ResolvedValue::Boolean(value) => Value::from(*value),
            ResolvedValue::Integer(value) => chosen(column, *value),
            ResolvedValue::String("none") if column.nullable => Value::Null,
            ResolvedValue::String(value) => Value::from(*value),
            ResolvedValue::Role(role) => Value::from(role.id.to_string()),
            ResolvedValue::User(user, _) => Value::from(user.id.to_string()),
            ResolvedValue::Channel(channel) => Value::from(channel.id.to_string()),
            ResolvedValue::Unresolved(Unresolved::RoleId(id)) => Value::from(id.to_string()),
            ResolvedValue::Unresolved(Unresolved::User(id)) => Value::from(id.to_string()),
            ResolvedValue::Unresolved(Unresolved::Channel(id)) => Value::from(id.to_string()),
            _ => return None,
        };
        Some((column.id.to_owned(), value))
    });
    entered.collect()
}

fn chosen(column: &Column, value: i64) -> Value {
    let choice = usize::try_from(value).ok();
    let choice = choice.and_then(|at| choices(column).get(at));
    choice.map_or(Value::from(value), |text| Value::from(*text))
}
