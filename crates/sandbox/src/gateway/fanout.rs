//! From an event of the world to the sessions that hear of it.

use std::sync::{Arc, Weak};

use splashtail_sandbox_world::faults::{Action, Facts, later};
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::world::{Event, EventSink, Id, World, intent};

use super::untold::{Hears, Held};
use super::{Gateway, Session};

/// Hands the world's events to the gateway.
pub struct Sink(Weak<Gateway>);

impl Sink {
    pub(super) fn new(gateway: &Arc<Gateway>) -> Self {
        Self(Arc::downgrade(gateway))
    }
}

impl EventSink for Sink {
    fn deliver(&self, world: &World, events: &[Arc<Event>]) {
        let Some(gateway) = self.0.upgrade() else {
            return;
        };
        let sessions = gateway.sessions();
        if sessions.is_empty() {
            return;
        }
        for event in events {
            gateway.fan_out(world, &sessions, event);
        }
    }
}

impl Gateway {
    fn fan_out(self: &Arc<Self>, world: &World, sessions: &[Arc<Session>], event: &Event) {
        let place = event.guild_id.and_then(|g| world.guilds.get(&g));
        if place.is_some_and(|g| g.unavailable) && event.kind != "GUILD_DELETE" {
            return;
        }
        for session in sessions {
            let mine = match event.guild_id {
                Some(guild) => session.covers(guild),
                None => session.identity.shard[0] == 0,
            };
            let hears = event
                .guild_id
                .map_or(Hears::Now, |g| session.untold.hears(g));
            if !mine || hears == Hears::Never {
                continue;
            }
            let identity = &session.identity;
            if let ("GUILD_CREATE", Some(guild)) = (event.kind, event.guild_id) {
                // The event only says that there is a guild; each session sees its own extract.
                if event.visible(identity.bot) && session.has_intent(intent::GUILDS) {
                    self.appears(world, session, guild, hears);
                }
                continue;
            }
            if let Some(payload) = event.payload_for(identity.bot, identity.intents) {
                let (text, late_ms) = (payload.text().clone(), event.late_ms);
                match event.guild_id.filter(|_| hears == Hears::Later) {
                    Some(guild) => {
                        let name = event.kind;
                        let held = Held {
                            name,
                            text,
                            late_ms,
                        };
                        session.untold.hold(guild, held);
                    }
                    None => self.publish_late(session, event.kind, text, event.guild_id, late_ms),
                }
            }
        }
    }

    /// Dispatches to one session, unless a fault interferes.
    pub(super) fn publish(
        &self,
        session: &Arc<Session>,
        name: &'static str,
        text: Arc<str>,
        guild: Option<Id>,
    ) {
        self.publish_late(session, name, text, guild, 0);
    }

    pub(super) fn publish_late(
        &self,
        session: &Arc<Session>,
        name: &'static str,
        text: Arc<str>,
        guild: Option<Id>,
        mut delay_ms: u64,
    ) {
        if session.is_ended() {
            // No fault strikes it either.
            return;
        }
        let mut copies = 1;
        let mut again = false;
        for action in self.strikes(session, name, guild) {
            match action {
                Action::GwDup {} => copies += 1,
                Action::GwLose {} => return,
                Action::GwMemberAgain {} => again = true,
                Action::GwDelay { ms } => delay_ms = later(delay_ms, ms),
                _ => {}
            }
        }
        if again {
            self.dispatch(session, "GUILD_MEMBER_ADD", text.clone());
        }
        for _ in 0..copies {
            if delay_ms == 0 {
                self.dispatch(session, name, text.clone());
            } else {
                let delay_ms = i64::try_from(delay_ms).unwrap_or(i64::MAX);
                let due_ms = self.sandbox.clock.steady_ms().saturating_add(delay_ms);
                self.late.hold(due_ms, session.clone(), name, text.clone());
            }
        }
    }

    fn strikes(&self, session: &Session, name: &str, guild: Option<Id>) -> Vec<Action> {
        if self.sandbox.faults.is_empty() {
            return Vec::new();
        }
        let identity = &session.identity;
        let (app, guild) = (identity.app.to_string(), guild.map(|g| g.to_string()));
        self.sandbox.faults.on_event(&Facts {
            event: name,
            guild: guild.as_deref(),
            token: Some(&app),
            shard: Some(identity.shard[0]),
            ..Facts::default()
        })
    }

    /// Numbers, stores and journals a dispatch; nothing once the session is over, which whoever
    /// tells it piece by piece learns late, perhaps in another world.
    pub(super) fn dispatch(&self, session: &Session, name: &'static str, text: Arc<str>) {
        if session.is_ended() {
            return;
        }
        if let Some(checker) = self.sandbox.checker.get() {
            checker.submit_event(name.into(), text.clone());
        }
        let digest = self.sandbox.journal.digest_of(|| text.as_bytes().to_vec());
        let s = session.dispatch(name, text);
        self.record(Record::Frame {
            digest,
            session: session.identity.session_id.clone(),
            shard: session.identity.shard[0],
            direction: "out".into(),
            op: 0,
            s: Some(s),
            t: Some(name.into()),
        });
    }
}
