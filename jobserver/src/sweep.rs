//! Work files of tasks that are over. A runner removes them when it ends; one that was killed, or
//! whose storage was away at that moment, leaves them to the sweep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_jobs::JobError;
use splashtail_storage::Storage;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backup::{self, DESKS};
use crate::objects::{ObjectError, Objects};

const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// A bucket may serve several installations: work of a task that is not in our database may be
/// another's, as long as it looks alive.
const FOREIGN: TimeDelta = TimeDelta::days(7);

/// Removes what dead tasks left in the object storage. Listing a bucket may take long: the engine's
/// upkeep begins it and does not wait.
pub struct Sweep {
    look: Arc<Look>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// When the last one ended, on the clock that does not jump; locked while one is under way.
    ended: Arc<Mutex<Option<Duration>>>,
}

#[async_trait]
impl splashtail_jobs::Sweep for Sweep {
    async fn sweep(&self) -> Result<(), JobError> {
        let Ok(mut ended) = Arc::clone(&self.ended).try_lock_owned() else {
            return Ok(());
        };
        let now = self.look.clock.monotonic();
        if ended.is_some_and(|ended| now.saturating_sub(ended) < INTERVAL) {
            return Ok(());
        }
        let (look, shutdown) = (Arc::clone(&self.look), self.shutdown.clone());
        self.tasks.spawn(async move {
            match shutdown.run_until_cancelled(look.once()).await {
                None | Some(Ok(0)) => {}
                Some(Ok(tasks)) => {
                    tracing::info!(tasks, "removed work files of tasks that are over");
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %Chain(&error), "work files were not looked through");
                }
            }
            *ended = Some(look.clock.monotonic());
        });
        Ok(())
    }
}

impl Sweep {
    pub fn new(look: Look, tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            look: Arc::new(look),
            tasks,
            shutdown,
            ended: Arc::default(),
        }
    }
}

/// One look through the work files.
pub struct Look {
    pub objects: Objects,
    pub storage: Storage,
    pub clock: SharedClock,
}

impl Look {
    /// How many tasks it cleared up after.
    ///
    /// # Errors
    /// The storage cannot be listed; of single tasks the log tells.
    async fn once(&self) -> Result<usize, ObjectError> {
        let mut desks: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for listed in self.objects.list(DESKS).await? {
            if let Some(task) = listed.key.split('/').nth(1) {
                let newest = desks.entry(task.to_owned()).or_default();
                *newest = listed.written_at.max(*newest);
            }
        }
        let mut cleared = 0;
        for (task, written_at) in desks {
            let Ok(task) = task.parse::<TaskId>() else {
                continue;
            };
            if !self.is_over(task, written_at).await {
                continue;
            }
            match backup::clear(&self.objects, task).await {
                Ok(()) => cleared += 1,
                Err(error) => {
                    tracing::warn!(job.id = %task, error = %Chain(&error),
                        "work files of a task that is over could not be removed");
                }
            }
        }
        Ok(cleared)
    }

    async fn is_over(&self, task: TaskId, written_at: DateTime<Utc>) -> bool {
        let now = self.clock.now();
        match self.storage.tasks().get(task, now).await {
            Ok(Some(row)) => row.state.is_terminal(),
            Ok(None) => now - written_at > FOREIGN,
            Err(error) => {
                tracing::debug!(job.id = %task, error = %Chain(&error), "a task was not looked up");
                false
            }
        }
    }
}
