//! From what an attacker did to what is put back, and what is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_antinuke::undo::{self, ByHand, Deeds, Known};
use splashtail_guild::{
    Effect, Id, Kind, Mapping, Mode, Operation, PutBack, Structure, Subject, Surplus, Verdict,
    plan, put_back,
};

use super::asks::Ask;
use super::evidence::Evidence;
use super::options::{Fields, Part};
use super::people::PeopleEffect;
use super::pictures::Pictures;
use crate::carry_out::kind_of;
use crate::restore::live::Live;
use crate::restore::report::{NotRestored, word};

/// What will be done, in order, and what will not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevertPlan {
    pub hash: String,
    pub effects: Vec<Effect>,
    pub mapping: Mapping,
    pub people: Vec<PeopleEffect>,
    /// What is not as it was before, with the reason.
    pub left: Vec<NotRestored>,
    /// Why it is shown first.
    pub asks: Vec<Ask>,
}

impl RevertPlan {
    /// Equal inputs give equal plans.
    pub fn new(evidence: &Evidence, live: &Live, fields: &Fields, pictures: &Pictures) -> Self {
        let Evidence {
            incident, pinned, ..
        } = evidence;
        let now = &live.structure;
        let rebuilt = evidence.rebuilt();
        let known = Known {
            pinned: pinned.as_ref(),
            rebuilt: &rebuilt,
        };
        let attack = undo::attack(incident, now, known);
        let (mut before, mut after) = (attack.before, attack.after);
        pictures.name(&mut before, now);
        for (kind, id) in changed(&before, &after) {
            if !chosen(fields, kind, id) {
                let present = now.get(kind, id).cloned();
                before.place(kind, id, present.clone());
                after.place(kind, id, present);
            }
        }
        let PutBack { wanted, verdicts } = put_back(&before, &after, now);
        let paired = without_namesakes(now, &wanted);
        let mut mode = Mode::all(Surplus::Delete);
        mode.actor = live.subject();
        let planned = plan(&paired, &wanted, live.facts, &mode);
        let mut left: Vec<NotRestored> = Vec::new();
        for (kind, id, field, verdict) in &verdicts {
            if *verdict == Verdict::AskAgain {
                left.push(changed_since(*kind, *id, *field, [now, &after]));
            }
        }
        left.extend(hidden(&before, &after, now));
        // What stays as it is was not looked for.
        let about = |unable: &&splashtail_guild::Unable| {
            let touched = wanted.get(unable.kind, unable.id) != now.get(unable.kind, unable.id);
            touched && !now.is_hidden(unable.id)
        };
        left.extend(planned.unable.iter().filter(about).map(NotRestored::from));
        let deeds = undo::deeds(incident, pinned.as_ref());
        left.extend(deeds.by_hand.iter().map(by_hand));
        let recorded = u32::try_from(incident.acts.len()).unwrap_or(u32::MAX);
        if incident.acts_in_all > recorded {
            left.push(unrecorded(incident.acts_in_all - recorded));
        }
        let mut planned_mapping = planned.mapping;
        for ((kind, old), new) in &attack.rebuilt {
            planned_mapping.insert(*kind, *old, *new);
        }
        let mut effects = planned.effects;
        for operation in effects.iter_mut().flat_map(|effect| &mut effect.inverse) {
            with_its_name(operation, now);
        }
        let mut reverting = Self {
            hash: String::new(),
            effects,
            mapping: planned_mapping,
            people: people(&deeds, fields),
            left,
            asks: Vec::new(),
        };
        reverting.hash = reverting.digest();
        reverting
    }

