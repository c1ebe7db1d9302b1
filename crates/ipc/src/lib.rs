//! What the processes of the platform say to each other, and how: the message bus with its
//! unix-socket hub, the shared cache, the cluster protocol, cluster arguments, signed HTTP calls
//! and the typed clients that make them.
//!
//! Nothing here knows what a message is for: no bot, no job, no cluster state machine. Of tokens it has
//! the word alone that they are no longer what they were.

pub mod args;
mod backoff;
pub mod bus;
pub mod cache;
pub mod clients;
pub mod http;
pub mod hub;
pub mod identities;
pub mod launcher;
pub mod redis;
pub mod signing;
