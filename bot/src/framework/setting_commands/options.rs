//! Columns as options of a slash command.

use poise::serenity_prelude as serenity;
use poise::{ApplicationContext, BoxFuture, CommandParameter, CommandParameterChoice};
use serde_json::Value;
use serenity::{
    AutocompleteChoice, CommandOptionType, CreateAutocompleteResponse, CreateCommandOption,
    ResolvedOption, ResolvedValue, Unresolved,
};

use super::Bound;
use crate::app::Data;
use crate::error::BotError;
use crate::settings::{Column, Fields, Format, Kind, Operation, Setting};

type TypeSetter = fn(CreateCommandOption) -> CreateCommandOption;

/// Choices of one option (Discord documentation, "Application Command Option Structure").
const MAX_CHOICES: usize = 25;
/// The longest of them (the same).
const MAX_CHOICE: usize = 100;

/// One option per column that the operation reads, those that have to be given first.
pub fn parameters(
    setting: &Setting,
    operation: Operation,
) -> Vec<CommandParameter<Data, BotError>> {
    let is_key = |column: &Column| column.id == setting.primary_key;
    let read = setting.columns.iter().filter(|column| match operation {
        Operation::View => false,
        // Where there is one row nobody says which.
        _ if is_key(column) => !setting.is_single(),
        Operation::Delete => false,
        Operation::Create | Operation::Update => !column.ignored_for.contains(&operation),
    });
    let mut parameters: Vec<_> = read
        .map(|column| {
            let needed = column.default.is_none() && !column.nullable;
            let required = needed && (is_key(column) || operation == Operation::Create);
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
        autocomplete_callback: suggests(column).then_some(complete),
        __non_exhaustive: (),
    }
}

/// Whether more can be chosen than fits into the options.
fn suggests(column: &Column) -> bool {
    matches!(column.kind, Kind::Text { allowed, .. } if !allowed.is_empty())
        && choices(column).is_empty()
}

/// Values that fit what was typed: of a list, behind its last comma.
fn complete<'a>(
    cx: ApplicationContext<'a, Data, BotError>,
    typed: &'a str,
) -> BoxFuture<'a, CreateAutocompleteResponse> {
    let bound = cx.command().custom_data.downcast_ref::<Bound>();
    let focused = cx.args.iter().find_map(|option| match option.value {
        ResolvedValue::Autocomplete { .. } => Some(option.name),
        _ => None,
    });
    let column = bound.and_then(|bound| bound.setting.column(focused?));
    let found = column.map(|column| suggestions(column, typed));
    let choices = found.unwrap_or_default().into_iter();
    let choices = choices.map(|value| AutocompleteChoice::new(value.clone(), value));
    let response = CreateAutocompleteResponse::new().set_choices(choices.collect());
    Box::pin(std::future::ready(response))
}

fn suggestions(column: &Column, typed: &str) -> Vec<String> {
    let Kind::Text { allowed, .. } = column.kind else {
        return Vec::new();
    };
    let (before, last) = match (column.list, typed.rfind(',')) {
        (Some(_), Some(comma)) => typed.split_at(comma + 1),
        _ => ("", typed),
    };
    let last = last.trim().to_lowercase();
    let fitting = allowed.iter().filter(|value| value.contains(&last));
    let whole = fitting.map(|value| match before {
        "" => (*value).to_owned(),
        before => format!("{before} {value}"),
    });
    let whole = whole.filter(|value| value.chars().count() <= MAX_CHOICE);
    whole.take(MAX_CHOICES).collect()
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
        Kind::Float { .. } => |option| option.kind(CommandOptionType::Number),
        Kind::Boolean => |option| option.kind(CommandOptionType::Boolean),
        Kind::Bitflag(_) | Kind::Timestamp | Kind::Interval { .. } | Kind::Json { .. } => {
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
            ResolvedValue::Number(value) => Value::from(*value),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MANY: &[&str] = &[
        "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2", "b3", "b4", "b5", "b6",
        "b7", "b8", "b9", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8",
    ];

    fn column(kind: Kind) -> Column {
        Column::new("c", "C", "A column", kind)
    }

    fn text(allowed: &'static [&'static str], format: Format) -> Kind {
        Kind::Text {
            min: 1,
            max: 9,
            allowed,
            format,
        }
    }

    #[test]
    fn each_kind_is_an_option_of_its_type() {
        // Discord documentation, "Application Command Option Type".
        let flags = Kind::Bitflag(&[("a", 1)]);
        for (kind, expected) in [
            (Kind::text(1, 9), 3),
            (text(&["a", "b"], Format::Plain), 4),
            (text(MANY, Format::Plain), 3),
            (Kind::Integer { min: 0, max: 9 }, 4),
            (Kind::Boolean, 5),
            (Kind::of(Format::User), 6),
            (Kind::of(Format::Channel), 7),
            (Kind::of(Format::Role), 8),
            (Kind::Float { min: 0.0, max: 9.0 }, 10),
            (Kind::of(Format::Emoji), 3),
            (Kind::of(Format::Modifier), 3),
            (Kind::Timestamp, 3),
            (Kind::Interval { min_s: 0, max_s: 9 }, 3),
            (Kind::Json { max_bytes: 9 }, 3),
            (flags, 3),
        ] {
            let option = CreateCommandOption::new(CommandOptionType::String, "c", "A column");
            let made = type_setter(&column(kind))(option);
            assert_eq!(json!(made)["type"], expected, "{kind:?}");
        }
    }

    #[test]
    fn what_does_not_fit_into_choices_is_suggested() {
        let few = column(text(&["a", "b"], Format::Plain));
        let many = column(text(MANY, Format::Plain));
        assert!(!suggests(&few) && suggests(&many) && !suggests(&column(Kind::Boolean)));
        assert_eq!(suggestions(&many, "").len(), MAX_CHOICES);
        assert_eq!(suggestions(&many, "C8"), ["c8"]);
        let list = Column {
            list: Some(9),
            ..many
        };
        assert_eq!(suggestions(&list, "a1,a2, c8"), ["a1,a2, c8"]);
        assert!(suggestions(&list, &"a1,".repeat(40)).is_empty());
    }

    #[test]
    fn where_there_is_one_row_nobody_says_which() {
        let key = Column {
            default: Some(json!("it")),
            ..column(Kind::text(1, 9))
        };
        let colour = Column {
            nullable: true,
            ..Column::new("colour", "Colour", "Its colour", Kind::text(1, 9))
        };
        let setting = Setting {
            id: "thing",
            name: "Thing",
            description: "The thing",
            primary_key: "c",
            title_template: "{c}",
            columns: vec![key, colour],
            retired: &[],
            operations: &[Operation::View, Operation::Update, Operation::Delete],
            max_entries: 1,
            rules: None,
        };
        let names = |operation| -> Vec<String> {
            let parameters = parameters(&setting, operation);
            parameters.iter().map(|p| p.name.to_string()).collect()
        };
        assert_eq!(names(Operation::Update), ["colour"]);
        assert!(names(Operation::Delete).is_empty());
    }
}
