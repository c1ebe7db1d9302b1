//! What people read about a wave.

use serde_json::{Value, json};
use splashtail_raid::{
    Family, Fate, Grade, Mode, Moment, Person, Phase, Reason, Standing, Step, Wave,
};

use super::decide::Wish;
use super::presses::{PREFIX, WHY};
use crate::catalogue::Language;
use crate::colours;
use crate::fit::fit;
use crate::markdown::length;
use crate::text;

/// Styles of buttons (Discord documentation, "Button Styles").
const PLAIN: u8 = 2;
const GREEN: u8 = 3;
const RED: u8 = 4;

/// The message of a wave, as it is now.
pub(super) fn card(language: Language, wave: &Wave) -> Value {
    let mut lines = Vec::new();
    if let Some(evidence) = &wave.verdict.evidence {
        lines.push(family(
            language,
            evidence.family,
            (evidence.count, evidence.of),
            evidence.usual,
        ));
        if evidence.regular {
            lines.push(text!(language, "raid-regular"));
        }
    }
    lines.push(person_counts(language, wave));
    lines.extend(done(language, wave));
    let colour = match (wave.phase, wave.grade) {
        (Phase::Dismissed | Phase::Over, _) => colours::GREEN.0,
        (Phase::Open, Grade::Raid | Grade::Certain) => colours::RED.0,
        (Phase::Open, _) => colours::BLUE.0,
    };
    let foot = text!(language, "raid-foot", id = wave.id.to_string());
    let mut body = json!({
        "embeds": [{"title": title(language, wave), "description": lines.join("\n"),
            "color": colour, "footer": {"text": foot}}],
        "components": components(language, wave),
        "allowed_mentions": {"parse": []},
    });
    fit(&mut body);
    body
}

/// How many of a wave stand how.
pub(super) fn person_counts(language: Language, wave: &Wave) -> String {
    text!(
        language,
        "raid-counts",
        raiders = wave.count(Standing::Raider),
        suspects = wave.count(Standing::Suspect),
        others = wave.count(Standing::Bystander)
    )
}

fn title(language: Language, wave: &Wave) -> String {
    let verdict = &wave.verdict;
    let count = verdict
        .evidence
        .map_or(verdict.came, |evidence| evidence.of);
    let window = verdict
        .evidence
        .map_or(verdict.window, |evidence| evidence.window);
    let (seconds, usual) = (window / 1000, verdict.usual);
    // The usual number is that of another window where they differ.
    let usual = match verdict.window {
        0 => usual,
        of => usual * window as f64 / of as f64,
    };
    let usual = language.decimal(usual, 1);
    let said = match wave.grade >= Grade::Raid {
        true => text!(
            language,
            "raid-title-raid",
            count = count,
            seconds = seconds,
            usual = usual
        ),
        false => text!(
            language,
            "raid-title-wave",
            count = count,
            seconds = seconds,
            usual = usual
        ),
    };
    match (wave.mode, wave.phase) {
        (Mode::DryRun, _) => text!(language, "raid-title-dry", said = said),
        (_, Phase::Open) => said,
        (_, Phase::Over) => text!(language, "raid-title-over", said = said),
        (_, Phase::Dismissed) => text!(language, "raid-title-dismissed", said = said),
    }
}

/// What was done, or would have been.
fn done(language: Language, wave: &Wave) -> Vec<String> {
    let mut lines = Vec::new();
    if wave.mode == Mode::DryRun {
        lines.push(text!(language, "raid-nothing-done"));
        return lines;
    }
    if let Some(until) = wave.paused_until {
        lines.push(text!(language, "raid-paused", until = timestamp(until)));
    }
    if let Some(to) = wave.level {
        lines.push(match to {
            4 => text!(language, "raid-level-phone"),
            _ => text!(language, "raid-level-minutes"),
        });
    }
    let (banned, held) = (
        wave.with_fate(Fate::Banned) + wave.with_fate(Fate::Banning),
        wave.with_fate(Fate::Holding) + wave.with_fate(Fate::Held),
    );
    if banned + held > 0 {
        lines.push(text!(language, "raid-done", banned = banned, held = held));
    }
    if wave.approved {
        lines.push(match wave.approved_by {
            Some(by) => text!(language, "raid-approved", who = format!("<@{by}>")),
            None => text!(language, "raid-approved-policy"),
        });
    }
    if let Some(by) = wave.dismissed_by {
        lines.push(text!(language, "raid-let-in-by", who = format!("<@{by}>")));
    }
    let refused = wave.with_fate(Fate::Refused);
    if refused > 0 {
        lines.push(text!(language, "raid-refused", count = refused));
    }
    let spared = wave.with_fate(Fate::Spared);
    if spared > 0 {
        lines.push(text!(language, "raid-spared", count = spared));
    }
    let waiting = wave.waiting().len();
    if waiting > 0 && !wave.approved && wave.phase != Phase::Dismissed {
        lines.push(text!(language, "raid-waiting", count = waiting));
    }
    let late = wave.people.values().filter(|person| person.is_late).count();
    if late > 0 {
        lines.push(text!(language, "raid-late", count = late));
    }
    if let Some(why) = &wave.stopped {
        lines.push(text!(language, "raid-stopped", why = why.as_str()));
    }
    let refused = wave.refused.iter();
    lines.extend(refused.map(|(step, why)| refusal(language, *step, why)));
    if wave.is_cut {
        lines.push(text!(
            language,
            "raid-cut",
            most = splashtail_raid::MOST_PEOPLE
        ));
    }
    lines
}

