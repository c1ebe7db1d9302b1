//! What a server sets about protection. Whoever can change it can turn it against others or away from
//! themselves, so only the owner can.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_antinuke::{LimitType, MAX_BOUND, MAX_TRUSTED};
use splashtail_api_types::setting_names;
use splashtail_permissions::Modifier;

use super::service::NoIdentity;
use super::{policy, weaker};
use crate::settings::{
    Column, Draft, EntryChange, Format, Kind, Operation, Rule, Rules, Setting, Weaker, Why, Wrong,
};

pub const POLICY: &str = setting_names::protection::SETTING;
pub(super) const TRUST: &str = setting_names::trust::SETTING;
pub(super) const LIMITS: &str = setting_names::limits::SETTING;
pub(super) const MAINTENANCE: &str = "protection_maintenance";
pub(super) const ACTIONS: &str = "limitactions";

/// The key of the only row of [`POLICY`].
pub(super) const SERVER: &str = setting_names::protection::ENTRY;
/// Hours between two backups of attacks, at most.
const LONGEST_BETWEEN_BACKUPS: i64 = 30 * 24;
/// Longest time in which much is normal of somebody.
const LONGEST_MAINTENANCE: TimeDelta = TimeDelta::hours(2);

/// Names of the types of acts.
static TYPES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| LimitType::ALL.iter().map(|kind| kind.name()).collect());
/// Names of all limits.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = policy::limits();
    // Once per process, for as long as it runs.
    names
        .map(|name| &*Box::leak(name.into_boxed_str()))
        .collect()
});

pub(super) fn all(identity: Result<(), NoIdentity>) -> Vec<Setting> {
    let owners = |check, weakens| {
        let rules = OwnersOnly {
            identity,
            check,
            weakens,
        };
        Some(Arc::new(rules) as Arc<dyn Rules>)
    };
    vec![
        Setting {
            rules: owners(|_| Ok(()), weaker::policy),
            ..of_policy()
        },
        Setting {
            rules: owners(check_trust, weaker::trust),
            ..of_trust()
        },
        Setting {
            rules: owners(check_limit, weaker::limit),
            ..of_limits()
        },
        Setting {
            rules: owners(check_actions, weaker::actions),
            ..of_actions()
        },
        Setting {
            rules: owners(check_maintenance, weaker::maintenance),
            ..of_maintenance()
        },
    ]
}

const fn one_of(allowed: &'static [&'static str]) -> Kind {
    Kind::Text {
        min: 1,
        max: 64,
        allowed,
        format: Format::Plain,
    }
}

fn of_policy() -> Setting {
    let choice = |id, name, description, allowed, default: &str| Column {
        default: Some(json!(default)),
        ..Column::new(id, name, description, one_of(allowed))
    };
    let maybe = |id, name, description, format| Column {
        nullable: true,
        ..Column::new(id, name, description, Kind::of(format))
    };
    Setting {
        id: POLICY,
        name: "Protection",
        description: "Whether attackers are stopped, how, and where alerts go",
        primary_key: "policy",
        title_template: "{mode}",
        columns: vec![
            choice(
                "policy",
                "Policy",
                "There is one for the whole server",
                &[SERVER],
                SERVER,
            ),
            choice(
                "mode",
                "Mode",
                "off: nothing is judged; dry_run: judged and written down; on: attackers are stopped",
                &["off", "dry_run", "on"],
                "dry_run",
            ),
            choice(
                "answer",
                "First answer",
                "What happens first to somebody who attacks",
                &["take_roles", "kick", "ban"],
                "take_roles",
            ),
            maybe(
                "alert_channel",
                "Alert channel",
                "A channel that only staff can read",
                Format::Channel,
            ),
            maybe(
                setting_names::protection::QUARANTINE_ROLE,
                "Quarantine role",
                "Given to whoever loses their roles",
                Format::Role,
            ),
            Column {
                nullable: true,
                ..Column::new(
                    "backup_hours",
                    "Backup at an attack",
                    "Back the server up when an attack begins, at most every so many hours; empty: never",
                    Kind::Integer {
                        min: 1,
                        max: LONGEST_BETWEEN_BACKUPS,
                    },
                )
            },
            choice(
                "own_token",
                "Stolen token",
                "When somebody else acts with the bot's token: tell, or tell and leave the server",
                &weaker::OWN_TOKEN,
                weaker::OWN_TOKEN[0],
            ),
        ],
        retired: &[],
        operations: &[Operation::View, Operation::Update, Operation::Delete],
        max_entries: 1,
        rules: None,
    }
}

fn of_trust() -> Setting {
    Setting {
        id: TRUST,
        name: "Trusted",
        description: "Who is never stopped: what they do only raises an alarm",
        primary_key: setting_names::trust::WHO,
        title_template: "{who}",
        columns: vec![Column {
            unique: true,
            ..Column::new(
                setting_names::trust::WHO,
                "Who",
                "A person, a bot or a role: user/<id> or role/<id>",
                Kind::of(Format::Modifier),
            )
        }],
        retired: &[],
        operations: &[Operation::View, Operation::Create, Operation::Delete],
        max_entries: MAX_TRUSTED,
        rules: None,
    }
}

