//! Backups that somebody brought: the webserver keeps the file and writes the row of a job that has ended.
//! What is left to do here is to delete both in time.

use async_trait::async_trait;
use serde_json::Value;
use splashtail_api_types::job_kinds::BROUGHT_BACKUP;
use splashtail_jobs::{
    Job, JobContext, JobError, JobOutput, PrepareError, Prepared, Priority, TaskRow,
};

use crate::backup;
use crate::objects::Objects;
use crate::request::InvalidRequest;

/// `guild_upload_backup`.
pub struct BroughtBackup {
    pub objects: Objects,
}

#[async_trait]
impl Job for BroughtBackup {
    fn name(&self) -> &'static str {
        BROUGHT_BACKUP
    }

    fn priority(&self) -> Priority {
        Priority::Scheduled
    }

    fn changes_server(&self, _: &Value) -> bool {
        false
    }

    async fn prepare(&self, _: Value) -> Result<Prepared, PrepareError> {
        Err(InvalidRequest::NotOrdered.into())
    }

    async fn run(&self, _: &JobContext) -> Result<Option<JobOutput>, JobError> {
        Err(JobError::permanent(
            "unknown_task",
            "there is nothing to run",
        ))
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        backup::remove(&self.objects, task.id).await
    }
}
