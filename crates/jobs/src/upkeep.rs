//! What an engine does beside its runs: orders what is scheduled, ends what is abandoned, deletes
//! what has expired.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::{Map, Value};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{ExpiryCursor, Level, NewLogEntry, TaskRow};
use tokio_util::sync::CancellationToken;

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::run::tidy_up;
use crate::{old, retention, schedule};

/// Abandoned tasks, and overdue ones, that one sweep ends.
const ENDED_AT_ONCE: u32 = 100;
/// Expired tasks that are read at a time.
const BATCH: u32 = 50;
/// Batches of one sweep. What is left waits for the next.
const BATCHES: u32 = 20;

pub(crate) async fn run(engine: Engine, shutdown: CancellationToken) {
    let sweeps = async {
        // Sweeps go round: what cannot be deleted does not keep the rest from its turn.
        let mut after = None;
        loop {
            let sweep = AssertUnwindSafe(sweep(&engine, &mut after));
            if sweep.catch_unwind().await.is_err() {
                // The panic hook has written the details.
                tracing::error!("a sweep was interrupted by an internal error");
            }
            engine.inner.clock.sleep(engine.inner.timing.sweep).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sweeps => {}
    }
}

async fn sweep(engine: &Engine, after: &mut Option<ExpiryCursor>) {
    if let Some(unreported) = &engine.inner.unreported
        && let Err(error) = unreported.report(engine).await
    {
        tracing::warn!(error = %Chain(&error), "runs of earlier processes were not looked for");
    }
    if let Err(error) = schedule::order_due(engine).await {
        tracing::warn!(error = %Chain(&error), "schedules were not looked at");
    }
    if let Err(error) = retention::settle_ends(engine).await {
        tracing::warn!(error = %Chain(&error), "ends of scheduled tasks were not seen to");
    }
    if let Err(error) = abandoned(engine).await {
        tracing::warn!(error = %Chain(&error), "abandoned tasks were not looked for");
    }
    if let Err(error) = overdue(engine).await {
        tracing::warn!(error = %Chain(&error), "overdue tasks were not looked for");
    }
    match expired(engine, after).await {
        Ok(0) => {}
        Ok(deleted) => tracing::info!(jobs = deleted, "deleted what has expired"),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "expired tasks were not looked for");
        }
    }
    old::delete(engine).await;
    for sweep in &engine.inner.sweeps {
        if let Err(error) = sweep.sweep().await {
            tracing::warn!(error = %Chain(&error), "remains were not cleared away");
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
            if let Some(job) = engine.inner.jobs.get(ended.task.name.as_str()) {
                tidy_up(&**job, id).await;
            }
        }
    }
    Ok(())
}

/// Deletes expired tasks behind `after`: first what they left elsewhere, then their rows.
async fn expired(engine: &Engine, after: &mut Option<ExpiryCursor>) -> Result<u64, CallError> {
    let (tasks, deadline) = (engine.inner.storage.tasks(), engine.inner.timing.deadline);
    let mut deleted = 0;
    for _ in 0..BATCHES {
        let found = within(deadline, tasks.expired(*after, BATCH)).await?;
        let last = found.len() < BATCH as usize;
        *after = found
            .last()
            .filter(|_| !last)
            .and_then(TaskRow::expiry_cursor);
        for task in &found {
            if let_go(engine, task).await && within(deadline, tasks.delete(task.id)).await? {
                deleted += 1;
            }
        }
        if last {
            break;
        }
    }
    Ok(deleted)
}

/// Whether nothing is left of the task but its rows.
pub(crate) async fn let_go(engine: &Engine, task: &TaskRow) -> bool {
    // One of a kind that this version does not know: another one will.
    let Some(job) = engine.inner.jobs.get(task.name.as_str()) else {
        return false;
    };
    match job.deleted(task).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(job.id = %task.id, error = %Chain(&error),
                "what an expired task left was not removed, trying again later");
            false
        }
    }
}
