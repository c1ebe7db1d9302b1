//! Calls to the jobserver.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use splashtail_api_types::tasks::TaskCreateResponse;
use splashtail_core::ids::TaskId;
use url::Url;

use super::ClientError;
use super::transport::{Call, Transport, http_client};
use crate::signing::{Signer, tag};

#[derive(Debug, Clone)]
pub struct JobserverClient {
    transport: Transport,
}

impl JobserverClient {
    /// The signer's tag is set here.
    ///
    /// # Errors
    /// [`ClientError::Build`]: no TLS provider is installed.
    pub fn new(base: Url, signer: &Signer) -> Result<Self, ClientError> {
        let signer = signer.with_tag(tag::JOBSERVER);
        Ok(Self {
            transport: Transport::new(http_client()?, base, Some(signer)),
        })
    }

    /// Creates a task of the named kind and starts it when `execute` is set. With an
    /// `idempotency_key` of at most 64 characters a repeated call gets the first answer again.
    ///
    /// # Errors
    /// See [`ClientError`]; 400 for bad data, 409 when the server's slot is taken.
    pub async fn create_task(
        &self,
        name: &str,
        data: Value,
        execute: bool,
        idempotency_key: Option<&str>,
    ) -> Result<TaskCreateResponse, ClientError> {
        #[derive(Deserialize)]
        struct Created {
            tcr: TaskCreateResponse,
        }
        let mut args = json!({ "name": name, "data": data, "execute": execute });
        if let Some(key) = idempotency_key {
            args["idempotency_key"] = Value::from(key);
        }
        let body = json!({ "args": args });
        let created: Created = self
            .transport
            .json(Call::post("/ipc/create_task", &body))
            .await?;
        Ok(created.tcr)
    }

    /// Starts a pending task. The task's fields are repeated; they have to match its row.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn execute_task(
        &self,
        name: &str,
        task: TaskId,
        fields: Map<String, Value>,
    ) -> Result<(), ClientError> {
        let mut args = fields;
        args.insert("name".to_owned(), Value::from(name));
        args.insert("task_id".to_owned(), Value::from(task.to_string()));
        let body = json!({ "args": args });
        self.transport
            .done(Call::post("/ipc/execute_task", &body))
            .await
    }

    /// Idempotent: cancelling a task that ended changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel_task(&self, task: TaskId) -> Result<(), ClientError> {
        let body = json!({ "args": { "task_id": task.to_string() } });
        self.transport
            .done(Call::post("/ipc/cancel_task", &body))
            .await
    }
}
