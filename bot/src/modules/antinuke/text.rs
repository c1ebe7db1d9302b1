//! What people read.

use serde_json::{Value, json};
use splashtail_antinuke::{
    Incident, IncidentKind, IncidentState, Instant, Loss, Mode, Moment, Notice, Outcome, Rule,
    Rung, TagKey, UNIT,
};
use splashtail_guild::Id;

use super::progress::{PARTS, Progress, Stage};
use crate::colours;

const NAMED: usize = 5;

/// The message of an incident, as it is now.
pub(super) fn incident(
    incident: &Incident,
    tags: &TagKey,
    acknowledged: Option<Moment>,
    put_back: Option<&Progress>,
) -> Value {
    let mut lines = vec![what_was_done(incident, acknowledged)];
    lines.extend(incident.rules.iter().take(3).map(rule));
    if incident.panic {
        lines.push(match incident.mode {
            Mode::On => "**Panic**: dangerous permissions of all roles below me are off, invites \
                         are paused. They come back when you end it."
                .to_owned(),
            _ => "It would have been a panic: all dangerous permissions off.".to_owned(),
        });
    }
    if !incident.losses.is_empty() {
        let lost: Vec<&str> = incident.losses.iter().map(|loss| loss_of(*loss)).collect();
        lines.push(format!("Lost for good: {}.", lost.join(", ")));
    }
    if !incident.by_hand.is_empty() {
        let roles: Vec<String> = incident
            .by_hand
            .iter()
            .take(NAMED)
            .map(|(role, _)| format!("<@&{role}>"))
            .collect();
        lines.push(format!(
            "Only you can give back some permissions of {}: I do not have them.",
            roles.join(", ")
        ));
    }
    lines.extend(put_back.map(Progress::text));
    let human = incident.suspects.iter().any(|s| !s.bot);
    if human && incident.mode == Mode::On {
        lines.push(
            "Their account may be stolen: no roles back before they have a new password."
                .to_owned(),
        );
    }
    let colour = match incident.state {
        IncidentState::DryRun | IncidentState::Returned | IncidentState::Closed => colours::GREEN.0,
        _ => colours::RED.0,
    };
    json!({
        "embeds": [{"title": title(incident), "description": lines.join("\n"), "color": colour,
            "footer": {"text": format!("Incident {}", incident.id)}}],
        "components": components(incident, tags, put_back),
        "allowed_mentions": {"parse": []},
    })
}

fn title(incident: &Incident) -> String {
    let stopped = match incident.state {
        IncidentState::DryRun => "Would have been stopped",
        IncidentState::Unreachable | IncidentState::Failed => "Not stopped",
        IncidentState::Returned | IncidentState::Closed => "Over",
        IncidentState::Contained => "Stopped",
        IncidentState::Open | IncidentState::Containing => "Under attack",
    };
    let times = incident.acts.iter().map(|act| act.at);
    let span = times.clone().min().zip(times.max());
    let span = span.map_or(0, |(first, last)| last.since(first));
    let deeds = match incident.acts_in_all {
        1 => "1 act".to_owned(),
        n => format!("{n} acts"),
    };
    match incident.kind {
        IncidentKind::Unattributed => format!("{stopped}: {deeds} by nobody knows whom"),
        IncidentKind::Webhook => format!("{stopped}: spam through a webhook"),
        IncidentKind::SelfToken => "Somebody else uses my token".to_owned(),
        IncidentKind::Tamper => format!("{stopped}: an attack on the bot itself"),
        IncidentKind::Actor | IncidentKind::Colluders => {
            format!("{stopped}: {deeds} in {:.1} s", span as f64 / 1000.0)
        }
    }
}

