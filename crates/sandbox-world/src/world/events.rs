//! What gateway sessions are told, and who may hear it.
//!
//! The audience of an event is settled when it happens, because afterwards the channel or the
//! member may be gone. Intents are settled when it is sent, because each session has its own.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::World;
use super::id::Id;
use super::permissions as perm;

/// Gateway intents.
pub mod intent {
    pub const GUILDS: u64 = 1;
    pub const GUILD_MEMBERS: u64 = 1 << 1;
    pub const GUILD_MODERATION: u64 = 1 << 2;
    pub const GUILD_EXPRESSIONS: u64 = 1 << 3;
    pub const GUILD_INTEGRATIONS: u64 = 1 << 4;
    pub const GUILD_WEBHOOKS: u64 = 1 << 5;
    pub const GUILD_INVITES: u64 = 1 << 6;
    pub const GUILD_VOICE_STATES: u64 = 1 << 7;
    pub const GUILD_PRESENCES: u64 = 1 << 8;
    pub const GUILD_MESSAGES: u64 = 1 << 9;
    pub const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
    pub const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
    pub const DIRECT_MESSAGES: u64 = 1 << 12;
    pub const DIRECT_MESSAGE_REACTIONS: u64 = 1 << 13;
    pub const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;
    pub const MESSAGE_CONTENT: u64 = 1 << 15;
    pub const GUILD_SCHEDULED_EVENTS: u64 = 1 << 16;
    pub const AUTO_MODERATION_CONFIGURATION: u64 = 1 << 20;
    pub const AUTO_MODERATION_EXECUTION: u64 = 1 << 21;
    pub const GUILD_MESSAGE_POLLS: u64 = 1 << 24;
    pub const DIRECT_MESSAGE_POLLS: u64 = 1 << 25;
    /// Every bit that has a meaning.
    pub const ALL: u64 = 0x1_ffff | (3 << 20) | (3 << 24);
    /// Those an application must have been allowed.
    pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;
}

/// JSON that is turned into text at most once, however many sessions get it.
#[derive(Debug)]
pub struct Payload {
    value: Value,
    text: OnceLock<Arc<str>>,
}

impl Payload {
    pub fn new(value: Value) -> Arc<Self> {
        Arc::new(Self {
            value,
            text: OnceLock::new(),
        })
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The compact JSON text.
    pub fn text(&self) -> &Arc<str> {
        self.text.get_or_init(|| compact(&self.value).into())
    }
}

/// The compact text of a value. Unlike `to_string` it does not go through a formatter.
pub fn compact(value: &Value) -> String {
    // Only maps whose keys are no strings cannot be written, and a value has none.
    serde_json::to_string(value).unwrap_or_default()
}

/// The value of what can be written.
pub(crate) fn value(written: &impl serde::Serialize) -> Value {
    // Only maps whose keys are no strings have none, and nothing on the wire has such.
    serde_json::to_value(written).unwrap_or_default()
}

/// A dispatch, before sessions and shards.
#[derive(Debug)]
pub struct Event {
    /// `None`: goes to shard 0.
    pub guild_id: Option<Id>,
    /// Name of the dispatch, as `MESSAGE_CREATE`. The payload of GUILD_CREATE is only `{id}`:
    /// each session builds its own through [`World::guild_create_text`].
    pub kind: &'static str,
    /// A session needs one of these bits; 0 = no intent needed.
    pub intents: u64,
    /// Bot users that may see it.
    to: Vec<Id>,
    /// The bot user that gets it without the intent: its own GUILD_MEMBER_UPDATE.
    own: Option<Id>,
    /// Sandbox milliseconds that a fault holds it back for everyone.
    pub late_ms: u64,
    full: Arc<Payload>,
    /// Set when sessions without MESSAGE_CONTENT get less.
    bare: Option<Bare>,
}

/// A message without what it says, made when a session needs it.
#[derive(Debug)]
struct Bare {
    payload: OnceLock<Arc<Payload>>,
    /// Bots that get the full payload all the same.
    exempt: Vec<Id>,
}

impl Bare {
    fn payload(&self, full: &Payload) -> Arc<Payload> {
        let make = || {
            let mut bare = full.value.clone();
            bare["content"] = "".into();
            for list in ["embeds", "attachments", "components"] {
                bare[list] = Value::Array(Vec::new());
            }
            if let Some(map) = bare.as_object_mut() {
                map.remove("poll");
            }
            Payload::new(bare)
        };
        self.payload.get_or_init(make).clone()
    }
}

impl Event {
    /// Whether this bot user may see it, whatever its intents.
    pub fn visible(&self, bot: Id) -> bool {
        self.to.contains(&bot)
    }

