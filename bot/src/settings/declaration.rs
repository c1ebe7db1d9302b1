//! The shape of a setting.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use splashtail_api_types::settings::{
    CanonicalColumn, CanonicalSetting, ColumnType, InnerType, Operation, Suggestions,
};

use super::judge::Rules;

/// Options of a slash command (Discord documentation, "Application Command Structure").
const MAX_COLUMNS: usize = 25;
/// Length of names and of descriptions of commands and their options (the same).
const MAX_NAME: usize = 32;
const MAX_DESCRIPTION: usize = 100;

/// Rows that each guild can have, one per value of the primary key.
pub struct Setting {
    /// Also the name of its slash command. Never changes: rows name it.
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// A column of text that cannot be empty.
    pub primary_key: &'static str,
    /// `{column}` stands for a column's value.
    pub title_template: &'static str,
    pub columns: Vec<Column>,
    pub operations: &'static [Operation],
    pub max_entries: usize,
    /// What columns alone cannot say.
    pub rules: Option<Arc<dyn Rules>>,
}

/// One column of a setting.
pub struct Column {
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub kind: Kind,
    /// A list of so many at most.
    pub list: Option<usize>,
    pub nullable: bool,
    /// Taken on Create when nothing is given.
    pub default: Option<Value>,
    /// No two rows of a guild have the same value.
    pub unique: bool,
    /// Never shown, neither here nor in the history.
    pub secret: bool,
    /// Operations that leave it as it is.
    pub ignored_for: &'static [Operation],
    /// A setting whose rows can be named here, as `(module, setting)`.
    pub reference: Option<(&'static str, &'static str)>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text {
        /// In characters.
        min: usize,
        max: usize,
        /// Any, when empty.
        allowed: &'static [&'static str],
        format: Format,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Boolean,
    /// Whole seconds; typed as `90`, `5m`, `2h30m` or `7d`.
    Interval {
        min_s: i64,
        max_s: i64,
    },
    Json {
        max_bytes: usize,
    },
}

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Plain,
    /// Of several lines.
    Textarea,
    /// A kittycat permission.
    Permission,
    User,
    Role,
    Channel,
}

/// A setting whose declaration contradicts itself. It ends the start: the tests meet it first.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{setting}`: {mistake}")]
pub struct SettingMistake {
    setting: &'static str,
    mistake: String,
}

impl Column {
    /// A column that has to be given and can be changed.
    pub const fn new(
        id: &'static str,
        name: &'static str,
        description: &'static str,
        kind: Kind,
    ) -> Self {
        Self {
            id,
            name,
            description,
            kind,
            list: None,
            nullable: false,
            default: None,
            unique: false,
            secret: false,
            ignored_for: &[],
            reference: None,
        }
    }

    pub fn is_ignored(&self, operation: Operation) -> bool {
        self.ignored_for.contains(&operation)
    }
}

impl Kind {
    /// Text of a length, in characters.
    pub const fn text(min: usize, max: usize) -> Self {
        Self::Text {
            min,
            max,
            allowed: &[],
            format: Format::Plain,
        }
    }

    /// An id or another text with a form of its own.
    pub const fn of(format: Format) -> Self {
        Self::Text {
            min: 1,
            max: 128,
            allowed: &[],
            format,
        }
    }
}

