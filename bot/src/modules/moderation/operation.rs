//! A mass ban that more than one person has agreed to.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_discord::snowflake;
use splashtail_storage::GuardedRequest;

use super::mass_bans::MassBans;
use crate::catalogue::Language;
use crate::modules::guarded::{Operation, Performed};
use crate::modules::server_backups::Begun;
use crate::text;

pub(super) const ID: &str = "mass_ban";

/// The task that waits to be started, with the plan's hash in it, and where its progress is shown.
pub(super) fn arguments(task: TaskId, channel: ChannelId) -> Value {
    json!({"task": task, "channel": channel})
}

/// Starts the task. That it bans nobody else than the plan says is the jobserver's to see.
pub(super) struct MassBan(pub(super) Arc<MassBans>);

#[async_trait]
impl Operation for MassBan {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self, language: Language) -> String {
        text!(language, "guarded-name-mass-ban")
    }

    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed {
        let Some(task) = task(request) else {
            return Performed::Failed(text!(language, "guarded-unreadable"));
        };
        let channel = snowflake::typed::<ChannelId>(&request.arguments["channel"]);
        let board = channel.map(|channel| self.0.jobs.board_in(channel, language));
        match self.0.begin(task, board).await {
            Begun::Now | Begun::Already => {
                Performed::Done(text!(language, "massban-begun", task = task.to_string()))
            }
            Begun::Refused(why) => Performed::Failed(text!(language, "massban-refused", why = why)),
            Begun::Cancelled => Performed::Failed(text!(language, "massban-cancelled")),
            Begun::Later => Performed::Later,
        }
    }

    async fn dropped(&self, request: &GuardedRequest) {
        if let Some(task) = task(request) {
            self.0.cancel(task).await;
        }
    }
}

fn task(request: &GuardedRequest) -> Option<TaskId> {
    request.arguments["task"].as_str()?.parse().ok()
}
