//! Setting the bot up, and what is wrong with it in a server.

mod alert_channel;
mod commands;
mod finding;
mod greet;
mod look;
mod page;
mod press;
mod report;
mod service;
mod shown;
mod step;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use splashtail_core::clock::SharedClock;
use splashtail_permissions::{
    CommandExtendedData, NativePermissions, PermissionCheck, PermissionChecks,
};

use self::greet::{Ear, Greeter};
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, extended};
use crate::events::Listener;
use crate::presses::Presses;

pub use self::service::Setup;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "setup";

pub struct SetupModule {
    setup: Arc<Setup>,
    greeter: Arc<Greeter>,
    clock: SharedClock,
}

impl SetupModule {
    pub fn new(foundation: &Foundation) -> Self {
        Self {
            setup: Arc::new(Setup::new(foundation)),
            greeter: Arc::new(Greeter::new(foundation)),
            clock: Arc::clone(&foundation.clock),
        }
    }
}

impl Module for SetupModule {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            toggleable: false,
            commands_toggleable: false,
            ..About::new(
                ID,
                "Setup",
                "Sets the bot up and says what is wrong with it",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let read = |command, permission: &str| {
            let check = PermissionCheck {
                kittycat_perms: vec![format!("{ID}.{permission}")],
                native_perms: vec![NativePermissions::MANAGE_GUILD],
                ..PermissionCheck::default()
            };
            let data = CommandExtendedData {
                default_perms: PermissionChecks::Simple {
                    checks: vec![check],
                    checks_needed: 1,
                },
                ..CommandExtendedData::none()
            };
            ModuleCommand {
                command,
                extended_data: extended([("", data)]),
            }
        };
        vec![
            read(commands::setup(), "setup"),
            read(commands::health(), "health"),
        ]
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(Ear {
            arrivals: Arc::clone(&self.greeter.arrivals),
            clock: Arc::clone(&self.clock),
        }))
    }

    fn tasks(&self) -> Vec<Task> {
        let greeter = Arc::clone(&self.greeter);
        vec![Task::new("setup.greet", move |around| {
            Arc::clone(&greeter).greet_all(around)
        })]
    }

    fn presses(&self) -> Vec<Presses> {
        vec![press::set_up(), press::heal()]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(10, "To see where alerts go"),
            permission(11, "To write alerts"),
            permission(14, "To show what happened in alerts"),
        ]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.setup))
    }
}
