use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Level, NewLogEntry, Storage, StorageError};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::held::{Held, Stop};
use crate::job::Job;
use crate::run::run_claimed;
use crate::secret::DataKey;
use crate::timing::Timing;

const DEFAULT_RUNNERS: usize = 4;
/// Abandoned tasks that one sweep ends.
const SWEEP_LIMIT: u32 = 100;

/// Takes orders for jobs, and runs them once started. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub storage: Storage,
    pub clock: SharedClock,
    pub data_key: DataKey,
    pub jobs: HashMap<&'static str, Arc<dyn Job>>,
    pub timing: Timing,
    /// Something may be there to run.
    pub wake: Notify,
    runner: String,
    runners: usize,
    running: Mutex<HashMap<TaskId, Arc<Held>>>,
}

/// Collects the kinds of jobs that an engine knows.
pub struct EngineBuilder(Inner);

impl Engine {
    pub fn builder(storage: Storage, clock: SharedClock, data_key: DataKey) -> EngineBuilder {
        EngineBuilder(Inner {
            storage,
            clock,
            data_key,
            jobs: HashMap::new(),
            timing: Timing::default(),
            wake: Notify::new(),
            runner: format!("{}-{}", std::process::id(), TaskId::random()),
            runners: DEFAULT_RUNNERS,
            running: Mutex::default(),
        })
    }

    /// [`Engine::run`] as a task of its own.
    pub fn start(&self, shutdown: CancellationToken) -> JoinHandle<()> {
        let engine = self.clone();
        tokio::spawn(async move { engine.run(shutdown).await })
    }

    /// Runs tasks until `shutdown`; then hands those that are running over to whoever is there,
    /// and returns. Starting fails nothing. Dropping this future is what a crash is: leases run
    /// out.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut runs = JoinSet::new();
        let mut health = Health::default();
        let mut swept = None;
        while !shutdown.is_cancelled() {
            while runs.try_join_next().is_some() {}
            if runs.len() < self.inner.runners {
                let taken = self.inner.clock.monotonic();
                let claimed = self.claim(&mut runs, taken).await;
                health.note(&claimed);
                if matches!(claimed, Ok(true)) {
                    continue;
                }
            }
            self.sweep_when_due(&mut swept).await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.inner.wake.notified() => {}
                Some(_) = runs.join_next() => {}
                () = self.inner.clock.sleep(self.inner.timing.scan) => {}
            }
        }
        for held in self.running().values() {
            held.stop(Stop::Draining);
        }
        while runs.join_next().await.is_some() {}
    }

    /// Whether there was something to take.
    async fn claim(&self, runs: &mut JoinSet<()>, taken: Duration) -> Result<bool, StorageError> {
        let inner = &self.inner;
        let names: Vec<&str> = inner.jobs.keys().copied().collect();
        let now = inner.clock.now();
        let until = now + inner.timing.lease;
        let claimed = inner
            .storage
            .queue()
            .claim(&names, &inner.runner, now, until)
            .await?;
        let Some(claimed) = claimed else {
            return Ok(false);
        };
        let Some(job) = inner.jobs.get(claimed.task.name.as_str()).cloned() else {
            return Ok(false);
        };
        let held = Held::new(
            claimed.lease,
            job.name(),
            inner.storage.clone(),
            inner.clock.clone(),
            inner.timing,
        );
        self.running().insert(claimed.task.id, held.clone());
        let entry = Running {
            engine: self.clone(),
            held: held.clone(),
        };
        runs.spawn(async move {
            run_claimed(&entry.engine.inner.data_key, job, held, claimed, taken).await;
            drop(entry);
        });
        Ok(true)
    }

    /// Stops a run of this process at once; others notice at their next write or heartbeat.
    pub(crate) fn stop_cancelled(&self, task: TaskId) {
        if let Some(held) = self.running().get(&task) {
            held.stop(Stop::Cancelled);
        }
    }

    async fn sweep_when_due(&self, swept: &mut Option<Duration>) {
        let now = self.inner.clock.monotonic();
        if swept.is_none_or(|at| now.saturating_sub(at) >= self.inner.timing.sweep) {
            *swept = Some(now);
            if let Err(error) = self.sweep().await {
                tracing::warn!(error = %Chain(&error), "abandoned tasks were not looked for");
            }
        }
    }

    /// Ends tasks that were created and never started, and with them their secrets.
    async fn sweep(&self) -> Result<(), StorageError> {
        let Inner {
            storage,
            clock,
            timing,
            ..
        } = &*self.inner;
        let now = clock.now();
        for id in storage
            .tasks()
            .abandoned(now - timing.abandon, SWEEP_LIMIT)
            .await?
        {
            let extra = Map::from_iter([("code".to_owned(), Value::from("never_started"))]);
            let entry = NewLogEntry::new(Level::Error, now, "Nobody started this task", extra);
            storage.tasks().cancel(id, &entry).await?;
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Held>>> {
        self.inner
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl EngineBuilder {
    #[must_use]
    pub fn register(mut self, job: impl Job) -> Self {
        self.0.jobs.insert(job.name(), Arc::new(job));
        self
    }

    /// How many tasks run at a time.
    #[must_use]
    pub fn runners(mut self, runners: usize) -> Self {
        self.0.runners = runners;
        self
    }

    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.0.timing = timing;
        self
    }

    pub fn build(self) -> Engine {
        Engine {
            inner: Arc::new(self.0),
        }
    }
}

/// A run is listed for exactly as long as it lives, however it ends.
struct Running {
    engine: Engine,
    held: Arc<Held>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.engine.running();
        // A later run of the same task may be listed already.
        if running
            .get(&self.held.lease.task)
            .is_some_and(|held| Arc::ptr_eq(held, &self.held))
        {
            running.remove(&self.held.lease.task);
        }
    }
}

/// Reports a failing database once, and its return.
#[derive(Default)]
struct Health {
    failing: bool,
}

impl Health {
    fn note(&mut self, claimed: &Result<bool, StorageError>) {
        match claimed {
            Ok(_) if self.failing => tracing::info!("tasks can be taken again"),
            Err(error) if !self.failing => {
                tracing::error!(error = %Chain(error), "no task can be taken, trying again");
            }
            _ => {}
        }
        self.failing = claimed.is_err();
    }
}
