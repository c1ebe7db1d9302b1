//! A simulator of Discord: REST, gateway, CDN and OAuth2, with an interface to act as its users.
//!
//! It is for demonstrations, tests and drills, and is judged from outside: by Discord's own API
//! description and by clients that know nothing of it. What it knows and does is in
//! `splashtail-sandbox-world`; here are the sockets, the people's side and the drills.

mod cdn;
pub mod control;
mod drill;
pub mod gateway;
mod oauth;
pub mod portrait;
pub mod server;
mod timer;