    /// Of everything that is done and of what it replaces: a server that changed where the plan
    /// touches it gives another one.
    pub(super) fn digest(&self) -> String {
        let effects: Vec<Value> = self.effects.iter().map(|e| json!(e)).collect();
        let all = sorted(&json!({"effects": effects, "people": self.people}));
        let digest = Sha256::digest(all.to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.people.is_empty()
    }

    /// How many changes there are of each sort: `channel: {create: 3}`.
    pub fn counts(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        let structure = self.effects.iter();
        let structure = structure.map(|e| (word(kind_of(&e.operation)), verb(&e.operation)));
        let people = self.people.iter().map(|effect| {
            let (kind, verb) = effect.sort();
            (kind.to_owned(), verb)
        });
        for (kind, verb) in structure.chain(people) {
            *counts
                .entry(kind)
                .or_default()
                .entry(verb.to_owned())
                .or_default() += 1;
        }
        counts
    }

    /// One line for people.
    pub fn headline(&self) -> String {
        if self.is_empty() {
            return "There is nothing to put back".to_owned();
        }
        let of = |wanted: &str| {
            let is = |effect: &&Effect| verb(&effect.operation) == wanted;
            self.effects.iter().filter(is).count()
        };
        let parts = [
            (of("create"), "to make again"),
            (of("edit") + of("sort") + of("overwrite"), "to change back"),
            (of("delete"), "to delete"),
            (self.people.len(), "for members"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        parts.join(", ")
    }

    pub fn document(&self, fields: &Fields) -> Value {
        let effects: Vec<Value> = self
            .effects
            .iter()
            .map(|effect| json!({"step": effect.step, "operation": effect.operation}))
            .collect();
        let lines: Vec<String> = self.left.iter().map(NotRestored::line).collect();
        json!({"kind": "revert_plan", "server_id": fields.server_id, "incident": fields.incident,
               "plan_hash": self.hash, "summary": self.headline(), "counts": self.counts(),
               "asks": self.asks, "parts": fields.parts, "not_restored": self.left,
               "lines": lines, "effects": effects, "members": self.people})
    }
}

pub fn verb(operation: &Operation) -> &'static str {
    match operation {
        Operation::Create { .. } => "create",
        Operation::Edit { .. } => "edit",
        Operation::Delete { .. } => "delete",
        Operation::PutOverwrite { .. } | Operation::DeleteOverwrite { .. } => "overwrite",
        Operation::Reorder { .. } => "sort",
    }
}

/// Objects that two states have otherwise.
fn changed(before: &Structure, after: &Structure) -> Vec<(Kind, Id)> {
    let mut changed = Vec::new();
    for kind in Kind::ALL {
        let ids = before.all(kind).chain(after.all(kind)).map(|(id, _)| id);
        let ids: std::collections::BTreeSet<Id> = ids.collect();
        let differ = |id: &Id| before.get(kind, *id) != after.get(kind, *id);
        changed.extend(ids.into_iter().filter(differ).map(|id| (kind, id)));
    }
    changed
}

fn chosen(fields: &Fields, kind: Kind, id: Id) -> bool {
    let by_name = fields.objects.is_empty() || fields.objects.contains(&id);
    fields.parts.contains(&Part::of(kind)) && by_name
}

/// The server with other names for what goes: an attacker's channel never becomes the one that it
/// is called after, with everything that was posted there.
fn without_namesakes(now: &Structure, wanted: &Structure) -> Structure {
    let mut renamed = now.clone();
    for kind in [
        Kind::Role,
        Kind::Channel,
        Kind::AutomodRule,
        Kind::ScheduledEvent,
    ] {
        for (id, object) in now.all(kind) {
            if wanted.get(kind, id).is_none() {
                let mut object = object.clone();
                object["name"] = format!("\0{id}").into();
                renamed.place(kind, id, Some(object));
            }
        }
    }
    renamed
}

/// What goes is made again under its own name, should this be taken back.
fn with_its_name(operation: &mut Operation, now: &Structure) {
    if let Operation::Create {
        kind,
        subject,
        body,
    } = operation
        && body
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with('\0'))
    {
        let (Subject::Live(id) | Subject::Wanted(id)) = *subject;
        body.insert("name".to_owned(), name_of(now, *kind, id).into());
    }
}

fn name_of(state: &Structure, kind: Kind, id: Id) -> String {
    let object = state.get(kind, id);
    let name = object.and_then(|object| object["name"].as_str());
    name.unwrap_or_default().to_owned()
}

fn changed_since(
    kind: Kind,
    id: Id,
    field: Option<&'static str>,
    [now, after]: [&Structure; 2],
) -> NotRestored {
    let there = now.get(kind, id).is_some();
    let (named_in, did) = if there {
        (now, "changed")
    } else {
        (after, "removed")
    };
    NotRestored {
        kind: word(kind),
        id: Some(id.to_string()),
        name: name_of(named_in, kind, id),
        fields: field.into_iter().map(str::to_owned).collect(),
        code: "changed_since".to_owned(),
        why: format!("somebody {did} it since, and that stays"),
    }
}

/// Lost channels that the gateway still lists: they are hidden, not gone.
fn hidden<'s>(
    before: &'s Structure,
    after: &'s Structure,
    now: &'s Structure,
) -> impl Iterator<Item = NotRestored> + 's {
    let touched = before.all(Kind::Channel).filter(move |(id, channel)| {
        now.is_hidden(*id) && after.get(Kind::Channel, *id) != Some(*channel)
    });
    touched.map(|(id, channel)| NotRestored {
        kind: word(Kind::Channel),
        id: Some(id.to_string()),
        name: channel["name"].as_str().unwrap_or_default().to_owned(),
        fields: Vec::new(),
        code: "not_visible".to_owned(),
        why: "it is hidden from the bot now, so nobody knows what it is like".to_owned(),
    })
}

