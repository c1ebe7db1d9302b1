//! What is wrong with a setting, in the words of whoever reads it. What was entered is quoted as it is.

use splashtail_antinuke::PolicyProblem;
use splashtail_permissions::edit::{EditError, InvalidChecks};
use splashtail_permissions::kittycat::{InvalidPermission, PatchError};

use super::wrong::{Check, Rule, Shape, Why, Wrong};
use crate::catalogue::Language;
use crate::denial::denial;
use crate::text;

pub fn say(language: Language, wrong: &Wrong) -> String {
    match wrong {
        Wrong::NotSupported(operation) => {
            text!(language, "wrong-operation", operation = operation.as_str())
        }
        Wrong::Rule(broken) => rule(language, broken),
        Wrong::Type {
            column,
            expected,
            got,
        } => {
            let (expected, got) = (shape(language, *expected), shape(language, *got));
            text!(
                language,
                "wrong-type",
                column = column,
                expected = expected,
                got = got
            )
        }
        Wrong::Empty { column } => text!(language, "wrong-empty", column = column),
        Wrong::Check { column, check } => {
            let (why, range) = (failed(language, check), accepted(language, check));
            text!(
                language,
                "wrong-check",
                column = column,
                why = why,
                accepted = range
            )
        }
        Wrong::Field { field, why: cause } => {
            let why = why(language, cause);
            text!(language, "wrong-field", field = field, why = why)
        }
        Wrong::RowExists { column, .. } => text!(language, "wrong-row-exists", column = column),
        Wrong::NoRow { column } => text!(language, "wrong-no-row", column = column),
        Wrong::Full { max, current } => text!(
            language,
            "wrong-full",
            max = max.to_string(),
            current = current.to_string()
        ),
    }
}

pub(super) fn shape(language: Language, shape: Shape) -> String {
    match shape {
        Shape::Nothing => text!(language, "shape-nothing"),
        Shape::Boolean => text!(language, "shape-boolean"),
        Shape::Number => text!(language, "shape-number"),
        Shape::WholeNumber => text!(language, "shape-whole-number"),
        Shape::Text => text!(language, "shape-text"),
        Shape::List => text!(language, "shape-list"),
        Shape::Object => text!(language, "shape-object"),
        Shape::Names => text!(language, "shape-names"),
        Shape::Moment => text!(language, "shape-moment"),
        Shape::Length => text!(language, "shape-length"),
        Shape::User => text!(language, "shape-user"),
        Shape::Role => text!(language, "shape-role"),
        Shape::Channel => text!(language, "shape-channel"),
        Shape::Emoji => text!(language, "shape-emoji"),
        Shape::Modifier => text!(language, "shape-modifier"),
        Shape::Json => text!(language, "shape-json"),
    }
}

pub(super) fn failed(language: Language, check: &Check) -> String {
    match check {
        Check::Items { given, .. } => text!(language, "check-items", given = *given),
        Check::Bytes { .. } => text!(language, "check-bytes"),
        Check::Characters { given, min, .. } if given < min => {
            text!(language, "check-few", given = *given)
        }
        Check::Characters { given, .. } => text!(language, "check-many", given = *given),
        Check::Nul => text!(language, "check-nul"),
        Check::Range { given, .. } => text!(language, "check-range", given = given),
        Check::Allowed(_) => text!(language, "check-allowed"),
        Check::Flags(_) => text!(language, "check-flags"),
        Check::Form(_) => text!(language, "check-form"),
        Check::Permission(why) => permission(language, *why),
        Check::NoChecks(why) => why.clone(),
        Check::Checks(why) => match why {
            InvalidChecks::TooMany => text!(language, "checks-too-many"),
            InvalidChecks::TooManyPermissions => text!(language, "checks-too-long"),
            InvalidChecks::Permission { text, cause } => {
                let why = permission(language, *cause);
                text!(language, "checks-permission", text = text, why = why)
            }
            InvalidChecks::UnknownNative => text!(language, "checks-unknown"),
            InvalidChecks::NeverMet => text!(language, "checks-never-met"),
            InvalidChecks::Template => text!(language, "checks-template"),
        },
    }
}

fn permission(language: Language, why: InvalidPermission) -> String {
    match why {
        InvalidPermission::Empty => text!(language, "wrong-permission-empty"),
        InvalidPermission::Blank => text!(language, "wrong-permission-blank"),
        InvalidPermission::SecondTilde => text!(language, "wrong-permission-tilde"),
        InvalidPermission::TooLong => text!(language, "wrong-permission-too-long"),
    }
}

