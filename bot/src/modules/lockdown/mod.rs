//! Lockdowns: members neither write nor speak, in the whole server or in one channel.

mod commands;
mod locks;
mod plan;
mod service;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use splashtail_permissions::{CommandExtendedData, NativePermissions};

use self::service::Lockdowns;
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, extended};
use crate::settings::Setting;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "lockdown";

pub struct Lockdown {
    lockdowns: Arc<Lockdowns>,
}

impl Lockdown {
    pub fn new(foundation: &Foundation) -> Self {
        let Foundation {
            clock,
            storage,
            discord,
            ..
        } = foundation.clone();
        Self {
            lockdowns: Arc::new(Lockdowns::new(&discord, storage, clock)),
        }
    }
}

impl Module for Lockdown {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            ..About::new(ID, "Lockdown", "Keeps members from writing and speaking")
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let by = |permission| CommandExtendedData::kittycat_or_admin(ID, permission);
        vec![ModuleCommand {
            command: commands::lockdown(),
            extended_data: extended([
                ("", by("*")),
                ("lock", by("lock")),
                ("unlock", by("unlock")),
                ("list", by("list")),
            ]),
        }]
    }

    fn settings(&self) -> Vec<Setting> {
        vec![settings::setting()]
    }

    fn tasks(&self) -> Vec<Task> {
        let run = Arc::clone(&self.lockdowns);
        vec![Task::new("lockdown.run", move |around| {
            Arc::clone(&run).run(around)
        })]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(28, "To lock channels and roles"),
            permission(10, "To see the channels that are to be locked"),
        ]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.lockdowns))
    }
}
