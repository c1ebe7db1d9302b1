//! What the platform keeps: durable tasks, API tokens, guilds and their settings.
//!
//! One trait per concept, written once for SQLite and PostgreSQL, and one contract that both keep.
//! Callers never see a connection or a transaction: whatever has to happen together is one method.
//! Every call ends within the deadlines of [`engine::deadline`]. Times are UTC to the millisecond
//! and come from the caller; only leases and waits are lengths of time, by the database's clock.
//!
//! "Not there" is `Ok(None)`, never an error. There is no Discord type and no wire shape in here.

mod account;
mod case;
mod consent;
mod engine;
mod error;
mod event;
mod gitlogs;
mod guarded;
mod guild;
mod history;
mod ledger;
mod lockdown;
mod log_entry;
mod open;
mod owner;
mod postgres;
mod profile;
mod protection;
mod raid;
mod schedule;
mod setting;
mod setup;
mod sql;
mod sqlite;
mod task;
mod task_queue;
mod task_store;
mod token;
mod webhook;

#[cfg(test)]
mod contract;

pub use account::{Account, AccountStore, LoginTold};
pub use case::{CaseEnding, CaseNote, CaseRow, CaseStore, NewCase, OpenedCase};
pub use consent::{ConsentStore, JoinGrant, MOST_CONSENTS, NewConsent, Revocation};
pub use error::{Outage, StorageError};
pub use event::{EventKind, EventStore, GuildEvent};
pub use gitlogs::{
    Added, DeliveryRow, DueDelivery, GitAct, GitHook, GitRepo, GitRule, GitlogsStore, Heard,
    MOST_GIT_HOOKS, MOST_GIT_REPOS, MOST_GIT_RULES, MOST_GIT_WAITING, NewDelivery, Told,
};
pub use guarded::{
    Answer, Ending, GuardedRequest, GuardedStore, Judge, MOST_ANSWERS, MOST_OPEN, Move, NewRequest,
    RequestState,
};
pub use guild::{GuildStore, UserRow, UserState, UserStore};
pub use history::{HistoryRow, HistoryStore};
pub use ledger::{Intended, Item, LedgerStore, NewItem, Outcome, Settled};
pub use lockdown::{HoldRow, HoldState, LockdownRow, LockdownState, LockdownStore, NewLockdown};
pub use log_entry::{Level, MAX_ENTRIES, MAX_ENTRY_BYTES, NewLogEntry, TaskLogEntry};
pub use open::Storage;
pub use owner::{InvalidOwner, Owner};
pub use profile::ProfileStore;
pub use protection::{IncidentRow, ProtectionStore, Reaction};
pub use raid::{RaidStore, WaveRow};
pub use schedule::{Due, Keep, Schedule, ScheduleStore, Trouble};
pub use setting::{
    ChangedEntry, Edit, NewChange, REMEMBERED_CHANGES, SettingRow, SettingStore, Snapshot, Written,
};
pub use setup::SetupStore;
pub use task::{
    Advance, ExpiryCursor, Slot, TaskCounts, TaskCursor, TaskOutput, TaskRow, TaskState,
};
pub use task_queue::{
    BYTES_PER_PAGE, Claimed, End, Lease, Park, Progress, RecordedStep, STEPS_PER_PAGE, TaskQueue,
    Wanted, Which,
};
pub use task_store::{
    Cancellation, Creation, IDEMPOTENCY_KEY_LEN, Idempotency, NewTask, Priority, Start, TaskQuery,
    TaskStore,
};
pub use token::{NewToken, PURGED_AT_ONCE, TokenHash, TokenKind, TokenRow, TokenStore};
pub use webhook::{
    Busy, DueMessage, MOST_WEBHOOKS, MessageRow, MessageState, NewMessage, NewWebhook, SaidAlone,
    Tried, TriedEnd, Webhook, WebhookChange, WebhookStore, WebhookSwitch, address,
};
