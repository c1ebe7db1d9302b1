//! The framework as the client sees it: commands alone, with a count of what is running, and with an
//! eye on Ready. Events of servers come from the [router](crate::events::Router).

use poise::serenity_prelude as serenity;
use serenity::{Client, FullEvent, Interaction};
use splashtail_core::ids::ShardId;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::maintenance;
use crate::app::Data;
use crate::error::BotError;
use crate::ids;

/// Every dispatched event holds the tracker until its commands ended, so that a stop can wait for
/// them.
pub struct Tracked {
    inner: poise::Framework<Data, BotError>,
    data: Data,
    running: TaskTracker,
}

impl Tracked {
    pub fn new(inner: poise::Framework<Data, BotError>, data: Data, running: TaskTracker) -> Self {
        Self {
            inner,
            data,
            running,
        }
    }
}

#[serenity::async_trait]
impl serenity::Framework for Tracked {
    async fn init(&mut self, client: &Client) {
        self.inner.init(client).await;
    }

    async fn dispatch(&self, cx: serenity::Context, event: FullEvent) {
        let is_for_commands = matches!(
            event,
            FullEvent::Ready { .. }
                | FullEvent::Message { .. }
                | FullEvent::InteractionCreate { .. }
        );
        if !is_for_commands {
            return;
        }
        let _running = self.running.token();
        match &event {
            FullEvent::Ready { .. } => {
                let shard = u16::try_from(cx.shard_id.0).map(ShardId);
                info!(shard.id = cx.shard_id.0, "shard ready");
                self.inner.dispatch(cx, event).await;
                // After the framework has its data: from here on commands are taken.
                if let Ok(shard) = shard {
                    self.data.state.ready.mark(shard);
                }
                return;
            }
            FullEvent::InteractionCreate {
                interaction: Interaction::Command(command),
            } if maintenance::applies(&self.data, ids::user(command.user.id)) => {
                maintenance::answer_command(&cx, &self.data, command).await;
                return;
            }
            FullEvent::InteractionCreate {
                interaction: Interaction::Autocomplete(command),
            } if maintenance::applies(&self.data, ids::user(command.user.id)) => {
                return;
            }
            // Of the desk.
            FullEvent::InteractionCreate {
                interaction: Interaction::Component(_) | Interaction::Modal(_),
            } => return,
            FullEvent::Message { new_message }
                if !new_message.author.bot
                    && new_message.content.starts_with(super::PREFIX)
                    && maintenance::applies(&self.data, ids::user(new_message.author.id)) =>
            {
                maintenance::answer_message(&self.data, new_message).await;
                return;
            }
            _ => {}
        }
        self.inner.dispatch(cx, event).await;
    }
}
