//! `ensure_*` against a fake Discord: what is called, and what is made of the answers.

#![allow(clippy::unwrap_used)]

mod creations;
mod fake;
mod hidden;
mod invites;
mod members;
mod messages;
mod webhooks;
