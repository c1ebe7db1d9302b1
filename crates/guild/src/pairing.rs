//! Which object of one state is which of another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fields::{Follow, Leads};
use crate::{Id, Kind, Structure};

/// From ids of one state to ids of another. Grows while a plan is carried out. Travels as a list of
/// pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Pairs", into = "Pairs")]
pub struct Mapping {
    there: BTreeMap<(Kind, Id), Id>,
    back: BTreeMap<(Kind, Id), Id>,
    renewed: BTreeMap<(Kind, Id), Id>,
}

#[derive(Serialize, Deserialize)]
struct Pairs {
    /// Kind, id in the wanted state, id in the live one.
    pairs: Vec<(Kind, Id, Id)>,
    /// Kind, id that was, id that is.
    renewed: Vec<(Kind, Id, Id)>,
}

impl From<Mapping> for Pairs {
    fn from(mapping: Mapping) -> Self {
        let list = |ids: BTreeMap<(Kind, Id), Id>| {
            let triple = |((kind, from), to)| (kind, from, to);
            ids.into_iter().map(triple).collect()
        };
        Self {
            pairs: list(mapping.there),
            renewed: list(mapping.renewed),
        }
    }
}

impl From<Pairs> for Mapping {
    fn from(pairs: Pairs) -> Self {
        let mut mapping = Self::default();
        for (kind, wanted, live) in pairs.pairs {
            mapping.insert(kind, wanted, live);
        }
        for (kind, old, new) in pairs.renewed {
            mapping.renew(kind, old, new);
        }
        mapping
    }
}

impl Mapping {
    /// All pairs: kind, id in the wanted state, id in the live one.
    pub fn pairs(&self) -> impl Iterator<Item = (Kind, Id, Id)> + '_ {
        let triple = |(&(kind, wanted), &live): (&(Kind, Id), &Id)| (kind, wanted, live);
        self.there.iter().map(triple)
    }

    /// What was deleted and made again under another id: kind, id that was, id that is.
    pub fn renewals(&self) -> impl Iterator<Item = (Kind, Id, Id)> + '_ {
        let triple = |(&(kind, old), &new): (&(Kind, Id), &Id)| (kind, old, new);
        self.renewed.iter().map(triple)
    }

    /// The counterpart in the live state of something in the wanted one.
    pub fn live(&self, kind: Kind, wanted: Id) -> Option<Id> {
        self.there.get(&(kind, wanted)).copied()
    }

    /// The counterpart in the wanted state of something in the live one.
    pub fn wanted(&self, kind: Kind, live: Id) -> Option<Id> {
        self.back.get(&(kind, live)).copied()
    }

    pub fn insert(&mut self, kind: Kind, wanted: Id, live: Id) {
        self.there.insert((kind, wanted), live);
        self.back.insert((kind, live), wanted);
    }

    pub(crate) fn remove(&mut self, kind: Kind, wanted: Id) {
        if let Some(live) = self.there.remove(&(kind, wanted)) {
            self.back.remove(&(kind, live));
        }
    }

    /// Something of the live state was deleted and made again under another id.
    pub fn renew(&mut self, kind: Kind, old: Id, new: Id) {
        self.renewed.insert((kind, old), new);
    }

    /// The present id of something that was live.
    pub(crate) fn present(&self, kind: Kind, id: Id) -> Id {
        self.renewed.get(&(kind, id)).copied().unwrap_or(id)
    }

    /// Follows references of `wanted` into the live state.
    pub(crate) fn follow<'m>(
        &'m self,
        wanted: &'m Structure,
    ) -> impl Fn(Kind, Id) -> Leads + use<'m> {
        move |kind, id| match self.live(kind, id) {
            Some(live) => Leads::To(live),
            None if wanted.get(kind, id).is_some() => Leads::Nowhere,
            None if kind == Kind::Channel && wanted.is_hidden(id) => Leads::Nowhere,
            None => Leads::Gone,
        }
    }
}

/// References within a state itself.
pub(crate) fn within(state: &Structure) -> impl Fn(Kind, Id) -> Leads + use<'_> {
    move |kind, id| {
        let known = state.get(kind, id).is_some() || state.is_hidden(id);
        if known { Leads::To(id) } else { Leads::Gone }
    }
}

