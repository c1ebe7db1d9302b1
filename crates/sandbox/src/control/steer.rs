//! Clock, faults, journal, sessions, limits, consent, and waiting until everything is quiet.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, SecondsFormat, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::types::{ClockChange, ClockState, Consent, Consented, Queued, SessionInfo, Settle};
use super::{Answer, Body, Control, Ctl, Failure, Parameters, id, known_user};
use crate::clock::RANGE_MS;
use crate::faults::{Action, ActiveRule, Rule};
use crate::journal::Entry;
use crate::oauth::{self, Decision};
use crate::openapi::Violation;
use crate::rest::limits::Rules;
use crate::world::Id;

fn state(control: &Control) -> ClockState {
    let clock = &control.edge.sandbox.clock;
    let now = clock.now();
    ClockState {
        now: now.to_rfc3339_opts(SecondsFormat::Millis, true),
        now_ms: now.timestamp_millis(),
        rate: clock.rate(),
    }
}

pub(super) async fn clock(State(control): Ctl) -> Json<ClockState> {
    Json(state(&control))
}

const OUT_OF_RANGE: &str = "the clock goes from 2015, Discord's epoch, to 2150";

fn moment(text: &str) -> Result<DateTime<Utc>, Failure> {
    let at: DateTime<Utc> = text
        .parse()
        .map_err(|_| Failure::bad("`set` is not an RFC 3339 time, such as 2026-02-01T00:00:00Z"))?;
    if RANGE_MS.contains(&at.timestamp_millis()) {
        Ok(at)
    } else {
        Err(Failure::bad(OUT_OF_RANGE))
    }
}

pub(super) async fn set_clock(
    State(control): Ctl,
    Body(change): Body<ClockChange>,
) -> Answer<ClockState> {
    let clock = &control.edge.sandbox.clock;
    // All or nothing: a bad field must not leave the clock half moved.
    let set = change.set.as_deref().map(moment).transpose()?;
    let from = set.map_or_else(|| clock.now_ms(), |at| at.timestamp_millis());
    let ahead = i64::try_from(change.advance_ms.unwrap_or(0)).unwrap_or(i64::MAX);
    if !RANGE_MS.contains(&from.saturating_add(ahead)) {
        return Err(Failure::bad(OUT_OF_RANGE));
    }
    if change.rate.is_some_and(|rate| !(0.0..=1e6).contains(&rate)) {
        return Err(Failure::bad("`rate` lies between 0 and 1000000"));
    }
    // The speed first: a clock that is set and stopped shows exactly what it was set to.
    if let Some(rate) = change.rate {
        clock.set_rate(rate);
    }
    if let Some(at) = set {
        clock.set(at);
    }
    if let Some(ms) = change.advance_ms {
        clock.advance(Duration::from_millis(ms));
    }
    let detail = serde_json::to_value(&change).unwrap_or_default();
    control.note("clock", detail);
    Ok(Json(state(&control)))
}

pub(super) async fn faults(State(control): Ctl) -> Json<Vec<ActiveRule>> {
    Json(control.edge.sandbox.faults.list())
}

pub(super) async fn add_fault(State(control): Ctl, Body(rule): Body<Rule>) -> Answer<ActiveRule> {
    let edge = &control.edge;
    rule.check()
        .map_err(|error| Failure::bad(error.to_string()))?;
    if let Action::Outage { guild } = &rule.action {
        let known = edge
            .sandbox
            .with_world(|world| id(guild).map(|id| world.guilds.contains_key(&id)))?;
        if !known {
            return Err(Failure::missing("guild", guild));
        }
    }
    let detail = serde_json::to_value(&rule).unwrap_or_default();
    control.note("fault", detail);
    let number = edge.sandbox.faults.add(rule.clone());
    if rule.strikes_at_once() {
        edge.gateway.strike(number, &rule);
    }
    let active = edge.sandbox.faults.list();
    let active = active.into_iter().find(|r| r.id == number);
    active
        .map(Json)
        .ok_or_else(|| Failure::missing("fault", &number.to_string()))
}

fn lift(control: &Control, rule: &ActiveRule) {
    if let Action::Outage { guild } = &rule.rule.action
        && let Ok(guild) = guild.parse::<Id>()
    {
        control
            .edge
            .sandbox
            .with_world(|world| world.set_outage(guild, false));
    }
}

pub(super) async fn remove_fault(
    State(control): Ctl,
    Path(number): Path<String>,
) -> Answer<ActiveRule> {
    let found = number.parse().ok();
    let rule = found.and_then(|number| control.edge.sandbox.faults.remove(number));
    let rule = rule.ok_or_else(|| Failure::missing("fault", &number))?;
    control.note("remove_fault", json!({"id": rule.id}));
    lift(&control, &rule);
    Ok(Json(rule))
}

