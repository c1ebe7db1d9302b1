//! Whether the author of a command may run it. Every failure on the way denies.

mod rows;
mod standing;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_permissions::kittycat::MemberStanding;
use splashtail_permissions::walk::{permute, root_of};
use splashtail_permissions::{
    CheckOptions, CommandRequest, MemberFacts, ModuleFacts, Permission, PermissionResult,
    check_command,
};
use splashtail_storage::StorageError;
use tracing::error;

pub use self::rows::{GateRows, Rows};
pub use self::standing::Standing;
use self::standing::{member_standing, not_connected, standing};
use crate::app::{App, Context};
use crate::error::BotError;
use crate::ids;

/// Time for the whole check. An interaction has 3 s until its first answer, which comes after it.
const DEADLINE: Duration = Duration::from_millis(2000);

/// Guilds whose row is known to exist. Rows are never deleted while the bot runs.
#[derive(Debug, Default)]
pub struct KnownGuilds(Mutex<HashSet<GuildId>>);

impl KnownGuilds {
    async fn ensure(&self, guild: GuildId, rows: &dyn GateRows) -> Result<(), StorageError> {
        if self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&guild)
        {
            return Ok(());
        }
        rows.ensure_guild(guild).await?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(guild);
        Ok(())
    }
}

/// The question, without anything of Discord or of a database.
pub struct Question<'a> {
    pub guild: GuildId,
    pub user: UserId,
    /// Qualified name.
    pub command: &'a str,
    pub module: Option<ModuleFacts<'a>>,
    pub is_root_user: bool,
    /// The guild is the installation's main server.
    pub is_main_guild: bool,
    pub options: CheckOptions,
}

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
    let app = cx.data();
    let guild = ids::guild_of(cx)?;
    let user = ids::user(cx.author().id);
    let command = &cx.command().qualified_name;
    let question = app.question(guild, user, command, CheckOptions::default());
    let decision = async {
        let standing = standing(cx, guild).await;
        decide(&question, standing, app.as_ref(), &app.known_guilds).await
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

/// Brings facts and rows together.
pub async fn decide(
    question: &Question<'_>,
    standing: Result<Standing, PermissionResult>,
    rows: &dyn GateRows,
    known: &KnownGuilds,
) -> PermissionResult {
    if let Err(error) = known.ensure(question.guild, rows).await {
        error!(guild.id = %question.guild, error = %Chain(&error), "denied: no guild row");
        return database_failed();
    }
    let (module_id, roles) = (
        question.module.as_ref().map_or("", |module| module.id),
        standing
            .as_ref()
            .map_or(&[][..], |standing| &standing.roles),
    );
    let paths = permute(question.command);
    let loaded = rows
        .load(question.guild, question.user, roles, module_id, &paths)
        .await;
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            error!(guild.id = %question.guild, error = %Chain(&error), "denied: no permission rows");
            return database_failed();
        }
    };
    let member = standing.map(|standing| MemberFacts {
        is_owner: standing.is_owner,
        native: standing.native,
        kittycat: loaded.member.resolved(MemberStanding {
            is_owner: standing.is_owner,
            is_root_in_main: question.is_root_user && question.is_main_guild,
        }),
    });
    check_command(&CommandRequest {
        command: question.command,
        module: question.module.clone(),
        is_root_user: question.is_root_user,
        command_rows: &loaded.commands,
        module_row: loaded.module.as_ref(),
        member: member.as_ref(),
        options: &question.options,
    })
}

fn database_failed() -> PermissionResult {
    PermissionResult::GenericError {
        error: "the database did not answer".to_owned(),
    }
}

/// The gate's answer for others, outside of any command.
#[async_trait]
pub trait CommandChecks: Send + Sync {
    /// `custom` narrows the member's kittycat permissions to those of an API token.
    async fn check(
        &self,
        guild: GuildId,
        user: UserId,
        command: &str,
        custom: Option<Vec<Permission>>,
    ) -> PermissionResult;
}

#[async_trait]
impl CommandChecks for App {
    async fn check(
        &self,
        guild: GuildId,
        user: UserId,
        command: &str,
        custom: Option<Vec<Permission>>,
    ) -> PermissionResult {
        let Some(connection) = self.state.connection() else {
            return not_connected();
        };
        let options = CheckOptions {
            custom_resolved_kittycat_perms: custom,
            ..CheckOptions::default()
        };
        let question = self.question(guild, user, command, options);
        let standing = member_standing(connection, guild, user, None).await;
        decide(&question, standing, self, &self.known_guilds).await
    }
}

