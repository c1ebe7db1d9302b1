use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
use crate::pace::Pace;
use crate::secret::{DataKey, SecretBytes};

/// What a running job has at hand.
#[derive(Debug)]
pub struct JobContext {
    shared: Arc<Shared>,
    /// In front of the names of steps and effects; empty, or ending in a slash.
    scope: String,
    /// Those of a job within another.
    fields: Option<Value>,
}

/// What the scopes of one run have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub held: Arc<Held>,
    pub journal: Journal,
    task: TaskRow,
    secret: Option<SecretBytes>,
    data_key: DataKey,
    used: Mutex<HashSet<String>>,
    pace: Mutex<Pace>,
}

impl JobContext {
    pub(crate) fn new(
        held: Arc<Held>,
        task: TaskRow,
        secret: Option<SecretBytes>,
        data_key: DataKey,
        journal: Journal,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                held,
                journal,
                task,
                secret,
                data_key,
                used: Mutex::default(),
                pace: Mutex::default(),
            }),
            scope: String::new(),
            fields: None,
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn held(&self) -> &Held {
        &self.shared.held
    }

    /// For a job within this one, with fields of its own: its steps and effects have the scope's
    /// name in front of theirs. Lease, secret, log and ledger are those of the whole.
    #[must_use]
    pub fn scope(&self, name: &str, fields: Value) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            scope: format!("{}{name}/", self.scope),
            fields: Some(fields),
        }
    }

    pub fn id(&self) -> TaskId {
        self.shared.task.id
    }

    pub fn owner(&self) -> Owner {
        self.shared.task.owner
    }

    /// The number of this run: no other run of the task has it, and later ones have higher ones.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.held().lease.fence).unwrap_or(u32::MAX)
    }

    /// # Errors
    /// They were stored by a version whose fields this one does not understand.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        let fields = self.fields.as_ref().unwrap_or(&self.shared.task.fields);
        serde_json::from_value(fields.clone()).map_err(|error| {
            JobError::permanent("fields_unreadable", "The task's options cannot be read")
                .caused_by(error)
        })
    }

    pub fn secret(&self) -> Option<&SecretBytes> {
        self.shared.secret.as_ref()
    }

    /// Fires when the run has to end now, whether the task was cancelled or goes on elsewhere: a
    /// call in flight may as well be dropped. When an engine stops, that is after its grace.
    /// Return [`JobContext::stopped`] then.
    pub fn cancelled(&self) -> &CancellationToken {
        self.held().stopped()
    }

    /// Fires when nothing new is to be begun, which is at once when an engine stops. Every wait of
    /// a job that holds nothing open has to observe it; then return [`JobContext::stopped`].
    pub fn stopping(&self) -> &CancellationToken {
        self.held().stopping()
    }

    /// What to return after [`JobContext::cancelled`] or [`JobContext::stopping`] has fired.
    pub fn stopped(&self) -> JobError {
        self.held().stop_error()
    }

    /// Runs `body` and records its output, or gives back the output that an earlier run recorded.
    ///
    /// The body is dropped as soon as the run has to stop; an engine that stops leaves it its
    /// grace. It may run again after a crash between its effect and the record: what must not
    /// happen twice is a [`JobContext::effect`]. Names are unique within a job; what a name stands
    /// for must not change between versions.
    ///
    /// # Errors
    /// Those of the body, or [`JobError::Cancelled`] and [`JobError::LostLease`].
    pub async fn step<T, F, Fut>(&self, name: &str, body: F) -> Result<T, JobError>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, JobError>>,
    {
        let name = self.begin_named(name)?;
        let span = tracing::debug_span!("job.step", job.id = %self.id(), job.step = name,
            job.replayed = field::Empty);
        async {
            let replayed = self.shared.journal.step(self.held(), &name).await?;
            tracing::Span::current().record("job.replayed", replayed.is_some());
            metrics::step(self.held().name, replayed.is_some());
            let output = match replayed {
                Some(output) => serde_json::from_str(&output).map_err(unreadable)?,
                None => self.perform(&name, body()).await?,
            };
            self.mark_used(name);
            Ok(output)
        }
        .instrument(span)
        .await
    }

    /// As [`JobContext::step`], for an output that nobody may read: it is recorded wrapped, like
    /// the secret of the task, and opens for this step alone.
    ///
    /// # Errors
    /// As those of a step; and the record was wrapped under another key.
    pub async fn secret_step<F, Fut>(&self, name: &str, body: F) -> Result<SecretBytes, JobError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<SecretBytes, JobError>>,
    {
        let wrap = async || self.wrap(name, &body().await?);
        let wrapped: String = self.step(name, wrap).await?;
        self.unwrap(name, &wrapped)
    }

    /// For the record of the step of this name.
    fn wrap(&self, name: &str, secret: &SecretBytes) -> Result<String, JobError> {
        let (key, full) = (&self.shared.data_key, format!("{}{name}", self.scope));
        let wrapped = key.wrap_step(self.id(), &full, secret);
        let wrapped = wrapped
            .map_err(|error| JobError::fault("A secret cannot be encrypted").caused_by(error))?;
        Ok(STANDARD.encode(wrapped))
    }

    fn unwrap(&self, name: &str, wrapped: &str) -> Result<SecretBytes, JobError> {
        let (key, full) = (&self.shared.data_key, format!("{}{name}", self.scope));
        let wrapped = STANDARD.decode(wrapped).map_err(unreadable)?;
        let secret = key.unwrap_step(self.id(), &full, &wrapped);
        secret.map_err(|error| {
            // A runner with the right key may follow.
            JobError::transient("secret_unreadable", "A recorded secret cannot be decrypted")
                .caused_by(error)
        })
    }

    async fn perform<T: Serialize>(
        &self,
        name: &str,
        body: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let output = self.in_flight(body).await?;
        let json = serde_json::to_string(&output).map_err(|error| {
            JobError::permanent("internal", "A step's output cannot be stored").caused_by(error)
        })?;
        self.shared.journal.reserve(name, &json).await?;
        let (held, queue) = (self.held(), self.held().storage.queue());
        let at = held.clock.now();
        held.write(|| queue.record_step(held.lease, name, &json, at))
            .await?;
        held.progress();
        Ok(output)
    }

    /// Waits for it, unless the run has to stop first.
    pub(crate) async fn in_flight<T>(
        &self,
        body: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let done = tokio::select! {
            biased;
            () = self.cancelled().cancelled() => Err(self.stopped()),
            done = body => done,
        };
        match done {
            // A body that saw the token does not know what it stood for.
            Err(JobError::Cancelled) if self.cancelled().is_cancelled() => Err(self.stopped()),
            done => done,
        }
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
        let (held, queue) = (self.held(), self.held().storage.queue());
        let entry = NewLogEntry::new(level, held.clock.now(), msg, extra);
        match held.write(|| queue.append(held.lease, &entry)).await {
            Ok(()) | Err(JobError::Cancelled | JobError::LostLease) => {}
            Err(error) => {
                tracing::warn!(job.id = %self.id(), error = %Chain(&error), "a log line was lost");
            }
        }
    }

    /// Tells whoever watches how far the job is: `done` of `total`, of what. May be called as often
    /// as something is done; about once a second it is written down, with an estimate of the time
    /// left. As with the log, progress does not fail for its report.
    pub async fn advance(&self, what: &str, done: u64, total: u64) {
        self.advance_by(what, done, total, None).await;
    }

    /// The same where it is known how long the rest took before, see [`Self::learned`]: the estimate goes by
    /// that, held against how long what is done has taken now.
    pub async fn advance_by(&self, what: &str, done: u64, total: u64, left: Option<Duration>) {
        let (held, queue) = (self.held(), self.held().storage.queue());
        let advance = {
            let pace = self.shared.pace.lock();
            let mut pace = pace.unwrap_or_else(PoisonError::into_inner);
            pace.tell_by(held.clock.monotonic(), what, (done, total), left)
        };
        let Some(advance) = advance else { return };
        let at = held.clock.now();
        let told = held.write(|| queue.advance(held.lease, &advance, at)).await;
        if let Err(error) = told {
            tracing::debug!(job.id = %self.id(), error = %Chain(&error), "an advance was lost");
        }
    }

    /// Asks the database whether the task is still this runner's, and keeps it so for the length of
    /// a lease from now on: just before an effect that no other runner may repeat.
    ///
    /// # Errors
    /// [`JobError::Cancelled`] or [`JobError::LostLease`].
    pub async fn fence_check(&self) -> Result<(), JobError> {
        let (held, queue) = (self.held(), self.held().storage.queue());
        held.write(|| queue.extend(held.lease, held.timing.lease))
            .await
    }

    /// The full name of what is about to begin, if it may.
    pub(crate) fn begin_named(&self, name: &str) -> Result<String, JobError> {
        if self.stopping().is_cancelled() {
            return Err(self.stopped());
        }
        let name = format!("{}{name}", self.scope);
        let used = self.shared.used.lock();
        if used.unwrap_or_else(PoisonError::into_inner).contains(&name) {
            let message = format!("The step {name:?} exists twice");
            return Err(JobError::permanent("duplicate_step", message));
        }
        Ok(name)
    }

    pub(crate) fn mark_used(&self, name: String) {
        let used = self.shared.used.lock();
        used.unwrap_or_else(PoisonError::into_inner).insert(name);
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> JobError {
    JobError::permanent("journal_unreadable", "A recorded step cannot be read").caused_by(error)
}
