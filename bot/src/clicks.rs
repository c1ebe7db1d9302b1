//! Answers to clicks on the buttons of our own messages. Discord takes a click for failed that has
//! no answer within 3 seconds, so each is acknowledged before anything else is done for it.

use poise::serenity_prelude as serenity;
use serenity::{ComponentInteraction, CreateInteractionResponse, CreateInteractionResponseMessage};
use tracing::debug;

use crate::app::Context;
use crate::catalogue::Language;
use crate::discord_http::describe;
use crate::text;

/// The message stays as it is until it is edited.
pub async fn acknowledge(cx: Context<'_>, click: &ComponentInteraction) {
    let response = CreateInteractionResponse::Acknowledge;
    if let Err(error) = click.create_response(cx.http(), response).await {
        debug!(error = describe(&error), "a click was not acknowledged");
    }
}

/// Tells somebody else than the command's author.
pub async fn refuse(cx: Context<'_>, click: &ComponentInteraction) {
    let language = Language::of(&click.locale).unwrap_or_default();
    let message = CreateInteractionResponseMessage::new()
        .content(text!(language, "page-not-yours"))
        .ephemeral(true);
    let response = CreateInteractionResponse::Message(message);
    if let Err(error) = click.create_response(cx.http(), response).await {
        debug!(error = describe(&error), "a click was not answered");
    }
}
