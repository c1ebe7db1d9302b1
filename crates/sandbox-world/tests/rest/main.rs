//! The rules of the REST API, each expected value from Discord's documentation or description.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod arrivals;
mod audit;
mod audit_entries;
mod bearer;
mod callbacks;
mod caps;
mod channels;
mod commands;
mod errors;
mod fields;
mod gates;
mod happenings;
mod harness;
mod hidden_limits;
mod hierarchy;
mod interactions;
mod joining;
mod layout;
mod limits;
mod messages;
mod moderation;
mod nasty;
mod overwriting;
mod parity;
mod permissions;
mod publishing;
mod reading;
mod replies;
mod resources;
mod rights;
mod roles;
mod rules;
mod scheduled;
mod script;
mod search;
mod sight;
mod soundboard;
mod table;
mod threads;
mod timing;
mod voting;
mod webhooks;
mod wire;
mod worlds;
