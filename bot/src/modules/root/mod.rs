//! Commands of the installation's operators.

mod register;

use splashtail_permissions::CommandExtendedData;

use super::{Module, ModuleCommand, extended};

pub fn module() -> Module {
    Module {
        toggleable: false,
        commands_toggleable: false,
        web_hidden: true,
        is_root: true,
        commands: vec![ModuleCommand {
            command: register::register(),
            extended_data: extended([("", CommandExtendedData::none())]),
        }],
        ..Module::new("root", "Root", "Commands of this installation's operators")
    }
}