    /// The payload for a session of `bot` with `intents`; `None` when it does not get the event.
    pub fn payload_for(&self, bot: Id, intents: u64) -> Option<Arc<Payload>> {
        let wanted = self.intents == 0 || self.intents & intents != 0 || self.own == Some(bot);
        if !wanted || !self.visible(bot) {
            return None;
        }
        match &self.bare {
            Some(bare) if intents & intent::MESSAGE_CONTENT == 0 && !bare.exempt.contains(&bot) => {
                Some(bare.payload(&self.full))
            }
            _ => Some(self.full.clone()),
        }
    }

    /// The complete payload, for observers outside the gateway.
    pub fn full(&self) -> &Arc<Payload> {
        &self.full
    }
}

/// Receives events under the world's lock, in the order they happened.
pub trait EventSink: Send + Sync {
    /// Must not block and must not call back into the [`Sandbox`](crate::Sandbox).
    fn deliver(&self, world: &World, events: &[Arc<Event>]);
}

impl World {
    /// Holds back the event that was queued last, when it is of this kind: nobody who may see it
    /// means that there is none.
    pub(crate) fn delay_last_event(&mut self, kind: &'static str, late_ms: u64) {
        if late_ms > 0
            && let Some(event) = self.outbox.last_mut().and_then(Arc::get_mut)
            && event.kind == kind
        {
            event.late_ms = late_ms;
        }
    }

    /// Queues an event of a guild for every bot in it that has one of `needs` (0: every bot).
    pub(crate) fn emit(
        &mut self,
        guild: Id,
        kind: &'static str,
        intents: u64,
        needs: u64,
        payload: Value,
    ) {
        let to = self.bots_in(guild, |world, guild, bot| {
            needs == 0
                || perm::in_guild(guild, bot, world.now()) & (needs | perm::ADMINISTRATOR) != 0
        });
        self.queue(Some(guild), kind, intents, to, payload);
    }

    /// Queues an event of a channel for every bot that sees the channel.
    pub(crate) fn emit_in(
        &mut self,
        channel: Id,
        kind: &'static str,
        intents: u64,
        payload: Value,
    ) {
        let Some(guild) = self.channels.get(&channel).map(|c| c.guild_id) else {
            return;
        };
        match guild {
            Some(guild) => {
                let to = self.viewers(guild, channel);
                self.queue(Some(guild), kind, intents, to, payload);
            }
            None => {
                let to = self.channels[&channel].recipients.clone();
                self.queue(None, kind, intents, to, payload);
            }
        }
    }

    /// Queues an event of a guild for these bots.
    pub(crate) fn emit_to_all(
        &mut self,
        guild: Id,
        kind: &'static str,
        intents: u64,
        bots: Vec<Id>,
        payload: Value,
    ) {
        self.queue(Some(guild), kind, intents, bots, payload);
    }

    /// The events of a change that is complete, in the order they happened.
    pub(crate) fn take_events(&mut self) -> Vec<Arc<Event>> {
        self.settle_sight();
        std::mem::take(&mut self.outbox)
    }

    /// Queues an event for one bot user.
    pub fn emit_to(
        &mut self,
        bot: Id,
        guild: Option<Id>,
        kind: &'static str,
        intents: u64,
        payload: Value,
    ) {
        self.queue(guild, kind, intents, vec![bot], payload);
    }

