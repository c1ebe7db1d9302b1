//! Scheduled events: what a guild announces, and when it begins and ends by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::permissions as perm;
use super::{Id, Stamp, World, intent};

/// How long after its start an event that nobody began is given up: "a few hours".
const GIVEN_UP_MS: i64 = 3 * 3_600_000;

/// Where an event takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Venue {
    Stage(Id),
    Voice(Id),
    /// Anywhere else, in words.
    External(String),
}

/// What has become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStatus {
    Scheduled = 1,
    Active = 2,
    Completed = 3,
    Canceled = 4,
}

impl EventStatus {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }
}

/// An occurrence that is moved or called off. Its id is the time at which it would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventException {
    pub id: Id,
    pub starts: Option<Stamp>,
    pub ends: Option<Stamp>,
    pub canceled: bool,
}

impl EventException {
    pub fn json(&self, event: Id) -> Value {
        json!({
            "event_id": event,
            "event_exception_id": self.id,
            "scheduled_start_time": self.starts,
            "scheduled_end_time": self.ends,
            "is_canceled": self.canceled,
        })
    }
}

/// A scheduled event.
#[derive(Debug, Clone)]
pub struct ScheduledEvent {
    pub id: Id,
    pub creator: Id,
    pub name: String,
    pub description: Option<String>,
    pub image: Option<String>,
    pub starts: Stamp,
    pub ends: Option<Stamp>,
    pub status: EventStatus,
    pub venue: Venue,
    /// `recurrence_rule` as answered.
    pub recurrence: Value,
    /// Occurrences that are not as the rule says.
    pub exceptions: BTreeMap<Id, EventException>,
    /// Who is interested.
    pub users: BTreeSet<Id>,
}

impl ScheduledEvent {
    pub fn channel(&self) -> Option<Id> {
        match self.venue {
            Venue::Stage(channel) | Venue::Voice(channel) => Some(channel),
            Venue::External(_) => None,
        }
    }

    pub fn entity_type(&self) -> u8 {
        match self.venue {
            Venue::Stage(_) => 1,
            Venue::Voice(_) => 2,
            Venue::External(_) => 3,
        }
    }

    pub fn location(&self) -> Option<&str> {
        match &self.venue {
            Venue::External(place) => Some(place),
            _ => None,
        }
    }

    /// What the event is by itself at `now`, whatever it was.
    fn due(&self, now: Stamp) -> EventStatus {
        let external = matches!(self.venue, Venue::External(_));
        let ended = self.ends.is_some_and(|end| end <= now);
        match self.status {
            EventStatus::Scheduled | EventStatus::Active if external && ended => {
                EventStatus::Completed
            }
            EventStatus::Scheduled if external && self.starts <= now => EventStatus::Active,
            EventStatus::Scheduled if self.starts.plus(GIVEN_UP_MS) <= now => EventStatus::Canceled,
            status => status,
        }
    }
}

impl World {
    /// The scheduled event object.
    pub fn scheduled_event_json(&self, guild: Id, event: &ScheduledEvent) -> Value {
        json!({
            "id": event.id,
            "guild_id": guild,
            "channel_id": event.channel(),
            "creator_id": event.creator,
            "creator": self.user_json(event.creator),
            "name": event.name,
            "description": event.description,
            "image": event.image,
            "scheduled_start_time": event.starts,
            "scheduled_end_time": event.ends,
            "privacy_level": 2,
            "status": event.status as u8,
            "entity_type": event.entity_type(),
            "entity_id": null,
            "entity_metadata": event.location().map(|place| json!({"location": place})),
            "recurrence_rule": event.recurrence,
            "guild_scheduled_event_exceptions":
                event.exceptions.values().map(|e| e.json(event.id)).collect::<Vec<_>>(),
        })
    }

    /// Stores a scheduled event and announces it under this name.
    pub fn put_scheduled_event(&mut self, guild: Id, kind: &'static str, event: ScheduledEvent) {
        self.announce_scheduled_event(guild, kind, &event);
        if let Some(state) = self.guilds.get_mut(&guild) {
            state.scheduled_events.insert(event.id, event);
        }
    }

