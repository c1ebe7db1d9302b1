//! Calls to the jobserver.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use splashtail_api_types::backups::{BackupComparison, BackupInspection};
use splashtail_api_types::tasks::TaskCreateResponse;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use url::Url;
use uuid::Uuid;

use super::transport::{Call, Transport, Whom, http_client};
use super::{ClientError, ScheduleOrder};
use crate::signing::{Signer, tag};

/// Bridges a jobserver's restart, well within the time that a deferred interaction or a request
/// of the API has.
const JOBSERVER: Whom = Whom {
    name: "the jobserver",
    key: "meta.jobserver_url",
    patience: Duration::from_secs(15),
};

#[derive(Debug, Clone)]
pub struct JobserverClient {
    transport: Transport,
}

impl JobserverClient {
    /// `addresses` are those of replicas: the one that answered last is asked first, the others
    /// when it does not. The signer's tag is set here.
    ///
    /// # Errors
    /// [`ClientError::Build`]: no TLS provider is installed. [`ClientError::NoAddress`].
    pub fn new(
        addresses: impl IntoIterator<Item = Url>,
        signer: &Signer,
    ) -> Result<Self, ClientError> {
        let signer = signer.with_tag(tag::JOBSERVER);
        let addresses = addresses.into_iter().collect();
        Ok(Self {
            transport: Transport::new(http_client()?, JOBSERVER, addresses, Some(signer))?,
        })
    }

