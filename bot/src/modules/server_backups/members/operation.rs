//! People whom more than one person has agreed to bring back.

use std::sync::Arc;

use async_trait::async_trait;
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_discord::snowflake;
use splashtail_storage::GuardedRequest;

use super::super::Backups;
use super::TASK;
use crate::catalogue::Language;
use crate::modules::jobs::Begun;
use crate::operation::{Operation, Performed};
use crate::text;

pub(super) const ID: &str = "rejoin";

/// Starts the task. That nobody else comes back than the plan says is the jobserver's to see.
pub(in crate::modules::server_backups) struct Rejoin(
    pub(in crate::modules::server_backups) Arc<Backups>,
);

#[async_trait]
impl Operation for Rejoin {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self, language: Language) -> String {
        text!(language, "guarded-name-rejoin")
    }

    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed {
        let Some(task) = task(request) else {
            return Performed::Failed(text!(language, "guarded-unreadable"));
        };
        let begun = || text!(language, "rejoin-begun-task", task = task.to_string());
        let channel = snowflake::typed::<ChannelId>(&request.arguments["channel"]);
        let jobs = &self.0.jobs;
        match jobs.begin(TASK, task).await {
            Begun::Now => {
                if let Some(channel) = channel {
                    jobs.follow_beside(task, jobs.board_in(channel, language));
                }
                Performed::Done(begun())
            }
            Begun::Already => Performed::Done(begun()),
            Begun::Refused(why) => Performed::Failed(text!(language, "rejoin-refused", why = why)),
            Begun::Cancelled => {
                let why = text!(language, "rejoin-cancelled");
                Performed::Failed(text!(language, "rejoin-refused", why = why))
            }
            Begun::Busy | Begun::Later => Performed::Later,
        }
    }

    async fn dropped(&self, request: &GuardedRequest) {
        if let Some(task) = task(request) {
            self.0.cancel_rejoin(task).await;
        }
    }
}

fn task(request: &GuardedRequest) -> Option<TaskId> {
    request.arguments["task"].as_str()?.parse().ok()
}
