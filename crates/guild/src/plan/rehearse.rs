//! A plan carried out on paper: what the server will look like.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Operation, Plan, Subject};
use crate::delta::Delta;
use crate::{Id, Kind, Structure, files};

/// Ids that Discord gives in the twenty-second century: none of either state.
const BEYOND: u64 = 1 << 62;

/// Applies a plan to the state it was made for, as Discord would. New objects get ids above all
/// others.
pub fn rehearse(live: &Structure, plan: &Plan) -> Structure {
    let mut stage = Stage {
        state: live.clone(),
        next: highest(live).max(BEYOND),
    };
    let mut mapping = plan.mapping.clone();
    for effect in &plan.effects {
        let Some(operation) = effect.operation.resolved(&mapping) else {
            continue;
        };
        let made = stage.perform(operation);
        if let (Some(id), Operation::Create { kind, subject, .. }) = (made, &effect.operation) {
            match subject {
                Subject::Wanted(wanted) => mapping.insert(*kind, *wanted, id),
                Subject::Live(old) => mapping.renew(*kind, *old, id),
            }
        }
    }
    stage.state
}

struct Stage {
    state: Structure,
    next: u64,
}

fn highest(state: &Structure) -> u64 {
    let all = Kind::ALL.iter().flat_map(|kind| state.all(*kind));
    all.map(|(id, _)| id.get()).max().unwrap_or(0)
}

impl Stage {
    /// The id of what was made.
    fn perform(&mut self, operation: Operation) -> Option<Id> {
        match operation {
            Operation::Create { kind, body, .. } => return Some(self.create(kind, body)),
            Operation::Edit {
                kind,
                subject: Subject::Live(id),
                body,
            } => self.edit(kind, id, |object| {
                for (key, value) in body {
                    if key == "colors" {
                        object.insert("color".to_owned(), value["primary_color"].clone());
                    }
                    if key == "color" {
                        object.shift_remove("colors");
                    }
                    files::take_in(kind, object, &key, value);
                }
            }),
            Operation::Delete {
                kind,
                subject: Subject::Live(id),
            } => self.delete(kind, id),
            Operation::PutOverwrite {
                channel: Subject::Live(id),
                overwrite,
            } => self.edit(Kind::Channel, id, |channel| {
                let list = channel
                    .entry("permission_overwrites")
                    .or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.retain(|o| o["id"] != overwrite["id"]);
                    list.push(overwrite);
                }
            }),
            Operation::DeleteOverwrite {
                channel: Subject::Live(id),
                whom,
            } => self.edit(Kind::Channel, id, |channel| {
                let list = channel.get_mut("permission_overwrites");
                if let Some(list) = list.and_then(Value::as_array_mut) {
                    list.retain(|o| Id::of(o) != Some(whom));
                }
            }),
            Operation::Reorder { kind, positions } => {
                for (subject, at) in positions {
                    if let Subject::Live(id) = subject {
                        self.edit(kind, id, |object| {
                            object.insert("position".to_owned(), at.into());
                        });
                    }
                }
            }
            // Unresolved subjects are of nobody.
            _ => {}
        }
        None
    }

    fn create(&mut self, kind: Kind, asked: Map<String, Value>) -> Id {
        let mut body = Map::new();
        for (key, value) in asked {
            files::take_in(kind, &mut body, &key, value);
        }
        self.next += 1;
        let id = Id::new(self.next);
        body.insert("id".to_owned(), id.json());
        if kind == Kind::Sound {
            body.insert("sound_id".to_owned(), id.json());
        }
        let position = match kind {
            // All new roles stand at the bottom.
            Kind::Role => Some(1),
            Kind::Channel => {
                let all = self
                    .state
                    .all(Kind::Channel)
                    .filter_map(|(_, c)| c["position"].as_i64());
                Some(all.max().unwrap_or(-1) + 1)
            }
            _ => None,
        };
        if let Some(position) = position {
            body.insert("position".to_owned(), position.into());
        }
        let mut note = Delta::default();
        self.state
            .set(kind, id, Some(Arc::new(body.into())), &mut note);
        id
    }

    fn edit(&mut self, kind: Kind, id: Id, edit: impl FnOnce(&mut Map<String, Value>)) {
        let Some(Value::Object(object)) = self.state.get(kind, id) else {
            return;
        };
        let mut object = object.clone();
        edit(&mut object);
        let mut note = Delta::default();
        self.state
            .set(kind, id, Some(Arc::new(object.into())), &mut note);
    }

    fn delete(&mut self, kind: Kind, id: Id) {
        let mut note = Delta::default();
        self.state.set(kind, id, None, &mut note);
        if kind != Kind::Channel {
            return;
        }
        // A category's children stay, below none.
        let children: Vec<Id> = self
            .state
            .all(Kind::Channel)
            .filter(|(_, channel)| Id::read(&channel["parent_id"]) == Some(id))
            .map(|(child, _)| child)
            .collect();
        for child in children {
            self.edit(Kind::Channel, child, |channel| {
                channel.insert("parent_id".to_owned(), Value::Null);
            });
        }
    }
}
