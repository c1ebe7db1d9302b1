//! The clusterer's own port: state and commands for the web server and the command line. Users
//! never reach it; the web server authenticates them and passes their id on.

mod log_window;
mod metrics;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use splashtail_core::clock::SystemClock;
use splashtail_core::ids::ClusterId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::Bus;
use splashtail_ipc::http::{ErrorResponse, Limits, NotReady as Unready, Readiness, harden};
use splashtail_ipc::launcher::LauncherCmd;
use splashtail_ipc::signing::{Caller, SignatureGate, Verifier};
use tracing::{error, info};

pub use metrics::EventCounter;

use log_window::LogWindow;

use crate::fleet::ACTIONS;
use crate::handle::{FleetHandle, NotReady};
use crate::outbox::log_key;
use crate::settings::Settings;

/// Clients that may ask and command.
const CLIENTS: [&str; 2] = ["api", "cli"];
const BODY_LIMIT: usize = 64 * 1024;
const RETRY_AFTER_S: u64 = 5;

#[derive(Debug, Clone)]
struct App {
    fleet: FleetHandle,
    bus: Arc<dyn Bus>,
    log_key: Arc<str>,
    allowed_users: Arc<[String]>,
    counter: EventCounter,
}

/// `GET /instance-list`, `/action-logs?since=&limit=`, `/cluster-health?cid=` and `POST /commands/{action}` are
/// for signed calls; `/readyz` and `/metrics` are read-only and open.
pub fn router(
    fleet: FleetHandle,
    bus: Arc<dyn Bus>,
    settings: &Settings,
    verifier: Verifier,
    counter: EventCounter,
    readiness: Readiness,
) -> Router {
    let app = App {
        fleet,
        bus,
        log_key: log_key(&settings.channel).into(),
        allowed_users: settings.allowed_users.clone().into(),
        counter,
    };
    let signed = Router::new()
        .route("/instance-list", get(instance_list))
        .route("/action-logs", get(action_logs))
        .route("/cluster-health", get(cluster_health))
        .route("/commands/{action}", post(command));
    let signed = SignatureGate::new(verifier, &CLIENTS, BODY_LIMIT).protect(signed);
    let router = Router::new()
        .route("/metrics", get(metrics_page))
        .merge(signed)
        .fallback(async || {
            ErrorResponse::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing at this path",
            )
        })
        .with_state(app)
        .merge(readiness.route());
    harden(
        router,
        Limits {
            body: BODY_LIMIT,
            answer: std::time::Duration::from_secs(10),
        },
    )
}

impl IntoResponse for NotReady {
    fn into_response(self) -> Response {
        ErrorResponse::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            self.to_string(),
        )
        .retry_after(RETRY_AFTER_S)
        .into_response()
    }
}

/// Whether commands are taken and reach the clusters; whether all of these are up is in the
/// instance list.
pub fn readiness(fleet: &FleetHandle, bus: &Arc<dyn Bus>) -> Readiness {
    let (fleet, bus) = (fleet.clone(), Arc::clone(bus));
    Readiness::new(SystemClock::shared())
        .require("fleet", move || {
            let fleet = fleet.clone();
            async move {
                let state = fleet.instance_list().await;
                state.map(drop).map_err(Unready::of)
            }
        })
        .require("bus", move || {
            let bus = Arc::clone(&bus);
            async move { Ok(bus.check().await?) }
        })
}

async fn metrics_page(State(app): State<App>) -> Response {
    match app.fleet.numbers().await {
        Ok(numbers) => app.counter.render(&numbers).into_response(),
        Err(not_ready) => not_ready.into_response(),
    }
}

async fn instance_list(State(app): State<App>) -> Response {
    match app.fleet.instance_list().await {
        Ok(list) => Json(list).into_response(),
        Err(not_ready) => not_ready.into_response(),
    }
}

async fn action_logs(
    State(app): State<App>,
    Query(window): Query<LogWindow>,
) -> Result<Json<Vec<Value>>, ErrorResponse> {
    let entries = app.bus.read_log(&app.log_key).await.map_err(|failure| {
        error!(error = %Chain(&failure), "cannot read the action log");
        ErrorResponse::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "bus_unavailable",
            "the action log cannot be read now",
        )
        .retry_after(RETRY_AFTER_S)
    })?;
    // An entry that is not JSON was put there by someone else and concerns nobody.
    let entries = entries.iter();
    let entries = entries.filter_map(|entry| serde_json::from_str(entry).ok());
    Ok(Json(window.of(entries.collect())))
}

