//! What is wrong with a setting, in the words of whoever reads it.

use super::SettingsError;
use crate::catalogue::Language;
use crate::text;

/// Reasons of [`SettingsError::MissingOrInvalidField`] that have words in every language.
pub const NOT_GIVEN: &str = "it is not given";
pub const NO_COLUMN: &str = "there is no such column";
pub const NOT_SEEN: &str = "I do not see it in this server";
pub const NO_ROLE: &str = "there is no such role in this server";
pub const NO_ACTS: &str = "at least one type of act is needed";

/// What has no words of its own in a language is said as the rule said it. What was entered is quoted as
/// it is.
pub fn say(language: Language, error: &SettingsError) -> String {
    use SettingsError as E;
    match error {
        E::OperationNotSupported { operation } => {
            text!(language, "wrong-operation", operation = operation.as_str())
        }
        E::Generic { message, typ, .. } => match typ.as_str() {
            "owner_only" => text!(language, "wrong-owner-only"),
            "not_toggleable" => text!(language, "wrong-not-toggleable"),
            "locked_out" => text!(language, "wrong-locked-out"),
            "unknown_member" => text!(language, "wrong-unknown-member"),
            "no_role" => text!(language, "wrong-which-role"),
            _ => message.clone(),
        },
        E::SchemaTypeValidationError {
            column,
            expected_type,
            got_type,
        } => {
            let expected = shape(language, expected_type);
            let got = shape(language, got_type);
            text!(
                language,
                "wrong-type",
                column = column,
                expected = expected,
                got = got
            )
        }
        E::SchemaNullValueValidationError { column } => {
            text!(language, "wrong-empty", column = column)
        }
        E::SchemaCheckValidationError {
            column,
            check,
            error,
            accepted_range,
        } => {
            let why = failed(language, check, error);
            let range = accepted(language, check, accepted_range);
            text!(
                language,
                "wrong-check",
                column = column,
                why = why,
                accepted = range
            )
        }
        E::MissingOrInvalidField { field, src } => {
            let why = match src.as_str() {
                NOT_GIVEN => text!(language, "wrong-not-given"),
                NO_COLUMN => text!(language, "wrong-no-column"),
                NOT_SEEN => text!(language, "wrong-not-seen"),
                NO_ROLE => text!(language, "wrong-no-role"),
                NO_ACTS => text!(language, "wrong-no-acts"),
                other => other.to_owned(),
            };
            text!(language, "wrong-field", field = field, why = why)
        }
        E::RowExists { column_id, .. } => {
            text!(language, "wrong-row-exists", column = column_id)
        }
        E::RowDoesNotExist { column_id } => text!(language, "wrong-no-row", column = column_id),
        E::MaximumCountReached { max, current } => {
            text!(
                language,
                "wrong-full",
                max = max.to_string(),
                current = current.to_string()
            )
        }
    }
}

/// What a value is, or should be.
fn shape(language: Language, shape: &str) -> String {
    match shape {
        "nothing" => text!(language, "shape-nothing"),
        "true or false" => text!(language, "shape-boolean"),
        "a number" => text!(language, "shape-number"),
        "a whole number" => text!(language, "shape-whole-number"),
        "a text" => text!(language, "shape-text"),
        "a list" => text!(language, "shape-list"),
        "an object" => text!(language, "shape-object"),
        "names" | "a list of names" => text!(language, "shape-names"),
        "a moment such as 2026-11-30 18:00" => text!(language, "shape-moment"),
        "a length of time such as 5m" => text!(language, "shape-length"),
        "a user's id" => text!(language, "shape-user"),
        "a role's id" => text!(language, "shape-role"),
        "a channel's id" => text!(language, "shape-channel"),
        "an emoji, or <:name:id> of one of a server" => text!(language, "shape-emoji"),
        other => other.to_owned(),
    }
}

fn failed(language: Language, check: &str, error: &str) -> String {
    match check {
        "max_items" => text!(language, "wrong-too-many"),
        "max_bytes" => text!(language, "wrong-too-long"),
        "length" => text!(language, "wrong-length"),
        "range" => text!(language, "wrong-range"),
        "allowed_values" | "flags" => text!(language, "wrong-not-allowed"),
        "format" => text!(language, "wrong-form"),
        "text" => text!(language, "wrong-nul"),
        _ => error.to_owned(),
    }
}

fn accepted(language: Language, check: &str, range: &str) -> String {
    let words = range.split(' ');
    let numbers: Vec<_> = words.filter(|word| word.parse::<f64>().is_ok()).collect();
    match (check, numbers.as_slice()) {
        ("range" | "length", [min, max]) => {
            text!(language, "wrong-between", min = *min, max = *max)
        }
        ("max_items" | "max_bytes", [max]) => text!(language, "wrong-at-most", max = *max),
        _ => shape(language, range),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::{Column, Format, Kind};

    fn refused(kind: Kind, given: &Value) -> SettingsError {
        let column = Column::new("c", "C", "A column", kind);
        column.read(given).unwrap_err()
    }

    fn german(error: &SettingsError) -> String {
        say(Language::German, error)
    }

    #[test]
    fn what_columns_refuse_is_said_in_german() {
        let of = |format| Kind::Text {
            min: 1,
            max: 9,
            allowed: &[],
            format,
        };
        let digit = Kind::Integer { min: 1, max: 9 };
        let hour = Kind::Interval {
            min_s: 1,
            max_s: 3600,
        };
        let flags = Kind::Bitflag(&[("a", 1)]);
        for (kind, given, said) in [
            (
                digit,
                json!("x"),
                "`c` muss eine ganze Zahl sein, nicht ein Text",
            ),
            (digit, json!(10), "`c`: Das liegt außerhalb (1 bis 9)"),
            (
                hour,
                json!([]),
                "`c` muss eine Dauer wie 5m sein, nicht eine Liste",
            ),
            (
                of(Format::Plain),
                json!(""),
                "`c`: Die Länge passt nicht (1 bis 9)",
            ),
            (
                of(Format::User),
                json!("x"),
                "`c`: Die Form stimmt nicht (die Id eines Benutzers)",
            ),
            (
                Kind::Boolean,
                json!({}),
                "`c` muss true oder false sein, nicht ein Objekt",
            ),
            (flags, json!("b"), "`c`: Das gibt es hier nicht (a)"),
            (digit, json!(null), "`c` darf nicht leer sein"),
        ] {
            assert_eq!(german(&refused(kind, &given)), said, "{given}");
        }
    }

    /// Each is said in English as it is in the API.
    #[test]
    fn reasons_have_words_in_each_language() {
        for src in [NOT_GIVEN, NO_COLUMN, NOT_SEEN, NO_ROLE, NO_ACTS] {
            let error = SettingsError::MissingOrInvalidField {
                field: "f".to_owned(),
                src: src.to_owned(),
            };
            assert_eq!(say(Language::English, &error), error.to_string());
            assert!(!german(&error).contains(src), "{src}");
        }
    }

    #[test]
    fn what_has_no_words_is_said_as_it_is() {
        let error = crate::settings::refuse("Something else.", "other");
        assert_eq!(german(&error), "Something else.");
    }
}
