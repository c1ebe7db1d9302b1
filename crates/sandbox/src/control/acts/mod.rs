//! Acts of users, by name: each becomes the REST request a client would send.

mod help;
mod plan;
mod table;
mod upload;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use splashtail_core::text::nearest;
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::rest::error::ApiError;
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::world::permissions::ADMINISTRATOR;
use splashtail_sandbox_world::world::{Door, Id, User, World};

pub use help::{command_line, markdown};
pub use table::{ACTS, ActSpec, Argument, Click, Sent, Target, Way, find};

use super::types::{Act, ActResult, ActResults, Upload};
use super::{Answer, Body, Ctl, Failure, id, known_user};
use crate::server::Edge;
use crate::timer::sleep;

/// Most results of one call.
const MAX_RESULTS: usize = 100_000;

/// `POST /ctl/as/{user}/{act}`.
pub(super) async fn act(
    State(control): Ctl,
    Path((user, name)): Path<(String, String)>,
    Body(act): Body<Act>,
) -> Answer<ActResults> {
    let edge = &control.edge;
    let spec = table::find(&name).ok_or_else(|| unknown(&name))?;
    // It begins in the world that was asked for; one that is spread over hours holds none up.
    drop(edge.turn().await);
    let actors = match &act.actors {
        None => vec![known_user(edge, &user)?],
        Some(actors) if actors.is_empty() => {
            return Err(Failure::bad("`actors` names nobody"));
        }
        Some(actors) => {
            let ids: Vec<Id> = actors.iter().map(|a| id(a)).collect::<Result<_, _>>()?;
            edge.sandbox
                .with_world(|world| ids.iter().for_each(|id| ensure_user(world, *id)));
            ids
        }
    };
    let times = act.times.unwrap_or(1).max(1) as usize;
    let total = times.saturating_mul(actors.len());
    if total > MAX_RESULTS {
        return Err(Failure::bad(format!(
            "{total} repetitions are more than {MAX_RESULTS}"
        )));
    }
    let detail = json!({"user": user, "act": noted(&act)});
    control.note(&name, detail);
    let pause = Duration::from_millis(act.spread_ms.unwrap_or(0)) / total.max(1) as u32;
    let mut results = Vec::with_capacity(total);
    for n in 0..total {
        if n > 0 && !pause.is_zero() {
            sleep(&edge.sandbox.clock, pause).await;
        }
        // Actors take turns, as in a raid.
        let (actor, repetition) = (actors[n % actors.len()], n / actors.len());
        let step = Act {
            body: numbered(&act.body, n),
            ..act.clone()
        };
        tracing::trace!(%actor, repetition, act = name, "a user acts");
        results.push(perform(edge, actor, spec, &step).await?);
        if n % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
    Ok(Json(ActResults { results }))
}

/// For the journal: files by name only.
fn noted(act: &Act) -> Value {
    let named = |file: &Upload| Upload {
        content_base64: String::new(),
        ..file.clone()
    };
    let files = act.files.iter().map(named).collect();
    let act = Act {
        files,
        ..act.clone()
    };
    serde_json::to_value(act).unwrap_or_default()
}

/// Raiders come from nowhere.
fn ensure_user(world: &mut World, id: Id) {
    world
        .users
        .entry(id)
        .or_insert_with(|| User::new(id, &format!("user{}", id.0 % 1_000_000)));
}

/// `{n}` in strings becomes the number of the repetition.
fn numbered(body: &Value, n: usize) -> Value {
    match body {
        Value::String(text) => text.replace("{n}", &n.to_string()).into(),
        Value::Array(items) => items.iter().map(|v| numbered(v, n)).collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| (k.clone(), numbered(v, n)))
                .collect(),
        ),
        other => other.clone(),
    }
}

async fn perform(edge: &Edge, user: Id, spec: &ActSpec, act: &Act) -> Result<ActResult, Failure> {
    let mut request = match &spec.way {
        Way::Click(click, _) => {
            let request = plan::click(*click, act);
            let done = edge.click_as(user, &request, || clicked(edge, user, *click, act));
            return match done.await {
                None => Ok(ActResult::default()),
                Some(Ok(done)) => done,
                Some(Err(answer)) => Ok(told(&answer)),
            };
        }
        Way::Request(method, template) => plan::request(method, template, &spec.body, act)?,
        Way::Any => plan::any(act)?,
    };
    if let Some(reason) = &act.reason {
        request = request.with_reason(reason);
    }
    let answer = edge.request_as(user, request).await;
    Ok(answer.as_ref().map_or_else(ActResult::default, told))
}

