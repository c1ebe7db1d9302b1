//! What an engine does beside its runs: orders what is scheduled, ends what is abandoned, deletes
//! what has expired.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde_json::{Map, Value};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{ExpiryCursor, Level, NewLogEntry, TaskRow};
use tokio_util::sync::CancellationToken;

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::error::JobError;
use crate::job::Sweep;
use crate::{old, retention, schedule};

/// Abandoned tasks, and overdue ones, that one turn ends.
const ENDED_AT_ONCE: u32 = 100;
/// Expired tasks that are read at a time.
const BATCH: u32 = 50;
/// Batches of one turn. What is left waits for the next.
const BATCHES: u32 = 20;

/// Something that is done about once a minute. Each has its own turn: one that takes long misses
/// turns, and holds up no other.
enum Duty {
    /// Runs that earlier processes could not report.
    Report,
    /// Tasks whose time is over.
    Ends,
    Orders,
    /// Ends of what schedules ordered.
    Settling,
    /// Expired tasks, from this one on: what cannot be deleted does not keep the rest from its turn.
    Expired(Option<ExpiryCursor>),
    Old,
    Sweep(Arc<dyn Sweep>),
}

pub(crate) async fn run(engine: Engine, shutdown: CancellationToken) {
    use Duty::{Ends, Expired, Old, Orders, Report, Settling};
    let mut idle = vec![Report, Ends, Orders, Settling, Expired(None), Old];
    idle.extend(engine.inner.sweeps.iter().cloned().map(Duty::Sweep));
    let mut busy = FuturesUnordered::new();
    let turns = async {
        loop {
            for duty in idle.drain(..) {
                busy.push(turn(&engine, duty));
            }
            let pause = engine.inner.clock.sleep(engine.inner.timing.sweep);
            let mut pause = std::pin::pin!(pause);
            loop {
                tokio::select! {
                    Some(duty) = busy.next() => idle.push(duty),
                    () = &mut pause => break,
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = turns => {}
    }
}

async fn turn(engine: &Engine, mut duty: Duty) -> Duty {
    let done = AssertUnwindSafe(duty.perform(engine)).catch_unwind();
    if done.await.is_err() {
        // The panic hook has written the details.
        tracing::error!("upkeep was interrupted by an internal error");
    }
    duty
}

impl Duty {
    async fn perform(&mut self, engine: &Engine) {
        match self {
            Self::Report => {
                if let Some(unreported) = &engine.inner.unreported
                    && let Err(error) = unreported.report(engine).await
                {
                    tracing::warn!(error = %Chain(&error),
                        "runs of earlier processes were not looked for");
                }
            }
            Self::Ends => {
                if let Err(error) = abandoned(engine).await {
                    tracing::warn!(error = %Chain(&error), "abandoned tasks were not looked for");
                }
                if let Err(error) = overdue(engine).await {
                    tracing::warn!(error = %Chain(&error), "overdue tasks were not looked for");
                }
            }
            Self::Orders => {
                if let Err(error) = schedule::order_due(engine).await {
                    tracing::warn!(error = %Chain(&error), "schedules were not looked at");
                }
            }
            Self::Settling => {
                if let Err(error) = retention::settle_ends(engine).await {
                    tracing::warn!(error = %Chain(&error),
                        "ends of scheduled tasks were not seen to");
                }
            }
            Self::Expired(after) => match expired(engine, after).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(jobs = deleted, "deleted what has expired"),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "expired tasks were not looked for");
                }
            },
            Self::Old => old::delete(engine).await,
            Self::Sweep(sweep) => {
                if let Err(error) = sweep.sweep().await {
                    tracing::warn!(error = %Chain(&error), "remains were not cleared away");
                }
            }
        }
    }
}

/// Ends tasks that were created and never started, and with them their secrets.
async fn abandoned(engine: &Engine) -> Result<(), CallError> {
    let (tasks, timing) = (engine.inner.storage.tasks(), engine.inner.timing);
    let now = engine.inner.clock.now();
    let found = tasks.abandoned(timing.abandon, ENDED_AT_ONCE);
    for id in within(timing.deadline, found).await? {
        let extra = Map::from_iter([("code".to_owned(), Value::from("never_started"))]);
        let entry = NewLogEntry::new(Level::Error, now, "Nobody started this task", extra);
        within(timing.deadline, tasks.cancel(id, &entry)).await?;
    }
    Ok(())
}

/// Gives up tasks whose deadline has passed: what they recorded stays in their log and ledger.
async fn overdue(engine: &Engine) -> Result<(), CallError> {
    let (tasks, deadline) = (engine.inner.storage.tasks(), engine.inner.timing.deadline);
    for id in within(deadline, tasks.overdue(ENDED_AT_ONCE)).await? {
        let extra = Map::from_iter([("code".to_owned(), Value::from("deadline"))]);
        let message = "Given up: it did not end within its deadline";
        let entry = NewLogEntry::new(Level::Error, engine.inner.clock.now(), message, extra);
        let ended = within(deadline, tasks.cancel(id, &entry)).await?;
        if let Some(ended) = ended.filter(|ended| ended.changed) {
            tracing::warn!(job.id = %id, job.name = %ended.task.name, "a task passed its deadline");
            engine.stop_cancelled(id);
            engine.tidy_up_later(&ended.task);
        }
    }
    Ok(())
}

/// Deletes expired tasks behind `after`: first what they left elsewhere, then their rows. Ends early
/// when that place is away: each of the others would wait for it as long.
async fn expired(engine: &Engine, after: &mut Option<ExpiryCursor>) -> Result<u64, CallError> {
    let (tasks, deadline) = (engine.inner.storage.tasks(), engine.inner.timing.deadline);
    let mut deleted = 0;
    for _ in 0..BATCHES {
        let found = within(deadline, tasks.expired(*after, BATCH)).await?;
        let last = found.len() < BATCH as usize;
        for task in &found {
            *after = task.expiry_cursor();
            match let_go(engine, task).await {
                Ok(LetGo::Whole) => {
                    deleted += u64::from(within(deadline, tasks.delete(task.id)).await?);
                }
                Ok(LetGo::Kept) => {}
                Err(error) => {
                    tracing::warn!(job.id = %task.id, error = %Chain(&error),
                        "what an expired task left cannot be removed now, nor what others left");
                    return Ok(deleted);
                }
            }
        }
        if last {
            *after = None;
            break;
        }
    }
    Ok(deleted)
}

/// What is left of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetGo {
    /// Nothing but its rows.
    Whole,
    /// Something, and trying again at once would not help.
    Kept,
}

/// # Errors
/// Where it left something is away: so it is for other tasks.
pub(crate) async fn let_go(engine: &Engine, task: &TaskRow) -> Result<LetGo, JobError> {
    // One of a kind that this version does not know: another one will.
    let Some(job) = engine.inner.jobs.get(task.name.as_str()) else {
        return Ok(LetGo::Kept);
    };
    match job.deleted(task).await {
        Ok(()) => Ok(LetGo::Whole),
        Err(away @ (JobError::Transient { .. } | JobError::Ambiguous { .. })) => Err(away),
        Err(error) => {
            tracing::warn!(job.id = %task.id, error = %Chain(&error),
                "what an expired task left was not removed, trying again later");
            Ok(LetGo::Kept)
        }
    }
}
