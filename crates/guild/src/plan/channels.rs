//! Channels: categories first, then what stands in them, then the order, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::roles::woven;
use super::{
    Draft, MAX_CHANNELS, MAX_CHILDREN, MAX_OVERWRITES_IN_BODY, Operation, Subject, Why, bits, body,
};
use crate::compare::{Bucket, bucket};
use crate::fields::bit_set;
use crate::pairing::rank;
use crate::{Id, Kind};

impl Draft<'_> {
    pub(super) fn channels(&mut self) {
        for id in self.comparison.not_visible.clone() {
            let wanted = self.plan.mapping.wanted(Kind::Channel, id).unwrap_or(id);
            self.unable(Kind::Channel, wanted, Vec::new(), Why::NotVisible);
        }
        let mut wanted: Vec<(Id, Value)> = self
            .wanted
            .all(Kind::Channel)
            .filter(|(id, _)| !self.wanted.is_hidden(*id))
            .map(|(id, channel)| (id, channel.clone()))
            .collect();
        // Categories, then plain channels, which a community needs, then what needs a community.
        let stage = |channel: &Value| match channel["type"].as_u64() {
            Some(4) => 0,
            Some(0 | 2) => 1,
            _ => 2,
        };
        wanted.sort_by_key(|(id, channel)| (stage(channel), rank(Kind::Channel, *id, channel)));
        let mut room = Room::new(self);
        let mut created = BTreeSet::new();
        let mut community_due = true;
        for (id, channel) in &wanted {
            if stage(channel) == 2 && std::mem::take(&mut community_due) {
                self.enable_community();
            }
            let missing = self.comparison.missing.contains(&(Kind::Channel, *id));
            if missing && self.create_channel(*id, channel, &mut room) {
                created.insert(*id);
            } else if !missing {
                self.edit_channel(*id, channel, &mut room);
            }
        }
        if community_due {
            self.enable_community();
        }
        self.sort_channels(&wanted, &created);
    }

    fn create_channel(&mut self, id: Id, channel: &Value, room: &mut Room) -> bool {
        // Directories belong to hubs.
        if channel["type"] == 14 {
            self.unable(Kind::Channel, id, Vec::new(), Why::Impossible);
            return false;
        }
        let parent = Id::read(&channel["parent_id"]);
        if !room.take(parent) {
            self.unable(Kind::Channel, id, Vec::new(), Why::Full);
            return false;
        }
        let mut body = body::create(Kind::Channel, channel);
        self.fit_type(id, &mut body);
        // A stage takes more than 99 people only by an edit.
        let crowd = body
            .get("user_limit")
            .and_then(Value::as_i64)
            .filter(|n| *n > 99);
        if crowd.is_some() {
            body.shift_remove("user_limit");
        }
        // A create ignores the ids of tags.
        for tag in body
            .get_mut("available_tags")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(tag) = tag.as_object_mut() {
                tag.shift_remove("id");
            }
        }
        let overwrites = self.fit_overwrites(id, None, channel);
        let (first, rest) = overwrites.split_at(overwrites.len().min(MAX_OVERWRITES_IN_BODY));
        body.insert("permission_overwrites".to_owned(), first.into());
        let needs = bits::MANAGE_CHANNELS
            | if first.is_empty() {
                0
            } else {
                bits::MANAGE_ROLES
            };
        let operation = Operation::Create {
            kind: Kind::Channel,
            wanted: id,
            body,
        };
        if !self.act(
            format!("channel/{id}/create"),
            needs,
            (Kind::Channel, id),
            operation,
            None,
        ) {
            return false;
        }
        self.put_overwrites(id, rest);
        let mut later = Map::new();
        if channel["flags"].as_u64().unwrap_or(0) & crate::fields::SETTABLE_CHANNEL_FLAGS != 0 {
            later.insert("flags".to_owned(), settable_flags(channel));
        }
        if let Some(crowd) = crowd {
            later.insert("user_limit".to_owned(), crowd.into());
        }
        if !later.is_empty() {
            let operation = Operation::Edit {
                kind: Kind::Channel,
                subject: Subject::Wanted(id),
                body: later,
            };
            let step = format!("channel/{id}/finish");
            self.act(
                step,
                bits::MANAGE_CHANNELS,
                (Kind::Channel, id),
                operation,
                None,
            );
        }
        true
    }

    fn edit_channel(&mut self, id: Id, channel: &Value, room: &mut Room) {
        let found = self
            .comparison
            .changed
            .iter()
            .find(|d| d.kind == Kind::Channel && d.wanted == id);
        let Some(difference) = found.cloned() else {
            return;
        };
        let live = difference.live;
        let Some(present) = self.live.get(Kind::Channel, live).cloned() else {
            return;
        };
        let names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
        let mut body = body::take(channel, &names);
        let moves = names.contains(&"parent_id");
        if moves && !room.moved(Id::read(&channel["parent_id"])) {
            body.shift_remove("parent_id");
            self.unable(Kind::Channel, id, vec!["parent_id"], Why::Full);
        }
        if names.contains(&"type") {
            self.fit_type(id, &mut body);
            if body.get("type") == Some(&present["type"]) {
                body.shift_remove("type");
            }
        }
        if body.contains_key("flags") {
            body.insert("flags".to_owned(), settable_flags(channel));
        }
        let mut rest = Vec::new();
        if body.contains_key("permission_overwrites") {
            let mut all = self.fit_overwrites(id, Some(&present), channel);
            rest = all.split_off(all.len().min(MAX_OVERWRITES_IN_BODY));
            body.insert("permission_overwrites".to_owned(), all.into());
        }
        if body.is_empty() {
            return;
        }
        let mut needs = bits::MANAGE_CHANNELS;
        if body.contains_key("permission_overwrites") {
            needs |= bits::MANAGE_ROLES;
        }
        let sent: Vec<_> = names
            .iter()
            .filter(|n| body.contains_key(**n))
            .copied()
            .collect();
        let inverse = Operation::Edit {
            kind: Kind::Channel,
            subject: Subject::Live(live),
            body: body::take(&present, &sent),
        };
        let operation = Operation::Edit {
            kind: Kind::Channel,
            subject: Subject::Wanted(id),
            body,
        };
        let step = format!("channel/{live}/edit");
        if self.act(step, needs, (Kind::Channel, id), operation, Some(inverse)) {
            self.put_overwrites(id, &rest);
        }
    }

    fn put_overwrites(&mut self, channel: Id, overwrites: &[Value]) {
        for overwrite in overwrites {
            let whom = overwrite["id"].as_str().unwrap_or_default();
            let step = format!("channel/{channel}/overwrite/{whom}");
            let operation = Operation::PutOverwrite {
                channel: Subject::Wanted(channel),
                overwrite: overwrite.clone(),
            };
            self.act(
                step,
                bits::MANAGE_ROLES,
                (Kind::Channel, channel),
                operation,
                None,
            );
        }
    }

    /// A channel's wanted overwrites, with bits that the bot lacks as they are now. Those for roles
    /// that are gone are left out.
    fn fit_overwrites(&mut self, id: Id, present: Option<&Value>, channel: &Value) -> Vec<Value> {
        let list = channel["permission_overwrites"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut fitted = Vec::with_capacity(list.len());
        let mut lacking = 0;
        for mut overwrite in list {
            let member = overwrite["type"] == 1 || overwrite["type"] == "1";
            let whom = Id::of(&overwrite);
            if !member && whom.is_none_or(|role| self.wanted.get(Kind::Role, role).is_none()) {
                continue;
            }
            let there = whom.and_then(|whom| {
                if member {
                    Some(whom)
                } else {
                    self.plan.mapping.live(Kind::Role, whom)
                }
            });
            let old = present.and_then(|channel| {
                let all = channel["permission_overwrites"].as_array()?;
                all.iter().find(|o| Id::of(o) == there)
            });
            for key in ["allow", "deny"] {
                let wanted = bit_set(&overwrite[key]);
                let now = old.map_or(0, |o| bit_set(&o[key]));
                let mut cannot = self.missing(wanted ^ now);
                // Only administrators decide about that bit in channels.
                if self.facts.permissions & bits::ADMINISTRATOR == 0 && !self.facts.owner {
                    cannot |= (wanted ^ now) & bits::MANAGE_ROLES;
                }
                lacking |= cannot;
                overwrite[key] = (wanted & !cannot | now & cannot).to_string().into();
            }
            if bit_set(&overwrite["allow"]) | bit_set(&overwrite["deny"]) != 0 {
                fitted.push(overwrite);
            }
        }
        if lacking != 0 {
            self.unable(
                Kind::Channel,
                id,
                vec!["permission_overwrites"],
                Why::MissingPermissions(lacking),
            );
        }
        fitted
    }

    /// Takes a type that the server does not have down to the nearest one that it has.
    fn fit_type(&mut self, id: Id, body: &mut Map<String, Value>) {
        let community = self.will_be_community();
        let instead = match body.get("type").and_then(Value::as_u64) {
            Some(5) if !community && !self.live.has_feature("NEWS") => 0,
            Some(13) if !community => 2,
            _ => return,
        };
        body.insert("type".to_owned(), instead.into());
        if instead == 2 {
            let limit = body.get("user_limit").and_then(Value::as_i64).unwrap_or(0);
            body.insert("user_limit".to_owned(), limit.min(99).into());
            body.shift_remove("topic");
        }
        self.unable(
            Kind::Channel,
            id,
            vec!["type"],
            Why::NeedsFeature("COMMUNITY"),
        );
    }

    /// One call for the order of all buckets in which something stands in the wrong place.
    fn sort_channels(&mut self, wanted: &[(Id, Value)], created: &BTreeSet<Id>) {
        let mut buckets: BTreeMap<Place, Vec<(Subject, i64)>> = BTreeMap::new();
        let place = |kind: &Value, parent: Option<Subject>| match bucket(kind, None) {
            Bucket::Roles | Bucket::Categories => (0, None),
            Bucket::Channels { voice, .. } => (1 + u8::from(voice), parent),
        };
        let named = |id: Id| match self.plan.mapping.wanted(Kind::Channel, id) {
            Some(wanted) => Subject::Wanted(wanted),
            None => Subject::Live(id),
        };
        let mut disturbed = BTreeSet::new();
        let reordered = |present: &Value| {
            let parent = Id::read(&present["parent_id"]);
            self.comparison.reordered.contains(&bucket(present, parent))
        };
        // What is there, where it will stand after the edits.
        let mut live: Vec<_> = self
            .live
            .all(Kind::Channel)
            .filter(|(id, _)| !self.live.is_hidden(*id))
            .collect();
        live.sort_by_key(|(id, channel)| rank(Kind::Channel, *id, channel));
        for (id, present) in live {
            let wanted = self
                .plan
                .mapping
                .wanted(Kind::Channel, id)
                .and_then(|w| Some((w, self.wanted.get(Kind::Channel, w)?)));
            let key = match wanted {
                Some((_, channel)) => place(
                    channel,
                    Id::read(&channel["parent_id"]).map(Subject::Wanted),
                ),
                None => place(present, Id::read(&present["parent_id"]).map(named)),
            };
            let before = place(present, Id::read(&present["parent_id"]).map(named));
            if key != before || reordered(present) {
                disturbed.insert(key);
            }
            let at = present["position"].as_i64().unwrap_or(0);
            buckets.entry(key).or_default().push((named(id), at));
        }
        // New ones come after everything.
        for (id, channel) in wanted.iter().filter(|(id, _)| created.contains(id)) {
            let key = place(
                channel,
                Id::read(&channel["parent_id"]).map(Subject::Wanted),
            );
            disturbed.insert(key);
            let members = buckets.entry(key).or_default();
            members.push((Subject::Wanted(*id), i64::MAX));
        }
        let mut order: Vec<_> = wanted.iter().collect();
        order.sort_by_key(|(id, channel)| rank(Kind::Channel, *id, channel));
        let order: Vec<Subject> = order.iter().map(|(id, _)| Subject::Wanted(*id)).collect();
        let (mut positions, mut before) = (Vec::new(), Vec::new());
        for key in disturbed {
            let Some(members) = buckets.get(&key) else {
                continue;
            };
            let present: Vec<Subject> = members.iter().map(|(subject, _)| *subject).collect();
            let ranked: Vec<Subject> = order
                .iter()
                .filter(|s| present.contains(s))
                .copied()
                .collect();
            let desired = woven(&present, &ranked);
            for (slot, subject) in slots(members).into_iter().zip(desired) {
                positions.push((subject, slot));
            }
            let stood = members.iter().filter(|(_, at)| *at != i64::MAX);
            before.extend(stood.filter_map(|(subject, at)| {
                let id = subject.resolved(Kind::Channel, &self.plan.mapping)?;
                Some((Subject::Live(id), *at))
            }));
        }
        if positions.is_empty() {
            return;
        }
        let operation = Operation::Reorder {
            kind: Kind::Channel,
            positions,
        };
        let inverse = Operation::Reorder {
            kind: Kind::Channel,
            positions: before,
        };
        let guild = self.live.id();
        self.act(
            "channel/reorder".to_owned(),
            bits::MANAGE_CHANNELS,
            (Kind::Channel, guild),
            operation,
            Some(inverse),
        );
    }
}