fn told(answer: &Response) -> ActResult {
    ActResult {
        status: answer.status,
        body: answer.json(),
    }
}

fn unknown(name: &str) -> Failure {
    let names: Vec<&str> = ACTS.iter().map(|act| act.name).collect();
    let meant = nearest(name, names.iter().copied());
    let hint = meant.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    let all = names.join(", ");
    let message = format!("there is no act `{name}`{hint}; there are {all}");
    Failure::new(StatusCode::NOT_FOUND, "unknown_act", message)
}

fn clicked(edge: &Edge, user: Id, click: Click, act: &Act) -> Result<ActResult, Failure> {
    let guild = || plan::needed(&act.guild_id, "guild_id");
    let text = |key: &str| act.body[key].as_str().unwrap_or_default();
    let done = match click {
        Click::Join => {
            let door = Door::Guild(guild()?);
            edge.sandbox
                .with_world(|world| people::join(world, user, door, text("answer")))
        }
        Click::UseInvite => {
            let door = Door::Code(text("code"));
            edge.sandbox
                .with_world(|world| people::join(world, user, door, text("answer")))
        }
        Click::WithdrawRequest => {
            let guild = guild()?;
            let taken = |world: &mut World| people::withdraw(world, user, guild);
            edge.sandbox.with_world(taken).map(|()| None)
        }
        Click::AcceptRules => {
            let guild = guild()?;
            let passed = |world: &mut World| people::accept_rules(world, user, guild);
            edge.sandbox.with_world(passed).map(|()| None)
        }
        Click::PickRoles => {
            let (guild, roles) = (guild()?, roles(act)?);
            let taken = |world: &mut World| people::take_for_oneself(world, user, guild, &roles);
            edge.sandbox.with_world(taken).map(|()| None)
        }
        Click::Vote => {
            let channel = plan::needed(&act.channel_id, "channel_id")?;
            let message = plan::needed(&act.message_id, "message_id")?;
            let answers = act.body["answer_ids"].as_array();
            let answers = answers.ok_or_else(|| Failure::bad("`body.answer_ids` is no list"))?;
            let answers: Vec<u64> = answers.iter().filter_map(Value::as_u64).collect();
            let voted = |world: &mut World| people::vote(world, user, channel, message, &answers);
            edge.sandbox.with_world(voted).map(|()| None)
        }
        Click::Deauthorise => {
            let app = plan::needed(&act.target_id, "target_id")?;
            edge.sandbox
                .with_world(|world| edge.grants.deauthorise(world, app, user));
            Ok(None)
        }
        Click::AddBot => {
            let (guild, app) = (guild()?, plan::needed(&act.target_id, "target_id")?);
            let bits = permissions(act)?;
            let added = |world: &mut World| people::add_bot(world, user, guild, app, bits);
            edge.sandbox.with_world(added).map(|()| None)
        }
    };
    Ok(answered(done))
}

fn roles(act: &Act) -> Result<BTreeSet<Id>, Failure> {
    let list = act.body["role_ids"].as_array();
    let list = list.ok_or_else(|| Failure::bad("`body.role_ids` is no list"))?;
    list.iter()
        .map(|r| id(r.as_str().unwrap_or_default()))
        .collect()
}

/// What became of something that only people do.
fn answered(done: Result<Option<Value>, ApiError>) -> ActResult {
    match done {
        Ok(Some(body)) => ActResult { status: 201, body },
        Ok(None) => ActResult {
            status: 204,
            body: Value::Null,
        },
        Err(error) => ActResult {
            status: error.status,
            body: error.json(),
        },
    }
}

fn permissions(act: &Act) -> Result<u64, Failure> {
    let bad = || Failure::bad("`body.permissions` is no number");
    match &act.body["permissions"] {
        Value::Null => Ok(ADMINISTRATOR),
        Value::String(text) => text.parse().map_err(|_| bad()),
        other => other.as_u64().ok_or_else(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_numbered_in_every_string() {
        let body = json!({"content": "raid {n}", "embeds": [{"title": "{n}"}], "tts": false});
        let third = json!({"content": "raid 2", "embeds": [{"title": "2"}], "tts": false});
        assert_eq!(numbered(&body, 2), third);
    }
}
