//! Who may do what in a guild, and which modules and commands it uses.
//!
//! Neither the module nor its commands can be switched off: a guild could lock itself out.

mod commands;
mod configurations;
mod imports;
mod members;
mod modules;
mod perms;
mod roles;
mod transfer;

use std::sync::Arc;

use splashtail_permissions::CommandExtendedData;

use self::imports::Imports;
use super::assemble::change_of_checks;
use super::module::{About, Module, ModuleCommand};
use super::{Foundation, Service, extended};
use crate::framework::setting_commands::Entries;
use crate::pages;
use crate::presses::Presses;
use crate::server_language;
use crate::settings::Setting;

/// The module's id.
pub const ID: &str = "settings";

pub struct SettingsModule(Arc<Imports>);

impl SettingsModule {
    pub fn new(foundation: &Foundation) -> Self {
        let clock = Arc::clone(&foundation.clock);
        Self(Arc::new(Imports::new(clock)))
    }
}

impl Module for SettingsModule {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            toggleable: false,
            commands_toggleable: false,
            ..About::new(ID, "Settings", "Modules, commands and who may use them")
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let by = CommandExtendedData::kittycat_or_admin;
        vec![
            ModuleCommand {
                command: modules::modules(),
                extended_data: extended([
                    ("", by("modules", "*")),
                    ("list", by("modules", "list")),
                    ("enable", by("modules", "enable")),
                    ("disable", by("modules", "disable")),
                    ("modperms", by("modules", "modperms")),
                ]),
            },
            ModuleCommand {
                command: commands::commands(),
                extended_data: extended([
                    ("", by("commands", "*")),
                    ("check", by("commands", "check")),
                    ("enable", by("commands", "enable")),
                    ("disable", by("commands", "disable")),
                    ("modperms", by("commands", "modperms")),
                ]),
            },
            ModuleCommand {
                command: perms::perms(),
                extended_data: extended([
                    ("", by("perms", "*")),
                    ("list", by("perms", "list")),
                    ("modrole", by("perms", "modrole")),
                    ("deleterole", by("perms", "deleterole")),
                    ("history", by("perms", "history")),
                    ("undo", by("perms", "undo")),
                ]),
            },
            ModuleCommand {
                command: transfer::settings(),
                extended_data: extended([
                    ("", by("settings", "*")),
                    ("export", by("settings", "export")),
                    ("import", by("settings", "import")),
                ]),
            },
        ]
    }

    fn commands_over(&self, all: &[About]) -> Vec<ModuleCommand> {
        vec![change_of_checks(all)]
    }

    fn presses(&self) -> Vec<Presses> {
        vec![pages::presses::<Entries>(), transfer::presses()]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.0))
    }

    fn settings(&self) -> Vec<Setting> {
        vec![
            roles::setting(),
            members::setting(),
            configurations::of_modules(),
            configurations::of_commands(),
            server_language::setting(),
        ]
    }
}
