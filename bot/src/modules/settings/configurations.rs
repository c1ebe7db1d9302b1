//! `module_configuration` and `command_configuration`: what is on, and what it asks for.

use std::sync::Arc;

use serde_json::Value;
use splashtail_permissions::{
    CheckOptions, CommandConfiguration, ModuleConfiguration, PermissionChecks, PermissionResult,
};

use crate::framework::gate::{COMMANDS, MODULES};
use crate::modules::assemble::{acl_of_modperms, acl_of_module};
use crate::settings::{Check, Column, Draft, Kind, Operation, Rule, Rules, Setting, Why, Wrong};

/// Changes what modules ask for.
pub const MODPERMS: &str = "modules modperms";

/// Ten checks of ten permissions of 128 bytes, and their signs.
const MAX_CHECKS_BYTES: usize = 20_000;

fn disabled() -> Column {
    Column {
        nullable: true,
        ..Column::new(
            "disabled",
            "Disabled",
            "Whether it is off here; empty: as it is by default",
            Kind::Boolean,
        )
    }
}

fn checks(id: &'static str, name: &'static str) -> Column {
    Column {
        nullable: true,
        ..Column::new(
            id,
            name,
            "Checks as JSON; empty: those of the bot",
            Kind::Json {
                max_bytes: MAX_CHECKS_BYTES,
            },
        )
    }
}

pub fn of_modules() -> Setting {
    Setting {
        id: MODULES,
        name: "Modules",
        description: "Which modules are on, and what their commands ask for",
        primary_key: "module",
        title_template: "{module}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new("module", "Module", "The module's id", Kind::text(1, 64))
            },
            disabled(),
            checks("default_perms", "Default checks"),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: 100,
        rules: Some(Arc::new(ModuleRules)),
    }
}

pub fn of_commands() -> Setting {
    Setting {
        id: COMMANDS,
        name: "Commands",
        description: "Which commands are on, and what they ask for",
        primary_key: "command",
        title_template: "/{command}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new(
                    "command",
                    "Command",
                    "The command, such as backups create",
                    Kind::text(1, 128),
                )
            },
            disabled(),
            checks("perms", "Checks"),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: 500,
        rules: Some(Arc::new(CommandRules)),
    }
}

struct ModuleRules;

impl Rules for ModuleRules {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        let module = key(draft, "module");
        let Some(toggles) = draft.commands.toggles(&module) else {
            return match draft.operation {
                // What a module that is no more left behind can go.
                Operation::Delete => Ok(()),
                _ => Err(Wrong::field("module", Why::NoModule)),
            };
        };
        judge_toggle(draft, toggles.module, "modules")?;
        let proposed = judge_checks(draft, "default_perms")?;
        let Some(proposed) = proposed else {
            return Ok(());
        };
        for command in [MODPERMS.to_owned(), acl_of_modperms(&module)] {
            allowed(&draft.commands.may_run(&command, &CheckOptions::default()))?;
        }
        let command = acl_of_module(&module);
        let mut governed = draft.commands.of_module(&module);
        governed.retain(|name| !has_checks(draft, name, 0));
        let custom = CheckOptions {
            custom_module_configuration: Some(ModuleConfiguration {
                module,
                disabled: None,
                default_perms: proposed,
            }),
            ..CheckOptions::default()
        };
        judge_oneself(draft, &command, &governed, custom)
    }
}

struct CommandRules;

impl Rules for CommandRules {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        let command = key(draft, "command");
        let Some(own) = draft.commands.command(&command) else {
            return match draft.operation {
                Operation::Delete => Ok(()),
                _ => Err(Wrong::field("command", Why::NoCommand)),
            };
        };
        if own != command {
            let own = own.clone();
            return Err(Wrong::field("command", Why::CalledOtherwise(own)));
        }
        let toggles = draft.commands.module_of(&command);
        let toggles = toggles.and_then(|module| draft.commands.toggles(&module));
        judge_toggle(draft, toggles.is_some_and(|t| t.commands), "commands")?;
        let Some(proposed) = judge_checks(draft, "perms")? else {
            return Ok(());
        };
        allowed(
            &draft
                .commands
                .may_run("commands modperms", &CheckOptions::default()),
        )?;
        let governed = below(draft, &command);
        let custom = CheckOptions {
            custom_command_configuration: Some(CommandConfiguration {
                command: command.clone(),
                perms: proposed,
                disabled: None,
            }),
            ..CheckOptions::default()
        };
        judge_oneself(draft, &command, &governed, custom)
    }
}

