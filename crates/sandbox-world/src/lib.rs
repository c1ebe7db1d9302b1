//! What a simulated Discord knows and does, in plain functions: no runtime, no sockets.
//!
//! [`Sandbox`] is the world behind its lock; [`Sandbox::dispatch`] is the one way in for requests
//! and [`world::EventSink`] the one way out for events.

pub mod clock;
pub mod draw;
pub mod faults;
pub mod journal;
pub mod openapi;
pub mod rest;
mod sandbox;
pub mod seed;
pub mod signal;
pub mod world;

pub use sandbox::{Options, Sandbox};
