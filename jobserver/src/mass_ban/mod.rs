//! `mass_ban`: bans many people who were named one by one, and takes such a ban back.
//!
//! Who is banned and who is spared is decided once, from a look at the server, and recorded; the bans
//! go out 200 at a time, each call an effect of its own. What Discord refuses is named. Taking it back
//! lifts only bans that are still this job's: their reason names it.

mod job;
mod judge;
mod lift;
mod options;
mod run;
mod stopped;

pub use job::MassBan;
