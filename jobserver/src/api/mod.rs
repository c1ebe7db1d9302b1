//! The control API: `POST /ipc/{name}` and `GET /tasks/{id}/log`, signed.

mod consents;
mod contents;
mod order;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value, json};
use splashtail_api_types::job_kinds::{JOB_KINDS, JobKind};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::places::Places;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::ScheduleOrder;
use splashtail_ipc::http::{ErrorResponse, Limits, Readiness, harden};
use splashtail_ipc::signing::{Caller, SignatureGate};
use splashtail_jobs::{CreateRequest, Engine, EngineError, Keep, NewSchedule, PrepareError};
use splashtail_storage::{Owner, Storage};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::backup::CreateBackup;
use crate::backup::options::INCIDENT;
use crate::objects::Objects;
use crate::rejoin::Grants;
use crate::{fields, metrics};

/// Clients that may control jobs.
pub const CLIENTS: [&str; 3] = ["api", "bot", "cli"];
/// Who sees incidents begin.
const WATCHMAN: &str = "bot";
/// Largest body of a call.
pub const BODY_LIMIT: usize = 1 << 20;

/// What exists once the jobserver has reached its database.
pub struct Ready {
    pub engine: Engine,
    pub storage: Storage,
    pub objects: Objects,
    pub grants: Grants,
    /// Where files lie for a moment, without names.
    pub temporary: PathBuf,
}

/// Handlers' state. Until [`Ready`] is set, calls are answered 503.
#[derive(Clone)]
pub struct App {
    pub ready: Arc<OnceLock<Ready>>,
    pub metrics: Option<PrometheusHandle>,
    clock: SharedClock,
    followers: Places<String>,
    /// For those who have backups looked into.
    readers: Places<GuildId>,
    /// Fires when the server stops: those who follow are sent away.
    shutdown: CancellationToken,
}

impl App {
    pub fn new(clock: SharedClock, shutdown: CancellationToken) -> Self {
        Self {
            ready: Arc::default(),
            metrics: splashtail_core::meters::install().cloned(),
            clock,
            followers: watch::followers(),
            readers: contents::readers(),
            shutdown,
        }
    }

    fn ready(&self) -> Result<&Ready, ErrorResponse> {
        self.ready
            .get()
            .ok_or_else(|| unavailable("the jobserver is starting"))
    }
}

/// All routes, the control calls behind the gate.
pub fn router(app: App, gate: SignatureGate, readiness: Readiness) -> Router {
    let calls = Router::new()
        .route("/ipc/{name}", post(call))
        .route("/tasks/{id}/log", get(watch::follow));
    let router = gate
        .protect(calls)
        .route("/", get(async || "jobserver"))
        .route("/metrics", get(show_metrics))
        .fallback(async || {
            ErrorResponse::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
        })
        .with_state(app)
        .merge(readiness.route());
    harden(
        router,
        Limits {
            body: BODY_LIMIT,
            ..Limits::default()
        },
    )
}

async fn show_metrics(State(app): State<App>) -> Result<String, ErrorResponse> {
    let handle = app
        .metrics
        .as_ref()
        .ok_or_else(|| unavailable("metrics are not available"))?;
    if let Some(ready) = app.ready.get() {
        metrics::refresh(&ready.storage).await;
    }
    Ok(handle.render())
}

async fn call(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let (label, answer) = match name.as_str() {
        "create_task" => ("create_task", create(&app, caller, &body).await),
        "execute_task" => ("execute_task", execute(&app, caller, &body).await),
        "cancel_task" => ("cancel_task", cancel(&app, &body).await),
        "plan_task" => ("plan_task", plan(&app, caller, &body).await),
        "get_task" => ("get_task", watch::get(&app, &body).await),
        "list_tasks" => ("list_tasks", watch::list(&app, &body).await),
        "delete_task" => ("delete_task", delete(&app, &body).await),
        "inspect_backup" => ("inspect_backup", contents::inspect(&app, &body).await),
        "compare_backups" => ("compare_backups", contents::compare(&app, &body).await),
        "put_schedule" => ("put_schedule", put_schedule(&app, caller, &body).await),
        "remove_schedule" => ("remove_schedule", remove_schedule(&app, &body).await),
        "put_join_consent" => (
            "put_join_consent",
            consents::put(&app, &caller, &body).await,
        ),
        "remove_join_consent" => (
            "remove_join_consent",
            consents::remove(&app, &caller, &body).await,
        ),
        "join_consents" => ("join_consents", consents::list(&app, &body).await),
        _ => (
            "unknown",
            Err(bad(
                "unknown_call",
                format!("there is no call named {name:?}"),
            )),
        ),
    };
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    metrics::called(label, response.status().as_u16());
    response
}