pub(super) async fn clear_faults(State(control): Ctl) -> Json<Value> {
    let rules = control.edge.sandbox.faults.list();
    control.edge.sandbox.faults.clear();
    control.note("clear_faults", json!({"removed": rules.len()}));
    rules.iter().for_each(|rule| lift(&control, rule));
    Json(json!({"removed": rules.len()}))
}

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
    #[serde(default = "many")]
    limit: usize,
    /// Wait this long, in real time, for an entry when there is none yet.
    #[serde(default)]
    wait_ms: u64,
}

fn many() -> usize {
    100_000
}

pub(super) async fn journal(
    State(control): Ctl,
    Parameters(query): Parameters<Since>,
) -> Json<Vec<Entry>> {
    let journal = &control.edge.sandbox.journal;
    let mut grown = journal.watch();
    let found = journal.since(query.since, query.limit);
    if !found.is_empty() || query.wait_ms == 0 {
        return Json(found);
    }
    let wait = Duration::from_millis(query.wait_ms.min(60_000));
    tokio::select! {
        _ = tokio::time::timeout(wait, grown.changed()) => {}
        () = control.shutdown.cancelled() => {}
    }
    Json(journal.since(query.since, query.limit))
}

pub(super) async fn sessions(State(control): Ctl) -> Json<Vec<SessionInfo>> {
    Json(control.edge.gateway.describe())
}

pub(super) async fn limits(State(control): Ctl) -> Json<Value> {
    let sandbox = &control.edge.sandbox;
    let windows = sandbox.limits.windows(sandbox.clock.now_ms());
    Json(json!({"rules": sandbox.limits.rules(), "windows": windows}))
}

pub(super) async fn set_limits(State(control): Ctl, Body(rules): Body<Rules>) -> Answer {
    rules.check().map_err(Failure::bad)?;
    let detail = serde_json::to_value(&rules).unwrap_or_default();
    control.edge.sandbox.limits.set_rules(rules);
    control.note("limits", detail);
    Ok(limits(State(control)).await)
}

pub(super) async fn violations(State(control): Ctl) -> Answer<Vec<Violation>> {
    if control.edge.sandbox.checker.get().is_none() {
        // An empty list would say that all is well.
        let message = "nothing is checked: start the sandbox with --strict-openapi";
        return Err(Failure::new(StatusCode::CONFLICT, "not_strict", message));
    }
    Ok(Json(control.edge.violations().await))
}

/// `POST /ctl/as/{user}/consent`. Without an address it only preselects the user on the page.
pub(super) async fn consent(
    State(control): Ctl,
    Path(user): Path<String>,
    Body(consent): Body<Consent>,
) -> Answer<Consented> {
    let edge = &control.edge;
    let user = known_user(edge, &user)?;
    edge.set_visitor(user);
    let Some((_, query)) = consent.authorize_url.split_once('?') else {
        if consent.authorize_url.is_empty() {
            return Ok(Json(Consented {
                location: String::new(),
            }));
        }
        return Err(Failure::bad("`authorize_url` has no parameters"));
    };
    let query = query.split('#').next().unwrap_or_default();
    let guild = consent.guild_id.as_deref().map(id).transpose()?;
    let decision = Decision {
        user,
        allow: consent.allow,
        guild,
    };
    let location = edge
        .sandbox
        .with_world(|world| oauth::answer(world, &edge.grants, query, decision))
        .map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "consent_refused",
                error.to_string(),
            )
        })?;
    Ok(Json(Consented { location }))
}

fn queued(control: &Control) -> Queued {
    let edge = &control.edge;
    let interactions = edge
        .sandbox
        .with_world(|world| world.waiting_interactions());
    let frames = edge.gateway.sessions().into_iter();
    let frames = frames.map(|s| (s.identity.session_id.to_string(), s.queued()));
    Queued {
        requests: edge.requests(),
        delayed_events: edge.gateway.delayed(),
        frames: frames.filter(|(_, n)| *n > 0).collect(),
        interactions: interactions.iter().map(ToString::to_string).collect(),
    }
}

pub(super) async fn settle(State(control): Ctl, Body(settle): Body<Settle>) -> Answer<Queued> {
    let deadline = Instant::now() + Duration::from_millis(settle.timeout_ms);
    let mut quiet = 0;
    loop {
        let left = queued(&control);
        quiet = if left.is_empty() { quiet + 1 } else { 0 };
        // Twice in a row: between the two looks whatever was in hand has been written.
        if quiet == 2 {
            if let Some(checker) = control.edge.sandbox.checker.get() {
                checker.drained().await;
            }
            return Ok(Json(left));
        }
        if Instant::now() >= deadline && !left.is_empty() {
            let context = serde_json::to_value(&left).unwrap_or_default();
            let message = "something is still queued";
            return Err(
                Failure::new(StatusCode::GATEWAY_TIMEOUT, "not_settled", message).with(context),
            );
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
