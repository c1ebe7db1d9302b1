use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Id;
use crate::delta::{Change, Delta};
use crate::sight::is_hidden_in;

/// What an object is. The order is the one in which a server is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The server's own settings, under its own id.
    Guild,
    Role,
    /// A channel in clear; of one that is hidden now, its last clear form.
    Channel,
    /// The obfuscated object of a channel that cannot be seen now.
    Hidden,
    /// An active thread.
    Thread,
    Emoji,
    Sticker,
    Sound,
    AutomodRule,
    ScheduledEvent,
    /// Settings of the widget, under the server's own id; of the next two there is one each as well.
    Widget,
    WelcomeScreen,
    Onboarding,
    /// One that people made. Its token is no part of it.
    Webhook,
    /// Under a number made of its code.
    Invite,
}

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::Guild,
        Self::Role,
        Self::Channel,
        Self::Hidden,
        Self::Thread,
        Self::Emoji,
        Self::Sticker,
        Self::Sound,
        Self::AutomodRule,
        Self::ScheduledEvent,
        Self::Widget,
        Self::WelcomeScreen,
        Self::Onboarding,
        Self::Webhook,
        Self::Invite,
    ];

    /// Whether a server has exactly one, under its own id.
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Self::Guild | Self::Widget | Self::WelcomeScreen | Self::Onboarding
        )
    }
}

/// Lists inside a guild object, and what they hold.
pub(crate) const LISTS: [(&str, Kind); 8] = [
    ("roles", Kind::Role),
    ("channels", Kind::Channel),
    ("threads", Kind::Thread),
    ("emojis", Kind::Emoji),
    ("stickers", Kind::Sticker),
    ("soundboard_sounds", Kind::Sound),
    ("auto_moderation_rules", Kind::AutomodRule),
    ("guild_scheduled_events", Kind::ScheduledEvent),
];

/// Keys of a guild object that say nothing about its structure, or change by themselves.
const VOLATILE: [&str; 13] = [
    "members",
    "member_count",
    "presences",
    "voice_states",
    "stage_instances",
    "joined_at",
    "large",
    "unavailable",
    "lazy",
    "approximate_member_count",
    "approximate_presence_count",
    "premium_subscription_count",
    "embedded_activities",
];

/// A server's structure. Clones share their objects, so keeping a snapshot costs one map of
/// pointers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    id: Id,
    /// Kinds whose list is whole. Of another kind nothing is known to be missing.
    known: BTreeSet<Kind>,
    #[serde(with = "as_list")]
    objects: BTreeMap<(Kind, Id), Arc<Value>>,
}

/// What REST gives apart: `GET /guilds/{id}` brings settings, roles, emojis and stickers. `None`
/// where a list was not read, which is not the same as an empty one.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// `GET /guilds/{id}/channels`: the channels that can be seen.
    pub channels: Option<Vec<Value>>,
    /// All channels as the gateway lists them; hidden ones obfuscated. Without it nobody knows which
    /// channels there are besides those that can be seen.
    pub gateway_channels: Option<Vec<Value>>,
    pub threads: Option<Vec<Value>>,
    pub sounds: Option<Vec<Value>>,
    pub automod_rules: Option<Vec<Value>>,
    pub scheduled_events: Option<Vec<Value>>,
}

impl Structure {
    /// Nothing but an id.
    pub fn empty(id: Id) -> Self {
        Self {
            id,
            known: BTreeSet::new(),
            objects: BTreeMap::new(),
        }
    }

    /// From a guild object, of GUILD_CREATE or REST. `None` without an id.
    pub fn from_guild(guild: &Value) -> Option<Self> {
        let mut structure = Self::empty(Id::of(guild)?);
        structure.replace_all(guild);
        Some(structure)
    }

