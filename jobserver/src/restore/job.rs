//! The job: what an order becomes, and what is left when it ends.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_antinuke::TagKey;
use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_discord::Discord;
use splashtail_discord::permissions::bits;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, Owner, PrepareError, Prepared, Priority, SecretBytes,
    TaskRow,
};
use splashtail_storage::Storage;

use super::error::RestoreError;
use super::options::{self, Fields};
use super::run::Run;
use super::source;
use crate::backup::{self, CreateBackup};
use crate::carry_out;
use crate::objects::Objects;
use crate::request::InvalidRequest;
use crate::urgency::Urgency;

/// Of an engine's capacity, in runs of jobs that hold little.
const WEIGHT: u32 = 8;

/// `guild_restore_backup`.
pub struct RestoreBackup {
    pub discord: Discord,
    pub objects: Objects,
    pub storage: Storage,
    pub clock: SharedClock,
    /// Makes the safety backup.
    pub backup: CreateBackup,
    /// What the bot knows its own jobs by.
    pub marks: Option<TagKey>,
    /// Orders without a caller come from whoever has the bot's token.
    pub operator: bool,
}

impl RestoreBackup {
    pub const NAME: &'static str = job_kinds::RESTORE_BACKUP.name;
    pub const URGENCY: Urgency = Urgency::LONG;
}

#[async_trait]
impl Job for RestoreBackup {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn deadline(&self) -> Option<Duration> {
        Some(carry_out::DEADLINE)
    }

    /// Nothing is saved while it is being changed.
    fn slot_kind(&self) -> &'static str {
        CreateBackup::NAME
    }

    /// It holds the whole file in memory.
    fn weight(&self) -> u32 {
        WEIGHT
    }

    fn changes_server(&self, fields: &Value) -> bool {
        job_kinds::RESTORE_BACKUP.changes_server && fields["Options"]["DryRun"] != true
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let most = self.backup.plan.max_body_size;
        let cdn = self.discord.cdn_base().as_str();
        let (mut fields, password) = options::parse(&data, most, cdn)?;
        let server = fields.server_id;
        let source = &fields.options.backup_source;
        let found = source::key(source, server, &self.storage, &*self.clock, &self.objects).await;
        found.map_err(|error| match &error {
            RestoreError::NoPast(_)
            | RestoreError::Unwatched { .. }
            | RestoreError::YetToCome(_) => InvalidRequest::NoPast(error.to_string()).into(),
            RestoreError::NoTask(_) | RestoreError::NoFile(_) => {
                InvalidRequest::NoBackup(error.to_string()).into()
            }
            _ => PrepareError::internal("the backup cannot be looked up"),
        })?;
        let source = &fields.options.backup_source;
        let uploaded = source::is_uploaded(source, server, &self.storage, &*self.clock).await;
        fields.options.uploaded =
            uploaded.map_err(|_| PrepareError::internal("the backup cannot be looked up"))?;
        if fields.options.uploaded && fields.caller_permissions & bits::ADMINISTRATOR == 0 {
            return Err(InvalidRequest::ForeignFile.into());
        }
        Ok(Prepared {
            owner: Owner::Server(server),
            slot: Some(server),
            encrypted: false,
            priority: None,
            secret: password.map(|password| SecretBytes::from(password.0.into_bytes())),
            fields: serde_json::to_value(&fields)
                .map_err(|_| PrepareError::internal("the fields could not be stored"))?,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let fields: Fields = cx.fields()?;
        Box::pin(Run::run(self, cx, &fields)).await.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }

    async fn ended(&self, task: TaskId) {
        backup::clear_up(&self.objects, task).await;
    }
}