fn what_was_done(incident: &Incident, acknowledged: Option<Moment>) -> String {
    let who: Vec<String> = incident
        .suspects
        .iter()
        .take(NAMED)
        .map(|suspect| format!("<@{}>", suspect.id))
        .collect();
    let who = match (incident.suspects.len(), incident.kind) {
        (0, IncidentKind::SelfToken) => {
            return "Entries stand in the audit log in my name that I did not make. **Reset the \
                    bot's token now.**"
                .to_owned();
        }
        (0, IncidentKind::Unattributed) => {
            return "The audit log names nobody, so nobody was punished: the permission that was \
                    used is off for all."
                .to_owned();
        }
        (0, _) => return "Nobody was punished.".to_owned(),
        (n, _) if n > NAMED => format!("{} and {} more", who.join(", "), n - NAMED),
        _ => who.join(", "),
    };
    let done = incident
        .calls
        .iter()
        .rfind(|c| c.outcome == Some(Outcome::Done));
    let did = match incident.calls.last().map(|c| c.call.key.rung) {
        Some(Rung::Kick) => "removed from the server",
        Some(Rung::Ban) => "banned",
        Some(Rung::HoldBot) => "without any permission",
        _ => "without their roles",
    };
    let delay = done
        .and(acknowledged)
        .map(|at| at.since(incident.times.act));
    match (incident.state, delay) {
        (IncidentState::DryRun, _) => format!(
            "{who} would be {did} now. This is a dry run: nothing was done. Switch protection on \
             with `/protection mode`."
        ),
        (IncidentState::Unreachable | IncidentState::Failed, _) => format!(
            "{who}: I am not able to stop them, their role stands above mine or Discord refused. \
             **Take their roles yourself now**, and move my role to the top."
        ),
        (_, Some(ms)) => format!(
            "{who}: {did}, {:.1} s after the act that decided.",
            ms as f64 / 1000.0
        ),
        _ => format!("{who}: being stopped."),
    }
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Limit {
            kind,
            count,
            limit,
            together,
            ..
        } => format!(
            "{} {} where {} are normal{}.",
            number(*count),
            kind.name().replace('_', " "),
            number(*limit),
            if *together { ", together" } else { "" }
        ),
        Rule::Points { points, limit, .. } => format!(
            "{} points of harm where {} are normal.",
            number(*points),
            number(*limit)
        ),
        Rule::Instant { what } => instant(*what).to_owned(),
        Rule::WebhookSpam { posts, .. } => format!("{posts} messages at once through a webhook."),
        Rule::WentOn => "They went on after they were stopped.".to_owned(),
    }
}

pub(super) fn number(units: u32) -> String {
    let (whole, part) = (units / UNIT, units % UNIT);
    match part {
        0 => whole.to_string(),
        _ => format!("{:.1}", f64::from(units) / f64::from(UNIT)),
    }
}

fn instant(what: Instant) -> &'static str {
    match what {
        Instant::OwnRightsRaised => "They gave themselves dangerous permissions.",
        Instant::PowerToMany => "They gave dangerous permissions to many at once.",
        Instant::Tamper => "They took rights from the bot, or moved it down.",
        Instant::Prune => "They pruned members.",
        Instant::Vanity => "They changed the vanity link.",
        Instant::CatchAllAutomod => "They made an AutoMod rule that hits everybody.",
        Instant::PowerByOnboarding => "They let onboarding give dangerous permissions.",
        Instant::PowerByInvite => "They made an invite that gives dangerous permissions.",
        Instant::FreedContained => "They freed somebody who had been stopped.",
        Instant::SelfToken => "Somebody else acts with the bot's token.",
        Instant::BotWithPower => "A new bot came with dangerous permissions: it is held.",
    }
}

fn loss_of(loss: Loss) -> &'static str {
    match loss {
        Loss::Messages => "messages",
        Loss::Memberships => "memberships",
        Loss::Vanity => "the vanity link",
        Loss::Ids => "ids of roles",
        Loss::WebhookUrls => "webhook addresses",
        Loss::InviteCodes => "invite codes",
        Loss::Subscribers => "subscribers of events",
    }
}

const GREY: u8 = 2;
const GREEN: u8 = 3;
const RED: u8 = 4;

/// Verbs and labels of the buttons an incident has now.
fn verbs(incident: &Incident, put_back: Option<&Progress>) -> Vec<(String, &'static str, u8)> {
    let mut verbs = Vec::new();
    let mut add = |verb: &str, label, style| verbs.push((verb.to_owned(), label, style));
    // What an attacker did stays undone or not, whatever is given back to them.
    let under_way = put_back.is_some_and(|progress| !progress.is_over());
    if incident.state != IncidentState::Closed && !under_way {
        add("back", "Put back", GREEN);
    }
    match incident.state {
        IncidentState::DryRun => add("contain", "Stop them now", RED),
        IncidentState::Returned | IncidentState::Closed => return verbs,
        _ => add("undo", "Undo", GREY),
    }
    add("fine", "Not an attack", GREY);
    match incident.panic && incident.mode == Mode::On {
        true => add("calm", "End panic", GREY),
        false => add("panic", "Panic", RED),
    }
    verbs
}

