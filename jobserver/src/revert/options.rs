//! What is asked of a put-back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{Id, Kind};

use crate::backup::coverage::KnownChannel;
use crate::fields;
use crate::request::known_channels;

const PLAN_HASH: usize = 64;
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

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFields {
    #[error("the fields must be an object")]
    NotAnObject,
    #[error("ServerID is missing or not a server id")]
    ServerId,
    #[error("Incident is missing or not the id of an incident")]
    Incident,
    #[error("{name} is not valid: {why}")]
    Field { name: &'static str, why: String },
}

impl InvalidFields {
    /// Stable code for callers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "invalid_data",
            Self::ServerId => "invalid_server_id",
            Self::Incident => "invalid_incident",
            Self::Field { .. } => "invalid_option",
        }
    }
}

/// Decodes and validates. Names match whatever their case, unknown ones are ignored.
///
/// # Errors
/// What is wrong.
pub fn parse(data: &Value) -> Result<Fields, InvalidFields> {
    let data = data.as_object().ok_or(InvalidFields::NotAnObject)?;
    let server = fields::get(data, "ServerID")
        .and_then(|id| serde_json::from_value::<GuildId>(id.clone()).ok());
    let server_id = server.ok_or(InvalidFields::ServerId)?;
    let incident = fields::get(data, "Incident").and_then(Id::read);
    let incident = incident.ok_or(InvalidFields::Incident)?;
    let mut parts: BTreeSet<Part> = list(data, "Parts")?;
    if parts.is_empty() {
        parts = Part::ALL.into();
    }
    let objects: BTreeSet<Id> = list(data, "Objects")?;
    if objects.len() > MOST_OBJECTS {
        return Err(invalid("Objects", format!("more than {MOST_OBJECTS} ids")));
    }
    let known_channels = known_channels(fields::get(data, "KnownChannels"));
    Ok(Fields {
        server_id,
        incident,
        parts,
        objects,
        dry_run: flag(data, "DryRun")?,
        plan_hash: plan_hash(fields::get(data, "PlanHash"))?,
        undo: undo(fields::get(data, "Undo"))?,
        known_channels: known_channels
            .map_err(|error| invalid("KnownChannels", error.to_string()))?,
    })
}

fn invalid(name: &'static str, why: impl Into<String>) -> InvalidFields {
    InvalidFields::Field {
        name,
        why: why.into(),
    }
}

fn list<T: serde::de::DeserializeOwned + Ord>(
    data: &Map<String, Value>,
    name: &'static str,
) -> Result<BTreeSet<T>, InvalidFields> {
    match fields::get(data, name) {
        None => Ok(BTreeSet::new()),
        Some(given) => {
            serde_json::from_value(given.clone()).map_err(|error| invalid(name, error.to_string()))
        }
    }
}

fn flag(data: &Map<String, Value>, name: &'static str) -> Result<bool, InvalidFields> {
    match fields::get(data, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(invalid(name, "it must be true or false")),
    }
}

fn undo(given: Option<&Value>) -> Result<Option<TaskId>, InvalidFields> {
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(given) => {
            let task = given.as_str().and_then(|text| text.parse().ok());
            task.map(Some)
                .ok_or_else(|| invalid("Undo", "it must be the id of a task"))
        }
    }
}

fn plan_hash(given: Option<&Value>) -> Result<Option<String>, InvalidFields> {
    let why = "it is the hash that a plan was shown with: 64 hexadecimal digits, or their beginning \
               of at least 16";
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            let text = text.trim().to_ascii_lowercase();
            let length = (16..=PLAN_HASH).contains(&text.len());
            let hash = length && text.bytes().all(|b| b.is_ascii_hexdigit());
            hash.then_some(Some(text))
                .ok_or_else(|| invalid("PlanHash", why))
        }
        Some(_) => Err(invalid("PlanHash", why)),
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
        assert_eq!(parse(&server), Err(InvalidFields::ServerId));
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
