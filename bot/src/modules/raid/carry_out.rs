//! What the engine wants done, done.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Request};
use splashtail_guild::Id;
use splashtail_raid::{Answer, Effect, Engine, Moment};
use tracing::{info, warn};

use super::arrivals::moment;
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
            Effect::Pause { until } => {
                let answer = self.pause(server, until).await;
                self.answered(server, |engine, now| engine.on_paused(until, &answer, now));
            }
            Effect::Unpause { until } => {
                let answer = self.unpause(server, until).await;
                self.answered(server, |engine, now| engine.on_unpaused(&answer, now));
            }
            Effect::Ban { users } => self.ban(server, users).await,
            Effect::Hold { user, until } => {
                let reason = text!(language, "raid-reason-hold");
                let answer = self.hold(server, user, until, &reason).await;
                self.answered(server, |engine, now| engine.on_held(user, &answer, now));
            }
            Effect::Release { user } => {
                let reason = text!(language, "raid-reason-release");
                let answer = self.release(server, user, &reason).await;
                self.answered(server, |engine, now| engine.on_released(user, &answer, now));
            }
            Effect::Refuse { user } => {
                let answer = self.refuse(server, user).await;
                self.answered(server, |engine, now| engine.on_refused(user, &answer, now));
            }
            Effect::Level { to } => {
                // Whoever goes on has to know what to put back.
                self.write_first(server).await;
                let reason = text!(language, "raid-reason-level");
                let answer = {
                    let _alone = server.acting.lock().await;
                    self.level(server, to, &reason).await
                };
                self.answered(server, |engine, now| engine.on_level(to, &answer, now));
            }
            Effect::LevelBack { from, to } => {
                let reason = text!(language, "raid-reason-level-back");
                let answer = self.level_back(server, &from, to, &reason).await;
                self.answered(server, |engine, now| engine.on_level_back(&answer, now));
            }
            Effect::Lift {
                job,
                users,
                by,
                since,
                tries,
            } => {
                let attempt = (since, tries);
                let answer = self.lift(server, &job, &users, by, attempt).await;
                self.answered(server, |engine, now| {
                    engine.on_lifted(&job, &users, &answer, now)
                });
            }
            Effect::Show | Effect::Keep => {}
        }
    }

    /// Tells the engine what came of a step.
    pub(super) fn answered(
        self: &Arc<Self>,
        server: &Arc<Server>,
        tell: impl FnOnce(&mut Engine, Moment) -> Vec<Effect>,
    ) {
        let now = self.now();
        self.tell(server, |engine| tell(engine, now));
    }

    /// Nobody gets in until then at least: who paused for longer keeps what they want. An end that is left
    /// out would be taken back, so both are always said.
    async fn pause(&self, server: &Server, until: Moment) -> Answer {
        let _alone = server.acting.lock().await;
        let ends = server.view().structure(|structure| {
            [INVITES, MESSAGES].map(|what| paused(structure, what).max(Some(until)))
        });
        self.put_pauses(server, ends).await
    }

    async fn unpause(&self, server: &Server, until: Moment) -> Answer {
        let _alone = server.acting.lock().await;
        let now = self.now();
        let ends = server.view().structure(|structure| {
            [INVITES, MESSAGES].map(|what| {
                // A later end is somebody else's.
                paused(structure, what).filter(|end| end.0 > until.0 + 1000 && *end > now)
            })
        });
        self.put_pauses(server, ends).await
    }

    async fn put_pauses(
        &self,
        server: &Server,
        [invites, messages]: [Option<Moment>; 2],
    ) -> Answer {
        let text = |end: Option<Moment>| end.and_then(instant).map(|end| end.to_rfc3339());
        let body = json!({INVITES: text(invites), MESSAGES: text(messages)});
        let path = format!("/guilds/{}/incident-actions", server.guild);
        let put = self.discord.put(path).json(&body).longest_wait(PATIENT);
        self.done(server, "pause", put).await
    }

    /// Whom somebody else keeps from acting for longer is held already.
    pub(super) async fn hold(
        &self,
        server: &Server,
        user: Id,
        until: Moment,
        reason: &str,
    ) -> Answer {
        let found = match self.timed_out(server, user).await {
            Ok(found) => found,
            Err(error) => return answer(&Err(error)),
        };
        let (now, mut is_due) = (self.now(), false);
        server.ask(|engine| {
            is_due = engine.notes_hold(user, until, found, now);
            Vec::new()
        });
        match is_due {
            true => self.timeout(server, user, Some(until), reason).await,
            false => Answer::Done,
        }
    }

    /// Only a hold of ours ends, and what it took the place of is there again.
    pub(super) async fn release(&self, server: &Server, user: Id, reason: &str) -> Answer {
        let found = match self.timed_out(server, user).await {
            Ok(found) => found,
            Err(error) => return answer(&Err(error)),
        };
        let now = self.now();
        let (is_own, before) = server.read(|engine| {
            (
                engine.is_own_hold(user, found),
                engine.before_hold(user, now),
            )
        });
        match is_own {
            true => self.timeout(server, user, before, reason).await,
            false => Answer::Done,
        }
    }

    /// Until when somebody is timed out, by what Discord says now.
    async fn timed_out(&self, server: &Server, user: Id) -> Result<Option<Moment>, DiscordError> {
        let path = format!("/guilds/{}/members/{user}", server.guild);
        match self.discord.get(path).longest_wait(PATIENT).send().await {
            Ok(member) => {
                let until = member["communication_disabled_until"].as_str();
                Ok(until.and_then(|until| until.parse().ok()).map(moment))
            }
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "a member's timeout cannot be read");
                Err(error)
            }
        }
    }

    async fn timeout(
        &self,
        server: &Server,
        user: Id,
        until: Option<Moment>,
        reason: &str,
    ) -> Answer {
        let until = until.and_then(instant).map(|until| until.to_rfc3339());
        let path = format!("/guilds/{}/members/{user}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch.json(&json!({"communication_disabled_until": until}));
        self.done(server, "hold", patch.reason(reason).longest_wait(PATIENT))
            .await
    }

    async fn level(&self, server: &Server, to: u8, reason: &str) -> Answer {
        let path = format!("/guilds/{}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch
            .json(&json!({"verification_level": to}))
            .reason(reason);
        self.done(server, "level", patch.longest_wait(PATIENT))
            .await
    }

    /// Where somebody has set another one since, by what Discord says now, there is nothing to put back:
    /// events may lag.
    async fn level_back(&self, server: &Server, from: &[u8], to: u8, reason: &str) -> Answer {
        let _alone = server.acting.lock().await;
        let path = format!("/guilds/{}", server.guild);
        let now = match self.discord.get(path).longest_wait(PATIENT).send().await {
            Ok(guild) => guild["verification_level"].as_u64(),
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "a server's level cannot be read");
                return answer(&Err(error));
            }
        };
        let Some(now) = now else {
            return Answer::Later;
        };
        match from.iter().any(|ours| u64::from(*ours) == now) {
            true => self.level(server, to, reason).await,
            false => Answer::Gone,
        }
    }

    /// A verdict that comes twice changes nothing.
    async fn refuse(&self, server: &Server, user: Id) -> Answer {
        let Some(request) = server.read(|engine| engine.request(user)) else {
            // Made before this process began: it is shown as out of reach.
            return Answer::Refused(String::new());
        };
        let path = format!("/guilds/{}/requests/{request}", server.guild);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch.json(&json!({"action": "REJECTED"}));
        self.done(server, "refuse", patch.longest_wait(PATIENT))
            .await
    }

    async fn done(&self, server: &Server, what: &'static str, request: Request) -> Answer {
        let answered = request.send_empty().await;
        let outcome = match &answered {
            Ok(()) => "done",
            Err(_) => "failed",
        };
        metrics::counter!("bot_raid_calls_total", "call" => what, "outcome" => outcome)
            .increment(1);
        match &answered {
            Ok(()) => info!(guild.id = %server.guild, call = what, "a step against a raid"),
            Err(error) => {
                warn!(guild.id = %server.guild, call = what, error = %Chain(error), "a step against a raid failed");
            }
        }
        answer(&answered)
    }
}

