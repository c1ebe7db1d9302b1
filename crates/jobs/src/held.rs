use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Lease, Storage, StorageError};
use tokio_util::sync::CancellationToken;

use crate::deadline::within;
use crate::error::JobError;
use crate::metrics;
use crate::timing::Timing;

/// Why a run has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The task has ended by cancellation.
    Cancelled,
    /// The lease is gone or could not be kept.
    Lost,
    /// This engine is shutting down.
    Draining,
}

/// A lease in the hands of this process, and whether it still is.
#[derive(Debug)]
pub(crate) struct Held {
    pub lease: Lease,
    pub name: &'static str,
    pub storage: Storage,
    pub clock: SharedClock,
    pub timing: Timing,
    /// Nothing new is to be begun.
    stopping: CancellationToken,
    /// What is under way is to end, too.
    stopped: CancellationToken,
    reason: OnceLock<Stop>,
    /// The run is over, however it ended.
    gone: CancellationToken,
    /// Whether this run has recorded anything.
    progressed: AtomicBool,
    /// The database knows that the run is over.
    let_go: AtomicBool,
}

impl Held {
    pub fn new(
        lease: Lease,
        name: &'static str,
        storage: Storage,
        clock: SharedClock,
        timing: Timing,
    ) -> Arc<Self> {
        Arc::new(Self {
            lease,
            name,
            storage,
            clock,
            timing,
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            reason: OnceLock::new(),
            gone: CancellationToken::new(),
            progressed: AtomicBool::new(false),
            let_go: AtomicBool::new(false),
        })
    }

    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    pub fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// The first reason counts. Whoever drains has to [`Held::cut`] when the grace is over.
    pub fn stop(&self, reason: Stop) {
        if self.reason.set(reason).is_ok() && reason == Stop::Lost {
            metrics::lease_lost(self.name);
            tracing::warn!(job.id = %self.lease.task, job.name = self.name, "the lease was lost");
        }
        self.stopping.cancel();
        if reason != Stop::Draining {
            self.cut();
        }
    }

    /// Ends what is under way.
    pub fn cut(&self) {
        self.stopped.cancel();
    }

    pub fn reason(&self) -> Option<Stop> {
        self.reason.get().copied()
    }

    /// What a body that has to stop returns.
    pub fn stop_error(&self) -> JobError {
        match self.reason() {
            Some(Stop::Cancelled) => JobError::Cancelled,
            Some(Stop::Lost | Stop::Draining) | None => JobError::LostLease,
        }
    }

    pub fn has_progressed(&self) -> bool {
        self.progressed.load(Ordering::Relaxed)
    }

    pub fn is_let_go(&self) -> bool {
        self.let_go.load(Ordering::Relaxed)
    }

    pub fn let_go(&self) {
        self.let_go.store(true, Ordering::Relaxed);
    }

    pub fn progress(&self) {
        self.progressed.store(true, Ordering::Relaxed);
    }

    /// A write under the lease. Waits for a database that is away, for as long as the lease can be
    /// kept.
    pub async fn write<F>(&self, write: impl Fn() -> F) -> Result<(), JobError>
    where
        F: Future<Output = Result<bool, StorageError>>,
    {
        let write = || {
            let written = write();
            async { Ok(written.await?.then_some(())) }
        };
        self.write_for(write).await
    }

    /// The same for one that answers something while the lease is held.
    pub async fn write_for<T, F>(&self, write: impl Fn() -> F) -> Result<T, JobError>
    where
        F: Future<Output = Result<Option<T>, StorageError>>,
    {
        match self.call(write, "The progress was not stored").await? {
            Some(answer) => Ok(answer),
            None => Err(self.find_out().await),
        }
    }

    /// The same for a read.
    pub async fn read<T, F>(&self, read: impl Fn() -> F) -> Result<T, JobError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        self.call(read, "The progress cannot be read").await
    }

    async fn call<T, F>(&self, call: impl Fn() -> F, failed: &str) -> Result<T, JobError>
    where
        F: Future<Output = Result<T, StorageError>>,
    {
        if matches!(self.reason(), Some(Stop::Cancelled | Stop::Lost)) {
            return Err(self.stop_error());
        }
        loop {
            // Not raced against the tokens: a call that was sent is waited for.
            let error = match within(self.timing.deadline, call()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_unavailable() => error,
                Err(error) => return Err(JobError::fault(failed).caused_by(error)),
            };
            tracing::warn!(job.id = %self.lease.task, error = %Chain(&error),
                "the database is away, trying again");
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => return Err(self.stop_error()),
                () = self.clock.sleep(self.timing.retry) => {}
            }
        }
    }

    /// A write had no effect: was the task cancelled, or did somebody else take it?
    async fn find_out(&self) -> JobError {
        let task = self.storage.tasks();
        let task = task.get(self.lease.task, self.clock.now());
        let task = within(self.timing.deadline, task).await;
        let ended = task.is_ok_and(|task| task.is_none_or(|task| task.state.is_terminal()));
        self.stop(if ended { Stop::Cancelled } else { Stop::Lost });
        self.stop_error()
    }

    /// Keeps the lease until the run is over or the lease is lost. `taken` is when it was asked
    /// for, on the clock that does not jump.
    ///
    /// A lease that cannot be renewed in time is given up before anybody else may take it.
    pub async fn heartbeat(&self, taken: Duration) {
        let Timing {
            lease,
            heartbeat,
            retry,
            ..
        } = self.timing;
        let mut valid_until = taken + lease;
        let mut wait = heartbeat;
        loop {
            let left = valid_until.saturating_sub(self.clock.monotonic());
            self.clock.sleep(wait.min(left.saturating_sub(retry))).await;
            let asked = self.clock.monotonic();
            let extended = tokio::select! {
                biased;
                // One connection that is dead must not cost the lease.
                extended = within(heartbeat, self.storage.queue().extend(self.lease, lease)) => extended,
                () = self.clock.sleep(valid_until.saturating_sub(asked)) => {
                    return self.stop(Stop::Lost);
                }
            };
            match extended {
                Ok(true) => {
                    valid_until = asked + lease;
                    wait = heartbeat;
                }
                Ok(false) => {
                    self.find_out().await;
                    return;
                }
                Err(error) => {
                    tracing::warn!(job.id = %self.lease.task, error = %Chain(&error),
                        "the heartbeat failed");
                    wait = retry;
                    if self.clock.monotonic() + retry >= valid_until {
                        return self.stop(Stop::Lost);
                    }
                }
            }
        }
    }
}