fn components(incident: &Incident, tags: &TagKey, put_back: Option<&Progress>) -> Value {
    let custom_id = |verb: &str| {
        let mac = tags.button(incident.guild, incident.id, verb);
        format!("an:{verb}:{}:{mac}", incident.id)
    };
    let button = |verb: &str, label: &str, style: u8| json!({"type": 2, "style": style, "label": label, "custom_id": custom_id(verb)});
    let first: Vec<Value> = verbs(incident, put_back)
        .into_iter()
        .map(|(verb, label, style)| button(&verb, label, style))
        .collect();
    let mut rows = Vec::new();
    if !first.is_empty() {
        rows.push(json!({"type": 1, "components": first}));
    }
    rows.extend(
        put_back
            .map(|progress| decisions(progress, &custom_id))
            .into_iter()
            .flatten(),
    );
    rows.into()
}

/// What can be done about a put-back: a plan is decided on as it is, or with other parts; what was
/// done can be taken back.
fn decisions(progress: &Progress, custom_id: &dyn Fn(&str) -> String) -> Vec<Value> {
    let row = |component: Value| json!({"type": 1, "components": [component]});
    let button = |verb: &str, label: &str, style: u8| {
        row(json!({"type": 2, "style": style, "label": label, "custom_id": custom_id(verb)}))
    };
    match (&progress.stage, progress.undoes, progress.task) {
        (Stage::Shown { hash, .. }, Some(undoes), _) => {
            vec![button(
                &format!("gone-{hash}-{undoes}"),
                "Yes, take it back",
                RED,
            )]
        }
        (Stage::Shown { hash, .. }, None, _) => {
            let now = format!("now-{hash}-{}", progress.parts.hex());
            let chosen = progress.parts.names();
            let option = |(name, label): &(&str, &str)| json!({"label": label, "value": name, "default": chosen.contains(name)});
            let options: Vec<Value> = PARTS.iter().map(option).collect();
            let menu = json!({
                "type": 3, "custom_id": custom_id("parts"), "placeholder": "What is put back",
                "min_values": 1, "max_values": options.len(), "options": options});
            vec![button(&now, "Yes, put it back", GREEN), row(menu)]
        }
        (Stage::Done { .. }, None, Some(task)) => {
            vec![button(
                &format!("unback-{task}"),
                "Take the put-back back",
                GREY,
            )]
        }
        _ => Vec::new(),
    }
}

pub(super) fn notice(notice: Notice, about: Option<Id>) -> Value {
    let whom = about.map_or_else(|| "Somebody".to_owned(), |id| format!("<@{id}>"));
    let text = match notice {
        Notice::Owner => format!(
            "{whom} owns this server and does what would be an attack by anybody else. If it is \
             not you, your account is stolen."
        ),
        Notice::Trusted => format!("{whom} is trusted, and does more than is normal."),
        Notice::OnlyTold => format!(
            "{whom} does more of something than is normal here. `/limits hit` says of what. Nothing \
             is done about it: `/limitactions view` shows what is set."
        ),
        Notice::Blind => "The audit log does not tell who does things here. I can take \
                          permissions, but hold nobody responsible. Does my role still have \
                          View Audit Log?"
            .to_owned(),
        Notice::TimedOut => "Somebody timed me out. I go on as far as Discord lets me.".to_owned(),
        Notice::Expelled => "I was removed from your server. Add me again if that was not \
                             you; what I knew of it is kept."
            .to_owned(),
        Notice::UnexplainedPower => {
            format!("{whom} had dangerous permissions that nobody gave. I took them back.")
        }
        Notice::BotHeld => format!(
            "{whom} is a new bot with dangerous permissions. They are off until you give them."
        ),
        Notice::TrustGiven => format!(
            "{whom} was given a role that is trusted here, and not by the owner: they are never \
             stopped now. `/protection untrust` takes the trust from the role."
        ),
        Notice::Unread => "I could not read the whole audit log: there was too much of it, or \
                           Discord did not answer. An attack may be larger than I say, or missing."
            .to_owned(),
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
        assert_eq!(number(60), "3");
        assert_eq!(number(70), "3.5");
    }

    #[test]
    fn every_notice_says_something() {
        for told in [
            Notice::Owner,
            Notice::Blind,
            Notice::Expelled,
            Notice::TrustGiven,
            Notice::Unread,
        ] {
            let text = notice(told, None)["embeds"][0]["description"].clone();
            assert!(text.as_str().is_some_and(|text| text.len() > 20));
        }
    }
}
