//! `guild_revert_incident`: a server without what an attacker did to it.
//!
//! What was before and what the attacker left come from the incident's acts and from the structure
//! that was pinned when it began; what people did since stays. The changes are made by
//! [`crate::carry_out`], what was done to members by [`people`]. Whatever is not certain enough to be
//! done unseen is shown first.

mod asks;
mod back;
mod evidence;
mod job;
mod options;
mod people;
mod pictures;
mod plan;
mod run;
mod since;
mod since_plan;

pub use job::RevertIncident;
