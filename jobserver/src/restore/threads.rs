//! Which threads and posts are made again, and which are changed. Pure: what the backup has of them
//! and what there is now in, a plan out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use splashtail_guild::{Id, Kind, Mapping, Structure};

use super::options::RestoreMode;
use super::report::NotRestored;

/// Pinned in its forum.
const PINNED: u64 = 1 << 1;
const PRIVATE: u64 = 12;
/// Kinds of channels whose threads are posts.
const FORUMS: [u64; 2] = [15, 16];

/// What becomes of threads. Those that are new since stay: people talk in them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadPlan {
    /// Of the backup, each below its channel, oldest first.
    pub make: Vec<Id>,
    pub change: Vec<ThreadChange>,
    /// Of the backup's threads, those that are there: old id and present one.
    pub pairs: Vec<(Id, Id)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThreadChange {
    pub wanted: Id,
    pub live: Id,
    pub name: String,
    /// Fields to set. Tags are those of the backup.
    pub body: Map<String, Value>,
    /// Who was in a private one and is not any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Id>,
    /// An archived thread takes changes once it is open.
    pub archived: bool,
}

impl ThreadPlan {
    pub fn is_empty(&self) -> bool {
        self.make.is_empty() && self.change.is_empty()
    }
}

/// What threads are planned by.
pub struct Threads<'a> {
    /// Of the backup.
    pub saved: &'a [Value],
    /// Those of channels that are there already.
    pub live: &'a [Value],
    pub wanted: &'a Structure,
    pub present: &'a Structure,
    /// Pairs of the plan.
    pub mapping: &'a Mapping,
    /// Channels of the backup that the plan makes.
    pub made: &'a BTreeSet<Id>,
    pub protected: &'a dyn Fn(Id) -> bool,
    /// The bot, which is in no thread for its own sake.
    pub own: u64,
    pub mode: RestoreMode,
}

impl Threads<'_> {
    pub fn plan(&self) -> (ThreadPlan, Vec<NotRestored>) {
        let mut plan = ThreadPlan::default();
        let mut left = Vec::new();
        let mut saved: Vec<(Id, &Value)> = self
            .saved
            .iter()
            .filter_map(|thread| Some((Id::of(thread)?, thread)))
            .collect();
        saved.sort_by_key(|(id, _)| *id);
        saved.dedup_by_key(|(id, _)| *id);
        plan.pairs = self.pairs(&saved);
        let pairs: BTreeMap<Id, Id> = plan.pairs.iter().copied().collect();
        for (id, thread) in saved {
            let Some(parent) = Id::read(&thread["parent_id"]) else {
                continue;
            };
            if let Some(live) = pairs.get(&id) {
                if self.mode != RestoreMode::IgnoreExisting && !self.is_protected(parent) {
                    plan.change.extend(self.change(id, thread, *live));
                }
                continue;
            }
            let there = self.mapping.live(Kind::Channel, parent);
            let why = match there {
                _ if self.made.contains(&parent) => None,
                None => Some(("not_made", "its channel was not restored")),
                Some(_) if self.is_protected(parent) => {
                    Some(("protected", "its channel is protected"))
                }
                Some(there) if self.present.is_hidden(there) => {
                    Some(("not_visible", "its channel is hidden from the bot"))
                }
                Some(_) => None,
            };
            match why {
                None => plan.make.push(id),
                Some((code, why)) => left.push(lacking(thread, code, why)),
            }
        }
        (plan, left)
    }

    fn is_protected(&self, parent: Id) -> bool {
        let there = self.mapping.live(Kind::Channel, parent);
        there.is_some_and(|there| (self.protected)(there))
    }

    /// By id, else by name and channel, the k-th with the k-th.
    fn pairs(&self, saved: &[(Id, &Value)]) -> Vec<(Id, Id)> {
        let live: BTreeMap<Id, &Value> = self
            .live
            .iter()
            .filter_map(|thread| Some((Id::of(thread)?, thread)))
            .collect();
        let mut pairs = Vec::new();
        let mut taken = BTreeSet::new();
        for (id, _) in saved {
            if live.contains_key(id) {
                taken.insert(*id);
                pairs.push((*id, *id));
            }
        }
        let mut named: BTreeMap<(Id, &str), Vec<Id>> = BTreeMap::new();
        for (id, thread) in live.iter().rev().filter(|(id, _)| !taken.contains(id)) {
            if let (Some(parent), Some(name)) =
                (Id::read(&thread["parent_id"]), thread["name"].as_str())
            {
                named.entry((parent, name)).or_default().push(*id);
            }
        }
        for (id, thread) in saved.iter().filter(|(id, _)| !taken.contains(id)) {
            let parent = Id::read(&thread["parent_id"]);
            let parent = parent.and_then(|parent| self.mapping.live(Kind::Channel, parent));
            if let (Some(parent), Some(name)) = (parent, thread["name"].as_str())
                && let Some(live) = named.get_mut(&(parent, name)).and_then(Vec::pop)
            {
                pairs.push((*id, live));
            }
        }
        pairs
    }

    fn change(&self, wanted: Id, thread: &Value, live: Id) -> Option<ThreadChange> {
        let now = self.live.iter().find(|now| Id::of(now) == Some(live))?;
        let (before, after) = (
            self.fields(now, self.present),
            self.fields(thread, self.wanted),
        );
        let mut body = Map::new();
        for (field, value) in &after {
            if before.get(field) != Some(value) {
                body.insert(field.clone(), value.clone());
            }
        }
        if body.contains_key("applied_tags") {
            body.insert("applied_tags".to_owned(), thread["applied_tags"].clone());
        }
        let archived = now["thread_metadata"]["archived"] == true;
        let members = self.absent(thread, now);
        (!body.is_empty() || !members.is_empty()).then(|| ThreadChange {
            wanted,
            live,
            name: thread["name"].as_str().unwrap_or_default().to_owned(),
            body,
            members,
            archived,
        })
    }

    /// Who was in a private thread and is not in it now; nobody where that is not known.
    fn absent(&self, thread: &Value, now: &Value) -> Vec<Id> {
        let members = |thread: &Value| -> Option<BTreeSet<Id>> {
            let private = thread["type"] == PRIVATE;
            let list = thread["members"].as_array().filter(|_| private)?;
            Some(list.iter().filter_map(Id::read).collect())
        };
        let (Some(before), Some(now)) = (members(thread), members(now)) else {
            return Vec::new();
        };
        let absent = before.difference(&now).copied();
        absent.filter(|user| user.get() != self.own).collect()
    }

    /// What can be set of a thread, tags by their names. Whether it is archived says nothing by
    /// itself: threads are, after a while.
    fn fields(&self, thread: &Value, state: &Structure) -> Map<String, Value> {
        let mut fields = settable(thread);
        let parent = Id::read(&thread["parent_id"]);
        let forum = parent.and_then(|parent| state.get(Kind::Channel, parent));
        if let Some(forum) = forum.filter(|forum| is_forum(forum)) {
            fields.insert("applied_tags".to_owned(), names(forum, thread).into());
        }
        fields
    }
}

