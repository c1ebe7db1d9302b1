//! What happened and what is pending: journal, sessions, violations, and waiting until all is
//! quiet.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use splashtail_sandbox_world::journal::Entry;
use splashtail_sandbox_world::openapi::Violation;
use tokio::time::Instant;

use super::types::{Queued, SessionInfo, Settle};
use super::{Answer, Body, Control, Ctl, Failure, Parameters};

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
    let mut grown = journal.grown().watch();
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

pub(super) async fn violations(State(control): Ctl) -> Answer<Vec<Violation>> {
    if control.edge.sandbox.checker.get().is_none() {
        // An empty list would say that all is well.
        let message = "nothing is checked: start the sandbox with --strict-openapi";
        return Err(Failure::new(StatusCode::CONFLICT, "not_strict", message));
    }
    Ok(Json(control.edge.violations().await))
}

fn queued(control: &Control) -> Queued {
    let edge = &control.edge;
    let interactions = edge
        .sandbox
        .with_world(|world| world.waiting_interactions());
    let frames = edge.gateway.sessions().into_iter();
    let frames = frames.map(|s| {
        let pending = s.queued() + if s.is_ended() { 0 } else { s.owed() };
        (s.identity.session_id.to_string(), pending)
    });
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
            control.edge.judged().await;
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
