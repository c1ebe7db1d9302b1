//! Before much is done: what a look says would be done, and somebody's word for it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::Upload;
use splashtail_storage::{StorageError, TaskState};

use super::board::{Board, BoardError};
use super::follow::Ending;
use super::{Jobs, Ran, ran};
use crate::app::Context;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::ids;
use crate::modules::guarded::{Ask, AskError, Desk};

/// What would be done, as people are shown it.
pub(in crate::modules) trait Plan: Sync {
    /// The message that shows it, with this below it.
    fn body(&self, text: &str, buttons: &[Value]) -> Value;

    /// What the message has no room for.
    fn file(&self) -> Option<Upload> {
        None
    }

    /// All of it, for those who have to agree.
    fn lines(&self) -> Vec<String>;

    fn hash(&self) -> &str;
}

/// A look that has ended well, and its message.
pub(in crate::modules) struct Looked {
    pub task: TaskId,
    guild: GuildId,
    board: Board,
}

/// What waits for somebody's word.
pub(in crate::modules) struct Order {
    /// Others than whoever ordered it have to agree.
    pub by_others: bool,
    /// That has it done, and what it needs.
    pub operation: &'static str,
    pub arguments: Value,
    /// What whoever ordered it is asked, and the buttons for the answer.
    pub question: String,
    pub buttons: Vec<Value>,
}

/// Looks at what would be done; `None` when that did not end well, as its message says then.
pub(in crate::modules) async fn look(
    cx: Context<'_>,
    kind: &str,
    data: Value,
) -> Result<Option<Looked>, BotError> {
    let guild = ids::guild_of(cx)?;
    let Ran {
        task,
        board,
        ending,
    } = ran(cx, kind, data).await?;
    let jobs = cx.data().services.get::<Jobs>()?;
    let looked = Looked { task, guild, board };
    Ok(jobs.ended_well(looked, ending).await?)
}

impl Jobs {
    /// The same of a look that was begun already, in a new message.
    pub(in crate::modules) async fn look_in(
        &self,
        guild: GuildId,
        channel: ChannelId,
        task: TaskId,
    ) -> Result<Option<Looked>, StorageError> {
        let Some(reach) = self.reach.get() else {
            return Ok(None);
        };
        let mut board = self.board_in(channel, self.language_of(guild));
        let ending = self.follow(task, &mut board, &reach.shutdown).await;
        self.ended_well(Looked { task, guild, board }, ending).await
    }

    async fn ended_well(
        &self,
        looked: Looked,
        ending: Ending,
    ) -> Result<Option<Looked>, StorageError> {
        if ending != Ending::Finished {
            return Ok(None);
        }
        let row = self.row(looked.guild, looked.task).await?;
        let done = row.is_some_and(|row| row.state == TaskState::Completed);
        Ok(done.then_some(looked))
    }
}

impl Looked {
    /// Of what everybody in the server reads.
    pub fn language(&self) -> Language {
        self.board.language()
    }

    pub fn channel(&self) -> ChannelId {
        self.board.channel()
    }

    /// Shows the plan and why nothing comes of it.
    pub async fn say(mut self, plan: &dyn Plan, text: &str) -> Result<(), BotError> {
        self.show(plan, text, &[]).await
    }

    /// Shows the plan and asks for the word that it takes.
    pub async fn ask(
        mut self,
        desk: &Arc<Desk>,
        by: UserId,
        plan: &dyn Plan,
        order: Order,
    ) -> Result<(), BotError> {
        if !order.by_others {
            return self.show(plan, &order.question, &order.buttons).await;
        }
        let ask = Ask {
            guild: self.guild,
            operation: order.operation,
            arguments: order.arguments,
            summary: plan.lines(),
            digest: plan.hash().to_owned(),
            by,
            here: Some(self.board.channel()),
        };
        let text = match desk.ask(ask).await {
            Ok(text) | Err(AskError::Refused(text)) => text,
            Err(AskError::Storage(error)) => return Err(error.into()),
        };
        self.show(plan, &text, &[]).await
    }

    async fn show(
        &mut self,
        plan: &dyn Plan,
        text: &str,
        buttons: &[Value],
    ) -> Result<(), BotError> {
        const PAUSE: Duration = Duration::from_secs(1);
        let (body, file) = (plan.body(text, buttons), plan.file());
        // Whoever asked has to see it to answer it.
        for _ in 0..3 {
            match self.board.show_with(&body, file.as_ref()).await {
                Ok(()) | Err(BoardError::Gone) => return Ok(()),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "a plan was not shown");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }
}
