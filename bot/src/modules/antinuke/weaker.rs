//! Changes of what a server sets about protection that make it weaker: where the server wants it so,
//! others have to agree to them.

use chrono::DateTime;
use serde_json::Value;
use splashtail_antinuke::{Answer, Column, LimitType, NEVER, Spans, default_points};

use super::acts;
use super::policy::{answer_of, ladder_of, parse_limit, spans_of};
use super::settings::{POLICY, SERVER};
use crate::catalogue::Language;
use crate::settings::{EntryChange, Fields, Gravity, GuildRows, Weaker};
use crate::text;

/// `None`: nothing becomes weaker.
pub(super) type Weakens = fn(&EntryChange<'_>) -> Option<Weaker>;

const MODES: [&str; 3] = ["off", "dry_run", "on"];
const ANSWERS: [&str; 3] = ["take_roles", "kick", "ban"];
pub(super) const OWN_TOKEN: [&str; 2] = ["tell", "leave"];

pub(super) fn policy(change: &EntryChange<'_>) -> Option<Weaker> {
    let (before, after, language) = (change.before, change.after, change.language);
    let value_of = |fields: Option<&Fields>, column: &str, default: &'static str| {
        let value = fields.and_then(|fields| fields.get(column)?.as_str());
        value.unwrap_or(default).to_owned()
    };
    let lower = |column: &str, default, order: &[&str]| {
        let (before, after) = (
            value_of(before, column, default),
            value_of(after, column, default),
        );
        let place = |value: &str| order.iter().position(|known| *known == value);
        (place(&after) < place(&before)).then_some((before, after))
    };
    let mut lines = Vec::new();
    if let Some((before, after)) = lower("mode", MODES[1], &MODES) {
        lines.push(text!(
            language,
            "weaker-mode",
            before = mode(language, &before),
            after = mode(language, &after)
        ));
    }
    if let Some((before, after)) = lower("answer", ANSWERS[0], &ANSWERS) {
        lines.push(text!(
            language,
            "weaker-answer",
            before = answer(language, &before),
            after = answer(language, &after)
        ));
    }
    if lower("own_token", OWN_TOKEN[0], &OWN_TOKEN).is_some() {
        lines.push(text!(language, "weaker-own-token"));
    }
    let alerts = |fields: Option<&Fields>| value_of(fields, "alert_channel", "");
    let (here, there) = (alerts(before), alerts(after));
    if !here.is_empty() && here != there {
        lines.push(match there.is_empty() {
            true => text!(language, "weaker-alerts-nowhere"),
            false => text!(
                language,
                "weaker-alerts",
                there = format!("<#{there}>"),
                here = format!("<#{here}>")
            ),
        });
    }
    let line = lines.join(" ");
    (!line.is_empty()).then(|| Gravity::Off.of(line))
}

fn mode(language: Language, mode: &str) -> String {
    match mode {
        "on" => text!(language, "mode-on"),
        "off" => text!(language, "mode-off"),
        _ => text!(language, "mode-dry-run"),
    }
}

fn answer(language: Language, answer: &str) -> String {
    match answer {
        "ban" => text!(language, "answer-ban"),
        "kick" => text!(language, "answer-kick"),
        _ => text!(language, "answer-take-roles"),
    }
}

pub(super) fn trust(change: &EntryChange<'_>) -> Option<Weaker> {
    let (before, after) = (change.before, change.after);
    let who = after.filter(|_| before.is_none())?.get("who")?.as_str()?;
    let language = change.language;
    let line = match who.split_once('/') {
        Some(("role", id)) => text!(language, "weaker-trust-role", role = format!("<@&{id}>")),
        Some(("user", id)) => text!(language, "weaker-trust", who = format!("<@{id}>")),
        _ => text!(language, "weaker-trust", who = who),
    };
    Some(Gravity::Trust.of(line))
}

pub(super) fn limit(change: &EntryChange<'_>) -> Option<Weaker> {
    let (before, after) = (change.before, change.after);
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
    let language = change.language;
    let shown = |spans: [u32; 3]| {
        let shown = spans.map(|bound| match bound {
            NEVER => text!(language, "limits-any"),
            bound => bound.to_string(),
        });
        shown.join(" / ")
    };
    let act = match kind {
        Some(kind) => acts::name(language, kind),
        None => text!(language, "act-points"),
    };
    higher.then(|| {
        Gravity::Less.of(text!(
            language,
            "weaker-limit",
            of = of(language, column),
            act = act,
            before = shown(before),
            after = shown(after)
        ))
    })
}

fn of(language: Language, column: Column) -> String {
    match column {
        Column::Moderator => text!(language, "of-moderators"),
        Column::Administrator => text!(language, "of-administrators"),
        Column::Bot => text!(language, "of-bots"),
    }
}

