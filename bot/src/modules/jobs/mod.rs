//! Jobs as people see them, whichever module orders them: started, shown until they end, looked at first and
//! agreed to. The jobserver carries them out.

mod ask;
mod begin;
mod board;
mod figures;
mod follow;
mod logs;
mod presses;
mod status;
mod told;

use std::sync::{Arc, OnceLock};

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, without_slash};
use splashtail_core::ids::{ChannelId, GuildId, TaskId};
use splashtail_discord::Discord;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::{Owner, Storage, StorageError, TaskRow, TaskState};
use tokio_util::sync::CancellationToken;

pub(super) use self::ask::{Looked, Order, Plan, look};
pub(super) use self::begin::Begun;
pub(super) use self::board::Board;
use self::follow::{Ending, StoredTask};
pub(super) use self::logs::{log_button, presses};
use self::status::head;
pub(super) use self::status::{download_link, icon, words};
pub(super) use self::told::{kind, said};
use super::Foundation;
use super::guarded::People;
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::framework::check::CommandChecks;
use crate::reply;
use crate::server_language::ServerLanguages;
use crate::text;

/// Orders jobs and shows what becomes of them.
pub struct Jobs {
    config: Arc<Config>,
    clock: SharedClock,
    storage: Storage,
    jobserver: JobserverClient,
    discord: Discord,
    people: Arc<dyn People>,
    languages: ServerLanguages,
    reach: OnceLock<Reach>,
}

/// What there is only once everything has been put together.
struct Reach {
    checks: Arc<dyn CommandChecks>,
    shutdown: CancellationToken,
}

impl Jobs {
    pub fn new(foundation: &Foundation, people: Arc<dyn People>) -> Self {
        let Foundation {
            config,
            clock,
            storage,
            jobserver,
            discord,
            languages,
            ..
        } = foundation.clone();
        Self {
            config,
            clock,
            storage,
            jobserver,
            discord,
            people,
            languages,
            reach: OnceLock::new(),
        }
    }

    /// To be called once, before the first button can be pressed.
    pub fn reach(&self, checks: Arc<dyn CommandChecks>, shutdown: CancellationToken) {
        // Whoever calls again changes nothing.
        let _ = self.reach.set(Reach { checks, shutdown });
    }

    /// Of what everybody in a server reads.
    fn language_of(&self, guild: GuildId) -> Language {
        let circle = self.people.circle(guild);
        circle.map_or_else(|| self.languages.of(guild, None), |circle| circle.language)
    }

    /// Public address of the API, without a slash at its end.
    pub(super) fn api(&self) -> String {
        without_slash(&self.config.sites.api).to_owned()
    }

    /// A job of this server.
    pub(super) async fn row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.filter(|row| row.owner == Owner::Server(guild)))
    }

    /// Shows a task until it ends.
    async fn follow(
        &self,
        task: TaskId,
        board: &mut Board,
        shutdown: &CancellationToken,
    ) -> Ending {
        let (storage, clock) = (self.storage.clone(), Arc::clone(&self.clock));
        let mut task = StoredTask::new(storage, clock, task);
        follow::follow(&mut task, board, self.clock.as_ref(), shutdown).await
    }

    /// A new message for a task.
    pub(super) fn board_in(&self, channel: ChannelId, language: Language) -> Board {
        Board::new_in(&self.discord, channel, (self.api(), language))
    }

    /// The same beside whatever called.
    pub(super) fn follow_beside(self: &Arc<Self>, task: TaskId, mut board: Board) {
        let Some(shutdown) = self.reach.get().map(|reach| reach.shutdown.clone()) else {
            return;
        };
        let jobs = Arc::clone(self);
        tokio::spawn(async move { jobs.follow(task, &mut board, &shutdown).await });
    }
}

/// What became of a task that was started and shown.
struct Ran {
    task: TaskId,
    board: Board,
    ending: Ending,
}

/// Starts a task and shows it until it ends.
pub(super) async fn run(cx: Context<'_>, kind: &str, data: Value) -> Result<(), BotError> {
    ran(cx, kind, data).await.map(drop)
}

async fn ran(cx: Context<'_>, kind: &str, data: Value) -> Result<Ran, BotError> {
    let app = cx.data();
    let jobs = app.services.get::<Jobs>()?;
    // Discord may deliver an interaction twice; its id makes the second one harmless.
    let key = cx.id().to_string();
    let created = jobs
        .jobserver
        .create_task(kind, data, true, Some(&key))
        .await?;

    let language = app::language_here(cx);
    let starting = CreateEmbed::new()
        .title(text!(language, "task-title"))
        .description(head(language, TaskState::Pending, created.task_id))
        .colour(colours::DARK_GREEN);
    let message = reply::answer(cx, CreateReply::default().embed(starting)).await?;
    let mut board = Board::of_answer(&jobs.discord, cx, &message, (jobs.api(), language));
    let ending = jobs
        .follow(created.task_id, &mut board, &app.shutdown)
        .await;
    Ok(Ran {
        task: created.task_id,
        board,
        ending,
    })
}