#[derive(Debug, Deserialize)]
struct HealthQuery {
    #[serde(default)]
    cid: Option<String>,
}

async fn cluster_health(State(app): State<App>, Query(query): Query<HealthQuery>) -> Response {
    let bad = |code, message: &str| {
        ErrorResponse::new(StatusCode::BAD_REQUEST, code, message).into_response()
    };
    let Ok(cluster) = query.cid.as_deref().unwrap_or("0").parse::<ClusterId>() else {
        return bad("invalid_id", "`cid` is not a cluster id");
    };
    match app.fleet.health(cluster).await {
        Err(not_ready) => not_ready.into_response(),
        Ok(health) if !health.fully_up => bad("not_fully_up", "not all clusters have launched yet"),
        Ok(health) => match health.cluster {
            Some(health) => Json(health).into_response(),
            None => bad("unknown_cluster", "there is no such cluster"),
        },
    }
}

/// Commands that change nothing.
const READ_ONLY: [&str; 2] = ["statuses", "num_processes"];

/// Who asked for what. Without a user it was the command line.
fn asked(action: &str, id: Option<&Value>, user: Option<&str>) -> Map<String, Value> {
    let mut entry = Map::from_iter([
        ("event".to_owned(), Value::from("operator_command")),
        ("action".to_owned(), Value::from(action)),
    ]);
    if let Some(id) = id {
        entry.insert("id".to_owned(), id.clone());
    }
    if let Some(user) = user {
        entry.insert("user".to_owned(), Value::from(user));
    }
    entry
}

#[derive(Debug, Default, Deserialize)]
struct CommandBody {
    #[serde(default)]
    id: Option<Value>,
    /// The user at the browser. It counts only here: the signature covers the body and no header.
    #[serde(default)]
    user_id: Option<String>,
}

/// `X-User-ID` is a copy for logs on the way. One that says something else was changed there.
fn tells_the_same(headers: &HeaderMap, user: Option<&str>) -> bool {
    let mut copies = headers.get_all("x-user-id").iter();
    copies.all(|copy| user.is_some_and(|user| copy == user))
}

/// Runs one command of the bus. The answer is the reply's output; a refusal is a 409 with the
/// refusal as code.
async fn command(
    State(app): State<App>,
    Path(action): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    if !ACTIONS.contains(&action.as_str()) {
        return ErrorResponse::new(
            StatusCode::NOT_FOUND,
            "unknown_action",
            "there is no such command",
        )
        .into_response();
    }
    let body: CommandBody = match body.is_empty() {
        true => CommandBody::default(),
        false => match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(_) => {
                return ErrorResponse::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_body",
                    "the body is not a JSON object",
                )
                .into_response();
            }
        },
    };
    if !tells_the_same(&headers, body.user_id.as_deref()) {
        let message = "the header X-User-ID must repeat `user_id` of the signed body";
        return ErrorResponse::new(StatusCode::BAD_REQUEST, "user_not_signed", message)
            .into_response();
    }
    let user = body.user_id.as_deref().unwrap_or("none");
    // The command line acts for the operator, the web server for whoever is at the browser.
    let listed =
        app.allowed_users.is_empty() || app.allowed_users.iter().any(|allowed| allowed == user);
    if caller.client == "api" && !listed {
        let message = "this user is not among the `allowed_ids` of the cluster file";
        return ErrorResponse::new(StatusCode::FORBIDDEN, "user_not_allowed", message)
            .into_response();
    }
    info!(
        action,
        client = caller.client,
        user.id = user,
        "command received"
    );
    if !READ_ONLY.contains(&action.as_str()) {
        app.fleet
            .note(asked(&action, body.id.as_ref(), body.user_id.as_deref()));
    }
    let mut command = LauncherCmd::command(&action, None, "");
    command.args = body.id.map(|id| Map::from_iter([("id".to_owned(), id)]));
    match app.fleet.command(command).await {
        Err(not_ready) => not_ready.into_response(),
        Ok(output) => match output.get("error").and_then(Value::as_str) {
            Some(code) => {
                let message = format!("the clusterer refused: {}", code.replace('_', " "));
                ErrorResponse::new(StatusCode::CONFLICT, code, message).into_response()
            }
            None => Json(output).into_response(),
        },
    }
}
