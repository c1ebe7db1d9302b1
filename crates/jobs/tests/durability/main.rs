//! What a crash, a pause, a shutdown or an error of a runner does to a task.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crashes;
#[path = "../harness/mod.rs"]
mod harness;
mod leases;
mod stopping;
mod waiting;