fn of_limits() -> Setting {
    let bound = |id, name, description| Column {
        nullable: true,
        ..Column::new(
            id,
            name,
            description,
            Kind::Integer {
                min: 1,
                max: MAX_BOUND.into(),
            },
        )
    };
    Setting {
        id: LIMITS,
        name: "Limits",
        description: "How much of a type is normal; the next one is an attack",
        primary_key: "limit",
        title_template: "{limit}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new(
                    "limit",
                    "Limit",
                    "<type>/<whose>, such as ban/moderator; whose: moderator, administrator, bot",
                    one_of(&NAMES),
                )
            },
            bound("minute", "Minute", "In a minute; empty: any number"),
            bound(
                "hour",
                "Hour",
                "In an hour, of points in ten minutes; empty: any number",
            ),
            bound("day", "Day", "In a day; empty: any number"),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: policy::MOST_LIMITS,
        rules: None,
    }
}

fn of_actions() -> Setting {
    let rung = |id, name, description, default: &str| Column {
        default: Some(json!(default)),
        ..Column::new(id, name, description, one_of(&policy::STEPS))
    };
    Setting {
        id: ACTIONS,
        name: "Limit actions",
        description: "What is done about too much of a type, step by step",
        primary_key: "limit_type",
        title_template: "{limit_type}: {first}, {second}, {third}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new(
                    "limit_type",
                    "Type of act",
                    "Such as channel_remove",
                    one_of(&TYPES),
                )
            },
            rung(
                "first",
                "First",
                "nothing: people are told, that is all",
                "take_roles",
            ),
            rung(
                "second",
                "Second",
                "If the first is refused, or they go on",
                "kick",
            ),
            rung(
                "third",
                "Third",
                "If the second is refused, or they go on",
                "ban",
            ),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: LimitType::ALL.len(),
        rules: None,
    }
}

fn of_maintenance() -> Setting {
    Setting {
        id: MAINTENANCE,
        name: "Maintenance",
        description: "Acts of somebody that are meant to be many for up to two hours",
        primary_key: "actor",
        title_template: "{actor}, {until}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new(
                    "actor",
                    "Actor",
                    "A person or a bot",
                    Kind::of(Format::User),
                )
            },
            Column {
                list: Some(LimitType::ALL.len()),
                ..Column::new(
                    "kinds",
                    "Types of acts",
                    "Separated by commas, such as channel_add, channel_update",
                    one_of(&TYPES),
                )
            },
            Column::new(
                "until",
                "Until",
                "At most two hours from now",
                Kind::Timestamp,
            ),
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: MAX_TRUSTED,
        rules: None,
    }
}

struct OwnersOnly {
    /// Why nothing can be protected by this bot, if so.
    identity: Result<(), NoIdentity>,
    check: fn(&Draft<'_>) -> Result<(), Wrong>,
    weakens: weaker::Weakens,
}

impl Rules for OwnersOnly {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        if !draft.is_change() {
            return Ok(());
        }
        if !draft.actor.is_owner {
            return Err(Rule::OwnerOnly.into());
        }
        self.identity.map_err(|error| match error {
            NoIdentity::NoToken => Rule::NoToken,
            NoIdentity::NoSecret => Rule::NoSecret,
        })?;
        match draft.operation {
            Operation::Delete => Ok(()),
            _ => (self.check)(draft),
        }
    }

    fn weakens(&self, change: &EntryChange<'_>) -> Option<Weaker> {
        (self.weakens)(change)
    }
}

fn check_trust(draft: &Draft<'_>) -> Result<(), Wrong> {
    let wrong = |why| Err(Wrong::field("who", why));
    let (_, who) = draft.values("who");
    match who.as_str().and_then(|who| who.parse::<Modifier>().ok()) {
        Some(Modifier::User(_)) => Ok(()),
        Some(Modifier::Role(role)) if role.get() == draft.guild.get() => wrong(Why::Everybody),
        Some(Modifier::Role(role)) => {
            let mut roles = draft.actor.ranks.keys();
            match roles.any(|known| known.get() == role.get()) {
                true => Ok(()),
                false => wrong(Why::NoRole),
            }
        }
        _ => wrong(Why::NeitherUserNorRole),
    }
}

fn check_limit(draft: &Draft<'_>) -> Result<(), Wrong> {
    let fields = draft.after.clone().unwrap_or_default();
    match policy::problem_of_limit(&Value::Object(fields)) {
        None => Ok(()),
        Some(problem) => Err(Wrong::field("limit", problem)),
    }
}

fn check_actions(draft: &Draft<'_>) -> Result<(), Wrong> {
    let fields = draft.after.clone().unwrap_or_default();
    match policy::problem_of_actions(&Value::Object(fields)) {
        None => Ok(()),
        Some(problem) => Err(problem.into()),
    }
}

fn check_maintenance(draft: &Draft<'_>) -> Result<(), Wrong> {
    let (_, kinds) = draft.values("kinds");
    if kinds.as_array().is_none_or(Vec::is_empty) {
        return Err(Wrong::field("kinds", Why::NoActs));
    }
    let (_, until) = draft.values("until");
    let until = until
        .as_str()
        .and_then(|until| until.parse::<DateTime<Utc>>().ok());
    let last = draft.now + LONGEST_MAINTENANCE;
    match until.is_some_and(|until| draft.now < until && until <= last) {
        true => Ok(()),
        false => Err(Wrong::field("until", Why::UntilAtMost(last.timestamp()))),
    }
}
