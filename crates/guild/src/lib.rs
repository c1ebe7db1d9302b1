//! A server's structure: what it consists of, how it changes, how two states of it differ, and what
//! has to be done to get from one to the other.
//!
//! Pure: no I/O, no clock, no randomness. Objects stay Discord's own JSON, so nothing is lost that
//! this crate does not know. [`Structure`] is built from REST answers or from a GUILD_CREATE and
//! kept current by [`Structure::apply_event`]; [`compare`], [`put_back`] and [`plan`] work on two or
//! three structures, wherever they come from. [`permissions`] is the arithmetic of who may do what.

mod compare;
mod delta;
mod event;
mod fields;
mod files;
mod history;
mod id;
mod merge;
mod pairing;
pub mod permissions;
mod plan;
mod read;
mod sight;
mod structure;
mod three_way;

pub use compare::{Comparison, Difference, FieldChange, compare};
pub use delta::{Change, Delta};
pub use event::CONSUMED_EVENTS;
pub use fields::means_same;
pub use files::{digest_of, file_fields};
pub use history::History;
pub use id::{Id, InvalidId};
pub use pairing::{Mapping, pair};
pub use plan::{
    Effect, Facts, Mode, Operation, Plan, Reach, Rule, Subject, Surplus, Unable, Why, plan,
    rehearse,
};
pub use read::bit_set;
pub use sight::{HIDDEN_FLAG, HIDDEN_NAME, is_hidden};
pub use structure::{Kind, Parts, Structure};
pub use three_way::{PutBack, Verdict, put_back};
