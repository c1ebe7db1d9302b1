//! Rate limits: every bucket with its limit, those in use, and their rules.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::limits::Rules;

use super::{Answer, Body, Ctl, Failure};

pub(super) async fn limits(State(control): Ctl) -> Json<Value> {
    let sandbox = &control.edge.sandbox;
    let limits = &sandbox.limits;
    let windows = limits.windows(&sandbox.clock);
    let buckets = limits.buckets();
    Json(json!({"rules": limits.rules(), "buckets": buckets, "windows": windows}))
}

pub(super) async fn set_limits(State(control): Ctl, Body(rules): Body<Rules>) -> Answer {
    rules.check().map_err(Failure::bad)?;
    let detail = serde_json::to_value(&rules).unwrap_or_default();
    {
        let _turn = control.edge.turn().await;
        control.edge.sandbox.limits.set_rules(rules);
        control.note("limits", detail);
    }
    Ok(limits(State(control)).await)
}
