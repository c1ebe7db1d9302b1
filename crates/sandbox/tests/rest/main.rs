//! The rules of the REST API, each expected value from Discord's documentation or description.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bearer;
mod channels;
mod commands;
mod harness;
mod interactions;
mod limits;
mod messages;
mod moderation;
mod permissions;
mod reading;
mod roles;
mod script;
mod table;
mod threads;
mod webhooks;
mod worlds;