pub(super) fn accepted(language: Language, check: &Check) -> String {
    match check {
        Check::Items { most, .. } => text!(language, "range-items", most = *most),
        Check::Bytes { most } => text!(language, "range-bytes", most = *most),
        Check::Characters { min, max, .. } => {
            text!(language, "range-characters", min = *min, max = *max)
        }
        Check::Nul => shape(language, Shape::Text),
        Check::Range { min, max, .. } => text!(language, "range-between", min = min, max = max),
        Check::Allowed(values) | Check::Flags(values) => values.clone(),
        Check::Form(expected) => shape(language, *expected),
        Check::Permission(_) => text!(language, "range-permission"),
        Check::NoChecks(_) | Check::Checks(_) => text!(language, "range-checks"),
    }
}

pub(super) fn why(language: Language, why: &Why) -> String {
    match why {
        Why::NotGiven => text!(language, "wrong-not-given"),
        Why::NoColumn => text!(language, "wrong-no-column"),
        Why::NotSeen => text!(language, "wrong-not-seen"),
        Why::NoRole => text!(language, "wrong-no-role"),
        Why::NoActs => text!(language, "wrong-no-acts"),
        Why::NoModule => text!(language, "wrong-no-module"),
        Why::NoCommand => text!(language, "wrong-no-command"),
        Why::CalledOtherwise(name) => text!(language, "wrong-own-name", name = name),
        Why::Everybody => text!(language, "wrong-everybody"),
        Why::NeitherUserNorRole => text!(language, "wrong-neither"),
        Why::NoLimit => text!(language, "wrong-no-limit"),
        Why::Bounds { most } => text!(language, "wrong-bounds", most = most.to_string()),
        Why::UntilAtMost(second) => {
            let when = chrono::DateTime::from_timestamp(*second, 0).unwrap_or_default();
            text!(
                language,
                "wrong-until",
                when = when.format("%Y-%m-%d %H:%M UTC").to_string()
            )
        }
        Why::Policy(problem) => policy(language, problem),
    }
}

fn policy(language: Language, problem: &PolicyProblem) -> String {
    let of =
        |what: &str, column: splashtail_antinuke::Column| format!("{what} ({})", column.name());
    match problem {
        PolicyProblem::TooLow { what, column } => {
            text!(language, "policy-too-low", what = of(what, *column))
        }
        PolicyProblem::TooHigh { what, column, most } => {
            let most = most.to_string();
            text!(
                language,
                "policy-too-high",
                what = of(what, *column),
                most = most
            )
        }
        PolicyProblem::Unordered { what, column } => {
            text!(language, "policy-unordered", what = of(what, *column))
        }
        PolicyProblem::Twice { kind } => text!(language, "policy-twice", what = kind.name()),
        PolicyProblem::TooManyTrusted { most } => {
            text!(language, "policy-trusted", most = *most)
        }
        PolicyProblem::TooManyWindows { most } => {
            text!(language, "policy-windows", most = *most)
        }
    }
}

pub(super) fn rule(language: Language, rule: &Rule) -> String {
    match rule {
        Rule::OwnerOnly => text!(language, "wrong-owner-only"),
        Rule::NotToggleable => text!(language, "wrong-not-toggleable"),
        Rule::LockedOut => text!(language, "wrong-locked-out"),
        Rule::Denied(result) => denial(language, result),
        Rule::WouldOpen { command, now } => {
            let why = denial(language, now);
            text!(language, "wrong-would-open", command = command, why = why)
        }
        Rule::UnknownMember => text!(language, "wrong-unknown-member"),
        Rule::WhichRole => text!(language, "wrong-which-role"),
        Rule::Edit(error) => edit(language, error),
        Rule::NoToken => text!(language, "wrong-no-token"),
        Rule::NoSecret => text!(language, "wrong-no-secret"),
        Rule::NoAction => text!(language, "wrong-no-action"),
        Rule::AfterNothing => text!(language, "wrong-after-nothing"),
        Rule::Ladder(problem) => policy(language, problem),
        Rule::NoChange(version) => {
            text!(language, "wrong-no-change", version = version.to_string())
        }
        Rule::NothingToUndo(version) => {
            text!(
                language,
                "wrong-nothing-to-undo",
                version = version.to_string()
            )
        }
        Rule::NotReached { entry, setting } => text!(
            language,
            "wrong-not-reached",
            entry = entry,
            setting = *setting
        ),
        Rule::EntryChanged { entry, setting } => text!(
            language,
            "wrong-entry-changed",
            entry = entry,
            setting = *setting
        ),
        Rule::PlanChanged => text!(language, "wrong-plan-changed"),
        Rule::FileTooLong { most } => {
            text!(language, "wrong-file-long", most = most.to_string())
        }
        Rule::FileUnreadable(why) => text!(language, "wrong-file-unread", why = why),
        Rule::FileForm { given, known } => {
            text!(language, "wrong-file-form", given = *given, known = *known)
        }
        Rule::NotExported(why) => why.clone(),
    }
}

