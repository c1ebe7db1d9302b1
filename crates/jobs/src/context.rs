use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Level, NewLogEntry, Owner, TaskRow};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

use crate::error::JobError;
use crate::held::Held;
use crate::metrics;
use crate::secret::SecretBytes;

/// A step's output is a note to a later run, not a place for data.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// What a running job has at hand.
#[derive(Debug)]
pub struct JobContext {
    held: Arc<Held>,
    task: TaskRow,
    secret: Option<SecretBytes>,
    recorded: HashMap<String, String>,
    used: Mutex<HashSet<String>>,
}

impl JobContext {
    pub(crate) fn new(
        held: Arc<Held>,
        task: TaskRow,
        secret: Option<SecretBytes>,
        recorded: HashMap<String, String>,
    ) -> Self {
        Self {
            held,
            task,
            secret,
            recorded,
            used: Mutex::default(),
        }
    }

    pub fn id(&self) -> TaskId {
        self.task.id
    }

    pub fn owner(&self) -> Owner {
        self.task.owner
    }

    /// How often the task was taken, this time included.
    pub fn attempt(&self) -> u32 {
        self.task.attempts
    }

    /// # Errors
    /// They were stored by a version whose fields this one does not understand.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        serde_json::from_value(self.task.fields.clone()).map_err(|error| {
            JobError::permanent("fields_unreadable", "The task's options cannot be read")
                .caused_by(error)
        })
    }

    pub fn secret(&self) -> Option<&SecretBytes> {
        self.secret.as_ref()
    }

    /// Fires when the run has to stop, whether the task was cancelled or goes on elsewhere. Every
    /// wait of a job that is not inside a step has to observe it; then return
    /// [`JobContext::stopped`].
    pub fn cancelled(&self) -> &CancellationToken {
        self.held.stopped()
    }

    /// What to return after [`JobContext::cancelled`] has fired.
    pub fn stopped(&self) -> JobError {
        self.held.stop_error()
    }

    /// Runs `body` and records its output, or gives back the output that an earlier run recorded.
    ///
    /// The body is dropped as soon as the run has to stop. It may run again after a crash between
    /// its effect and the record, so effects have to be repeatable ("ensure", not "create").
    /// Names are unique within a job; what a name stands for must not change between versions.
    ///
    /// # Errors
    /// Those of the body, or [`JobError::Cancelled`] and [`JobError::LostLease`].
    pub async fn step<T, F, Fut>(&self, name: &str, body: F) -> Result<T, JobError>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, JobError>>,
    {
        let span = tracing::debug_span!("job.step", job.id = %self.id(), job.step = name,
            job.replayed = field::Empty);
        async {
            if self.cancelled().is_cancelled() {
                return Err(self.stopped());
            }
            if self.is_used(name) {
                let message = format!("The step {name:?} exists twice");
                return Err(JobError::permanent("duplicate_step", message));
            }
            let replayed = self.recorded.get(name);
            tracing::Span::current().record("job.replayed", replayed.is_some());
            metrics::step(self.held.name, replayed.is_some());
            let output = match replayed {
                Some(output) => serde_json::from_str(output).map_err(|error| {
                    JobError::permanent("journal_unreadable", "A recorded step cannot be read")
                        .caused_by(error)
                })?,
                None => self.perform(name, body()).await?,
            };
            self.mark_used(name);
            Ok(output)
        }
        .instrument(span)
        .await
    }

    async fn perform<T: Serialize>(
        &self,
        name: &str,
        body: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let done = tokio::select! {
            biased;
            () = self.cancelled().cancelled() => Err(self.stopped()),
            done = body => done,
        };
        let output = match done {
            // A body that saw the token does not know what it stood for.
            Err(JobError::Cancelled) if self.cancelled().is_cancelled() => {
                return Err(self.stopped());
            }
            done => done?,
        };
        let json = serde_json::to_string(&output).map_err(|error| {
            JobError::permanent("internal", "A step's output cannot be stored").caused_by(error)
        })?;
        if json.len() > MAX_OUTPUT_BYTES {
            let message = format!("The step {name:?} has an output of {} bytes", json.len());
            return Err(JobError::permanent("step_output_too_large", message));
        }
        let (held, queue) = (&self.held, self.held.storage.queue());
        let at = held.clock.now();
        held.write(|| queue.record_step(held.lease, name, &json, at))
            .await?;
        Ok(output)
    }

    /// Appends to the log that the task's owner sees. `extra`: an object, or `null` for none.
    ///
    /// A line that cannot be written is left out: progress does not fail for its report.
    pub async fn log(&self, level: Level, msg: impl Into<String>, extra: impl Into<Value>) {
        let extra = match extra.into() {
            Value::Object(extra) => extra,
            Value::Null => Map::new(),
            value => Map::from_iter([("value".to_owned(), value)]),
        };
        let (held, queue) = (&self.held, self.held.storage.queue());
        let entry = NewLogEntry::new(level, held.clock.now(), msg, extra);
        match held.write(|| queue.append(held.lease, &entry)).await {
            Ok(()) | Err(JobError::Cancelled | JobError::LostLease) => {}
            Err(error) => {
                tracing::warn!(job.id = %self.id(), error = %Chain(&error), "a log line was lost");
            }
        }
    }

    /// Asks the database whether the task is still this runner's: just before an effect that no
    /// other runner may repeat.
    ///
    /// # Errors
    /// [`JobError::Cancelled`] or [`JobError::LostLease`].
    pub async fn fence_check(&self) -> Result<(), JobError> {
        let (held, queue) = (&self.held, self.held.storage.queue());
        held.write(|| queue.holds(held.lease)).await
    }

    fn is_used(&self, step: &str) -> bool {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(step)
    }

    fn mark_used(&self, step: &str) {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(step.to_owned());
    }
}
