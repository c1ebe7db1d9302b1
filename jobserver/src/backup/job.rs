//! The job: what an order becomes, and what is left when it ends.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Plan;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_discord::Discord;
use splashtail_iblfile::{DerivedKey, PublicKey, SealedKey};
use splashtail_jobs::{
    Appraisal, Job, JobContext, JobError, JobOutput, Owner, PrepareError, Prepared, SecretBytes,
    TaskRow,
};
use splashtail_storage::{Priority, Storage};
use tokio::sync::Semaphore;

use super::error::BackupError;
use super::former;
use super::options::{self, Constraints, Fields, Incremental};
use super::run::Run;
use super::work::{self, Work};
use super::worth;
use crate::objects::Objects;
use crate::request::InvalidRequest;
use crate::urgency::Urgency;

/// Key derivations at a time; each takes 64 MiB.
const DERIVATIONS: usize = 2;

/// `guild_create_backup`.
#[derive(Clone)]
pub struct CreateBackup {
    pub discord: Discord,
    pub objects: Objects,
    pub storage: Storage,
    pub plan: Plan,
    pub clock: SharedClock,
    /// Where the file is put together before it is uploaded.
    pub temporary: PathBuf,
    derivations: Arc<Semaphore>,
}

impl CreateBackup {
    pub const NAME: &'static str = job_kinds::CREATE_BACKUP.name;
    pub const URGENCY: Urgency = Urgency::LONG;

    pub fn new(
        discord: Discord,
        objects: Objects,
        storage: Storage,
        plan: Plan,
        clock: SharedClock,
        temporary: PathBuf,
    ) -> Self {
        let derivations = Arc::new(Semaphore::new(DERIVATIONS));
        Self {
            discord,
            objects,
            storage,
            plan,
            clock,
            temporary,
            derivations,
        }
    }

    /// The password ends here: what goes on is a key that cannot be turned back into it.
    pub async fn derive(&self, password: String) -> Result<SecretBytes, PrepareError> {
        let key = self
            .derived(move || DerivedKey::generate(&password))
            .await?;
        Ok(SecretBytes::from(key.to_bytes().to_vec()))
    }

    /// The key of the new file, and that of the earlier one that it may be copied from, should it be
    /// under the same password.
    async fn secret(
        &self,
        fields: &mut Fields,
        password: String,
    ) -> Result<SecretBytes, PrepareError> {
        let mut secret = Vec::new();
        let mut former = None;
        if fields.options.incremental == Incremental::Auto {
            let (storage, now) = (&self.storage, self.clock.now());
            let salted = former::salted(storage, &self.objects, fields, now).await;
            // Whatever is away: everything is read then.
            former = salted.unwrap_or_default();
        }
        let generate = password.clone();
        let key = self
            .derived(move || DerivedKey::generate(&generate))
            .await?;
        secret.extend_from_slice(&key.to_bytes());
        if let Some((task, salt)) = former {
            let key = self
                .derived(move || DerivedKey::derive(&password, salt))
                .await?;
            secret.extend_from_slice(&key.to_bytes());
            fields.former = Some(task);
        }
        Ok(SecretBytes::from(secret))
    }

    /// A key that nobody knows but this job, until it ends, and whoever has the other half. Each order has
    /// another one.
    async fn sealed(&self, fields: &mut Fields, pem: &str) -> Result<SecretBytes, PrepareError> {
        let key =
            PublicKey::parse(pem).map_err(|error| InvalidRequest::PublicKey(error.to_string()))?;
        let sealed = self.derived(move || key.seal()).await?;
        let sealed = sealed.map_err(|_| PrepareError::internal("the key could not be sealed"))?;
        fields.sealed_key = Some(STANDARD.encode(sealed.head()));
        Ok(SecretBytes::from(sealed.key().to_bytes().to_vec()))
    }

    async fn derived<T: Send + 'static>(
        &self,
        derive: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PrepareError> {
        let unavailable = || PrepareError::internal("the key could not be derived");
        let _permit = self
            .derivations
            .acquire()
            .await
            .map_err(|_| unavailable())?;
        let key = tokio::task::spawn_blocking(derive).await;
        key.map_err(|_| unavailable())
    }
}

/// What [`CreateBackup::sealed`] put together.
fn sealed(fields: &Fields, key: Option<&DerivedKey>) -> Result<Option<SealedKey>, BackupError> {
    let Some(head) = &fields.sealed_key else {
        return Ok(None);
    };
    let head = STANDARD.decode(head).map_err(|_| BackupError::Key)?;
    let key = key.cloned().ok_or(BackupError::Key)?;
    SealedKey::new(head, key).map(Some).ok_or(BackupError::Key)
}

/// What [`CreateBackup::secret`] put together.
fn keys(secret: &[u8]) -> Option<(DerivedKey, Option<DerivedKey>)> {
    let (own, former) = secret.split_at_checked(DerivedKey::LEN)?;
    let former = match former {
        [] => None,
        former => Some(DerivedKey::from_bytes(former)?),
    };
    Some((DerivedKey::from_bytes(own)?, former))
}

#[async_trait]
impl Job for CreateBackup {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn changes_server(&self, _: &Value) -> bool {
        job_kinds::CREATE_BACKUP.changes_server
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let (mut fields, password) = options::parse(&data, Constraints::of(&self.plan))?;
        let secret = match (password, fields.options.public_key.clone()) {
            (Some(password), _) => Some(self.secret(&mut fields, password.0).await?),
            (None, Some(key)) => Some(self.sealed(&mut fields, &key).await?),
            (None, None) => None,
        };
        Ok(Prepared {
            owner: Owner::Server(fields.server_id),
            // It keeps nobody from putting the server back, and goes behind everything that does.
            slot: fields.incident.is_none().then_some(fields.server_id),
            priority: fields.incident.map(|_| Priority::Scheduled),
            encrypted: secret.is_some(),
            secret,
            fields: serde_json::to_value(&fields)
                .map_err(|_| PrepareError::internal("the fields could not be stored"))?,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let fields: Fields = cx.fields()?;
        let (key, former) = match cx.secret() {
            None => (None, None),
            Some(secret) => {
                let keys = keys(secret.as_ref()).ok_or(BackupError::Key)?;
                (Some(keys.0), keys.1)
            }
        };
        self.write_after(cx, &fields, key, former).await.map(Some)
    }

    fn secret_is_the_callers(&self, fields: &Value) -> bool {
        fields["SealedKey"].is_null()
    }

    fn scheduled(&self, data: &mut Value) {
        options::scheduled(data);
    }

    async fn appraise(&self, made: &[TaskRow]) -> Result<Appraisal, JobError> {
        let judged = worth::appraise(&self.storage, made, self.clock.now()).await;
        judged.map_err(|error| JobError::transient("database", Chain(&error).to_string()))
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
        self.write_after(cx, fields, key, None).await
    }

    /// The same; `former`: the key of an earlier backup that the fields name.
    async fn write_after(
        &self,
        cx: &JobContext,
        fields: &Fields,
        key: Option<DerivedKey>,
        former_key: Option<DerivedKey>,
    ) -> Result<JobOutput, JobError> {
        let sealed = sealed(fields, key.as_ref())?;
        let work = Work::new(self.objects.clone(), cx.id(), cx.attempt(), key).sealed(sealed);
        let run = Run {
            job: self,
            cx,
            fields,
            work: &work,
            former_key,
        };
        run.run().await
    }
}