type Answer = Result<Response, ErrorResponse>;

async fn create(app: &App, caller: Caller, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let (name, mut data) = (text(&args, "name")?, data(&args)?);
    without_incident(&caller, &name, &mut data);
    let data = Value::Object(data);
    let request = CreateRequest {
        execute: flag(&args, "execute")?,
        idempotency_key: optional_text(&args, "idempotency_key")?,
        ..CreateRequest::new(&caller.client, &name, data)
    };
    let created = app.ready()?.engine.create(request).await.map_err(refusal)?;
    Ok(Json(json!({"tcr": created})).into_response())
}

/// A backup of an incident takes no slot of the server's: nobody but the bot makes one.
fn without_incident(caller: &Caller, name: &str, data: &mut Map<String, Value>) {
    if name == CreateBackup::NAME && caller.client != WATCHMAN {
        data.retain(|field, _| !field.eq_ignore_ascii_case(INCIDENT));
    }
}

/// As `create_task`, of a kind that changes a server: what it would do is its output, and nothing is
/// changed, whatever the options say. It runs at once.
async fn plan(app: &App, caller: Caller, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let (name, data) = (text(&args, "name")?, data(&args)?);
    if !JobKind::find(&name).is_some_and(|kind| kind.planned) {
        let planned = JOB_KINDS.iter().filter(|kind| kind.planned);
        let kinds: Vec<_> = planned.map(|kind| kind.name).collect();
        let kinds = kinds.join(", ");
        let message = format!("there are plans of {kinds}, not of {name:?}");
        return Err(bad("nothing_to_plan", message));
    }
    let data = Value::Object(order::dry(data)?);
    let request = CreateRequest {
        idempotency_key: optional_text(&args, "idempotency_key")?,
        ..CreateRequest::new(&caller.client, &name, data)
    };
    let created = app.ready()?.engine.create(request).await.map_err(refusal)?;
    Ok(Json(json!({"tcr": created})).into_response())
}

/// The fields of an order, in the one form in which they are checked and carried out.
fn data(args: &Map<String, Value>) -> Result<Map<String, Value>, ErrorResponse> {
    match fields::get(args, "data") {
        Some(Value::Object(data)) if !data.is_empty() => order::canonical(data.clone()),
        _ => Err(bad(
            "invalid_args",
            "args.data must be an object with the fields",
        )),
    }
}

