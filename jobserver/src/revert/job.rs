use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_antinuke::TagKey;
use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_discord::Discord;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, Owner, PrepareError, Prepared, Priority, TaskRow,
};
use splashtail_storage::Storage;

use super::evidence::{self, EvidenceError};
use super::options::{self, Fields};
use super::run::Run;
use crate::backup::{self, CreateBackup};
use crate::carry_out;
use crate::objects::Objects;
use crate::request::InvalidRequest;
use crate::urgency::Urgency;

/// `guild_revert_incident`.
pub struct RevertIncident {
    pub discord: Discord,
    pub objects: Objects,
    pub storage: Storage,
    pub clock: SharedClock,
    /// Makes backups, and has a place for their files.
    pub backup: CreateBackup,
    /// Signs the reasons of what it does.
    pub marks: Option<TagKey>,
}

impl RevertIncident {
    pub const NAME: &'static str = job_kinds::REVERT_INCIDENT.name;
    pub const URGENCY: Urgency = Urgency::CONTAINMENT;
}

#[async_trait]
impl Job for RevertIncident {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn deadline(&self) -> Option<Duration> {
        Some(carry_out::DEADLINE)
    }

    /// Nothing else changes or saves the server meanwhile.
    fn slot_kind(&self) -> &'static str {
        CreateBackup::NAME
    }

    fn changes_server(&self, fields: &Value) -> bool {
        job_kinds::REVERT_INCIDENT.changes_server && fields["DryRun"] != true
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let fields = options::parse(&data)?;
        let found = evidence::row(&self.storage, fields.server_id, fields.incident).await;
        found.map_err(|error| match &error {
            EvidenceError::NoIncident(incident) => InvalidRequest::NoIncident(*incident).into(),
            _ => PrepareError::internal("the incident cannot be looked up"),
        })?;
        Ok(Prepared {
            owner: Owner::Server(fields.server_id),
            slot: Some(fields.server_id),
            encrypted: false,
            priority: None,
            secret: None,
            fields: serde_json::to_value(&fields)
                .map_err(|_| PrepareError::internal("the fields could not be stored"))?,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let fields: Fields = cx.fields()?;
        Run::run(self, cx, &fields).await.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }

    async fn ended(&self, task: TaskId) {
        backup::clear_up(&self.objects, task).await;
    }
}
