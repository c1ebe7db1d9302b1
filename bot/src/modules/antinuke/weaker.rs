//! Changes of what a server sets about protection that make it weaker: where the server wants it so,
//! others have to agree to them.

use serde_json::Value;
use splashtail_antinuke::{Answer, Spans, default_points};

use super::policy::{ladder_of, parse_limit, spans_of};
use crate::settings::Fields;

/// A line for people; `None`: nothing becomes weaker.
pub(super) type Weakens = fn(Option<&Fields>, Option<&Fields>) -> Option<String>;

const MODES: [&str; 3] = ["off", "dry_run", "on"];
const ANSWERS: [&str; 3] = ["take_roles", "kick", "ban"];

pub(super) fn policy(before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
    let text = |fields: Option<&Fields>, column: &str, default: &'static str| {
        let value = fields.and_then(|fields| fields.get(column)?.as_str());
        value.unwrap_or(default).to_owned()
    };
    let lower = |column: &str, default, order: &[&str]| {
        let (before, after) = (text(before, column, default), text(after, column, default));
        let place = |value: &str| order.iter().position(|known| *known == value);
        (place(&after) < place(&before)).then_some((before, after))
    };
    let mut lines = Vec::new();
    if let Some((before, after)) = lower("mode", MODES[1], &MODES) {
        lines.push(format!("Protection goes from {before} to {after}."));
    }
    if let Some((before, after)) = lower("answer", ANSWERS[0], &ANSWERS) {
        lines.push(format!("The first answer goes from {before} to {after}."));
    }
    let alerts = |fields: Option<&Fields>| text(fields, "alert_channel", "");
    let (here, there) = (alerts(before), alerts(after));
    if !here.is_empty() && here != there {
        lines.push(match there.is_empty() {
            true => "Alerts go nowhere any more.".to_owned(),
            false => format!("Alerts go to <#{there}>, no more to <#{here}>."),
        });
    }
    (!lines.is_empty()).then(|| lines.join(" "))
}

pub(super) fn trust(before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
    let who = after.filter(|_| before.is_none())?.get("who")?.as_str()?;
    let who = match who.split_once('/') {
        Some(("user", id)) => format!("<@{id}>"),
        Some(("role", id)) => format!("Everybody with <@&{id}>"),
        _ => who.to_owned(),
    };
    Some(format!("{who} is never stopped."))
}

pub(super) fn limit(before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
    let name = before.or(after)?.get("limit")?.as_str()?;
    let (kind, column) = parse_limit(name)?;
    let default = match kind {
        Some(kind) => kind.default_spans(column),
        None => default_points(column),
    };
    let spans = |fields: Option<&Fields>| fields.and_then(spans_of).unwrap_or(default);
    let (Spans(before), Spans(after)) = (spans(before), spans(after));
    let higher = before
        .iter()
        .zip(after)
        .any(|(before, after)| after > *before);
    higher.then(|| format!("The limit {name} is higher."))
}

pub(super) fn actions(before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
    let kind = before.or(after)?.get("limit_type")?.as_str()?;
    let steps = |fields: Option<&Fields>| {
        let set = fields.and_then(ladder_of);
        set.unwrap_or_else(|| Answer::default().ladder().to_vec())
    };
    let (before, after) = (steps(before), steps(after));
    let softer = after.first() < before.first() || after.len() < before.len();
    softer.then(|| format!("Less is done about too much {kind}."))
}

pub(super) fn maintenance(before: Option<&Fields>, after: Option<&Fields>) -> Option<String> {
    let after = after.filter(|after| before != Some(after))?;
    let actor = after.get("actor")?.as_str()?;
    let until = after.get("until").and_then(Value::as_str)?;
    Some(format!(
        "Some acts of <@{actor}> are not counted until {until}."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weakens(of: Weakens, before: &Value, after: &Value) -> bool {
        of(before.as_object(), after.as_object()).is_some()
    }

    #[test]
    fn what_is_weaker_and_what_is_not() {
        let none = json!(null);
        let mode = |mode: &str| json!({"policy": "server", "mode": mode, "answer": "kick"});
        let alerts = |channel: Value| json!({"mode": "on", "alert_channel": channel});
        let bounds = |minute: Value| {
            json!({"limit": "ban/bot", "minute": minute, "hour": 9,
            "day": 9})
        };
        let steps = |first: &str, second: &str| {
            json!({"limit_type": "ban", "first": first,
            "second": second, "third": "nothing"})
        };
        let trusted = json!({"who": "user/7"});
        let pause = json!({"actor": "7", "kinds": ["ban"], "until": "2026-11-30T12:00:00Z"});
        let cases: [(Weakens, Value, Value, bool); 18] = [
            (policy, mode("on"), mode("dry_run"), true),
            (policy, mode("on"), none.clone(), true),
            (policy, none.clone(), mode("off"), true),
            (policy, none.clone(), mode("on"), false),
            (policy, mode("off"), mode("dry_run"), false),
            (
                policy,
                json!({"answer": "ban"}),
                json!({"answer": "kick"}),
                true,
            ),
            (policy, alerts(json!("1")), alerts(json!(null)), true),
            (policy, alerts(json!("1")), alerts(json!("2")), true),
            (policy, alerts(json!(null)), alerts(json!("2")), false),
            (trust, none.clone(), trusted.clone(), true),
            (trust, trusted, none.clone(), false),
            // A bot may ban ten people in a minute by default.
            (limit, none.clone(), bounds(json!(11)), true),
            (limit, none.clone(), bounds(json!(9)), false),
            (limit, bounds(json!(9)), bounds(json!(null)), true),
            (limit, bounds(json!(9)), none.clone(), true),
            (actions, steps("ban", "kick"), steps("kick", "ban"), true),
            (actions, none.clone(), steps("nothing", "nothing"), true),
            (maintenance, none, pause, true),
        ];
        for (at, (of, before, after, expected)) in cases.into_iter().enumerate() {
            assert_eq!(
                weakens(of, &before, &after),
                expected,
                "{at}: {before} {after}"
            );
        }
    }
}
