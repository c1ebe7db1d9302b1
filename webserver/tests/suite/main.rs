//! Tests of the web server. One program: each further one would link all of the crate once more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser_login;
mod consents;
mod declared;
mod document;
mod events;
mod gitlogs;
mod guilds;
mod http;
mod ioauth;
mod login;
mod mewld;
mod overview;
mod people;
mod schedules;
mod secured;
mod support;
mod takeover;
mod tasks;
mod uploads;
mod webhooks;
