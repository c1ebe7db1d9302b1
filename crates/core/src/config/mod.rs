//! One `config.yaml` for all components.
//!
//! [`schema`] is the single table of keys: the loader, the sample file, the unknown-key hints and
//! the effective config are all made from it.

mod load;
mod types;

pub use load::{Component, ConfigError, LoadOptions, Loaded};
pub use types::{
    BusTarget, Config, DatabaseTarget, DiscordAddresses, DiscordAuth, Meta, ObjectStorage, Plan,
    Plans, Servers, Sites, without_slash,
};
