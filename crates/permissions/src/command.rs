//! Whether somebody may run a command in a guild.

use crate::kittycat::{Permission, has_perm};
use crate::native::NativePermissions;
use crate::result::PermissionResult;
use crate::walk::{
    CommandConfiguration, ExtendedData, ModuleConfiguration, command_configuration, extended_data,
};

/// The module that owns the root command.
#[derive(Debug, Clone)]
pub struct ModuleFacts<'a> {
    pub id: &'a str,
    pub is_loaded: bool,
    /// Its commands are for the operators of the installation.
    pub is_root: bool,
    pub is_default_enabled: bool,
    /// Whether a guild's row may switch the module on or off; where not, what the row says of it
    /// does not count, whoever wrote it.
    pub is_toggleable: bool,
    /// The same of its commands. Without the settings commands a guild could lock itself out.
    pub are_commands_toggleable: bool,
    pub extended_data: &'a ExtendedData,
}

/// The member who asks. Native permissions are those of the guild; channel overwrites do not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberFacts {
    pub is_owner: bool,
    pub native: NativePermissions,
    /// Resolved.
    pub kittycat: Vec<Permission>,
}

/// What-if evaluation and the narrower rights of API tokens.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    pub ignore_module_disabled: bool,
    pub ignore_command_disabled: bool,
    /// Take [`CheckOptions::custom_resolved_kittycat_perms`] instead of the member's, as they are.
    pub skip_custom_resolved_fit_checks: bool,
    /// What an API token is reduced to. The member has to be allowed as they are, and the checks have
    /// to be met by these alone: neither Discord's permissions nor owning the server lifts them.
    pub custom_resolved_kittycat_perms: Option<Vec<Permission>>,
    pub custom_command_configuration: Option<CommandConfiguration>,
    pub custom_module_configuration: Option<ModuleConfiguration>,
}

/// All that a decision depends on.
#[derive(Debug, Clone)]
pub struct CommandRequest<'a> {
    /// The qualified name, such as `backups create`.
    pub command: &'a str,
    /// `None` when no module owns the root command.
    pub module: Option<ModuleFacts<'a>>,
    /// Among the installation's root users.
    pub is_root_user: bool,
    /// The guild's rows for any of the command's paths.
    pub command_rows: &'a [CommandConfiguration],
    pub module_row: Option<&'a ModuleConfiguration>,
    /// Or why they could not be had.
    pub member: Result<&'a MemberFacts, &'a PermissionResult>,
    pub options: &'a CheckOptions,
}

pub fn check_command(request: &CommandRequest<'_>) -> PermissionResult {
    match decide(request) {
        Ok(allowed) => allowed,
        Err(denied) => denied,
    }
}

fn decide(request: &CommandRequest<'_>) -> Result<PermissionResult, PermissionResult> {
    let CommandRequest {
        command, options, ..
    } = *request;
    let module = request
        .module
        .as_ref()
        .ok_or(PermissionResult::ModuleNotFound {})?;
    if !module.is_loaded {
        return Err(PermissionResult::UnknownModule {
            module: module.id.to_owned(),
        });
    }
    if module.is_root {
        let limited = options.custom_resolved_kittycat_perms.is_some();
        return if request.is_root_user && !limited {
            Ok(PermissionResult::OkWithMessage {
                message: "root_cmd".to_owned(),
            })
        } else {
            Err(PermissionResult::SudoNotGranted {})
        };
    }

    // Whoever is not there does not learn what the server has switched off.
    let member = request.member.map_err(Clone::clone)?;
    let code = extended_data(command, module.extended_data);
    let from_rows;
    let row = match &options.custom_command_configuration {
        Some(row) => row,
        None => {
            from_rows = command_configuration(command, request.command_rows);
            &from_rows
        }
    };
    let module_row = options
        .custom_module_configuration
        .as_ref()
        .or(request.module_row);

    let command_row = row.disabled.filter(|_| module.are_commands_toggleable);
    if !options.ignore_command_disabled && command_row.unwrap_or(!code.is_default_enabled) {
        return Err(PermissionResult::CommandDisabled {
            command: command.to_owned(),
        });
    }
    let module_disabled = module_row
        .and_then(|row| row.disabled)
        .filter(|_| module.is_toggleable);
    if !options.ignore_module_disabled && module_disabled.unwrap_or(!module.is_default_enabled) {
        return Err(PermissionResult::ModuleDisabled {
            module: module.id.to_owned(),
        });
    }

    let checks = row
        .perms
        .as_ref()
        .or_else(|| module_row.and_then(|row| row.default_perms.as_ref()))
        .unwrap_or(&code.default_perms);
    let limits = options.custom_resolved_kittycat_perms.as_deref();
    let (instead, limits) = match options.skip_custom_resolved_fit_checks {
        true => (limits, None),
        false => (None, limits),
    };
    let allowed = if member.is_owner {
        PermissionResult::OkWithMessage {
            message: "owner".to_owned(),
        }
    } else {
        checks.run(member.native, instead.unwrap_or(&member.kittycat))?;
        PermissionResult::Ok {}
    };
    if let Some(limits) = limits {
        checks.within(limits, &own_permissions(command, module.id))?;
    }
    Ok(allowed)
}

/// What stands for a command in a token's limits where the command asks for nothing: its path below
/// the root's name, and below the module's.
fn own_permissions(command: &str, module: &str) -> [String; 2] {
    let (root, path) = command.split_once(' ').unwrap_or((command, "*"));
    let path = path.replace(' ', ".");
    [format!("{module}.{path}"), format!("{root}.{path}")]
}

/// The custom permissions the member really has. The negators of both lists stay: a wildcard must
/// not bring back what was taken from the member.
pub fn narrow(custom: &[Permission], member: &[Permission]) -> Vec<Permission> {
    let kept = custom
        .iter()
        .filter(|permission| permission.negator || has_perm(member, permission));
    kept.chain(member.iter().filter(|permission| permission.negator))
        .cloned()
        .collect()
}
