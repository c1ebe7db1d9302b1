//! What comes out of a check.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::checks::{PermissionCheck, PermissionChecks};

/// JSON is internally tagged: `{"var":"CommandDisabled","command":"limits add"}`. Everything but
/// the two Ok variants denies. `Display` is what the user is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "var")]
pub enum PermissionResult {
    Ok {},
    /// Allowed for a special reason: `owner`, `root_cmd` or `register_cmd`.
    OkWithMessage {
        message: String,
    },
    MissingKittycatPerms {
        check: PermissionCheck,
    },
    MissingNativePerms {
        check: PermissionCheck,
    },
    MissingAnyPerms {
        check: PermissionCheck,
    },
    NoChecksSucceeded {
        checks: PermissionChecks,
    },
    MissingMinChecks {
        checks: PermissionChecks,
    },
    CommandDisabled {
        command: String,
    },
    /// The module is listed but not loaded.
    UnknownModule {
        module: String,
    },
    /// No module owns the command.
    ModuleNotFound {},
    ModuleDisabled {
        module: String,
    },
    SudoNotGranted {},
    /// The guild or the member could not be had from Discord; trying again may help.
    DiscordError {
        error: String,
    },
    GenericError {
        error: String,
    },
}

impl PermissionResult {
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok {} | Self::OkWithMessage { .. })
    }

    /// The stable code shown beside the text.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ok {} => "ok",
            Self::OkWithMessage { .. } => "ok_with_message",
            Self::MissingKittycatPerms { .. } => "missing_kittycat_perms",
            Self::MissingNativePerms { .. } => "missing_native_perms",
            Self::MissingAnyPerms { .. } => "missing_any_perms",
            Self::NoChecksSucceeded { .. } => "no_checks_succeeded",
            Self::MissingMinChecks { .. } => "missing_min_checks",
            Self::CommandDisabled { .. } => "command_disabled",
            Self::UnknownModule { .. } => "unknown_module",
            Self::ModuleNotFound {} => "module_not_found",
            Self::ModuleDisabled { .. } => "module_disabled",
            Self::SudoNotGranted {} => "sudo_not_granted",
            Self::DiscordError { .. } => "discord_error",
            Self::GenericError { .. } => "generic_error",
        }
    }
}

impl fmt::Display for PermissionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok {} => f.write_str("You may run this command."),
            Self::OkWithMessage { message } => write!(f, "You may run this command ({message})."),
            Self::MissingKittycatPerms { check } => {
                write!(
                    f,
                    "You lack a custom permission that this command needs.\n\n{check}"
                )
            }
            Self::MissingNativePerms { check } => {
                write!(
                    f,
                    "You lack a Discord permission that this command needs.\n\n{check}"
                )
            }
            Self::MissingAnyPerms { check } => {
                write!(
                    f,
                    "You need at least one of these permissions to run this command.\n\n{check}"
                )
            }
            Self::NoChecksSucceeded { checks } => {
                write!(
                    f,
                    "You do not meet any of the conditions of this command.\n\n{checks}"
                )
            }
            Self::MissingMinChecks { checks } => {
                write!(
                    f,
                    "You do not meet enough of the conditions of this command.\n\n{checks}"
                )
            }
            Self::CommandDisabled { command } => {
                write!(f, "The command `{command}` is disabled in this server.")
            }
            Self::UnknownModule { module } => write!(f, "The module `{module}` is not loaded."),
            Self::ModuleNotFound {} => f.write_str("No module has this command."),
            Self::ModuleDisabled { module } => {
                write!(f, "The module `{module}` is disabled in this server.")
            }
            Self::SudoNotGranted {} => {
                f.write_str("Only the operators of this bot can run this command.")
            }
            Self::DiscordError { error } => write!(
                f,
                "Discord did not say who you are in this server: {error}. Please try again."
            ),
            Self::GenericError { error } => {
                write!(f, "Your permissions could not be checked: {error}.")
            }
        }
    }
}

/// A `Discord:` list, then a custom list, joined as the check joins them.
impl fmt::Display for PermissionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = if self.inner_and { "AND" } else { "OR" };
        let list = |f: &mut fmt::Formatter<'_>, label: &str, items: &[String]| {
            write!(f, "{label}: {}", items.join(&format!(" {join} ")))
        };
        let native: Vec<_> = self
            .native_perms
            .iter()
            .map(|bits| format!("`{bits}`"))
            .collect();
        let custom: Vec<_> = self
            .kittycat_perms
            .iter()
            .map(|text| format!("`{text}`"))
            .collect();
        if !native.is_empty() {
            list(f, "Discord", &native)?;
        }
        if !native.is_empty() && !custom.is_empty() {
            write!(f, " {join} ")?;
        }
        if !custom.is_empty() {
            list(f, "Custom", &custom)?;
        }
        Ok(())
    }
}

