//! `guild_restore_backup`: a server as a backup has it.
//!
//! The file is read whole and the plan made before anything is touched; what cannot work is refused
//! by name. A safety backup of the server as it is comes first, then the plan is carried out by
//! [`crate::carry_out`], and a report tells what was not restored and which object is which now.

mod caller;
pub mod error;
pub mod file;
mod floor;
mod job;
pub mod live;
mod members;
mod messages;
pub mod options;
pub mod past;
mod people;
pub mod plan;
mod protection;
pub mod report;
mod run;
pub mod source;
mod threads;

pub use job::RestoreBackup;
