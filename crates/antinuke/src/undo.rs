//! What an attack changed, as two states: before it, and as the attacker left it. Together with the
//! present they say what to put back ([`splashtail_guild::put_back`]).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Structure};

use crate::entry::{Entry, action as a};
use crate::incident::Incident;

/// An object as it was before and as the attacker left it.
type Forms = (Option<Value>, Option<Value>);

/// The two states, made from the present and the incident's acts. What the acts do not name is in
/// both as it is now.
pub fn forms(incident: &Incident, now: &Structure) -> (Structure, Structure) {
    let mut touched: BTreeMap<(Kind, Id), Forms> = BTreeMap::new();
    let mut acts: Vec<_> = incident.acts.iter().collect();
    acts.sort_by_key(|act| act.at);
    for act in acts {
        let Some(entry) = act.entry.as_ref().and_then(Entry::read) else {
            // Without an entry it is known only that it is gone, and what it was.
            if let (Some((kind, before)), Some(target)) = (&act.before, act.target) {
                let forms = touched.entry((*kind, target));
                forms.or_insert_with(|| (Some(before.clone()), None)).1 = None;
            }
            continue;
        };
        let Some((kind, id)) = subject(&entry, now) else {
            continue;
        };
        let present = now.get(kind, id).cloned();
        let forms = touched
            .entry((kind, id))
            .or_insert_with(|| (present.clone(), present.clone()));
        match step(entry.action) {
            Step::Made => forms.0 = None,
            Step::Gone => {
                let known = act.before.as_ref().map(|(_, object)| object.clone());
                forms.0 = forms.0.take().or(known);
                forms.1 = None;
            }
            Step::Changed => change(forms, &entry),
            Step::Overwrite => overwrite(forms, &entry),
        }
    }
    let (mut before, mut after) = (now.clone(), now.clone());
    for ((kind, id), (old, left)) in touched {
        put(&mut before, kind, id, old);
        put(&mut after, kind, id, left);
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

fn change((before, after): &mut Forms, entry: &Entry<'_>) {
    for change in entry.changes() {
        let Some(field) = field(change.key) else {
            continue;
        };
        // The first change holds what was before the attack, the last what it left.
        let seen = after.as_ref().map(|object| object[field].clone());
        if let Some(object) = before {
            let earlier = seen.as_ref() != Some(&object[field]);
            if !earlier {
                object[field] = change.old.clone();
            }
        }
        if let Some(object) = after {
            object[field] = change.new.clone();
        }
    }
}

fn overwrite((before, after): &mut Forms, entry: &Entry<'_>) {
    let Some(whom) = Id::read(entry.option("id")) else {
        return;
    };
    let kind = entry.number("type").unwrap_or(0);
    let side = |new: bool| {
        let mut bits = json!({"id": whom, "type": kind, "allow": "0", "deny": "0"});
        for change in entry.changes() {
            let value = if new { change.new } else { change.old };
            if matches!(change.key, "allow" | "deny") && !value.is_null() {
                bits[change.key] = value.clone();
            }
        }
        bits
    };
    let old = (entry.action != a::OVERWRITE_CREATE).then(|| side(false));
    let new = (entry.action != a::OVERWRITE_DELETE).then(|| side(true));
    set_overwrite(before, whom, old);
    set_overwrite(after, whom, new);
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
