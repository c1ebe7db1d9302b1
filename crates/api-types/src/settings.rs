//! What guilds can set: descriptions, operations and what is wrong with a request.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What can be done with the rows of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Operation {
    View,
    Create,
    Update,
    Delete,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::View, Self::Create, Self::Update, Self::Delete];

    /// As a subcommand: `view`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One setting as the bot declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalSetting {
    pub id: String,
    pub name: String,
    pub description: String,
    /// The column that tells rows apart.
    pub primary_key: String,
    /// `{column}` stands for a column's value.
    pub title_template: String,
    pub columns: Vec<CanonicalColumn>,
    pub operations: Vec<Operation>,
    /// Rows that one View answers.
    pub max_return: usize,
    /// Rows that a guild can have.
    pub max_entries: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalColumn {
    pub id: String,
    pub name: String,
    pub description: String,
    pub column_type: ColumnType,
    pub nullable: bool,
    pub unique: bool,
    /// Its value is never shown.
    pub secret: bool,
    pub suggestions: Suggestions,
    /// Operations in which it is read-only.
    pub ignored_for: Vec<Operation>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub enum ColumnType {
    Scalar { inner: InnerType },
    Array { inner: InnerType },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub enum InnerType {
    String {
        min_length: Option<usize>,
        max_length: Option<usize>,
        allowed_values: Vec<String>,
        kind: String,
    },
    Integer {
        min: i64,
        max: i64,
    },
    /// Never infinite, never not a number.
    Float {
        min: f64,
        max: f64,
    },
    /// The sum of the bits that are set.
    BitFlag {
        /// Bit by name.
        values: BTreeMap<String, u64>,
    },
    Boolean {},
    /// RFC 3339, in UTC, to the second.
    Timestamp {},
    /// Whole seconds.
    Interval {
        min_s: i64,
        max_s: i64,
    },
    Json {
        max_bytes: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub enum Suggestions {
    None {},
    /// Rows of another setting.
    SettingsReference {
        module: String,
        setting: String,
    },
}

/// What is wrong with a request; one key names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, thiserror::Error)]
pub enum SettingsError {
    #[error("this setting has no `{}`", operation.as_str())]
    OperationNotSupported { operation: Operation },
    #[error("{message}")]
    Generic {
        message: String,
        src: String,
        typ: String,
    },
    #[error("`{column}` has to be {expected_type}, not {got_type}")]
    SchemaTypeValidationError {
        column: String,
        expected_type: String,
        got_type: String,
    },
    #[error("`{column}` cannot be empty")]
    SchemaNullValueValidationError { column: String },
    #[error("`{column}`: {error} ({accepted_range})")]
    SchemaCheckValidationError {
        column: String,
        check: String,
        error: String,
        accepted_range: String,
    },
    #[error("`{field}` cannot be used: {src}")]
    MissingOrInvalidField { field: String, src: String },
    #[error("there is already an entry with this `{column_id}`")]
    RowExists { column_id: String, count: usize },
    #[error("there is no entry with this `{column_id}`")]
    RowDoesNotExist { column_id: String },
    #[error("there can be {max} entries, and there are {current}")]
    MaximumCountReached { max: usize, current: usize },
}

impl SettingsError {
    /// The column that it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::SchemaTypeValidationError { column, .. }
            | Self::SchemaNullValueValidationError { column }
            | Self::SchemaCheckValidationError { column, .. }
            | Self::MissingOrInvalidField { field: column, .. }
            | Self::RowExists {
                column_id: column, ..
            }
            | Self::RowDoesNotExist { column_id: column } => Some(column),
            Self::OperationNotSupported { .. }
            | Self::Generic { .. }
            | Self::MaximumCountReached { .. } => None,
        }
    }
}

/// Rows, as View answers them and as the other operations leave them.
pub type Fields = Map<String, Value>;

/// Show or change rows of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsRequest {
    pub operation: Operation,
    pub module: String,
    pub setting: String,
    /// By column. Delete takes the primary key; View takes `__limit` and `__offset`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsAnswer {
    /// Rows by column; secrets are left out.
    #[schema(value_type = Vec<Object>)]
    pub fields: Vec<Fields>,
    /// Of a View: rows that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Of a View: no more can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<bool>,
    /// Of a change: by which it can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// All that a server has set, as far as you may view it, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsFile {
    /// YAML, as of `/settings export`.
    pub file: String,
}

/// What a server is to have set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsImport {
    /// YAML, as of an export; 256 KiB at most.
    #[schema(max_length = 262_144)]
    pub file: String,
    /// Delete what the settings that the file names have beside it.
    #[serde(default)]
    pub replace: bool,
    /// Of the plan that was shown: it is carried out. Absent: nothing is changed, only planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub plan_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsImported {
    /// The server that the file is of.
    pub from: String,
    /// Of the plan; give it back as `plan_hash` to have exactly this done.
    pub hash: String,
    /// What changes, without secrets.
    pub edits: Vec<SettingsEdit>,
    /// Of the change, by which it can be taken back; `null`: it was only planned, or nothing changes.
    pub version: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsHistory {
    /// Newest first.
    pub changes: Vec<SettingsChange>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsChange {
    pub version: i64,
    pub at: DateTime<Utc>,
    /// A user.
    pub by: String,
    /// `discord`, `api`, `agreed`, `rollback`, `import` or `restore`.
    pub way: String,
    /// The change that it took back.
    pub undoes: Option<i64>,
    pub edits: Vec<SettingsEdit>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsEdit {
    pub setting: String,
    /// Its primary key.
    pub entry: String,
    /// `null`: there was none.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Fields>,
    /// `null`: there is none any more.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Fields>,
}
