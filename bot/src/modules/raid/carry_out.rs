//! What the engine wants done, done.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Request};
use splashtail_guild::Id;
use splashtail_raid::{Effect, Moment};
use tracing::{info, warn};

use super::server::Server;
use super::service::{Watch, paused};
use crate::text;

/// Whoever comes next waits no longer for what keeps them out.
const PATIENT: Duration = Duration::from_secs(120);
const INVITES: &str = "invites_disabled_until";
const MESSAGES: &str = "dms_disabled_until";

impl Watch {
    pub(super) fn carry_out(self: &Arc<Self>, server: &Arc<Server>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Show => self.show(server.guild),
                Effect::Keep => server.state().urgent = true,
                effect => {
                    let (watch, server) = (Arc::clone(self), Arc::clone(server));
                    tokio::spawn(async move { watch.act(&server, effect).await });
                }
            }
        }
    }

    async fn act(self: &Arc<Self>, server: &Arc<Server>, effect: Effect) {
        let language = self.language(server);
        match effect {
            Effect::Pause { until } => self.pause(server, until).await,
            Effect::Unpause { until } => self.unpause(server, until).await,
            Effect::Ban { users } => self.ban(server, users).await,
            Effect::Hold { user, until } => {
                let reason = text!(language, "raid-reason-hold");
                let until = instant(until).map(|until| until.to_rfc3339());
                let held = self.timeout(server, user, json!(until), &reason).await;
                if !held {
                    self.tell(server, |engine| {
                        engine.on_not_held(user);
                        vec![Effect::Show, Effect::Keep]
                    });
                }
            }
            Effect::Release { user } => {
                let reason = text!(language, "raid-reason-release");
                self.timeout(server, user, Value::Null, &reason).await;
            }
            Effect::Refuse { user } => self.refuse(server, user).await,
            Effect::Level { to } => {
                let reason = text!(language, "raid-reason-level");
                self.level(server, to, &reason).await;
            }
            Effect::LevelBack { from, to } => {
                let now = server
                    .view()
                    .structure(|structure| structure.guild()["verification_level"].as_u64());
                // Somebody else has set another one since.
                if now != Some(u64::from(from)) {
                    return;
                }
                let reason = text!(language, "raid-reason-level-back");
                self.level(server, to, &reason).await;
            }
            Effect::Show | Effect::Keep => {}
        }
    }

    /// Nobody gets in until then at least: who paused for longer keeps what they want. An end that is left
    /// out would be taken back, so both are always said.
    async fn pause(&self, server: &Server, until: Moment) {
        let _alone = server.acting.lock().await;
        let ends = server.view().structure(|structure| {
            [INVITES, MESSAGES].map(|what| paused(structure, what).max(Some(until)))
        });
        self.put_pauses(server, ends).await;
    }

    async fn unpause(&self, server: &Server, until: Moment) {
        let _alone = server.acting.lock().await;
        let now = self.now();
        let ends = server.view().structure(|structure| {
            [INVITES, MESSAGES].map(|what| {
                // A later end is somebody else's.
                paused(structure, what).filter(|end| end.0 > until.0 + 1000 && *end > now)
            })
        });
        self.put_pauses(server, ends).await;
    }

    async fn put_pauses(&self, server: &Server, [invites, messages]: [Option<Moment>; 2]) {
        let text = |end: Option<Moment>| end.and_then(instant).map(|end| end.to_rfc3339());
        let body = json!({INVITES: text(invites), MESSAGES: text(messages)});
        let path = format!("/guilds/{}/incident-actions", server.guild);
        let put = self.discord.put(path).json(&body).longest_wait(PATIENT);
        // Said in the log; the engine renews what matters.
        let _ = self.done(server, "pause", put).await;
    }

    async fn timeout(&self, server: &Server, user: Id, until: Value, reason: &str) -> bool {
        let path = format!("/guilds/{}/members/{user}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch.json(&json!({"communication_disabled_until": until}));
        let done = self
            .done(server, "hold", patch.reason(reason).longest_wait(PATIENT))
            .await;
        done.is_ok()
    }

    async fn level(&self, server: &Server, to: u8, reason: &str) {
        let _alone = server.acting.lock().await;
        let path = format!("/guilds/{}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch
            .json(&json!({"verification_level": to}))
            .reason(reason);
        // Said in the log; the engine renews what matters.
        let _ = self
            .done(server, "level", patch.longest_wait(PATIENT))
            .await;
    }

    /// A verdict that comes twice changes nothing.
    async fn refuse(&self, server: &Server, user: Id) {
        let Some(request) = server.state().request(user) else {
            return;
        };
        let path = format!("/guilds/{}/requests/{request}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch.json(&json!({"action": "REJECTED"}));
        // Said in the log; the engine renews what matters.
        let _ = self
            .done(server, "refuse", patch.longest_wait(PATIENT))
            .await;
    }

    async fn done(
        &self,
        server: &Server,
        what: &'static str,
        request: Request,
    ) -> Result<(), DiscordError> {
        let answer = request.send_empty().await;
        let outcome = match &answer {
            Ok(()) => "done",
            Err(_) => "failed",
        };
        metrics::counter!("bot_raid_calls_total", "call" => what, "outcome" => outcome)
            .increment(1);
        match &answer {
            Ok(()) => info!(guild.id = %server.guild, call = what, "a step against a raid"),
            Err(error) => {
                warn!(guild.id = %server.guild, call = what, error = %Chain(error), "a step against a raid failed");
            }
        }
        answer
    }
}

fn instant(at: Moment) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)
}
