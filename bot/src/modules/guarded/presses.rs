//! Buttons under a request. They work as long as the message is there.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use splashtail_core::telemetry::Chain;
use tracing::{error, warn};
use uuid::Uuid;

use super::desk::Desk;
use super::rules::Word;
use super::text::PREFIX;
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::guilds::GuildView;
use crate::presses::{Press, parts};

pub(super) struct Ear(pub(super) Arc<Desk>);

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[EventKind::InteractionCreate])
    }

    async fn on_event(&self, event: &Event, _: &GuildView) -> anyhow::Result<()> {
        let data: Value = event.decode()?;
        let Some(press) = Press::read(&data) else {
            return Ok(());
        };
        let Some((word, id)) = parts(&press.custom_id, PREFIX) else {
            return Ok(());
        };
        let Some((word, id)) = Word::read(word).zip(Uuid::parse_str(id).ok()) else {
            return Ok(());
        };
        let desk = Arc::clone(&self.0);
        // Whoever calls does not wait for Discord.
        tokio::spawn(async move { desk.pressed(&press, word, id).await });
        Ok(())
    }
}

impl Desk {
    async fn pressed(&self, press: &Press, word: Word, id: Uuid) {
        if let Err(error) = press.defer(&self.discord).await {
            warn!(error = %Chain(&error), "a press was not acknowledged");
            // What was said counts all the same.
        }
        let text = match self.hear((press.guild, id), press.user, word).await {
            Ok(text) => text,
            Err(error) => {
                error!(request.id = %id, error = %Chain(&error), "a word was not heard");
                "The database did not answer. Please try again in a minute.".to_owned()
            }
        };
        if let Err(error) = press.fill(&self.discord, &text).await {
            warn!(error = %Chain(&error), "a press was not answered");
        }
    }
}