fn edit(language: Language, error: &EditError) -> String {
    match error {
        EditError::NoConfiguredRole => text!(language, "edit-no-role"),
        EditError::NotBelow => text!(language, "edit-not-below"),
        EditError::AboveOwnIndex { index, own } => {
            text!(language, "edit-above-index", index = *index, own = *own)
        }
        EditError::IndexTooLow => text!(language, "edit-low-index"),
        EditError::NotOneself => text!(language, "edit-not-oneself"),
        EditError::Patch(PatchError::NoPermission { permission }) => {
            let permission = permission.to_string();
            text!(language, "edit-not-held", permission = permission)
        }
        EditError::Patch(PatchError::LacksNegatorForWildcard { wildcard, negator }) => {
            let (wildcard, negator) = (wildcard.to_string(), negator.to_string());
            text!(
                language,
                "edit-negator",
                wildcard = wildcard,
                negator = negator
            )
        }
        EditError::Patch(PatchError::ClearNotAllowed { permission }) => {
            let permission = permission.to_string();
            text!(language, "edit-clear", permission = permission)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use splashtail_api_types::settings::SettingsError;

    use super::*;
    use crate::settings::{Column, Format, Kind};

    fn refused(kind: Kind, given: &Value) -> Wrong {
        let column = Column::new("c", "C", "A column", kind);
        column.read(given).unwrap_err()
    }

    fn german(wrong: &Wrong) -> String {
        say(Language::German, wrong)
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
            (digit, json!(10), "`c`: 10 liegt außerhalb (1 bis 9)"),
            (
                hour,
                json!([]),
                "`c` muss eine Dauer wie 5m sein, nicht eine Liste",
            ),
            (
                of(Format::Plain),
                json!(""),
                "`c`: 0 Zeichen sind zu wenig (1 bis 9 Zeichen)",
            ),
            (
                of(Format::User),
                json!("x"),
                "`c`: Die Form stimmt nicht (die Id eines Benutzers)",
            ),
            (
                of(Format::Permission),
                json!("a b"),
                "`c`: Eine Berechtigung enthält keine Leer- und Steuerzeichen (Bereich.Berechtigung)",
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

    /// The API's English comes from the same place, with the code beside it.
    #[test]
    fn the_api_says_it_in_english() {
        let digit = Kind::Integer { min: 1, max: 9 };
        let wrong = refused(digit, &json!(10));
        assert_eq!(wrong.to_string(), "`c`: 10 is out of range (1 to 9)");
        let wrong = Wrong::field("who", Why::NoRole);
        let said = "`who` cannot be used: there is no such role in this server";
        assert_eq!(wrong.to_string(), said);
        let wrong = Wrong::from(Rule::NoChange(7));
        let SettingsError::Generic { message, typ, .. } = SettingsError::from(&wrong) else {
            panic!("{wrong:?}");
        };
        assert_eq!(typ, "no_change");
        assert_eq!(message, "There is no change 7, or it is too long ago.");
    }

    #[test]
    fn rules_of_modules_are_said_in_german_too() {
        let permission = splashtail_permissions::Permission::new("a", "b");
        let patch = PatchError::NoPermission { permission };
        for (wrong, said) in [
            (
                Rule::Edit(EditError::Patch(patch)),
                "Du kannst `a.b` nicht ändern, weil du es nicht hast.",
            ),
            (Rule::AfterNothing, "Nach nichts kommt nichts."),
            (
                Rule::EntryChanged {
                    entry: "7".to_owned(),
                    setting: "Roles",
                },
                "„7“ von Roles wurde seither wieder geändert.",
            ),
        ] {
            assert_eq!(german(&wrong.into()), said);
        }
        let problem = PolicyProblem::Unordered {
            what: "ban",
            column: splashtail_antinuke::Column::Bot,
        };
        let said = german(&Wrong::field("limit", Why::Policy(problem)));
        assert!(said.contains("keine kleinere Grenze"), "{said}");
    }
}
