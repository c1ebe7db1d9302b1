//! What people read.

use serde_json::{Value, json};
use splashtail_antinuke::{
    Incident, IncidentKind, IncidentState, Instant, Inverse, Loss, Mode, Moment, Notice, Outcome,
    Reason, Rule, Rung, TagKey, UNIT, bits,
};
use splashtail_guild::Id;

use super::acts;
use super::buttons::PREFIX;
use super::progress::{self, PARTS, Progress, Stage};
use crate::catalogue::Language;
use crate::colours;
use crate::fit::fit;
use crate::text;

const NAMED: usize = 5;
const RULES: usize = 3;

/// The message of an incident, as it is now.
pub(super) fn incident(
    language: Language,
    incident: &Incident,
    tags: &TagKey,
    acknowledged: Option<Moment>,
    put_back: Option<&Progress>,
) -> Value {
    let mut lines = vec![what_was_done(language, incident, acknowledged)];
    let rules = incident.rules.iter().take(RULES);
    lines.extend(rules.map(|of| rule(language, of)));
    if incident.panic {
        lines.push(match incident.mode {
            Mode::On => text!(language, "incident-panic"),
            _ => text!(language, "incident-panic-dry"),
        });
    }
    if is_quiet(incident) {
        lines.push(text!(language, "incident-quiet"));
    }
    if !incident.losses.is_empty() {
        let losses = incident.losses.iter();
        let losses: Vec<String> = losses.map(|loss| loss_of(language, *loss)).collect();
        lines.push(text!(language, "incident-lost", losses = losses.join(", ")));
    }
    if !incident.by_hand.is_empty() {
        let roles = incident.by_hand.iter().take(NAMED);
        let roles: Vec<String> = roles.map(|(role, _)| format!("<@&{role}>")).collect();
        lines.push(text!(
            language,
            "incident-by-hand",
            roles = roles.join(", ")
        ));
    }
    lines.extend(put_back.map(|progress| progress.text(language)));
    let human = incident.suspects.iter().any(|s| !s.bot);
    if human && incident.mode == Mode::On {
        lines.push(text!(language, "incident-password"));
    }
    let colour = match incident.state {
        IncidentState::DryRun | IncidentState::Returned | IncidentState::Closed => colours::GREEN.0,
        _ => colours::RED.0,
    };
    let foot = text!(language, "incident-foot", id = incident.id.to_string());
    let mut body = json!({
        "embeds": [{"title": title(language, incident), "description": lines.join("\n"),
            "color": colour, "footer": {"text": foot}}],
        "components": components(language, incident, tags, put_back),
    });
    fit(&mut body);
    body
}

/// One more line of an incident.
pub(super) fn add_line(shown: &mut Value, line: &str) {
    let lines = &mut shown["embeds"][0]["description"];
    *lines = format!("{}\n{line}", lines.as_str().unwrap_or_default()).into();
    fit(shown);
}

/// Whether only staff may write and speak because of it.
fn is_quiet(incident: &Incident) -> bool {
    let mut calls = incident.calls.iter();
    incident.panic
        && calls.any(|record| match record.call.inverse {
            Some(Inverse::GiveBits { taken, .. }) => {
                record.call.key.rung == Rung::PanicRole && taken & bits::SEND_MESSAGES != 0
            }
            _ => false,
        })
}

/// How many acts an incident has.
pub(super) fn acts(language: Language, incident: &Incident) -> String {
    text!(language, "incident-acts", count = incident.acts_in_all)
}

fn title(language: Language, incident: &Incident) -> String {
    let state = match incident.state {
        IncidentState::DryRun => text!(language, "incident-would-stop"),
        IncidentState::Unreachable | IncidentState::Failed => {
            text!(language, "incident-not-stopped")
        }
        IncidentState::Returned | IncidentState::Closed => text!(language, "incident-over"),
        IncidentState::Contained => text!(language, "incident-stopped"),
        IncidentState::Open | IncidentState::Containing => {
            text!(language, "incident-under-attack")
        }
    };
    let times = incident.acts.iter().map(|act| act.at);
    let span = times.clone().min().zip(times.max());
    let span = span.map_or(0, |(first, last)| last.since(first));
    let acts = acts(language, incident);
    match incident.kind {
        IncidentKind::Unattributed => {
            text!(
                language,
                "incident-title-unattributed",
                state = state,
                acts = acts
            )
        }
        IncidentKind::Webhook => text!(language, "incident-title-webhook", state = state),
        IncidentKind::SelfToken => text!(language, "incident-title-token"),
        IncidentKind::Tamper => text!(language, "incident-title-tamper", state = state),
        IncidentKind::Actor | IncidentKind::Colluders => text!(
            language,
            "incident-title",
            state = state,
            acts = acts,
            seconds = seconds(language, span)
        ),
    }
}