async fn execute(app: &App, caller: Caller, body: &[u8]) -> Answer {
    let mut args = arguments(body)?;
    let (name, id) = (text(&args, "name")?, task_id(&args)?);
    // What is left are the task's own fields.
    args.retain(|key, _| {
        !["name", "task_id"]
            .iter()
            .any(|own| key.eq_ignore_ascii_case(own))
    });
    app.ready()?
        .engine
        .execute(
            &caller.client,
            &name,
            id,
            Value::Object(order::canonical(args)?),
        )
        .await
        .map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn cancel(app: &App, body: &[u8]) -> Answer {
    let id = task_id(&arguments(body)?)?;
    app.ready()?.engine.cancel(id).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn delete(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let (id, server) = (task_id(&args)?, server_id(&args)?);
    let owner = Owner::Server(server);
    let deleted = app.ready()?.engine.delete(id, owner).await;
    deleted.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn put_schedule(app: &App, caller: Caller, body: &[u8]) -> Answer {
    let args = Value::Object(arguments(body)?);
    let order: ScheduleOrder = serde_json::from_value(args)
        .map_err(|error| bad("invalid_args", format!("args: {error}")))?;
    let data = match order.data {
        Value::Object(data) => {
            let mut data = order::canonical(data)?;
            // A schedule begins with no incident.
            data.retain(|field, _| !field.eq_ignore_ascii_case(INCIDENT));
            Value::Object(data)
        }
        other => other,
    };
    let schedule = NewSchedule {
        id: order.schedule_id,
        name: order.name,
        data,
        cron: order.cron,
        jitter: Duration::from_millis(order.jitter_ms),
        keep: Keep {
            count: order.keep_count,
            days: order.keep_days,
        },
        actor: order.actor,
    };
    let stored = app.ready()?.engine.schedule(&caller.client, schedule).await;
    stored.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove_schedule(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let id = text(&args, "schedule_id")?;
    let id = id.parse().map_err(|_| {
        bad(
            "invalid_args",
            "args.schedule_id must be the id of a schedule",
        )
    })?;
    let engine = &app.ready()?.engine;
    let removed = engine.unschedule(id, server_id(&args)?).await;
    removed.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `{"args": {…}}`, with something in it.
fn arguments(body: &[u8]) -> Result<Map<String, Value>, ErrorResponse> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| bad("invalid_json", format!("the body is not JSON: {error}")))?;
    match body.as_object().and_then(|body| fields::get(body, "args")) {
        Some(Value::Object(args)) if !args.is_empty() => Ok(args.clone()),
        _ => Err(bad(
            "invalid_args",
            "the body must be {\"args\": {…}} with at least one argument",
        )),
    }
}

fn text(args: &Map<String, Value>, name: &str) -> Result<String, ErrorResponse> {
    optional_text(args, name)?.ok_or_else(|| bad("invalid_args", format!("args.{name} is missing")))
}

fn optional_text(args: &Map<String, Value>, name: &str) -> Result<Option<String>, ErrorResponse> {
    match fields::get(args, name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(bad("invalid_args", format!("args.{name} must be text"))),
    }
}

fn flag(args: &Map<String, Value>, name: &str) -> Result<bool, ErrorResponse> {
    match fields::get(args, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(
            "invalid_args",
            format!("args.{name} must be true or false"),
        )),
    }
}

fn task_id(args: &Map<String, Value>) -> Result<TaskId, ErrorResponse> {
    text(args, "task_id")?
        .parse()
        .map_err(|_| bad("invalid_args", "args.task_id must be the id of a task"))
}

fn server_id(args: &Map<String, Value>) -> Result<GuildId, ErrorResponse> {
    text(args, "server_id")?
        .parse()
        .map_err(|_| bad("invalid_args", "args.server_id must be the id of a server"))
}

fn bad(code: &str, message: impl Into<String>) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, code, message)
}

fn unavailable(message: &str) -> ErrorResponse {
    ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(1)
}

fn refusal(error: EngineError) -> ErrorResponse {
    let status = match &error {
        EngineError::UnknownName(_)
        | EngineError::Prepare(PrepareError::Invalid { .. })
        | EngineError::IdempotencyKey
        | EngineError::Mismatch(_) => StatusCode::BAD_REQUEST,
        EngineError::NotFound(_) => StatusCode::NOT_FOUND,
        EngineError::SlotTaken { .. }
        | EngineError::Guarded(_)
        | EngineError::NotPending { .. }
        | EngineError::NotEnded { .. } => StatusCode::CONFLICT,
        EngineError::NotDeleted(_) => {
            error!(error = %Chain(&error), "a task was not deleted");
            return unavailable("what the task left could not be removed yet");
        }
        EngineError::Prepare(PrepareError::Internal { .. })
        | EngineError::Wrap(_)
        | EngineError::Storage(_) => {
            error!(error = %Chain(&error), "a call failed");
            if error.code() == "unavailable" {
                return unavailable("the database does not answer");
            }
            return ErrorResponse::internal();
        }
    };
    ErrorResponse::new(status, error.code(), error.to_string())
}
