//! Programs that connect to the proxy as to Discord.

pub mod connection;
mod feed;
pub mod frames;
pub mod session;
