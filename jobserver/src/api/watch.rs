//! Looking at jobs: one, many, and one's log while it grows.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use splashtail_core::ids::TaskId;
use splashtail_core::places::Places;
use splashtail_ipc::http::ErrorResponse;
use splashtail_ipc::signing::Caller;
use splashtail_jobs::follow::{self, Told};
use splashtail_jobs::{Owner, TaskRow, render};
use splashtail_storage::{Storage, TaskQuery};

use super::{Answer, App, arguments, bad, optional_text, refusal, task_id, unavailable};
use crate::fields;

/// Entries in one answer.
const ENTRIES: u32 = 500;
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 100;
/// Logs that are followed at a time, and by one client.
const FOLLOWERS: usize = 256;
const FOLLOWERS_EACH: usize = 128;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `get_task {task_id, after?}`: the task, its log behind `after`, and where to go on.
pub async fn get(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let id = task_id(&args)?;
    let after = number(&args, "after")?.unwrap_or_default();
    let ready = app.ready()?;
    let row = row(&ready.storage, app, id).await?;
    let log = ready.storage.tasks().log(id, after, ENTRIES).await;
    let log = log.map_err(|error| refusal(error.into()))?;
    let next = log.last().map_or(after, |last| last.seq);
    let task = render::task(row, log);
    Ok(Json(json!({"task": task, "next": next})).into_response())
}

/// `list_tasks {owner: {id, target_type}, name?, after?, limit?}`: newest first.
pub async fn list(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let owner = owner(&args)?;
    let name = optional_text(&args, "name")?;
    let limit = number(&args, "limit")?.unwrap_or(PAGE.into());
    let limit = u32::try_from(limit)
        .ok()
        .filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    let limit = limit.ok_or_else(|| {
        bad(
            "invalid_args",
            format!("args.limit is a number from 1 to {LARGEST_PAGE}"),
        )
    })?;
    let ready = app.ready()?;
    let after = match optional_text(&args, "after")? {
        None => None,
        Some(text) => {
            let id: TaskId = text
                .parse()
                .map_err(|_| bad("invalid_args", "args.after must be the id of a task"))?;
            let row = row(&ready.storage, app, id).await?;
            if row.owner != owner {
                return Err(bad(
                    "unknown_cursor",
                    "args.after is not one of these tasks",
                ));
            }
            Some(row.cursor())
        }
    };
    let query = TaskQuery {
        owner,
        name: name.as_deref(),
        after,
        limit,
    };
    let rows = ready.storage.tasks().list(&query, app.clock.now()).await;
    let rows = rows.map_err(|error| refusal(error.into()))?;
    let tasks: Vec<_> = rows.iter().map(render::partial_task).collect();
    Ok(Json(json!({"tasks": tasks})).into_response())
}

#[derive(Debug, Deserialize)]
pub struct Following {
    after: Option<i64>,
}

/// `GET /tasks/{id}/log`: the log as server-sent events, each under its number, until the task has
/// ended. With the number of the last one known (`Last-Event-ID`, or `after`) it goes on behind it.
pub async fn follow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(query): Query<Following>,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    let not_found = || {
        ErrorResponse::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no task {id}"),
        )
    };
    let id: TaskId = id.parse().map_err(|_| not_found())?;
    let known = headers.get("last-event-id");
    let known = known.and_then(|known| known.to_str().ok()?.trim().parse().ok());
    let after = known.or(query.after).unwrap_or_default();
    let storage = app.ready()?.storage.clone();
    row(&storage, &app, id).await?;
    let place = app.followers.take(caller.client);
    let place = place.map_err(|full| unavailable(&full.to_string()))?;
    let (clock, shutdown) = (app.clock.clone(), app.shutdown.clone());
    let told = follow::follow(storage, clock, shutdown, id, after);
    let events = told.map(move |told| {
        // Held for as long as somebody listens.
        let _place = &place;
        Ok::<_, Infallible>(event(told))
    });
    let kept = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(kept.into_response())
}

fn event(told: Told) -> Event {
    match told {
        Told::Entry(number, entry) => Event::default()
            .event("entry")
            .id(number.to_string())
            .data(json!(entry).to_string()),
        Told::Progress(progress) => Event::default()
            .event("progress")
            .data(json!(progress).to_string()),
        Told::End(state) => Event::default()
            .event("end")
            .data(json!({"state": state}).to_string()),
    }
}

async fn row(storage: &Storage, app: &App, id: TaskId) -> Result<TaskRow, ErrorResponse> {
    let row = storage.tasks().get(id, app.clock.now()).await;
    let row = row.map_err(|error| refusal(error.into()))?;
    row.ok_or_else(|| refusal(splashtail_jobs::EngineError::NotFound(id)))
}

/// As everywhere on the wire: `{"id", "target_type": "Server"|"User"}`.
fn owner(args: &Map<String, Value>) -> Result<Owner, ErrorResponse> {
    let wrong = || {
        bad(
            "invalid_args",
            "args.owner must be {\"id\", \"target_type\"}",
        )
    };
    let owner = fields::get(args, "owner")
        .and_then(Value::as_object)
        .ok_or_else(wrong)?;
    let id = fields::get(owner, "id").cloned().ok_or_else(wrong)?;
    match fields::get(owner, "target_type").and_then(Value::as_str) {
        Some("Server") => serde_json::from_value(id).map(Owner::Server),
        Some("User") => serde_json::from_value(id).map(Owner::User),
        _ => return Err(wrong()),
    }
    .map_err(|_| wrong())
}

fn number(args: &Map<String, Value>, name: &str) -> Result<Option<i64>, ErrorResponse> {
    match fields::get(args, name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_i64().filter(|number| *number >= 0) {
            Some(number) => Ok(Some(number)),
            None => Err(bad(
                "invalid_args",
                format!("args.{name} must not be negative"),
            )),
        },
        Some(_) => Err(bad("invalid_args", format!("args.{name} must be a number"))),
    }
}

/// Places for those who follow: no client takes those of all others.
pub fn followers() -> Places<String> {
    Places::new(FOLLOWERS, FOLLOWERS_EACH)
}