    /// Creates a task of the named kind and starts it when `execute` is set. With an
    /// `idempotency_key` of at most 64 characters a repeated call gets the first answer again, and
    /// is repeated here when its connection broke or the jobserver asked for patience.
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
            .json(Call::post("/ipc/create_task", &body).repeatable(idempotency_key.is_some()))
            .await?;
        Ok(created.tcr)
    }

    /// Has a kind of task that changes a server say what it would do, which is its output; nothing is
    /// changed. Keys are those of [`Self::create_task`].
    ///
    /// # Errors
    /// See [`ClientError`]; 400 for bad data and for kinds without plans, 409 when the slot is taken.
    pub async fn plan_task(
        &self,
        name: &str,
        data: Value,
        idempotency_key: Option<&str>,
    ) -> Result<TaskCreateResponse, ClientError> {
        #[derive(Deserialize)]
        struct Created {
            tcr: TaskCreateResponse,
        }
        let mut args = json!({ "name": name, "data": data });
        if let Some(key) = idempotency_key {
            args["idempotency_key"] = Value::from(key);
        }
        let body = json!({ "args": args });
        let created: Created = self
            .transport
            .json(Call::post("/ipc/plan_task", &body).repeatable(idempotency_key.is_some()))
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

    /// Whether a jobserver is there and says that it is ready.
    ///
    /// # Errors
    /// See [`ClientError`]; 503 when it is not.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.transport.done(Call::get("/readyz")).await
    }

    /// Idempotent: cancelling a task that ended changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel_task(&self, task: TaskId) -> Result<(), ClientError> {
        let body = json!({ "args": { "task_id": task.to_string() } });
        self.transport
            .done(Call::post("/ipc/cancel_task", &body).repeatable(true))
            .await
    }

    /// Deletes a task of a server that has ended, with everything it left: its files, its log, its
    /// row. Deleting what is gone changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`]; 409 when it has not ended.
    pub async fn delete_task(&self, task: TaskId, server: GuildId) -> Result<(), ClientError> {
        let body = json!({ "args": { "task_id": task.to_string(), "server_id": server } });
        self.transport
            .done(Call::post("/ipc/delete_task", &body).repeatable(true))
            .await
    }

    /// What the backup holds that a task of a server left. The password opens it and is not kept.
    ///
    /// # Errors
    /// See [`ClientError`]; 404 when there is none, 400 for a password that is missing or wrong.
    pub async fn inspect_backup(
        &self,
        server: GuildId,
        task: TaskId,
        password: Option<&str>,
    ) -> Result<BackupInspection, ClientError> {
        let body = json!({ "args": {
            "server_id": server, "task_id": task.to_string(), "password": password,
        }});
        self.transport
            .json(Call::post("/ipc/inspect_backup", &body).repeatable(true))
            .await
    }

    /// How two backups of a server differ; one password opens both. Each is what a task left, by its id, or the
    /// server as it was at a time (RFC 3339).
    ///
    /// # Errors
    /// As [`Self::inspect_backup`].
    pub async fn compare_backups(
        &self,
        server: GuildId,
        before: impl fmt::Display,
        after: impl fmt::Display,
        password: Option<&str>,
    ) -> Result<BackupComparison, ClientError> {
        let body = json!({ "args": {
            "server_id": server, "before": before.to_string(), "after": after.to_string(),
            "password": password,
        }});
        self.transport
            .json(Call::post("/ipc/compare_backups", &body).repeatable(true))
            .await
    }

    /// Stores a schedule: see [`ScheduleOrder`]. One of the server's that has this id becomes what is
    /// ordered now.
    ///
    /// # Errors
    /// See [`ClientError`]; 400 when it is not usable.
    pub async fn put_schedule(&self, order: &ScheduleOrder) -> Result<(), ClientError> {
        let body = json!({ "args": order });
        self.transport
            .done(Call::post("/ipc/put_schedule", &body).repeatable(true))
            .await
    }

    /// Keeps that a person lets a server bring them back, with what Discord gave for it
    /// (`guilds.join`). One that is given again takes the place of the first.
    ///
    /// # Errors
    /// See [`ClientError`]; 400 when it is not usable, or where nothing can be renewed, 409 while an earlier
    /// one is being revoked at Discord.
    pub async fn put_join_consent(&self, consent: &JoinConsent<'_>) -> Result<(), ClientError> {
        let body = json!({ "args": {
            "server_id": consent.server,
            "user_id": consent.user,
            "access_token": consent.access_token.expose_secret(),
            "refresh_token": consent.refresh_token.expose_secret(),
            "expires_in": consent.expires_in.as_secs(),
        }});
        self.transport
            .done(Call::post("/ipc/put_join_consent", &body).repeatable(true))
            .await
    }

    /// Takes a person's consent back, for one server or for all; taking back what is gone changes nothing. With
    /// the last one what Discord gave is revoked there, however long Discord is away.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_join_consent(
        &self,
        user: UserId,
        server: Option<GuildId>,
    ) -> Result<(), ClientError> {
        let body = json!({ "args": { "user_id": user, "server_id": server } });
        self.transport
            .done(Call::post("/ipc/remove_join_consent", &body).repeatable(true))
            .await
    }

    /// The servers that a person lets bring them back, the newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn join_consents_of(&self, user: UserId) -> Result<Vec<GivenConsent>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            consents: Vec<GivenConsent>,
        }
        let body = json!({ "args": { "user_id": user } });
        let call = Call::post("/ipc/join_consents", &body).repeatable(true);
        let answer: Answer = self.transport.json(call).await?;
        Ok(answer.consents)
    }

    /// How many people let a server bring them back.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn count_join_consents(&self, server: GuildId) -> Result<u64, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            count: u64,
        }
        let body = json!({ "args": { "server_id": server } });
        let call = Call::post("/ipc/join_consents", &body).repeatable(true);
        let answer: Answer = self.transport.json(call).await?;
        Ok(answer.count)
    }

    /// Takes a server's schedule back; taking back what is gone changes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_schedule(&self, id: Uuid, server: GuildId) -> Result<(), ClientError> {
        let body = json!({ "args": { "schedule_id": id, "server_id": server } });
        self.transport
            .done(Call::post("/ipc/remove_schedule", &body).repeatable(true))
            .await
    }
}

/// What a person allowed, fresh from Discord.
#[derive(Debug)]
pub struct JoinConsent<'a> {
    pub server: GuildId,
    pub user: UserId,
    pub access_token: &'a SecretString,
    pub refresh_token: &'a SecretString,
    /// How long the access token lasts.
    pub expires_in: Duration,
}

/// What a person allowed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenConsent {
    pub server_id: GuildId,
    /// RFC 3339.
    pub given_at: String,
}
