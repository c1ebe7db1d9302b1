//! Holds exchanges against Discord's own OpenAPI description.
//!
//! The description is data: nothing is generated from it. [`Checker`] runs off the request path
//! and reports [`Violation`]s; [`patches`] is the complete list of liberties taken with the text.

mod body;
mod check;
mod description;
mod events;
pub mod patches;

pub use check::{Checker, Exchange};
pub use description::{Description, DescriptionError, Side};
use serde::{Deserialize, Serialize};

/// An exchange that the description forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Operation of the description, method and path when none matches, or name of an event.
    pub operation: String,
    /// `request`, `query`, `response`, `event` or `checker`.
    pub side: String,
    /// Status of the answer; 0 for events.
    pub status: u16,
    /// JSON pointer into the body, or the name of the query parameter.
    pub pointer: String,
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            operation,
            side,
            status,
            pointer,
            message,
        } = self;
        write!(f, "{operation} {side} ({status}) at `{pointer}`: {message}")
    }
}
