//! An incident act by act and call by call, for people.

use splashtail_antinuke::{ActRecord, CallRecord, Incident, Moment, Outcome, Rung};

use super::acts;
use crate::catalogue::Language;
use crate::markdown::{neutralise, shorten};
use crate::text;

/// Longest name that is shown whole.
const NAME: usize = 100;

/// Acts and calls in the order in which they were; times count from the first act, in seconds.
pub(super) fn lines(language: Language, incident: &Incident) -> Vec<String> {
    let first = begin(incident);
    let mut all: Vec<(Moment, u8, String)> = Vec::new();
    for act in &incident.acts {
        all.push((act.at, 0, act_line(language, act)));
    }
    for call in &incident.calls {
        let at = match call.timing.sent {
            Moment(0) => incident.times.decided,
            sent => sent,
        };
        all.push((at, 1, call_line(language, call)));
    }
    all.sort_by_key(|(at, rank, _)| (*at, *rank));
    let all = all.into_iter();
    all.map(|(at, _, line)| format!("{} {line}", seconds(language, at.since(first))))
        .collect()
}

/// When what happened, as far as it is known.
pub(super) fn times(language: Language, incident: &Incident) -> Vec<String> {
    let times = &incident.times;
    let from = times.act;
    let after = |moment: Moment| seconds(language, moment.since(from));
    let mut parts = vec![
        text!(language, "timeline-heard", time = after(times.received)),
        text!(language, "timeline-judged", time = after(times.decided)),
    ];
    let sent = times.sent.map(after);
    parts.extend(sent.map(|time| text!(language, "timeline-sent", time = time)));
    let answered = times.acknowledged.map(after);
    parts.extend(answered.map(|time| text!(language, "timeline-answered", time = time)));
    let alerted = times.alerted.map(after);
    parts.extend(alerted.map(|time| text!(language, "timeline-alert", time = time)));
    let owner = times.owner_told.map(after);
    parts.extend(owner.map(|time| text!(language, "timeline-owner", time = time)));
    let when = format!("<t:{}:F>", from.unix_ms() / 1000);
    vec![
        text!(language, "timeline-decided", when = when),
        text!(language, "timeline-after", parts = parts.join(", ")),
    ]
}

fn begin(incident: &Incident) -> Moment {
    let acts = incident.acts.iter().map(|act| act.at).min();
    acts.unwrap_or(incident.times.act)
}

fn seconds(language: Language, ms: u64) -> String {
    format!("{} s", language.decimal(ms as f64 / 1000.0, 3))
}

fn act_line(language: Language, act: &ActRecord) -> String {
    let who = match act.actor {
        Some(id) => format!("<@{id}>"),
        None => text!(language, "timeline-nobody"),
    };
    let what = acts::name(language, act.kind);
    let name = act
        .before
        .as_ref()
        .and_then(|(_, object)| object["name"].as_str());
    let name = name.or_else(|| act.entry.as_ref().and_then(named));
    let name = name
        .map(|name| format!(" {}", neutralise(&shorten(name, NAME))))
        .unwrap_or_default();
    let target = act.target.map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{who}: {what}{name}{target}")
}

/// The name that an entry tells.
fn named(entry: &serde_json::Value) -> Option<&str> {
    let changes = entry["changes"].as_array()?;
    let change = changes.iter().find(|change| change["key"] == "name")?;
    change["old_value"]
        .as_str()
        .or(change["new_value"].as_str())
}

fn call_line(language: Language, record: &CallRecord) -> String {
    let key = &record.call.key;
    let what = match key.rung {
        Rung::TakeRoles => text!(language, "step-take-roles"),
        Rung::DropOverwrite => text!(language, "step-drop-overwrite"),
        Rung::Kick => text!(language, "step-kick"),
        Rung::Ban => text!(language, "step-ban"),
        Rung::HoldBot => text!(language, "step-hold-bot"),
        Rung::DisarmRole => text!(language, "step-disarm-role"),
        Rung::TakeRole => text!(language, "step-take-role"),
        Rung::DeleteWebhook => text!(language, "step-delete-webhook"),
        Rung::DeleteInvite => text!(language, "step-delete-invite"),
        Rung::DisableRule => text!(language, "step-disable-rule"),
        Rung::LiftTimeout => text!(language, "step-lift-timeout"),
        Rung::RestoreOnboarding => text!(language, "step-onboarding"),
        Rung::PanicRole => text!(language, "step-panic-role"),
        Rung::PauseInvites => text!(language, "step-pause-invites"),
        Rung::Return => text!(language, "step-return"),
        Rung::Leave => text!(language, "step-leave"),
    };
    let outcome = match record.outcome {
        None => text!(language, "outcome-not-sent"),
        Some(Outcome::Done) => {
            let took = record.timing.answered.since(record.timing.sent);
            text!(language, "outcome-done", ms = took)
        }
        Some(Outcome::Refused { status, code }) => text!(
            language,
            "outcome-refused",
            status = status.to_string(),
            code = code.to_string()
        ),
        Some(Outcome::Limited { ms }) => text!(language, "outcome-limited", ms = ms),
        Some(Outcome::Down) => text!(language, "outcome-down"),
    };
    let subject = key.subject.to_string();
    match record.returned {
        true => text!(
            language,
            "timeline-call-returned",
            what = what,
            subject = subject,
            outcome = outcome
        ),
        false => text!(
            language,
            "timeline-call",
            what = what,
            subject = subject,
            outcome = outcome
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn acts_and_calls_stand_in_the_order_in_which_they_were() {
        let call = json!({"call": {"key": {"incident": "9", "actor": "7", "rung": "take_roles",
            "subject": "7", "round": 0}, "method": "PATCH", "path": "/x", "reason": "r",
            "action": 25, "target": "7"}, "timing": {"sent": 2100, "answered": 2180},
            "outcome": "done", "returned": false});
        let act = |at: u64, name: &str| {
            json!({"actor": "7", "kind": "channel_remove", "target": "30", "at": at,
                "entry": null, "before": ["channel", {"id": "30", "name": name}]})
        };
        let incident = json!({"id": "9", "guild": "10", "kind": "actor", "mode": "on",
            "state": "contained", "suspects": [], "rules": [], "acts_in_all": 2,
            "acts": [act(2500, "late*r*"), act(1000, "general")], "calls": [call],
            "panic": false, "losses": [], "by_hand": [], "updated": 5,
            "times": {"act": 2000, "received": 2050, "decided": 2051, "sent": 2100}});
        let incident: Incident = serde_json::from_value(incident).unwrap();
        let lines = lines(Language::English, &incident);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "0.000 s <@7>: channel deleted general (30)");
        assert_eq!(
            lines[1],
            "1.100 s → AntiRaid: roles taken (7): done in 80 ms"
        );
        assert!(
            lines[2].starts_with("1.500 s <@7>: channel deleted late\\*r\\*"),
            "{lines:?}"
        );
        let times = times(Language::English, &incident);
        assert!(times[1].contains("heard of 0.050 s, decided 0.051 s, first call sent 0.100 s"));
    }
}