/// Fields of a thread beside its tags, and beside whether it is archived.
pub fn settable(thread: &Value) -> Map<String, Value> {
    let metadata = &thread["thread_metadata"];
    let mut fields = Map::new();
    fields.insert("name".to_owned(), thread["name"].clone());
    let slow = thread["rate_limit_per_user"].as_u64().unwrap_or(0);
    fields.insert("rate_limit_per_user".to_owned(), slow.into());
    if let Some(minutes) = metadata["auto_archive_duration"].as_u64() {
        fields.insert("auto_archive_duration".to_owned(), minutes.into());
    }
    fields.insert("locked".to_owned(), json!(metadata["locked"] == true));
    let pinned = thread["flags"].as_u64().unwrap_or(0) & PINNED;
    fields.insert("flags".to_owned(), pinned.into());
    if thread["type"] == PRIVATE {
        let invitable = metadata["invitable"].as_bool().unwrap_or(true);
        fields.insert("invitable".to_owned(), invitable.into());
    }
    fields
}

pub fn is_forum(channel: &Value) -> bool {
    let kind = channel["type"].as_u64();
    kind.is_some_and(|kind| FORUMS.contains(&kind))
}

/// Names of a post's tags, in the order of the forum's.
fn names(forum: &Value, post: &Value) -> Vec<Value> {
    let applied = post["applied_tags"].as_array().into_iter().flatten();
    let applied: Vec<Option<Id>> = applied.map(Id::read).collect();
    let tags = forum["available_tags"].as_array().into_iter().flatten();
    tags.filter(|tag| applied.contains(&Id::of(tag)))
        .map(|tag| tag["name"].clone())
        .collect()
}

