//! Durable jobs: work that survives the death of whoever does it.
//!
//! A [`Job`] is a sequence of named steps whose outputs are journaled. The [`Engine`] of any
//! process takes a task under a lease and runs it; when the process dies, the lease ends and
//! another engine goes on at the first step without a recorded output. Every write carries the
//! lease's fencing token: an engine that lost its lease changes nothing any more, whatever it
//! still believes.
//!
//! A step may run twice (a crash between its effect and its record) but is recorded once. There is
//! no Discord, no HTTP and no object store in here; and no secret outside [`SecretBytes`] and its
//! wrapped form.

mod context;
mod deadline;
mod engine;
mod error;
mod held;
mod job;
mod journal;
mod metrics;
mod orders;
mod run;
mod secret;
mod timing;
mod upkeep;

pub use context::JobContext;
pub use engine::{Engine, EngineBuilder};
pub use error::{EngineError, JobError, PrepareError};
pub use job::{Job, JobOutput, Prepared};
pub use orders::CreateRequest;
pub use secret::{DataKey, InvalidDataKey, SecretBytes};
pub use splashtail_storage::{IDEMPOTENCY_KEY_LEN, Level, Owner, TaskRow, TaskState};
pub use timing::{MAX_ATTEMPTS, Timing};
