//! What is wrong with a setting: a code and what it is about. The catalogue has the words; the API and the
//! logs show the English ones.

use std::fmt;

use splashtail_antinuke::PolicyProblem;
use splashtail_api_types::settings::{Operation, SettingsError};
use splashtail_permissions::PermissionResult;
use splashtail_permissions::edit::{EditError, InvalidChecks};
use splashtail_permissions::kittycat::InvalidPermission;

use super::words;
use crate::catalogue::Language;

/// Why something is not set.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrong {
    NotSupported(Operation),
    /// About no column.
    Rule(Rule),
    Type {
        column: String,
        expected: Shape,
        got: Shape,
    },
    Empty {
        column: String,
    },
    Check {
        column: String,
        check: Check,
    },
    Field {
        field: String,
        why: Why,
    },
    RowExists {
        column: String,
        count: usize,
    },
    NoRow {
        column: String,
    },
    Full {
        max: usize,
        current: usize,
    },
}

/// What a value is, or should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Nothing,
    Boolean,
    Number,
    WholeNumber,
    Text,
    List,
    Object,
    Names,
    Moment,
    Length,
    User,
    Role,
    Channel,
    Emoji,
    Modifier,
    Json,
}

/// What a value of the right kind does not pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    Items {
        given: usize,
        most: usize,
    },
    Bytes {
        most: usize,
    },
    Characters {
        given: usize,
        min: usize,
        max: usize,
    },
    Nul,
    /// As they are written.
    Range {
        given: String,
        min: String,
        max: String,
    },
    /// The values that there are.
    Allowed(String),
    Flags(String),
    Form(Shape),
    Permission(InvalidPermission),
    /// Not even checks; why, as the reader of JSON says it.
    NoChecks(String),
    Checks(InvalidChecks),
}

/// Why a column cannot hold this.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    NotGiven,
    NoColumn,
    NotSeen,
    NoRole,
    NoActs,
    NoModule,
    NoCommand,
    /// It has another name.
    CalledOtherwise(String),
    Everybody,
    NeitherUserNorRole,
    NoLimit,
    Bounds {
        most: u32,
    },
    /// In seconds since 1970.
    UntilAtMost(i64),
    Policy(PolicyProblem),
}

/// What a rule forbids.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    OwnerOnly,
    NotToggleable,
    LockedOut,
    Denied(PermissionResult),
    /// It would open this command to others.
    WouldOpen {
        command: String,
        now: PermissionResult,
    },
    UnknownMember,
    WhichRole,
    Edit(EditError),
    NoToken,
    NoSecret,
    NoAction,
    AfterNothing,
    Ladder(PolicyProblem),
    NoChange(i64),
    /// It is so already.
    NothingToUndo(i64),
    /// Another entry that shall be something, too, is in its way.
    NotReached {
        entry: String,
        setting: &'static str,
    },
    EntryChanged {
        entry: String,
        setting: &'static str,
    },
    PlanChanged,
    FileTooLong {
        most: usize,
    },
    /// Why, as the reader or writer of YAML says it.
    FileUnreadable(String),
    FileForm {
        given: u32,
        known: u32,
    },
    NotExported(String),
}

impl Rule {
    /// As programs read it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OwnerOnly => "owner_only",
            Self::NotToggleable => "not_toggleable",
            Self::LockedOut => "locked_out",
            Self::Denied(result) | Self::WouldOpen { now: result, .. } => result.code(),
            Self::UnknownMember => "unknown_member",
            Self::WhichRole => "no_role",
            Self::Edit(_) => "not_allowed",
            Self::NoToken | Self::NoSecret => "no_identity",
            Self::NoAction | Self::AfterNothing | Self::Ladder(_) => "ladder",
            Self::NoChange(_) => "no_change",
            Self::NothingToUndo(_) => "nothing_to_undo",
            Self::NotReached { .. } => "not_reached",
            Self::EntryChanged { .. } | Self::PlanChanged => "changed_since",
            Self::FileTooLong { .. } | Self::FileUnreadable(_) | Self::FileForm { .. } => "file",
            Self::NotExported(_) => "export",
        }
    }
}

impl Check {
    fn code(&self) -> &'static str {
        match self {
            Self::Items { .. } => "max_items",
            Self::Bytes { .. } => "max_bytes",
            Self::Characters { .. } => "length",
            Self::Nul => "text",
            Self::Range { .. } => "range",
            Self::Allowed(_) => "allowed_values",
            Self::Flags(_) => "flags",
            Self::Form(_) => "format",
            Self::Permission(_) => "permission",
            Self::NoChecks(_) | Self::Checks(_) => "checks",
        }
    }
}

impl Wrong {
    pub fn field(field: impl Into<String>, why: Why) -> Self {
        Self::Field {
            field: field.into(),
            why,
        }
    }
}

impl From<Rule> for Wrong {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SettingsError::from(self).fmt(f)
    }
}

/// As the API says it.
impl From<&Wrong> for SettingsError {
    fn from(wrong: &Wrong) -> Self {
        const ENGLISH: Language = Language::English;
        match wrong {
            Wrong::NotSupported(operation) => Self::OperationNotSupported {
                operation: *operation,
            },
            Wrong::Rule(rule) => Self::Generic {
                message: match rule {
                    Rule::Denied(result) => result.to_string(),
                    rule => words::rule(ENGLISH, rule),
                },
                src: "rules".to_owned(),
                typ: rule.code().to_owned(),
            },
            Wrong::Type {
                column,
                expected,
                got,
            } => Self::SchemaTypeValidationError {
                column: column.clone(),
                expected_type: words::shape(ENGLISH, *expected),
                got_type: words::shape(ENGLISH, *got),
            },
            Wrong::Empty { column } => Self::SchemaNullValueValidationError {
                column: column.clone(),
            },
            Wrong::Check { column, check } => Self::SchemaCheckValidationError {
                column: column.clone(),
                check: check.code().to_owned(),
                error: words::failed(ENGLISH, check),
                accepted_range: words::accepted(ENGLISH, check),
            },
            Wrong::Field { field, why } => Self::MissingOrInvalidField {
                field: field.clone(),
                src: words::why(ENGLISH, why),
            },
            Wrong::RowExists { column, count } => Self::RowExists {
                column_id: column.clone(),
                count: *count,
            },
            Wrong::NoRow { column } => Self::RowDoesNotExist {
                column_id: column.clone(),
            },
            Wrong::Full { max, current } => Self::MaximumCountReached {
                max: *max,
                current: *current,
            },
        }
    }
}
