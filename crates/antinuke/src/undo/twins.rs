//! Lost objects that are there again: whatever they are like now, nobody needs them twice.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::{Known, Rebuilt, Touched};
use crate::moment::Moment;

/// Takes lost objects that are there again out of what was touched, and has everything else lead to
/// what stands for them now.
pub(super) fn find(touched: &mut Touched, now: &Structure, known: Known<'_>) -> Rebuilt {
    let mut rebuilt = Rebuilt::new();
    let made: BTreeSet<(Kind, Id)> = touched
        .iter()
        .filter(|(_, forms)| forms.made)
        .map(|(key, _)| *key)
        .collect();
    // Categories first: they tell channels of one name apart.
    let mut lost: Vec<(Kind, Id, Value, Option<Moment>)> = touched
        .iter()
        .filter(|(_, forms)| forms.is_lost())
        .filter_map(|((kind, id), forms)| Some((*kind, *id, forms.before.clone()?, forms.gone_at)))
        .collect();
    lost.sort_by_key(|(kind, id, object, _)| (*kind, object["type"] != 4, *id));
    let mut taken: BTreeSet<(Kind, Id)> =
        known.rebuilt.iter().map(|((k, _), v)| (*k, *v)).collect();
    for (kind, id, object, gone_at) in lost {
        let there = known.rebuilt.get(&(kind, id)).copied().or_else(|| {
            let mut all = now.all(kind);
            let same = |(other, present): &(Id, &Value)| {
                // Ids grow with time: it was made when what it stands for was gone. A sibling of
                // the same name is older than that.
                *other > id
                    && gone_at.is_none_or(|gone_at| Moment::of(*other) >= gone_at)
                    && !made.contains(&(kind, *other))
                    && !taken.contains(&(kind, *other))
                    && is_new(known, kind, *other)
                    && alike(kind, &object, present, &rebuilt)
            };
            all.find(same).map(|(other, _)| other)
        });
        if let Some(there) = there {
            taken.insert((kind, there));
            rebuilt.insert((kind, id), there);
            touched.remove(&(kind, id));
        }
    }
    for forms in touched.values_mut() {
        for ((_, id), there) in &rebuilt {
            if let Some(before) = &mut forms.before {
                lead(before, &id.to_string(), *there);
            }
        }
    }
    rebuilt
}

/// Without a pinned structure nobody knows what is new; then names must do.
fn is_new(known: Known<'_>, kind: Kind, id: Id) -> bool {
    known
        .pinned
        .is_none_or(|pinned| pinned.structure.get(kind, id).is_none())
}

fn alike(kind: Kind, lost: &Value, present: &Value, rebuilt: &Rebuilt) -> bool {
    if lost["name"] != present["name"] {
        return false;
    }
    if kind != Kind::Channel {
        return true;
    }
    let parent = Id::read(&lost["parent_id"]);
    let parent = parent.map(|id| rebuilt.get(&(kind, id)).copied().unwrap_or(id));
    lost["type"] == present["type"] && parent == Id::read(&present["parent_id"])
}

/// Replaces an id wherever it stands: no two objects have one.
fn lead(value: &mut Value, from: &str, to: Id) {
    match value {
        Value::String(text) if text == from => *value = to.json(),
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|field| lead(field, from, to)),
        _ => {}
    }
}
