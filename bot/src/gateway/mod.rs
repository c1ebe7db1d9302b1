//! The bot's gateway connections: serenity's shards connect to a relay of this process, which paces
//! their identifies, sees why Discord ends a connection, and taps what Discord sends: serenity's
//! models drop what they do not know, and its events come without order or bound.

mod addresses;
mod door;
mod link;
mod pace;
mod relay;
mod shards;
mod tap;

pub use pace::{Floors, Pace};
pub use relay::{Ends, Relay};
pub use shards::{Parts, Shards, ShardsEnd};
pub use tap::{Seen, Tap, Watched};
