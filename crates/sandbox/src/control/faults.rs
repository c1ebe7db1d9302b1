//! Rules of misbehaviour: installing and lifting them.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use splashtail_sandbox_world::faults::{Action, ActiveRule, Rule, TooMany};
use splashtail_sandbox_world::world::Id;

use super::{Answer, Body, Control, Ctl, Failure, id};

impl From<TooMany> for Failure {
    fn from(error: TooMany) -> Self {
        Self::new(StatusCode::CONFLICT, "too_many_faults", error.to_string())
    }
}

pub(super) async fn faults(State(control): Ctl) -> Json<Vec<ActiveRule>> {
    Json(control.edge.sandbox.faults.list())
}

pub(super) async fn add_fault(State(control): Ctl, Body(rule): Body<Rule>) -> Answer<ActiveRule> {
    let edge = &control.edge;
    rule.check()
        .map_err(|error| Failure::bad(error.to_string()))?;
    let _turn = edge.turn().await;
    if let Action::Outage { guild } = &rule.action {
        let known = edge
            .sandbox
            .with_world(|world| id(guild).map(|id| world.guilds.contains_key(&id)))?;
        if !known {
            return Err(Failure::missing("guild", guild));
        }
    }
    let detail = serde_json::to_value(&rule).unwrap_or_default();
    let number = edge.sandbox.faults.add(rule.clone())?;
    control.note("fault", detail);
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
    let _turn = control.edge.turn().await;
    let found = number.parse().ok();
    let rule = found.and_then(|number| control.edge.sandbox.faults.remove(number));
    let rule = rule.ok_or_else(|| Failure::missing("fault", &number))?;
    control.note("remove_fault", json!({"id": rule.id}));
    lift(&control, &rule);
    Ok(Json(rule))
}

pub(super) async fn clear_faults(State(control): Ctl) -> Json<Value> {
    let _turn = control.edge.turn().await;
    let rules = control.edge.sandbox.faults.list();
    control.edge.sandbox.faults.clear();
    control.note("clear_faults", json!({"removed": rules.len()}));
    rules.iter().for_each(|rule| lift(&control, rule));
    Json(json!({"removed": rules.len()}))
}
