//! Whether the author of a command may run it. Every failure on the way denies.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use poise::serenity_prelude as serenity;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_permissions::kittycat::{MemberPermissions, MemberStanding, Position};
use splashtail_permissions::walk::{permute, root_of};
use splashtail_permissions::{
    CheckOptions, CommandConfiguration, CommandRequest, MemberFacts, ModuleConfiguration,
    ModuleFacts, NativePermissions, Permission, PermissionChecks, PermissionResult, check_command,
};
use splashtail_storage::{CommandConfigurationRow, ModuleConfigurationRow, StorageError};
use tracing::error;

use crate::app::{App, Context};
use crate::discord_http::describe;
use crate::error::BotError;
use crate::ids;

/// Time for the whole check. An interaction has 3 s until its first answer, which comes after it.
const DEADLINE: Duration = Duration::from_millis(2000);

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

/// What Discord says about the author, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub is_owner: bool,
    /// Of the guild as a whole; channel overwrites do not count.
    pub native: NativePermissions,
    /// The everyone role, whose id is the guild's, included.
    pub roles: Vec<RoleId>,
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

/// The author in the guild: from the interaction or message and the cache, else from Discord.
async fn standing(cx: Context<'_>, guild: GuildId) -> Result<Standing, PermissionResult> {
    let user = cx.author().id;
    let roles = match cx {
        Context::Application(application) => application
            .interaction
            .member
            .as_ref()
            .map(|member| member.roles.clone()),
        Context::Prefix(prefix) => prefix
            .msg
            .member
            .as_ref()
            .map(|member| member.roles.clone()),
    };
    member_standing(cx.cache(), cx.http(), guild, user, roles).await
}

/// As [`standing`], for any member. `roles` are the member's if they are known already.
async fn member_standing(
    cache: &serenity::Cache,
    http: &serenity::Http,
    guild: GuildId,
    user: serenity::UserId,
    roles: Option<Vec<serenity::RoleId>>,
) -> Result<Standing, PermissionResult> {
    let guild_id = serenity::GuildId::new(guild.get());
    let discord_error = |error: &serenity::Error| PermissionResult::DiscordError {
        error: describe(error),
    };
    let cached = cache.guild(guild_id).map(|cached| {
        let roles = roles
            .clone()
            .or_else(|| cached.members.get(&user).map(|member| member.roles.clone()));
        (
            cached.owner_id,
            permission_bits(cached.roles.values()),
            roles,
        )
    });
    let (owner, bits, roles) = match cached {
        Some(cached) => cached,
        None => {
            let fetched = http
                .get_guild(guild_id)
                .await
                .map_err(|e| discord_error(&e))?;
            (
                fetched.owner_id,
                permission_bits(fetched.roles.values()),
                roles,
            )
        }
    };
    let roles = match roles {
        Some(roles) => roles,
        None => {
            http.get_member(guild_id, user)
                .await
                .map_err(|e| discord_error(&e))?
                .roles
        }
    };
    let mut roles: Vec<RoleId> = roles.into_iter().map(ids::role).collect();
    roles.extend(RoleId::new(guild.get()));
    let held = |(role, bits): &(RoleId, u64)| roles.contains(role).then_some(*bits);
    let native = bits.iter().filter_map(held).fold(0, |all, bits| all | bits);
    Ok(Standing {
        is_owner: owner == user,
        native: NativePermissions(native),
        roles,
    })
}

fn permission_bits<'a>(roles: impl Iterator<Item = &'a serenity::Role>) -> Vec<(RoleId, u64)> {
    roles
        .map(|role| (ids::role(role.id), role.permissions.bits()))
        .collect()
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
            return PermissionResult::DiscordError {
                error: "not connected".to_owned(),
            };
        };
        let options = CheckOptions {
            custom_resolved_kittycat_perms: custom,
            ..CheckOptions::default()
        };
        let question = self.question(guild, user, command, options);
        let discord_user = serenity::UserId::new(user.get());
        let standing = member_standing(
            &connection.cache,
            &connection.http,
            guild,
            discord_user,
            None,
        )
        .await;
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

fn parse(perms: &[String]) -> Vec<Permission> {
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
fn checks(value: Option<serde_json::Value>) -> Result<Option<PermissionChecks>, StorageError> {
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| StorageError::Corrupt(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_permissions::{CommandExtendedData, ExtendedData};

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
                is_always_enabled: false,
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
