//! From two states of a server to the plan of a restore, with the hash by which it is approved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_discord::permissions::bits;
use splashtail_guild::{
    Effect, Id, Kind, Mapping, Mode, Operation, Reach, Rule, Structure, Subject, Surplus, Why, plan,
};

use super::file::BackupFile;
use super::floor::{floor, shown};
use super::live::Live;
use super::options::{Options, Part, RestoreMode};
use super::people::{People, PeoplePlan};
use super::protection::Protection;
use super::report::{NotRestored, word};
use super::threads::{ThreadPlan, Threads};
use crate::carry_out::kind_of;

/// What will be done, in order, and what will not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestorePlan {
    pub hash: String,
    pub effects: Vec<Effect>,
    pub mapping: Mapping,
    #[serde(default)]
    pub threads: ThreadPlan,
    #[serde(default)]
    pub people: PeoplePlan,
    /// The least that it takes by Discord's limits, in seconds.
    #[serde(default)]
    pub at_least_seconds: u64,
    pub not_restored: Vec<NotRestored>,
    /// Why nothing at all can be done, each reason by name.
    pub refusals: Vec<String>,
}

impl RestorePlan {
    /// Plans the way from the live server to the wanted one. Equal inputs give equal plans.
    pub fn new(live: &Live, wanted: &Structure, options: &Options, now: DateTime<Utc>) -> Self {
        let mut mode = mode(options);
        mode.grants = live.rights.grants;
        mode.orderer = live.rights.roles.clone();
        mode.now = Some(now);
        mode.keeps_unsaved = true;
        mode.actor = live.subject();
        let planned = plan(&live.structure, wanted, live.facts, &mode);
        let lacking = planned
            .unable
            .iter()
            .fold(0, |all, unable| match unable.why {
                Why::MissingPermissions(set) if unable.fields.is_empty() => all | set,
                _ => all,
            });
        let mut refusals = Vec::new();
        if options.is_brought() && !live.rights.is_administrator() {
            let why = "a file is taken from the server's owner and administrators, and whoever ordered \
                       this is neither by now";
            refusals.push(why.to_owned());
        }
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
        let mut plan = Self {
            hash: String::new(),
            threads: ThreadPlan::default(),
            people: PeoplePlan::default(),
            at_least_seconds: 0,
            not_restored: planned.unable.iter().map(NotRestored::from).collect(),
            effects: planned.effects,
            mapping: planned.mapping,
            refusals,
        };
        plan.hash = plan.hash(&options.parts);
        plan
    }

    /// With what becomes of threads, members and bans.
    #[must_use]
    pub fn with_contents(
        mut self,
        live: &Live,
        backup: &BackupFile,
        options: &Options,
        (protection, now): (&Protection, DateTime<Utc>),
    ) -> Self {
        if options.parts.contains(&Part::Threads) {
            let made = self.made(Kind::Channel);
            let protected = |channel: Id| {
                let mut all = options.protected_channels.iter();
                all.any(|protected| protected.get() == channel.get())
            };
            let threads = Threads {
                saved: &backup.threads,
                live: &live.threads,
                wanted: &backup.wanted,
                present: &live.structure,
                mapping: &self.mapping,
                made: &made,
                protected: &protected,
                own: live.viewer.user,
                mode: options.channel_restore_mode,
            };
            let (planned, left) = threads.plan();
            self.not_restored.extend(left);
            self.threads = planned;
        }
        if options.parts.contains(&Part::Members) || options.parts.contains(&Part::Bans) {
            let made = self.made(Kind::Role);
            let foreign = backup.is_foreign(live.structure.id(), options);
            let protected = |role: Id| {
                let mut all = options.protected_roles.iter();
                all.any(|protected| protected.get() == role.get())
            };
            let people = People {
                saved: &backup.everybody,
                live: &live.everybody,
                wanted: &backup.wanted,
                present: &live.structure,
                mapping: &self.mapping,
                made: &made,
                facts: live.facts,
                own: live.viewer.user,
                rights: &live.rights,
                reach: Reach::of(
                    live.rights.roles.as_deref(),
                    &live.structure,
                    &backup.wanted,
                    &self.mapping,
                ),
                mode: options.role_restore_mode,
                parts: &options.parts,
                members: options.members(foreign),
                protected: &protected,
                protection,
                now,
            };
            let (planned, left) = people.plan();
            self.not_restored.extend(left);
            self.people = planned;
        }
        self.at_least_seconds = floor(&self, &self.posted(backup, options)).as_secs();
        self.hash = self.hash(&options.parts);
        self
    }

