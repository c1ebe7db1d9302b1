//! The job: what an order becomes, and what is left when it ends.

use async_trait::async_trait;
use serde_json::Value;
use splashtail_antinuke::TagKey;
use splashtail_api_types::job_kinds;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, Owner, PrepareError, Prepared, Priority, TaskRow,
};

use super::grants::Grants;
use super::options::{self, Fields};
use super::run::Run;
use crate::backup;
use crate::objects::Objects;
use crate::request::InvalidRequest;
use crate::urgency::Urgency;

/// `guild_rejoin_members`.
pub struct RejoinMembers {
    /// With the client in this kind's lane.
    pub grants: Grants,
    pub objects: Objects,
    /// By which the bot knows what jobs do.
    pub marks: Option<TagKey>,
}

impl RejoinMembers {
    pub const NAME: &'static str = job_kinds::REJOIN_MEMBERS.name;
    pub const URGENCY: Urgency = Urgency::LONG;
}

#[async_trait]
impl Job for RejoinMembers {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn changes_server(&self, fields: &Value) -> bool {
        job_kinds::REJOIN_MEMBERS.changes_server && fields["Options"]["DryRun"] != true
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let fields = options::parse(&data)?;
        if self.grants.application.is_none() {
            return Err(InvalidRequest::NoApplication.into());
        }
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
        let run = Run {
            job: self,
            cx,
            fields: &fields,
        };
        run.run().await.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }
}
