//! Telling people.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_antinuke::{Alert, Incident, Mode, Notice, owner};
use splashtail_core::ids::{ChannelId, GuildId, MessageId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Lane, snowflake};
use splashtail_guild::Id;
use tracing::warn;

use super::server::Server;
use super::service::Protection;
use super::text;

/// Several changes of one incident are one edit.
const TOGETHER: Duration = Duration::from_millis(300);
const MAX_WAITING: usize = 1000;
const MAX_MESSAGES: usize = 5000;
const LONGEST: Duration = Duration::from_secs(60);

/// What is to be told, and where it was told before.
#[derive(Default)]
pub struct Alerts {
    waiting: Mutex<VecDeque<(GuildId, Alert)>>,
    messages: Mutex<BTreeMap<(GuildId, Id), (ChannelId, MessageId)>>,
}

impl Alerts {
    pub(super) fn push(&self, guild: GuildId, alert: Alert) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.len() >= MAX_WAITING;
        let again = waiting.iter_mut().find(|(known, waits)| {
            *known == guild && waits.notice == alert.notice && waits.incident == alert.incident
        });
        match again {
            Some((_, waits)) => waits.owner |= alert.owner,
            None if full => {
                metrics::counter!("bot_antinuke_alerts_dropped_total").increment(1);
            }
            None => waiting.push_back((guild, alert)),
        }
    }

    fn take(&self) -> Vec<(GuildId, Alert)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain(..).collect()
    }
}

impl Protection {
    /// Tells people what there is to tell. Never ends.
    pub(super) async fn alert(self: Arc<Self>) {
        loop {
            self.clock.sleep(TOGETHER).await;
            for (guild, alert) in self.alerts.take() {
                let Some(server) = self.server(guild) else {
                    continue;
                };
                if let Err(error) = self.tell_people(&server, alert).await {
                    warn!(guild.id = %guild, error = %Chain(&error), "an alert was not delivered");
                }
                if alert.notice == Notice::Expelled {
                    self.forget(guild);
                }
            }
        }
    }

    async fn tell_people(&self, server: &Server, alert: Alert) -> Result<(), DiscordError> {
        let incident = alert.incident.and_then(|id| self.incident(server, id));
        let (policy, owner, name) = server.read(|engine, structure| {
            let name = structure.guild()["name"].as_str().unwrap_or("this server");
            (
                Arc::clone(engine.policy()),
                owner(structure),
                name.to_owned(),
            )
        });
        let shown = match (alert.notice, &incident) {
            (Notice::Incident, None) => return Ok(()),
            (Notice::Incident, Some(incident)) => {
                let pause = incident.times.acknowledged;
                let Some(tags) = self.tags() else {
                    return Ok(());
                };
                text::incident(incident, tags, pause)
            }
            (notice, _) => text::notice(notice, alert.about),
        };
        let channel = policy.alert_channel.and_then(|id| ChannelId::new(id.get()));
        let mut told = false;
        if let Some(channel) = channel {
            match self.show(server, channel, incident.as_ref(), &shown).await {
                Ok(()) => told = true,
                Err(error) => {
                    warn!(guild.id = %server.guild, error = %Chain(&error), "the alert channel does not take alerts");
                }
            }
        }
        // In dry run nobody is written to who did not ask for it.
        let real = policy.mode == Mode::On || alert.notice == Notice::Expelled;
        let first = alert.owner || !told;
        let opened = incident.as_ref().is_none_or(|i| i.times.alerted.is_none());
        if let Some(owner) = owner.filter(|_| real && first && opened) {
            self.write_to(owner, &name, shown).await?;
        }
        if let Some(incident) = incident {
            let now = self.now();
            server.ask(|engine, _| engine.note_alerted(incident.id, now));
        }
        Ok(())
    }

    fn incident(&self, server: &Server, id: Id) -> Option<Incident> {
        server.read(|engine, _| engine.incidents().find(|i| i.id == id).cloned())
    }

    /// One message per incident, changed in place.
    async fn show(
        &self,
        server: &Server,
        channel: ChannelId,
        incident: Option<&Incident>,
        shown: &Value,
    ) -> Result<(), DiscordError> {
        let Ok(discord) = self.discord() else {
            return Ok(());
        };
        let key = incident.map(|incident| (server.guild, incident.id));
        let known = key.and_then(|key| {
            let messages = self.alerts.messages.lock();
            let messages = messages.unwrap_or_else(PoisonError::into_inner);
            messages.get(&key).copied()
        });
        if let Some((channel, message)) = known {
            let path = format!("/channels/{channel}/messages/{message}");
            let edit = discord.patch(path).idempotent(true).lane(Lane::Interactive);
            match edit.json(shown).longest_wait(LONGEST).send_empty().await {
                Err(error) if error.is_not_found() => {}
                answer => return answer,
            }
        }
        let mut body = shown.clone();
        if let Some((_, incident)) = key {
            body["nonce"] = incident.to_string().into();
            body["enforce_nonce"] = true.into();
        }
        let post = discord
            .post(format!("/channels/{channel}/messages"))
            .lane(Lane::Interactive)
            .longest_wait(LONGEST)
            .json(&body);
        let message = post.send().await?;
        let id = snowflake::typed::<MessageId>(&message["id"]);
        if let Some((key, id)) = key.zip(id) {
            {
                let messages = self.alerts.messages.lock();
                let mut messages = messages.unwrap_or_else(PoisonError::into_inner);
                if messages.len() >= MAX_MESSAGES {
                    messages.pop_first();
                }
                messages.insert(key, (channel, id));
            }
            let store = self.storage.protections();
            let incident = key.1.get().cast_signed();
            if let Err(error) = store.set_alert(key.0, incident, (channel, id)).await {
                warn!(error = %Chain(&error), "where an alert stands is not written down");
            }
        }
        Ok(())
    }

    async fn write_to(&self, user: Id, name: &str, shown: Value) -> Result<(), DiscordError> {
        let Ok(discord) = self.discord() else {
            return Ok(());
        };
        let open = discord
            .post("/users/@me/channels")
            .lane(Lane::Interactive)
            .idempotent(true)
            .longest_wait(LONGEST)
            .json(&json!({"recipient_id": user}));
        let channel = open.send().await?;
        let Some(channel) = snowflake::id(&channel["id"]) else {
            return Ok(());
        };
        let mut body = shown;
        body["content"] = format!("In **{}**:", crate::markdown::neutralise(name)).into();
        let post = discord
            .post(format!("/channels/{channel}/messages"))
            .lane(Lane::Interactive)
            .longest_wait(LONGEST)
            .json(&body);
        post.send_empty().await
    }
}
