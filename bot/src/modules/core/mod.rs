//! Help, statistics and a sign of life. No permissions needed.

mod help;
mod ping;
mod stats;

use splashtail_permissions::CommandExtendedData;

use super::{Module, ModuleCommand, extended};
use crate::app::Command;

pub fn module() -> Module {
    let open = |command: Command| ModuleCommand {
        command,
        extended_data: extended([("", CommandExtendedData::none())]),
    };
    Module {
        toggleable: false,
        commands: vec![
            open(help::help()),
            open(help::simplehelp()),
            open(stats::stats()),
            open(ping::ping()),
        ],
        ..Module::new("core", "Core", "Help, statistics and a sign of life")
    }
}
