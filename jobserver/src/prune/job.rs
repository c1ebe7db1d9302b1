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

use super::options::{self, Fields};
use super::run::Run;
use crate::backup;
use crate::backup::work::Work;
use crate::objects::Objects;
use crate::urgency::Urgency;

/// `message_prune`.
#[derive(Clone)]
pub struct MessagePrune {
    pub discord: Discord,
    pub objects: Objects,
    pub clock: SharedClock,
    /// By which the bot knows what jobs do.
    pub marks: Option<TagKey>,
}

impl MessagePrune {
    pub const NAME: &'static str = job_kinds::MESSAGE_PRUNE.name;
    pub const URGENCY: Urgency = Urgency::AWAITED;
}

#[async_trait]
impl Job for MessagePrune {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn priority(&self) -> Priority {
        Self::URGENCY.priority
    }

    fn changes_server(&self, fields: &Value) -> bool {
        job_kinds::MESSAGE_PRUNE.changes_server && fields["Options"]["DryRun"] != true
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        let fields = options::parse(&data)?;
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
        let work = Work::new(self.objects.clone(), cx.id(), cx.attempt(), None);
        let run = Run {
            job: self,
            cx,
            fields: &fields,
            work: &work,
        };
        run.run().await.map(Some)
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }

    async fn ended(&self, task: TaskId) {
        backup::clear_up(&self.objects, task).await;
    }
}
