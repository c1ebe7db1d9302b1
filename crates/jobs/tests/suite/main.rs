//! Tests of the jobs over both databases. One program: each further one would link all of the crate once more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cancellation;
mod deadlines;
mod durability;
mod effects;
mod harness;
mod orders;
mod postgres;
mod schedules;
mod secrets;
mod upkeep;