/// Tags of a forum of the backup as the forum that stands for it has them: by id, else by name.
pub fn led_tags(applied: &Value, wanted: &Value, present: &Value) -> Vec<Value> {
    let list = |forum: &Value| {
        forum["available_tags"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let (before, now) = (list(wanted), list(present));
    let applied = applied.as_array().into_iter().flatten();
    let led = applied.filter_map(|tag| {
        let id = Id::read(tag);
        let same = now.iter().find(|tag| Id::of(tag) == id && id.is_some());
        let named = || {
            let old = before.iter().find(|tag| Id::of(tag) == id)?;
            now.iter().find(|tag| tag["name"] == old["name"])
        };
        same.or_else(named).map(|tag| tag["id"].clone())
    });
    led.collect()
}

pub fn lacking(thread: &Value, code: &str, why: impl Into<String>) -> NotRestored {
    NotRestored {
        kind: "thread".to_owned(),
        id: thread["id"].as_str().map(str::to_owned),
        name: thread["name"].as_str().unwrap_or_default().to_owned(),
        fields: Vec::new(),
        code: code.to_owned(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(channels: Value) -> Structure {
        let guild = json!({"id": "1", "name": "G", "roles": [], "channels": channels});
        Structure::from_guild(&guild).unwrap()
    }

    fn thread(id: &str, parent: &str, name: &str) -> Value {
        json!({"id": id, "parent_id": parent, "name": name, "type": 11,
               "thread_metadata": {"archived": false, "locked": false}})
    }

    fn plan(
        saved: &[Value],
        live: &[Value],
        made: &[u64],
        mode: RestoreMode,
    ) -> (ThreadPlan, Vec<NotRestored>) {
        let wanted = server(json!([
            {"id": "10", "type": 0, "name": "a", "permission_overwrites": []},
            {"id": "11", "type": 15, "name": "f", "permission_overwrites": [],
             "available_tags": [{"id": "5", "name": "bug"}, {"id": "6", "name": "idea"}]}]));
        let present = server(json!([
            {"id": "20", "type": 0, "name": "a", "permission_overwrites": []},
            {"id": "21", "type": 15, "name": "f", "permission_overwrites": [],
             "available_tags": [{"id": "7", "name": "bug"}, {"id": "8", "name": "idea"}]}]));
        let mapping = splashtail_guild::pair(&present, &wanted);
        let made = made.iter().map(|id| Id::new(*id)).collect();
        Threads {
            saved,
            live,
            wanted: &wanted,
            present: &present,
            mapping: &mapping,
            made: &made,
            protected: &|id| id == Id::new(20),
            own: 9,
            mode,
        }
        .plan()
    }

    #[test]
    fn threads_are_found_again_by_id_and_by_name() {
        let saved = [
            thread("100", "11", "x"),
            thread("101", "11", "y"),
            thread("102", "11", "y"),
        ];
        let live = [thread("100", "21", "renamed"), thread("200", "21", "y")];
        let (planned, left) = plan(&saved, &live, &[], RestoreMode::Full);
        assert_eq!(planned.make, [Id::new(102)], "the first y is there");
        assert_eq!(left, []);
        assert_eq!(planned.change.len(), 1);
        assert_eq!(
            planned.change[0].body,
            *json!({"name": "x"}).as_object().unwrap()
        );
        let (planned, _) = plan(&saved, &live, &[], RestoreMode::IgnoreExisting);
        assert!(planned.change.is_empty());
    }

    #[test]
    fn a_protected_channel_keeps_its_threads_and_a_new_one_gets_them() {
        let saved = [thread("100", "10", "x"), thread("101", "12", "lost")];
        let (planned, left) = plan(&saved, &[], &[], RestoreMode::Full);
        assert_eq!(planned.make, []);
        let codes: Vec<_> = left.iter().map(|item| item.code.as_str()).collect();
        assert_eq!(codes, ["protected", "not_made"]);
        let (planned, _) = plan(&saved, &[], &[12], RestoreMode::Full);
        assert_eq!(planned.make, [Id::new(101)]);
    }

    #[test]
    fn tags_are_compared_and_led_by_name() {
        let mut saved = thread("100", "11", "x");
        saved["applied_tags"] = json!(["5", "6"]);
        let mut live = thread("100", "21", "x");
        live["applied_tags"] = json!(["8", "7"]);
        let (planned, _) = plan(&[saved.clone()], &[live.clone()], &[], RestoreMode::Full);
        assert!(planned.is_empty(), "{planned:?}");
        live["applied_tags"] = json!(["7"]);
        let (planned, _) = plan(&[saved.clone()], &[live], &[], RestoreMode::Full);
        assert_eq!(planned.change[0].body["applied_tags"], json!(["5", "6"]));
        let old =
            json!({"available_tags": [{"id": "5", "name": "bug"}, {"id": "6", "name": "idea"}]});
        let new =
            json!({"available_tags": [{"id": "6", "name": "renamed"}, {"id": "7", "name": "bug"}]});
        let led = led_tags(&saved["applied_tags"], &old, &new);
        assert_eq!(led, [json!("7"), json!("6")], "an id outlives its name");
    }

    #[test]
    fn who_was_taken_out_of_a_private_thread_is_in_it_again() {
        let with = |members: Value| {
            let mut thread = thread("100", "11", "x");
            thread["type"] = json!(12);
            thread["members"] = members;
            thread
        };
        let saved = [with(json!(["7", "8", "9"]))];
        let members = |now: Value| {
            let mut live = with(now);
            live["parent_id"] = json!("21");
            let (planned, _) = plan(&saved, &[live], &[], RestoreMode::Full);
            planned.change.first().map(|change| change.members.clone())
        };
        assert_eq!(members(json!(["7", "6"])), Some(vec![Id::new(8)]));
        assert_eq!(members(json!(["7", "8"])), None, "the bot is no member");
        assert_eq!(members(Value::Null), None, "nobody knows");
    }

    #[test]
    fn a_thread_that_rested_meanwhile_is_as_it_was() {
        let mut live = thread("100", "21", "x");
        live["thread_metadata"]["archived"] = json!(true);
        let saved = [thread("100", "11", "x")];
        assert!(
            plan(&saved, &[live.clone()], &[], RestoreMode::Full)
                .0
                .is_empty()
        );
        live["thread_metadata"]["locked"] = json!(true);
        let (planned, _) = plan(&saved, &[live], &[], RestoreMode::Full);
        assert_eq!(planned.change[0].body["locked"], false);
        assert!(planned.change[0].archived);
    }
}
