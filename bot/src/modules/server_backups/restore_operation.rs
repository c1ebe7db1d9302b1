//! A restore that more than one person has agreed to.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::snowflake;
use splashtail_storage::GuardedRequest;
use tracing::warn;

use super::{Backups, RESTORE_TASK};
use crate::catalogue::Language;
use crate::modules::jobs::Begun;
use crate::operation::{Operation, Performed};
use crate::text;

pub(super) const ID: &str = "restore";

/// The task that waits to be started, with the plan's hash in it, and where its progress is shown.
pub(super) fn arguments(task: TaskId, channel: ChannelId) -> Value {
    json!({"task": task, "channel": channel})
}

/// Starts the task. That it does nothing else than the plan is the jobserver's to see: it looks at the
/// server again and compares the hash.
pub(super) struct Restore(pub(super) Arc<Backups>);

#[async_trait]
impl Operation for Restore {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self, language: Language) -> String {
        text!(language, "guarded-name-restore")
    }

    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed {
        let Some(task) = task(request) else {
            return Performed::Failed(text!(language, "guarded-unreadable"));
        };
        let begun = || text!(language, "restore-begun-task", task = task.to_string());
        let channel = snowflake::typed::<ChannelId>(&request.arguments["channel"]);
        let jobs = &self.0.jobs;
        match jobs.begin(RESTORE_TASK, task).await {
            Begun::Now => {
                if let Some(channel) = channel {
                    jobs.follow_beside(task, jobs.board_in(channel, language));
                }
                Performed::Done(begun())
            }
            Begun::Already => Performed::Done(begun()),
            Begun::Refused(why) => Performed::Failed(text!(language, "restore-refused", why = why)),
            Begun::Cancelled => {
                let why = text!(language, "restore-cancelled");
                Performed::Failed(text!(language, "restore-refused", why = why))
            }
            Begun::Busy | Begun::Later => Performed::Later,
        }
    }

    async fn dropped(&self, request: &GuardedRequest) {
        let Some(task) = task(request) else { return };
        if let Err(error) = self.0.jobserver.cancel_task(task).await {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %task, error = %Chain(&error), "a restore that nobody wants was not cancelled");
        }
    }
}

fn task(request: &GuardedRequest) -> Option<TaskId> {
    request.arguments["task"].as_str()?.parse().ok()
}
