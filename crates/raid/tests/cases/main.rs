//! The engine against populations: raids, crowds of fans, ordinary weeks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowds;
mod population;
mod raids;
mod responses;
mod world;
