//! Commands of the installation's operators.

use std::time::Duration;

use splashtail_permissions::CommandExtendedData;

use super::{Module, ModuleCommand, extended};
use crate::app::Context;
use crate::error::BotError;

/// How long the buttons wait for a click.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn module() -> Module {
    Module {
        toggleable: false,
        commands_toggleable: false,
        web_hidden: true,
        is_root: true,
        commands: vec![ModuleCommand {
            command: register(),
            extended_data: extended([("", CommandExtendedData::none())]),
        }],
        ..Module::new("root", "Root", "Commands of this installation's operators")
    }
}

/// Register or unregister this bot's slash commands.
#[poise::command(prefix_command, slash_command, hide_in_help)]
async fn register(cx: Context<'_>) -> Result<(), BotError> {
    let shutdown = &cx.data().shutdown;
    tokio::select! {
        outcome = poise::builtins::register_application_commands_buttons(cx) => Ok(outcome?),
        () = cx.data().clock.sleep(PATIENCE) => Ok(()),
        () = shutdown.cancelled() => Ok(()),
    }
}
