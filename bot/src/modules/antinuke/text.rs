//! What people read.

use serde_json::{Value, json};
use splashtail_antinuke::{
    Incident, IncidentKind, IncidentState, Instant, Loss, Mode, Moment, Notice, Outcome, Rule,
    Rung, TagKey, UNIT,
};
use splashtail_guild::Id;

use crate::catalogue::Language;
use crate::colours;
use crate::text;

const NAMED: usize = 5;

/// The message of an incident, as it is now.
pub(super) fn incident(
    language: Language,
    incident: &Incident,
    tags: &TagKey,
    acknowledged: Option<Moment>,
) -> Value {
    let mut lines = vec![what_was_done(language, incident, acknowledged)];
    lines.extend(incident.rules.iter().take(3).map(|r| rule(language, r)));
    if incident.panic {
        lines.push(match incident.mode {
            Mode::On => text!(language, "alert-panic"),
            _ => text!(language, "alert-panic-dry-run"),
        });
    }
    if !incident.losses.is_empty() {
        let lost = incident.losses.iter().map(|loss| loss_of(language, *loss));
        let lost: Vec<String> = lost.collect();
        lines.push(text!(language, "alert-lost", what = lost.join(", ")));
    }
    if !incident.by_hand.is_empty() {
        let roles: Vec<String> = incident
            .by_hand
            .iter()
            .take(NAMED)
            .map(|(role, _)| format!("<@&{role}>"))
            .collect();
        lines.push(text!(language, "alert-by-hand", roles = roles.join(", ")));
    }
    let human = incident.suspects.iter().any(|s| !s.bot);
    if human && incident.mode == Mode::On {
        lines.push(text!(language, "alert-stolen"));
    }
    let colour = match incident.state {
        IncidentState::DryRun | IncidentState::Returned | IncidentState::Closed => colours::GREEN.0,
        _ => colours::RED.0,
    };
    let footer = text!(language, "alert-footer", id = incident.id.to_string());
    json!({
        "embeds": [{"title": title(language, incident), "description": lines.join("\n"),
            "color": colour, "footer": {"text": footer}}],
        "components": buttons(language, incident, tags),
        "allowed_mentions": {"parse": []},
    })
}

fn title(language: Language, incident: &Incident) -> String {
    let stopped = match incident.state {
        IncidentState::DryRun => text!(language, "alert-would-stop"),
        IncidentState::Unreachable | IncidentState::Failed => text!(language, "alert-not-stopped"),
        IncidentState::Returned | IncidentState::Closed => text!(language, "alert-over"),
        IncidentState::Contained => text!(language, "alert-stopped"),
        IncidentState::Open | IncidentState::Containing => text!(language, "alert-under-attack"),
    };
    let times = incident.acts.iter().map(|act| act.at);
    let span = times.clone().min().zip(times.max());
    let span = span.map_or(0, |(first, last)| last.since(first));
    let acts = incident.acts_in_all;
    match incident.kind {
        IncidentKind::Unattributed => {
            text!(
                language,
                "alert-title-nobody",
                stopped = stopped,
                acts = acts
            )
        }
        IncidentKind::Webhook => text!(language, "alert-title-webhook", stopped = stopped),
        IncidentKind::SelfToken => text!(language, "alert-title-token"),
        IncidentKind::Tamper => text!(language, "alert-title-tamper", stopped = stopped),
        IncidentKind::Actor | IncidentKind::Colluders => text!(
            language,
            "alert-title-deeds",
            stopped = stopped,
            acts = acts,
            seconds = seconds(language, span)
        ),
    }
}

fn seconds(language: Language, ms: u64) -> String {
    language.decimal(ms as f64 / 1000.0, 1)
}

fn what_was_done(language: Language, incident: &Incident, acknowledged: Option<Moment>) -> String {
    let who: Vec<String> = incident
        .suspects
        .iter()
        .take(NAMED)
        .map(|suspect| format!("<@{}>", suspect.id))
        .collect();
    let who = who.join(", ");
    let who = match (incident.suspects.len(), incident.kind) {
        (0, IncidentKind::SelfToken) => return text!(language, "alert-token"),
        (0, IncidentKind::Unattributed) => return text!(language, "alert-unattributed"),
        (0, _) => return text!(language, "alert-nobody"),
        (n, _) if n > NAMED => text!(language, "alert-more", who = who, more = n - NAMED),
        _ => who,
    };
    let done = incident
        .calls
        .iter()
        .rfind(|c| c.outcome == Some(Outcome::Done));
    let rung = incident.calls.last().map(|c| c.call.key.rung);
    let delay = done
        .and(acknowledged)
        .map(|at| seconds(language, at.since(incident.times.act)));
    match (incident.state, delay) {
        (IncidentState::DryRun, _) => match rung {
            Some(Rung::Kick) => text!(language, "alert-dry-removed", who = who),
            Some(Rung::Ban) => text!(language, "alert-dry-banned", who = who),
            Some(Rung::HoldBot) => text!(language, "alert-dry-held", who = who),
            _ => text!(language, "alert-dry-roles", who = who),
        },
        (IncidentState::Unreachable | IncidentState::Failed, _) => {
            text!(language, "alert-unreachable", who = who)
        }
        (_, Some(delay)) => match rung {
            Some(Rung::Kick) => {
                text!(language, "alert-did-removed", who = who, seconds = delay)
            }
            Some(Rung::Ban) => text!(language, "alert-did-banned", who = who, seconds = delay),
            Some(Rung::HoldBot) => text!(language, "alert-did-held", who = who, seconds = delay),
            _ => text!(language, "alert-did-roles", who = who, seconds = delay),
        },
        _ => text!(language, "alert-stopping", who = who),
    }
}

