//! Whole-system tests: the real binaries, started as an operator starts them.

pub mod attack;
pub mod backups;
pub mod browser;
pub mod drills;
pub mod fleet;
pub mod object_server;
#[path = "../../antinuke/benches/original/mod.rs"]
pub mod original;
pub mod outage;
pub mod platform;
pub mod portrait;
pub mod proxied;
pub mod raids;
pub mod strangers;
pub mod tapped;
pub mod transcript;

#[cfg(test)]
#[path = "original_tests.rs"]
mod original_tests;
