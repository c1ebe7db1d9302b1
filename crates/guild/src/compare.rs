use serde_json::Value;

use crate::fields::fields;
use crate::pairing::{Mapping, pair, rank, within};
use crate::{Id, Kind, Structure};

/// How a live state differs from a wanted one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Pairs whose settable fields differ.
    pub changed: Vec<Difference>,
    /// Wanted, and not there; ids of the wanted state.
    pub missing: Vec<(Kind, Id)>,
    /// There, and not wanted; ids of the live state.
    pub surplus: Vec<(Kind, Id)>,
    /// Channels that are, or were, hidden from the bot: nothing can be said about them. Ids of the
    /// wanted state where it has them.
    pub not_visible: Vec<Id>,
    /// Kinds of which one of the states has no whole list: nothing is missing and nothing surplus.
    pub not_known: Vec<Kind>,
    /// Lists whose order differs: the roles, or a category with one class of its channels.
    pub reordered: Vec<Bucket>,
}

/// A pair that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub kind: Kind,
    pub live: Id,
    pub wanted: Id,
    pub fields: Vec<FieldChange>,
}

/// One field, in canonical form on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    pub field: &'static str,
    pub live: Value,
    pub wanted: Value,
}

/// What is sorted among itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    Roles,
    Categories,
    /// Text or voice channels below a category of the live state, or below none.
    Channels {
        parent: Option<Id>,
        voice: bool,
    },
}

impl Comparison {
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
            && self.missing.is_empty()
            && self.surplus.is_empty()
            && self.not_visible.is_empty()
            && self.reordered.is_empty()
    }
}

/// Kinds that are compared and planned. Threads live and die with messages.
pub(crate) const COMPARED: [Kind; 13] = [
    Kind::Guild,
    Kind::Role,
    Kind::Channel,
    Kind::Emoji,
    Kind::Sticker,
    Kind::Sound,
    Kind::AutomodRule,
    Kind::ScheduledEvent,
    Kind::Widget,
    Kind::WelcomeScreen,
    Kind::Onboarding,
    Kind::Webhook,
    Kind::Invite,
];

/// Compares two states of one server, or of two.
pub fn compare(live: &Structure, wanted: &Structure) -> Comparison {
    compare_paired(live, wanted, &pair(live, wanted))
}

pub(crate) fn compare_paired(
    live: &Structure,
    wanted: &Structure,
    mapping: &Mapping,
) -> Comparison {
    let hidden = live.all(Kind::Hidden).chain(wanted.all(Kind::Hidden));
    let mut not_visible: Vec<Id> = hidden.map(|(id, _)| id).collect();
    not_visible.sort_unstable();
    not_visible.dedup();
    let mut found = Comparison {
        not_visible,
        ..Comparison::default()
    };
    for kind in COMPARED {
        if !live.knows(kind) || !wanted.knows(kind) {
            found.not_known.push(kind);
            continue;
        }
        for (id, object) in wanted.all(kind) {
            if kind == Kind::Channel && wanted.is_hidden(id) {
                continue;
            }
            let Some(there) = mapping.live(kind, id) else {
                found.missing.push((kind, id));
                continue;
            };
            if kind == Kind::Channel && live.is_hidden(there) {
                continue;
            }
            let Some(present) = live.get(kind, there) else {
                continue;
            };
            let fields = changed_fields(kind, (live, there, present), (wanted, object), mapping);
            if !fields.is_empty() {
                found.changed.push(Difference {
                    kind,
                    live: there,
                    wanted: id,
                    fields,
                });
            }
        }
        for (id, _) in live.all(kind) {
            let hidden = kind == Kind::Channel && live.is_hidden(id);
            if mapping.wanted(kind, id).is_none() && !hidden && !kind.is_single() {
                found.surplus.push((kind, id));
            }
        }
    }
    found.reordered = reordered(live, wanted, mapping);
    let known = |kind| !found.not_known.contains(&kind);
    let (roles, channels) = (known(Kind::Role), known(Kind::Channel));
    found.reordered.retain(|bucket| match bucket {
        Bucket::Roles => roles,
        Bucket::Categories | Bucket::Channels { .. } => channels,
    });
    found
}

fn changed_fields(
    kind: Kind,
    (live, there, present): (&Structure, Id, &Value),
    (wanted, object): (&Structure, &Value),
    mapping: &Mapping,
) -> Vec<FieldChange> {
    let (here, across) = (within(live), mapping.follow(wanted));
    let everyone = kind == Kind::Role && there == live.id();
    let mut changes = Vec::new();
    for field in fields(kind, object, everyone).filter(|f| f.edit) {
        let before = field.shape.canonical(present, field.name, &here);
        let after = field.shape.canonical(object, field.name, &across);
        if before != after {
            changes.push(FieldChange {
                field: field.name,
                live: before,
                wanted: after,
            });
        }
    }
    changes
}

/// The bucket of a channel.
pub(crate) fn bucket(channel: &Value, parent: Option<Id>) -> Bucket {
    match channel["type"].as_u64() {
        Some(4) => Bucket::Categories,
        kind => Bucket::Channels {
            parent,
            voice: matches!(kind, Some(2 | 13)),
        },
    }
}

/// Lists whose paired members stand in another order than wanted. A channel that is to move to
/// another parent is no member of either list.
fn reordered(live: &Structure, wanted: &Structure, mapping: &Mapping) -> Vec<Bucket> {
    let mut pairs = Vec::new();
    for (id, object) in wanted.all(Kind::Role) {
        let there = mapping.live(Kind::Role, id);
        if let Some(present) = there.and_then(|there| live.get(Kind::Role, there))
            && let Some(there) = there
        {
            let ranks = (
                rank(Kind::Role, there, present),
                rank(Kind::Role, id, object),
            );
            pairs.push((Bucket::Roles, ranks));
        }
    }
    let parent = |channel: &Value| Id::read(&channel["parent_id"]);
    for (id, object) in wanted.all(Kind::Channel) {
        let Some(there) = mapping
            .live(Kind::Channel, id)
            .filter(|there| !live.is_hidden(*there) && !wanted.is_hidden(id))
        else {
            continue;
        };
        let Some(present) = live.get(Kind::Channel, there) else {
            continue;
        };
        let place = bucket(present, parent(present));
        let target = parent(object).and_then(|p| mapping.live(Kind::Channel, p));
        if bucket(object, target) == place {
            let ranks = (
                rank(Kind::Channel, there, present),
                rank(Kind::Channel, id, object),
            );
            pairs.push((place, ranks));
        }
    }
    pairs.sort_unstable();
    let mut found: Vec<Bucket> = pairs
        .windows(2)
        .filter(|two| two[0].0 == two[1].0 && two[0].1.1 > two[1].1.1)
        .map(|two| two[0].0)
        .collect();
    found.dedup();
    found
}