fn by_hand((what, target, name): &(ByHand, Option<Id>, String)) -> NotRestored {
    let (kind, why) = match what {
        ByHand::Kick => ("member", "only they can come back: send them an invite"),
        ByHand::Prune => ("members", "nobody can bring pruned members back"),
        ByHand::BotAdded => ("bot", "remove it yourself if you did not want it"),
        ByHand::Vanity => (
            "vanity link",
            "bots may not set it: look in the server's settings",
        ),
        ByHand::WebhookDeleted => (
            "webhook",
            "a new one has another address: make it anew and tell whoever posts with it",
        ),
        ByHand::WebhookChanged => ("webhook", "look at its name and channel yourself"),
        ByHand::InviteDeleted => ("invite", "its code is lost: make a new one"),
        ByHand::Integration => ("integration", "add or remove it in the server's settings"),
        ByHand::CommandPermissions => (
            "command permissions",
            "bots may not set them: look in the server's settings under Integrations",
        ),
        ByHand::Onboarding => ("onboarding", "look at it in the server's settings"),
        ByHand::ThreadDeleted => ("thread", "it is lost with its messages"),
        ByHand::Messages => (
            "messages",
            "deleted messages are lost, unless a backup has them",
        ),
    };
    NotRestored {
        kind: kind.to_owned(),
        id: target.map(|id| id.to_string()),
        name: name.clone(),
        fields: Vec::new(),
        code: json!(what).as_str().unwrap_or_default().to_owned(),
        why: why.to_owned(),
    }
}

fn unrecorded(acts: u32) -> NotRestored {
    NotRestored {
        kind: "acts".to_owned(),
        id: None,
        name: acts.to_string(),
        fields: Vec::new(),
        code: "not_recorded".to_owned(),
        why: "there were more acts than are kept: a backup has what they changed".to_owned(),
    }
}

fn people(deeds: &Deeds, fields: &Fields) -> Vec<PeopleEffect> {
    let all = PeopleEffect::all(deeds);
    let named = |effect: &PeopleEffect| match effect.target() {
        Some(id) => fields.objects.is_empty() || fields.objects.contains(&id),
        None => fields.objects.is_empty(),
    };
    all.into_iter()
        .filter(|effect| fields.parts.contains(&effect.part()) && named(effect))
        .collect()
}

/// With the keys of all objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> = fields
                .iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            let fields = fields.into_iter().map(|(key, value)| (key.clone(), value));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
