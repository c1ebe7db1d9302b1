//! Bodies: made from wanted objects, and led to live ids when they are sent.

use serde_json::{Map, Value};

use super::{Operation, Subject};
use crate::fields::{Shape, fields, shape};
use crate::pairing::Mapping;
use crate::{Id, Kind};

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
    body
}

impl Subject {
    /// The live id, once it is known.
    pub fn resolved(self, kind: Kind, mapping: &Mapping) -> Option<Id> {
        match self {
            Self::Live(id) => Some(id),
            Self::Wanted(id) => mapping.live(kind, id),
        }
    }
}

impl Operation {
    /// The operation with live ids in its body. References to what could not be made are dropped:
    /// overwrites and list entries go, single references become null. `None` while its subject is
    /// not there.
    pub fn resolved(&self, mapping: &Mapping) -> Option<Self> {
        let mut operation = self.clone();
        match &mut operation {
            Self::Create { kind, body, .. } => lead(*kind, body, mapping),
            Self::Edit {
                kind,
                subject,
                body,
            } => {
                let of_wanted = matches!(subject, Subject::Wanted(_));
                *subject = Subject::Live(subject.resolved(*kind, mapping)?);
                if of_wanted {
                    lead(*kind, body, mapping);
                }
            }
            Self::Delete { kind, subject } => {
                *subject = Subject::Live(subject.resolved(*kind, mapping)?);
            }
            Self::PutOverwrite { channel, overwrite } => {
                let of_wanted = matches!(channel, Subject::Wanted(_));
                *channel = Subject::Live(channel.resolved(Kind::Channel, mapping)?);
                if of_wanted && overwrite["type"] != 1 {
                    let role = Id::of(overwrite)?;
                    overwrite["id"] = mapping.live(Kind::Role, role)?.json();
                }
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

/// Replaces ids of the wanted state by live ones.
fn lead(kind: Kind, body: &mut Map<String, Value>, mapping: &Mapping) {
    let live = |kind: Kind, id: &Value| {
        Id::read(id)
            .and_then(|id| mapping.live(kind, id))
            .map(Id::json)
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
                    if overwrite["type"] != 1 && overwrite["type"] != "1" {
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
