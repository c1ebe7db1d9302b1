//! A drill's report for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use splashtail_sandbox::control::types::{DrillEnd, DrillReport, DrillState};

/// Width of the first column.
const LABEL: usize = 34;

/// What a terminal shows while the drill runs.
pub(super) fn progress(report: &DrillReport) -> String {
    let doing = match report.state {
        DrillState::Watching => "watching",
        DrillState::Attacking | DrillState::Finished => "attacking",
    };
    let defended: u64 = report.defended.values().sum();
    format!(
        "{} {}: {doing}, {} of {} acts, {} succeeded, {} refused, {defended} deeds of defence",
        report.kind.name(),
        report.id,
        report.attempted,
        report.planned,
        report.succeeded,
        report.attempted - report.succeeded,
    )
}

/// The finished report; ends with a newline.
pub(super) fn table(report: &DrillReport) -> String {
    let mut text = String::new();
    let out = &mut text;
    let end = match report.end {
        Some(DrillEnd::Completed) => "all acts were tried",
        Some(DrillEnd::AttackersGone) => "no attacker was left in the server",
        Some(DrillEnd::Stopped) => "it was stopped",
        Some(DrillEnd::GuildGone) => "the server is gone",
        None => "it is still running",
    };
    let (kind, attackers) = (report.kind.name(), &report.attackers);
    line(
        out,
        format!(
            "Drill {}: {kind} on {} ({})",
            report.id, report.guild_name, report.guild_id
        ),
    );
    pair(out, "Ended because", end);
    pair(
        out,
        "Took",
        report
            .times
            .ended_ms
            .map_or_else(|| "-".to_owned(), seconds),
    );
    pair(
        out,
        "Attackers",
        format!(
            "{}; at the end {} in the server, {} able to act",
            attackers.total, attackers.in_guild, attackers.active
        ),
    );
    pair(out, "Acts", acts_in_all(report));
    pair(out, "Contained", contained(report));
    damage(out, report);
    counts(
        out,
        "Refused",
        "Nothing was refused.",
        &report.refused,
        |code| match meaning(code) {
            "" => code.clone(),
            meaning => format!("{code} {meaning}"),
        },
    );
    counts(
        out,
        "Defence",
        "Nobody did anything against it.",
        &report.defended,
        label,
    );
    acts(out, report);
    innocents(out, report);
    moments(out, report);
    text
}

/// Whoever is not told that it succeeded has succeeded all the same.
fn acts_in_all(report: &DrillReport) -> String {
    let unheard = match report.unheard {
        0 => String::new(),
        unheard => format!(" ({unheard} without an answer)"),
    };
    format!(
        "{} planned, {} attempted, {} succeeded{unheard}, {} refused",
        report.planned,
        report.attempted,
        report.succeeded,
        report.attempted - report.succeeded
    )
}

/// Kinds of act: what came of them, and when the first defence after them came.
fn acts(out: &mut String, report: &DrillReport) {
    if report.acts.is_empty() {
        return;
    }
    line(out, "");
    let row = |out: &mut String, name: &str, cells: [String; 4]| {
        let [a, b, c, d] = cells;
        line(out, format!("{name:<LABEL$}{a:>10}{b:>10}{c:>10}{d:>12}"));
    };
    let titles = ["tried", "succeeded", "undone", "defence"].map(str::to_owned);
    row(out, "Acts", titles);
    for act in &report.acts {
        let since = act.first_defence_ms.zip(act.first_success_ms);
        let cells = [
            act.attempted.to_string(),
            act.succeeded.to_string(),
            act.undone.to_string(),
            since.map_or_else(|| "-".to_owned(), |(defence, act)| seconds(defence - act)),
        ];
        row(out, &format!("  {}", label(&act.act)), cells);
    }
}

