//! From an event of the world to the sessions that hear of it.

use std::sync::{Arc, Weak};

use super::{Gateway, Session};
use crate::faults::{Action, Facts};
use crate::journal::Record;
use crate::world::{Event, EventSink, Id, Payload, World, intent};

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

/// The text of a payload, made once for all sessions that get the same one.
#[derive(Default)]
struct Texts(Vec<(*const Payload, Arc<str>)>);

impl Texts {
    fn of(&mut self, payload: &Arc<Payload>) -> Arc<str> {
        let key = Arc::as_ptr(payload);
        if let Some((_, text)) = self.0.iter().find(|(k, _)| *k == key) {
            return text.clone();
        }
        let text: Arc<str> = payload.text().into();
        self.0.push((key, text.clone()));
        text
    }
}

impl Gateway {
    fn fan_out(self: &Arc<Self>, world: &World, sessions: &[Arc<Session>], event: &Event) {
        let place = event.guild_id.and_then(|g| world.guilds.get(&g));
        if place.is_some_and(|g| g.unavailable) && event.kind != "GUILD_DELETE" {
            return;
        }
        let mut texts = Texts::default();
        let name: Arc<str> = event.kind.into();
        for session in sessions {
            let mine = match event.guild_id {
                Some(guild) => session.covers(guild),
                None => session.identity.shard[0] == 0,
            };
            if !mine {
                continue;
            }
            let identity = &session.identity;
            if let ("GUILD_CREATE", Some(guild)) = (event.kind, event.guild_id) {
                // The event only says that there is a guild; each session sees its own extract.
                if event.visible(identity.bot) && session.has_intent(intent::GUILDS) {
                    self.create_guild(world, session, guild);
                }
                continue;
            }
            if let Some(payload) = event.payload_for(identity.bot, identity.intents) {
                let text = texts.of(&payload);
                let late_ms = event.late_ms;
                self.publish_late(session, name.clone(), text, event.guild_id, late_ms);
            }
        }
    }

    /// Dispatches to one session, unless a fault interferes.
    pub(super) fn publish(
        &self,
        session: &Arc<Session>,
        name: Arc<str>,
        text: Arc<str>,
        guild: Option<Id>,
    ) {
        self.publish_late(session, name, text, guild, 0);
    }

    fn publish_late(
        &self,
        session: &Arc<Session>,
        name: Arc<str>,
        text: Arc<str>,
        guild: Option<Id>,
        mut delay_ms: u64,
    ) {
        let mut copies = 1;
        for action in self.strikes(session, &name, guild) {
            match action {
                Action::GwDup => copies += 1,
                Action::GwLose => return,
                Action::GwDelay { ms } => delay_ms += ms,
                _ => {}
            }
        }
        for _ in 0..copies {
            if delay_ms == 0 {
                self.dispatch(session, name.clone(), text.clone());
            } else {
                let delay_ms = i64::try_from(delay_ms).unwrap_or(i64::MAX);
                let due_ms = self.sandbox.clock.now_ms().saturating_add(delay_ms);
                self.late
                    .hold(due_ms, session.clone(), name.clone(), text.clone());
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

    /// Numbers, stores and journals a dispatch.
    pub(super) fn dispatch(&self, session: &Session, name: Arc<str>, text: Arc<str>) {
        if let Some(checker) = self.sandbox.checker.get() {
            checker.submit_event(name.clone(), text.clone());
        }
        let s = session.dispatch(name.clone(), text);
        self.record(Record::Frame {
            session: session.identity.session_id.clone(),
            shard: session.identity.shard[0],
            direction: "out".to_owned(),
            op: 0,
            s: Some(s),
            t: Some(name.to_string()),
        });
    }
}