/// What an answer means for the step: a refusal is not passed over, and what may still work is not given up.
fn answer(answered: &Result<(), DiscordError>) -> Answer {
    match answered {
        Ok(()) => Answer::Done,
        Err(error) if error.is_transient() || error.is_ambiguous() => Answer::Later,
        Err(DiscordError::Cancelled) => Answer::Later,
        Err(error) if error.is_not_found() => Answer::Gone,
        Err(DiscordError::Api(error)) => Answer::Refused(error.message.clone()),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

fn instant(at: Moment) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: u64) -> Result<(), DiscordError> {
        let error = splashtail_discord::ApiError {
            status: http::StatusCode::from_u16(status).unwrap(),
            code,
            message: "Missing Permissions".to_owned(),
            errors: None,
            route: "PATCH /guilds/{id}".to_owned(),
        };
        Err(Box::new(error).into())
    }

    #[test]
    fn what_is_not_done_is_not_taken_for_done() {
        assert_eq!(answer(&Ok(())), Answer::Done);
        let denied = Answer::Refused("Missing Permissions".to_owned());
        assert_eq!(answer(&refused(403, 50_013)), denied);
        assert_eq!(answer(&refused(404, 10_007)), Answer::Gone);
        let route = "PATCH /guilds/{id}".to_owned();
        let away = DiscordError::Unavailable {
            route: route.clone(),
            status: http::StatusCode::BAD_GATEWAY,
            attempts: 3,
        };
        assert_eq!(answer(&Err(away)), Answer::Later);
        let limited = DiscordError::RateLimited {
            route,
            retry_after: Duration::from_secs(600),
            scope: splashtail_discord::RateLimitScope::User,
        };
        assert_eq!(answer(&Err(limited)), Answer::Later);
    }
}