fn innocents(out: &mut String, report: &DrillReport) {
    let seen = &report.innocents;
    if seen.arrived == 0 && seen.touched == 0 {
        return;
    }
    line(out, "");
    line(out, format!("{:<LABEL$}{:>10}", "Innocents", "people"));
    let struck = ("kept out by faults", u64::from(seen.struck));
    let by_defence = [
        ("came at the same time", u64::from(seen.arrived)),
        ("turned away", u64::from(seen.turned_away)),
        ("banned", seen.banned),
        ("kicked", seen.kicked),
        ("timed out", seen.timed_out),
        ("roles taken", seen.roles_taken),
        ("messages deleted", seen.messages_deleted),
        ("touched in all", seen.touched),
    ];
    let faults = Some(struck).filter(|(_, count)| *count > 0);
    for (name, count) in by_defence.into_iter().chain(faults) {
        line(
            out,
            format!("  {name:<width$}{count:>10}", width = LABEL - 2),
        );
    }
}

/// After the last success, if no attacker can act any more.
fn contained(report: &DrillReport) -> String {
    match (report.attackers.active, report.times.last_success_ms) {
        (0, Some(at)) => format!("after {}", seconds(at)),
        (0, None) => "from the beginning".to_owned(),
        _ => "no".to_owned(),
    }
}

fn damage(out: &mut String, report: &DrillReport) {
    line(out, "");
    if report.achieved.is_empty() {
        line(out, "The attackers achieved nothing.");
        return;
    }
    let row = |out: &mut String, name: &str, cells: [String; 3]| {
        let [a, b, c] = cells;
        line(out, format!("{name:<LABEL$}{a:>10}{b:>10}{c:>10}"));
    };
    row(
        out,
        "Damage",
        ["achieved", "undone", "remains"].map(str::to_owned),
    );
    for (damage, achieved) in &report.achieved {
        let count = |map: &BTreeMap<_, u64>| map.get(damage).copied().unwrap_or(0).to_string();
        let cells = [
            achieved.to_string(),
            count(&report.undone),
            count(&report.remains),
        ];
        row(out, &format!("  {}", label(damage)), cells);
    }
}

fn counts<K>(
    out: &mut String,
    title: &str,
    none: &str,
    map: &BTreeMap<K, u64>,
    name: impl Fn(&K) -> String,
) {
    line(out, "");
    if map.is_empty() {
        line(out, none);
        return;
    }
    line(out, format!("{title:<LABEL$}{:>10}", "times"));
    for (key, count) in map {
        line(
            out,
            format!("{:<LABEL$}{count:>10}", format!("  {}", name(key))),
        );
    }
}

fn moments(out: &mut String, report: &DrillReport) {
    let times = &report.times;
    let rows = [
        ("first success", times.first_success_ms),
        ("first refusal", times.first_refusal_ms),
        ("first defence", times.first_defence_ms),
        ("last success", times.last_success_ms),
        ("last defence", times.last_defence_ms),
        ("last act", times.last_act_ms),
    ];
    line(out, "");
    line(
        out,
        format!("{:<LABEL$}{:>10}", "Since the first act", "after"),
    );
    for (name, at) in rows {
        let at = at.map_or_else(|| "never".to_owned(), seconds);
        line(out, format!("{:<LABEL$}{at:>10}", format!("  {name}")));
    }
}

fn line(out: &mut String, text: impl AsRef<str>) {
    out.push_str(text.as_ref());
    out.push('\n');
}

fn pair(out: &mut String, name: &str, value: impl AsRef<str>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{name:<15}{}", value.as_ref());
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

/// The name on the wire, as words.
fn label(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).unwrap_or_default();
    name.as_str().unwrap_or_default().replace(['_', '-'], " ")
}