    /// From REST answers. Channels that only the gateway lists are hidden.
    pub fn from_rest(guild: &Value, parts: Parts) -> Option<Self> {
        let mut structure = Self::from_guild(guild)?;
        if let Some(all) = parts.gateway_channels {
            let seen: BTreeSet<Id> = parts.channels.iter().flatten().filter_map(Id::of).collect();
            let hidden = all
                .into_iter()
                .filter(|channel| Id::of(channel).is_some_and(|id| !seen.contains(&id)));
            structure.learn(Kind::Hidden, hidden.collect());
        }
        for (kind, list) in [
            (Kind::Channel, parts.channels),
            (Kind::Thread, parts.threads),
            (Kind::Sound, parts.sounds),
            (Kind::AutomodRule, parts.automod_rules),
            (Kind::ScheduledEvent, parts.scheduled_events),
        ] {
            if let Some(list) = list {
                structure.learn(kind, list);
            }
        }
        Some(structure)
    }

    /// Takes over the whole list of a kind, read apart.
    pub fn learn(&mut self, kind: Kind, list: Vec<Value>) {
        let mut note = Delta::default();
        for object in list {
            match kind {
                // Listed by the gateway and not by REST: whatever it looks like, it is not seen.
                Kind::Hidden => {
                    if let Some(id) = Id::of(&object) {
                        let stub = Some(Arc::new(without_guild(object)));
                        self.set(Kind::Hidden, id, stub, &mut note);
                    }
                }
                kind => self.put(kind, object, &mut note),
            }
        }
        self.known.insert(kind);
    }

    /// Whether the list of a kind is whole. Of [`Kind::Hidden`]: whether every channel is known to
    /// exist, seen or not.
    pub fn knows(&self, kind: Kind) -> bool {
        self.known.contains(&kind)
    }

    pub fn id(&self) -> Id {
        self.id
    }

    /// The server's settings; null when they are not known.
    pub fn guild(&self) -> &Value {
        self.get(Kind::Guild, self.id).unwrap_or(&Value::Null)
    }

    pub fn get(&self, kind: Kind, id: Id) -> Option<&Value> {
        self.objects.get(&(kind, id)).map(|object| &**object)
    }

