//! Orders mass bans and starts them on somebody's word.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ChannelId, GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, Lane};
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::{Owner, Storage, StorageError, TaskRow};
use tracing::warn;

use super::plan::{FRESH, Plan};
use crate::error::BotError;
use crate::modules::guarded::{People, Wanted};
use crate::modules::server_backups::{Backups, Begun, Board};
use crate::text;

/// Entries of a log that are looked through for the plan.
const LOOKED_AT: u32 = 200;

pub(super) struct MassBans {
    pub(super) jobs: Arc<Backups>,
    pub(super) jobserver: JobserverClient,
    pub(super) storage: Storage,
    pub(super) clock: SharedClock,
    pub(super) discord: Discord,
    pub(super) people: Arc<dyn People>,
}

/// Why one person's word does not start a ban.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAlone {
    Guarded,
    TooOld,
}

impl MassBans {
    pub(super) const TASK: &'static str = job_kinds::MASS_BAN.name;

    /// A mass ban of this server.
    pub(super) async fn row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.filter(|row| row.name == Self::TASK && row.owner == Owner::Server(guild)))
    }

    /// The plan that a look has told; `None` when it told none.
    pub(super) async fn plan_of(&self, task: TaskId) -> Result<Option<Plan>, StorageError> {
        let log = self.storage.tasks().log(task, 0, LOOKED_AT).await?;
        Ok(Plan::read(&log))
    }

    /// Orders what was shown; nothing is done before it is started.
    pub(super) async fn prepare(
        &self,
        data: Value,
        plan: &Plan,
        key: &str,
    ) -> Result<TaskId, BotError> {
        let data = plan.approved(data);
        let created = self
            .jobserver
            .create_task(Self::TASK, data, false, Some(key));
        Ok(created.await?.task_id)
    }

    /// Whether one person's word is enough at this moment: it may have been when it was planned.
    pub(super) async fn may_alone(
        &self,
        guild: GuildId,
        row: &TaskRow,
        count: usize,
    ) -> Result<Result<(), NotAlone>, StorageError> {
        let age = (self.clock.now() - row.created_at).to_std();
        if age.is_ok_and(|age| age > FRESH) {
            return Ok(Err(NotAlone::TooOld));
        }
        let wanted = Wanted::stored(&self.storage, guild).await?;
        Ok(match wanted.guards_bans(count) {
            true => Err(NotAlone::Guarded),
            false => Ok(()),
        })
    }

    /// Starts it and shows how far it is on the board. Repeating it changes nothing.
    pub(super) async fn begin(&self, task: TaskId, board: Option<Board>) -> Begun {
        let begun = self.jobs.begin(Self::TASK, task).await;
        if let Some(board) = board.filter(|_| begun == Begun::Now) {
            self.jobs.follow_beside(task, board);
        }
        begun
    }

    /// Nobody wants it any more.
    pub(super) async fn cancel(&self, task: TaskId) {
        if let Err(error) = self.jobserver.cancel_task(task).await {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %task, error = %Chain(&error), "a mass ban that nobody wants was not cancelled");
        }
    }

    /// Tells where alerts go that one person bans many.
    pub(super) async fn tell(
        &self,
        guild: GuildId,
        here: ChannelId,
        (by, task): (UserId, TaskId),
        count: usize,
    ) {
        let Some(circle) = self.people.circle(guild) else {
            return;
        };
        let Some(channel) = circle.alert_channel.filter(|channel| *channel != here) else {
            return;
        };
        let who = format!("<@{by}>");
        let task = task.to_string();
        let told = text!(
            circle.language,
            "massban-told",
            who = who,
            count = count,
            task = task
        );
        let body = json!({"content": told, "allowed_mentions": {"parse": []}});
        let post = self.discord.in_lane(Lane::Interactive);
        let post = post.post(format!("/channels/{channel}/messages"));
        if let Err(error) = post.json(&body).send_empty().await {
            warn!(guild.id = %guild, error = %Chain(&error), "a mass ban was not told");
        }
    }
}