fn rule(language: Language, rule: &Rule) -> String {
    match rule {
        Rule::Limit {
            kind,
            count,
            limit,
            together,
            ..
        } => {
            let kind = kind.name().replace('_', " ");
            let (count, limit) = (number(language, *count), number(language, *limit));
            match together {
                true => text!(
                    language,
                    "alert-limit-together",
                    count = count,
                    kind = kind,
                    limit = limit
                ),
                false => text!(
                    language,
                    "alert-limit",
                    count = count,
                    kind = kind,
                    limit = limit
                ),
            }
        }
        Rule::Points { points, limit, .. } => text!(
            language,
            "alert-points",
            points = number(language, *points),
            limit = number(language, *limit)
        ),
        Rule::Instant { what } => instant(language, *what),
        Rule::WebhookSpam { posts, .. } => {
            text!(language, "alert-webhook-posts", posts = *posts)
        }
        Rule::WentOn => text!(language, "alert-went-on"),
    }
}

fn number(language: Language, units: u32) -> String {
    let decimals = usize::from(!units.is_multiple_of(UNIT));
    language.decimal(f64::from(units) / f64::from(UNIT), decimals)
}

fn instant(language: Language, what: Instant) -> String {
    match what {
        Instant::OwnRightsRaised => text!(language, "alert-own-rights"),
        Instant::PowerToMany => text!(language, "alert-power-to-many"),
        Instant::Tamper => text!(language, "alert-tamper"),
        Instant::Prune => text!(language, "alert-prune"),
        Instant::Vanity => text!(language, "alert-vanity"),
        Instant::CatchAllAutomod => text!(language, "alert-automod"),
        Instant::PowerByOnboarding => text!(language, "alert-onboarding"),
        Instant::PowerByInvite => text!(language, "alert-invite"),
        Instant::FreedContained => text!(language, "alert-freed"),
        Instant::SelfToken => text!(language, "alert-self-token"),
        Instant::BotWithPower => text!(language, "alert-new-bot"),
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

/// Verbs and labels of the buttons an incident has now.
fn verbs(language: Language, incident: &Incident) -> Vec<(&'static str, String, u8)> {
    const GREY: u8 = 2;
    const RED: u8 = 4;
    let mut verbs = Vec::new();
    match incident.state {
        IncidentState::DryRun => verbs.push(("contain", text!(language, "button-contain"), RED)),
        IncidentState::Returned | IncidentState::Closed => return verbs,
        _ => verbs.push(("undo", text!(language, "button-undo"), GREY)),
    }
    verbs.push(("fine", text!(language, "button-fine"), GREY));
    verbs.push(match incident.panic && incident.mode == Mode::On {
        true => ("calm", text!(language, "button-calm"), GREY),
        false => ("panic", text!(language, "button-panic"), RED),
    });
    verbs
}

fn buttons(language: Language, incident: &Incident, tags: &TagKey) -> Value {
    let row: Vec<Value> = verbs(language, incident)
        .into_iter()
        .map(|(verb, label, style)| {
            let mac = tags.button(incident.guild, incident.id, verb);
            json!({"type": 2, "style": style, "label": label,
                "custom_id": format!("an:{verb}:{}:{mac}", incident.id)})
        })
        .collect();
    match row.is_empty() {
        true => json!([]),
        false => json!([{"type": 1, "components": row}]),
    }
}

pub(super) fn notice(language: Language, notice: Notice, about: Option<Id>) -> Value {
    let who = about.map_or_else(
        || text!(language, "notice-somebody"),
        |id| format!("<@{id}>"),
    );
    let text = match notice {
        Notice::Owner => text!(language, "notice-owner", who = who),
        Notice::Trusted => text!(language, "notice-trusted", who = who),
        Notice::Blind => text!(language, "notice-blind"),
        Notice::TimedOut => text!(language, "notice-timed-out"),
        Notice::Expelled => text!(language, "notice-expelled"),
        Notice::UnexplainedPower => text!(language, "notice-unexplained-power", who = who),
        Notice::BotHeld => text!(language, "notice-bot-held", who = who),
        Notice::Unread => text!(language, "notice-unread"),
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
    fn every_notice_says_something() {
        for told in [
            Notice::Owner,
            Notice::Blind,
            Notice::Expelled,
            Notice::Unread,
        ] {
            for language in Language::ALL {
                let text = notice(language, told, None)["embeds"][0]["description"].clone();
                assert!(text.as_str().is_some_and(|text| text.len() > 20));
            }
        }
    }
}
