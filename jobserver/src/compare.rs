//! How two backups of a server differ: what `splashtail backup diff` and the web API say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Structure, compare};

use crate::restore::file::{self, BackupFile};

/// One difference.
#[derive(Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `added`, `removed`, `changed`, or `not comparable` where one of the files knows nothing of the kind.
    pub change: &'static str,
    /// Of the object; `messages` of a channel whose number of saved messages differs.
    pub kind: String,
    pub id: String,
    pub name: String,
    /// Field, and what it was and is.
    pub fields: BTreeMap<String, [Value; 2]>,
}

/// What was added, removed and changed from the older file to the newer one.
pub fn differences(before: &BackupFile, after: &BackupFile) -> Vec<Difference> {
    let mut found = structure(&before.wanted, &after.wanted);
    found.extend(messages(before, after));
    found
}

fn structure(before: &Structure, after: &Structure) -> Vec<Difference> {
    // The older one is "live", the newer one "wanted": what is missing live has been added.
    let compared = compare(before, after);
    let item = |change, structure: &Structure, kind: Kind, id: Id| Difference {
        change,
        kind: json!(kind).as_str().unwrap_or_default().to_owned(),
        id: id.to_string(),
        name: structure
            .get(kind, id)
            .and_then(|object| object["name"].as_str())
            .unwrap_or_default()
            .to_owned(),
        fields: BTreeMap::new(),
    };
    let mut found = Vec::new();
    for (kind, id) in compared.surplus {
        found.push(item("removed", before, kind, id));
    }
    for (kind, id) in compared.missing {
        found.push(item("added", after, kind, id));
    }
    for difference in compared.changed {
        let mut changed = item("changed", after, difference.kind, difference.wanted);
        for field in difference.fields {
            changed
                .fields
                .insert(field.field.to_owned(), [field.live, field.wanted]);
        }
        found.push(changed);
    }
    for kind in compared.not_known {
        found.push(Difference {
            change: "not comparable",
            kind: json!(kind).as_str().unwrap_or_default().to_owned(),
            id: String::new(),
            name: String::new(),
            fields: BTreeMap::new(),
        });
    }
    // What both files lack is no difference.
    found.retain(|one| one.change != "not comparable" || known_once(one, before, after));
    found
}

fn known_once(found: &Difference, before: &Structure, after: &Structure) -> bool {
    let kind: Option<Kind> = serde_json::from_value(found.kind.clone().into()).ok();
    kind.is_some_and(|kind| before.knows(kind) != after.knows(kind))
}

/// Channels whose number of saved messages differs.
fn messages(before: &BackupFile, after: &BackupFile) -> Vec<Difference> {
    let channels: BTreeSet<&String> = before
        .messages
        .keys()
        .chain(after.messages.keys())
        .collect();
    let mut found = Vec::new();
    for channel in channels {
        let count = |file: &BackupFile| file.messages.get(channel).copied().unwrap_or_default();
        let (old, new) = (count(before), count(after));
        if old != new {
            found.push(Difference {
                change: "changed",
                kind: "messages".to_owned(),
                id: channel.clone(),
                name: file::channel_name(&after.wanted, channel),
                fields: BTreeMap::from([("count".to_owned(), [json!(old), json!(new)])]),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use splashtail_guild::Parts;

    use super::*;

    fn server(roles: Value, channels: Value) -> Structure {
        let guild = json!({"id": "1", "name": "S", "roles": roles, "emojis": [], "stickers": []});
        let parts = Parts {
            channels: channels.as_array().cloned(),
            ..Parts::default()
        };
        Structure::from_rest(&guild, parts).unwrap()
    }

    #[test]
    fn additions_removals_and_changes_are_named() {
        let everyone = json!({"id": "1", "name": "@everyone", "permissions": "0", "position": 0});
        let role = |id: &str, name: &str, color: u32| json!({"id": id, "name": name, "color": color, "permissions": "0", "position": 1});
        let before = server(
            json!([everyone, role("5", "Mods", 1), role("6", "Gone", 0)]),
            json!([{"id": "9", "type": 0, "name": "a", "position": 0}]),
        );
        let after = server(
            json!([everyone, role("5", "Mods", 2), role("7", "New", 3)]),
            json!([{"id": "9", "type": 0, "name": "a", "position": 0}]),
        );
        let found = structure(&before, &after);
        let has = |change: &str, name: &str| {
            found
                .iter()
                .any(|one| one.change == change && one.name == name)
        };
        assert!(
            has("removed", "Gone") && has("added", "New") && has("changed", "Mods"),
            "{found:?}"
        );
        assert_eq!(structure(&before, &before), []);
    }
}
