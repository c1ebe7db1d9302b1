//! Commands of the installation's operators.

mod register;

use splashtail_permissions::CommandExtendedData;

use crate::presses::Presses;

use super::{About, Module, ModuleCommand, extended};

pub struct Root;

impl Module for Root {
    fn about(&self) -> About {
        About {
            toggleable: false,
            commands_toggleable: false,
            web_hidden: true,
            is_root: true,
            ..About::new("root", "Root", "Commands of this installation's operators")
        }
    }

    fn presses(&self) -> Vec<Presses> {
        vec![register::presses()]
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        vec![ModuleCommand {
            command: register::register(),
            extended_data: extended([("", CommandExtendedData::none())]),
        }]
    }
}
