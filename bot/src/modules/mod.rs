//! The bot's features. Each is one directory that declares its commands, what they ask of their
//! users, and its events.

pub mod core;
pub mod registry;
pub mod root;
pub mod server_backups;

use std::pin::Pin;

use poise::serenity_prelude::FullEvent;
use splashtail_permissions::{CommandExtendedData, ExtendedData};

use crate::app::{Command, EventContext};
use crate::error::BotError;

/// Called for every gateway event after the caches took it in; has to return quickly for those it
/// does not care about.
pub type EventListener =
    for<'a> fn(
        EventContext<'a>,
        &'a FullEvent,
    ) -> Pin<Box<dyn Future<Output = Result<(), BotError>> + Send + 'a>>;

pub struct Module {
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// Whether a guild may switch it off.
    pub toggleable: bool,
    pub commands_toggleable: bool,
    pub is_default_enabled: bool,
    /// Left out of public listings.
    pub web_hidden: bool,
    /// Its commands are for the operators of the installation.
    pub is_root: bool,
    /// Never registered with Discord.
    pub virtual_module: bool,
    pub commands: Vec<ModuleCommand>,
    pub on_event: Option<EventListener>,
}

pub struct ModuleCommand {
    pub command: Command,
    pub extended_data: ExtendedData,
}

impl Module {
    /// An ordinary module: on by default, and guilds may switch it and its commands off.
    pub fn new(id: &'static str, name: &'static str, description: &'static str) -> Self {
        Self {
            id,
            name,
            description,
            toggleable: true,
            commands_toggleable: true,
            is_default_enabled: true,
            web_hidden: false,
            is_root: false,
            virtual_module: false,
            commands: Vec::new(),
            on_event: None,
        }
    }
}

/// All modules, in the order of help pages and listings.
pub fn all() -> Vec<Module> {
    vec![core::module(), server_backups::module(), root::module()]
}

/// Extended data by subcommand path; `""` is the root.
fn extended<const N: usize>(entries: [(&str, CommandExtendedData); N]) -> ExtendedData {
    entries
        .into_iter()
        .map(|(path, data)| (path.to_owned(), data))
        .collect()
}
