//! From two states of a server to the plan of a restore, with the hash by which it is approved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_discord::permissions::bits;
use splashtail_guild::{
    Effect, Id, Kind, Mapping, Mode, Operation, Rule, Structure, Surplus, Why, plan,
};

use super::live::Live;
use super::options::{Options, Part, RestoreMode};
use super::report::{NotRestored, word};
use crate::carry_out::kind_of;

/// What will be done, in order, and what will not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestorePlan {
    pub hash: String,
    pub effects: Vec<Effect>,
    pub mapping: Mapping,
    pub not_restored: Vec<NotRestored>,
    /// Why nothing at all can be done, each reason by name.
    pub refusals: Vec<String>,
}

impl RestorePlan {
    /// Plans the way from the live server to the wanted one. Equal inputs give equal plans.
    /// `grants`: permission bits that it may give.
    pub fn new(live: &Live, wanted: &Structure, options: &Options, grants: u64) -> Self {
        let mut mode = mode(options);
        mode.grants = grants;
        let planned = plan(&live.structure, wanted, live.facts, &mode);
        let lacking = planned
            .unable
            .iter()
            .fold(0, |all, unable| match unable.why {
                Why::MissingPermissions(set) if unable.fields.is_empty() => all | set,
                _ => all,
            });
        let mut refusals = Vec::new();
        if live.timed_out {
            refusals.push("the bot is timed out in this server: end its timeout".to_owned());
        }
        if live.uncertain {
            refusals.push(
                "the bot holds a role that Discord did not list, so its permissions are not \
                 known: try again in a minute"
                    .to_owned(),
            );
        }
        if lacking != 0 {
            let names = bits::names(lacking).join(", ");
            refusals.push(format!(
                "the bot lacks {names}: grant them to its role, or choose parts that do not need \
                 them"
            ));
        }
        let roles = options.parts.contains(&Part::Roles) && wanted.all(Kind::Role).count() > 1;
        if roles && live.facts.top_role.is_none() && !live.facts.owner {
            refusals.push(
                "the bot has no role of its own, and restores only roles below it: drag its role \
                 to the top of the list"
                    .to_owned(),
            );
        }
        Self {
            hash: hash(&planned.effects),
            not_restored: planned.unable.iter().map(NotRestored::from).collect(),
            effects: planned.effects,
            mapping: planned.mapping,
            refusals,
        }
    }

    /// How many effects of each sort there are: `role: {create: 3}`.
    pub fn counts(&self) -> Value {
        let mut counts: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
        for effect in &self.effects {
            let kind = counts.entry(word(kind_of(&effect.operation))).or_default();
            *kind.entry(verb(&effect.operation)).or_default() += 1;
        }
        json!(counts)
    }

    /// One line for people.
    pub fn headline(&self) -> String {
        let of = |wanted: &str| {
            let is = |effect: &&Effect| verb(&effect.operation) == wanted;
            self.effects.iter().filter(is).count()
        };
        if self.effects.is_empty() {
            return "The server is as in the backup already".to_owned();
        }
        format!(
            "{} to make, {} to change, {} to delete, {} left as they are",
            of("create"),
            of("edit") + of("sort") + of("overwrite"),
            of("delete"),
            self.not_restored.len()
        )
    }

    /// Channels that will be deleted.
    pub fn doomed_channels(&self) -> Vec<Id> {
        let doomed = self
            .effects
            .iter()
            .filter_map(|effect| match &effect.operation {
                Operation::Delete {
                    kind: Kind::Channel,
                    subject,
                } => subject.resolved(Kind::Channel, &self.mapping),
                _ => None,
            });
        doomed.collect()
    }

    /// The answer of a dry run.
    pub fn document(&self) -> Value {
        let effects: Vec<Value> = self
            .effects
            .iter()
            .map(|effect| json!({"step": effect.step, "operation": effect.operation}))
            .collect();
        json!({"kind": "restore_plan", "plan_hash": self.hash, "summary": self.headline(),
               "counts": self.counts(), "refusals": self.refusals,
               "not_restored": self.not_restored, "effects": effects})
    }
}

fn verb(operation: &Operation) -> &'static str {
    match operation {
        Operation::Create { .. } => "create",
        Operation::Edit { .. } => "edit",
        Operation::Delete { .. } => "delete",
        Operation::PutOverwrite { .. } | Operation::DeleteOverwrite { .. } => "overwrite",
        Operation::Reorder { .. } => "sort",
    }
}

fn mode(options: &Options) -> Mode {
    let rule = |mode: RestoreMode| Rule {
        create: true,
        edit: mode != RestoreMode::IgnoreExisting,
        surplus: match mode {
            RestoreMode::Diff => Surplus::Keep,
            RestoreMode::Full | RestoreMode::IgnoreExisting => Surplus::Delete,
        },
    };
    let settings = Rule {
        create: false,
        edit: true,
        surplus: Surplus::Keep,
    };
    let others = rule(options.channel_restore_mode);
    // Their files are in no backup, so nothing could bring back what was deleted.
    let files = Rule {
        surplus: Surplus::Keep,
        ..others
    };
    let mut mode = Mode::nothing();
    for (part, kind, rule) in [
        (Part::Settings, Kind::Guild, settings),
        (Part::Roles, Kind::Role, rule(options.role_restore_mode)),
        (Part::Channels, Kind::Channel, others),
        (Part::Emojis, Kind::Emoji, files),
        (Part::Stickers, Kind::Sticker, files),
        (Part::Sounds, Kind::Sound, files),
        (Part::Automod, Kind::AutomodRule, others),
        (Part::Events, Kind::ScheduledEvent, others),
    ] {
        if options.parts.contains(&part) {
            mode = mode.with(kind, rule);
        }
    }
    mode.overwrites = options.parts.contains(&Part::Overwrites);
    for channel in &options.protected_channels {
        mode = mode.protect(Kind::Channel, Id::new(channel.get()));
    }
    for role in &options.protected_roles {
        mode = mode.protect(Kind::Role, Id::new(role.get()));
    }
    mode
}

/// Of everything that is done and of what it replaces: a server that changed where the plan touches
/// it gives another hash.
fn hash(effects: &[Effect]) -> String {
    let effects: Vec<Value> = effects
        .iter()
        .map(|effect| {
            sorted(&json!({"step": effect.step, "operation": effect.operation,
                           "inverse": effect.inverse}))
        })
        .collect();
    let digest = Sha256::digest(Value::Array(effects).to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// With the keys of all objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> = fields
                .iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            let fields = fields.into_iter().map(|(key, value)| (key.clone(), value));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
