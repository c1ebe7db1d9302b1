//! What an attack changed, as two states: before it, and as the attacker left it. Together with the
//! present they say what to put back ([`splashtail_guild::put_back`]).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Structure};

use crate::bits;
use crate::entry::{Entry, action as a};
use crate::incident::Incident;

/// An object as it was before, and as the attacker left it.
#[derive(Default)]
struct Forms {
    before: Option<Value>,
    after: Option<Value>,
    /// The attacker made it: however it ended, nothing was there before.
    made: bool,
    /// Holders of overwrites that the attacker changed.
    holders: BTreeSet<Id>,
}

/// The two states, made from the present and the incident's acts. What the acts do not name is in
/// both as it is now.
pub fn forms(incident: &Incident, now: &Structure) -> (Structure, Structure) {
    let mut touched: BTreeMap<(Kind, Id), Forms> = BTreeMap::new();
    let mut acts: Vec<_> = incident.acts.iter().collect();
    acts.sort_by_key(|act| act.at);
    // What is gone is as it was last, until acts before that say otherwise.
    let mut last: BTreeMap<(Kind, Id), &Value> = BTreeMap::new();
    for act in &acts {
        if let (Some((kind, object)), Some(target)) = (&act.before, act.target) {
            last.insert((*kind, target), object);
        }
    }
    for act in acts {
        let Some(entry) = act.entry.as_ref().and_then(Entry::read) else {
            // Without an entry it is known only that it is gone, and what it was.
            if let (Some((kind, before)), Some(target)) = (&act.before, act.target) {
                let fresh = || Forms {
                    before: Some(before.clone()),
                    ..Forms::default()
                };
                touched.entry((*kind, target)).or_insert_with(fresh).after = None;
            }
            continue;
        };
        let Some((kind, id)) = subject(&entry, now) else {
            continue;
        };
        let forms = touched.entry((kind, id)).or_insert_with(|| {
            let object = now.get(kind, id).or_else(|| last.get(&(kind, id)).copied());
            Forms {
                before: object.cloned(),
                after: object.cloned(),
                ..Forms::default()
            }
        });
        match step(entry.action) {
            Step::Made => {
                forms.before = None;
                forms.made = true;
            }
            Step::Gone => gone(forms, act.before.as_ref().map(|(_, object)| object)),
            Step::Changed => change(forms, &entry),
            Step::Overwrite => overwrite(forms, &entry),
        }
    }
    let (mut before, mut after) = (now.clone(), now.clone());
    for ((kind, id), forms) in touched {
        put(&mut before, kind, id, forms.before);
        put(&mut after, kind, id, forms.after);
    }
    (before, after)
}

enum Step {
    Made,
    Gone,
    Changed,
    Overwrite,
}

fn step(action: u16) -> Step {
    match action {
        a::OVERWRITE_CREATE..=a::OVERWRITE_DELETE => Step::Overwrite,
        a::CHANNEL_CREATE | a::ROLE_CREATE | 100 | 140 => Step::Made,
        a::CHANNEL_DELETE | a::ROLE_DELETE | 102 | 142 => Step::Gone,
        _ => Step::Changed,
    }
}

fn subject(entry: &Entry<'_>, now: &Structure) -> Option<(Kind, Id)> {
    let kind = match entry.action {
        a::GUILD_UPDATE => return Some((Kind::Guild, now.id())),
        10..=15 => Kind::Channel,
        30..=32 => Kind::Role,
        100..=102 => Kind::ScheduledEvent,
        140..=142 => Kind::AutomodRule,
        _ => return None,
    };
    Some((kind, entry.target?))
}

/// A key of the audit log as the object has it.
fn field(key: &str) -> Option<&str> {
    match key {
        "icon_hash" => Some("icon"),
        "splash_hash" => Some("splash"),
        "banner_hash" => Some("banner"),
        "discovery_splash_hash" => Some("discovery_splash"),
        "id" | "guild_id" | "type" | "permission_overwrites" => None,
        key if key.starts_with('$') => None,
        key => Some(key),
    }
}

/// What was before is what stood there before the attacker's first change, or before the first one
/// after somebody else's.
fn change(forms: &mut Forms, entry: &Entry<'_>) {
    for change in entry.changes() {
        let Some(field) = field(change.key) else {
            continue;
        };
        let (Some(before), Some(after)) = (&mut forms.before, &mut forms.after) else {
            return;
        };
        let changed_before = before[field] != after[field];
        if !changed_before || after[field] != *change.old {
            before[field] = change.old.clone();
        }
        after[field] = change.new.clone();
    }
}

