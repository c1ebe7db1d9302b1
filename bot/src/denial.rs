//! What the gate says, in the words of whoever reads it.

use splashtail_permissions::PermissionResult;

use crate::catalogue::Language;
use crate::text;

/// Why the gate said no, with the conditions as they are written down.
pub fn denial(language: Language, result: &PermissionResult) -> String {
    use PermissionResult as P;
    match result {
        P::MissingKittycatPerms { check } => {
            format!("{}\n\n{check}", text!(language, "denied-kittycat"))
        }
        P::MissingNativePerms { check } => {
            format!("{}\n\n{check}", text!(language, "denied-native"))
        }
        P::MissingAnyPerms { check } => format!("{}\n\n{check}", text!(language, "denied-any")),
        P::NoChecksSucceeded { checks } => {
            format!("{}\n\n{checks}", text!(language, "denied-none"))
        }
        P::MissingMinChecks { checks } => {
            format!("{}\n\n{checks}", text!(language, "denied-few"))
        }
        P::CommandDisabled { command } => {
            text!(language, "denied-command-disabled", command = command)
        }
        P::UnknownModule { module } => text!(language, "denied-unknown-module", module = module),
        P::ModuleNotFound {} => text!(language, "denied-no-module"),
        P::ModuleDisabled { module } => {
            text!(language, "denied-module-disabled", module = module)
        }
        P::SudoNotGranted {} => text!(language, "denied-operators"),
        P::DiscordError { .. } => text!(language, "denied-discord"),
        P::GenericError { error } => text!(language, "denied-unchecked", reason = error),
        // No denials.
        P::Ok {} | P::OkWithMessage { .. } => result.to_string(),
    }
}