/// Numbered checks, joined as they are grouped.
impl fmt::Display for PermissionChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (checks, needed) = match self {
            Self::Template { template } => return write!(f, "Template: `{template}`"),
            Self::Simple {
                checks,
                checks_needed,
            } => (checks, *checks_needed),
        };
        let mut text = String::new();
        for (at, check) in checks.iter().enumerate() {
            write!(text, "{}. {check}", at + 1)?;
            if at + 1 < checks.len() {
                text.push_str(if check.outer_and { " AND\n" } else { " OR\n" });
            }
        }
        if needed > 1 {
            write!(text, "\nAt least {needed} of these have to pass.")?;
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::native::NativePermissions;

    fn all() -> Vec<(PermissionResult, &'static str, serde_json::Value)> {
        use PermissionResult as R;
        let check = PermissionCheck {
            kittycat_perms: vec!["a.b".into()],
            ..Default::default()
        };
        let check_json = json!({"kittycat_perms": ["a.b"], "native_perms": [], "outer_and": false, "inner_and": false});
        let checks = PermissionChecks::Simple {
            checks: vec![check.clone()],
            checks_needed: 2,
        };
        let checks_json = json!({"checks": [check_json], "checks_needed": 2});
        let text = |text: &str| text.to_owned();
        vec![
            (R::Ok {}, "ok", json!({"var": "Ok"})),
            (
                R::OkWithMessage {
                    message: text("owner"),
                },
                "ok_with_message",
                json!({"var": "OkWithMessage", "message": "owner"}),
            ),
            (
                R::MissingKittycatPerms {
                    check: check.clone(),
                },
                "missing_kittycat_perms",
                json!({"var": "MissingKittycatPerms", "check": check_json}),
            ),
            (
                R::MissingNativePerms {
                    check: check.clone(),
                },
                "missing_native_perms",
                json!({"var": "MissingNativePerms", "check": check_json}),
            ),
            (
                R::MissingAnyPerms { check },
                "missing_any_perms",
                json!({"var": "MissingAnyPerms", "check": check_json}),
            ),
            (
                R::NoChecksSucceeded {
                    checks: checks.clone(),
                },
                "no_checks_succeeded",
                json!({"var": "NoChecksSucceeded", "checks": checks_json}),
            ),
            (
                R::MissingMinChecks { checks },
                "missing_min_checks",
                json!({"var": "MissingMinChecks", "checks": checks_json}),
            ),
            (
                R::CommandDisabled {
                    command: text("limits add"),
                },
                "command_disabled",
                json!({"var": "CommandDisabled", "command": "limits add"}),
            ),
            (
                R::UnknownModule { module: text("m") },
                "unknown_module",
                json!({"var": "UnknownModule", "module": "m"}),
            ),
            (
                R::ModuleNotFound {},
                "module_not_found",
                json!({"var": "ModuleNotFound"}),
            ),
            (
                R::ModuleDisabled { module: text("m") },
                "module_disabled",
                json!({"var": "ModuleDisabled", "module": "m"}),
            ),
            (
                R::SudoNotGranted {},
                "sudo_not_granted",
                json!({"var": "SudoNotGranted"}),
            ),
            (
                R::DiscordError { error: text("e") },
                "discord_error",
                json!({"var": "DiscordError", "error": "e"}),
            ),
            (
                R::GenericError { error: text("e") },
                "generic_error",
                json!({"var": "GenericError", "error": "e"}),
            ),
        ]
    }

    #[test]
    fn codes_and_wire_forms() {
        for (result, code, wire) in all() {
            assert_eq!(result.code(), code);
            assert_eq!(result.is_ok(), code.starts_with("ok"));
            assert_eq!(serde_json::to_value(&result).unwrap(), wire);
            assert_eq!(
                serde_json::from_value::<PermissionResult>(wire).unwrap(),
                result
            );
            assert!(!result.to_string().is_empty());
        }
    }

    #[test]
    fn checks_in_words() {
        let checks = PermissionChecks::Simple {
            checks: vec![
                PermissionCheck {
                    kittycat_perms: vec!["limits.add".into(), "limits.*".into()],
                    native_perms: vec![NativePermissions::ADMINISTRATOR],
                    outer_and: true,
                    inner_and: false,
                },
                PermissionCheck {
                    native_perms: vec![NativePermissions(2), NativePermissions(4)],
                    inner_and: true,
                    ..PermissionCheck::default()
                },
                PermissionCheck {
                    kittycat_perms: vec!["a.b".into()],
                    ..PermissionCheck::default()
                },
            ],
            checks_needed: 2,
        };
        insta::assert_snapshot!(checks, @r"
        1. Discord: `Administrator` OR Custom: `limits.add` OR `limits.*` AND
        2. Discord: `Kick Members` AND `Ban Members` OR
        3. Custom: `a.b`
        At least 2 of these have to pass.
        ");
    }
}
