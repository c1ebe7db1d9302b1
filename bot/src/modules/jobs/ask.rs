//! Before much is done: what a look says would be done, and somebody's word for it.

use std::time::Duration;

use serde_json::Value;
use splashtail_core::ids::{ChannelId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::Upload;
use splashtail_storage::TaskState;

use super::board::{Board, BoardError};
use super::follow::Ending;
use super::{Jobs, Ran, ran};
use crate::app::Context;
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
    let Ran {
        task,
        board,
        ending,
    } = ran(cx, kind, data).await?;
    if ending != Ending::Finished {
        return Ok(None);
    }
    let row = cx.data().services.get::<Jobs>()?;
    let row = row.row(ids::guild_of(cx)?, task).await?;
    let done = row.is_some_and(|row| row.state == TaskState::Completed);
    Ok(done.then_some(Looked { task, board }))
}

impl Looked {
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
        cx: Context<'_>,
        plan: &dyn Plan,
        order: Order,
    ) -> Result<(), BotError> {
        if !order.by_others {
            return self.show(plan, &order.question, &order.buttons).await;
        }
        let desk = cx.data().services.get::<Desk>()?;
        let ask = Ask {
            guild: ids::guild_of(cx)?,
            operation: order.operation,
            arguments: order.arguments,
            summary: plan.lines(),
            digest: plan.hash().to_owned(),
            by: ids::user(cx.author().id),
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
