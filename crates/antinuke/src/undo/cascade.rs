//! What went along with a deleted object, without an entry of its own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Structure};

use super::{Forms, Touched};

/// Settings of a server that name a channel.
const CHANNELS_OF_SERVER: [&str; 6] = [
    "afk_channel_id",
    "system_channel_id",
    "rules_channel_id",
    "public_updates_channel_id",
    "safety_alerts_channel_id",
    "widget_channel_id",
];

/// Adds it to what was touched, from the server as it was.
pub(super) fn add(touched: &mut Touched, pinned: &Structure, now: &Structure) {
    let lost = |kind: Kind| -> BTreeSet<Id> {
        let lost = touched
            .iter()
            .filter(|((k, _), forms)| *k == kind && forms.is_lost());
        lost.map(|((_, id), _)| *id).collect()
    };
    let (roles, channels) = (lost(Kind::Role), lost(Kind::Channel));
    for (id, was) in pinned.all(Kind::Channel) {
        let is_lost = channels.contains(&id);
        if !is_lost && (now.get(Kind::Channel, id).is_none() || now.is_hidden(id)) {
            continue;
        }
        let overwrites = was["permission_overwrites"].as_array();
        let gone = overwrites.into_iter().flatten();
        let gone: Vec<&Value> = gone
            .filter(|o| Id::of(o).is_some_and(|whom| roles.contains(&whom)))
            .collect();
        let parent = Id::read(&was["parent_id"]).filter(|parent| channels.contains(parent));
        if gone.is_empty() && parent.is_none() {
            continue;
        }
        let Forms { before, after, .. } = entry(touched, Kind::Channel, id, now);
        let Some(before) = before else { continue };
        for overwrite in gone {
            add_overwrite(before, overwrite);
        }
        // Whoever moved it elsewhere meant that.
        let orphan = after
            .as_ref()
            .is_none_or(|left| left["parent_id"].is_null());
        if let Some(parent) = parent.filter(|_| orphan && before["parent_id"].is_null()) {
            before["parent_id"] = parent.json();
        }
    }
    for key in CHANNELS_OF_SERVER {
        let was = Id::read(&pinned.guild()[key]).filter(|id| channels.contains(id));
        let Some(was) = was.filter(|_| now.guild()[key].is_null()) else {
            continue;
        };
        if let Some(before) = &mut entry(touched, Kind::Guild, now.id(), now).before {
            before[key] = was.json();
        }
    }
}

fn entry<'t>(touched: &'t mut Touched, kind: Kind, id: Id, now: &Structure) -> &'t mut Forms {
    touched.entry((kind, id)).or_insert_with(|| {
        let present = now.get(kind, id).cloned();
        Forms {
            before: present.clone(),
            after: present,
            ..Forms::default()
        }
    })
}

fn add_overwrite(channel: &mut Value, overwrite: &Value) {
    if channel["permission_overwrites"].is_null() {
        channel["permission_overwrites"] = json!([]);
    }
    if let Value::Array(list) = &mut channel["permission_overwrites"]
        && !list.iter().any(|known| known["id"] == overwrite["id"])
    {
        list.push(overwrite.clone());
    }
}
