//! Messages with pages that their reader turns with buttons.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    ComponentInteractionCollector, ComponentInteractionDataKind, CreateActionRow, CreateButton,
};

use crate::app::Context;
use crate::clicks;
use crate::error::BotError;
use crate::reply::{self, EditError};

/// How long the buttons work.
const PATIENCE: Duration = Duration::from_secs(120);

#[async_trait]
pub trait Pages: Send {
    /// First half of the custom ids of its buttons: `<prefix>:<page>`, `<prefix>:cancel`, and
    /// `<prefix>:selectmenu` with a page as value.
    const PREFIX: &'static str;

    /// The whole message that shows a page, buttons included. Any number may be asked for.
    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError>;
}

#[derive(Debug, PartialEq, Eq)]
enum Click {
    Page(usize),
    Cancel,
    Unknown,
}

/// Shows the first page and turns pages for the author of the command, for 120 seconds. Afterwards
/// the buttons disappear.
///
/// # Errors
/// The first page cannot be shown, or a later one not be made.
pub async fn show<P: Pages>(cx: Context<'_>, mut pages: P) -> Result<(), BotError> {
    let message = reply::answer(cx, pages.page(0).await?).await?;
    let clicks = ComponentInteractionCollector::new(cx.serenity_context())
        .message_id(message.message)
        .timeout(PATIENCE)
        .stream();
    let mut clicks = std::pin::pin!(clicks);
    let shutdown = &cx.data().shutdown;
    let mut current = 0;
    loop {
        let interaction = tokio::select! {
            () = shutdown.cancelled() => break,
            click = clicks.next() => match click {
                Some(interaction) => interaction,
                None => break,
            },
        };
        if interaction.user.id != cx.author().id {
            clicks::refuse(cx, &interaction).await;
            continue;
        }
        match click(P::PREFIX, &interaction.data) {
            Click::Page(number) => {
                clicks::acknowledge(cx, &interaction).await;
                current = number;
                match message.edit(cx, pages.page(number).await?).await {
                    Ok(()) => {}
                    Err(EditError::Gone) => return Ok(()),
                    Err(EditError::Discord(error)) => return Err(BotError::Discord(error)),
                }
            }
            Click::Cancel => {
                clicks::acknowledge(cx, &interaction).await;
                // Whoever deleted it first, it is gone.
                let _ = message.delete(cx).await;
                return Ok(());
            }
            Click::Unknown => clicks::acknowledge(cx, &interaction).await,
        }
    }
    let last = pages.page(current).await?.components(Vec::new());
    match message.edit(cx, last).await {
        Ok(()) | Err(EditError::Gone) => Ok(()),
        Err(EditError::Discord(error)) => Err(BotError::Discord(error)),
    }
}

fn click(prefix: &str, data: &serenity::ComponentInteractionData) -> Click {
    let target = data
        .custom_id
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix(':'));
    let value = match &data.kind {
        ComponentInteractionDataKind::StringSelect { values } => values.first().map(String::as_str),
        _ => None,
    };
    decide(target, value)
}

fn decide(target: Option<&str>, value: Option<&str>) -> Click {
    let page = |text: &str| text.parse().map_or(Click::Unknown, Click::Page);
    match target {
        Some("cancel") => Click::Cancel,
        Some("selectmenu") => value.map_or(Click::Unknown, page),
        Some(number) => page(number),
        None => Click::Unknown,
    }
}

/// Previous and next; none where there is one page.
pub fn buttons(prefix: &str, page: usize, pages: usize) -> Vec<CreateActionRow> {
    if pages == 1 && page == 0 {
        return Vec::new();
    }
    let previous = match page.checked_sub(1) {
        Some(target) => CreateButton::new(format!("{prefix}:{target}")),
        None => CreateButton::new(format!("{prefix}:none")).disabled(true),
    };
    let next = CreateButton::new(format!("{prefix}:{}", page + 1)).disabled(page + 1 >= pages);
    vec![CreateActionRow::Buttons(vec![
        previous.label("Previous"),
        next.label("Next"),
    ])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_ids() {
        for (target, value, click) in [
            (Some("3"), None, Click::Page(3)),
            (Some("-1"), None, Click::Unknown),
            (Some("cancel"), None, Click::Cancel),
            (Some("selectmenu"), Some("2"), Click::Page(2)),
            (Some("selectmenu"), None, Click::Unknown),
            (Some(""), None, Click::Unknown),
            (None, Some("2"), Click::Unknown),
        ] {
            assert_eq!(decide(target, value), click);
        }
    }
}
