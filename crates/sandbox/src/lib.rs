//! A simulator of Discord: REST, gateway, CDN and OAuth2, with an interface to act as its users.
//!
//! It is for demonstrations, tests and drills, and is judged from outside: by Discord's own API
//! description and by clients that know nothing of it.

mod cdn;
pub mod clock;
pub mod control;
mod drill;
pub mod faults;
pub mod gateway;
pub mod journal;
mod oauth;
pub mod openapi;
pub mod rest;
mod sandbox;
pub mod seed;
pub mod server;
pub mod world;

pub use sandbox::{Options, Sandbox};
