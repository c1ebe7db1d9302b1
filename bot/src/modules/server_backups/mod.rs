//! Backups of a whole server: made by the jobserver, asked for and shown here.

mod create;
mod follow;
mod list;
mod options;
mod restore;
mod status;

use splashtail_permissions::CommandExtendedData;

use self::create::create;
use self::list::list;
use self::restore::restore;
use super::{Module, ModuleCommand, extended};
use crate::app::Context;
use crate::error::BotError;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "server_backups";
/// The kind of task that makes a backup.
pub const CREATE_TASK: &str = "guild_create_backup";
/// The kind of task that puts a server back.
pub const RESTORE_TASK: &str = "guild_restore_backup";

pub fn module() -> Module {
    Module {
        commands: vec![ModuleCommand {
            command: backups(),
            extended_data: extended([
                ("", CommandExtendedData::kittycat_simple(ID, "*")),
                (
                    "create",
                    CommandExtendedData::kittycat_or_admin(ID, "create"),
                ),
                ("list", CommandExtendedData::kittycat_or_admin(ID, "list")),
                (
                    "restore",
                    CommandExtendedData::kittycat_or_admin(ID, "restore"),
                ),
            ]),
        }],
        ..Module::new(
            ID,
            "Server Backups",
            "Back up this server, keep the file and put the server back",
        )
    }
}

/// Back up this server, list its backups or restore one.
#[poise::command(
    prefix_command,
    slash_command,
    guild_only,
    aliases("backup"),
    user_cooldown = 5,
    subcommands("create", "list", "restore"),
    subcommand_required
)]
async fn backups(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}
