//! The bot's features. Each is one directory that declares everything about itself: see
//! [`Module`].

pub mod antinuke;
pub mod assemble;
pub mod core;
pub mod foundation;
pub mod guarded;
pub mod jobs;
pub mod lockdown;
pub mod moderation;
mod module;
pub mod raid;
pub mod root;
pub mod server_backups;
pub mod settings;
pub mod setup;

use std::sync::Arc;

use splashtail_permissions::{CommandExtendedData, ExtendedData};

pub use self::foundation::Foundation;
pub use self::module::{About, Module, ModuleCommand, Running, Surroundings, Task, Whole};
pub use crate::registry::{Need, Needed};
pub use crate::services::{Service, Services};

/// All modules, in the order of help pages and listings.
pub fn all(foundation: &Foundation) -> Vec<Box<dyn Module>> {
    let antinuke = antinuke::Antinuke::new(foundation);
    let guarded = guarded::Guarded::new(foundation, antinuke.people());
    let jobs = Arc::new(jobs::Jobs::new(foundation, antinuke.people()));
    let backups =
        server_backups::ServerBackups::new(foundation, antinuke.people(), Arc::clone(&jobs));
    let protection = antinuke.protection();
    let raid = raid::Raid::new(foundation, Arc::clone(&protection), Arc::clone(&jobs));
    let moderation = moderation::Moderation::new(foundation, protection, Arc::clone(&jobs));
    vec![
        Box::new(core::Core::new(foundation, jobs)),
        Box::new(setup::SetupModule::new(foundation)),
        Box::new(antinuke),
        Box::new(raid),
        Box::new(lockdown::Lockdown::new(foundation)),
        Box::new(guarded),
        Box::new(moderation),
        Box::new(backups),
        Box::new(settings::SettingsModule::new(foundation)),
        Box::new(root::Root),
    ]
}

/// Extended data by subcommand path; `""` is the root.
fn extended<const N: usize>(entries: [(&str, CommandExtendedData); N]) -> ExtendedData {
    entries
        .into_iter()
        .map(|(path, data)| (path.to_owned(), data))
        .collect()
}
