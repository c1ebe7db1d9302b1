//! Channels: categories first, then what stands in them, then the order, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::roles::woven;
use super::{
    Draft, MAX_CHANNELS, MAX_CHILDREN, MAX_OVERWRITES_IN_BODY, Operation, Subject, Why, bits, body,
};
use crate::compare::{Bucket, bucket};
use crate::fields::{Follow, Shape, bit_set};
use crate::pairing::{rank, within};
use crate::{Id, Kind};

impl Draft<'_> {
    pub(super) fn channels(&mut self) {
        let rule = self.mode.rule(Kind::Channel);
        if !rule.create && !rule.edit {
            self.enable_community();
            return;
        }
        for id in self.comparison.not_visible.clone() {
            self.unable(Kind::Channel, id, Vec::new(), Why::NotVisible);
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
            if missing && rule.create && self.create_channel(*id, channel, &mut room) {
                created.insert(*id);
            } else if !missing && rule.edit {
                self.edit_channel(*id, channel, &mut room);
            }
        }
        if community_due {
            self.enable_community();
        }
        if rule.edit || !created.is_empty() {
            self.sort_channels(&wanted, &created);
        }
    }

    fn create_channel(&mut self, id: Id, channel: &Value, room: &mut Room) -> bool {
        // Directories belong to hubs.
        if channel["type"] == 14 {
            self.unable(Kind::Channel, id, Vec::new(), Why::Impossible);
            return false;
        }
        let parent = Id::read(&channel["parent_id"]);
        if !self.find_room(room, parent, true) {
            self.unable(Kind::Channel, id, Vec::new(), Why::Full);
            return false;
        }
        let mut body = body::create(Kind::Channel, channel);
        self.fit_type(id, &mut body);
        self.fit_bitrate(id, &mut body);
        let later = body::finish(channel, &mut body);
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
            subject: Subject::Wanted(id),
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
        let mut names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
        if !self.mode.overwrites {
            names.retain(|name| *name != "permission_overwrites");
        }
        if self.mode.protects(Kind::Channel, live) {
            self.unable(Kind::Channel, id, names, Why::Protected);
            return;
        }
        let mut body = body::take(channel, &names);
        let moves = names.contains(&"parent_id");
        if moves && !self.find_room(room, Id::read(&channel["parent_id"]), false) {
            body.shift_remove("parent_id");
            self.unable(Kind::Channel, id, vec!["parent_id"], Why::Full);
        } else if moves {
            let left = Id::read(&present["parent_id"]);
            room.leave(left.and_then(|p| self.plan.mapping.wanted(Kind::Channel, p)));
        }
        if names.contains(&"type") {
            let publishes = |kind: &Value| *kind == 0 || *kind == 5;
            if publishes(&present["type"]) && publishes(&channel["type"]) {
                self.fit_type(id, &mut body);
            } else {
                // A stage stays one, and so does a voice channel.
                body.shift_remove("type");
                self.unable(Kind::Channel, id, vec!["type"], Why::Impossible);
            }
            if body.get("type") == Some(&present["type"]) {
                body.shift_remove("type");
            }
        }
        self.fit_bitrate(id, &mut body);
        if body
            .get("bitrate")
            .is_some_and(|rate| *rate == present["bitrate"])
        {
            body.shift_remove("bitrate");
        }
        if let Some(tags) = body.get_mut("available_tags") {
            lead_tags(tags, &present["available_tags"]);
        }
        if body.contains_key("flags") {
            body.insert("flags".to_owned(), settable_flags(channel));
        }
        let mut singly = Vec::new();
        if body.contains_key("permission_overwrites") && self.frees(&present, channel) != 0 {
            body.shift_remove("permission_overwrites");
            let why = Why::Withheld(self.frees(&present, channel));
            self.unable(Kind::Channel, id, vec!["permission_overwrites"], why);
        }
        if body.contains_key("permission_overwrites") {
            let all = self.fit_overwrites(id, Some(&present), channel);
            if self.mean_the_same(&present, &all) {
                body.shift_remove("permission_overwrites");
            } else if all.len() > MAX_OVERWRITES_IN_BODY {
                // A body replaces the whole list: what it cannot hold would be open meanwhile.
                body.shift_remove("permission_overwrites");
                singly = self.one_by_one(id, &present, &all);
            } else {
                body.insert("permission_overwrites".to_owned(), all.into());
            }
        }
        for (step, operation, inverse) in singly {
            self.act(
                step,
                bits::MANAGE_ROLES,
                (Kind::Channel, id),
                operation,
                inverse,
            );
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
        let mut back = body::take(&present, &sent);
        let mut rest = Vec::new();
        if let Some(list) = back
            .get_mut("permission_overwrites")
            .and_then(Value::as_array_mut)
        {
            rest = list.split_off(list.len().min(MAX_OVERWRITES_IN_BODY));
        }
        let mut inverse = vec![Operation::Edit {
            kind: Kind::Channel,
            subject: Subject::Live(live),
            body: back,
        }];
        inverse.extend(rest.into_iter().map(|overwrite| Operation::PutOverwrite {
            channel: Subject::Live(live),
            overwrite,
        }));
        let operation = Operation::Edit {
            kind: Kind::Channel,
            subject: Subject::Wanted(id),
            body,
        };
        let step = format!("channel/{live}/edit");
        self.act(step, needs, (Kind::Channel, id), operation, inverse);
    }

    /// Whether fitted overwrites say what is there already.
    fn mean_the_same(&self, present: &Value, fitted: &[Value]) -> bool {
        let overwrites = |list: &Value, follow: Follow<'_>| {
            let channel = json!({"permission_overwrites": list});
            Shape::Overwrites.canonical(&channel, "permission_overwrites", follow)
        };
        let across = self.plan.mapping.follow(self.wanted);
        overwrites(&present["permission_overwrites"], &within(self.live))
            == overwrites(&fitted.into(), &across)
    }

    /// A long list of overwrites, changed entry by entry.
    fn one_by_one(
        &self,
        id: Id,
        present: &Value,
        fitted: &[Value],
    ) -> Vec<(String, Operation, Vec<Operation>)> {
        let channel = Subject::Wanted(id);
        let live = self
            .plan
            .mapping
            .live(Kind::Channel, id)
            .map_or(channel, Subject::Live);
        let there = |overwrite: &Value| {
            let whom = Id::of(overwrite)?;
            if body::is_member(overwrite) {
                Some(whom)
            } else {
                self.plan.mapping.live(Kind::Role, whom)
            }
        };
        let list = present["permission_overwrites"].as_array();
        let old: Vec<&Value> = list.into_iter().flatten().collect();
        let mut changes = Vec::new();
        for overwrite in fitted {
            let whom = there(overwrite);
            let before = old.iter().find(|o| Id::of(o) == whom && whom.is_some());
            let same = before.is_some_and(|before| {
                ["allow", "deny"]
                    .iter()
                    .all(|key| bit_set(&before[*key]) == bit_set(&overwrite[*key]))
            });
            if same {
                continue;
            }
            let inverse = match (before, whom) {
                (Some(before), _) => vec![Operation::PutOverwrite {
                    channel: live,
                    overwrite: (*before).clone(),
                }],
                (None, Some(whom)) => vec![Operation::DeleteOverwrite {
                    channel: live,
                    whom,
                }],
                (None, None) => Vec::new(),
            };
            let name = overwrite["id"].as_str().unwrap_or_default();
            let operation = Operation::PutOverwrite {
                channel,
                overwrite: overwrite.clone(),
            };
            changes.push((format!("channel/{id}/overwrite/{name}"), operation, inverse));
        }
        let kept: BTreeSet<Id> = fitted.iter().filter_map(there).collect();
        for before in old {
            let Some(whom) = Id::of(before).filter(|whom| !kept.contains(whom)) else {
                continue;
            };
            let operation = Operation::DeleteOverwrite { channel, whom };
            let inverse = vec![Operation::PutOverwrite {
                channel: live,
                overwrite: before.clone(),
            }];
            changes.push((
                format!("channel/{id}/overwrite/{whom}/delete"),
                operation,
                inverse,
            ));
        }
        changes
    }

    /// A place in the server, if `new`, and in the category; surplus makes room where it may go.
    fn find_room(&mut self, room: &mut Room, parent: Option<Id>, new: bool) -> bool {
        while !room.fits_below(parent) {
            let live = parent.and_then(|p| self.plan.mapping.live(Kind::Channel, p));
            let there = |channel: &Value| live.is_some() && Id::read(&channel["parent_id"]) == live;
            if !self.make_room(Kind::Channel, &there) {
                return false;
            }
            room.leave(parent);
            room.server += 1;
        }
        if new && room.server == 0 {
            if !self.make_room(Kind::Channel, &|channel| channel["type"] != 4) {
                return false;
            }
            room.server += 1;
        }
        room.server -= usize::from(new);
        room.enter(parent);
        true
    }

    /// Takes a bitrate down to what the server's boosts allow.
    fn fit_bitrate(&mut self, id: Id, body: &mut Map<String, Value>) {
        let Some(rate) = body.get("bitrate").and_then(Value::as_i64) else {
            return;
        };
        let tier = self.live.guild()["premium_tier"].as_u64().unwrap_or(0);
        let most = match (body.get("type").and_then(Value::as_u64), tier) {
            (Some(13), _) => 64_000,
            _ if self.live.has_feature("VIP_REGIONS") => 384_000,
            (_, 0) => 96_000,
            (_, 1) => 128_000,
            (_, 2) => 256_000,
            _ => 384_000,
        };
        if rate > most {
            body.insert("bitrate".to_owned(), most.into());
            self.unable(Kind::Channel, id, vec!["bitrate"], Why::NeedsBoosts);
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

    /// Bits that whoever ordered the plan may not give, and that some would gain because their whole
    /// overwrite, which denies them, is not wanted.
    fn frees(&self, present: &Value, channel: &Value) -> u64 {
        let list = |channel: &Value| channel["permission_overwrites"].as_array().cloned();
        let wanted = list(channel).unwrap_or_default();
        let stays = |old: &Value| {
            let whom = Id::of(old).and_then(|whom| match body::is_member(old) {
                true => Some(whom),
                false => self.plan.mapping.wanted(Kind::Role, whom),
            });
            whom.is_some() && wanted.iter().any(|new| Id::of(new) == whom)
        };
        let old = list(present).unwrap_or_default();
        let gone = old.iter().filter(|old| !stays(old));
        self.withheld(gone.fold(0, |all, old| all | bit_set(&old["deny"])))
    }

    /// A channel's wanted overwrites, with bits that the bot lacks as they are now. Those for roles
    /// that are gone are left out.
    fn fit_overwrites(&mut self, id: Id, present: Option<&Value>, channel: &Value) -> Vec<Value> {
        let list = channel["permission_overwrites"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut fitted = Vec::with_capacity(list.len());
        let (mut lacking, mut withheld) = (0, 0);
        for mut overwrite in list {
            let member = body::is_member(&overwrite);
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
                // Who is allowed more, or denied less, gains.
                let gain = match key {
                    "allow" => wanted & !now,
                    _ => now & !wanted,
                };
                let kept = self.withheld(gain);
                withheld |= kept;
                cannot |= kept;
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
        if withheld != 0 {
            let why = Why::Withheld(withheld);
            self.unable(Kind::Channel, id, vec!["permission_overwrites"], why);
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

/// Gives wanted tags the ids of the live ones they stand for: by id, else by name. An edit with an
/// id that the forum does not have is refused; without one it makes a new tag.
fn lead_tags(tags: &mut Value, present: &Value) {
    let there: Vec<&Value> = present.as_array().into_iter().flatten().collect();
    for tag in tags.as_array_mut().into_iter().flatten() {
        let same = there
            .iter()
            .find(|t| t["id"] == tag["id"])
            .or_else(|| there.iter().find(|t| t["name"] == tag["name"]));
        match (same, tag.as_object_mut()) {
            (Some(same), Some(tag)) => {
                tag.insert("id".to_owned(), same["id"].clone());
            }
            (None, Some(tag)) => {
                tag.shift_remove("id");
            }
            (_, None) => {}
        }
    }
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

    fn fits_below(&self, parent: Option<Id>) -> bool {
        parent.is_none_or(|p| self.children.get(&p).copied().unwrap_or(0) < MAX_CHILDREN)
    }

    fn enter(&mut self, parent: Option<Id>) {
        if let Some(parent) = parent {
            *self.children.entry(parent).or_default() += 1;
        }
    }

    fn leave(&mut self, parent: Option<Id>) {
        if let Some(children) = parent.and_then(|p| self.children.get_mut(&p)) {
            *children = children.saturating_sub(1);
        }
    }
}
