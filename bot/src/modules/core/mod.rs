//! Help, statistics and a sign of life, for everybody.

mod help;
mod ping;
mod presence;
mod stats;

use std::sync::Arc;

use poise::serenity_prelude::GatewayIntents;
use splashtail_permissions::{CommandExtendedData, NativePermissions};

use super::jobs::{self, Jobs};
use super::{
    About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, Whole, extended,
};
use crate::app::Command;
use crate::pages;
use crate::presses::Presses;

pub struct Core {
    /// What the bot is shown to be doing.
    presence: Vec<String>,
    /// Their messages outlive the switches of the modules that ordered them.
    jobs: Arc<Jobs>,
}

impl Core {
    pub fn new(foundation: &Foundation, jobs: Arc<Jobs>) -> Self {
        Self {
            presence: foundation.config.meta.presence.clone(),
            jobs,
        }
    }
}

impl Module for Core {
    fn about(&self) -> About {
        About {
            toggleable: false,
            ..About::new("core", "Core", "Help, statistics and a sign of life")
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let open = |command: Command| ModuleCommand {
            command,
            extended_data: extended([("", CommandExtendedData::none())]),
        };
        vec![
            open(help::help()),
            open(help::simplehelp()),
            open(stats::stats()),
            open(ping::ping()),
        ]
    }

    fn presses(&self) -> Vec<Presses> {
        let logs = jobs::presses(&self.jobs);
        vec![pages::presses::<help::HelpPages>(), logs]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            Need {
                what: Needed::Intents(
                    GatewayIntents::GUILD_MESSAGES | GatewayIntents::MESSAGE_CONTENT,
                ),
                why: "To read commands that are written as messages",
            },
            permission(11, "To answer commands that are written as messages"),
            permission(38, "To answer those that are written in threads"),
            permission(14, "To show what an answer consists of"),
            permission(15, "To send files with answers"),
        ]
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.jobs))
    }

    fn begin(&self, whole: &Whole<'_>) {
        let shutdown = whole.app.shutdown.clone();
        self.jobs.reach(Arc::clone(whole.app) as _, shutdown);
    }

    fn tasks(&self) -> Vec<Task> {
        let texts = self.presence.clone();
        vec![Task::new("presence", move |surroundings| {
            presence::keep(surroundings, texts.clone())
        })]
    }
}
