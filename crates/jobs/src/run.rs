use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Claimed, End, Level, NewLogEntry, Park, Progress, TaskOutput};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::context::JobContext;
use crate::deadline::within;
use crate::error::JobError;
use crate::held::{Held, Stop};
use crate::job::{Job, JobOutput};
use crate::journal::Journal;
use crate::metrics;
use crate::secret::DataKey;
use crate::timing::{MAX_ATTEMPTS, backoff};

/// A dictated wait from which on each is told.
const LONG: Duration = Duration::from_secs(60);

/// One attempt, from taking the task to letting go of it.
pub(crate) async fn run_claimed(
    data_key: &DataKey,
    job: Arc<dyn Job>,
    held: Arc<Held>,
    claimed: Claimed,
    taken: Duration,
) {
    let span = tracing::info_span!("job.run", job.id = %held.lease.task, job.name = held.name,
        job.attempt = held.lease.fence);
    async {
        let waited = (held.clock.now() - claimed.task.run_after)
            .to_std()
            .unwrap_or_default();
        metrics::started(held.name, waited);
        let beating = held.clone();
        let heartbeat = tokio::spawn(async move { beating.heartbeat(taken).await });
        let heartbeat = AbortOnDropHandle::new(heartbeat);
        let (attempts, progress) = (claimed.task.attempts, claimed.progress.clone());
        let result = attempt_job(data_key, &*job, &held, claimed).await;
        let (outcome, is_told) = conclude(&held, attempts, &progress, result).await;
        if is_told {
            held.let_go();
        }
        drop(heartbeat);
        if OVER.contains(&outcome) {
            tidy_up(&*job, held.lease.task).await;
        }
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
        progress,
        wrapped_secret,
        ..
    } = claimed;
    if task.attempts > MAX_ATTEMPTS {
        let message = format!(
            "Given up: its runner died {MAX_ATTEMPTS} times in a row before anything was recorded"
        );
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
    tracing::info!(job.recorded_steps = progress.steps, "running");
    let journal = Journal::new(&progress);
    let cx = JobContext::new(held.clone(), task, secret, data_key.clone(), journal);
    let overdue = async {
        held.stopping().cancelled().await;
        tokio::select! {
            () = held.stopped().cancelled() => {}
            () = held.clock.sleep(held.timing.grace) => held.cut(),
        }
        held.clock.sleep(held.timing.tidy).await;
    };
    let ended = tokio::select! {
        ended = AssertUnwindSafe(job.run(&cx)).catch_unwind() => ended,
        () = overdue => return Err(held.stop_error()),
    };
    let output = ended.unwrap_or_else(|_| {
        // The panic hook has written the details to the process log.
        Err(JobError::fault("An internal error interrupted the task"))
    })?;
    match output {
        Some(output) if output.filename.is_empty() || output.filename.contains(['/', '\0']) => Err(
            JobError::permanent("invalid_output", "The output has no usable file name"),
        ),
        output => Ok(output),
    }
}

/// How runs end after which there is none.
const OVER: [&str; 3] = ["completed", "failed", "cancelled"];

/// How a run ended, for the metrics; and whether the database knows.
type Ended = (&'static str, bool);

/// Writes down how the attempt ended.
async fn conclude(
    held: &Held,
    attempts: u32,
    progress: &Progress,
    result: Result<Option<JobOutput>, JobError>,
) -> Ended {
    let (end, error) = match result {
        Ok(output) => (End::Completed(output.map(stored)), None),
        Err(JobError::Cancelled | JobError::LostLease) if held.reason().is_some() => {
            return stand_down(held).await;
        }
        Err(error @ (JobError::Transient { .. } | JobError::Ambiguous { .. })) => {
            return put_aside(held, Aside::waiting(held, progress, &error), &error).await;
        }
        Err(error @ JobError::Permanent { .. }) => (End::Failed, Some(error)),
        // Nobody told it to stop: a fault of the job.
        Err(error) => {
            let attempts = if held.has_progressed() { 1 } else { attempts };
            if attempts < MAX_ATTEMPTS {
                return put_aside(held, Aside::faulty(attempts), &error).await;
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
        Ok(()) if error.is_some() => ("failed", true),
        Ok(()) => ("completed", true),
        Err(JobError::Cancelled | JobError::LostLease) => stand_down(held).await,
        Err(error) => {
            // The lease runs out and the task is taken again: it is then at its last step.
            tracing::error!(error = %Chain(&error), "the end of the task was not stored");
            ("lost", false)
        }
    }
}

/// Lets the job clear away what it left. Its end does not depend on that.
pub(crate) async fn tidy_up(job: &dyn Job, task: TaskId) {
    if AssertUnwindSafe(job.ended(task))
        .catch_unwind()
        .await
        .is_err()
    {
        // The panic hook has written the details.
        tracing::error!(job.id = %task, job.name = job.name(),
            "what a task that is over left was not cleared away");
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

/// How a task is put aside.
struct Aside {
    wait: Duration,
    counts: bool,
    /// Whether its log is to tell.
    told: bool,
}

impl Aside {
    /// Something that it needs is away. The log says so once, not with each try; but a wait that
    /// was dictated is told each time, since nobody could guess it.
    fn waiting(held: &Held, progress: &Progress, error: &JobError) -> Self {
        let asked = match error {
            JobError::Transient { retry_after, .. } => *retry_after,
            _ => None,
        };
        let parks = if held.has_progressed() {
            0
        } else {
            progress.parks
        };
        let known = !held.has_progressed() && progress.waits_for.as_deref() == Some(error.code());
        let wait = backoff(parks, asked);
        Self {
            wait,
            counts: false,
            told: !known || asked.is_some_and(|asked| asked == wait && asked >= LONG),
        }
    }

    fn faulty(attempts: u32) -> Self {
        Self {
            wait: backoff(attempts.saturating_sub(1), None),
            counts: true,
            told: true,
        }
    }
}

async fn put_aside(held: &Held, aside: Aside, error: &JobError) -> Ended {
    tracing::warn!(job.code = error.code(), wait_s = aside.wait.as_secs(), error = %Chain(error),
        "the task is put aside");
    let now = held.clock.now();
    let mut extra = code(error.code());
    extra.insert("retry_in".to_owned(), json!(aside.wait.as_secs_f64()));
    if let Some(until) = now.checked_add_signed(TimeDelta::from_std(aside.wait).unwrap_or_default())
    {
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        extra.insert("until".to_owned(), Value::from(until));
    }
    let message = if aside.counts {
        format!("{error}: trying again")
    } else {
        format!("Waiting, then going on: {error}")
    };
    let entry = NewLogEntry::new(Level::Warn, now, message, extra);
    let park = Park {
        wait: aside.wait,
        cause: error.code(),
        counts: aside.counts,
        entry: aside.told.then_some(&entry),
    };
    let queue = held.storage.queue();
    match held.write(|| queue.park(held.lease, &park)).await {
        Ok(()) => ("parked", true),
        Err(JobError::Cancelled | JobError::LostLease) => stand_down(held).await,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "the lease was not given back");
            ("lost", false)
        }
    }
}

/// The task is not ours any more, or shall not be: let go of what we still hold.
async fn stand_down(held: &Held) -> Ended {
    let queue = held.storage.queue();
    let deadline = held.timing.deadline;
    let (outcome, let_go) = match held.reason() {
        Some(Stop::Cancelled) => {
            let freed = within(deadline, queue.free_slot(held.lease.task)).await;
            ("cancelled", freed)
        }
        Some(Stop::Draining) => {
            let released = within(deadline, queue.release(held.lease)).await;
            ("handed_over", released.map(|_| ()))
        }
        Some(Stop::Lost) | None => return ("lost", report_loss(held).await),
    };
    if let Err(error) = &let_go {
        // Both end by themselves when the lease does.
        tracing::warn!(error = %Chain(error), "what the run held was not given back");
    }
    (outcome, let_go.is_ok())
}

/// Nobody crashed: the attempt is taken back as soon as the database answers again; whether it was.
/// An engine that stops does not wait for that.
async fn report_loss(held: &Held) -> bool {
    loop {
        let report = held.storage.queue().lost(held.lease);
        match within(held.timing.deadline, report).await {
            Err(error) if error.is_unavailable() => held.clock.sleep(held.timing.retry).await,
            Ok(()) => return true,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the lost lease counts as a crash");
                return false;
            }
        }
    }
}
