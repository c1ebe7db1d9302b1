//! From a command's qualified name to what applies to it: the code's own data and the guild's
//! rows, each the deeper the stronger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checks::PermissionChecks;

/// What the code says about one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandExtendedData {
    #[serde(default)]
    pub default_perms: PermissionChecks,
    #[serde(default = "yes")]
    pub is_default_enabled: bool,
    /// Left out of public listings.
    #[serde(default)]
    pub web_hidden: bool,
    /// Never registered with Discord: exists so that access to an operation can be configured.
    #[serde(default)]
    pub virtual_command: bool,
}

/// Keyed by the path below the root command: `""` is the root, `create` a subcommand,
/// `group create` a nested one.
pub type ExtendedData = BTreeMap<String, CommandExtendedData>;

/// A guild's row for one command path; `None` leaves a question to the row above or to the code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandConfiguration {
    pub command: String,
    pub perms: Option<PermissionChecks>,
    pub disabled: Option<bool>,
}

/// A guild's row for one module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModuleConfiguration {
    pub module: String,
    pub disabled: Option<bool>,
    pub default_perms: Option<PermissionChecks>,
}

impl CommandExtendedData {
    pub fn checked_by(default_perms: PermissionChecks) -> Self {
        Self {
            default_perms,
            is_default_enabled: true,
            web_hidden: false,
            virtual_command: false,
        }
    }

    pub fn none() -> Self {
        Self::checked_by(PermissionChecks::none())
    }

    pub fn kittycat_simple(namespace: &str, perm: &str) -> Self {
        Self::checked_by(PermissionChecks::kittycat_simple(namespace, perm))
    }

    pub fn kittycat_or_admin(namespace: &str, perm: &str) -> Self {
        Self::checked_by(PermissionChecks::kittycat_or_admin(namespace, perm))
    }
}

impl Default for CommandExtendedData {
    fn default() -> Self {
        Self::none()
    }
}

fn yes() -> bool {
    true
}

/// Every prefix of a command path, shortest first: `backups create` gives `backups` and
/// `backups create`.
pub fn permute(command: &str) -> Vec<String> {
    let ends = command
        .match_indices(' ')
        .map(|(at, _)| at)
        .chain([command.len()]);
    ends.map(|end| command[..end].to_owned()).collect()
}

/// The first word of a command path.
pub fn root_of(command: &str) -> &str {
    command.split_once(' ').map_or(command, |(root, _)| root)
}

/// The data of the deepest described path at or above the command. A root without an entry is
/// for holders of `<root>.*` and administrators.
pub fn extended_data(command: &str, data: &ExtendedData) -> CommandExtendedData {
    let root = root_of(command);
    let below = |path: &str| {
        let rest = path.strip_prefix(root).unwrap_or(path);
        rest.strip_prefix(' ').unwrap_or(rest).to_owned()
    };
    permute(command)
        .iter()
        .rev()
        .find_map(|path| data.get(&below(path)))
        .cloned()
        .unwrap_or_else(|| CommandExtendedData::kittycat_or_admin(root, "*"))
}

/// The guild's word on a command: rows of deeper paths win, and what they leave open is inherited.
/// Rows of other commands are ignored.
pub fn command_configuration(command: &str, rows: &[CommandConfiguration]) -> CommandConfiguration {
    let mut merged = CommandConfiguration {
        command: command.to_owned(),
        ..Default::default()
    };
    for path in permute(command) {
        let Some(row) = rows.iter().find(|row| row.command == path) else {
            continue;
        };
        if row.perms.is_some() {
            merged.perms.clone_from(&row.perms);
        }
        merged.disabled = row.disabled.or(merged.disabled);
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn permutations() {
        assert_eq!(
            permute("backups create now"),
            ["backups", "backups create", "backups create now"]
        );
        assert_eq!(permute("ping"), ["ping"]);
        assert_eq!(permute(""), [""]);
        assert_eq!(permute("a  b"), ["a", "a ", "a  b"]);
    }

    fn data(entries: &[(&str, &str)]) -> ExtendedData {
        entries
            .iter()
            .map(|(path, perm)| {
                (
                    (*path).to_owned(),
                    CommandExtendedData::kittycat_simple("m", perm),
                )
            })
            .collect()
    }

    #[test]
    fn the_deepest_described_path_wins() {
        let described = data(&[("", "root"), ("create", "create"), ("group add", "add")]);
        let perm = |command: &str| extended_data(command, &described);
        assert_eq!(
            perm("backups"),
            CommandExtendedData::kittycat_simple("m", "root")
        );
        assert_eq!(
            perm("backups create"),
            CommandExtendedData::kittycat_simple("m", "create")
        );
        assert_eq!(
            perm("backups list"),
            CommandExtendedData::kittycat_simple("m", "root")
        );
        assert_eq!(
            perm("backups group add"),
            CommandExtendedData::kittycat_simple("m", "add")
        );
        assert_eq!(
            perm("backups group"),
            CommandExtendedData::kittycat_simple("m", "root")
        );
    }

    #[test]
    fn a_root_without_an_entry_is_not_for_everybody() {
        let described = data(&[("create", "create")]);
        assert_eq!(
            extended_data("backups list", &described),
            CommandExtendedData::kittycat_or_admin("backups", "*")
        );
    }

    #[test]
    fn only_the_prefix_is_taken_off() {
        let described = data(&[("", "root"), ("list", "list"), ("list list", "nested")]);
        assert_eq!(
            extended_data("list list", &described),
            CommandExtendedData::kittycat_simple("m", "list")
        );
        assert_eq!(
            extended_data("list list list", &described),
            CommandExtendedData::kittycat_simple("m", "nested")
        );
    }

    #[test]
    fn deeper_rows_inherit_what_they_leave_open() {
        let checks = PermissionChecks::kittycat_simple("a", "b");
        let row =
            |command: &str, perms: Option<&PermissionChecks>, disabled| CommandConfiguration {
                command: command.to_owned(),
                perms: perms.cloned(),
                disabled,
            };
        let rows = [
            row("backups create", None, Some(false)),
            row("backups", Some(&checks), Some(true)),
            row("limits", None, Some(true)),
        ];
        assert_eq!(
            command_configuration("backups create", &rows),
            row("backups create", Some(&checks), Some(false))
        );
        assert_eq!(
            command_configuration("backups list", &rows),
            row("backups list", Some(&checks), Some(true))
        );
        assert_eq!(
            command_configuration("ping", &rows),
            row("ping", None, None)
        );
    }

    proptest! {
        #[test]
        fn permutations_are_prefixes(command in "[a-z ]{0,30}") {
            let paths = permute(&command);
            prop_assert_eq!(paths.last().unwrap(), &command);
            for path in &paths {
                prop_assert!(command.starts_with(path.as_str()));
            }
        }
    }
}
