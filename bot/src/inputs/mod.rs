//! What guilds have set, kept in memory and correct everywhere: a decision costs no query while its
//! inputs are known.
//!
//! [`Kept`] holds one value per guild, read from the database when it is first asked for.
//! [`Changes`] says which guilds have changed: at once to everybody who listens on the bus, and,
//! since a message can be lost, again from the versions that the database keeps. Whatever a module
//! decides on (limits, policies) is one more [`Kept`] with its [`Source`], heard by
//! [`Changes::heard_by`].

mod changes;
mod kept;

pub use changes::{Changes, Hear};
pub use kept::{Kept, Source};
