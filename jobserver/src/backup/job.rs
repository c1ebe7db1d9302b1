//! The job: what an order becomes, and what is left when it ends.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Plan;
use splashtail_core::ids::TaskId;
use splashtail_discord::Discord;
use splashtail_iblfile::DerivedKey;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, Owner, PrepareError, Prepared, SecretBytes, TaskRow,
};
use tokio::sync::Semaphore;

use super::error::BackupError;
use super::options::{self, Constraints, Fields};
use super::run::Run;
use super::work::{self, Work};
use crate::objects::Objects;

/// Key derivations at a time; each takes 64 MiB.
const DERIVATIONS: usize = 2;

/// `guild_create_backup`.
#[derive(Clone)]
pub struct CreateBackup {
    pub discord: Discord,
    pub objects: Objects,
    pub plan: Plan,
    pub clock: SharedClock,
    /// Where the file is put together before it is uploaded.
    pub temporary: PathBuf,
    derivations: Arc<Semaphore>,
}

impl CreateBackup {
    pub const NAME: &'static str = "guild_create_backup";

    pub fn new(
        discord: Discord,
        objects: Objects,
        plan: Plan,
        clock: SharedClock,
        temporary: PathBuf,
    ) -> Self {
        let derivations = Arc::new(Semaphore::new(DERIVATIONS));
        Self {
            discord,
            objects,
            plan,
            clock,
            temporary,
            derivations,
        }
    }

    /// The password ends here: what goes on is a key that cannot be turned back into it.
    pub async fn derive(&self, password: String) -> Result<SecretBytes, PrepareError> {
        let unavailable = || PrepareError::internal("the key could not be derived");
        let _permit = self
            .derivations
            .acquire()
            .await
            .map_err(|_| unavailable())?;
        let key = tokio::task::spawn_blocking(move || DerivedKey::generate(&password));
        let key = key.await.map_err(|_| unavailable())?;
        Ok(SecretBytes::from(key.to_bytes().to_vec()))
    }
}

#[async_trait]
impl Job for CreateBackup {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let (fields, password) = options::parse(&data, Constraints::of(&self.plan))
            .map_err(|error| PrepareError::invalid(error.code(), error.to_string()))?;
        let secret = match password {
            Some(password) => Some(self.derive(password.0).await?),
            None => None,
        };
        Ok(Prepared {
            owner: Owner::Server(fields.server_id),
            slot: Some(fields.server_id),
            encrypted: secret.is_some(),
            secret,
            fields: serde_json::to_value(&fields)
                .map_err(|_| PrepareError::internal("the fields could not be stored"))?,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let fields: Fields = cx.fields()?;
        let key = match cx.secret() {
            None => None,
            Some(secret) => Some(DerivedKey::from_bytes(secret.as_ref()).ok_or(BackupError::Key)?),
        };
        self.write(cx, &fields, key).await.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        work::remove(&self.objects, task.id).await
    }

    async fn ended(&self, task: TaskId) {
        work::clear_up(&self.objects, task).await;
    }
}

impl CreateBackup {
    /// Writes the backup that the fields order, in this job or within another, whose work files
    /// its own are then.
    pub async fn write(
        &self,
        cx: &JobContext,
        fields: &Fields,
        key: Option<DerivedKey>,
    ) -> Result<JobOutput, JobError> {
        let work = Work::new(self.objects.clone(), cx.id(), cx.attempt(), key);
        let run = Run {
            job: self,
            cx,
            fields,
            work: &work,
        };
        run.run().await
    }
}
