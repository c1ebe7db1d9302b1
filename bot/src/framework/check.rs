//! The gate in front of every command, and for those who ask from outside.

use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_permissions::{CheckOptions, Permission, PermissionResult};

use super::gate::{Question, Standing, member_standing, not_connected};
use crate::app::{App, Context};
use crate::error::BotError;
use crate::ids;

/// Time for the whole check. An interaction has 3 s until its first answer, which comes after it.
const DEADLINE: Duration = Duration::from_millis(2000);

/// poise asks once per command of the tree (`backups`, then `backups create`), each time about the
/// whole tree: the answer is kept.
pub async fn check(cx: Context<'_>) -> Result<bool, BotError> {
    let autocomplete = matches!(
        cx,
        Context::Application(application)
            if application.interaction_type == poise::CommandInteractionType::Autocomplete
    );
    let kept = cx
        .invocation_data::<PermissionResult>()
        .await
        .map(|result| result.clone());
    let result = match kept {
        Some(result) => result,
        None => {
            let result = ask(cx).await?;
            cx.set_invocation_data(result.clone()).await;
            result
        }
    };
    if result.is_ok() {
        Ok(true)
    } else if autocomplete {
        Ok(false)
    } else {
        Err(BotError::Denied(result))
    }
}

async fn ask(cx: Context<'_>) -> Result<PermissionResult, BotError> {
    let guild = ids::guild_of(cx)?;
    let question = Question {
        guild,
        user: ids::user(cx.author().id),
        command: &cx.command().qualified_name,
        options: &CheckOptions::default(),
    };
    let decision = async {
        let standing = standing(cx, guild).await;
        cx.data().gate.decide(&question, &standing).await
    };
    Ok(tokio::time::timeout(DEADLINE, decision)
        .await
        .unwrap_or_else(|_| too_slow()))
}

fn too_slow() -> PermissionResult {
    PermissionResult::GenericError {
        error: "it took too long, please try again".to_owned(),
    }
}

/// The author in the guild, or why it is not known. The roles are those that came with the
/// interaction or the message.
pub async fn standing(cx: Context<'_>, guild: GuildId) -> Result<Standing, PermissionResult> {
    let user = ids::user(cx.author().id);
    let roles = match cx {
        Context::Application(application) => application
            .interaction
            .member
            .as_ref()
            .map(|member| &member.roles),
        Context::Prefix(prefix) => prefix.msg.member.as_ref().map(|member| &member.roles),
    };
    let roles = roles.map(|roles| roles.iter().copied().map(ids::role).collect());
    let connection = cx.data().state.connection().ok_or_else(not_connected)?;
    member_standing(connection, guild, user, roles).await
}

/// The gate's answer for others, outside of any command.
#[async_trait]
pub trait CommandChecks: Send + Sync {
    /// Where a member stands is asked once. `custom` narrows their kittycat permissions to those of an
    /// API token.
    async fn checks(
        &self,
        guild: GuildId,
        user: UserId,
        commands: &[String],
        custom: Option<Vec<Permission>>,
    ) -> Checked;
}

/// What somebody may do in a guild.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Of the commands, in the order asked.
    pub results: Vec<PermissionResult>,
    /// In the server as a whole; the owner may everything. `None`: it is not known, or they are no
    /// member.
    pub permissions: Option<u64>,
}

#[async_trait]
impl CommandChecks for App {
    async fn checks(
        &self,
        guild: GuildId,
        user: UserId,
        commands: &[String],
        custom: Option<Vec<Permission>>,
    ) -> Checked {
        let options = CheckOptions {
            custom_resolved_kittycat_perms: custom,
            ..CheckOptions::default()
        };
        let standing = standing_of(self, guild, user).await;
        let mut results = Vec::with_capacity(commands.len());
        for command in commands {
            let question = Question {
                guild,
                user,
                command,
                options: &options,
            };
            results.push(self.gate.decide(&question, &standing).await);
        }
        let permissions = standing.ok().map(|standing| match standing.is_owner {
            true => u64::MAX,
            false => standing.native.0,
        });
        Checked {
            results,
            permissions,
        }
    }
}

/// The gate's answer about one command and a person themselves.
pub async fn may_run(
    checks: &dyn CommandChecks,
    guild: GuildId,
    user: UserId,
    command: &str,
) -> PermissionResult {
    let commands = [command.to_owned()];
    let mut checked = checks.checks(guild, user, &commands, None).await;
    let result = checked.results.pop();
    result.unwrap_or(PermissionResult::ModuleNotFound {})
}

/// Any member in the guild.
pub async fn standing_of(
    app: &App,
    guild: GuildId,
    user: UserId,
) -> Result<Standing, PermissionResult> {
    let connection = app.state.connection().ok_or_else(not_connected)?;
    member_standing(connection, guild, user, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_denied() {
        assert!(!too_slow().is_ok());
    }
}