/// Where an object stands among its kind: of twins the first goes with the first.
pub(crate) fn rank(kind: Kind, id: Id, object: &Value) -> (i64, Id) {
    let position = object["position"].as_i64().unwrap_or(0);
    match kind {
        // The highest first; of two at one position the one with the lower id is higher.
        Kind::Role => (-position, id),
        Kind::Channel | Kind::Hidden => (position, id),
        _ => (0, id),
    }
}

/// Pairs the objects of two states: by id, else by what identifies a kind, twins by their rank.
/// Hidden channels are paired by id alone.
pub fn pair(live: &Structure, wanted: &Structure) -> Mapping {
    let mut mapping = Mapping::default();
    mapping.insert(Kind::Guild, wanted.id(), live.id());
    mapping.insert(Kind::Role, wanted.id(), live.id());
    for kind in [Kind::Widget, Kind::WelcomeScreen, Kind::Onboarding] {
        mapping.insert(kind, wanted.id(), live.id());
    }
    pair_kind(&mut mapping, live, wanted, Kind::Role, &role_tag);
    pair_kind(
        &mut mapping,
        live,
        wanted,
        Kind::Role,
        &|role: &Value, _: Follow<'_>| {
            let color = crate::fields::Shape::Colors.canonical(role, "colors", &|_, _| Leads::Gone);
            (role["managed"] != true).then(|| format!("{} {color}", role["name"]))
        },
    );
    // Of a hidden channel nothing is true but its id.
    for (id, _) in wanted.all(Kind::Channel).chain(wanted.all(Kind::Hidden)) {
        let hidden = live.is_hidden(id) || wanted.is_hidden(id);
        if hidden && (live.is_hidden(id) || live.get(Kind::Channel, id).is_some()) {
            mapping.insert(Kind::Channel, id, id);
        }
    }
    // Categories first: they tell channels of one name apart.
    for categories in [true, false] {
        pair_kind(
            &mut mapping,
            live,
            wanted,
            Kind::Channel,
            &|channel: &Value, follow: Follow<'_>| {
                if (channel["type"] == 4) != categories {
                    return None;
                }
                let parent = Id::read(&channel["parent_id"]).map(|id| follow(Kind::Channel, id));
                let parent = match parent {
                    Some(Leads::To(id)) => id.to_string(),
                    Some(Leads::Nowhere) => return None,
                    Some(Leads::Gone) | None => String::new(),
                };
                Some(format!("{} {} {parent}", class(channel), channel["name"]))
            },
        );
    }
    for (kind, field) in [
        (Kind::Emoji, "image"),
        (Kind::Sticker, "file"),
        (Kind::Sound, "sound"),
    ] {
        let file = |object: &Value, _: Follow<'_>| {
            let digest = crate::files::digest(object, field)?;
            Some(format!("{} {digest}", object["name"]))
        };
        pair_kind(&mut mapping, live, wanted, kind, &file);
        // Where nobody knows the bytes of one side, the name has to do.
        let named = |object: &Value, _: Follow<'_>| Some(object["name"].to_string());
        let unknown = |object: &Value, _: Follow<'_>| {
            let known = crate::files::digest(object, field).is_some();
            (!known).then(|| object["name"].to_string())
        };
        pair_sides(&mut mapping, kind, (live, &named), (wanted, &unknown));
        pair_sides(&mut mapping, kind, (live, &unknown), (wanted, &named));
    }
    let rule =
        |rule: &Value, _: Follow<'_>| Some(format!("{} {}", rule["trigger_type"], rule["name"]));
    pair_kind(&mut mapping, live, wanted, Kind::AutomodRule, &rule);
    // All triggers but keywords exist once in a server.
    let sole = |rule: &Value, _: Follow<'_>| {
        (rule["trigger_type"] != 1).then(|| rule["trigger_type"].to_string())
    };
    pair_kind(&mut mapping, live, wanted, Kind::AutomodRule, &sole);
    let event = |event: &Value, _: Follow<'_>| {
        Some(format!(
            "{} {}",
            event["scheduled_start_time"], event["name"]
        ))
    };
    pair_kind(&mut mapping, live, wanted, Kind::ScheduledEvent, &event);
    let webhook = |webhook: &Value, follow: Follow<'_>| {
        let channel = led_channel(webhook, follow)?;
        Some(format!("{channel} {}", webhook["name"]))
    };
    pair_kind(&mut mapping, live, wanted, Kind::Webhook, &webhook);
    // A code that is gone is gone: another way into the same channel stands for it.
    let invite = |invite: &Value, follow: Follow<'_>| {
        let channel = led_channel(invite, follow)?;
        let (endless, temporary) = (invite["expires_at"].is_null(), &invite["temporary"]);
        Some(format!("{channel} {endless} {temporary}"))
    };
    pair_kind(&mut mapping, live, wanted, Kind::Invite, &invite);
    mapping
}

