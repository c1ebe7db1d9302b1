use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::{Sqlite, key, ms, rows};
use crate::error::StorageError;
use crate::permission::{
    CommandConfigurationRow, GuildMemberRow, GuildRoleRow, ModuleConfigurationRow, PermissionStore,
};
use crate::sql;

#[async_trait]
impl PermissionStore for Sqlite {
    async fn commands(&self, guild: GuildId) -> Result<Vec<CommandConfigurationRow>, StorageError> {
        let found = sqlx::query(sql::COMMANDS)
            .bind(guild.to_db())
            .fetch_all(&self.reader)
            .await?;
        let row = |row: &_| {
            Ok(CommandConfigurationRow {
                command: Row::try_get(row, "command")?,
                perms: rows::maybe_json(row, "perms")?,
                disabled: Row::try_get(row, "disabled")?,
            })
        };
        found.iter().map(row).collect()
    }

    async fn set_command(
        &self,
        guild: GuildId,
        row: &CommandConfigurationRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        sqlx::query(sql::SET_COMMAND)
            .bind(key(Uuid::new_v4()))
            .bind(guild.to_db())
            .bind(&row.command)
            .bind(row.perms.as_ref().map(Value::to_string))
            .bind(row.disabled)
            .bind(ms(at))
            .bind(by.to_db())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn modules(&self, guild: GuildId) -> Result<Vec<ModuleConfigurationRow>, StorageError> {
        let found = sqlx::query(sql::MODULES)
            .bind(guild.to_db())
            .fetch_all(&self.reader)
            .await?;
        let row = |row: &_| {
            Ok(ModuleConfigurationRow {
                module: Row::try_get(row, "module")?,
                disabled: Row::try_get(row, "disabled")?,
                default_perms: rows::maybe_json(row, "default_perms")?,
            })
        };
        found.iter().map(row).collect()
    }

    async fn set_module(
        &self,
        guild: GuildId,
        row: &ModuleConfigurationRow,
    ) -> Result<(), StorageError> {
        sqlx::query(sql::SET_MODULE)
            .bind(key(Uuid::new_v4()))
            .bind(guild.to_db())
            .bind(&row.module)
            .bind(row.disabled)
            .bind(row.default_perms.as_ref().map(Value::to_string))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn roles(&self, guild: GuildId) -> Result<Vec<GuildRoleRow>, StorageError> {
        let found = sqlx::query(sql::ROLES)
            .bind(guild.to_db())
            .fetch_all(&self.reader)
            .await?;
        let row = |row: &_| {
            Ok(GuildRoleRow {
                role: RoleId::from_db(Row::try_get(row, "role_id")?)
                    .map_err(StorageError::corrupt)?,
                perms: rows::json(row, "perms")?,
                index: Row::try_get(row, "position")?,
                display_name: Row::try_get(row, "display_name")?,
            })
        };
        found.iter().map(row).collect()
    }

    async fn set_role(
        &self,
        guild: GuildId,
        row: &GuildRoleRow,
        by: UserId,
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let mut tx = self.begin().await?;
        sqlx::query(sql::SET_ROLE)
            .bind(key(Uuid::new_v4()))
            .bind(guild.to_db())
            .bind(row.role.to_db())
            .bind(Value::from(row.perms.as_slice()).to_string())
            .bind(row.index)
            .bind(&row.display_name)
            .bind(ms(at))
            .bind(by.to_db())
            .execute(&mut *tx)
            .await?;
        mark_members(&mut tx, guild, row.role).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn delete_role(&self, guild: GuildId, role: RoleId) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let delete = sqlx::query(sql::DELETE_ROLE)
            .bind(guild.to_db())
            .bind(role.to_db());
        if delete.execute(&mut *tx).await?.rows_affected() == 0 {
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
        let found = sqlx::query(sql::MEMBER)
            .bind(guild.to_db())
            .bind(user.to_db());
        let Some(row) = found.fetch_optional(&self.reader).await? else {
            return Ok(None);
        };
        Ok(Some(GuildMemberRow {
            user,
            roles: rows::json(&row, "roles")?,
            perm_overrides: rows::json(&row, "perm_overrides")?,
            resolved_perms_cache: rows::json(&row, "resolved_perms_cache")?,
            needs_perm_rederive: row.try_get("needs_perm_rederive")?,
            public: row.try_get("public")?,
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
        sqlx::query(sql::CACHE_MEMBER)
            .bind(guild.to_db())
            .bind(user.to_db())
            .bind(Value::from(roles).to_string())
            .bind(Value::from(resolved).to_string())
            .bind(ms(at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn set_overrides(
        &self,
        guild: GuildId,
        user: UserId,
        overrides: &[String],
        at: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        sqlx::query(sql::SET_OVERRIDES)
            .bind(guild.to_db())
            .bind(user.to_db())
            .bind(Value::from(overrides).to_string())
            .bind(ms(at))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

async fn mark_members(
    connection: &mut SqliteConnection,
    guild: GuildId,
    role: RoleId,
) -> Result<(), StorageError> {
    sqlx::query(sql::MARK_MEMBERS)
        .bind(guild.to_db())
        .bind(format!("\"{role}\""))
        .bind(role.get() == guild.get())
        .execute(connection)
        .await?;
    Ok(())
}
