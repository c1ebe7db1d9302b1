//! What people changed after the plan was made: a job may wait for hours, and what they did stays.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_guild::{Effect, Id, Kind, Mapping, Operation, Structure, means_same};

use crate::carry_out::kind_of;
use crate::restore::report::{NotRestored, word};

/// What tells that somebody made an attacker's object their own.
const TELLING: [&str; 3] = ["name", "permissions", "topic"];

/// The effects that are still meant, and what is left to people. `planned`: the server for which they
/// were planned; `settled`: steps that are done.
pub fn still_meant(
    effects: &[Effect],
    mapping: &Mapping,
    (planned, now): (&Structure, &Structure),
    settled: &BTreeSet<String>,
) -> (Vec<Effect>, Vec<NotRestored>) {
    let (mut meant, mut left) = (Vec::new(), Vec::new());
    // Settings of a server change each other.
    let begun = |effect: &Effect| {
        let guild = kind_of(&effect.operation) == Kind::Guild;
        guild && !settled.is_empty()
    };
    for effect in effects {
        if settled.contains(&effect.step) || begun(effect) {
            meant.push(effect.clone());
            continue;
        }
        let mut effect = effect.clone();
        let stale = stale(&mut effect.operation, mapping, planned, now);
        let Some((kind, id, fields, whole)) = stale else {
            meant.push(effect);
            continue;
        };
        let name = now.get(kind, id).and_then(|object| object["name"].as_str());
        left.push(NotRestored {
            kind: word(kind),
            id: Some(id.to_string()),
            name: name.unwrap_or_default().to_owned(),
            fields,
            code: "changed_since".to_owned(),
            why: "somebody changed it since, and that stays".to_owned(),
        });
        if !whole {
            meant.push(effect);
        }
    }
    (meant, left)
}

/// What of an operation is not meant any more, and whether that is all of it. An edit loses the
/// fields that somebody changed.
fn stale(
    operation: &mut Operation,
    mapping: &Mapping,
    planned: &Structure,
    now: &Structure,
) -> Option<(Kind, Id, Vec<String>, bool)> {
    let resolved = operation.resolved(mapping)?;
    let forms = |kind: Kind, id: Id| Some((planned.get(kind, id)?, now.get(kind, id)?));
    match (operation, resolved) {
        (
            Operation::Edit {
                kind,
                subject,
                body,
            },
            Operation::Edit { body: wanted, .. },
        ) => {
            let id = subject.resolved(*kind, mapping)?;
            let (before, present) = forms(*kind, id)?;
            let wanted = Value::Object(wanted);
            // What is gone meanwhile, as this job deletes, is missed by nobody.
            let is = |field: &str, form| means_same((*kind, field), [form, present], now);
            let changed = |field: &String| !is(field, before) && !is(field, &wanted);
            let fields: Vec<String> = body.keys().filter(|f| changed(f)).cloned().collect();
            body.retain(|field, _| !fields.contains(field));
            let whole = body.is_empty();
            (!fields.is_empty()).then_some((*kind, id, fields, whole))
        }
        (Operation::Delete { kind, subject }, _) => {
            let id = subject.resolved(*kind, mapping)?;
            let (before, present) = forms(*kind, id)?;
            let changed = TELLING
                .iter()
                .any(|field| before[*field] != present[*field]);
            changed.then_some((*kind, id, Vec::new(), true))
        }
        (Operation::PutOverwrite { channel, .. }, Operation::PutOverwrite { overwrite, .. }) => {
            let id = channel.resolved(Kind::Channel, mapping)?;
            let whom = Id::of(&overwrite)?;
            overwritten(forms(Kind::Channel, id)?, whom, Some(&overwrite)).then(|| of_channel(id))
        }
        (Operation::DeleteOverwrite { channel, whom }, _) => {
            let id = channel.resolved(Kind::Channel, mapping)?;
            overwritten(forms(Kind::Channel, id)?, *whom, None).then(|| of_channel(id))
        }
        _ => None,
    }
}

fn of_channel(id: Id) -> (Kind, Id, Vec<String>, bool) {
    (
        Kind::Channel,
        id,
        vec!["permission_overwrites".to_owned()],
        true,
    )
}