    /// How many messages are posted, by channel and thread.
    fn posted(&self, backup: &BackupFile, options: &Options) -> Vec<u64> {
        if !options.parts.contains(&Part::Messages) {
            return Vec::new();
        }
        let channels = self.made(Kind::Channel).into_iter();
        let places = channels.chain(self.threads.make.iter().copied());
        let count = |id: Id| backup.messages.get(&id.to_string());
        places
            .filter_map(count)
            .map(|count| *count as u64)
            .collect()
    }

    /// Objects of the backup that the plan makes.
    fn made(&self, kind: Kind) -> BTreeSet<Id> {
        let made = self
            .effects
            .iter()
            .filter_map(|effect| match &effect.operation {
                Operation::Create {
                    kind: of,
                    subject: Subject::Wanted(id),
                    ..
                } if *of == kind => Some(*id),
                _ => None,
            });
        made.collect()
    }

    /// Of everything that is done and of what it replaces: a server that changed where the plan
    /// touches it gives another hash. Of people only which roles may be given and how far they are put
    /// right: who has which name is another thing every minute, and is judged again when it is done.
    fn hash(&self, parts: &BTreeSet<Part>) -> String {
        let mut effects: Vec<Value> = self
            .effects
            .iter()
            .map(|effect| {
                sorted(&json!({"step": effect.step, "operation": effect.operation,
                               "inverse": effect.inverse}))
            })
            .collect();
        let (threads, people) = (&self.threads, &self.people);
        if !threads.is_empty() {
            effects.push(sorted(
                &json!({"make": threads.make, "change": threads.change}),
            ));
        }
        if parts.contains(&Part::Members) || parts.contains(&Part::Bans) {
            let bans = parts.contains(&Part::Bans);
            effects.push(sorted(
                &json!({"scope": people.scope, "gives": people.gives, "bans": bans}),
            ));
        }
        let digest = Sha256::digest(Value::Array(effects).to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.threads.is_empty() && self.people.is_empty()
    }

    /// How many effects of each sort there are: `role: {create: 3}`.
    pub fn counts(&self) -> Value {
        let mut counts: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
        for effect in &self.effects {
            let kind = counts.entry(word(kind_of(&effect.operation))).or_default();
            *kind.entry(verb(&effect.operation)).or_default() += 1;
        }
        let others = [
            ("thread", "create", self.threads.make.len()),
            ("thread", "edit", self.threads.change.len()),
            ("member", "edit", self.people.members.len()),
            ("ban", "create", self.people.bans.len()),
        ];
        for (kind, verb, count) in others.into_iter().filter(|(.., count)| *count > 0) {
            let of = counts.entry(kind.to_owned()).or_default();
            of.insert(verb, count as u64);
        }
        json!(counts)
    }

    /// One line for people.
    pub fn headline(&self) -> String {
        let of = |wanted: &str| {
            let is = |effect: &&Effect| verb(&effect.operation) == wanted;
            self.effects.iter().filter(is).count()
        };
        if self.is_empty() {
            return "The server is as in the backup already".to_owned();
        }
        let floor = shown(Duration::from_secs(self.at_least_seconds));
        format!(
            "{} to make, {} to change, {} to delete, {} left as they are; it takes {floor} at least",
            of("create") + self.threads.make.len() + self.people.bans.len(),
            of("edit")
                + of("sort")
                + of("overwrite")
                + self.threads.change.len()
                + self.people.members.len(),
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
               "counts": self.counts(), "at_least_seconds": self.at_least_seconds,
               "refusals": self.refusals,
               "not_restored": self.not_restored, "effects": effects, "threads": self.threads, "people": self.people})
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
    let mut mode = Mode::nothing();
    for part in &options.parts {
        for kind in part.kinds() {
            let rule = match kind {
                Kind::Guild => settings,
                Kind::Role => rule(options.role_restore_mode),
                _ => others,
            };
            mode = mode.with(*kind, rule);
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
