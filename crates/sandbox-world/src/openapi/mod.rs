//! Holds exchanges against Discord's own OpenAPI description.
//!
//! The description is data: nothing is generated from it. [`Checker`] runs off the request path
//! and reports [`Violation`]s; [`patches`] is the complete list of liberties taken with the text.

mod body;
mod check;
mod description;
mod events;
pub mod patches;

pub use check::{Checker, Exchange, judge, judge_request};
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
    /// `User-Agent` of the request; `None` for acts of people and for events.
    #[serde(default)]
    pub sender: Option<String>,
    /// The sandbox refused a malformed request that was meant to be refused: it came from a
    /// person, or from a client that says it is a test. Nothing to complain about.
    #[serde(default)]
    pub excused: bool,
}

/// Top-level domains and names that nobody owns (RFC 2606): a client whose `User-Agent` names one
/// of them is a test.
const RESERVED: [&str; 4] = [
    "example.com",
    "example.test",
    "example.invalid",
    "example.org",
];

/// Whether a malformed request of this sender may be deliberate. Requests of everyone else must
/// fit the description, answered or refused.
fn may_probe(sender: Option<&str>) -> bool {
    sender.is_none_or(|agent| {
        agent.trim().is_empty() || RESERVED.iter().any(|name| agent.contains(name))
    })
}

/// What is left to complain about, one line each; empty when all is well.
pub fn complaints<'a>(found: impl IntoIterator<Item = &'a Violation>) -> Vec<String> {
    let found = found.into_iter().filter(|v| !v.excused);
    let mut lines: Vec<String> = found.map(ToString::to_string).collect();
    lines.dedup();
    lines
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            operation,
            side,
            status,
            pointer,
            message,
            sender,
            ..
        } = self;
        write!(f, "{operation} {side} ({status}) at `{pointer}`: {message}")?;
        match sender {
            Some(sender) if side != "response" => write!(f, " (sent by {sender})"),
            _ => Ok(()),
        }
    }
}
