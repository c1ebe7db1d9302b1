//! Gateway events that change a server's structure.

use serde_json::Value;

use crate::Id;
use crate::delta::Delta;
use crate::structure::{Kind, Structure};

/// What a frame's bytes are scanned for before anybody builds a tree of it.
pub const CONSUMED_EVENTS: [&str; 25] = [
    "GUILD_CREATE",
    "GUILD_UPDATE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_UPDATE",
    "GUILD_ROLE_DELETE",
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_DELETE",
    "THREAD_LIST_SYNC",
    "GUILD_EMOJIS_UPDATE",
    "GUILD_STICKERS_UPDATE",
    "GUILD_SOUNDBOARD_SOUND_CREATE",
    "GUILD_SOUNDBOARD_SOUND_UPDATE",
    "GUILD_SOUNDBOARD_SOUND_DELETE",
    "GUILD_SOUNDBOARD_SOUNDS_UPDATE",
    "SOUNDBOARD_SOUNDS",
    "AUTO_MODERATION_RULE_CREATE",
    "AUTO_MODERATION_RULE_UPDATE",
    "AUTO_MODERATION_RULE_DELETE",
    "GUILD_SCHEDULED_EVENT_CREATE",
    "GUILD_SCHEDULED_EVENT_UPDATE",
    "GUILD_SCHEDULED_EVENT_DELETE",
];

