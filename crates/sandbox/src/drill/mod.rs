//! Drills: a scripted attack on a guild, and a report of what it achieved and what stopped it.
//!
//! Attackers act through the dispatcher like everyone else, so permissions, hierarchy, limits,
//! audit log and events follow. Only the scene is set by hand before the first act: accounts
//! that are members already, the rogues' role, the application whose token leaks. Pace and
//! duration are sandbox time, and what is left to chance is drawn from the world's seed: the same
//! world, clock and order give the same acts in the same sequence.

mod act;
mod board;
mod cast;
mod cycle;
mod deeds;
mod innocents;
mod notices;
mod observe;
mod pace;
mod perform;
mod raid;
mod requests;
mod run;
mod script;
mod settings;
mod spoils;
mod tally;
mod targets;
mod traces;
pub mod types;
mod ways;

pub(crate) use board::{DrillError, Drills};

/// Milliseconds between a raider's arrival and its message.
const POST_AFTER_MS: i64 = 1000;
/// Members that one bulk ban names.
const BULK_BAN: usize = 10;

/// The name a value has on the wire.
fn wire_name(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
