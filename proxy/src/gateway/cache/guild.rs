//! One server: its GUILD_CREATE in pieces that events replace one by one.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Fields, Snowflake, Writer, elements};

/// What an element of a list is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Id,
    UserId,
    /// The `id` of `user`.
    User,
    SoundId,
}

/// The lists of GUILD_CREATE whose elements come and go one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListName {
    pub field: &'static str,
    pub key: Key,
}

pub const ROLES: ListName = list("roles", Key::Id);
pub const CHANNELS: ListName = list("channels", Key::Id);
pub const THREADS: ListName = list("threads", Key::Id);
pub const EMOJIS: ListName = list("emojis", Key::Id);
pub const STICKERS: ListName = list("stickers", Key::Id);
pub const SOUNDS: ListName = list("soundboard_sounds", Key::SoundId);
pub const STAGES: ListName = list("stage_instances", Key::Id);
pub const EVENTS: ListName = list("guild_scheduled_events", Key::Id);
pub const MEMBERS: ListName = list("members", Key::User);
pub const VOICE_STATES: ListName = list("voice_states", Key::UserId);
pub const PRESENCES: ListName = list("presences", Key::User);

const LISTS: [ListName; 11] = [
    ROLES,
    CHANNELS,
    THREADS,
    EMOJIS,
    STICKERS,
    SOUNDS,
    STAGES,
    EVENTS,
    MEMBERS,
    VOICE_STATES,
    PRESENCES,
];

const fn list(field: &'static str, key: Key) -> ListName {
    ListName { field, key }
}

#[derive(Debug)]
enum Field {
    Plain(Box<RawValue>),
    List(IndexMap<u64, Box<RawValue>>),
}

/// Members and presences that a client is told of at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// GUILD_PRESENCES: else no presences, and only the bot and those in voice channels as members.
    pub presences: bool,
    /// GUILD_VOICE_STATES.
    pub voice_states: bool,
}

impl View {
    pub const WHOLE: Self = Self {
        presences: true,
        voice_states: true,
    };
}

#[derive(Debug)]
pub struct Guild {
    fields: IndexMap<Box<str>, Field>,
}

impl Guild {
    /// Of the body of GUILD_CREATE.
    ///
    /// # Errors
    /// It is no object.
    pub fn read(body: &str) -> serde_json::Result<Self> {
        let read = Fields::read(body)?;
        let mut guild = Self {
            fields: IndexMap::with_capacity(read.0.len()),
        };
        for (name, value) in &read.0 {
            guild.set(name, value);
        }
        Ok(guild)
    }

    /// Takes the fields of GUILD_UPDATE; what only the gateway knows stays.
    pub fn merge(&mut self, body: &Fields<'_>) {
        for (name, value) in &body.0 {
            self.set(name, value);
        }
    }

    pub fn set(&mut self, name: &str, value: &RawValue) {
        let list = LISTS.iter().find(|list| list.field == name);
        let field = list
            .and_then(|list| keyed(*list, value))
            .map_or_else(|| Field::Plain(value.to_owned()), Field::List);
        match self.fields.get_mut(name) {
            Some(place) => *place = field,
            None => drop(self.fields.insert(name.into(), field)),
        }
    }

    pub fn get(&self, name: &str) -> Option<&RawValue> {
        match self.fields.get(name)? {
            Field::Plain(value) => Some(value),
            Field::List(_) => None,
        }
    }

    pub fn element(&self, list: ListName, id: u64) -> Option<&RawValue> {
        match self.fields.get(list.field)? {
            Field::List(elements) => elements.get(&id).map(|value| &**value),
            Field::Plain(_) => None,
        }
    }

    pub fn put(&mut self, list: ListName, id: u64, value: Box<RawValue>) {
        if let Some(elements) = self.list(list) {
            elements.insert(id, value);
        }
    }

    pub fn take(&mut self, list: ListName, id: u64) {
        if let Some(elements) = self.list(list) {
            elements.shift_remove(&id);
        }
    }

    pub fn retain(&mut self, list: ListName, keep: impl Fn(u64, &RawValue) -> bool) {
        if let Some(elements) = self.list(list) {
            elements.retain(|id, value| keep(*id, value));
        }
    }

    fn list(&mut self, list: ListName) -> Option<&mut IndexMap<u64, Box<RawValue>>> {
        let field = self.fields.entry(list.field.into());
        match field.or_insert_with(|| Field::List(IndexMap::new())) {
            Field::List(elements) => Some(elements),
            Field::Plain(_) => None,
        }
    }

