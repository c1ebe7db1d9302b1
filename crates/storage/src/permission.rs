use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, RoleId, UserId};

use crate::error::StorageError;

/// A guild's own rules for commands, and what its roles and members hold.
///
/// Writes need the guild's row (see [`crate::GuildStore::ensure`]); without it they are a
/// [`StorageError::Conflict`]. Checks are JSON that this crate does not interpret.
#[async_trait]
pub trait PermissionStore: Send + Sync {
    /// All of a guild's command rows, by command.
    async fn commands(&self, guild: GuildId) -> Result<Vec<CommandConfigurationRow>, StorageError>;

    async fn set_command(
        &self,
        guild: GuildId,
        row: &CommandConfigurationRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// All of a guild's module rows, by module.
    async fn modules(&self, guild: GuildId) -> Result<Vec<ModuleConfigurationRow>, StorageError>;

    async fn set_module(
        &self,
        guild: GuildId,
        row: &ModuleConfigurationRow,
    ) -> Result<(), StorageError>;

    /// A guild's configured roles, the highest (lowest index) first.
    async fn roles(&self, guild: GuildId) -> Result<Vec<GuildRoleRow>, StorageError>;

    /// Inserts or replaces; members that have the role are marked for a new derivation.
    ///
    /// # Errors
    /// [`StorageError::Conflict`]: another role has this index.
    async fn set_role(
        &self,
        guild: GuildId,
        row: &GuildRoleRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// `false`: it was not configured. Members that have the role are marked.
    async fn delete_role(&self, guild: GuildId, role: RoleId) -> Result<bool, StorageError>;

    async fn member(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<GuildMemberRow>, StorageError>;

    /// Stores what was derived from these roles and clears the mark. Overrides stay.
    async fn cache_member(
        &self,
        guild: GuildId,
        user: UserId,
        roles: &[RoleId],
        resolved: &[String],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;

    /// Sets a member's overrides and marks it for a new derivation.
    async fn set_overrides(
        &self,
        guild: GuildId,
        user: UserId,
        overrides: &[String],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError>;
}

/// `None` means: the code's default.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandConfigurationRow {
    /// The path, such as `backups create`.
    pub command: String,
    pub perms: Option<Value>,
    pub disabled: Option<bool>,
}

/// `None` means: the code's default.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleConfigurationRow {
    pub module: String,
    pub disabled: Option<bool>,
    pub default_perms: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildRoleRow {
    pub role: RoleId,
    pub perms: Vec<String>,
    pub index: i32,
    pub display_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildMemberRow {
    pub user: UserId,
    /// Those the cache was derived from.
    pub roles: Vec<RoleId>,
    pub perm_overrides: Vec<String>,
    pub resolved_perms_cache: Vec<String>,
    pub needs_perm_rederive: bool,
    pub public: bool,
}
