//! The job: what an order becomes, and what is left when it ends.

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

use super::lift;
use super::options::{self, Fields};
use super::run::Run;
use super::stopped::Desk;
use crate::backup;
use crate::objects::Objects;
use crate::request::InvalidRequest;
use crate::urgency::Urgency;

/// `mass_ban`.
pub struct MassBan {
    pub discord: Discord,
    pub objects: Objects,
    pub storage: Storage,
    pub clock: SharedClock,
    /// By which the bot knows what jobs do.
    pub marks: Option<TagKey>,
}

impl MassBan {
    pub const NAME: &'static str = job_kinds::MASS_BAN.name;
    pub const URGENCY: Urgency = Urgency::CONTAINMENT;
}

#[async_trait]
impl Job for MassBan {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn changes_server(&self, fields: &Value) -> bool {
        job_kinds::MASS_BAN.changes_server && fields["Options"]["DryRun"] != true
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let fields = options::parse(&data)?;
        if let Some(undo) = fields.options.undo {
            let now = self.clock.now();
            match lift::is_ours(&self.storage, now, fields.server_id, undo).await {
                Ok(true) => {}
                Ok(false) => return Err(InvalidRequest::NoBan(undo).into()),
                Err(_) => return Err(PrepareError::internal("the ban cannot be looked up")),
            }
        }
        Ok(Prepared {
            owner: Owner::Server(fields.server_id),
            slot: Some(fields.server_id),
            encrypted: false,
            // Nobody does harm while a ban is taken back.
            priority: fields.options.undo.map(|_| Priority::Interactive),
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

    async fn ended(&self, task: TaskId) {
        let desk = Desk {
            storage: self.storage.clone(),
            objects: self.objects.clone(),
            clock: self.clock.clone(),
        };
        desk.publish(task).await;
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }
}
