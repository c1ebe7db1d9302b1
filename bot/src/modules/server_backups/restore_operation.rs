//! A restore that more than one person has agreed to.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::snowflake;
use splashtail_storage::GuardedRequest;
use tracing::warn;

use super::Backups;
use super::begin::Begun;
use super::board::Board;
use crate::modules::guarded::{Operation, Performed};

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

    fn name(&self) -> &'static str {
        "Restore a backup"
    }

    async fn perform(&self, request: &GuardedRequest) -> Performed {
        let Some(task) = task(request) else {
            return Performed::Failed("What was agreed to cannot be read.".to_owned());
        };
        let channel = snowflake::typed::<ChannelId>(&request.arguments["channel"]);
        match self.0.begin(task).await {
            Begun::Now => {
                if let Some(channel) = channel {
                    let board = Board::new_in(&self.0.discord, channel, self.0.api());
                    self.0.follow_beside(task, board);
                }
                Performed::Done(format!("The restore has begun: task `{task}`."))
            }
            Begun::Already => Performed::Done(format!("The restore has begun: task `{task}`.")),
            Begun::Refused(why) => Performed::Failed(format!("Not restored: {why}")),
            Begun::Later => Performed::Later,
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
