use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use uuid::Uuid;

use crate::engine::{Engine, Transaction, query};
use crate::error::StorageError;
use crate::open::Storage;

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

impl Storage {
    pub fn permissions(&self) -> &dyn PermissionStore {
        self.engine()
    }
}

const COMMANDS: &str = "\
    SELECT command, perms, disabled FROM guild_command_configurations \
    WHERE guild_id = $1 ORDER BY command";

const SET_COMMAND: &str = "\
    INSERT INTO guild_command_configurations (id, guild_id, command, perms, disabled, created_at, \
        created_by, last_updated_at, last_updated_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7) \
    ON CONFLICT (guild_id, command) DO UPDATE SET perms = excluded.perms, \
        disabled = excluded.disabled, last_updated_at = excluded.last_updated_at, \
        last_updated_by = excluded.last_updated_by";

const MODULES: &str = "\
    SELECT module, disabled, default_perms FROM guild_module_configurations \
    WHERE guild_id = $1 ORDER BY module";

const SET_MODULE: &str = "\
    INSERT INTO guild_module_configurations (id, guild_id, module, disabled, default_perms) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (guild_id, module) DO UPDATE SET disabled = excluded.disabled, \
        default_perms = excluded.default_perms";

const ROLES: &str = "\
    SELECT role_id, perms, position, display_name FROM guild_roles \
    WHERE guild_id = $1 ORDER BY position";

const SET_ROLE: &str = "\
    INSERT INTO guild_roles (id, guild_id, role_id, perms, position, display_name, created_at, \
        created_by, last_updated_at, last_updated_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $8) \
    ON CONFLICT (guild_id, role_id) DO UPDATE SET perms = excluded.perms, \
        position = excluded.position, display_name = excluded.display_name, \
        last_updated_at = excluded.last_updated_at, last_updated_by = excluded.last_updated_by";

const DELETE_ROLE: &str = "DELETE FROM guild_roles WHERE guild_id = $1 AND role_id = $2";

/// Role ids are stored as a JSON list of decimal strings: the quoted id ($2) occurs in it exactly
/// when the role does. The everyone role, whose id is the guild's, is everybody's.
const MARK_MEMBERS: &str = "\
    UPDATE guild_members SET needs_perm_rederive = TRUE WHERE guild_id = $1 \
    AND ($3 OR roles LIKE '%' || $2 || '%')";

const MEMBER: &str = "\
    SELECT user_id, roles, perm_overrides, resolved_perms_cache, needs_perm_rederive, public \
    FROM guild_members WHERE guild_id = $1 AND user_id = $2";

const CACHE_MEMBER: &str = "\
    INSERT INTO guild_members (guild_id, user_id, roles, resolved_perms_cache, created_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (guild_id, user_id) DO UPDATE SET roles = excluded.roles, \
        resolved_perms_cache = excluded.resolved_perms_cache, needs_perm_rederive = FALSE";

const SET_OVERRIDES: &str = "\
    INSERT INTO guild_members (guild_id, user_id, perm_overrides, needs_perm_rederive, created_at) \
    VALUES ($1, $2, $3, TRUE, $4) \
    ON CONFLICT (guild_id, user_id) DO UPDATE SET perm_overrides = excluded.perm_overrides, \
        needs_perm_rederive = TRUE";

#[async_trait]
impl PermissionStore for Engine {
    async fn commands(&self, guild: GuildId) -> Result<Vec<CommandConfigurationRow>, StorageError> {
        let found = self.fetch_all(query(COMMANDS).bind(guild)).await?;
        let rows = found.iter().map(|row| {
            Ok(CommandConfigurationRow {
                command: row.get("command")?,
                perms: row.maybe_json("perms")?,
                disabled: row.get("disabled")?,
            })
        });
        rows.collect()
    }

