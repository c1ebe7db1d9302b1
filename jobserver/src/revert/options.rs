//! What is asked of a put-back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{Id, Kind};

use crate::backup::coverage::KnownChannel;
use crate::request::{self, Head, InvalidRequest};

/// Digits of a plan's hash that are enough: a button holds no more.
const SHORTEST_HASH: usize = 16;
/// Objects that can be named one by one.
const MOST_OBJECTS: usize = 500;

/// What can be put back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Settings,
    Roles,
    /// With their overwrites.
    Channels,
    Expressions,
    Automod,
    Events,
    /// Roles, nicknames and timeouts of members.
    Members,
    Bans,
    /// Webhooks, invites and threads that were made.
    Others,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::Settings,
        Self::Roles,
        Self::Channels,
        Self::Expressions,
        Self::Automod,
        Self::Events,
        Self::Members,
        Self::Bans,
        Self::Others,
    ];

    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Guild => Self::Settings,
            Kind::Role => Self::Roles,
            Kind::Channel | Kind::Hidden => Self::Channels,
            Kind::Emoji | Kind::Sticker | Kind::Sound => Self::Expressions,
            Kind::AutomodRule => Self::Automod,
            Kind::ScheduledEvent => Self::Events,
            Kind::Thread
            | Kind::Widget
            | Kind::WelcomeScreen
            | Kind::Onboarding
            | Kind::Webhook
            | Kind::Invite => Self::Others,
        }
    }
}

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    pub incident: Id,
    pub parts: BTreeSet<Part>,
    /// Objects and members by id; empty: all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub objects: BTreeSet<Id>,
    /// Only the plan.
    #[serde(default)]
    pub dry_run: bool,
    /// Of the plan that was approved. Without it a plan that has to be shown first is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// Takes back what this earlier job of the same incident did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<TaskId>,
    /// Every channel of the server as the gateway lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_channels: Vec<KnownChannel>,
}

/// Beside `ServerID`, not in `Options`.
const NAMES: [&str; 6] = ["Incident", "Parts", "Objects", "DryRun", "PlanHash", "Undo"];

/// Decodes and validates. Names match whatever their case, unknown ones are ignored.
///
/// # Errors
/// What is wrong.
pub fn parse(data: &Value) -> Result<Fields, InvalidRequest> {
    let head = Head::flat(data, &NAMES)?;
    let given = &head.options;
    let incident = given.get("Incident").and_then(Id::read);
    let incident = incident.ok_or(InvalidRequest::Incident)?;
    let mut parts: BTreeSet<Part> = list(given, "Parts")?;
    if parts.is_empty() {
        parts = Part::ALL.into();
    }
    let objects: BTreeSet<Id> = list(given, "Objects")?;
    if objects.len() > MOST_OBJECTS {
        let why = format!("more than {MOST_OBJECTS} ids");
        return Err(InvalidRequest::option("Objects", why));
    }
    Ok(Fields {
        server_id: head.server_id,
        incident,
        parts,
        objects,
        dry_run: request::flag(given, "DryRun")?,
        plan_hash: request::plan_hash(given, SHORTEST_HASH)?,
        undo: undo(given.get("Undo"))?,
        known_channels: head.known_channels,
    })
}

fn list<T: serde::de::DeserializeOwned + Ord>(
    given: &Map<String, Value>,
    name: &str,
) -> Result<BTreeSet<T>, InvalidRequest> {
    let Some(given) = given.get(name) else {
        return Ok(BTreeSet::new());
    };
    let read = serde_json::from_value(given.clone());
    read.map_err(|error| InvalidRequest::option(name, error.to_string()))
}

fn undo(given: Option<&Value>) -> Result<Option<TaskId>, InvalidRequest> {
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(given) => {
            let task = given.as_str().and_then(|text| text.parse().ok());
            let wrong = || InvalidRequest::option("Undo", "it must be the id of a task");
            task.map(Some).ok_or_else(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_parts_are_meant_when_none_is_named() {
        let fields = parse(&json!({"serverid": "1", "incident": "5"})).unwrap();
        assert_eq!(fields.parts.len(), Part::ALL.len());
        let some = json!({"ServerID": "1", "Incident": "5", "Parts": ["roles", "bans"],
                          "Objects": ["7"], "PlanHash": "ABCDEF0123456789"});
        let fields = parse(&some).unwrap();
        assert_eq!(fields.parts, [Part::Roles, Part::Bans].into());
        assert_eq!(fields.plan_hash.as_deref(), Some("abcdef0123456789"));
        let stored = serde_json::to_value(&fields).unwrap();
        assert_eq!(serde_json::from_value::<Fields>(stored).unwrap(), fields);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let server = json!({"Incident": "5"});
        assert_eq!(parse(&server), Err(InvalidRequest::ServerId));
        for (field, value, code) in [
            ("Incident", json!("x"), "invalid_incident"),
            ("Parts", json!(["all"]), "invalid_option"),
            ("Objects", json!(["0"]), "invalid_option"),
            ("PlanHash", json!("abc"), "invalid_option"),
            ("DryRun", json!("yes"), "invalid_option"),
            ("Undo", json!("yes"), "invalid_option"),
        ] {
            let mut data = json!({"ServerID": "1", "Incident": "5"});
            data[field] = value;
            assert_eq!(parse(&data).unwrap_err().code(), code, "{field}");
        }
    }
}