    /// Queues a GUILD_MEMBER_UPDATE, which its subject gets without the intent.
    pub(crate) fn emit_member_update(&mut self, guild: Id, user: Id, payload: Value) {
        let to = self.bots_in(guild, |_, _, _| true);
        self.outbox.push(Arc::new(Event {
            guild_id: Some(guild),
            kind: "GUILD_MEMBER_UPDATE",
            intents: intent::GUILD_MEMBERS,
            to,
            own: Some(user),
            late_ms: 0,
            full: Payload::new(payload),
            bare: None,
        }));
    }

    /// Queues a THREAD_MEMBERS_UPDATE: about others it needs GUILD_MEMBERS, about itself a bot
    /// hears it with GUILDS.
    pub(crate) fn emit_thread_members(
        &mut self,
        thread: Id,
        guild: Id,
        subject: Id,
        payload: Value,
    ) {
        let viewers = self.viewers(guild, thread);
        let own = viewers.contains(&subject)
            || self
                .guilds
                .get(&guild)
                .is_some_and(|g| g.bots.contains(&subject));
        let others = viewers.into_iter().filter(|b| *b != subject).collect();
        self.queue(
            Some(guild),
            "THREAD_MEMBERS_UPDATE",
            intent::GUILD_MEMBERS,
            others,
            payload.clone(),
        );
        if own {
            self.queue(
                Some(guild),
                "THREAD_MEMBERS_UPDATE",
                intent::GUILDS,
                vec![subject],
                payload,
            );
        }
    }

    /// Queues a message event: sessions without MESSAGE_CONTENT get it emptied, except the
    /// author's, mentioned bots' and in direct messages.
    pub(crate) fn emit_message(
        &mut self,
        kind: &'static str,
        channel: Id,
        author: Id,
        payload: Value,
    ) {
        let Some(place) = self.channels.get(&channel) else {
            return;
        };
        let guild = place.guild_id;
        let (to, intents) = match guild {
            Some(guild) => (self.viewers(guild, channel), intent::GUILD_MESSAGES),
            None => (place.recipients.clone(), intent::DIRECT_MESSAGES),
        };
        if to.is_empty() {
            return;
        }
        let bare = guild.map(|_| {
            let mut exempt = vec![author];
            let mentions = payload["mentions"].as_array().into_iter().flatten();
            exempt.extend(mentions.filter_map(|m| m["id"].as_str()?.parse::<Id>().ok()));
            Bare {
                payload: OnceLock::new(),
                exempt,
            }
        });
        self.outbox.push(Arc::new(Event {
            guild_id: guild,
            kind,
            intents,
            to,
            own: None,
            late_ms: 0,
            full: Payload::new(payload),
            bare,
        }));
    }

    /// Bots that see `channel`.
    pub(crate) fn viewers(&self, guild: Id, channel: Id) -> Vec<Id> {
        self.bots_in(guild, |world, _, bot| {
            world.permissions_in(channel, bot) & perm::VIEW_CHANNEL != 0
        })
    }

    fn bots_in(&self, guild: Id, keep: impl Fn(&World, &super::Guild, Id) -> bool) -> Vec<Id> {
        let Some(guild) = self.guilds.get(&guild) else {
            return Vec::new();
        };
        guild
            .bots
            .iter()
            .copied()
            .filter(|bot| keep(self, guild, *bot))
            .collect()
    }

    fn queue(
        &mut self,
        guild_id: Option<Id>,
        kind: &'static str,
        intents: u64,
        to: Vec<Id>,
        payload: Value,
    ) {
        if to.is_empty() {
            return;
        }
        let full = Payload::new(payload);
        self.outbox.push(Arc::new(Event {
            guild_id,
            kind,
            intents,
            to,
            own: None,
            late_ms: 0,
            full,
            bare: None,
        }));
    }
}
