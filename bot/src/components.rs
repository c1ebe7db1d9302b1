//! Presses of buttons and menus under messages of the bot that keep nothing in memory: they work as
//! long as the message is there, whichever process wrote it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use poise::serenity_prelude as serenity;
use serenity::{
    ComponentInteraction, CreateEmbed, CreateInteractionResponse, CreateInteractionResponseMessage,
    EditInteractionResponse,
};
use splashtail_core::telemetry::Chain;
use tracing::{debug, error};

use crate::app::Data;
use crate::catalogue::Language;
use crate::colours;
use crate::discord_http::{describe, once_more};
use crate::error::BotError;
use crate::framework::maintenance;
use crate::text;

/// What a module does with presses.
#[derive(Clone, Copy)]
pub struct Presses {
    /// The first part of the custom ids of its buttons and menus, up to the colon.
    pub prefix: &'static str,
    /// It answers the press itself; an error is told to whoever pressed.
    pub act: fn(Press) -> BoxFuture<'static, Result<(), BotError>>,
}

/// A button that was pressed, or a menu in which something was chosen.
#[derive(Clone)]
pub struct Press {
    pub app: Data,
    pub http: Arc<serenity::Http>,
    pub interaction: ComponentInteraction,
    /// Of whoever pressed.
    pub language: Language,
}

/// Has the module act to which the button belongs; those of other messages are nobody's here.
pub async fn dispatch(app: &Data, http: &Arc<serenity::Http>, interaction: &ComponentInteraction) {
    let id = &interaction.data.custom_id;
    let prefix = id.split_once(':').map_or(id.as_str(), |(prefix, _)| prefix);
    let Some(presses) = app.registry.presses(prefix) else {
        return;
    };
    let press = Press {
        app: Arc::clone(app),
        http: Arc::clone(http),
        interaction: interaction.clone(),
        language: Language::of(&interaction.locale).unwrap_or_default(),
    };
    if maintenance::applies(app, interaction.user.id) {
        return press
            .refuse(text!(press.language, "maintenance-text"))
            .await;
    }
    let Err(error) = (presses.act)(press.clone()).await else {
        return;
    };
    if error.is_ours() {
        match &error {
            BotError::Discord(cause) => error!(prefix, error = cause.describe(), "a press failed"),
            error => error!(prefix, error = %Chain(error), "a press failed"),
        }
    }
    press.refuse(error.user_text(press.language)).await;
}

impl Press {
    /// The parts of the custom id behind the prefix.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.interaction.data.custom_id.split(':').skip(1)
    }

    /// Tells Discord that the message will change. To be called before anything that takes time:
    /// Discord drops a press that is unanswered for 3 seconds.
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn defer(&self) -> Result<(), serenity::Error> {
        let answer = || CreateInteractionResponse::Acknowledge;
        once_more(|| self.interaction.create_response(&self.http, answer())).await
    }

    /// Changes the message under which was pressed, after [`Press::defer`].
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn show(&self, edit: EditInteractionResponse) -> Result<(), serenity::Error> {
        once_more(|| self.interaction.edit_response(&self.http, edit.clone())).await?;
        Ok(())
    }

    /// Says to whoever pressed, and nobody else, why nothing was done.
    pub async fn refuse(&self, why: String) {
        let embed = CreateEmbed::new().description(why).colour(colours::RED);
        let message = CreateInteractionResponseMessage::new()
            .embed(embed.clone())
            .ephemeral(true);
        let answer = CreateInteractionResponse::Message(message);
        if self
            .interaction
            .create_response(&self.http, answer)
            .await
            .is_ok()
        {
            return;
        }
        // It was answered before.
        let follow_up = serenity::CreateInteractionResponseFollowup::new();
        let follow_up = follow_up.embed(embed).ephemeral(true);
        if let Err(error) = self
            .interaction
            .create_followup(&self.http, follow_up)
            .await
        {
            debug!(error = describe(&error), "a press was not answered");
        }
    }
}
