//! The clock: showing and moving it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use splashtail_sandbox_world::clock::RANGE_MS;

use super::types::{ClockChange, ClockState};
use super::{Answer, Body, Control, Ctl, Failure};

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
    let _turn = control.edge.turn().await;
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
