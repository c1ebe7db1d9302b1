//! Channels: categories first, then what stands in them, then the order, bucket by bucket.

mod order;
mod overwrites;
mod room;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Draft, MAX_OVERWRITES_IN_BODY, Operation, Subject, Why, bits, body};
use crate::pairing::rank;
use crate::{Id, Kind};
use room::Room;

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
        let mut later = body::finish(channel, &mut body);
        if body.get("type") == Some(&json!(5)) && !self.will_be_community() {
            // Only a community makes them so; where there are announcements without one, a text channel
            // becomes one.
            body.insert("type".to_owned(), json!(0));
            later.insert("type".to_owned(), json!(5));
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