    /// The body of GUILD_CREATE.
    pub fn write(&self) -> String {
        let mut text = Writer::new(4096);
        for (name, field) in &self.fields {
            match field {
                Field::Plain(value) => text.field(name, value.get()),
                Field::List(elements) => {
                    let values = elements.values().map(|value| &**value);
                    write_list(text.key(name), values);
                }
            }
        }
        text.finish()
    }
}

fn write_list<'a>(text: &mut String, values: impl Iterator<Item = &'a RawValue>) {
    let mut before = '[';
    for value in values {
        text.push(before);
        text.push_str(value.get());
        before = ',';
    }
    if before == '[' {
        text.push('[');
    }
    text.push(']');
}

/// `None` when an element has no id: such a list is kept as it is.
fn keyed(list: ListName, value: &RawValue) -> Option<IndexMap<u64, Box<RawValue>>> {
    let elements = elements(value).ok()?;
    let mut kept = IndexMap::with_capacity(elements.len());
    for element in elements {
        kept.insert(id_of(list.key, element)?, element.to_owned());
    }
    Some(kept)
}

pub fn id_of(key: Key, value: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Id {
        id: Snowflake,
    }
    #[derive(Deserialize)]
    struct OfUserId {
        user_id: Snowflake,
    }
    #[derive(Deserialize)]
    struct OfUser {
        user: Id,
    }
    #[derive(Deserialize)]
    struct OfSound {
        sound_id: Snowflake,
    }
    let text = value.get();
    let id = match key {
        Key::Id => serde_json::from_str::<Id>(text).ok()?.id,
        Key::UserId => serde_json::from_str::<OfUserId>(text).ok()?.user_id,
        Key::User => serde_json::from_str::<OfUser>(text).ok()?.user.id,
        Key::SoundId => serde_json::from_str::<OfSound>(text).ok()?.sound_id,
    };
    Some(id.0)
}

/// A GUILD_CREATE for a client that asked for less than the proxy has. `own` is the bot's id.
///
/// # Errors
/// It is no object.
pub fn seen(body: &str, view: View, own: u64) -> serde_json::Result<String> {
    let fields = Fields::read(body)?;
    let speakers: Vec<u64> = match fields.get(VOICE_STATES.field).map(elements) {
        Some(states) => states?
            .into_iter()
            .filter_map(|state| id_of(VOICE_STATES.key, state))
            .collect(),
        None => Vec::new(),
    };
    let mut text = Writer::new(body.len());
    for (name, value) in &fields.0 {
        let emptied = (&**name == PRESENCES.field && !view.presences)
            || (&**name == VOICE_STATES.field && !view.voice_states);
        if emptied {
            text.field(name, "[]");
        } else if &**name == MEMBERS.field && !view.presences {
            let members = elements(value)?.into_iter().filter(|member| {
                id_of(Key::User, member).is_some_and(|id| id == own || speakers.contains(&id))
            });
            write_list(text.key(name), members);
        } else {
            text.field(name, value.get());
        }
    }
    Ok(text.finish())
}

#[cfg(test)]
mod tests {
    use super::super::json::raw;
    use super::*;

    const BODY: &str = r#"{"id":"1","new_key":{"a" : 1.0},"roles":[{"id":"1","x":null},{"id":"5"}],"members":[{"user":{"id":"9"},"joined_at":null},{"user":{"id":"8"}},{"user":{"id":"7"}}],"voice_states":[{"user_id":"8","channel_id":"3"}],"presences":[{"user":{"id":"8"}}],"odd":[1]}"#;

    #[test]
    fn what_goes_in_comes_out() {
        assert_eq!(Guild::read(BODY).unwrap().write(), BODY);
    }

    #[test]
    fn pieces_are_replaced_where_they_stand() {
        let mut guild = Guild::read(BODY).unwrap();
        guild.put(ROLES, 1, raw(r#"{"id":"1","y":2}"#).unwrap());
        guild.take(ROLES, 5);
        guild.put(CHANNELS, 4, raw(r#"{"id":"4"}"#).unwrap());
        let text = guild.write();
        assert!(text.contains(r#""roles":[{"id":"1","y":2}]"#), "{text}");
        assert!(
            text.ends_with(r#","odd":[1],"channels":[{"id":"4"}]}"#),
            "{text}"
        );
    }

    #[test]
    fn a_client_sees_what_it_asked_for() {
        let view = View {
            presences: false,
            voice_states: false,
        };
        let text = seen(BODY, view, 9).unwrap();
        assert!(
            text.contains(
                r#""members":[{"user":{"id":"9"},"joined_at":null},{"user":{"id":"8"}}]"#
            ),
            "{text}"
        );
        assert!(
            text.contains(r#""voice_states":[],"presences":[]"#),
            "{text}"
        );
        assert_eq!(seen(BODY, View::WHOLE, 9).unwrap(), BODY);
    }
}