    /// Removes a scheduled event and announces it.
    pub fn delete_scheduled_event(&mut self, guild: Id, id: Id) {
        let state = self.guilds.get_mut(&guild);
        if let Some(event) = state.and_then(|g| g.scheduled_events.remove(&id)) {
            self.announce_scheduled_event(guild, "GUILD_SCHEDULED_EVENT_DELETE", &event);
        }
    }

    /// Stores an exception of a recurring event and announces it.
    pub fn put_event_exception(&mut self, guild: Id, event: Id, exception: EventException) {
        self.edit_exceptions(guild, event, |all| {
            let kind = if all.contains_key(&exception.id) {
                "GUILD_SCHEDULED_EVENT_EXCEPTION_UPDATE"
            } else {
                "GUILD_SCHEDULED_EVENT_EXCEPTION_CREATE"
            };
            let json = exception.json(event);
            all.insert(exception.id, exception);
            Some((kind, json))
        });
    }

    /// Removes an exception of a recurring event and announces it.
    pub fn drop_event_exception(&mut self, guild: Id, event: Id, exception: Id) {
        self.edit_exceptions(guild, event, |all| {
            let gone = all.remove(&exception)?;
            Some(("GUILD_SCHEDULED_EVENT_EXCEPTION_DELETE", gone.json(event)))
        });
    }

    fn edit_exceptions(
        &mut self,
        guild: Id,
        event: Id,
        edit: impl FnOnce(&mut BTreeMap<Id, EventException>) -> Option<(&'static str, Value)>,
    ) {
        let place = self.guilds.get_mut(&guild);
        let Some(found) = place.and_then(|g| g.scheduled_events.get_mut(&event)) else {
            return;
        };
        let channel = found.channel();
        let Some((kind, mut payload)) = edit(&mut found.exceptions) else {
            return;
        };
        payload["guild_id"] = json!(guild);
        let intents = intent::GUILD_SCHEDULED_EVENTS;
        match channel {
            Some(channel) => self.emit_in(channel, kind, intents, payload),
            None => self.emit(guild, kind, intents, 0, payload),
        }
    }

    fn announce_scheduled_event(&mut self, guild: Id, kind: &'static str, event: &ScheduledEvent) {
        let payload = self.scheduled_event_json(guild, event);
        let intents = intent::GUILD_SCHEDULED_EVENTS;
        match event.channel() {
            Some(channel) => self.emit_in(channel, kind, intents, payload),
            None => self.emit(guild, kind, intents, 0, payload),
        }
    }

    /// Begins, ends and gives up the events that are due, lazily whenever someone looks at them.
    pub fn advance_scheduled_events(&mut self, guild: Id) {
        let now = self.now();
        let Some(state) = self.guilds.get(&guild) else {
            return;
        };
        let due: Vec<ScheduledEvent> = state
            .scheduled_events
            .values()
            .filter(|e| e.due(now) != e.status)
            .cloned()
            .collect();
        for mut event in due {
            event.status = event.due(now);
            self.put_scheduled_event(guild, "GUILD_SCHEDULED_EVENT_UPDATE", event);
        }
    }

    /// Whether a user can see a scheduled event: whoever sees its channel.
    pub fn sees_scheduled_event(&self, event: &ScheduledEvent, user: Id) -> bool {
        let view = |c| self.permissions_in(c, user) & perm::VIEW_CHANNEL != 0;
        event.channel().is_none_or(view)
    }

    /// Events of a guild that are not over, as `viewer` sees them.
    pub fn scheduled_events(&self, guild: Id, viewer: Id) -> Vec<&ScheduledEvent> {
        let all = self.guilds.get(&guild).map(|g| g.scheduled_events.values());
        all.into_iter()
            .flatten()
            .filter(|e| !e.status.is_over() && self.sees_scheduled_event(e, viewer))
            .collect()
    }
}
