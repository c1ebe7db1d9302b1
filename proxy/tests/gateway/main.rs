//! The proxy between a sandbox and clients that share no code with it.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod bench;
mod client;
mod login;
mod manners;
mod reshard;
mod rest;
mod restarts;
mod storm;
mod upstream;
