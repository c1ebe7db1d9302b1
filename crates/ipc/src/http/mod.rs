//! What the HTTP servers of all daemons share: error answers, limits, readiness, a graceful server
//! that holds a bounded number of connections.

mod error;
mod guests;
mod limits;
mod network;
mod readiness;
mod refusals;
mod serve;

pub use error::{ErrorResponse, read_body};
pub use guests::Capacity;
pub use limits::{Limits, harden, harden_but};
pub use network::Network;
pub use readiness::{NotReady, Readiness};
pub(crate) use refusals::CROWDED;
pub use refusals::Refusal;
pub use serve::{ServeOptions, serve, serve_with};
