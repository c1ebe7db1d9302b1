//! An incident act by act and call by call, for people.

use splashtail_antinuke::{ActRecord, CallRecord, Incident, Moment, Outcome, Rung};

use crate::markdown::neutralise;

/// Acts and calls in the order in which they were; times count from the first act, in seconds.
pub(super) fn lines(incident: &Incident) -> Vec<String> {
    let first = begin(incident);
    let mut all: Vec<(Moment, u8, String)> = Vec::new();
    for act in &incident.acts {
        all.push((act.at, 0, act_line(act)));
    }
    for call in &incident.calls {
        let at = match call.timing.sent {
            Moment(0) => incident.times.decided,
            sent => sent,
        };
        all.push((at, 1, call_line(call)));
    }
    all.sort_by_key(|(at, rank, _)| (*at, *rank));
    all.into_iter()
        .map(|(at, _, line)| format!("{} {line}", seconds(at.since(first))))
        .collect()
}

/// When what happened, as far as it is known.
pub(super) fn times(incident: &Incident) -> Vec<String> {
    let times = &incident.times;
    let from = times.act;
    let at = from.unix_ms() / 1000;
    let mut parts = vec![
        format!("heard of {}", seconds(times.received.since(from))),
        format!("decided {}", seconds(times.decided.since(from))),
    ];
    for (what, moment) in [
        ("first call sent", times.sent),
        ("answered", times.acknowledged),
        ("alert", times.alerted),
        ("owner told", times.owner_told),
    ] {
        parts.extend(moment.map(|moment| format!("{what} {}", seconds(moment.since(from)))));
    }
    vec![
        format!("The act that decided: <t:{at}:F>."),
        format!("After it: {}.", parts.join(", ")),
    ]
}

fn begin(incident: &Incident) -> Moment {
    let acts = incident.acts.iter().map(|act| act.at).min();
    acts.unwrap_or(incident.times.act)
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

fn act_line(act: &ActRecord) -> String {
    let who = act
        .actor
        .map_or_else(|| "nobody".to_owned(), |id| format!("<@{id}>"));
    let what = act.kind.name().replace('_', " ");
    let name = act
        .before
        .as_ref()
        .and_then(|(_, object)| object["name"].as_str());
    let name = name.or_else(|| act.entry.as_ref().and_then(named));
    let name = name
        .map(|name| format!(" {}", neutralise(name)))
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

fn call_line(record: &CallRecord) -> String {
    let key = &record.call.key;
    let what = match key.rung {
        Rung::TakeRoles => "roles taken",
        Rung::DropOverwrite => "permissions in a channel taken",
        Rung::Kick => "removed",
        Rung::Ban => "banned",
        Rung::HoldBot => "bot disarmed",
        Rung::DisarmRole => "role disarmed",
        Rung::TakeRole => "role taken",
        Rung::DeleteWebhook => "webhook deleted",
        Rung::DeleteInvite => "invite deleted",
        Rung::DisableRule => "AutoMod rule switched off",
        Rung::LiftTimeout => "timeout lifted",
        Rung::RestoreOnboarding => "onboarding put back",
        Rung::PanicRole => "panic: role disarmed",
        Rung::PauseInvites => "panic: invites paused",
        Rung::Return => "given back",
    };
    let outcome = match record.outcome {
        None => "not sent".to_owned(),
        Some(Outcome::Done) => {
            let took = record.timing.answered.since(record.timing.sent);
            format!("done in {took} ms")
        }
        Some(Outcome::Refused { status, code }) => format!("refused ({status}, {code})"),
        Some(Outcome::Limited { ms }) => format!("rate limited for {ms} ms"),
        Some(Outcome::Down) => "no answer".to_owned(),
    };
    let taken_back = if record.returned {
        ", taken back later"
    } else {
        ""
    };
    format!(
        "→ AntiRaid: {what} ({}): {outcome}{taken_back}",
        key.subject
    )
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
        let lines = lines(&incident);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "0.000 s <@7>: channel remove general (30)");
        assert_eq!(
            lines[1],
            "1.100 s → AntiRaid: roles taken (7): done in 80 ms"
        );
        assert!(
            lines[2].starts_with("1.500 s <@7>: channel remove late\\*r\\*"),
            "{lines:?}"
        );
        let times = times(&incident);
        assert!(times[1].contains("heard of 0.050 s, decided 0.051 s, first call sent 0.100 s"));
    }
}
