//! One `config.yaml` for all components.
//!
//! `schema` is the single table of keys: the loader, the sample file, the unknown-key hints and
//! the effective config are all made from it.
//!
//! The modules stand here in layers: each one imports only those above it, which a test holds.

// What a configuration is, and what can be wrong with one.
mod problem;
mod types;

// What is known while one is read, and single values.
mod reading;

mod secret;

mod value;

// The configuration while it is read, and the table of keys with the place of each in it.
mod draft;

mod field;

mod schema;

mod component;

// A whole document along the table.
mod document;

mod syntax;
mod unknown;

// What no single key shows.
mod check;

// Out again, and in from a file.
mod differences;
mod effective;
mod sample;

mod load;

#[cfg(test)]
mod tests;

pub use check::{CLUSTERS_PER_MACHINE, SANDBOX_PORTS};
pub use component::Component;
pub use differences::Difference;
pub use load::{CONFIG_VARIABLE, LoadOptions, Loaded};
pub use problem::{ConfigError, Problem, SampleNote};
pub use sample::{sample, write_beside};
pub use types::{
    BusTarget, Config, DatabaseTarget, DiscordAddresses, DiscordAuth, Jobs, Meta, ObjectStorage,
    Plan, Plans, Servers, Sites, is_local, without_slash,
};
