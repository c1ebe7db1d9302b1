//! What the platform keeps: durable tasks, API tokens, guilds and their permission settings.
//!
//! One trait per concept, one implementation for SQLite and one for PostgreSQL, one contract that
//! both keep. Callers never see a connection or a transaction: whatever has to happen together is
//! one method. Times are UTC to the millisecond and come from the caller; only leases and waits are
//! lengths of time, measured by the database.
//!
//! "Not there" is `Ok(None)`, never an error. There is no Discord type and no wire shape in here.

mod error;
mod guild;
mod log_entry;
mod open;
mod owner;
mod permission;
mod postgres;
mod queue_sql;
mod sql;
mod sqlite;
mod task;
mod task_queue;
mod task_store;
mod token;

#[cfg(test)]
mod contract;

pub use error::StorageError;
pub use guild::{GuildStore, UserRow, UserState, UserStore};
pub use log_entry::{Level, MAX_ENTRIES, MAX_ENTRY_BYTES, NewLogEntry, TaskLogEntry};
pub use open::Storage;
pub use owner::{InvalidOwner, Owner};
pub use permission::{
    CommandConfigurationRow, GuildMemberRow, GuildRoleRow, ModuleConfigurationRow, PermissionStore,
};
pub use task::{Slot, TaskCounts, TaskCursor, TaskOutput, TaskRow, TaskState};
pub use task_queue::{
    BYTES_PER_PAGE, Claimed, End, Lease, Park, Progress, RecordedStep, STEPS_PER_PAGE, TaskQueue,
    Wanted,
};
pub use task_store::{
    Cancellation, Creation, IDEMPOTENCY_KEY_LEN, Idempotency, NewTask, Start, TaskQuery, TaskStore,
};
pub use token::{NewToken, TokenHash, TokenRow, TokenStore};
