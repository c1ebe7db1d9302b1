//! What everybody needs who speaks with Discord's gateway or stands in for it: a connection, the
//! compressed streams in both directions, and the few fields of a frame that decide where it goes.
//!
//! It knows no event, no session and no bot.

mod pack;
mod scan;
mod unpack;
mod upstream;

pub use pack::{Pack, Packing};
pub use scan::{Head, Place};
pub use unpack::{LARGEST, Unpack};
pub use upstream::{ConnectError, Upstream, Wire, address, connect, unlimited};