/// Whether somebody else changed an overwrite, and not to what is wanted.
fn overwritten((before, present): (&Value, &Value), whom: Id, wanted: Option<&Value>) -> bool {
    let of = |channel: &Value| {
        let list = channel["permission_overwrites"].as_array()?;
        let found = list.iter().find(|o| Id::of(o) == Some(whom))?;
        Some((found["allow"].clone(), found["deny"].clone()))
    };
    let wanted = wanted.map(|o| (o["allow"].clone(), o["deny"].clone()));
    let (was, is) = (of(before), of(present));
    was != is && is != wanted
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use serde_json::json;
    use splashtail_guild::Subject;
    use splashtail_storage::{Item, Outcome};

    use super::*;
    use crate::carry_out::{Before, add_made};

    fn server(name: &str, topic: &str) -> Structure {
        Structure::from_guild(&json!({"id": "1", "name": "G", "roles": [], "channels": [
            {"id": "5", "type": 0, "name": name, "topic": topic, "flags": 0},
            {"id": "6", "type": 0, "name": name, "flags": 0}]}))
        .unwrap()
    }

    fn effect(step: &str, operation: Operation) -> Effect {
        Effect {
            step: step.to_owned(),
            operation,
            needs: 0,
            inverse: Vec::new(),
        }
    }

    #[test]
    fn what_somebody_changed_while_the_job_waited_stays() {
        let body = json!({"name": "general", "topic": "boats"});
        let Value::Object(body) = body else {
            unreachable!()
        };
        let subject = |id| Subject::Live(Id::new(id));
        let edit = Operation::Edit {
            kind: Kind::Channel,
            subject: subject(5),
            body,
        };
        let delete = Operation::Delete {
            kind: Kind::Channel,
            subject: subject(6),
        };
        let effects = [effect("5/edit", edit), effect("6/delete", delete)];
        let (planned, now) = (server("nuked", "nuked"), server("quay", "nuked"));
        let mapping = Mapping::default();
        let look = |settled: &[&str]| {
            let settled = settled.iter().map(|step| (*step).to_owned()).collect();
            still_meant(&effects, &mapping, (&planned, &now), &settled)
        };
        let (meant, left) = look(&[]);
        let Operation::Edit { body, .. } = &meant[0].operation else {
            panic!("{meant:?}");
        };
        assert_eq!(json!(body), json!({"topic": "boats"}));
        assert_eq!((meant.len(), left.len()), (1, 2));
        assert_eq!(left[0].fields, ["name"]);
        // Our own work is no change of somebody's.
        let (meant, left) = look(&["5/edit", "6/delete"]);
        assert_eq!((meant.as_slice(), left.len()), (&effects[..], 0));
        let same = still_meant(&effects, &mapping, (&planned, &planned), &BTreeSet::new());
        assert_eq!(same.0, effects);
    }

    /// The call was made, and its end not noted: what it asked for has ids of what was made before.
    #[test]
    fn what_a_job_asked_for_as_it_died_is_its_own() {
        let in_category = |parent: &str| {
            Structure::from_guild(&json!({"id": "1", "name": "G", "roles": [], "channels": [
                {"id": "7", "type": 4, "name": "Quay", "flags": 0},
                {"id": "60", "type": 4, "name": "Talk", "flags": 0},
                {"id": "5", "type": 0, "name": "general", "parent_id": parent, "flags": 0}]}))
            .unwrap()
        };
        let body = json!({"parent_id": "6"});
        let edit = Operation::Edit {
            kind: Kind::Channel,
            subject: Subject::Wanted(Id::new(5)),
            body: body.as_object().unwrap().clone(),
        };
        let before = Before {
            kind: Kind::Channel,
            creates: true,
            subject: Some(Subject::Wanted(Id::new(6))),
            inverse: Vec::new(),
        };
        let made = Item {
            seq: 1,
            name: "6/create".to_owned(),
            nonce: String::new(),
            what: String::new(),
            before: json!(before),
            after: Some(json!({"id": "60", "how": "created"}).to_string()),
            outcome: Outcome::Done,
            code: None,
            note: None,
            intended_at: DateTime::UNIX_EPOCH,
            intended_ago: TimeDelta::zero(),
            settled_at: None,
        };
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Channel, Id::new(5), Id::new(5));
        add_made(&mut mapping, &[made]);
        let effects = [effect("5/edit", edit)];
        let look = |now: &str| {
            let states = (&in_category("9"), &in_category(now));
            still_meant(&effects, &mapping, states, &BTreeSet::new())
        };
        assert_eq!(look("60"), (effects.to_vec(), Vec::new()));
        assert_eq!(look("7").1[0].fields, ["parent_id"]);
        // Its category was deleted by the job.
        assert_eq!(look("0"), (effects.to_vec(), Vec::new()));
    }
}
