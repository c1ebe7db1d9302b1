//! Protection against those who tear a server down from within.

mod acts;
mod alerts;
mod backup;
mod buttons;
mod carry_out;
mod commands;
mod incidents;
mod keep;
mod limits;
mod listener;
mod orders;
mod own_calls;
mod past;
mod people;
mod policies;
mod policy;
mod programs;
mod progress;
mod put_back;
mod server;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod weaker;

use std::sync::Arc;

use splashtail_permissions::{CommandExtendedData, NativePermissions};

use super::guarded::People;
use super::{
    About, Foundation, Module, ModuleCommand, Need, Needed, Running, Service, Task, extended,
};
use crate::events::Listener;
use crate::pages;
use crate::presses::Presses;
use crate::settings::Setting;

pub use self::orders::Stopped;
pub use self::programs::{ACTS, Done, IncidentAct, NotDone};
pub use self::service::{NoIdentity, Protection};
pub use self::settings::POLICY;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "antinuke";

pub struct Antinuke {
    protection: Arc<Protection>,
}

impl Antinuke {
    pub fn new(foundation: &Foundation) -> Self {
        let Foundation {
            config,
            clock,
            storage,
            discord,
            jobserver,
            changes,
            languages,
            ..
        } = foundation.clone();
        let protection = Protection::new(&config, clock, storage, &discord, jobserver, languages);
        let protection = Arc::new(protection);
        changes.heard_by(Arc::clone(&protection) as _);
        Self { protection }
    }

    /// Who is trusted where.
    pub fn people(&self) -> Arc<dyn People> {
        Arc::clone(&self.protection) as _
    }

    /// What counts orders for those who give them.
    pub fn protection(&self) -> Arc<Protection> {
        Arc::clone(&self.protection)
    }
}

impl Module for Antinuke {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            // Its own mode switches it, which only the owner can weaken.
            toggleable: false,
            ..About::new(
                ID,
                "Protection",
                "Stops those who tear this server down from within",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let by = CommandExtendedData::kittycat_or_admin;
        vec![
            ModuleCommand {
                command: commands::protection(),
                extended_data: extended([
                    ("", by(ID, "*")),
                    ("status", by(ID, "status")),
                    ("mode", by(ID, "mode")),
                    ("alerts", by(ID, "alerts")),
                    ("trust", by(ID, "trust")),
                    ("untrust", by(ID, "untrust")),
                    ("maintenance", by(ID, "maintenance")),
                ]),
            },
            ModuleCommand {
                command: incidents::incidents(),
                extended_data: extended([
                    ("", by(ID, "incidents")),
                    ("list", by(ID, "incidents")),
                    ("view", by(ID, "incidents")),
                    ("export", by(ID, "incidents")),
                ]),
            },
            ModuleCommand {
                command: limits::limits(),
                extended_data: extended([
                    ("", by("limits", "*")),
                    ("view", by("limits", "view")),
                    ("set", by("limits", "set")),
                    ("reset", by("limits", "reset")),
                    ("hit", by("limits", "hit")),
                ]),
            },
        ]
    }

    fn settings(&self) -> Vec<Setting> {
        settings::all(self.protection.identity())
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(listener::Ear(Arc::clone(&self.protection))))
    }

    fn presses(&self) -> Vec<Presses> {
        vec![
            buttons::presses(&self.protection),
            pages::presses::<incidents::IncidentList>(),
            pages::presses::<limits::Hits>(),
        ]
    }

    fn tasks(&self) -> Vec<Task> {
        let (tick, know, write, alert, remember) = (
            Arc::clone(&self.protection),
            Arc::clone(&self.protection),
            Arc::clone(&self.protection),
            Arc::clone(&self.protection),
            Arc::clone(&self.protection),
        );
        vec![
            Task::new("antinuke.tick", move |_| Arc::clone(&tick).tick()),
            Task::new("antinuke.know", move |_| Arc::clone(&know).know()),
            Task::new("antinuke.write", move |_| Arc::clone(&write).write()),
            Task::new("antinuke.remember", move |_| {
                Arc::clone(&remember).remember()
            }),
            Task::new("antinuke.alert", move |_| Arc::clone(&alert).alert()),
        ]
    }

    fn closing(&self) -> Option<Running> {
        let protection = Arc::clone(&self.protection);
        Some(Box::pin(async move { protection.close().await }))
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(7, "To see in the audit log who did what"),
            permission(28, "To take the roles of somebody who attacks"),
            permission(1, "To remove somebody whose roles cannot be taken"),
            permission(2, "To ban somebody who goes on"),
            permission(29, "To delete webhooks that are used for spam"),
            permission(
                5,
                "To pause invites, and to switch hostile AutoMod rules off",
            ),
        ]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.protection))
    }
}
