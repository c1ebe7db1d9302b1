//! Bodies: made from wanted objects, and led to live ids when they are sent.

use serde_json::{Map, Value};

use super::{MAX_OVERWRITES_IN_BODY, Operation, Subject, newcomers};
use crate::fields::{SETTABLE_CHANNEL_FLAGS, Shape, fields, shape};
use crate::pairing::Mapping;
use crate::{Id, Kind, files};

/// The named fields of an object, as they are; what it does not have is sent as null.
pub(super) fn take(object: &Value, names: &[&'static str]) -> Map<String, Value> {
    let mut body = Map::new();
    for name in names {
        match *name {
            // Older backups know one colour only.
            "colors" if object["colors"].is_null() => {
                body.insert("color".to_owned(), object["color"].clone());
            }
            "unicode_emoji" | "topic" if object[*name].is_null() => {
                body.insert((*name).to_owned(), Value::Null);
            }
            name => {
                body.insert(name.to_owned(), object[name].clone());
            }
        }
    }
    body
}

/// Everything that a create takes.
pub(super) fn create(kind: Kind, object: &Value) -> Map<String, Value> {
    let names: Vec<_> = fields(kind, object, false)
        .filter(|f| f.create)
        .map(|f| f.name)
        .collect();
    let mut body = take(object, &names);
    // What is absent gets its default by not being sent.
    body.retain(|_, value| !value.is_null());
    for name in files::file_fields(kind) {
        if let Some(digest) = files::digest(object, name) {
            body.insert(name.to_owned(), files::placeholder(digest));
        } else {
            body.shift_remove(name);
        }
    }
    body
}

/// Fields of the present, as a way back sends them. Pictures whose bytes nobody has are left out.
pub(super) fn back(kind: Kind, object: &Value, names: &[&'static str]) -> Map<String, Value> {
    let mut body = take(object, names);
    files::name_bytes(kind, object, &mut body);
    body
}

/// What a create leaves to edits: flags, and a stage's crowd of more than 99.
pub(super) fn finish(channel: &Value, body: &mut Map<String, Value>) -> Map<String, Value> {
    let mut later = Map::new();
    let flags = channel["flags"].as_u64().unwrap_or(0) & SETTABLE_CHANNEL_FLAGS;
    if flags != 0 {
        later.insert("flags".to_owned(), flags.into());
    }
    if body
        .get("user_limit")
        .and_then(Value::as_i64)
        .is_some_and(|n| n > 99)
        && let Some(crowd) = body.shift_remove("user_limit")
    {
        later.insert("user_limit".to_owned(), crowd);
    }
    // A create ignores the ids of tags.
    for tag in body
        .get_mut("available_tags")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(tag) = tag.as_object_mut() {
            tag.shift_remove("id");
        }
    }
    later
}

/// Makes something live again that was deleted, with everything that a create leaves out.
pub(super) fn make_again(kind: Kind, id: Id, object: &Value) -> Vec<Operation> {
    let subject = Subject::Live(id);
    let mut body = create(kind, object);
    let mut rest = Vec::new();
    let mut later = Map::new();
    if kind == Kind::Channel {
        later = finish(object, &mut body);
        if let Some(list) = body
            .get_mut("permission_overwrites")
            .and_then(Value::as_array_mut)
        {
            rest = list.split_off(list.len().min(MAX_OVERWRITES_IN_BODY));
        }
    }
    let mut operations = vec![Operation::Create {
        kind,
        subject,
        body,
    }];
    operations.extend(rest.into_iter().map(|overwrite| Operation::PutOverwrite {
        channel: subject,
        overwrite,
    }));
    if !later.is_empty() {
        operations.push(Operation::Edit {
            kind,
            subject,
            body: later,
        });
    }
    operations
}

impl Subject {
    /// The live id, once it is known.
    pub fn resolved(self, kind: Kind, mapping: &Mapping) -> Option<Id> {
        match self {
            Self::Live(id) => Some(mapping.present(kind, id)),
            Self::Wanted(id) => mapping.live(kind, id),
        }
    }
}

impl Operation {
    /// The operation with the live ids of the moment. References to what could not be made are
    /// dropped: overwrites and list entries go, single references become null. `None` while its
    /// subject is not there.
    pub fn resolved(&self, mapping: &Mapping) -> Option<Self> {
        let mut operation = self.clone();
        match &mut operation {
            Self::Create {
                kind,
                subject,
                body,
            } => lead(*kind, *subject, body, mapping),
            Self::Edit {
                kind,
                subject,
                body,
            } => {
                lead(*kind, *subject, body, mapping);
                *subject = Subject::Live(subject.resolved(*kind, mapping)?);
            }
            Self::Delete { kind, subject } => {
                *subject = Subject::Live(subject.resolved(*kind, mapping)?);
            }
            Self::PutOverwrite { channel, overwrite } => {
                if !is_member(overwrite) {
                    let role = of_same_state(*channel, Id::of(overwrite)?);
                    overwrite["id"] = role.resolved(Kind::Role, mapping)?.json();
                }
                *channel = Subject::Live(channel.resolved(Kind::Channel, mapping)?);
            }
            Self::DeleteOverwrite { channel, .. } => {
                *channel = Subject::Live(channel.resolved(Kind::Channel, mapping)?);
            }
            Self::Reorder { kind, positions } => {
                let there = |(subject, at): &(Subject, i64)| {
                    Some((Subject::Live(subject.resolved(*kind, mapping)?), *at))
                };
                *positions = positions.iter().filter_map(there).collect();
            }
        }
        Some(operation)
    }
}

/// Something that a subject's body refers to.
fn of_same_state(subject: Subject, id: Id) -> Subject {
    match subject {
        Subject::Live(_) => Subject::Live(id),
        Subject::Wanted(_) => Subject::Wanted(id),
    }
}

pub(super) fn is_member(overwrite: &Value) -> bool {
    overwrite["type"] == 1 || overwrite["type"] == "1"
}

/// Replaces the ids in a body by live ones.
fn lead(kind: Kind, subject: Subject, body: &mut Map<String, Value>, mapping: &Mapping) {
    let live = |kind: Kind, id: &Value| {
        let there = of_same_state(subject, Id::read(id)?).resolved(kind, mapping)?;
        Some(there.json())
    };
    for (name, value) in body.iter_mut() {
        match shape(kind, name) {
            Some(Shape::Ref(of)) => *value = live(of, value).unwrap_or(Value::Null),
            Some(Shape::Refs(of)) => {
                let ids = value.as_array().into_iter().flatten();
                *value = ids.filter_map(|id| live(of, id)).collect();
            }
            Some(Shape::Overwrites) => {
                let list = value.as_array().cloned().unwrap_or_default();
                let led = list.into_iter().filter_map(|mut overwrite| {
                    if !is_member(&overwrite) {
                        overwrite["id"] = live(Kind::Role, &overwrite["id"])?;
                    }
                    Some(overwrite)
                });
                *value = led.collect();
            }
            Some(Shape::Tags) => {
                for tag in value.as_array_mut().into_iter().flatten() {
                    if !tag["emoji_id"].is_null() {
                        tag["emoji_id"] =
                            live(Kind::Emoji, &tag["emoji_id"]).unwrap_or(Value::Null);
                    }
                }
            }
            Some(Shape::Reaction) if !value["emoji_id"].is_null() => {
                value["emoji_id"] = live(Kind::Emoji, &value["emoji_id"]).unwrap_or(Value::Null);
            }
            Some(Shape::Prompts) => newcomers::lead_prompts(value, &live),
            Some(Shape::WelcomeChannels) => newcomers::lead_welcome(value, &live),
            Some(Shape::Actions) => {
                let list = value.as_array().cloned().unwrap_or_default();
                let led = list.into_iter().filter_map(|mut action| {
                    if !action["metadata"]["channel_id"].is_null() {
                        action["metadata"]["channel_id"] =
                            live(Kind::Channel, &action["metadata"]["channel_id"])?;
                    }
                    Some(action)
                });
                *value = led.collect();
            }
            _ => {}
        }
    }
}
