use std::sync::{Arc, OnceLock};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Lease, Storage, StorageError};
use tokio_util::sync::CancellationToken;

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
    stopped: CancellationToken,
    reason: OnceLock<Stop>,
}

impl Held {
    pub fn new(
        lease: Lease,
        name: &'static str,
        storage: Storage,
        clock: SharedClock,
        timing: Timing,
    ) -> Arc<Self> {
        let (stopped, reason) = (CancellationToken::new(), OnceLock::new());
        Arc::new(Self {
            lease,
            name,
            storage,
            clock,
            timing,
            stopped,
            reason,
        })
    }

    pub fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    /// The first reason counts.
    pub fn stop(&self, reason: Stop) {
        if self.reason.set(reason).is_ok() && reason == Stop::Lost {
            metrics::lease_lost(self.name);
            tracing::warn!(job.id = %self.lease.task, job.name = self.name, "the lease was lost");
        }
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

    /// A write under the lease. Waits for a database that is away, for as long as the lease can be
    /// kept.
    pub async fn write<F>(&self, write: impl Fn() -> F) -> Result<(), JobError>
    where
        F: Future<Output = Result<bool, StorageError>>,
    {
        loop {
            if self.stopped.is_cancelled() {
                return Err(self.stop_error());
            }
            // Not raced against the token: a write that was sent is waited for.
            match write().await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(self.find_out().await),
                Err(error) if error.is_unavailable() => {
                    tracing::warn!(job.id = %self.lease.task, error = %Chain(&error),
                        "the database is away, trying again");
                    tokio::select! {
                        () = self.stopped.cancelled() => {}
                        () = self.clock.sleep(self.timing.retry) => {}
                    }
                }
                Err(error) => {
                    return Err(
                        JobError::transient("internal", "The progress was not stored")
                            .caused_by(error),
                    );
                }
            }
        }
    }

    /// A write had no effect: was the task cancelled, or did somebody else take it?
    async fn find_out(&self) -> JobError {
        let task = self
            .storage
            .tasks()
            .get(self.lease.task, self.clock.now())
            .await;
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
            let until = self.clock.now() + lease;
            let extended = tokio::select! {
                biased;
                extended = self.storage.queue().extend(self.lease, until) => extended,
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
