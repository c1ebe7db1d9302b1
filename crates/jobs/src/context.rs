use std::collections::HashSet;
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
use crate::journal::Journal;
use crate::metrics;
use crate::secret::SecretBytes;

/// What a running job has at hand.
#[derive(Debug)]
pub struct JobContext {
    held: Arc<Held>,
    task: TaskRow,
    secret: Option<SecretBytes>,
    journal: Journal,
    used: Mutex<HashSet<String>>,
}

impl JobContext {
    pub(crate) fn new(
        held: Arc<Held>,
        task: TaskRow,
        secret: Option<SecretBytes>,
        journal: Journal,
    ) -> Self {
        Self {
            held,
            task,
            secret,
            journal,
            used: Mutex::default(),
        }
    }

    pub fn id(&self) -> TaskId {
        self.task.id
    }

    pub fn owner(&self) -> Owner {
        self.task.owner
    }

    /// The number of this run: no other run of the task has it, and later ones have higher ones.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.held.lease.fence).unwrap_or(u32::MAX)
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

    /// Fires when the run has to end now, whether the task was cancelled or goes on elsewhere: a
    /// call in flight may as well be dropped. When an engine stops, that is after its grace.
    /// Return [`JobContext::stopped`] then.
    pub fn cancelled(&self) -> &CancellationToken {
        self.held.stopped()
    }

    /// Fires when nothing new is to be begun, which is at once when an engine stops. Every wait of
    /// a job that holds nothing open has to observe it; then return [`JobContext::stopped`].
    pub fn stopping(&self) -> &CancellationToken {
        self.held.stopping()
    }

    /// What to return after [`JobContext::cancelled`] or [`JobContext::stopping`] has fired.
    pub fn stopped(&self) -> JobError {
        self.held.stop_error()
    }

    /// Runs `body` and records its output, or gives back the output that an earlier run recorded.
    ///
    /// The body is dropped as soon as the run has to stop; an engine that stops leaves it its
    /// grace. It may run again after a crash between its effect and the record, so effects have to
    /// be repeatable ("ensure", not "create").
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
            if self.stopping().is_cancelled() {
                return Err(self.stopped());
            }
            if self.is_used(name) {
                let message = format!("The step {name:?} exists twice");
                return Err(JobError::permanent("duplicate_step", message));
            }
            let replayed = self.journal.take(&self.held, name).await?;
            tracing::Span::current().record("job.replayed", replayed.is_some());
            metrics::step(self.held.name, replayed.is_some());
            let output = match replayed {
                Some(output) => serde_json::from_str(&output).map_err(|error| {
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
        self.journal.reserve(name, &json).await?;
        let (held, queue) = (&self.held, self.held.storage.queue());
        let at = held.clock.now();
        held.write(|| queue.record_step(held.lease, name, &json, at))
            .await?;
        held.progress();
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