/// The commands below one that take its checks, having none of their own.
fn below(draft: &Draft<'_>, command: &str) -> Vec<String> {
    let inherits = |name: &String| {
        let path = name.strip_prefix(command);
        path.is_some_and(|path| path.starts_with(' ')) && !has_checks(draft, name, command.len())
    };
    let module = draft.commands.module_of(command);
    let all = module.map(|module| draft.commands.of_module(&module));
    all.unwrap_or_default()
        .into_iter()
        .filter(inherits)
        .collect()
}

/// Whether the command has checks of its own, or one that it is below: of those with longer names
/// than `above`.
fn has_checks(draft: &Draft<'_>, command: &str, above: usize) -> bool {
    let ends = command.match_indices(' ').map(|(at, _)| at);
    let mut ends = ends.chain([command.len()]).filter(|end| *end > above);
    ends.any(|end| {
        let row = draft.rows.get(COMMANDS, &command[..end]);
        row.is_some_and(|row| row.get("perms").is_some_and(|perms| !perms.is_null()))
    })
}

fn key(draft: &Draft<'_>, column: &str) -> String {
    let fields = draft.after.as_ref().or(draft.before);
    let key = fields.and_then(|fields| fields.get(column)?.as_str());
    key.unwrap_or_default().to_owned()
}

/// Switching needs `<commands> enable` or `<commands> disable`, and something that can be switched.
fn judge_toggle(draft: &Draft<'_>, can_be_switched: bool, commands: &str) -> Result<(), Wrong> {
    let (before, after) = draft.values("disabled");
    if before == after {
        return Ok(());
    }
    if !can_be_switched && !after.is_null() {
        return Err(Rule::NotToggleable.into());
    }
    let needed = match after {
        Value::Bool(true) => vec!["disable"],
        Value::Bool(false) => vec!["enable"],
        // Back to the default, whichever that is.
        _ => vec!["enable", "disable"],
    };
    for action in needed {
        let command = format!("{commands} {action}");
        allowed(&draft.commands.may_run(&command, &CheckOptions::default()))?;
    }
    Ok(())
}

/// Brings the checks into the form that is stored. `None`: they do not change.
fn judge_checks(
    draft: &mut Draft<'_>,
    column: &str,
) -> Result<Option<Option<PermissionChecks>>, Wrong> {
    let wrong = |check: Check| Wrong::Check {
        column: column.to_owned(),
        check,
    };
    let given = draft.after.as_ref().and_then(|fields| fields.get(column));
    let proposed = match given {
        None | Some(Value::Null) => None,
        Some(given) => {
            let read: PermissionChecks = serde_json::from_value(given.clone())
                .map_err(|error| wrong(Check::NoChecks(error.to_string())))?;
            let normalised = read.normalised();
            Some(normalised.map_err(|error| wrong(Check::Checks(error)))?)
        }
    };
    if let (Some(after), Some(proposed)) = (&mut draft.after, &proposed) {
        // Lists of strings and booleans always serialise.
        let stored = serde_json::to_value(proposed).unwrap_or_default();
        after.insert(column.to_owned(), stored);
    }
    let (before, after) = draft.values(column);
    Ok((before != after).then_some(proposed))
}

/// Checks are changed by who passes them now, and would still pass; and nobody opens what they cannot
/// run themselves: `governed` are the commands that take these checks, unless they have their own.
fn judge_oneself(
    draft: &Draft<'_>,
    command: &str,
    governed: &[String],
    proposed: CheckOptions,
) -> Result<(), Wrong> {
    let switched_off = CheckOptions {
        ignore_command_disabled: true,
        ignore_module_disabled: true,
        ..CheckOptions::default()
    };
    allowed(&draft.commands.may_run(command, &switched_off))?;
    let proposed = CheckOptions {
        ignore_command_disabled: true,
        ignore_module_disabled: true,
        ..proposed
    };
    if !draft.commands.may_run(command, &proposed).is_ok() {
        return Err(Rule::LockedOut.into());
    }
    for command in governed {
        let now = draft.commands.may_run(command, &switched_off);
        // The person, not their token: what it could not use it would open to others all the same.
        if !now.is_ok() && draft.commands.person_may_run(command, &proposed).is_ok() {
            let command = command.clone();
            return Err(Rule::WouldOpen { command, now }.into());
        }
    }
    Ok(())
}

fn allowed(result: &PermissionResult) -> Result<(), Wrong> {
    match result.is_ok() {
        true => Ok(()),
        false => Err(Rule::Denied(result.clone()).into()),
    }
}