    /// Objects of a kind by ascending id.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (Id, &Value)> {
        self.objects
            .range((kind, Id::MIN)..=(kind, Id::MAX))
            .map(|((_, id), object)| (*id, &**object))
    }

    /// Whether a channel exists that cannot be seen now.
    pub fn is_hidden(&self, channel: Id) -> bool {
        self.objects.contains_key(&(Kind::Hidden, channel))
    }

    /// Channels that exist, seen or not, and how many of them can be seen.
    pub fn coverage(&self) -> (usize, usize) {
        let hidden = self.all(Kind::Hidden).count();
        let seen = self
            .all(Kind::Channel)
            .filter(|(id, _)| !self.is_hidden(*id));
        let seen = seen.count();
        (seen + hidden, seen)
    }

    pub fn has_feature(&self, feature: &str) -> bool {
        let features = self.guild()["features"].as_array();
        features.is_some_and(|list| list.iter().any(|f| f == feature))
    }

    /// Replaces everything by what a whole guild object says. The last clear form of a channel that
    /// it obfuscates stays.
    pub(crate) fn replace_all(&mut self, guild: &Value) -> Delta {
        let mut fresh = Self::empty(self.id);
        let mut note = Delta::default();
        fresh.put_settings(guild, &mut note);
        fresh.known.insert(Kind::Guild);
        for (list, kind) in LISTS {
            let Some(objects) = guild[list].as_array() else {
                // What a session's beginning does not list is as it was.
                for (id, object) in self.all(kind) {
                    fresh.set(kind, id, Some(Arc::new(object.clone())), &mut note);
                }
                continue;
            };
            fresh.known.insert(kind);
            for object in objects {
                fresh.put(kind, object.clone(), &mut note);
            }
            if kind == Kind::Channel {
                fresh.known.insert(Kind::Hidden);
            }
        }
        fresh.known.extend(&self.known);
        for (id, clear) in self.all(Kind::Channel) {
            if fresh.is_hidden(id) {
                fresh.set(Kind::Channel, id, Some(Arc::new(clear.clone())), &mut note);
            }
        }
        let mut delta = Delta::default();
        let mut keys: Vec<_> = self.objects.keys().chain(fresh.objects.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for (kind, id) in keys {
            let before = self.objects.get(&(*kind, *id)).cloned();
            let after = fresh.objects.get(&(*kind, *id)).cloned();
            delta.push(*kind, *id, before, after);
        }
        self.objects = fresh.objects;
        self.known = fresh.known;
        delta
    }

    /// Merges a guild object's own settings: a GUILD_UPDATE leaves out what GUILD_CREATE has.
    pub(crate) fn put_settings(&mut self, guild: &Value, delta: &mut Delta) {
        let mut settings = match self.guild() {
            Value::Object(map) => map.clone(),
            _ => Map::new(),
        };
        for (key, value) in guild.as_object().into_iter().flatten() {
            let listed = LISTS.iter().any(|(list, _)| list == key);
            if !listed && !VOLATILE.contains(&key.as_str()) {
                settings.insert(key.clone(), value.clone());
            }
        }
        self.set(Kind::Guild, self.id, Some(Arc::new(settings.into())), delta);
    }

    pub(crate) fn put(&mut self, kind: Kind, object: Value, delta: &mut Delta) {
        if kind == Kind::Channel {
            self.put_channel(object, delta);
            return;
        }
        // An event that is over is no part of the server any more; nothing else says so.
        let over = kind == Kind::ScheduledEvent && matches!(object["status"].as_u64(), Some(3 | 4));
        let id = match kind {
            Kind::Sound => Id::read(&object["sound_id"]),
            _ => Id::of(&object),
        };
        if let Some(id) = id {
            let object = (!over).then(|| Arc::new(without_guild(object)));
            self.set(kind, id, object, delta);
        }
    }

    /// A channel as it is now. One that lost its sight keeps its last clear form beside the
    /// obfuscated one.
    pub(crate) fn put_channel(&mut self, channel: Value, delta: &mut Delta) {
        let Some(id) = Id::of(&channel) else { return };
        let obfuscated = is_hidden_in(&channel, Some(self.id));
        let channel = Some(Arc::new(without_guild(channel)));
        if obfuscated {
            self.set(Kind::Hidden, id, channel, delta);
        } else {
            self.set(Kind::Channel, id, channel, delta);
            self.set(Kind::Hidden, id, None, delta);
        }
    }

    /// Sets or removes an object and notes the change; nothing when it was so already.
    pub(crate) fn set(&mut self, kind: Kind, id: Id, after: Option<Arc<Value>>, delta: &mut Delta) {
        let before = match &after {
            Some(object) => self.objects.insert((kind, id), object.clone()),
            None => self.objects.remove(&(kind, id)),
        };
        delta.push(kind, id, before, after);
    }

    /// Sets an object as it is known from elsewhere, or removes it.
    pub fn place(&mut self, kind: Kind, id: Id, object: Option<Value>) {
        self.set(kind, id, object.map(Arc::new), &mut Delta::default());
    }

    /// Applies changes noted elsewhere, in their order, whatever stands there now.
    pub fn apply(&mut self, delta: &Delta) {
        for Change {
            kind, id, after, ..
        } in delta.changes()
        {
            match after {
                Some(object) => self.objects.insert((*kind, *id), object.clone()),
                None => self.objects.remove(&(*kind, *id)),
            };
        }
    }
}

/// Objects of events carry the guild's id, those of lists do not.
fn without_guild(mut object: Value) -> Value {
    if let Value::Object(map) = &mut object {
        map.shift_remove("guild_id");
    }
    object
}

/// JSON has no maps with such keys.
mod as_list {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    use super::{Id, Kind};

    type Objects = BTreeMap<(Kind, Id), Arc<Value>>;

    pub fn serialize<S: Serializer>(objects: &Objects, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            objects
                .iter()
                .map(|((kind, id), object)| (kind, id, &**object)),
        )
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Objects, D::Error> {
        let list = Vec::<(Kind, Id, Value)>::deserialize(from)?;
        let object = |(kind, id, object)| ((kind, id), Arc::new(object));
        Ok(list.into_iter().map(object).collect())
    }
}
