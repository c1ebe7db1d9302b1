//! Telling people: one message per wave, changed in place.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, MessageId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Lane, snowflake};
use splashtail_guild::Id;
use tracing::warn;

use super::server::Server;
use super::service::Watch;
use super::text;

const TICK: Duration = Duration::from_millis(250);
/// A message is changed so often at most.
const TOGETHER: Duration = Duration::from_secs(2);
/// Servers that are told something at the same time.
const AT_ONCE: usize = 32;
const LONGEST: Duration = Duration::from_secs(60);
/// What Discord does not take is tried again so often.
const ATTEMPTS: u32 = 10;

impl Watch {
    /// Never ends.
    pub(super) async fn alert(self: Arc<Self>) {
        loop {
            self.clock.sleep(TICK).await;
            let due = self.due();
            let told = due.into_iter().map(|server| {
                let watch = Arc::clone(&self);
                async move { watch.tell_people(&server).await }
            });
            futures_util::future::join_all(told).await;
        }
    }

    /// Those whose turn it is; the others wait.
    fn due(&self) -> Vec<Arc<Server>> {
        let now = self.clock.monotonic();
        let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        showing.retain(|guild| {
            let Some(server) = self.server(*guild) else {
                return false;
            };
            let wait = {
                let mut state = server.state();
                let first = state.shown_at.is_zero();
                let wait = !first && now.saturating_sub(state.shown_at) < TOGETHER;
                if !wait && due.len() < AT_ONCE {
                    state.shown_at = now;
                }
                wait
            };
            if wait || due.len() >= AT_ONCE {
                return true;
            }
            due.push(server);
            false
        });
        due
    }

    async fn tell_people(&self, server: &Server) {
        let Some(wave) = server.read(|engine| engine.wave().cloned()) else {
            return;
        };
        let Some(channel) = self.alert_channel(server.guild) else {
            return;
        };
        let body = text::card(self.language(server), &wave);
        match self.put(server, wave.id, channel, body).await {
            Ok(()) => server.state().failures = 0,
            Err(error) => self.failed(server, &error),
        }
    }

    fn failed(&self, server: &Server, error: &DiscordError) {
        let guild: GuildId = server.guild;
        let again = {
            let mut state = server.state();
            state.failures += 1;
            let passes = error.is_transient() || error.is_ambiguous();
            passes && state.failures < ATTEMPTS
        };
        warn!(guild.id = %guild, again, error = %Chain(error), "people do not see how a raid stands");
        if again {
            self.show(guild);
        }
    }

    async fn put(
        &self,
        server: &Server,
        wave: Id,
        channel: ChannelId,
        mut body: Value,
    ) -> Result<(), DiscordError> {
        let known = server.state().alert.filter(|(shown, ..)| *shown == wave);
        if let Some((_, place, message)) = known {
            let path = format!("/channels/{place}/messages/{message}");
            let edit = self
                .discord
                .patch(path)
                .idempotent(true)
                .lane(Lane::Interactive);
            match edit.json(&body).longest_wait(LONGEST).send_empty().await {
                // Somebody deleted it: there is another.
                Err(error) if error.is_not_found() => {}
                answer => return answer,
            }
        }
        if known.is_none() {
            body["nonce"] = wave.to_string().into();
            body["enforce_nonce"] = true.into();
        }
        let post = self.discord.post(format!("/channels/{channel}/messages"));
        let post = post.lane(Lane::Interactive).longest_wait(LONGEST);
        let message = post.json(&body).send().await?;
        if let Some(message) = snowflake::typed::<MessageId>(&message["id"]) {
            let mut state = server.state();
            state.alert = Some((wave, channel, message));
            // Written down with the wave.
            state.urgent = true;
        }
        Ok(())
    }
}