/// What Discord's documentation calls the codes that drills meet.
fn meaning(code: &str) -> &'static str {
    match code {
        "10003" => "Unknown Channel",
        "10004" => "Unknown Guild",
        "10007" => "Unknown Member",
        "10011" => "Unknown Role",
        "10013" => "Unknown User",
        "10015" => "Unknown Webhook",
        "20016" => "Slow mode",
        "30005" => "Too many roles",
        "30007" => "Too many webhooks",
        "30013" => "Too many channels",
        "40003" => "Opening direct messages too fast",
        "40007" => "Banned from the server",
        "40012" => "Invites are paused",
        "401" => "Unauthorized",
        "429" => "Rate limited",
        "50001" => "Missing Access",
        "50007" => "Cannot message this user",
        "50013" => "Missing Permissions",
        "50027" => "Invalid Webhook Token",
        "50074" => "Channel a community needs",
        "60003" => "Two factors required",
        "200000" => "Blocked by AutoMod",
        "500000" => "Failed to ban users",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(edit: serde_json::Value) -> DrillReport {
        let mut report = json!({
            "id": 3, "kind": "nuke", "guild_id": "11", "guild_name": "Harbour",
            "state": "finished", "end": "completed",
            "settings": {"size": 9, "rate": 5.0, "actors": 1, "watch_ms": 0,
                "account_age_days": 400, "above_bot": false, "own_token": false},
            "started_at": "2026-01-01T00:00:00.000Z", "ended_at": "2026-01-01T00:00:12.045Z",
            "attackers": {"total": 1, "in_guild": 1, "active": 1, "ids": ["5"]},
            "planned": 9, "attempted": 9, "succeeded": 0,
            "achieved": {}, "refused": {}, "defended": {}, "undone": {}, "remains": {},
            "times": {"first_success_ms": null, "last_success_ms": null, "first_refusal_ms": 0,
                "first_defence_ms": null, "last_defence_ms": null, "last_act_ms": 1600,
                "ended_ms": 12045},
            "timeline_step_ms": 1000, "timeline": [],
        });
        for (key, value) in edit.as_object().into_iter().flatten() {
            report[key] = value.clone();
        }
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn empty_parts_are_sentences() {
        insta::assert_snapshot!(table(&report(json!({}))), @r"
        Drill 3: nuke on Harbour (11)
        Ended because  all acts were tried
        Took           12.045 s
        Attackers      1; at the end 1 in the server, 1 able to act
        Acts           9 planned, 9 attempted, 0 succeeded, 9 refused
        Contained      no

        The attackers achieved nothing.

        Nothing was refused.

        Nobody did anything against it.

        Since the first act                    after
          first success                        never
          first refusal                      0.000 s
          first defence                        never
          last success                         never
          last defence                         never
          last act                           1.600 s
        ");
    }

    #[test]
    fn columns_line_up() {
        let full = json!({
            "succeeded": 8,
            "achieved": {"channels_deleted": 3, "members_banned": 120},
            "undone": {"channels_deleted": 1}, "remains": {"channels_deleted": 2, "members_banned": 120},
            "refused": {"50013": 1, "99": 20}, "defended": {"attackers_banned": 1},
        });
        let text = table(&report(full));
        let part: Vec<&str> = text.lines().skip(7).take(9).collect();
        insta::assert_snapshot!(part.join("\n"), @r"
        Damage                              achieved    undone   remains
          channels deleted                         3         1         2
          members banned                         120         0       120

        Refused                                times
          50013 Missing Permissions                1
          99                                      20

        Defence                                times
        ");
    }

    #[test]
    fn contained_means_that_nobody_can_act() {
        let gone = json!({"total": 1, "in_guild": 0, "active": 0, "ids": []});
        assert_eq!(
            contained(&report(json!({"attackers": gone}))),
            "from the beginning"
        );
        let times = json!({"last_success_ms": 2050});
        let stopped = report(json!({"attackers": gone, "times": times}));
        assert_eq!(contained(&stopped), "after 2.050 s");
    }

    #[test]
    fn acts_without_an_answer_are_no_refusals() {
        let report = report(json!({"succeeded": 9, "unheard": 4}));
        assert_eq!(
            acts_in_all(&report),
            "9 planned, 9 attempted, 9 succeeded (4 without an answer), 0 refused"
        );
    }

    #[test]
    fn progress_counts_refusals() {
        let report = report(json!({"state": "watching", "succeeded": 7}));
        assert_eq!(
            progress(&report),
            "nuke 3: watching, 9 of 9 acts, 7 succeeded, 2 refused, 0 deeds of defence"
        );
    }
}