type Identity<'i> = &'i dyn Fn(&Value, Follow<'_>) -> Option<String>;

fn pair_kind(
    mapping: &mut Mapping,
    live: &Structure,
    wanted: &Structure,
    kind: Kind,
    identity: Identity<'_>,
) {
    pair_sides(mapping, kind, (live, identity), (wanted, identity));
}

fn pair_sides(
    mapping: &mut Mapping,
    kind: Kind,
    (live, mine): (&Structure, Identity<'_>),
    (wanted, theirs): (&Structure, Identity<'_>),
) {
    for (id, _) in wanted.all(kind) {
        let free = mapping.live(kind, id).is_none() && mapping.wanted(kind, id).is_none();
        if free && live.get(kind, id).is_some() {
            mapping.insert(kind, id, id);
        }
    }
    let taken: BTreeSet<Id> = live
        .all(kind)
        .map(|(id, _)| id)
        .filter(|id| mapping.wanted(kind, *id).is_some() || live.is_hidden(*id))
        .collect();
    let present = group(live, kind, &|id| taken.contains(&id), mine, &within(live));
    let missing = {
        let follow = mapping.follow(wanted);
        let paired = |id| mapping.live(kind, id).is_some() || wanted.is_hidden(id);
        group(wanted, kind, &paired, theirs, &follow)
    };
    let mut found = Vec::new();
    for (key, wanted) in missing {
        let live = present.get(&key).into_iter().flatten();
        found.extend(wanted.into_iter().zip(live.copied()));
    }
    for (wanted, live) in found {
        mapping.insert(kind, wanted, live);
    }
}

/// Ids by identity, each list by rank.
fn group(
    state: &Structure,
    kind: Kind,
    paired: &dyn Fn(Id) -> bool,
    identity: Identity<'_>,
    follow: Follow<'_>,
) -> BTreeMap<String, Vec<Id>> {
    let free = state.all(kind).filter(|(id, _)| !paired(*id));
    let mut ranked: Vec<_> = free.collect();
    ranked.sort_by_key(|(id, object)| rank(kind, *id, object));
    let mut groups: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for (id, object) in ranked {
        if let Some(key) = identity(object, follow) {
            groups.entry(key).or_default().push(id);
        }
    }
    groups
}

fn led_channel(object: &Value, follow: Follow<'_>) -> Option<Id> {
    match follow(Kind::Channel, Id::read(&object["channel_id"])?) {
        Leads::To(id) => Some(id),
        Leads::Nowhere | Leads::Gone => None,
    }
}

/// What ties a managed role to its owner.
fn role_tag(role: &Value, _: Follow<'_>) -> Option<String> {
    let tags = role["tags"].as_object()?;
    let owner = ["bot_id", "integration_id", "subscription_listing_id"];
    let owned = owner
        .iter()
        .find_map(|key| Some(format!("{key} {}", tags.get(*key)?)));
    owned.or_else(|| {
        tags.contains_key("premium_subscriber")
            .then(|| "booster".to_owned())
    })
}

/// Channels that may stand for each other: an announcement channel is a text channel that publishes,
/// and where there are no stages a voice channel is one.
fn class(channel: &Value) -> u64 {
    match channel["type"].as_u64().unwrap_or(0) {
        5 => 0,
        13 => 2,
        kind => kind,
    }
}
