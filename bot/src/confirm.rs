//! A question before something is done, answered with a button by whoever ran the command.

use std::time::Duration;

use futures_util::StreamExt as _;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{ButtonStyle, ComponentInteractionCollector, CreateActionRow, CreateButton};

use crate::app::Context;
use crate::clicks;
use crate::error::BotError;
use crate::reply::{self, EditError, Reply};

/// How long the buttons work.
const PATIENCE: Duration = Duration::from_secs(120);
const YES: &str = "confirm:yes";
const NO: &str = "confirm:no";

/// Shows what would be done. The message when the author of the command wants it done; `None` when
/// they do not, or say nothing for 120 seconds: then the buttons disappear.
///
/// # Errors
/// The message cannot be shown.
pub async fn ask(
    cx: Context<'_>,
    shown: CreateReply,
    label: &str,
) -> Result<Option<Reply>, BotError> {
    let buttons = vec![
        CreateButton::new(YES)
            .label(label)
            .style(ButtonStyle::Danger),
        CreateButton::new(NO)
            .label("Cancel")
            .style(ButtonStyle::Secondary),
    ];
    let row = vec![CreateActionRow::Buttons(buttons)];
    let message = reply::answer(cx, shown.clone().components(row)).await?;
    let clicks = ComponentInteractionCollector::new(cx.serenity_context())
        .message_id(message.message)
        .timeout(PATIENCE)
        .stream();
    let mut clicks = std::pin::pin!(clicks);
    loop {
        let click = tokio::select! {
            () = cx.data().shutdown.cancelled() => break,
            click = clicks.next() => match click {
                Some(click) => click,
                None => break,
            },
        };
        if click.user.id != cx.author().id {
            clicks::refuse(cx, &click).await;
            continue;
        }
        clicks::acknowledge(cx, &click).await;
        match click.data.custom_id.as_str() {
            YES => return Ok(Some(message)),
            NO => break,
            _ => {}
        }
    }
    let over = shown.content("Nothing was done.").components(Vec::new());
    match message.edit(cx, over).await {
        Ok(()) | Err(EditError::Gone) => Ok(None),
        Err(EditError::Discord(error)) => Err(BotError::Discord(error)),
    }
}
