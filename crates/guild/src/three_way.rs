//! Putting back what one change did, without touching what others did since.

use std::sync::Arc;

use serde_json::Value;

use crate::compare::COMPARED;
use crate::delta::Delta;
use crate::fields::fields;
use crate::merge::{merge_bits, merge_overwrites};
use crate::pairing::within;
use crate::{Id, Kind, Structure};

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stands, and is taken back.
    PutBack,
    /// Somebody has taken it back already.
    Done,
    /// Somebody has changed the same thing since, or removed it: a person decides.
    AskAgain,
}

/// What a state should look like once a change is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct PutBack {
    /// The present with the change taken back; plan towards it.
    pub wanted: Structure,
    /// Every change with its verdict; `field` is absent where a whole object came or went.
    pub verdicts: Vec<(Kind, Id, Option<&'static str>, Verdict)>,
}

/// Takes back what led from `before` to `after`, as far as it still stands in `now`: field by field
/// where an object was changed, and bit by bit in permissions and overwrites.
pub fn put_back(before: &Structure, after: &Structure, now: &Structure) -> PutBack {
    let mut back = PutBack {
        wanted: now.clone(),
        verdicts: Vec::new(),
    };
    let states = [before, after, now];
    for kind in COMPARED {
        if !states.iter().all(|state| state.knows(kind)) {
            continue;
        }
        let mut ids: Vec<Id> = before
            .all(kind)
            .chain(after.all(kind))
            .map(|(id, _)| id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let hidden = states.iter().any(|state| state.is_hidden(id));
            let is_there = now.is_hidden(id) || hidden && after.get(kind, id).is_some();
            if kind == Kind::Channel && is_there {
                continue;
            }
            let forms = states.map(|state| state.get(kind, id));
            judge(&mut back, kind, id, forms, states);
        }
    }
    back
}

fn judge(
    back: &mut PutBack,
    kind: Kind,
    id: Id,
    states: [Option<&Value>; 3],
    [before, after, now]: [&Structure; 3],
) {
    let mut note = Delta::default();
    match states {
        [Some(old), None, None] => {
            back.wanted
                .set(kind, id, Some(Arc::new(old.clone())), &mut note);
            back.verdicts.push((kind, id, None, Verdict::PutBack));
        }
        [Some(_), None, Some(_)] | [None, Some(_), None] => {
            back.verdicts.push((kind, id, None, Verdict::Done));
        }
        [None, Some(made), Some(present)] => {
            let same = differing(kind, id, (after, made), (now, present)).is_empty();
            let verdict = if same {
                Verdict::PutBack
            } else {
                Verdict::AskAgain
            };
            if same {
                back.wanted.set(kind, id, None, &mut note);
            }
            back.verdicts.push((kind, id, None, verdict));
        }
        [Some(old), Some(changed), Some(present)] => {
            let attacked = differing(kind, id, (before, old), (after, changed));
            let since = differing(kind, id, (after, changed), (now, present));
            let open = differing(kind, id, (before, old), (now, present));
            let mut object = present.clone();
            for field in attacked {
                let merged = match field {
                    "permissions" => merge_bits(&old[field], &changed[field], &present[field]),
                    "permission_overwrites" => {
                        merge_overwrites(&old[field], &changed[field], &present[field])
                    }
                    _ => None,
                };
                if let Some((value, verdict)) = merged {
                    object[field] = value;
                    back.verdicts.push((kind, id, Some(field), verdict));
                    continue;
                }
                let verdict = match (since.contains(&field), open.contains(&field)) {
                    (false, _) => Verdict::PutBack,
                    (true, false) => Verdict::Done,
                    (true, true) => Verdict::AskAgain,
                };
                if verdict == Verdict::PutBack {
                    object[field] = old[field].clone();
                    if field == "colors" {
                        object["color"] = old["color"].clone();
                    }
                }
                back.verdicts.push((kind, id, Some(field), verdict));
            }
            if old["position"] != changed["position"] && present["position"] == changed["position"]
            {
                object["position"] = old["position"].clone();
                back.verdicts
                    .push((kind, id, Some("position"), Verdict::PutBack));
            }
            back.wanted.set(kind, id, Some(Arc::new(object)), &mut note);
        }
        [Some(old), Some(changed), None] => {
            let moved = old["position"] != changed["position"];
            if moved || !differing(kind, id, (before, old), (after, changed)).is_empty() {
                back.verdicts.push((kind, id, None, Verdict::AskAgain));
            }
        }
        [None, None, _] => {}
    }
}

/// Names of settable fields that differ between two forms of one object.
fn differing(
    kind: Kind,
    id: Id,
    (one, first): (&Structure, &Value),
    (other, second): (&Structure, &Value),
) -> Vec<&'static str> {
    let (here, there) = (within(one), within(other));
    let everyone = kind == Kind::Role && id == one.id();
    fields(kind, first, everyone)
        .filter(|f| {
            f.shape.canonical(first, f.name, &here) != f.shape.canonical(second, f.name, &there)
        })
        .map(|f| f.name)
        .collect()
}
