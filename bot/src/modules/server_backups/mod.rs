//! Backups of a whole server: made by the jobserver, asked for and shown here.

mod begin;
mod confirm;
mod create;
mod delete;
mod list;
mod members;
mod options;
mod presses;
mod restore;
mod restore_operation;
mod schedule;
mod tell;
mod undo;

use std::sync::Arc;

use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_discord::Discord;
use splashtail_ipc::clients::JobserverClient;
use splashtail_permissions::{CommandExtendedData, NativePermissions};
use splashtail_storage::Storage;

use self::create::create;
use self::delete::delete;
use self::list::list;
use self::members::{Rejoin, members as members_command};
pub(super) use self::options::KnownChannel;
use self::restore::restore;
use self::restore_operation::Restore;
use self::schedule::schedule;
use super::guarded::People;
use super::jobs::Jobs;
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, extended};
use crate::app::Context;
use crate::error::BotError;
use crate::operation::Operation;
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
    jobs: Arc<Jobs>,
}

impl ServerBackups {
    pub fn new(foundation: &Foundation, people: Arc<dyn People>, jobs: Arc<Jobs>) -> Self {
        let Foundation {
            config,
            clock,
            storage,
            jobserver,
            discord,
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
                jobs,
            }),
        }
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
        let backups = ModuleCommand {
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
        };
        let rejoin = || CommandExtendedData::kittycat_or_admin(ID, "rejoin");
        let members = ModuleCommand {
            command: members_command(),
            extended_data: extended([
                ("", CommandExtendedData::kittycat_simple(ID, "*")),
                ("rejoin", rejoin()),
                ("consent", rejoin()),
            ]),
        };
        vec![backups, members]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(10, "To see the channels that shall be saved"),
            permission(16, "To read the messages that shall be saved"),
            permission(20, "To read the messages of voice channels"),
            permission(34, "To find private threads that nobody added the bot to"),
            permission(4, "To restore channels"),
            permission(28, "To restore roles and who may do what in channels"),
            permission(5, "To restore the server's settings and AutoMod rules"),
            permission(29, "To post the messages of channels that were deleted"),
            permission(0, "To let people back in who allowed it"),
        ]
    }

    fn presses(&self) -> Vec<Presses> {
        let of_list = pages::presses::<list::BackupList>();
        vec![
            presses::presses(&self.backups),
            members::presses(&self.backups),
            of_list,
        ]
    }

    fn tasks(&self) -> Vec<Task> {
        let backups = Arc::clone(&self.backups);
        vec![Task::new("server_backups.tell", move |around| {
            Arc::clone(&backups).tell(around.state)
        })]
    }

    fn guarded(&self) -> Vec<Arc<dyn Operation>> {
        vec![
            Arc::new(Restore(Arc::clone(&self.backups))),
            Arc::new(Rejoin(Arc::clone(&self.backups))),
        ]
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
