//! Events of the gateway on their way into the engine.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_antinuke::{Input, Mode};
use splashtail_guild::{Id, Kind};

use super::buttons;
use super::service::Protection;
use crate::events::{Event, EventKind, EventKinds, GapCause, Listener};
use crate::guilds::GuildView;

/// A session that went on after less than this has sent everything again by itself.
const SHORT: std::time::Duration = std::time::Duration::from_secs(3);

/// What the engine asks of a message, as Discord names it: texts, embeds and files are passed over.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    id: Id,
    channel_id: Id,
    author: Author,
    webhook_id: Option<Id>,
    application_id: Option<Id>,
    flags: Option<u64>,
    #[serde(default)]
    mention_everyone: bool,
}

impl Message {
    /// Nobody can attack with it.
    fn is_plain(&self) -> bool {
        self.webhook_id.is_none() && !self.mention_everyone
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Author {
    id: Id,
}

pub(super) struct Ear(pub(super) Arc<Protection>);

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[
            EventKind::GuildAuditLogEntryCreate,
            EventKind::GuildBanAdd,
            EventKind::GuildMemberAdd,
            EventKind::GuildMemberUpdate,
            EventKind::GuildMemberRemove,
            EventKind::GuildCreate,
            EventKind::GuildGone,
            EventKind::GuildRoleCreate,
            EventKind::GuildRoleUpdate,
            EventKind::GuildRoleDelete,
            EventKind::ChannelDelete,
            EventKind::ThreadDelete,
            EventKind::AutoModerationRuleDelete,
            EventKind::AutoModerationActionExecution,
            EventKind::GuildScheduledEventDelete,
            EventKind::GuildSoundboardSoundDelete,
            EventKind::MessageCreate,
            EventKind::MessageDelete,
            EventKind::InteractionCreate,
            EventKind::Gap,
        ])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let protection = &self.0;
        let Some(server) = protection.load(guild).await else {
            return Ok(());
        };
        if let Some(gap) = event.gap() {
            let long = gap.cause != GapCause::Resumed || gap.lasted >= SHORT;
            let now = protection.now();
            // Without any id of Discord's there is nothing to go back from.
            if long && now.0 > 0 {
                let ms = u64::try_from(gap.lasted.as_millis()).unwrap_or(u64::MAX);
                let lost = now.minus(ms);
                protection.tell(&server, Input::Gap { lost });
            }
            return Ok(());
        }
        let data: Value = match event.kind {
            // There are far more of these than of everything else.
            EventKind::MessageCreate | EventKind::MessageDelete if !server.judges() => {
                return Ok(());
            }
            EventKind::MessageCreate => {
                let message: Message = event.decode()?;
                if message.is_plain() {
                    protection.see(message.id);
                    server.note_message(message.channel_id, message.id);
                    return Ok(());
                }
                serde_json::to_value(message)?
            }
            _ => event.decode()?,
        };
        let dated = matches!(
            event.kind,
            EventKind::GuildAuditLogEntryCreate
                | EventKind::MessageCreate
                | EventKind::InteractionCreate
        );
        if let Some(id) = Id::of(&data).filter(|_| dated) {
            protection.see(id);
        }
        match event.kind {
            EventKind::GuildAuditLogEntryCreate => {
                let input = Input::Entry {
                    raw: &data,
                    polled: false,
                };
                protection.tell(&server, input);
                let took = protection.clock.monotonic().saturating_sub(event.received);
                metrics::histogram!("bot_antinuke_decision_seconds").record(took);
            }
            EventKind::InteractionCreate => {
                buttons::pressed(protection, &server, &data);
            }
            kind => {
                // Of a hidden channel the last clear form counts, not what stands for it now.
                let before = guild.delta().changes().iter().rev();
                let before = before.filter(|change| change.kind != Kind::Hidden);
                let mut before = before.filter_map(|change| change.before.as_deref());
                let input = Input::Event {
                    name: kind.name(),
                    data: &data,
                    before: before.next(),
                };
                protection.tell(&server, input);
            }
        }
        if event.kind != EventKind::GuildGone {
            protection.catch_up(&server);
        } else {
            protection.write_soon(&server);
            // Otherwise it is needed until its owner was told.
            if server.read(|engine, _| engine.policy().mode == Mode::Off) {
                protection.forget(guild.id());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_message_everything_is_kept_that_the_engine_asks_for() {
        let whole = json!({
            "id": "5", "channel_id": "6", "guild_id": "7", "content": "hello", "tts": false,
            "author": {"id": "8", "username": "someone", "avatar": null}, "type": 0,
            "webhook_id": "8", "application_id": null, "flags": 2, "mention_everyone": true,
            "embeds": [{"title": "x"}], "attachments": [], "mentions": [], "mention_roles": [],
        });
        let view: Message = serde_json::from_str(&whole.to_string()).unwrap();
        assert!(!view.is_plain());
        let view = serde_json::to_value(view).unwrap();
        for field in [
            "id",
            "channel_id",
            "webhook_id",
            "application_id",
            "flags",
            "mention_everyone",
        ] {
            assert_eq!(view[field], whole[field], "{field}");
        }
        assert_eq!(view["author"]["id"], "8");

        let plain = r#"{"id": "5", "channel_id": "6", "author": {"id": "8"}}"#;
        let view: Message = serde_json::from_str(plain).unwrap();
        assert!(view.is_plain());
    }
}