pub(super) fn actions(change: &EntryChange<'_>) -> Option<Weaker> {
    let (before, after) = (change.before, change.after);
    let kind = before.or(after)?.get("limit_type")?.as_str()?;
    // Without an entry the first answer of the whole server counts.
    let steps = |fields: Option<&Fields>, rows: &GuildRows| {
        let set = fields.and_then(ladder_of);
        set.unwrap_or_else(|| answer_of(rows.get(POLICY, SERVER)).ladder().to_vec())
    };
    let before = steps(before, change.rows_before);
    let after = steps(after, change.rows_after);
    let softer = after.first() < before.first() || after.len() < before.len();
    let language = change.language;
    softer.then(|| {
        Gravity::Less.of(text!(
            language,
            "weaker-actions",
            act = act(language, kind),
            before = ladder(language, &before),
            after = ladder(language, &after)
        ))
    })
}

/// A type of act by its name in the settings.
fn act(language: Language, kind: &str) -> String {
    match kind.parse::<LimitType>() {
        Ok(kind) => acts::name(language, kind),
        Err(_) => kind.to_owned(),
    }
}

fn ladder(language: Language, steps: &[Answer]) -> String {
    let steps: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Answer::TakeRoles => answer(language, ANSWERS[0]),
            Answer::Kick => answer(language, ANSWERS[1]),
            Answer::Ban => answer(language, ANSWERS[2]),
        })
        .collect();
    match steps.is_empty() {
        true => text!(language, "answer-nothing"),
        false => steps.join(", "),
    }
}

pub(super) fn maintenance(change: &EntryChange<'_>) -> Option<Weaker> {
    let (before, after) = (change.before, change.after);
    let after = after.filter(|after| before != Some(after))?;
    let actor = after.get("actor")?.as_str()?;
    let until = after.get("until").and_then(Value::as_str)?;
    let until = match DateTime::parse_from_rfc3339(until) {
        Ok(until) => format!("<t:{}:f>", until.timestamp()),
        Err(_) => until.to_owned(),
    };
    let language = change.language;
    let kinds = after.get("kinds").and_then(Value::as_array);
    let kinds = kinds.into_iter().flatten().filter_map(Value::as_str);
    let acts: Vec<String> = kinds.map(|kind| act(language, kind)).collect();
    let line = text!(
        language,
        "weaker-maintenance",
        who = format!("<@{actor}>"),
        until = until,
        acts = acts.join(", ")
    );
    Some(Gravity::Trust.of(line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weakens(of: Weakens, before: &Value, after: &Value) -> bool {
        weakens_among(of, (before, &json!(null)), (after, &json!(null)))
    }

    /// The entry, and the policy that is set.
    fn weakens_among(of: Weakens, before: (&Value, &Value), after: (&Value, &Value)) -> bool {
        line(of, before, after).is_some()
    }

    fn line(of: Weakens, before: (&Value, &Value), after: (&Value, &Value)) -> Option<String> {
        let rows = |policy: &Value| {
            let mut rows = GuildRows::default();
            rows.set(POLICY, SERVER, policy.as_object().cloned());
            rows
        };
        let (rows_before, rows_after) = (rows(before.1), rows(after.1));
        let weaker = of(&EntryChange {
            language: Language::English,
            before: before.0.as_object(),
            after: after.0.as_object(),
            rows_before: &rows_before,
            rows_after: &rows_after,
        });
        weaker.map(|weaker| weaker.line)
    }

    #[test]
    fn approvers_read_from_what_to_what() {
        let none = json!(null);
        let read = |of: Weakens, after: Value| line(of, (&none, &none), (&after, &none)).unwrap();
        let bounds = json!({"limit": "channel_remove/bot", "minute": 7, "hour": 30, "day": null});
        let limit = read(limit, bounds);
        assert!(limit.contains("for bots, “channel deleted”"), "{limit}");
        assert!(
            limit.ends_with("to 7 / 30 / any in a minute, an hour and a day."),
            "{limit}"
        );
        let nothing = json!({"limit_type": "ban", "first": "nothing", "second": "nothing",
                             "third": "nothing"});
        assert_eq!(
            read(actions, nothing),
            "What is done about too much of “ban” goes from “take their roles, kick, ban” \
             to “nothing”."
        );
        let pause =
            json!({"actor": "7", "kinds": ["ban", "kick"], "until": "2026-11-30T12:00:00Z"});
        assert_eq!(
            read(maintenance, pause),
            "Of <@7> these acts are not counted until <t:1796040000:f>: ban, member removed."
        );
    }

    #[test]
    fn without_actions_of_its_own_a_type_has_the_servers_answer() {
        let none = json!(null);
        let ban = json!({"policy": "server", "mode": "on", "answer": "ban"});
        let steps = |first: &str| json!({"limit_type": "ban", "first": first, "second": "nothing", "third": "nothing"});
        let full = json!({"limit_type": "ban", "first": "kick", "second": "ban",
                          "third": "take_roles"});
        // The default alone would not be weaker: it takes roles first.
        assert!(!weakens(actions, &none, &full));
        assert!(weakens_among(actions, (&none, &ban), (&full, &ban)));
        let hard = json!({"limit_type": "ban", "first": "ban", "second": "kick",
                          "third": "take_roles"});
        assert!(!weakens_among(actions, (&none, &ban), (&hard, &ban)));
        assert!(weakens_among(actions, (&hard, &none), (&none, &none)));
        assert!(!weakens_among(actions, (&full, &ban), (&none, &ban)));
        assert!(weakens_among(actions, (&none, &ban), (&steps("ban"), &ban)));
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