impl App {
    fn question<'a>(
        &'a self,
        guild: GuildId,
        user: UserId,
        command: &'a str,
        options: CheckOptions,
    ) -> Question<'a> {
        Question {
            guild,
            user,
            command,
            module: self.registry.facts(root_of(command)),
            is_root_user: self.is_root_user(user),
            is_main_guild: self.config.servers.main == Some(guild),
            options,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_core::ids::RoleId;
    use splashtail_permissions::kittycat::{MemberPermissions, Position};
    use splashtail_permissions::{CommandExtendedData, ExtendedData, NativePermissions};

    use super::rows::{checks, parse};
    use super::*;

    /// Rows as given, or failures.
    #[derive(Default)]
    struct Given {
        rows: Mutex<Option<Rows>>,
        ensured: Mutex<Vec<GuildId>>,
        ensure_fails: bool,
        load_fails: bool,
    }

    #[async_trait]
    impl GateRows for Given {
        async fn ensure_guild(&self, guild: GuildId) -> Result<(), StorageError> {
            self.ensured.lock().unwrap().push(guild);
            if self.ensure_fails {
                Err(StorageError::Stopped)
            } else {
                Ok(())
            }
        }

        async fn load(
            &self,
            _: GuildId,
            _: UserId,
            _: &[RoleId],
            _: &str,
            commands: &[String],
        ) -> Result<Rows, StorageError> {
            assert_eq!(commands, ["backups", "backups create"]);
            if self.load_fails {
                return Err(StorageError::Stopped);
            }
            Ok(self.rows.lock().unwrap().take().unwrap_or_default())
        }
    }

    fn guild() -> GuildId {
        GuildId::new(1_100_000_000_001_179_648).unwrap()
    }

    fn standing(is_owner: bool, native: u64) -> Result<Standing, PermissionResult> {
        let roles = vec![RoleId::new(guild().get()).unwrap()];
        Ok(Standing {
            is_owner,
            native: NativePermissions(native),
            roles,
        })
    }

    async fn code(standing: Result<Standing, PermissionResult>, rows: &Given) -> &'static str {
        let data: ExtendedData = [(
            "create".to_owned(),
            CommandExtendedData::kittycat_or_admin("server_backups", "create"),
        )]
        .into();
        let question = Question {
            guild: guild(),
            user: UserId::new(7).unwrap(),
            command: "backups create",
            module: Some(ModuleFacts {
                id: "server_backups",
                is_loaded: true,
                is_root: false,
                is_default_enabled: true,
                is_toggleable: true,
                are_commands_toggleable: true,
                extended_data: &data,
            }),
            is_root_user: false,
            is_main_guild: false,
            options: CheckOptions::default(),
        };
        decide(&question, standing, rows, &KnownGuilds::default())
            .await
            .code()
    }

    #[tokio::test]
    async fn administrators_pass_and_members_do_not() {
        assert_eq!(code(standing(false, 8), &Given::default()).await, "ok");
        assert_eq!(
            code(standing(true, 0), &Given::default()).await,
            "ok_with_message"
        );
        assert_eq!(
            code(standing(false, 32), &Given::default()).await,
            "missing_any_perms"
        );
    }

    #[tokio::test]
    async fn every_failure_denies_owners_too() {
        let failing = Given {
            ensure_fails: true,
            ..Given::default()
        };
        assert_eq!(code(standing(true, 8), &failing).await, "generic_error");
        let failing = Given {
            load_fails: true,
            ..Given::default()
        };
        assert_eq!(code(standing(true, 8), &failing).await, "generic_error");
        let unknown = Err(PermissionResult::DiscordError {
            error: "x".to_owned(),
        });
        assert_eq!(code(unknown, &Given::default()).await, "discord_error");
        assert!(!too_slow().is_ok());
    }

    #[tokio::test]
    async fn role_rows_count() {
        let position = Position {
            id: "1".to_owned(),
            index: 1,
            perms: parse(&["server_backups.*".to_owned()]),
        };
        let member = MemberPermissions {
            positions: vec![position],
            overrides: Vec::new(),
        };
        let given = Given::default();
        *given.rows.lock().unwrap() = Some(Rows {
            member,
            ..Rows::default()
        });
        assert_eq!(code(standing(false, 0), &given).await, "ok");
    }

    #[tokio::test]
    async fn a_guild_row_is_made_once() {
        let (known, given) = (KnownGuilds::default(), Given::default());
        for _ in 0..3 {
            known.ensure(guild(), &given).await.unwrap();
        }
        assert_eq!(given.ensured.lock().unwrap().len(), 1);
        let (known, given) = (
            KnownGuilds::default(),
            Given {
                ensure_fails: true,
                ..Given::default()
            },
        );
        for _ in 0..2 {
            known.ensure(guild(), &given).await.unwrap_err();
        }
        assert_eq!(
            given.ensured.lock().unwrap().len(),
            2,
            "a failure is not remembered"
        );
    }

    #[test]
    fn unreadable_checks_are_an_error() {
        assert!(checks(Some(json!({"checks": "all"}))).is_err());
        assert_eq!(checks(None).unwrap(), None);
    }
}
