//! Protection against those who come in crowds to do harm.

mod alerts;
mod arrivals;
mod bans;
mod carry_out;
mod catch_up;
mod commands;
mod decide;
mod keep;
mod listener;
mod presses;
mod server;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use splashtail_permissions::{CommandExtendedData, NativePermissions};

use self::service::Watch;
use super::antinuke::Protection;
use super::jobs::Jobs;
use super::{
    About, Foundation, Module, ModuleCommand, Need, Needed, Running, Service, Task, extended,
};
use crate::events::Listener;
use crate::presses::Presses;
use crate::settings::Setting;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "raid";

pub struct Raid {
    watch: Arc<Watch>,
}

impl Raid {
    pub fn new(foundation: &Foundation, protection: Arc<Protection>, jobs: Arc<Jobs>) -> Self {
        let watch = Arc::new(Watch::new(foundation, protection, jobs));
        foundation
            .changes
            .heard_by(Arc::clone(&watch.policies) as _);
        Self { watch }
    }
}

impl Module for Raid {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            // Its own mode switches it.
            toggleable: false,
            ..About::new(
                ID,
                "Raids",
                "Stops crowds of accounts that were made to do harm",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let by = |permission| CommandExtendedData::kittycat_or_admin(ID, permission);
        vec![ModuleCommand {
            command: commands::raid(),
            extended_data: extended([
                ("", by("*")),
                ("status", by("status")),
                ("mode", by("mode")),
                ("alerts", by("alerts")),
                ("expect", by("expect")),
                ("people", by("status")),
                ("ban", by("ban")),
                ("hold", by("hold")),
                ("letin", by("letin")),
                ("undo", by("undo")),
            ]),
        }]
    }

    fn settings(&self) -> Vec<Setting> {
        vec![settings::setting()]
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(listener::Ear(Arc::clone(&self.watch))))
    }

    fn presses(&self) -> Vec<Presses> {
        vec![presses::presses(&self.watch)]
    }

    fn tasks(&self) -> Vec<Task> {
        let (tick, write, alert) = (
            Arc::clone(&self.watch),
            Arc::clone(&self.watch),
            Arc::clone(&self.watch),
        );
        vec![
            Task::new("raid.tick", move |around| Arc::clone(&tick).tick(around)),
            Task::new("raid.write", move |_| Arc::clone(&write).write()),
            Task::new("raid.alert", move |_| Arc::clone(&alert).alert()),
        ]
    }

    fn closing(&self) -> Option<Running> {
        let watch = Arc::clone(&self.watch);
        Some(Box::pin(async move { watch.write_all().await }))
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(
                5,
                "To pause invites, to ask more of newcomers and to ban 200 with one call",
            ),
            permission(2, "To ban raiders"),
            permission(40, "To hold whoever may be a raider"),
            permission(1, "To refuse raiders who ask to be let in"),
        ]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.watch))
    }
}
