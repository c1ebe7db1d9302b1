//! `guild_rejoin_members`: lets people back into a server who allowed that beforehand.
//!
//! Each consent is looked up right before it is used, so one that was taken back meanwhile counts for
//! nothing. Discord's tokens are sealed at rest (`grants`) and in no record, log or report. Each person is
//! an effect of its own; letting somebody in twice is the same as once, so nothing has to be looked up.

#[cfg(test)]
mod bench;
mod grants;
mod job;
mod options;
mod plan;
mod revoke;
mod run;

pub use grants::{Consented, Grants};
pub use job::RejoinMembers;