    async fn set_command(
        &self,
        guild: GuildId,
        row: &CommandConfigurationRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_COMMAND)
            .bind(Uuid::new_v4())
            .bind(guild)
            .bind(&row.command)
            .bind(row.perms.as_ref().map(Value::to_string))
            .bind(row.disabled)
            .bind(at)
            .bind(by);
        self.execute(set).await?;
        Ok(())
    }

    async fn modules(&self, guild: GuildId) -> Result<Vec<ModuleConfigurationRow>, StorageError> {
        let found = self.fetch_all(query(MODULES).bind(guild)).await?;
        let rows = found.iter().map(|row| {
            Ok(ModuleConfigurationRow {
                module: row.get("module")?,
                disabled: row.get("disabled")?,
                default_perms: row.maybe_json("default_perms")?,
            })
        });
        rows.collect()
    }

    async fn set_module(
        &self,
        guild: GuildId,
        row: &ModuleConfigurationRow,
    ) -> Result<(), StorageError> {
        let set = query(SET_MODULE)
            .bind(Uuid::new_v4())
            .bind(guild)
            .bind(&row.module)
            .bind(row.disabled)
            .bind(row.default_perms.as_ref().map(Value::to_string));
        self.execute(set).await?;
        Ok(())
    }

    async fn roles(&self, guild: GuildId) -> Result<Vec<GuildRoleRow>, StorageError> {
        let found = self.fetch_all(query(ROLES).bind(guild)).await?;
        let rows = found.iter().map(|row| {
            Ok(GuildRoleRow {
                role: row.get("role_id")?,
                perms: row.json("perms")?,
                index: row.get("position")?,
                display_name: row.get("display_name")?,
            })
        });
        rows.collect()
    }

    async fn set_role(
        &self,
        guild: GuildId,
        row: &GuildRoleRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_ROLE)
            .bind(Uuid::new_v4())
            .bind(guild)
            .bind(row.role)
            .bind(Value::from(row.perms.as_slice()).to_string())
            .bind(row.index)
            .bind(row.display_name.as_deref())
            .bind(at)
            .bind(by);
        let mut tx = self.begin().await?;
        tx.execute(set).await?;
        mark_members(&mut tx, guild, row.role).await?;
        tx.commit().await
    }

    async fn delete_role(&self, guild: GuildId, role: RoleId) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .execute(query(DELETE_ROLE).bind(guild).bind(role))
            .await?;
        if deleted == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        mark_members(&mut tx, guild, role).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn member(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<GuildMemberRow>, StorageError> {
        let found = query(MEMBER).bind(guild).bind(user);
        let Some(row) = self.fetch_optional(found).await? else {
            return Ok(None);
        };
        Ok(Some(GuildMemberRow {
            user,
            roles: row.json("roles")?,
            perm_overrides: row.json("perm_overrides")?,
            resolved_perms_cache: row.json("resolved_perms_cache")?,
            needs_perm_rederive: row.get("needs_perm_rederive")?,
            public: row.get("public")?,
        }))
    }

    async fn cache_member(
        &self,
        guild: GuildId,
        user: UserId,
        roles: &[RoleId],
        resolved: &[String],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let roles: Vec<String> = roles.iter().map(RoleId::to_string).collect();
        let cache = query(CACHE_MEMBER)
            .bind(guild)
            .bind(user)
            .bind(Value::from(roles).to_string())
            .bind(Value::from(resolved).to_string())
            .bind(at);
        self.execute(cache).await?;
        Ok(())
    }

    async fn set_overrides(
        &self,
        guild: GuildId,
        user: UserId,
        overrides: &[String],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let set = query(SET_OVERRIDES)
            .bind(guild)
            .bind(user)
            .bind(Value::from(overrides).to_string())
            .bind(at);
        self.execute(set).await?;
        Ok(())
    }
}

async fn mark_members(
    tx: &mut Transaction,
    guild: GuildId,
    role: RoleId,
) -> Result<(), StorageError> {
    let mark = query(MARK_MEMBERS)
        .bind(guild)
        .bind(format!("\"{role}\""))
        .bind(role.get() == guild.get());
    tx.execute(mark).await?;
    Ok(())
}
