//! What callers ask of an engine.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_api_types::tasks::TaskCreateResponse;
use splashtail_core::ids::TaskId;
use splashtail_storage::{
    Creation, IDEMPOTENCY_KEY_LEN, Idempotency, Level, NewLogEntry, NewTask, Owner, Priority, Slot,
    Start, TaskRow, TaskState,
};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::job::Job;
use crate::render;

/// An order for a task.
#[derive(Clone)]
pub struct CreateRequest {
    /// Who orders: keys of different clients do not meet.
    pub client: String,
    pub name: String,
    /// The task's options, secrets included.
    pub data: Value,
    /// Run it at once. Else it waits for [`Engine::execute`].
    pub execute: bool,
    /// A repeated order under the same key gets the first one's answer.
    pub idempotency_key: Option<String>,
    /// Not before; `None` = at once.
    pub run_after: Option<DateTime<Utc>>,
    /// `None` = that of its kind.
    pub priority: Option<Priority>,
}

impl CreateRequest {
    /// To be run at once.
    pub fn new(client: &str, name: &str, data: Value) -> Self {
        Self {
            client: client.to_owned(),
            name: name.to_owned(),
            data,
            execute: true,
            idempotency_key: None,
            run_after: None,
            priority: None,
        }
    }
}

/// Without the options: a password may be among them.
impl fmt::Debug for CreateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateRequest")
            .field("client", &self.client)
            .field("name", &self.name)
            .field("execute", &self.execute)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}

/// Whether options name a server that an owner is not. To prepare them would tell, too, but costs a
/// key derivation.
fn names_another(data: &Value, owner: Owner) -> bool {
    let named = match &data["ServerID"] {
        Value::String(id) => id.parse().ok(),
        Value::Number(id) => id.as_u64(),
        _ => None,
    };
    named.is_some_and(|named| !matches!(owner, Owner::Server(server) if server.get() == named))
}

impl Engine {
    /// Validates and stores a task.
    ///
    /// # Errors
    /// Nothing was stored. [`EngineError::SlotTaken`]: the guild has such a task already.
    /// [`EngineError::Mismatch`]: the first order under the key was another owner's.
    pub async fn create(&self, request: CreateRequest) -> Result<TaskCreateResponse, EngineError> {
        let CreateRequest {
            client,
            name,
            data,
            execute,
            idempotency_key,
            run_after,
            priority,
        } = request;
        let job = self.job(&name)?;
        let idempotency = idempotency_key
            .map(|key| {
                if usable(&key) {
                    let client = client.clone();
                    Ok(Idempotency { client, key })
                } else {
                    Err(EngineError::IdempotencyKey)
                }
            })
            .transpose()?;
        let tasks = self.inner.storage.tasks();
        if let Some(idempotency) = &idempotency
            && let Some(first) = tasks.repeated(&name, idempotency).await?
        {
            if names_another(&data, first.owner) {
                return Err(EngineError::Mismatch(first.id));
            }
            return Ok(response(first));
        }
        let prepared = job.prepare(data).await?;
        self.admit(&client, job, prepared.owner, &prepared.fields)
            .await?;
        let id = TaskId::random();
        let wrapped = prepared
            .secret
            .map(|secret| self.inner.data_key.wrap(id, &secret));
        let slot = prepared.slot;
        let created_at = self.inner.clock.now();
        let task = NewTask {
            id,
            name,
            owner: prepared.owner,
            fields: prepared.fields,
            encrypted: prepared.encrypted,
            wrapped_secret: wrapped.transpose().map_err(EngineError::Wrap)?,
            slot: slot.map(|guild| Slot {
                guild,
                kind: job.slot_kind().to_owned(),
            }),
            idempotency,
            execute,
            priority: priority
                .or(prepared.priority)
                .unwrap_or_else(|| job.priority()),
            run_after,
            deadline: job.deadline(),
            expires_at: self.inner.keep.map(|keep| created_at + keep),
            created_at,
        };
        let row = match tasks.create(&task).await? {
            Creation::Created(row) => row,
            Creation::Repeated(row) if row.owner != task.owner => {
                return Err(EngineError::Mismatch(row.id));
            }
            Creation::Repeated(row) => return Ok(response(row)),
            Creation::SlotTaken { by } => return Err(taken(task.slot.as_ref(), by)),
        };
        if execute {
            self.hint(id, job, task.priority);
        }
        tracing::info!(job.id = %id, job.name = job.name(), job.owner = %row.owner, "accepted");
        Ok(response(row))
    }

