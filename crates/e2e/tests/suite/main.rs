//! Tests of the whole system. One program: each further one would link all of the crate once more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_examples;
mod backup_story;
mod bad_input;
mod browser;
mod clients;
mod clusters;
mod directions;
mod drill;
mod drills;
mod drills_disturbed;
mod event_path;
mod fleet;
mod fuzz;
mod guarded;
mod incident_backup;
mod killed_processes;
mod local_jobs;
mod lockdown;
mod mass_ban;
mod protection;
mod protection_chaos;
mod proxy;
mod put_back;
mod quiet;
mod quiet_day;
mod raids;
mod reload;
mod restore;
mod sanctions;
mod sandbox_page;
mod settings;
mod setup;
mod transfer;
mod web_api;
