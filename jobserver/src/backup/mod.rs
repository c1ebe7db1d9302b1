//! `guild_create_backup`: a whole server into one file.
//!
//! The job is a sequence of journaled steps. Each step that reads from Discord leaves its result
//! as a sealed work file and a few numbers in the journal; the walk over channels and pages is
//! computed from those numbers alone. A process that takes over therefore repeats the walk without
//! reading anything again and goes on at the first page that was not recorded.

pub mod allocate;
mod assemble;
mod assets;
mod attachments;
pub mod coverage;
pub mod dialect;
pub mod error;
pub mod files;
pub mod finished;
mod former;
mod held;
mod job;
mod lists;
pub mod members;
pub mod options;
mod pages;
mod run;
mod snapshot;
pub mod source;
pub mod threads;
pub mod work;
mod worth;

pub use job::CreateBackup;
pub use work::{DESKS, clear, clear_up, remove};
