//! The shape of a setting.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use splashtail_api_types::settings::{
    CanonicalColumn, CanonicalSetting, ColumnType, Fields, InnerType, Operation, Suggestions,
};

use super::judge::Rules;
use crate::catalogue::{self, Language};

/// Options of a slash command (Discord documentation, "Application Command Structure").
const MAX_COLUMNS: usize = 25;
/// Length of names and of descriptions of commands and their options (the same).
const MAX_NAME: usize = 32;
const MAX_DESCRIPTION: usize = 100;

/// The largest number that every reader of JSON keeps exact (RFC 8259, section 6).
const EXACT: u64 = (1 << 53) - 1;

/// Rows that each guild can have, one per value of the primary key.
///
/// A primary key with a default makes a setting of one row, which is there from the beginning with the
/// defaults of its columns: it can be shown and updated at once, and deleting it brings these back.
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
    /// Columns that there were once. Rows, exports and the past may still have them; they say nothing.
    pub retired: &'static [&'static str],
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
    Float {
        min: f64,
        max: f64,
    },
    /// Any of these, by name and bit; stored as their sum.
    Bitflag(&'static [(&'static str, u64)]),
    Boolean,
    /// A moment, stored as RFC 3339 in UTC to the second; typed as `2026-11-30`, `2026-11-30 18:00`,
    /// with an offset, in seconds since 1970 or as Discord writes it, `<t:1796061600>`.
    Timestamp,
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
    /// One of Unicode's, or one of a server: `<:name:id>`.
    Emoji,
    /// Whom or what a row is for: see [`splashtail_permissions::Modifier`].
    Modifier,
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
    pub fn is_retired(&self, column: &str) -> bool {
        self.retired.contains(&column)
    }

    /// A row with all that it says: a column that it lacks, as rows from before there was that column
    /// do, is as it is by default.
    pub fn whole(&self, fields: &Fields) -> Fields {
        let mut whole = fields.clone();
        whole.retain(|column, _| !self.is_retired(column));
        for column in &self.columns {
            if !whole.contains_key(column.id) {
                let value = column.default.clone().unwrap_or(Value::Null);
                whole.insert(column.id.to_owned(), value);
            }
        }
        whole
    }

    /// The column by whose numbers entries stand in an order, no two at the same place.
    pub fn order(&self) -> Option<&Column> {
        let is_order =
            |column: &&Column| column.unique && matches!(column.kind, Kind::Integer { .. });
        self.columns.iter().find(is_order)
    }

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

    /// Whether there is one row at all times.
    pub fn is_single(&self) -> bool {
        self.single_key().is_some()
    }

    /// The key of the only row, where there can be no other.
    pub fn single_key(&self) -> Option<&Value> {
        self.column(self.primary_key)?.default.as_ref()
    }

    /// The row of a setting of one row that nobody has touched.
    pub fn untouched(&self) -> Option<Fields> {
        self.is_single().then(|| self.whole(&Fields::new()))
    }

    pub fn name_in(&self, language: Language) -> String {
        catalogue::setting(language, self.id).unwrap_or_else(|| self.name.to_owned())
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
            if !ids.insert(column.id) || self.is_retired(column.id) {
                return mistake(format!("two columns are called `{}`", column.id));
            }
            if let Kind::Bitflag(flags) = column.kind {
                let all = flags.iter().fold(0, |all, (_, bit)| all | bit);
                let each = flags.iter().all(|(_, bit)| bit.is_power_of_two());
                if !each || all.count_ones() as usize != flags.len() || all > EXACT {
                    return mistake(format!("flags of `{}` are no bits of their own", column.id));
                }
            }
            let given = column.default.is_some() || column.nullable;
            if self.is_single() && !given {
                return mistake(format!("`{}` has no default in the only row", column.id));
            }
        }
        if self.is_single() && (self.max_entries != 1 || self.supports(Operation::Create)) {
            return mistake("its only row can be made again".to_owned());
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
            Kind::Float { min, max } => InnerType::Float { min, max },
            Kind::Bitflag(flags) => InnerType::BitFlag {
                values: flags
                    .iter()
                    .map(|(name, bit)| ((*name).to_owned(), *bit))
                    .collect(),
            },
            Kind::Boolean => InnerType::Boolean {},
            Kind::Timestamp => InnerType::Timestamp {},
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
            suggestions: Suggestions::None {},
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
            Self::Emoji => "Emoji",
            Self::Modifier => "Modifier",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(columns: Vec<Column>) -> Setting {
        Setting {
            id: "colours",
            name: "Colours",
            description: "Colours of things",
            primary_key: "thing",
            title_template: "{thing}",
            columns,
            retired: &["shade"],
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
        let flags = |flags| Column::new("parts", "Parts", "Which", Kind::Bitflag(flags));
        let two_in_one = flags(&[("a", 3)]);
        let shared = flags(&[("a", 1), ("b", 1)]);
        let too_large = flags(&[("a", 1 << 53)]);
        let sound = flags(&[("a", 1), ("b", 1 << 52)]);
        assert_eq!(setting(vec![thing(), sound]).check(), Ok(()));
        for columns in [
            vec![],
            vec![flag()],
            vec![maybe],
            vec![unnamed],
            vec![undescribed],
            vec![thing(), thing()],
            many,
            vec![thing(), two_in_one],
            vec![thing(), shared],
            vec![thing(), too_large],
        ] {
            setting(columns).check().unwrap_err();
        }
    }

    #[test]
    fn what_an_old_row_lacks_is_as_by_default() {
        let size = Column {
            default: Some(json!(4)),
            ..Column::new("size", "Size", "Its size", Kind::Integer { min: 1, max: 9 })
        };
        let colour = Column {
            nullable: true,
            ..Column::new("colour", "Colour", "Its colour", Kind::text(1, 9))
        };
        let setting = setting(vec![thing(), size, colour]);
        let whole = |row: Value| Value::Object(setting.whole(row.as_object().unwrap()));
        let old = whole(json!({"thing": "it", "shade": "dark"}));
        assert_eq!(old, json!({"thing": "it", "size": 4, "colour": null}));
        let new = json!({"thing": "it", "size": 5, "colour": "red"});
        assert_eq!(whole(new.clone()), new);
        // What was never a column is for whoever reads the row to refuse.
        assert_eq!(whole(json!({"weight": 1}))["weight"], 1);
    }

    #[test]
    fn the_only_row_is_there_from_the_beginning() {
        let only = || Column {
            default: Some(json!("it")),
            ..thing()
        };
        let colour = |default| Column {
            default,
            ..Column::new("colour", "Colour", "Its colour", Kind::text(1, 9))
        };
        let single = |columns| Setting {
            operations: &[Operation::View, Operation::Update, Operation::Delete],
            max_entries: 1,
            ..setting(columns)
        };
        let whole = single(vec![only(), colour(Some(json!("red")))]);
        assert_eq!(whole.check(), Ok(()));
        let row = whole.untouched().unwrap();
        assert_eq!(Value::Object(row), json!({"thing": "it", "colour": "red"}));
        assert_eq!(setting(vec![thing()]).untouched(), None);
        setting(vec![only()]).check().unwrap_err();
        single(vec![only(), colour(None)]).check().unwrap_err();
    }
}
