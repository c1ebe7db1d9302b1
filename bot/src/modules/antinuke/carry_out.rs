//! What the engine wants done, done.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use splashtail_antinuke::{
    Alert, Call, Effect, IncidentKind, Input, Look, Method, Notice, Outcome, Poll, Rung, Timing,
};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane, Request};
use splashtail_guild::Id;
use tracing::{debug, error, info, warn};

use super::server::Server;
use super::service::Protection;
use super::text;

/// A step of containment that would wait longer leaves its turn to the next.
const IMPATIENT: Duration = Duration::from_millis(500);
/// A step of containment that Discord fails at is tried once more after this; then it is the next one's
/// turn.
const ONCE_MORE: Duration = Duration::from_millis(250);
/// What is not against somebody may wait for its turn.
const PATIENT: Duration = Duration::from_secs(120);
const PAGE: usize = 100;
const PAGES: usize = 5;
/// Attempts to read what may have been missed.
const READINGS: u32 = 5;
const READING_PAUSE: Duration = Duration::from_secs(10);

impl Protection {
    pub(super) fn carry_out(self: &Arc<Self>, server: &Arc<Server>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call(call) => {
                    let (protection, server) = (Arc::clone(self), Arc::clone(server));
                    tokio::spawn(async move { protection.call(&server, *call).await });
                }
                Effect::FetchMember { user } => {
                    let (protection, server) = (Arc::clone(self), Arc::clone(server));
                    tokio::spawn(async move { protection.fetch(&server, user).await });
                }
                Effect::Look(look) => {
                    let (protection, server) = (Arc::clone(self), Arc::clone(server));
                    tokio::spawn(async move { protection.look(&server, look).await });
                }
                Effect::PollAudit(poll) => {
                    let (protection, server) = (Arc::clone(self), Arc::clone(server));
                    tokio::spawn(async move { protection.poll(&server, poll).await });
                }
                Effect::Alert(alert) => self.alerts.push(server.guild, alert),
                Effect::Record(incident) => {
                    if incident.kind == IncidentKind::SelfToken {
                        error!(
                            guild.id = %server.guild,
                            incident.id = %incident.id,
                            "somebody else acts with the bot's token: reset it"
                        );
                    }
                    self.back_up(server, &incident);
                    self.record(server, *incident);
                }
            }
        }
    }

    async fn call(self: Arc<Self>, server: &Arc<Server>, call: Call) {
        let sent = self.now();
        // From memory: nothing may delay a call.
        let language = server.read(|_, structure| self.language_known(server.guild, structure));
        let why = text::reason(language, call.reason);
        let reason = match call.action.zip(self.tags()) {
            Some((action, tags)) => {
                let guild = Id::new(server.guild.get());
                let tag = tags.tag(guild, action, call.target, sent);
                format!("{why} {tag}")
            }
            None => why,
        };
        let request = request(&self.discord, &call).reason(&reason);
        let outcome = outcome(&call, request.send_empty().await);
        let answered = self.now();
        let label = match outcome {
            Outcome::Done => "done",
            Outcome::Refused { .. } => "refused",
            Outcome::Limited { .. } => "limited",
            Outcome::Down => "down",
        };
        metrics::counter!("bot_antinuke_calls_total", "outcome" => label).increment(1);
        info!(
            guild.id = %server.guild,
            incident.id = %call.key.incident,
            call.rung = ?call.key.rung,
            call.outcome = label,
            call.took_ms = answered.since(sent),
            "protection acted"
        );
        let timing = Timing { sent, answered };
        let effects =
            server.ask(|engine, structure| engine.on_answer(call.key, outcome, timing, structure));
        server.is_unsaved();
        self.carry_out(server, effects);
    }

    async fn fetch(self: Arc<Self>, server: &Arc<Server>, user: Id) {
        let path = format!("/guilds/{}/members/{user}", server.guild);
        let member = match self.discord.get(path).longest_wait(IMPATIENT).send().await {
            Ok(member) => member,
            Err(error) if error.is_not_found() => Value::Null,
            // Without an answer the engine goes on by itself after a while.
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "a member is not known");
                return;
            }
        };
        let raw = &member;
        self.tell(server, Input::Member { user, raw });
    }

    /// Looks at what nothing tells of, in nobody's way: few at a time, behind everything else.
    async fn look(self: Arc<Self>, server: &Arc<Server>, look: Look) {
        let Ok(_turn) = self.looks.acquire().await else {
            return;
        };
        let what = match look {
            Look::Templates => "templates",
            Look::WelcomeScreen => "welcome-screen",
        };
        let path = format!("/guilds/{}/{what}", server.guild);
        let request = self.discord.get(path).lane(Lane::Bulk);
        let seen = match request.longest_wait(PATIENT).send().await {
            Ok(seen) => seen,
            Err(error) if error.is_not_found() => Value::Null,
            // The next look is in some hours.
            Err(error) => {
                debug!(guild.id = %server.guild, look = what, error = %Chain(&error), "not seen");
                return;
            }
        };
        self.tell(server, Input::Seen { look, raw: &seen });
    }

    /// Tells the engine what the log says. What may have been missed is asked for again when Discord
    /// does not answer.
    async fn poll(self: Arc<Self>, server: &Arc<Server>, poll: Poll) {
        let (action, mut after, lane, attempts) = match poll {
            // After a new session every server asks: attacks that are seen go first.
            Poll::Missed { after } => (None, after, Lane::Bulk, READINGS),
            Poll::Unexplained { action, after } | Poll::Grown { action, after } => {
                (Some(action), after, Lane::Interactive, 1)
            }
        };
        let mut reading = Reading::Failed;
        for attempt in 1..=attempts {
            reading = self.read_log(server, action, &mut after, lane).await;
            if reading != Reading::Failed || attempt == attempts {
                break;
            }
            self.clock.sleep(READING_PAUSE * attempt).await;
        }
        // The engine tells by itself when it may not read the log at all.
        let partly = matches!(reading, Reading::Cut | Reading::Failed);
        if partly && matches!(poll, Poll::Missed { .. }) {
            let alert = Alert {
                notice: Notice::Unread,
                incident: None,
                about: None,
                owner: false,
            };
            self.alerts.push(server.guild, alert);
        }
        let read = reading == Reading::Whole;
        self.tell(server, Input::Polled { poll, read });
    }

    /// Tells the engine the entries behind `after`, oldest first, and moves it on.
    async fn read_log(
        self: &Arc<Self>,
        server: &Arc<Server>,
        action: Option<u16>,
        after: &mut Id,
        lane: Lane,
    ) -> Reading {
        for _ in 0..PAGES {
            let path = format!("/guilds/{}/audit-logs", server.guild);
            let mut request = self
                .discord
                .get(path)
                .query("after", *after)
                .query("limit", PAGE)
                .lane(lane)
                .longest_wait(PATIENT);
            if let Some(action) = action {
                request = request.query("action_type", action);
            }
            let page = match request.send().await {
                Ok(page) => page,
                Err(error) => {
                    warn!(guild.id = %server.guild, error = %Chain(&error), "the audit log cannot be read");
                    return match error.is_transient() {
                        true => Reading::Failed,
                        false => Reading::Refused,
                    };
                }
            };
            let entries = page["audit_log_entries"].as_array();
            let mut entries: Vec<&Value> = entries.into_iter().flatten().collect();
            entries.sort_by_key(|entry| Id::of(entry));
            for raw in &entries {
                if let Some(id) = Id::of(raw) {
                    self.see(id);
                }
                self.tell(server, Input::Entry { raw, polled: true });
            }
            let last = entries.last().and_then(|entry| Id::of(entry));
            match last.filter(|_| entries.len() == PAGE) {
                Some(last) => *after = last,
                None => return Reading::Whole,
            }
        }
        warn!(guild.id = %server.guild, "the audit log holds more than is read at once");
        Reading::Cut
    }
}