    /// Starts a task that was created without being run. `data`, when it is not empty, must belong
    /// to the same owner; what runs are the options that were stored. `client`: who starts it.
    ///
    /// # Errors
    /// There is no such task, it is another's, or it is not pending.
    pub async fn execute(
        &self,
        client: &str,
        name: &str,
        id: TaskId,
        data: Value,
    ) -> Result<(), EngineError> {
        let job = self.job(name)?;
        let (tasks, now) = (self.inner.storage.tasks(), self.inner.clock.now());
        let row = tasks.get(id, now).await?.ok_or(EngineError::NotFound(id))?;
        if row.name != name {
            return Err(EngineError::Mismatch(id));
        }
        if data.as_object().is_some_and(|data| !data.is_empty())
            && job.prepare(data).await?.owner != row.owner
        {
            return Err(EngineError::Mismatch(id));
        }
        if row.state != TaskState::Pending {
            return Err(EngineError::NotPending {
                id,
                state: row.state,
            });
        }
        self.admit(client, job, row.owner, &row.fields).await?;
        match tasks.start(id, now).await? {
            Start::Started(_) => {
                self.hint(id, job, job.priority());
                Ok(())
            }
            Start::SlotTaken { by } => Err(taken(row.slot.as_ref(), by)),
            Start::Ended(row) => Err(EngineError::NotPending {
                id,
                state: row.state,
            }),
            Start::NotFound => Err(EngineError::NotFound(id)),
        }
    }

    /// Cancels a task: it is failed when this returns, with a last log entry of code `cancelled`.
    /// One that has ended stays as it is. Answers the state that it is in.
    ///
    /// # Errors
    /// There is no such task.
    pub async fn cancel(&self, id: TaskId) -> Result<TaskState, EngineError> {
        let extra = Map::from_iter([("code".to_owned(), Value::from("cancelled"))]);
        let now = self.inner.clock.now();
        let entry = NewLogEntry::new(Level::Error, now, "Cancelled", extra);
        let cancelled = self.inner.storage.tasks().cancel(id, &entry).await?;
        let cancelled = cancelled.ok_or(EngineError::NotFound(id))?;
        if cancelled.changed {
            tracing::info!(job.id = %id, job.name = %cancelled.task.name, "cancelled");
            self.stop_cancelled(id);
            self.tidy_up_later(&cancelled.task);
        }
        Ok(cancelled.task.state)
    }

    /// Deletes a task of this owner that has ended: first what it left elsewhere, then its rows. One
    /// that is gone already is as it shall be.
    ///
    /// # Errors
    /// It has not ended, or is another's; [`EngineError::NotDeleted`]: to be tried again.
    pub async fn delete(&self, id: TaskId, owner: Owner) -> Result<(), EngineError> {
        let (tasks, now) = (self.inner.storage.tasks(), self.inner.clock.now());
        let Some(row) = tasks.get(id, now).await? else {
            return Ok(());
        };
        if row.owner != owner {
            return Err(EngineError::Mismatch(id));
        }
        if !row.state.is_terminal() {
            let state = row.state;
            return Err(EngineError::NotEnded { id, state });
        }
        let job = self.job(&row.name)?;
        job.deleted(&row).await.map_err(EngineError::NotDeleted)?;
        tasks.delete(id).await?;
        tracing::info!(job.id = %id, job.name = %row.name, "deleted on request");
        Ok(())
    }

    /// # Errors
    /// The order would change a server, and the guard does not take this client's word for it.
    pub(crate) async fn admit(
        &self,
        client: &str,
        job: &dyn Job,
        owner: Owner,
        fields: &Value,
    ) -> Result<(), EngineError> {
        match &self.inner.guard {
            Some(guard) if job.changes_server(fields) => {
                guard.admit(client, job.name(), owner).await
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn job(&self, name: &str) -> Result<&dyn Job, EngineError> {
        let job = self.inner.jobs.get(name);
        job.map(|job| &**job)
            .ok_or_else(|| EngineError::UnknownName(name.to_owned()))
    }
}

fn usable(key: &str) -> bool {
    (1..=IDEMPOTENCY_KEY_LEN).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn taken(slot: Option<&Slot>, by: TaskId) -> EngineError {
    match slot {
        Some(slot) => EngineError::SlotTaken {
            guild: slot.guild,
            by,
        },
        // Only a task with a slot is told that it is taken.
        None => EngineError::NotFound(by),
    }
}

fn response(row: TaskRow) -> TaskCreateResponse {
    TaskCreateResponse {
        task_id: row.id,
        task_info: render::task_info(row),
    }
}
