//! The rows behind a decision, and where they come from.

use async_trait::async_trait;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_permissions::kittycat::{MemberPermissions, Position};
use splashtail_permissions::{
    CommandConfiguration, ModuleConfiguration, Permission, PermissionChecks,
};
use splashtail_storage::{CommandConfigurationRow, ModuleConfigurationRow, StorageError};

use crate::app::App;

/// The rows a decision needs.
#[derive(Debug, Default)]
pub struct Rows {
    pub commands: Vec<CommandConfiguration>,
    pub module: Option<ModuleConfiguration>,
    pub member: MemberPermissions,
}

/// Where rows come from.
#[async_trait]
pub trait GateRows: Send + Sync {
    /// Makes sure the guild has its row; others refer to it.
    async fn ensure_guild(&self, guild: GuildId) -> Result<(), StorageError>;

    async fn load(
        &self,
        guild: GuildId,
        user: UserId,
        roles: &[RoleId],
        module: &str,
        commands: &[String],
    ) -> Result<Rows, StorageError>;
}

#[async_trait]
impl GateRows for App {
    async fn ensure_guild(&self, guild: GuildId) -> Result<(), StorageError> {
        self.storage
            .guilds()
            .ensure(guild, self.clock.now())
            .await
            .map(drop)
    }

    async fn load(
        &self,
        guild: GuildId,
        user: UserId,
        roles: &[RoleId],
        module: &str,
        commands: &[String],
    ) -> Result<Rows, StorageError> {
        let store = self.storage.permissions();
        let (command_rows, module_rows, staff, member) = tokio::try_join!(
            store.commands(guild),
            store.modules(guild),
            store.roles(guild),
            store.member(guild, user),
        )?;
        let commands = command_rows
            .into_iter()
            .filter(|row| commands.contains(&row.command))
            .map(command_row)
            .collect::<Result<_, _>>()?;
        let module = module_rows.into_iter().find(|row| row.module == module);
        let module = module.map(module_row).transpose()?;
        let positions = staff
            .into_iter()
            .filter(|row| roles.contains(&row.role))
            .map(|row| Position {
                id: row.role.to_string(),
                index: row.index,
                perms: parse(&row.perms),
            })
            .collect();
        let overrides = member
            .map(|row| parse(&row.perm_overrides))
            .unwrap_or_default();
        let member = MemberPermissions {
            positions,
            overrides,
        };
        Ok(Rows {
            commands,
            module,
            member,
        })
    }
}

pub(super) fn parse(perms: &[String]) -> Vec<Permission> {
    perms.iter().map(|text| Permission::parse(text)).collect()
}

fn command_row(row: CommandConfigurationRow) -> Result<CommandConfiguration, StorageError> {
    let perms = checks(row.perms)?;
    Ok(CommandConfiguration {
        command: row.command,
        perms,
        disabled: row.disabled,
    })
}

fn module_row(row: ModuleConfigurationRow) -> Result<ModuleConfiguration, StorageError> {
    let default_perms = checks(row.default_perms)?;
    Ok(ModuleConfiguration {
        module: row.module,
        disabled: row.disabled,
        default_perms,
    })
}

/// Checks that cannot be read are no reason to fall back to weaker ones.
pub(super) fn checks(
    value: Option<serde_json::Value>,
) -> Result<Option<PermissionChecks>, StorageError> {
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| StorageError::Corrupt(Box::new(error)))
}