/// How far the audit log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Whole,
    /// There is more than [`PAGES`] pages.
    Cut,
    Refused,
    /// Another try may help.
    Failed,
}

fn request(discord: &Discord, call: &Call) -> Request {
    let request = match call.method {
        // Every body sets absolute values.
        Method::Patch => discord.patch(call.path.clone()).idempotent(true),
        Method::Put => discord.put(call.path.clone()),
        Method::Delete => discord.delete(call.path.clone()),
    };
    let request = match &call.body {
        Some(body) => request.json(body),
        None => request,
    };
    let against_somebody = matches!(
        call.key.rung,
        Rung::TakeRoles | Rung::Kick | Rung::Ban | Rung::HoldBot | Rung::DisarmRole
    );
    match against_somebody {
        true => request.longest_wait(IMPATIENT).once_more_after(ONCE_MORE),
        false => request.longest_wait(PATIENT),
    }
}

fn outcome(call: &Call, answer: Result<(), DiscordError>) -> Outcome {
    let error = match answer {
        Ok(()) => return Outcome::Done,
        Err(error) => error,
    };
    warn!(call.rung = ?call.key.rung, error = %Chain(&error), "a step of protection failed");
    match &error {
        DiscordError::Api(refused) => Outcome::Refused {
            status: refused.status.as_u16(),
            code: refused.code,
        },
        DiscordError::RateLimited { retry_after, .. } => Outcome::Limited {
            ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX),
        },
        _ => Outcome::Down,
    }
}
