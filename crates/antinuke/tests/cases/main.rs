//! The cases of the design, by number, data in and data out.
#![allow(clippy::unwrap_used)]

mod actions;
mod actors;
mod belonging;
mod colluders;
mod days;
mod durable;
mod gifts;
mod looks;
mod ordinary;
mod own;
mod properties;
mod reach;
mod restored;
mod table;
mod tamper;
mod undo;
mod unexplained;
mod world;