/// With one decimal.
fn seconds(language: Language, ms: u64) -> String {
    language.decimal(ms as f64 / 1000.0, 1)
}

fn what_was_done(language: Language, incident: &Incident, acknowledged: Option<Moment>) -> String {
    let suspects = incident.suspects.iter().take(NAMED);
    let who: Vec<String> = suspects.map(|s| format!("<@{}>", s.id)).collect();
    let who = match (incident.suspects.len(), incident.kind) {
        (0, IncidentKind::SelfToken) => return token(language, incident),
        (0, IncidentKind::Unattributed) => return text!(language, "incident-unattributed"),
        (0, _) => return text!(language, "incident-nobody"),
        (n, _) if n > NAMED => text!(
            language,
            "incident-and-more",
            people = who.join(", "),
            more = n - NAMED
        ),
        _ => who.join(", "),
    };
    let done = incident
        .calls
        .iter()
        .rfind(|c| c.outcome == Some(Outcome::Done));
    let did = match incident.calls.last().map(|c| c.call.key.rung) {
        Some(Rung::Kick) => text!(language, "did-kick"),
        Some(Rung::Ban) => text!(language, "did-ban"),
        Some(Rung::HoldBot) => text!(language, "did-hold-bot"),
        _ => text!(language, "did-take-roles"),
    };
    let delay = done
        .and(acknowledged)
        .map(|at| at.since(incident.times.act));
    match (incident.state, delay) {
        (IncidentState::DryRun, _) => text!(language, "incident-would-be", who = who, did = did),
        (IncidentState::Unreachable | IncidentState::Failed, _) => {
            text!(language, "incident-unable", who = who)
        }
        (_, Some(ms)) => text!(
            language,
            "incident-done",
            who = who,
            did = did,
            seconds = seconds(language, ms)
        ),
        _ => text!(language, "incident-being-stopped", who = who),
    }
}

fn token(language: Language, incident: &Incident) -> String {
    let told = text!(language, "incident-token");
    let mut calls = incident.calls.iter();
    let leaves = calls.any(|record| record.call.key.rung == Rung::Leave);
    match (leaves, incident.mode) {
        (false, _) => told,
        (true, Mode::On) => format!("{told} {}", text!(language, "incident-token-left")),
        (true, _) => format!("{told} {}", text!(language, "incident-token-would-leave")),
    }
}

pub(super) fn rule(language: Language, rule: &Rule) -> String {
    match rule {
        Rule::Limit {
            kind,
            count,
            limit,
            together,
            ..
        } => {
            let (act, count) = (acts::name(language, *kind), number(language, *count));
            let limit = number(language, *limit);
            match together {
                true => text!(
                    language,
                    "rule-limit-together",
                    count = count,
                    act = act,
                    limit = limit
                ),
                false => text!(
                    language,
                    "rule-limit",
                    count = count,
                    act = act,
                    limit = limit
                ),
            }
        }
        Rule::Points { points, limit, .. } => text!(
            language,
            "rule-points",
            points = number(language, *points),
            limit = number(language, *limit)
        ),
        Rule::Instant { what } => instant(language, *what),
        Rule::WebhookSpam { posts, .. } => text!(language, "rule-webhook-spam", posts = *posts),
        Rule::WentOn => text!(language, "rule-went-on"),
    }
}

pub(super) fn number(language: Language, units: u32) -> String {
    let (whole, part) = (units / UNIT, units % UNIT);
    match part {
        0 => whole.to_string(),
        _ => language.decimal(f64::from(units) / f64::from(UNIT), 1),
    }
}

fn instant(language: Language, what: Instant) -> String {
    match what {
        Instant::OwnRightsRaised => text!(language, "rule-own-rights"),
        Instant::PowerToMany => text!(language, "rule-power-to-many"),
        Instant::Tamper => text!(language, "rule-tamper"),
        Instant::Prune => text!(language, "rule-prune"),
        Instant::Vanity => text!(language, "rule-vanity"),
        Instant::CatchAllAutomod => text!(language, "rule-catch-all"),
        Instant::PowerByOnboarding => text!(language, "rule-onboarding"),
        Instant::PowerByInvite => text!(language, "rule-invite"),
        Instant::FreedContained => text!(language, "rule-freed"),
        Instant::SelfToken => text!(language, "rule-token"),
        Instant::BotWithPower => text!(language, "rule-bot-with-power"),
    }
}

