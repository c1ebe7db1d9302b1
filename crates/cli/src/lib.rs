//! The `splashtail` command: starts and supervises the daemons, and the operator's tools.

pub mod commands;
pub mod supervisor;
