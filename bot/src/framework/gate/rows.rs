//! The rows behind a decision, and where they come from.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_api_types::setting_names;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_permissions::kittycat::{MemberPermissions, Position};
use splashtail_permissions::{
    CommandConfiguration, ModuleConfiguration, Permission, PermissionChecks,
};
use splashtail_storage::{SettingRow, Storage, StorageError};

use crate::inputs::Source;

/// The settings that the gate reads.
pub const COMMANDS: &str = "command_configuration";
pub const MODULES: &str = "module_configuration";
pub const ROLES: &str = setting_names::roles::SETTING;
pub const MEMBERS: &str = "guild_members";

/// All that a guild has set about who may do what. Its size is bounded by the settings' own limits,
/// so one read serves every member and every command.
#[derive(Debug, Default, PartialEq)]
pub struct PermissionRows {
    pub commands: Vec<CommandConfiguration>,
    pub modules: BTreeMap<String, ModuleConfiguration>,
    pub positions: Vec<(RoleId, Position)>,
    pub overrides: BTreeMap<UserId, Vec<Permission>>,
}

#[derive(Deserialize)]
struct CommandFields {
    perms: Option<PermissionChecks>,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
struct ModuleFields {
    default_perms: Option<PermissionChecks>,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
struct RoleFields {
    role_id: RoleId,
    #[serde(default)]
    perms: Vec<String>,
    index: i32,
}

#[derive(Deserialize)]
struct MemberFields {
    user_id: UserId,
    #[serde(default)]
    perm_overrides: Vec<String>,
}

impl PermissionRows {
    /// # Errors
    /// A row cannot be read. That is no reason to fall back to weaker checks.
    pub fn read<'a>(
        rows: impl Iterator<Item = (&'a str, &'a str, &'a Value)>,
    ) -> Result<Self, StorageError> {
        let mut read = Self::default();
        for (setting, entry, fields) in rows {
            match setting {
                COMMANDS => {
                    let CommandFields { perms, disabled } = parse(fields)?;
                    read.commands.push(CommandConfiguration {
                        command: entry.to_owned(),
                        perms,
                        disabled,
                    });
                }
                MODULES => {
                    let ModuleFields {
                        default_perms,
                        disabled,
                    } = parse(fields)?;
                    let module = ModuleConfiguration {
                        module: entry.to_owned(),
                        disabled,
                        default_perms,
                    };
                    read.modules.insert(entry.to_owned(), module);
                }
                ROLES => {
                    let role: RoleFields = parse(fields)?;
                    let position = Position {
                        id: role.role_id.to_string(),
                        index: role.index,
                        perms: permissions(&role.perms),
                    };
                    read.positions.push((role.role_id, position));
                }
                MEMBERS => {
                    let member: MemberFields = parse(fields)?;
                    let overrides = permissions(&member.perm_overrides);
                    read.overrides.insert(member.user_id, overrides);
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// What a member with these roles has: the everyone role is to be among them.
    pub fn member(&self, user: UserId, roles: &[RoleId]) -> MemberPermissions {
        MemberPermissions {
            positions: self
                .positions
                .iter()
                .filter(|(role, _)| roles.contains(role))
                .map(|(_, position)| position.clone())
                .collect(),
            overrides: self.overrides.get(&user).cloned().unwrap_or_default(),
        }
    }

    /// Index of the strongest configured role among these.
    pub fn strongest(&self, roles: &[RoleId]) -> Option<i32> {
        let held = self
            .positions
            .iter()
            .filter(|(role, _)| roles.contains(role));
        held.map(|(_, position)| position.index).min()
    }
}

fn parse<T: DeserializeOwned>(fields: &Value) -> Result<T, StorageError> {
    serde_json::from_value(fields.clone()).map_err(|error| StorageError::Corrupt(Box::new(error)))
}

fn permissions(texts: &[String]) -> Vec<Permission> {
    texts.iter().map(|text| Permission::parse(text)).collect()
}

/// Reads them from the database.
pub struct StoredRows {
    pub storage: Storage,
    pub clock: SharedClock,
}

#[async_trait]
impl Source<PermissionRows> for StoredRows {
    async fn load(&self, guild: GuildId) -> Result<(i64, PermissionRows), StorageError> {
        // Others refer to the guild's row, and a guild that is asked about is one that is there.
        self.storage
            .guilds()
            .ensure(guild, self.clock.now())
            .await?;
        let snapshot = self.storage.settings().read(guild, None).await?;
        let rows = snapshot.rows.iter().map(
            |SettingRow {
                 setting,
                 entry,
                 fields,
                 ..
             }| (setting.as_str(), entry.as_str(), fields),
        );
        Ok((snapshot.version, PermissionRows::read(rows)?))
    }
}
