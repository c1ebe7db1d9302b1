//! Drills: starting, watching and stopping them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::types::{DrillReport, DrillStarted, NewDrill};
use super::{Answer, Body, Ctl, Failure, Parameters, id};
use crate::drill::DrillError;

/// Longest wait of one call, in real time.
const MAX_WAIT_MS: u64 = 60_000;

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        let message = error.to_string();
        match error {
            DrillError::UnknownGuild(_) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            DrillError::Busy { running } => {
                Self::new(StatusCode::CONFLICT, "drill_running", message)
                    .with(json!({"id": running}))
            }
            DrillError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_drills", message),
            DrillError::Bad(_) => Self::bad(message),
        }
    }
}

fn missing(number: &str) -> Failure {
    Failure::missing("drill", number)
}

pub(super) async fn start(
    State(control): Ctl,
    Body(order): Body<NewDrill>,
) -> Answer<DrillStarted> {
    let edge = &control.edge;
    let guild = id(&order.guild_id)?;
    let _turn = edge.turn().await;
    let id = edge
        .drills
        .start(&edge.sandbox, &order, guild, &control.shutdown)?;
    Ok(Json(DrillStarted { id }))
}

pub(super) async fn list(State(control): Ctl) -> Json<Vec<DrillReport>> {
    Json(control.edge.drills.list(&control.edge.sandbox))
}

#[derive(Debug, Deserialize)]
pub(super) struct Wait {
    /// Answer when the drill is finished, or after so long in real time.
    #[serde(default)]
    wait_ms: u64,
}

pub(super) async fn show(
    State(control): Ctl,
    Path(number): Path<String>,
    Parameters(wait): Parameters<Wait>,
) -> Answer<DrillReport> {
    let id = number.parse().map_err(|_| missing(&number))?;
    let patience = tokio::time::sleep(Duration::from_millis(wait.wait_ms.min(MAX_WAIT_MS)));
    let edge = &control.edge;
    let report = edge.drills.report(&edge.sandbox, id, patience).await;
    report.map(Json).ok_or_else(|| missing(&number))
}

pub(super) async fn stop(State(control): Ctl, Path(number): Path<String>) -> Answer<DrillReport> {
    let id = number.parse().map_err(|_| missing(&number))?;
    let report = control.edge.drills.stop(&control.edge.sandbox, id).await;
    report.map(Json).ok_or_else(|| missing(&number))
}
