//! Backups of a whole server: made by the jobserver, asked for and shown here.

mod begin;
mod board;
mod confirm;
mod create;
mod delete;
mod figures;
mod follow;
mod list;
mod options;
mod presses;
mod restore;
mod restore_operation;
mod schedule;
mod status;
mod tell;

use std::sync::{Arc, OnceLock};

use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, without_slash};
use splashtail_core::ids::{ChannelId, GuildId, TaskId};
use splashtail_discord::Discord;
use splashtail_ipc::clients::JobserverClient;
use splashtail_permissions::{CommandExtendedData, NativePermissions};
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;

pub(super) use self::begin::Begun;
pub(super) use self::board::Board;
pub(super) use self::confirm::show;
use self::create::create;
pub(super) use self::create::{Ran, run};
use self::delete::delete;
pub(super) use self::follow::Ending;
use self::follow::StoredTask;
use self::list::list;
pub(super) use self::options::KnownChannel;
pub(super) use self::presses::log_button;
use self::restore::restore;
use self::restore_operation::Restore;
use self::schedule::schedule;
use super::guarded::{Operation, People};
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, extended};
use crate::app::Context;
use crate::catalogue::{Language, ServerLanguages};
use crate::error::BotError;
use crate::framework::check::CommandChecks;
use crate::pages;
use crate::presses::Presses;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "server_backups";
/// The kind of task that makes a backup.
pub const CREATE_TASK: &str = job_kinds::CREATE_BACKUP.name;
/// The kind of task that puts a server back.
pub const RESTORE_TASK: &str = job_kinds::RESTORE_BACKUP.name;

pub struct ServerBackups {
    backups: Arc<Backups>,
}

/// Orders backups and reads what became of them.
pub struct Backups {
    config: Arc<Config>,
    clock: SharedClock,
    storage: Storage,
    jobserver: JobserverClient,
    discord: Discord,
    people: Arc<dyn People>,
    languages: ServerLanguages,
    reach: OnceLock<Reach>,
}

/// What there is only once everything has been put together.
struct Reach {
    checks: Arc<dyn CommandChecks>,
    shutdown: CancellationToken,
}

impl Backups {
    /// To be called once, before the first button can be pressed.
    pub fn reach(&self, checks: Arc<dyn CommandChecks>, shutdown: CancellationToken) {
        // Whoever calls again changes nothing.
        let _ = self.reach.set(Reach { checks, shutdown });
    }

    /// Of what everybody in a server reads.
    fn language_of(&self, guild: GuildId) -> Language {
        let circle = self.people.circle(guild);
        circle.map_or_else(|| self.languages.of(guild, None), |circle| circle.language)
    }

    /// Public address of the API, without a slash at its end.
    fn api(&self) -> String {
        without_slash(&self.config.sites.api).to_owned()
    }

    /// Shows a task until it ends.
    async fn follow(
        &self,
        task: TaskId,
        board: &mut Board,
        shutdown: &CancellationToken,
    ) -> Ending {
        let (storage, clock) = (self.storage.clone(), Arc::clone(&self.clock));
        let mut task = StoredTask::new(storage, clock, task);
        follow::follow(&mut task, board, self.clock.as_ref(), shutdown).await
    }

    /// A new message for a task.
    pub(super) fn board_in(&self, channel: ChannelId, language: Language) -> Board {
        Board::new_in(&self.discord, channel, (self.api(), language))
    }

    /// The same beside whatever called.
    pub(super) fn follow_beside(self: &Arc<Self>, task: TaskId, mut board: Board) {
        let Some(shutdown) = self.reach.get().map(|reach| reach.shutdown.clone()) else {
            return;
        };
        let backups = Arc::clone(self);
        tokio::spawn(async move { backups.follow(task, &mut board, &shutdown).await });
    }
}

impl ServerBackups {
    pub fn new(foundation: &Foundation, people: Arc<dyn People>) -> Self {
        let Foundation {
            config,
            clock,
            storage,
            jobserver,
            discord,
            languages,
            ..
        } = foundation.clone();
        Self {
            backups: Arc::new(Backups {
                config,
                clock,
                storage,
                jobserver,
                discord,
                people,
                languages,
                reach: OnceLock::new(),
            }),
        }
    }
}

impl ServerBackups {
    /// Others have jobs, too.
    pub fn jobs(&self) -> Arc<Backups> {
        Arc::clone(&self.backups)
    }

    /// What every job's message needs, also where this module is switched off.
    pub fn logs(&self) -> Presses {
        presses::logs(&self.backups)
    }
}

impl Module for ServerBackups {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            ..About::new(
                ID,
                "Server Backups",
                "Back up this server, keep the file and put the server back",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        vec![ModuleCommand {
            command: backups(),
            extended_data: extended([
                ("", CommandExtendedData::kittycat_simple(ID, "*")),
                (
                    "create",
                    CommandExtendedData::kittycat_or_admin(ID, "create"),
                ),
                ("list", CommandExtendedData::kittycat_or_admin(ID, "list")),
                (
                    "schedule",
                    CommandExtendedData::kittycat_or_admin(ID, "schedule"),
                ),
                (
                    "schedule add",
                    CommandExtendedData::kittycat_or_admin(ID, "schedule"),
                ),
                (
                    "schedule list",
                    CommandExtendedData::kittycat_or_admin(ID, "schedule"),
                ),
                (
                    "schedule remove",
                    CommandExtendedData::kittycat_or_admin(ID, "schedule"),
                ),
                (
                    "delete",
                    CommandExtendedData::kittycat_or_admin(ID, "delete"),
                ),
                (
                    "restore",
                    CommandExtendedData::kittycat_or_admin(ID, "restore"),
                ),
            ]),
        }]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(10, "To see the channels that shall be saved"),
            permission(16, "To read the messages that shall be saved"),
            permission(34, "To find private threads that nobody added the bot to"),
            permission(4, "To restore channels"),
            permission(28, "To restore roles and who may do what in channels"),
            permission(5, "To restore the server's settings and AutoMod rules"),
            permission(29, "To post the messages of channels that were deleted"),
        ]
    }

    fn presses(&self) -> Vec<Presses> {
        let of_list = pages::presses::<list::BackupList>();
        vec![presses::presses(&self.backups), of_list]
    }

    fn tasks(&self) -> Vec<Task> {
        let backups = Arc::clone(&self.backups);
        vec![Task::new("server_backups.tell", move |around| {
            Arc::clone(&backups).tell(around.state)
        })]
    }

    fn guarded(&self) -> Vec<Arc<dyn Operation>> {
        vec![Arc::new(Restore(Arc::clone(&self.backups)))]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.backups))
    }
}

/// Back up this server, list its backups, restore or delete one.
#[poise::command(
    prefix_command,
    slash_command,
    guild_only,
    aliases("backup"),
    user_cooldown = 5,
    subcommands("create", "list", "restore", "delete", "schedule"),
    subcommand_required
)]
async fn backups(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}
