//! What newcomers see: the widget, the welcome screen, onboarding.

use serde_json::{Map, Value};

use super::settings::word;
use super::{Draft, Operation, Subject, Why, bits, body};
use crate::fields;
use crate::pairing::Mapping;
use crate::{Id, Kind};

impl Draft<'_> {
    /// Channels that newcomers are not shown any more are taken out before they may be hidden:
    /// Discord keeps a default channel open, even while onboarding is off.
    pub(super) fn release_defaults(&mut self) {
        let kind = Kind::Onboarding;
        let known = self.live.knows(kind) && self.wanted.knows(kind);
        // Without the feature it could not be set again afterwards.
        if !self.mode.rule(kind).edit || !known || !self.will_be_community() {
            return;
        }
        let (Some(now), Some(then)) = (
            self.live.get(kind, self.live.id()).cloned(),
            self.wanted.get(kind, self.wanted.id()),
        ) else {
            return;
        };
        let stays = led(then, &self.plan.mapping);
        let before = ids(&now["default_channel_ids"]);
        let after: Vec<Id> = before
            .iter()
            .copied()
            .filter(|id| stays.contains(id))
            .collect();
        if after.len() == before.len() {
            return;
        }
        let list: Vec<Value> = after.into_iter().map(Id::json).collect();
        let mut changed = Map::new();
        changed.insert("default_channel_ids".to_owned(), list.into());
        // With few of them it has to rest until it is complete again.
        changed.insert("enabled".to_owned(), false.into());
        let names = ["default_channel_ids", "enabled"];
        let subject = Subject::Live(self.live.id());
        let operation = Operation::Edit {
            kind,
            subject,
            body: changed,
        };
        let inverse = Operation::Edit {
            kind,
            subject,
            body: body::take(&now, &names),
        };
        let needs = bits::MANAGE_GUILD | bits::MANAGE_ROLES;
        let step = "onboarding/release".to_owned();
        self.act(step, needs, (kind, self.wanted.id()), operation, [inverse]);
    }

    pub(super) fn edit_single(&mut self, kind: Kind) {
        let rule = self.mode.rule(kind);
        let mut changed = self.comparison.changed.iter();
        let Some(difference) = changed.find(|d| rule.edit && d.kind == kind).cloned() else {
            return;
        };
        let (Some(now), Some(then)) = (
            self.live.get(kind, difference.live).cloned(),
            self.wanted.get(kind, difference.wanted).cloned(),
        ) else {
            return;
        };
        let (server, there) = (difference.wanted, difference.live);
        let mut names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
        if kind != Kind::Widget && !self.will_be_community() {
            self.unable(kind, server, names, Why::NeedsFeature("COMMUNITY"));
            return;
        }
        if kind == Kind::Onboarding {
            // One call sets it as a whole.
            names = fields::table(kind).iter().map(|f| f.name).collect();
        }
        let needs = match kind {
            Kind::Onboarding => bits::MANAGE_GUILD | bits::MANAGE_ROLES,
            _ => bits::MANAGE_GUILD,
        };
        let operation = Operation::Edit {
            kind,
            subject: Subject::Wanted(server),
            body: body::take(&then, &names),
        };
        let inverse = Operation::Edit {
            kind,
            subject: Subject::Live(there),
            body: body::take(&now, &names),
        };
        let step = format!("{}/edit", word(kind));
        self.act(step, needs, (kind, server), operation, [inverse]);
    }
}

fn ids(list: &Value) -> Vec<Id> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Id::read).collect()
}

/// Default channels of the wanted state that are there.
fn led(onboarding: &Value, mapping: &Mapping) -> Vec<Id> {
    let wanted = ids(&onboarding["default_channel_ids"]);
    let there = |id| mapping.live(Kind::Channel, id);
    wanted.into_iter().filter_map(there).collect()
}

/// Leads roles, channels and emojis of prompts to what is there; an answer that gave something and
/// has nothing left to give goes.
pub(super) fn lead_prompts(prompts: &mut Value, live: &dyn Fn(Kind, &Value) -> Option<Value>) {
    for prompt in prompts.as_array_mut().into_iter().flatten() {
        let Some(options) = prompt.get_mut("options").and_then(Value::as_array_mut) else {
            continue;
        };
        options.retain_mut(|option| {
            let mut before = 0;
            let mut after = 0;
            for (field, kind) in [("role_ids", Kind::Role), ("channel_ids", Kind::Channel)] {
                let ids = option[field].as_array().cloned().unwrap_or_default();
                before += ids.len();
                let led: Vec<Value> = ids.iter().filter_map(|id| live(kind, id)).collect();
                after += led.len();
                option[field] = led.into();
            }
            let emoji = &option["emoji"]["id"];
            if !emoji.is_null() {
                let led = live(Kind::Emoji, emoji);
                match led {
                    Some(id) => option["emoji"]["id"] = id,
                    None => option["emoji"] = Value::Null,
                }
            }
            before == 0 || after > 0
        });
    }
}

/// As [`lead_prompts`]; a channel that is not there is not shown.
pub(super) fn lead_welcome(channels: &mut Value, live: &dyn Fn(Kind, &Value) -> Option<Value>) {
    let list = channels.as_array().cloned().unwrap_or_default();
    let led = list.into_iter().filter_map(|mut shown| {
        shown["channel_id"] = live(Kind::Channel, &shown["channel_id"])?;
        if !shown["emoji_id"].is_null() {
            shown["emoji_id"] = live(Kind::Emoji, &shown["emoji_id"]).unwrap_or(Value::Null);
        }
        Some(shown)
    });
    *channels = led.collect();
}
