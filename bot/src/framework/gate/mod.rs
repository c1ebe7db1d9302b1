//! Whether somebody may run a command. Every failure on the way denies.

mod rows;
mod standing;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use splashtail_core::config::Config;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_permissions::kittycat::MemberStanding;
use splashtail_permissions::walk::root_of;
use splashtail_permissions::{
    CheckOptions, CommandRequest, MemberFacts, ModuleConfiguration, Permission, PermissionResult,
    check_command,
};
use tracing::error;

pub use self::rows::{COMMANDS, MEMBERS, MODULES, PermissionRows, ROLES, StoredRows};
pub use self::standing::{
    GuildKnowledge, Standing, member_standing, not_connected, roles_of_member,
};
use crate::events::Enabled;
use crate::inputs::Kept;
use crate::registry::Registry;

/// Decides from what the code declares, what the guild has set, and where the member stands.
pub struct Gate {
    registry: Arc<Registry>,
    rows: Arc<Kept<PermissionRows>>,
    /// Of the installation.
    root_users: Vec<UserId>,
    main_guild: Option<GuildId>,
    /// Modules that are off in every guild, whatever it has set.
    off: RwLock<BTreeSet<&'static str>>,
}

/// Why a module cannot be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToggle {
    NoModule,
    /// A guild could lock itself out, or be left without what protects it.
    Fixed,
}

/// Who wants to run what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub guild: GuildId,
    pub user: UserId,
    /// Qualified name.
    pub command: &'a str,
    pub options: &'a CheckOptions,
}

impl Gate {
    pub fn new(registry: Arc<Registry>, rows: Arc<Kept<PermissionRows>>, config: &Config) -> Self {
        Self {
            registry,
            rows,
            root_users: config.discord_auth.root_users.clone(),
            main_guild: config.servers.main,
            off: RwLock::default(),
        }
    }

    pub fn is_root_user(&self, user: UserId) -> bool {
        self.root_users.contains(&user)
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The verdict. No query is made when the guild's rows are known.
    pub async fn decide(
        &self,
        question: &Question<'_>,
        standing: &Result<Standing, PermissionResult>,
    ) -> PermissionResult {
        match self.rows.get(question.guild).await {
            Ok(rows) => self.judge(question, standing, &rows),
            Err(error) => {
                error!(guild.id = %question.guild, error = %Chain(&error), "denied: no permission rows");
                PermissionResult::GenericError {
                    error: "the database did not answer".to_owned(),
                }
            }
        }
    }

    /// The verdict on given rows.
    pub fn judge(
        &self,
        question: &Question<'_>,
        standing: &Result<Standing, PermissionResult>,
        rows: &PermissionRows,
    ) -> PermissionResult {
        let Question {
            guild,
            user,
            command,
            options,
        } = *question;
        let member = standing.as_ref().map(|standing| MemberFacts {
            is_owner: standing.is_owner,
            native: standing.native,
            kittycat: self.kittycat(guild, user, standing, rows),
        });
        let module = self.registry.facts(root_of(command));
        let mut module_row = module
            .as_ref()
            .and_then(|module| rows.modules.get(module.id))
            .cloned();
        if let Some(module) = module.as_ref().filter(|module| self.is_off(module.id)) {
            let row = module_row.get_or_insert_with(|| ModuleConfiguration {
                module: module.id.to_owned(),
                disabled: None,
                default_perms: None,
            });
            row.disabled = Some(true);
        }
        // An alias is the same command.
        let own_name = self.registry.command(command);
        check_command(&CommandRequest {
            command: own_name.as_deref().unwrap_or(command),
            is_root_user: self.is_root_user(user),
            command_rows: &rows.commands,
            module_row: module_row.as_ref(),
            module,
            member: member.as_ref().map_err(|denied| *denied),
            options,
        })
    }

    /// The member's kittycat permissions, resolved.
    pub fn kittycat(
        &self,
        guild: GuildId,
        user: UserId,
        standing: &Standing,
        rows: &PermissionRows,
    ) -> Vec<Permission> {
        rows.member(user, &standing.roles).resolved(MemberStanding {
            is_owner: standing.is_owner,
            is_root_in_main: self.is_root_user(user) && self.main_guild == Some(guild),
        })
    }

    /// Whether a module is on in a guild, from memory: as it is by default until the guild's rows
    /// were read once, then as it was last known. `false` for modules that nobody declared.
    pub fn is_enabled(&self, guild: GuildId, module: &str) -> bool {
        let Some(declared) = self.registry.module(module) else {
            return false;
        };
        let declared = &declared.canonical;
        if !declared.toggleable {
            return declared.is_default_enabled;
        }
        if self.is_off(module) {
            return false;
        }
        let rows = self.rows.last_known(guild);
        let row = rows.as_ref().and_then(|rows| rows.modules.get(module));
        match row.and_then(|row| row.disabled) {
            Some(disabled) => !disabled,
            None => declared.is_default_enabled,
        }
    }

    /// # Errors
    /// It cannot be switched.
    pub fn check_toggle(&self, module: &str) -> Result<&'static str, NoToggle> {
        let declared = self.registry.module(module).ok_or(NoToggle::NoModule)?;
        match declared.canonical.toggleable {
            true => Ok(declared.id),
            false => Err(NoToggle::Fixed),
        }
    }

    /// Has a module off in every guild, or ends that.
    ///
    /// # Errors
    /// It cannot be switched.
    pub fn switch(&self, module: &str, enabled: bool) -> Result<(), NoToggle> {
        let id = self.check_toggle(module)?;
        let mut off = self.off.write().unwrap_or_else(PoisonError::into_inner);
        match enabled {
            true => off.remove(id),
            false => off.insert(id),
        };
        Ok(())
    }

    fn is_off(&self, module: &str) -> bool {
        let off = self.off.read().unwrap_or_else(PoisonError::into_inner);
        off.contains(module)
    }
}

impl Enabled for Gate {
    fn is_enabled(&self, guild: GuildId, module: &'static str) -> bool {
        self.is_enabled(guild, module)
    }
}

#[cfg(test)]
mod tests;
