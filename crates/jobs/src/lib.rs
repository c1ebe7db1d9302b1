//! Durable jobs: work that survives the death of whoever does it.
//!
//! A [`Job`] is a sequence of named steps whose outputs are journaled. The [`Engine`] of any
//! process takes a task under a lease and runs it; when the process dies, the lease ends and
//! another engine goes on at the first step without a recorded output. Every write carries the
//! lease's fencing token: an engine that lost its lease changes nothing any more, whatever it
//! still believes.
//!
//! A step may run twice (a crash between its body and its record) but is recorded once. What must
//! not happen twice is an effect: [`JobContext::effect`] records its intent before the call and
//! looks up what became of it after a crash. There is no Discord, no HTTP and no object store in
//! here; and no secret outside [`SecretBytes`] and its wrapped form.

mod context;
mod deadline;
mod effect;
mod engine;
mod error;
pub mod follow;
mod guard;
mod held;
mod job;
mod journal;
mod learned;
mod metrics;
mod old;
mod orders;
mod pace;
mod planning;
pub mod render;
mod retention;
mod run;
mod schedule;
mod secret;
mod timing;
mod unreported;
mod upkeep;
mod watch;

pub use context::JobContext;
pub use effect::{Intent, Nonce};
pub use engine::{Engine, EngineBuilder};
pub use error::{EngineError, JobError, PrepareError};
pub use guard::Guard;
pub use job::{Appraisal, Job, JobOutput, Prepared, Sweep};
pub use learned::Learned;
pub use orders::CreateRequest;
pub use planning::{MOST_SCHEDULES, NewSchedule};
pub use schedule::{InvalidCron, first_at};
pub use secret::{DataKey, InvalidDataKey, SecretBytes, Unreadable};
pub use splashtail_storage::{
    Advance, IDEMPOTENCY_KEY_LEN, Item, Keep, Level, Outcome, Owner, Priority, Schedule, TaskRow,
    TaskState,
};
pub use timing::{MAX_ATTEMPTS, Timing};
