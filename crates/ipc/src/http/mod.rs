//! What the HTTP servers of all daemons share: error answers, limits, a graceful server.

mod error;
mod limits;
mod serve;

pub use error::{ErrorResponse, read_body};
pub use limits::{Limits, harden};
pub use serve::{ServeOptions, serve, serve_with};
