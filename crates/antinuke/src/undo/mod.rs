//! What an attack changed, as two states: before it, and as the attacker left it. Together with the
//! present they say what to put back ([`splashtail_guild::put_back`]). What stands in no structure,
//! such as bans, is told apart ([`deeds`]).

mod cascade;
mod deeds;
mod pinned;
mod twins;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Structure};

use crate::bits;
use crate::entry::{Entry, action as a};
use crate::incident::Incident;
use crate::moment::Moment;

pub use deeds::{ByHand, Deeds, RoleDeeds, deeds};
pub use pinned::{MAX_HOLDERS, MAX_LOST_ROLES, Pinned};

/// An object as it was before, and as the attacker left it.
#[derive(Default)]
struct Forms {
    before: Option<Value>,
    after: Option<Value>,
    /// The attacker made it: however it ended, nothing was there before.
    made: bool,
    /// When it was deleted last, where an act tells.
    gone_at: Option<Moment>,
    /// Holders of overwrites that the attacker changed.
    holders: BTreeSet<Id>,
}

impl Forms {
    fn is_lost(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

/// What an incident's acts touched.
type Touched = BTreeMap<(Kind, Id), Forms>;

/// Objects that were lost and are there again under another id.
pub type Rebuilt = BTreeMap<(Kind, Id), Id>;

/// What is known besides the incident.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The server as it was before the first act.
    pub pinned: Option<&'a Pinned>,
    /// What was put back before, by the id under which it was lost. What became of it since is for
    /// people to say.
    pub rebuilt: &'a Rebuilt,
}

/// The states that an incident lies between.
#[derive(Debug, Clone)]
pub struct Attack {
    pub before: Structure,
    pub after: Structure,
    /// Lost objects that people have made anew, or that were put back.
    pub rebuilt: Rebuilt,
}

/// The two states, made from the present and the incident's acts alone. What the acts do not name is
/// in both as it is now.
pub fn forms(incident: &Incident, now: &Structure) -> (Structure, Structure) {
    let known = Known {
        pinned: None,
        rebuilt: &Rebuilt::new(),
    };
    let Attack { before, after, .. } = attack(incident, now, known);
    (before, after)
}

/// The two states, made from the present, the incident's acts and what is known besides.
pub fn attack(incident: &Incident, now: &Structure, known: Known<'_>) -> Attack {
    let mut touched = touched(incident, now, known.pinned);
    if let Some(pinned) = known.pinned {
        cascade::add(&mut touched, &pinned.structure, now);
    }
    let rebuilt = twins::find(&mut touched, now, known);
    let (mut before, mut after) = (now.clone(), now.clone());
    for ((kind, id), forms) in touched {
        before.place(kind, id, forms.before);
        after.place(kind, id, forms.after);
    }
    Attack {
        before,
        after,
        rebuilt,
    }
}

fn touched(incident: &Incident, now: &Structure, pinned: Option<&Pinned>) -> Touched {
    let mut touched = Touched::new();
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
                let forms = touched.entry((*kind, target)).or_insert_with(fresh);
                forms.after = None;
                forms.gone_at = Some(act.at);
            }
            continue;
        };
        let Some((kind, id)) = subject(&entry, now) else {
            continue;
        };
        let forms = touched.entry((kind, id)).or_insert_with(|| {
            let object = now.get(kind, id).or_else(|| last.get(&(kind, id)).copied());
            // After a restart nobody remembers what an object was like that is gone.
            let object = object.or_else(|| pinned?.structure.get(kind, id));
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
            Step::Gone => {
                forms.gone_at = Some(act.at);
                gone(forms, act.before.as_ref().map(|(_, object)| object));
            }
            Step::Changed => change(forms, &entry),
            Step::Overwrite => overwrite(forms, &entry),
        }
    }
    touched
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
        a::CHANNEL_CREATE | a::ROLE_CREATE | 60 | 90 | 100 | 130 | 140 => Step::Made,
        a::CHANNEL_DELETE | a::ROLE_DELETE | 62 | 92 | 102 | 132 | 142 => Step::Gone,
        _ => Step::Changed,
    }
}

fn subject(entry: &Entry<'_>, now: &Structure) -> Option<(Kind, Id)> {
    let kind = match entry.action {
        a::GUILD_UPDATE => return Some((Kind::Guild, now.id())),
        10..=15 => Kind::Channel,
        30..=32 => Kind::Role,
        60..=62 => Kind::Emoji,
        90..=92 => Kind::Sticker,
        130..=132 => Kind::Sound,
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