fn loss_of(language: Language, loss: Loss) -> String {
    match loss {
        Loss::Messages => text!(language, "loss-messages"),
        Loss::Memberships => text!(language, "loss-memberships"),
        Loss::Vanity => text!(language, "loss-vanity"),
        Loss::Ids => text!(language, "loss-ids"),
        Loss::WebhookUrls => text!(language, "loss-webhooks"),
        Loss::InviteCodes => text!(language, "loss-invites"),
        Loss::Subscribers => text!(language, "loss-subscribers"),
    }
}

const GREY: u8 = 2;
const GREEN: u8 = 3;
const RED: u8 = 4;

/// Verbs and labels of the buttons an incident has now.
fn verbs(
    language: Language,
    incident: &Incident,
    put_back: Option<&Progress>,
) -> Vec<(&'static str, String, u8)> {
    let mut verbs = Vec::new();
    let mut add = |verb, label, style| verbs.push((verb, label, style));
    // What an attacker did stays undone or not, whatever is given back to them.
    let under_way = put_back.is_some_and(|progress| !progress.is_over());
    if incident.state != IncidentState::Closed && !under_way {
        add("back", text!(language, "button-back"), GREEN);
    }
    match incident.state {
        IncidentState::DryRun => add("contain", text!(language, "button-contain"), RED),
        IncidentState::Returned | IncidentState::Closed => return verbs,
        _ => add("undo", text!(language, "button-undo"), GREY),
    }
    add("fine", text!(language, "button-fine"), GREY);
    match incident.panic && incident.mode == Mode::On {
        true => {
            add("calm", text!(language, "button-calm"), GREY);
            if !is_quiet(incident) {
                add("quiet", text!(language, "button-quiet"), RED);
            }
        }
        false => add("panic", text!(language, "button-panic"), RED),
    }
    verbs
}

fn components(
    language: Language,
    incident: &Incident,
    tags: &TagKey,
    put_back: Option<&Progress>,
) -> Value {
    let custom_id = |verb: &str| {
        let mac = tags.button(incident.guild, incident.id, verb);
        format!("{PREFIX}:{verb}:{}:{mac}", incident.id)
    };
    let first: Vec<Value> = verbs(language, incident, put_back)
        .into_iter()
        .map(|(verb, label, style)| button(&custom_id(verb), &label, style))
        .collect();
    let mut more = vec![button(
        &custom_id("details"),
        &text!(language, "button-details"),
        GREY,
    )];
    let over = matches!(
        incident.state,
        IncidentState::Returned | IncidentState::Closed
    );
    if incident.suspects.len() == 1 && !over {
        let label = text!(language, "button-trust");
        more.push(button(&custom_id("trust"), &label, GREY));
    }
    let rows = [first, more].into_iter().filter(|row| !row.is_empty());
    let mut rows: Vec<Value> = rows
        .map(|row| json!({"type": 1, "components": row}))
        .collect();
    let decisions = put_back.map(|progress| decisions(language, progress, &custom_id));
    rows.extend(decisions.into_iter().flatten());
    rows.into()
}

fn button(custom_id: &str, label: &str, style: u8) -> Value {
    json!({"type": 2, "style": style, "label": label, "custom_id": custom_id})
}

/// What can be done about a put-back: a plan is decided on as it is, or with other parts; what was
/// done can be taken back.
fn decisions(
    language: Language,
    progress: &Progress,
    custom_id: &dyn Fn(&str) -> String,
) -> Vec<Value> {
    let row = |component: Value| json!({"type": 1, "components": [component]});
    let button = |verb: &str, label: &str, style| row(button(&custom_id(verb), label, style));
    match (&progress.stage, progress.undoes, progress.task) {
        (Stage::Shown { hash, .. }, Some(undoes), _) => {
            let label = text!(language, "button-take-back");
            vec![button(&format!("gone-{hash}-{undoes}"), &label, RED)]
        }
        (Stage::Shown { hash, .. }, None, _) => {
            let now = format!("now-{hash}-{}", progress.parts.hex());
            let chosen = progress.parts.names();
            let option = |name: &&str| {
                let label = progress::part(language, name);
                json!({"label": label, "value": name, "default": chosen.contains(name)})
            };
            let options: Vec<Value> = PARTS.iter().map(option).collect();
            let menu = json!({
                "type": 3, "custom_id": custom_id("parts"),
                "placeholder": text!(language, "menu-parts"),
                "min_values": 1, "max_values": options.len(), "options": options});
            vec![
                button(&now, &text!(language, "button-now"), GREEN),
                row(menu),
            ]
        }
        (Stage::Done { .. }, None, Some(task)) => {
            let label = text!(language, "button-unback");
            vec![button(&format!("unback-{task}"), &label, GREY)]
        }
        _ => Vec::new(),
    }
}

