//! One `config.yaml` for all components.
//!
//! `schema` is the single table of keys: the loader, the sample file, the unknown-key hints and
//! the effective config are all made from it.

mod check;
mod differences;
mod draft;
mod effective;
mod field;
mod load;
mod problem;
mod reading;
mod sample;
mod schema;
mod secret;
mod types;
mod unknown;

#[cfg(test)]
mod tests;

pub use check::CLUSTERS_PER_MACHINE;
pub use differences::Difference;
pub use load::{CONFIG_VARIABLE, Component, LoadOptions, Loaded};
pub use problem::{ConfigError, Problem, SampleNote};
pub use sample::{sample, write_beside};
pub use types::{
    BusTarget, Config, DatabaseTarget, DiscordAddresses, DiscordAuth, Jobs, Meta, ObjectStorage,
    Plan, Plans, Servers, Sites, without_slash,
};