/// It is wanted again as it was when it went, less what the attacker had changed of it.
fn gone(forms: &mut Forms, object: Option<&Value>) {
    let left = forms.after.take();
    if forms.made {
        return;
    }
    let (Some(object), Some(before)) = (object, &mut forms.before) else {
        forms.before = forms.before.take().or_else(|| object.cloned());
        return;
    };
    let Some(left) = left else { return };
    for (field, value) in object.as_object().into_iter().flatten() {
        if field != "permission_overwrites" && left[field] != *value {
            before[field] = value.clone();
        }
    }
    for whom in &forms.holders {
        let (last, left) = (overwrite_of(object, *whom), overwrite_of(&left, *whom));
        if !is_same(last, left) {
            set_overwrite(&mut forms.before, *whom, last.cloned());
        }
    }
}

/// The same for one holder's overwrite. An entry names only the bit sets that changed.
fn overwrite(forms: &mut Forms, entry: &Entry<'_>) {
    let Some(whom) = Id::read(entry.option("id")) else {
        return;
    };
    let kind = entry.number("type").unwrap_or(0);
    let standing = forms.after.as_ref().and_then(|c| overwrite_of(c, whom));
    let blank = json!({"id": whom, "type": kind, "allow": "0", "deny": "0"});
    let mut old = standing.unwrap_or(&blank).clone();
    let mut new = old.clone();
    for change in entry.changes() {
        if matches!(change.key, "allow" | "deny") {
            for (side, value) in [(&mut old, change.old), (&mut new, change.new)] {
                if !value.is_null() {
                    side[change.key] = value.clone();
                }
            }
        }
    }
    let was = (entry.action != a::OVERWRITE_CREATE).then_some(old);
    let goes_on = forms.holders.contains(&whom) && is_same(standing, was.as_ref());
    if !goes_on {
        set_overwrite(&mut forms.before, whom, was);
    }
    let left = (entry.action != a::OVERWRITE_DELETE).then_some(new);
    set_overwrite(&mut forms.after, whom, left);
    forms.holders.insert(whom);
}

fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => ["allow", "deny"]
            .iter()
            .all(|set| bits::read(&one[*set]) == bits::read(&other[*set])),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn overwrite_of(channel: &Value, whom: Id) -> Option<&Value> {
    let list = channel["permission_overwrites"].as_array()?;
    list.iter().find(|known| Id::of(known) == Some(whom))
}

fn set_overwrite(channel: &mut Option<Value>, whom: Id, overwrite: Option<Value>) {
    let list = channel.as_mut().map(|c| &mut c["permission_overwrites"]);
    if let Some(Value::Array(list)) = list {
        list.retain(|known| Id::of(known) != Some(whom));
        list.extend(overwrite);
    }
}

/// Sets or removes an object by the event that would tell of it.
fn put(state: &mut Structure, kind: Kind, id: Id, object: Option<Value>) {
    let guild = state.id();
    let (name, data) = match (kind, object) {
        (Kind::Guild, Some(object)) => ("GUILD_UPDATE", object),
        (Kind::Role, Some(object)) => (
            "GUILD_ROLE_UPDATE",
            json!({"guild_id": guild, "role": object}),
        ),
        (Kind::Role, None) => (
            "GUILD_ROLE_DELETE",
            json!({"guild_id": guild, "role_id": id}),
        ),
        (Kind::Channel, Some(object)) => ("CHANNEL_UPDATE", object),
        (Kind::Channel, None) => ("CHANNEL_DELETE", json!({"id": id})),
        (Kind::AutomodRule, Some(object)) => ("AUTO_MODERATION_RULE_UPDATE", object),
        (Kind::AutomodRule, None) => ("AUTO_MODERATION_RULE_DELETE", json!({"id": id})),
        (Kind::ScheduledEvent, Some(object)) => ("GUILD_SCHEDULED_EVENT_UPDATE", object),
        (Kind::ScheduledEvent, None) => ("GUILD_SCHEDULED_EVENT_DELETE", json!({"id": id})),
        _ => return,
    };
    state.apply_event(name, &data);
}
