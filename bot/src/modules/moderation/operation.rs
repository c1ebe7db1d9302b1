//! A mass ban, or taking one back, that more than one person has agreed to.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_discord::snowflake;
use splashtail_storage::GuardedRequest;

use super::deed::Deed;
use super::mass_bans::MassBans;
use crate::catalogue::Language;
use crate::modules::jobs::Begun;
use crate::operation::{Operation, Performed};
use crate::text;

pub(super) const fn id(deed: Deed) -> &'static str {
    match deed {
        Deed::Ban => "mass_ban",
        Deed::Lift => "mass_unban",
    }
}

/// The task that waits to be started, with the plan's hash in it, and where its progress is shown.
pub(super) fn arguments(task: TaskId, channel: ChannelId) -> Value {
    json!({"task": task, "channel": channel})
}

/// Starts the task. That it bans nobody else than the plan says is the jobserver's to see.
pub(super) struct Agreed {
    pub(super) bans: Arc<MassBans>,
    pub(super) deed: Deed,
}

#[async_trait]
impl Operation for Agreed {
    fn id(&self) -> &'static str {
        id(self.deed)
    }

    fn name(&self, language: Language) -> String {
        match self.deed {
            Deed::Ban => text!(language, "guarded-name-mass-ban"),
            Deed::Lift => text!(language, "guarded-name-mass-unban"),
        }
    }

    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed {
        let Some(task) = task(request) else {
            return Performed::Failed(text!(language, "guarded-unreadable"));
        };
        let channel = snowflake::typed::<ChannelId>(&request.arguments["channel"]);
        let jobs = &self.bans.jobs;
        let board = channel.map(|channel| jobs.board_in(channel, language));
        let words = self.deed.words(language);
        match self.bans.begin(task, board).await {
            Begun::Now | Begun::Already => Performed::Done(words.begun(task)),
            Begun::Refused(why) => Performed::Failed(words.refused(&why)),
            Begun::Cancelled => Performed::Failed(text!(language, "massban-cancelled")),
            Begun::Busy | Begun::Later => Performed::Later,
        }
    }

    async fn dropped(&self, request: &GuardedRequest) {
        if let Some(task) = task(request) {
            self.bans.cancel(task).await;
        }
    }
}

pub(super) fn task(request: &GuardedRequest) -> Option<TaskId> {
    request.arguments["task"].as_str()?.parse().ok()
}
