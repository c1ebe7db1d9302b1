//! What the HTTP servers of all daemons share: error answers, limits, readiness, a graceful server.

mod error;
mod limits;
mod readiness;
mod serve;

pub use error::{ErrorResponse, read_body};
pub use limits::{Limits, harden};
pub use readiness::{NotReady, Readiness};
pub use serve::{ServeOptions, serve, serve_with};
