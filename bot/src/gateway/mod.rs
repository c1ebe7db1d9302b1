//! The bot's gateway connections: serenity's shards connect to a relay of this process, which paces
//! their identifies and sees why Discord ends a connection. serenity tells neither.

mod door;
mod link;
mod pace;
mod relay;
mod shards;
mod upstream;

pub use pace::{Floors, Pace};
pub use relay::{Ends, Relay};
pub use shards::{Parts, Shards, ShardsEnd};