/// What the audit log says of a call, in front of its mark.
pub(super) fn reason(language: Language, reason: Reason) -> String {
    match reason {
        Reason::Stopped => text!(language, "reason-stopped"),
        Reason::GaveBack => text!(language, "reason-gave-back"),
        Reason::Spam => text!(language, "reason-spam"),
    }
}

pub(super) fn notice(language: Language, notice: Notice, about: Option<Id>) -> Value {
    let whom = match about {
        Some(id) => format!("<@{id}>"),
        None => text!(language, "notice-somebody"),
    };
    let text = match notice {
        Notice::Owner => text!(language, "notice-owner", whom = whom),
        Notice::Trusted => text!(language, "notice-trusted", whom = whom),
        Notice::OnlyTold => text!(language, "notice-only-told", whom = whom),
        Notice::Blind => text!(language, "notice-blind"),
        Notice::TimedOut => text!(language, "notice-timed-out"),
        Notice::Expelled => text!(language, "notice-expelled"),
        Notice::UnexplainedPower => text!(language, "notice-unexplained", whom = whom),
        Notice::BansFull => text!(language, "notice-bans-full", whom = whom),
        Notice::Left => text!(language, "notice-left"),
        Notice::BotHeld => text!(language, "notice-bot-held", whom = whom),
        Notice::TrustGiven => text!(language, "notice-trust-given", whom = whom),
        Notice::TrustTaken => text!(language, "notice-trust-taken", whom = whom),
        Notice::TrustedRoleGone => {
            let role = about.map_or_else(String::new, |id| id.to_string());
            text!(language, "notice-trusted-role-gone", role = role)
        }
        Notice::TrustedRemoved => text!(language, "notice-trusted-removed", whom = whom),
        Notice::Unread => text!(language, "notice-unread"),
        Notice::Template => text!(language, "notice-template"),
        Notice::WelcomeScreen => text!(language, "notice-welcome-screen"),
        Notice::Incident => String::new(),
    };
    json!({"embeds": [{"description": text, "color": colours::RED.0}],
        "allowed_mentions": {"parse": []}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_written_as_such() {
        assert_eq!(number(Language::English, 60), "3");
        assert_eq!(number(Language::English, 70), "3.5");
        assert_eq!(number(Language::German, 70), "3,5");
    }

    #[test]
    fn an_incident_fits_whatever_its_put_back_says() {
        let incident = json!({"id": "9", "guild": "10", "kind": "colluders", "mode": "on",
            "state": "contained", "rules": [], "acts_in_all": 2, "acts": [], "calls": [],
            "suspects": [], "panic": true, "losses": ["messages"], "by_hand": [], "updated": 5,
            "times": {"act": 2000, "received": 2050, "decided": 2051, "sent": 2100}});
        let incident: Incident = serde_json::from_value(incident).unwrap();
        let tags = TagKey::new([5; 32]);
        for name in crate::fit::names() {
            for language in Language::ALL {
                let failed = Progress::failed(progress::Parts::ALL, &name.repeat(20));
                let shown = super::incident(language, &incident, &tags, None, Some(&failed));
                crate::fit::assert_fits(&shown);
            }
        }
    }

    #[test]
    fn a_reason_in_any_language_holds_no_sign_of_a_mark() {
        for reason in Reason::ALL {
            for language in Language::ALL {
                let text = super::reason(language, reason);
                assert!(text.starts_with("AntiRaid: "), "{text}");
                assert!(!text.contains(['#', '[']), "{text}");
                assert!(text.chars().count() < 100, "{text}");
            }
        }
    }

    #[test]
    fn every_notice_says_something() {
        for told in [
            Notice::Owner,
            Notice::Blind,
            Notice::Expelled,
            Notice::UnexplainedPower,
            Notice::BotHeld,
            Notice::Left,
            Notice::BansFull,
            Notice::TrustGiven,
            Notice::TrustTaken,
            Notice::TrustedRoleGone,
            Notice::TrustedRemoved,
            Notice::Unread,
            Notice::Template,
            Notice::WelcomeScreen,
        ] {
            for language in Language::ALL {
                let text = notice(language, told, None)["embeds"][0]["description"].clone();
                assert!(text.as_str().is_some_and(|text| text.len() > 20));
            }
        }
    }
}
