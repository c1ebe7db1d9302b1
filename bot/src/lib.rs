//! One cluster of the bot: a range of shards, the commands of its modules, and the IServer.
//!
//! It never does long work, which is the jobserver's, and never starts or stops another process.

pub mod app;
pub mod arguments;
pub mod catalogue;
pub mod cluster;
pub mod colours;
pub mod configuration;
pub mod denial;
pub mod discord_http;
pub mod error;
pub mod events;
pub mod fit;
pub mod fleet_bus;
pub mod framework;
pub mod gateway;
pub mod guilds;
pub mod ids;
pub mod inputs;
pub mod iserver;
#[cfg(test)]
mod layers;
pub mod markdown;
pub mod modules;
pub mod operation;
pub mod orphan;
pub mod pages;
pub mod presses;
pub mod ready;
pub mod registration;
pub mod registry;
pub mod reply;
mod run;
pub mod server_language;
pub mod services;
pub mod settings;

pub use run::{Refused, Surroundings, run};
