//! The sandbox seen from outside: over its own sockets, by clients that share no code with it.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod asking;
mod attacks;
mod cdn;
mod client;
mod compression;
mod control;
mod drills;
mod faults;
mod huge;
mod identify;
mod intents;
mod interacting;
mod judging;
mod members;
mod menus;
mod oauth;
mod pacing;
mod page;
mod reproduction;
mod resume;
mod robustness;
mod sessions;
mod strict;
mod struck;
mod tls;
