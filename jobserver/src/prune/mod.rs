//! `message_prune`: deletes the newest messages of a server that match.
//!
//! As with backups, what each page brought is journaled and the walk over channels and pages is
//! computed from that alone. A page's deletion is an effect of its own: it is intended before it is
//! made, and a run that takes over repeats one whose outcome nobody knows, which changes nothing.

mod filter;
mod job;
mod options;
mod rights;
mod run;
mod walk;

pub use job::MessagePrune;