impl Structure {
    /// Follows a dispatch of this guild; `data` is its `d`. Repeats change nothing, an update of
    /// something unknown brings it, a removal of something unknown is none. Events without meaning
    /// for the structure give an empty delta.
    pub fn apply_event(&mut self, name: &str, data: &Value) -> Delta {
        let mut delta = Delta::default();
        match name {
            // An outage says nothing about what there is.
            "GUILD_CREATE" if data["unavailable"] == true => {}
            "GUILD_CREATE" => return self.replace_all(data),
            "GUILD_UPDATE" => {
                self.put_settings(data, &mut delta);
                self.replace_lists(data, &["roles", "emojis", "stickers"], &mut delta);
            }
            "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
                self.put(Kind::Role, data["role"].clone(), &mut delta);
            }
            "GUILD_ROLE_DELETE" => self.drop(Kind::Role, &data["role_id"], &mut delta),
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" => self.put_channel(data.clone(), &mut delta),
            "CHANNEL_DELETE" => self.drop_channel(data, &mut delta),
            "THREAD_CREATE" | "THREAD_UPDATE" => self.put_thread(data, &mut delta),
            "THREAD_DELETE" => self.drop(Kind::Thread, &data["id"], &mut delta),
            "THREAD_LIST_SYNC" => self.sync_threads(data, &mut delta),
            "GUILD_EMOJIS_UPDATE" => self.replace_lists(data, &["emojis"], &mut delta),
            "GUILD_STICKERS_UPDATE" => self.replace_lists(data, &["stickers"], &mut delta),
            "GUILD_SOUNDBOARD_SOUND_CREATE" | "GUILD_SOUNDBOARD_SOUND_UPDATE" => {
                self.put(Kind::Sound, data.clone(), &mut delta);
            }
            "GUILD_SOUNDBOARD_SOUND_DELETE" => {
                self.drop(Kind::Sound, &data["sound_id"], &mut delta);
            }
            "GUILD_SOUNDBOARD_SOUNDS_UPDATE" | "SOUNDBOARD_SOUNDS" => {
                self.replace_lists(data, &["soundboard_sounds"], &mut delta);
            }
            "AUTO_MODERATION_RULE_CREATE" | "AUTO_MODERATION_RULE_UPDATE" => {
                self.put(Kind::AutomodRule, data.clone(), &mut delta);
            }
            "AUTO_MODERATION_RULE_DELETE" => self.drop(Kind::AutomodRule, &data["id"], &mut delta),
            "GUILD_SCHEDULED_EVENT_CREATE" | "GUILD_SCHEDULED_EVENT_UPDATE" => {
                self.put(Kind::ScheduledEvent, data.clone(), &mut delta);
            }
            "GUILD_SCHEDULED_EVENT_DELETE" => {
                self.drop(Kind::ScheduledEvent, &data["id"], &mut delta);
            }
            _ => {}
        }
        delta
    }

    fn drop(&mut self, kind: Kind, id: &Value, delta: &mut Delta) {
        if let Some(id) = Id::read(id) {
            self.set(kind, id, None, delta);
        }
    }

    /// With a channel go its threads, without events of their own.
    fn drop_channel(&mut self, channel: &Value, delta: &mut Delta) {
        self.drop_threads_of(&[&channel["id"]], delta);
        self.drop(Kind::Channel, &channel["id"], delta);
        self.drop(Kind::Hidden, &channel["id"], delta);
    }

    /// Archived threads leave the structure: only active ones are listed.
    fn put_thread(&mut self, thread: &Value, delta: &mut Delta) {
        if thread["thread_metadata"]["archived"] == true {
            self.drop(Kind::Thread, &thread["id"], delta);
        } else {
            self.put(Kind::Thread, thread.clone(), delta);
        }
    }

    /// Sight of channels was gained: their active threads, or those of all channels.
    fn sync_threads(&mut self, data: &Value, delta: &mut Delta) {
        match data["channel_ids"].as_array() {
            Some(parents) => self.drop_threads_of(&parents.iter().collect::<Vec<_>>(), delta),
            None => self.replace_lists(data, &["threads"], delta),
        }
        for thread in data["threads"].as_array().into_iter().flatten() {
            self.put_thread(thread, delta);
        }
    }

    fn drop_threads_of(&mut self, parents: &[&Value], delta: &mut Delta) {
        let gone = self
            .all(Kind::Thread)
            .filter(|(_, thread)| parents.contains(&&thread["parent_id"]));
        for id in gone.map(|(id, _)| id).collect::<Vec<_>>() {
            self.set(Kind::Thread, id, None, delta);
        }
    }

    /// Lists that come whole: what they do not name is gone. An absent list says nothing.
    fn replace_lists(&mut self, data: &Value, lists: &[&str], delta: &mut Delta) {
        for (list, kind) in crate::structure::LISTS {
            let Some(objects) = data[list].as_array().filter(|_| lists.contains(&list)) else {
                continue;
            };
            let key = if kind == Kind::Sound {
                "sound_id"
            } else {
                "id"
            };
            let named: Vec<Id> = objects.iter().filter_map(|o| Id::read(&o[key])).collect();
            let gone = self.all(kind).filter(|(id, _)| !named.contains(id));
            for id in gone.map(|(id, _)| id).collect::<Vec<_>>() {
                self.set(kind, id, None, delta);
            }
            for object in objects {
                self.put(kind, object.clone(), delta);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn guild() -> Structure {
        Structure::from_guild(&json!({
            "id": "1", "name": "Harbour", "member_count": 5, "features": [],
            "roles": [{"id": "1", "name": "@everyone", "permissions": "0", "position": 0}],
            "channels": [{"id": "10", "type": 0, "name": "general", "position": 0, "flags": 0}],
            "threads": [{"id": "20", "type": 11, "parent_id": "10", "name": "t"}],
        }))
        .unwrap()
    }

    fn hidden() -> Value {
        json!({"id": "10", "guild_id": "1", "type": 0, "name": "___hidden___", "flags": 1 << 17, "position": 0,
            "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]})
    }

    #[test]
    fn deltas_lead_there_and_back() {
        let before = guild();
        let mut after = before.clone();
        let mut all = Vec::new();
        for (name, data) in [
            ("GUILD_UPDATE", json!({"id": "1", "name": "Port"})),
            (
                "GUILD_ROLE_CREATE",
                json!({"guild_id": "1", "role": {"id": "2", "name": "a"}}),
            ),
            (
                "CHANNEL_UPDATE",
                json!({"id": "10", "guild_id": "1", "type": 0, "name": "g", "flags": 0}),
            ),
            ("CHANNEL_UPDATE", hidden()),
            (
                "THREAD_UPDATE",
                json!({"id": "20", "parent_id": "10", "thread_metadata": {"archived": true}}),
            ),
            (
                "GUILD_ROLE_DELETE",
                json!({"guild_id": "1", "role_id": "2"}),
            ),
        ] {
            let delta = after.apply_event(name, &data);
            assert!(!delta.is_empty(), "{name}");
            assert!(after.apply_event(name, &data).is_empty(), "{name} again");
            all.push(delta);
        }
        let mut forward = before.clone();
        all.iter().for_each(|delta| forward.apply(delta));
        assert_eq!(forward, after);
        all.iter()
            .rev()
            .for_each(|delta| forward.apply(&delta.inverse()));
        assert_eq!(forward, before);
        let text = serde_json::to_string(&after).unwrap();
        assert_eq!(serde_json::from_str::<Structure>(&text).unwrap(), after);
    }

    #[test]
    fn a_channel_that_is_hidden_keeps_what_was_last_seen() {
        let mut guild = guild();
        let id = Id::new(10);
        let clear = guild.get(Kind::Channel, id).cloned();
        guild.apply_event("CHANNEL_UPDATE", &hidden());
        assert!(guild.is_hidden(id));
        assert_eq!(guild.get(Kind::Channel, id).cloned(), clear);
        assert_eq!(guild.coverage(), (1, 0));
        // A new session lists it hidden, too.
        let whole = json!({"id": "1", "name": "Harbour", "features": [], "roles": [], "channels": [hidden()]});
        guild.apply_event("GUILD_CREATE", &whole);
        assert_eq!(guild.get(Kind::Channel, id).cloned(), clear);
        let seen = json!({"id": "10", "type": 0, "name": "general", "position": 0, "flags": 0});
        guild.apply_event("CHANNEL_UPDATE", &seen);
        assert_eq!(guild.coverage(), (1, 1));
        guild.apply_event("CHANNEL_UPDATE", &hidden());
        guild.apply_event("CHANNEL_DELETE", &hidden());
        assert_eq!(guild.coverage(), (0, 0));
        assert!(guild.get(Kind::Channel, id).is_none());
    }

    #[test]
    fn outages_and_strange_events_change_nothing() {
        let mut guild = guild();
        let before = guild.clone();
        for (name, data) in [
            ("GUILD_CREATE", json!({"id": "1", "unavailable": true})),
            ("MESSAGE_CREATE", json!({"id": "5"})),
            ("GUILD_ROLE_UPDATE", json!({"role": {"name": "no id"}})),
            (
                "GUILD_ROLE_UPDATE",
                json!({"role": {"id": "0", "name": "zero"}}),
            ),
            (
                "GUILD_ROLE_UPDATE",
                json!({"role": {"id": "+7", "name": "sign"}}),
            ),
            ("GUILD_EMOJIS_UPDATE", json!({"guild_id": "1"})),
            ("CHANNEL_DELETE", json!({"id": "999"})),
        ] {
            assert!(guild.apply_event(name, &data).is_empty(), "{name}");
        }
        assert_eq!(guild, before);
    }
}
