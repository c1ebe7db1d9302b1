//! Work files of tasks that are over. A runner removes them when it ends; one that was killed, or
//! whose storage was away at that moment, leaves them to the sweep.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;

use crate::backup::{self, DESKS};
use crate::objects::{ObjectError, Objects};

const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// A bucket may serve several installations: work of a task that is not in our database may be
/// another's, as long as it looks alive.
const FOREIGN: TimeDelta = TimeDelta::days(7);

/// Removes what dead tasks left in the object storage.
pub struct Sweep {
    pub objects: Objects,
    pub storage: Storage,
    pub clock: SharedClock,
}

impl Sweep {
    /// Sweeps now and then until the shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let sweeping = async {
            loop {
                match self.once().await {
                    Ok(0) => {}
                    Ok(tasks) => tracing::info!(tasks, "removed work files of tasks that are over"),
                    Err(error) => {
                        tracing::warn!(error = %Chain(&error), "work files were not looked through");
                    }
                }
                self.clock.sleep(INTERVAL).await;
            }
        };
        shutdown.run_until_cancelled(sweeping).await;
    }

    /// How many tasks it cleared up after.
    ///
    /// # Errors
    /// The storage cannot be listed; of single tasks the log tells.
    pub async fn once(&self) -> Result<usize, ObjectError> {
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
