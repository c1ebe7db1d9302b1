//! Whole-system tests: the real binaries, started as an operator starts them.

pub mod attack;
pub mod backups;
pub mod browser;
pub mod fleet;
pub mod object_server;
pub mod platform;
pub mod portrait;
pub mod strangers;
pub mod tapped;
pub mod transcript;
