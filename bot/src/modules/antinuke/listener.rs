//! Events of the gateway on their way into the engine.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use splashtail_antinuke::{Input, Mode, Moment};
use splashtail_guild::{Id, Kind};

use super::server::Server;
use super::service::Protection;
use crate::events::{Event, EventKind, EventKinds, GapCause, Listener};
use crate::guilds::GuildView;

/// What tells whether a message is worth a look; the rest of it is passed over.
#[derive(Debug, Deserialize)]
struct Message {
    id: Id,
    channel_id: Id,
    webhook_id: Option<Id>,
    #[serde(default)]
    mention_everyone: bool,
}

impl Message {
    /// Nobody can attack with it.
    fn is_plain(&self) -> bool {
        self.webhook_id.is_none() && !self.mention_everyone
    }
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
            EventKind::GuildUpdate,
            EventKind::GuildGone,
            EventKind::GuildRoleCreate,
            EventKind::GuildRoleUpdate,
            EventKind::GuildRoleDelete,
            EventKind::ChannelCreate,
            EventKind::ChannelUpdate,
            EventKind::ChannelDelete,
            EventKind::ThreadDelete,
            EventKind::GuildEmojisUpdate,
            EventKind::GuildStickersUpdate,
            EventKind::AutoModerationRuleCreate,
            EventKind::AutoModerationRuleUpdate,
            EventKind::AutoModerationRuleDelete,
            EventKind::AutoModerationActionExecution,
            EventKind::GuildScheduledEventCreate,
            EventKind::GuildScheduledEventUpdate,
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
        // What is seen first is no change.
        let known = protection.server(guild.id()).is_some();
        let Some(server) = protection.load(guild).await else {
            return Ok(());
        };
        if known {
            remember(&server, event, guild, protection.dated());
        }
        if only_remembered(event.kind) {
            return Ok(());
        }
        if let Some(gap) = event.gap() {
            server.lose(protection.clock.monotonic(), gap.lasted);
            // What was written down tells of Discord's time, if nothing else has.
            protection.catch_up(&server);
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
                event.decode()?
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
            // It dates what comes after it, and nothing else.
            EventKind::InteractionCreate => {}
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

/// Notes what an event changed, and what was missed before it.
fn remember(server: &Server, event: &Event, guild: &GuildView, now: Moment) {
    if !server.judges() {
        if !guild.delta().changes().is_empty() {
            server.past(|past| past.begin_again(now));
        }
        return;
    }
    server.note(guild, now);
    server.past(|past| match event.gap() {
        Some(gap) => {
            let from = now.minus(u64::try_from(gap.lasted.as_millis()).unwrap_or(u64::MAX));
            past.note_gap(from, now, gap.cause == GapCause::Resumed);
        }
        None if event.kind == EventKind::GuildCreate => past.note_whole(now),
        None => {}
    });
}

/// Events that say how a server was, and of which the audit log tells who did it.
const fn only_remembered(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::GuildUpdate
            | EventKind::ChannelCreate
            | EventKind::ChannelUpdate
            | EventKind::GuildEmojisUpdate
            | EventKind::GuildStickersUpdate
            | EventKind::AutoModerationRuleCreate
            | EventKind::AutoModerationRuleUpdate
            | EventKind::GuildScheduledEventCreate
            | EventKind::GuildScheduledEventUpdate
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_or_a_mention_of_everybody_is_worth_a_look() {
        let plain = |more: Value| {
            let mut message = json!({
                "id": "5", "channel_id": "6", "guild_id": "7", "content": "hello",
                "author": {"id": "8", "username": "someone"}, "mention_everyone": false,
            });
            message
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Message>(message)
                .unwrap()
                .is_plain()
        };
        assert!(plain(json!({})));
        assert!(!plain(json!({"webhook_id": "8"})));
        assert!(!plain(json!({"mention_everyone": true})));
    }
}