/// A class of channels and the wanted category they stand in.
type Place = (u8, Option<Subject>);

/// Positions for a bucket: those its members have now, without ties, so that hidden neighbours keep
/// theirs.
fn slots(members: &[(Subject, i64)]) -> Vec<i64> {
    let mut at: Vec<i64> = members
        .iter()
        .map(|(_, at)| *at)
        .filter(|at| *at != i64::MAX)
        .collect();
    at.sort_unstable();
    let mut slots: Vec<i64> = Vec::with_capacity(members.len());
    for index in 0..members.len() {
        let least = slots.last().map_or(0, |last| last + 1);
        slots.push(at.get(index).copied().unwrap_or(least).max(least));
    }
    slots
}

fn settable_flags(channel: &Value) -> Value {
    let flags = channel["flags"].as_u64().unwrap_or(0);
    json!(flags & crate::fields::SETTABLE_CHANNEL_FLAGS)
}

/// How many channels still fit.
struct Room {
    server: usize,
    /// By wanted category.
    children: BTreeMap<Id, usize>,
}

impl Room {
    fn new(draft: &Draft<'_>) -> Self {
        let hidden = draft.live.all(Kind::Hidden).map(|(_, c)| c);
        let clear = draft
            .live
            .all(Kind::Channel)
            .filter(|(id, _)| !draft.live.is_hidden(*id));
        let all: Vec<&serde_json::Value> = hidden.chain(clear.map(|(_, c)| c)).collect();
        let mut children: BTreeMap<Id, usize> = BTreeMap::new();
        for channel in &all {
            let parent = Id::read(&channel["parent_id"]);
            let wanted = parent.and_then(|p| draft.plan.mapping.wanted(Kind::Channel, p));
            if let Some(wanted) = wanted {
                *children.entry(wanted).or_default() += 1;
            }
        }
        Self {
            server: MAX_CHANNELS.saturating_sub(all.len()),
            children,
        }
    }

    fn take(&mut self, parent: Option<Id>) -> bool {
        if self.server == 0 || !self.moved(parent) {
            return false;
        }
        self.server -= 1;
        true
    }

    fn moved(&mut self, parent: Option<Id>) -> bool {
        let Some(parent) = parent else { return true };
        let children = self.children.entry(parent).or_default();
        if *children >= MAX_CHILDREN {
            return false;
        }
        *children += 1;
        true
    }
}
