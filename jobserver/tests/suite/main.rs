//! Tests of the jobserver. One program: each further one would link all of the crate once more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod control;
mod coverage;
mod create;
mod guarded;
mod incident;
mod incremental;
mod kinds;
mod mass_ban;
mod members;
mod outages;
mod past;
mod private_key;
mod prune;
mod rejoin;
mod restore;
mod resume;
mod revert;
mod support;
mod takeover;
mod watching;
