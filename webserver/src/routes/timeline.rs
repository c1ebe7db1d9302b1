//! An incident act by act and call by call.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::incidents::{IncidentTimeline, TimelineEntry};

use super::guilds::allow;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};

/// Milliseconds between the Unix epoch and the first second of 2015, from which documents count.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// Who did what in an incident, and what was done about it, in the order in which it was.
///
/// At most 400 acts and 400 calls; the document of the incident has everything that is known of each.
#[utoipa::path(get, path = "/guilds/{guild_id}/incidents/{incident}/timeline", tag = "Guilds", operation_id = "get_incident_timeline",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("incident" = String, Path, description = "The incident"),
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "As far as it went", body = IncidentTimeline),
        (status = 403, description = "You may not look at it", body = ErrorBody),
        (status = 404, description = "No such incident of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_incident_timeline(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, incident)): PathOf<(String, String)>,
) -> Result<Json<IncidentTimeline>, ApiError> {
    let guild = guild_id(&guild)?;
    let incident: i64 = incident
        .parse()
        .map_err(|_| ApiError::NotFound("incident"))?;
    allow(&app, guild, &caller, "incidents view").await?;
    let row = app.storage.protections().incident(guild, incident).await?;
    let row = row.ok_or(ApiError::NotFound("incident"))?;
    let document: Value = serde_json::from_str(&row.document)?;
    Ok(Json(timeline(&document)))
}

/// What a document does not tell, because another version of the bot wrote it, is left out.
fn timeline(document: &Value) -> IncidentTimeline {
    let list = |name: &str| {
        document[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let decided = document["times"]["decided"].as_u64();
    let mut all: Vec<(u64, TimelineEntry)> = list("acts").iter().filter_map(act).collect();
    let first = all.iter().map(|(at, _)| *at).min();
    let begins = first
        .or(document["times"]["act"].as_u64())
        .unwrap_or_default();
    // At the same moment what they did comes first.
    let calls = list("calls").iter();
    all.extend(calls.filter_map(|record| call(record, decided)));
    all.sort_by_key(|(at, _)| *at);
    let entries = all.into_iter().map(|(at, entry)| TimelineEntry {
        at_ms: at.saturating_sub(begins),
        ..entry
    });
    let in_all = document["acts_in_all"].as_u64().unwrap_or_default();
    IncidentTimeline {
        begins_at: moment(begins),
        entries: entries.collect(),
        more_acts: in_all.saturating_sub(list("acts").len() as u64),
    }
}

fn act(record: &Value) -> Option<(u64, TimelineEntry)> {
    let name = record["before"][1]["name"].as_str();
    let name = name.or_else(|| named(&record["entry"]));
    let entry = TimelineEntry {
        at_ms: 0,
        side: "theirs".to_owned(),
        what: record["kind"].as_str()?.to_owned(),
        actor: id(&record["actor"]),
        target: id(&record["target"]),
        name: name.map(str::to_owned),
        outcome: None,
        took_ms: None,
        returned: false,
    };
    Some((record["at"].as_u64()?, entry))
}

/// One that was not sent is where it was decided on.
fn call(record: &Value, decided: Option<u64>) -> Option<(u64, TimelineEntry)> {
    let (key, timing) = (&record["call"]["key"], &record["timing"]);
    let sent = timing["sent"].as_u64().filter(|sent| *sent > 0);
    let answered = timing["answered"].as_u64().filter(|answered| *answered > 0);
    let outcome = match &record["outcome"] {
        Value::String(outcome) => Some(outcome.clone()),
        Value::Object(outcome) => outcome.keys().next().cloned(),
        _ => None,
    };
    let entry = TimelineEntry {
        at_ms: 0,
        side: "ours".to_owned(),
        what: key["rung"].as_str()?.to_owned(),
        actor: None,
        target: id(&key["subject"]),
        name: None,
        took_ms: answered
            .zip(sent)
            .filter(|_| outcome.is_some())
            .map(|(answered, sent)| answered.saturating_sub(sent)),
        outcome,
        returned: record["returned"] == true,
    };
    Some((sent.or(decided)?, entry))
}

/// The name that an entry of the audit log tells.
fn named(entry: &Value) -> Option<&str> {
    let mut changes = entry["changes"].as_array()?.iter();
    let change = changes.find(|change| change["key"] == "name")?;
    change["old_value"]
        .as_str()
        .or(change["new_value"].as_str())
}

fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn moment(ms: u64) -> DateTime<Utc> {
    let ms = i64::try_from(ms)
        .unwrap_or_default()
        .saturating_add(DISCORD_EPOCH_MS);
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn acts_and_calls_are_in_one_order_from_the_first_act() {
        let call = |rung: &str, sent: u64, answered: u64, outcome: Value| {
            json!({"call": {"key": {"rung": rung, "subject": "8", "actor": "7"}},
                "timing": {"sent": sent, "answered": answered}, "outcome": outcome, "returned": false})
        };
        let document = json!({
            "acts_in_all": 5,
            "times": {"act": 1200, "decided": 1210},
            "acts": [
                {"actor": "7", "kind": "channel_remove", "target": "5", "at": 1200,
                    "before": ["channel", {"name": "general"}]},
                {"actor": null, "kind": "role_remove", "target": "6", "at": 1000,
                    "entry": {"changes": [{"key": "name", "old_value": "Mods"}]}},
                {"kind": 5, "at": 1}
            ],
            "calls": [
                call("take_roles", 1212, 1300, json!("done")),
                call("kick", 1213, 1310, json!({"refused": {"status": 403, "code": 50013}})),
                call("ban", 0, 0, Value::Null),
            ],
        });
        let told = timeline(&document);
        assert_eq!(told.begins_at.to_rfc3339(), "2015-01-01T00:00:01+00:00");
        assert_eq!(told.more_acts, 2);
        let lines: Vec<_> = told
            .entries
            .iter()
            .map(|e| (e.what.as_str(), e.outcome.as_deref(), e.took_ms))
            .collect();
        assert_eq!(
            lines,
            [
                ("role_remove", None, None),
                ("channel_remove", None, None),
                ("ban", None, None),
                ("take_roles", Some("done"), Some(88)),
                ("kick", Some("refused"), Some(97)),
            ]
        );
        assert_eq!(told.entries[0].name.as_deref(), Some("Mods"));
        assert_eq!(told.entries[1].name.as_deref(), Some("general"));
        assert_eq!(told.entries[3].target.as_deref(), Some("8"));
    }

    #[test]
    fn a_document_that_says_nothing_has_no_entries() {
        let told = timeline(&json!([1]));
        assert_eq!((told.entries.len(), told.more_acts), (0, 0));
    }
}
