use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Claimed, End, Level, NewLogEntry, TaskOutput};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::context::JobContext;
use crate::error::JobError;
use crate::held::{Held, Stop};
use crate::job::{Job, JobOutput};
use crate::metrics;
use crate::secret::DataKey;
use crate::timing::{MAX_ATTEMPTS, backoff};

/// One attempt, from taking the task to letting go of it.
pub(crate) async fn run_claimed(
    data_key: &DataKey,
    job: Arc<dyn Job>,
    held: Arc<Held>,
    claimed: Claimed,
    taken: Duration,
) {
    let attempt = claimed.task.attempts;
    let span = tracing::info_span!("job.run", job.id = %held.lease.task, job.name = held.name,
        job.attempt = attempt);
    async {
        let waited = (held.clock.now() - claimed.task.run_after)
            .to_std()
            .unwrap_or_default();
        metrics::started(held.name, waited);
        let beating = held.clone();
        let heartbeat = tokio::spawn(async move { beating.heartbeat(taken).await });
        let heartbeat = AbortOnDropHandle::new(heartbeat);
        let result = attempt_job(data_key, &*job, &held, claimed).await;
        let outcome = conclude(&held, attempt, result).await;
        drop(heartbeat);
        metrics::ended(
            held.name,
            outcome,
            held.clock.monotonic().saturating_sub(taken),
        );
        tracing::info!(job.outcome = outcome, "the run is over");
    }
    .instrument(span)
    .await;
}

async fn attempt_job(
    data_key: &DataKey,
    job: &dyn Job,
    held: &Arc<Held>,
    claimed: Claimed,
) -> Result<Option<JobOutput>, JobError> {
    let Claimed {
        task,
        steps,
        wrapped_secret,
        ..
    } = claimed;
    if task.attempts > MAX_ATTEMPTS {
        job.given_up(task.id).await;
        let message = format!("Given up: its runner died in each of {MAX_ATTEMPTS} attempts");
        return Err(JobError::permanent("attempts_exhausted", message));
    }
    let secret = wrapped_secret
        .map(|wrapped| data_key.unwrap(task.id, &wrapped))
        .transpose();
    let secret = secret.map_err(|error| {
        // A runner with the right key may follow.
        JobError::transient("secret_unreadable", "The task's secret cannot be decrypted")
            .caused_by(error)
    })?;
    tracing::info!(job.recorded_steps = steps.len(), "running");
    let cx = JobContext::new(held.clone(), task, secret, steps);
    let overdue = async {
        held.stopped().cancelled().await;
        held.clock.sleep(held.timing.grace).await;
    };
    let ended = tokio::select! {
        ended = AssertUnwindSafe(job.run(&cx)).catch_unwind() => ended,
        () = overdue => return Err(held.stop_error()),
    };
    let output = ended.unwrap_or_else(|_| {
        // The panic hook has written the details to the process log.
        Err(JobError::transient(
            "internal",
            "An internal error interrupted the task",
        ))
    })?;
    match output {
        Some(output) if output.filename.is_empty() || output.filename.contains(['/', '\0']) => Err(
            JobError::permanent("invalid_output", "The output has no usable file name"),
        ),
        output => Ok(output),
    }
}

/// Writes down how the attempt ended; the word is for the metrics.
async fn conclude(
    held: &Held,
    attempt: u32,
    result: Result<Option<JobOutput>, JobError>,
) -> &'static str {
    let (end, error) = match result {
        Ok(output) => (End::Completed(output.map(stored)), None),
        Err(error) => {
            let stopped = matches!(error, JobError::Cancelled | JobError::LostLease);
            if stopped && held.reason().is_some() {
                return stand_down(held).await;
            }
            if let JobError::Transient { retry_after, .. } = &error
                && attempt < MAX_ATTEMPTS
            {
                return try_later(held, backoff(attempt, *retry_after), &error).await;
            }
            (End::Failed, Some(error))
        }
    };
    let now = held.clock.now();
    let entry = match &error {
        None => NewLogEntry::new(Level::Info, now, "Completed", Map::new()),
        Some(error) => {
            tracing::warn!(job.code = error.code(), error = %Chain(error), "the task failed");
            NewLogEntry::new(Level::Error, now, error.to_string(), code(error.code()))
        }
    };
    let queue = held.storage.queue();
    match held.write(|| queue.finish(held.lease, &end, &entry)).await {
        Ok(()) if error.is_some() => "failed",
        Ok(()) => "completed",
        Err(JobError::Cancelled | JobError::LostLease) => stand_down(held).await,
        Err(error) => {
            // The lease runs out and the task is taken again: it is then at its last step.
            tracing::error!(error = %Chain(&error), "the end of the task was not stored");
            "lost"
        }
    }
}

fn stored(output: JobOutput) -> TaskOutput {
    TaskOutput {
        filename: output.filename,
        segregated: output.segregated,
    }
}

fn code(code: &str) -> Map<String, Value> {
    Map::from_iter([("code".to_owned(), Value::from(code))])
}

async fn try_later(held: &Held, wait: Duration, error: &JobError) -> &'static str {
    tracing::warn!(job.code = error.code(), retry_s = wait.as_secs(), error = %Chain(error),
        "the attempt failed, trying again later");
    let now = held.clock.now();
    let mut extra = code(error.code());
    extra.insert("retry_in".to_owned(), json!(wait.as_secs_f64()));
    let entry = NewLogEntry::new(Level::Warn, now, error.to_string(), extra);
    let queue = held.storage.queue();
    match held
        .write(|| queue.release(held.lease, now + wait, true, Some(&entry)))
        .await
    {
        Ok(()) => "retry",
        Err(JobError::Cancelled | JobError::LostLease) => stand_down(held).await,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "the lease was not given back");
            "lost"
        }
    }
}

/// The task is not ours any more, or shall not be: let go of what we still hold.
async fn stand_down(held: &Held) -> &'static str {
    let queue = held.storage.queue();
    let (outcome, let_go) = match held.reason() {
        Some(Stop::Cancelled) => ("cancelled", queue.free_slot(held.lease.task).await),
        Some(Stop::Draining) => {
            let released = queue
                .release(held.lease, held.clock.now(), false, None)
                .await;
            ("handed_over", released.map(|_| ()))
        }
        Some(Stop::Lost) | None => ("lost", Ok(())),
    };
    if let Err(error) = let_go {
        // Both end by themselves when the lease does.
        tracing::warn!(error = %Chain(&error), "what the run held was not given back");
    }
    outcome
}