/// What the bot may not do, and why.
fn refusal(language: Language, step: Step, why: &str) -> String {
    match step {
        Step::Pause => text!(language, "raid-refused-pause", why = why),
        Step::Unpause => text!(language, "raid-refused-unpause", why = why),
        Step::Level => text!(language, "raid-refused-level", why = why),
        Step::LevelBack => text!(language, "raid-refused-level-back", why = why),
        Step::Release => text!(language, "raid-refused-release", why = why),
        Step::Lift => text!(language, "raid-refused-lift", why = why),
    }
}

fn components(language: Language, wave: &Wave) -> Value {
    let button = |style: u8, label: String, verb: &str| {
        json!({"type": 2, "style": style, "label": label,
               "custom_id": format!("{PREFIX}:{verb}:{}", wave.id)})
    };
    let mut buttons = Vec::new();
    if wave.mode != Mode::DryRun && wave.phase != Phase::Dismissed {
        let waiting = wave.waiting().len();
        if waiting > 0 && (!wave.approved || wave.stopped.is_some()) {
            let label = text!(language, "raid-button-ban", count = waiting);
            buttons.push(button(RED, label, Wish::Ban.verb()));
        }
        let suspects = wave
            .people
            .values()
            .filter(|person| person.standing == Standing::Suspect && person.fate == Fate::Free);
        let suspects = suspects.count();
        if suspects > 0 {
            let label = text!(language, "raid-button-hold", count = suspects);
            buttons.push(button(PLAIN, label, Wish::Hold.verb()));
        }
        let label = text!(language, "raid-button-letin");
        buttons.push(button(GREEN, label, Wish::LetIn.verb()));
    }
    if !wave.jobs.is_empty() {
        let label = text!(language, "raid-button-undo");
        buttons.push(button(PLAIN, label, Wish::Undo.verb()));
    }
    buttons.push(button(PLAIN, text!(language, "raid-button-why"), WHY));
    json!([{"type": 1, "components": buttons}])
}

/// Everybody who is not a bystander, the worst first, with the reasons; `None` when there is nobody. Cut
/// to so many characters, with the number of those left out.
pub(super) fn people(language: Language, wave: &Wave, room: usize) -> Option<String> {
    let mut people: Vec<(&u64, &Person)> = wave
        .people
        .iter()
        .filter(|(_, person)| person.standing > Standing::Bystander)
        .collect();
    people.sort_by_key(|(user, person)| (std::cmp::Reverse(person.standing), person.at, **user));
    if people.is_empty() {
        return None;
    }
    let (mut lines, mut used) = (Vec::new(), 0);
    for (number, (user, person)) in people.iter().enumerate() {
        // Of a dry run nothing came.
        let fate = match wave.mode {
            Mode::DryRun => Fate::Free,
            _ => person.fate,
        };
        let line = person_line(language, **user, person, fate);
        let more = text!(language, "raid-people-more", count = people.len() - number);
        if used + length(&line) + 1 + length(&more) > room {
            lines.push(more);
            break;
        }
        used += length(&line) + 1;
        lines.push(line);
    }
    Some(lines.join("\n"))
}

fn person_line(language: Language, user: u64, person: &Person, fate: Fate) -> String {
    let reasons: Vec<String> = person
        .reasons
        .iter()
        .map(|reason| reason_of(language, reason))
        .collect();
    let who = format!("<@{user}>");
    let fate = match fate {
        Fate::Free => text!(language, "raid-fate-free"),
        Fate::Holding | Fate::Held => text!(language, "raid-fate-held"),
        Fate::Banning | Fate::Banned => text!(language, "raid-fate-banned"),
        Fate::Refusing | Fate::Refused => text!(language, "raid-fate-refused"),
        Fate::Releasing => text!(language, "raid-fate-releasing"),
        Fate::LetIn => text!(language, "raid-fate-letin"),
        Fate::Spared => text!(language, "raid-fate-spared"),
    };
    let reasons = reasons.join("; ");
    text!(
        language,
        "raid-person",
        who = who,
        fate = fate,
        reasons = reasons
    )
}

fn reason_of(language: Language, reason: &Reason) -> String {
    match reason {
        Reason::Family {
            family: kind,
            count,
            of,
            usual,
            ..
        } => family(language, *kind, (*count, *of), *usual),
        Reason::Trap => text!(language, "raid-reason-trap"),
        Reason::Spammer => text!(language, "raid-reason-spammer"),
        Reason::Back => text!(language, "raid-reason-back"),
    }
}

/// What so many of so many have in common, and how many usually do.
fn family(language: Language, family: Family, (count, of): (u32, u32), usual: f64) -> String {
    let what = match family {
        Family::Day => text!(language, "raid-family-day"),
        Family::Week => text!(language, "raid-family-week"),
        Family::Month => text!(language, "raid-family-month"),
        Family::NoAvatar => text!(language, "raid-family-no-avatar"),
        Family::Bare => text!(language, "raid-family-bare"),
        Family::Spoke => text!(language, "raid-family-spoke"),
        Family::FastScreen => text!(language, "raid-family-fast-screen"),
        Family::Shape | Family::CommonShape => text!(language, "raid-family-shape"),
        Family::SameAvatar => text!(language, "raid-family-avatar"),
        Family::Batch => text!(language, "raid-family-batch"),
        Family::SameText => text!(language, "raid-family-text"),
        Family::Cluster => text!(language, "raid-family-cluster"),
    };
    let decimals = usize::from(usual < 0.02);
    let usual = language.decimal(usual * 100.0, decimals);
    text!(
        language,
        "raid-family",
        what = what,
        count = count,
        of = of,
        usual = usual
    )
}

fn timestamp(at: Moment) -> String {
    format!("<t:{}:t>", at.0 / 1000)
}