impl Setting {
    pub fn column(&self, id: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Whether each entry is about the member whom its primary key names.
    pub fn is_about_members(&self) -> bool {
        let of_user = |kind| {
            matches!(
                kind,
                Kind::Text {
                    format: Format::User,
                    ..
                }
            )
        };
        self.column(self.primary_key)
            .is_some_and(|column| of_user(column.kind))
    }

    pub fn supports(&self, operation: Operation) -> bool {
        self.operations.contains(&operation)
    }

    /// # Errors
    /// What is wrong with the declaration.
    pub fn check(&self) -> Result<(), SettingMistake> {
        let mistake = |mistake: String| {
            Err(SettingMistake {
                setting: self.id,
                mistake,
            })
        };
        let is_name = |id: &str| {
            (1..=MAX_NAME).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !is_name(self.id) {
            return mistake("its id is no name of a command".to_owned());
        }
        if self.columns.len() > MAX_COLUMNS {
            return mistake(format!("it has more than {MAX_COLUMNS} columns"));
        }
        let mut ids = BTreeSet::new();
        for column in &self.columns {
            let description = column.description.chars().count();
            if !is_name(column.id) || !(1..=MAX_DESCRIPTION).contains(&description) {
                return mistake(format!("`{}` is no option of a command", column.id));
            }
            if !ids.insert(column.id) {
                return mistake(format!("two columns are called `{}`", column.id));
            }
        }
        match self.column(self.primary_key) {
            Some(Column {
                kind: Kind::Text { min: 1.., .. },
                list: None,
                nullable: false,
                ..
            }) => Ok(()),
            _ => mistake("its primary key is no text that has to be given".to_owned()),
        }
    }

    pub fn describe(&self) -> CanonicalSetting {
        CanonicalSetting {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            primary_key: self.primary_key.to_owned(),
            title_template: self.title_template.to_owned(),
            columns: self.columns.iter().map(Column::describe).collect(),
            operations: self.operations.to_vec(),
            max_return: self.max_entries,
            max_entries: self.max_entries,
        }
    }
}

impl Column {
    fn describe(&self) -> CanonicalColumn {
        let inner = match self.kind {
            Kind::Text {
                min,
                max,
                allowed,
                format,
            } => InnerType::String {
                min_length: Some(min),
                max_length: Some(max),
                allowed_values: allowed.iter().map(|value| (*value).to_owned()).collect(),
                kind: format.as_str().to_owned(),
            },
            Kind::Integer { min, max } => InnerType::Integer { min, max },
            Kind::Boolean => InnerType::Boolean {},
            Kind::Interval { min_s, max_s } => InnerType::Interval { min_s, max_s },
            Kind::Json { max_bytes } => InnerType::Json { max_bytes },
        };
        CanonicalColumn {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            column_type: match self.list {
                None => ColumnType::Scalar { inner },
                Some(_) => ColumnType::Array { inner },
            },
            nullable: self.nullable,
            unique: self.unique,
            secret: self.secret,
            suggestions: match self.reference {
                None => Suggestions::None {},
                Some((module, setting)) => Suggestions::SettingsReference {
                    module: module.to_owned(),
                    setting: setting.to_owned(),
                },
            },
            ignored_for: self.ignored_for.to_vec(),
        }
    }
}

impl Format {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "Normal",
            Self::Textarea => "Textarea",
            Self::Permission => "KittycatPermission",
            Self::User => "User",
            Self::Role => "Role",
            Self::Channel => "Channel",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(columns: Vec<Column>) -> Setting {
        Setting {
            id: "colours",
            name: "Colours",
            description: "Colours of things",
            primary_key: "thing",
            title_template: "{thing}",
            columns,
            operations: &Operation::ALL,
            max_entries: 3,
            rules: None,
        }
    }

    fn thing() -> Column {
        Column::new("thing", "Thing", "What has a colour", Kind::text(1, 10))
    }

    #[test]
    fn declarations_that_contradict_themselves() {
        assert_eq!(setting(vec![thing()]).check(), Ok(()));
        let flag = || Column::new("thing", "Thing", "Whether it is one", Kind::Boolean);
        let maybe = Column {
            nullable: true,
            ..thing()
        };
        let unnamed = Column {
            id: "No name",
            ..thing()
        };
        let undescribed = Column {
            description: "",
            ..thing()
        };
        let many = (0..26).map(|_| thing()).collect();
        for columns in [
            vec![],
            vec![flag()],
            vec![maybe],
            vec![unnamed],
            vec![undescribed],
            vec![thing(), thing()],
            many,
        ] {
            setting(columns).check().unwrap_err();
        }
    }
}
