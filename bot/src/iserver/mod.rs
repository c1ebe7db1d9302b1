//! The small HTTP server inside the cluster that answers typed questions about it.

mod answers;
mod approvals;
mod caches;
mod guild_info;
mod incidents;
mod query;
mod settings;
mod start;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use splashtail_ipc::clients::IserverState;
use splashtail_ipc::http::{ErrorResponse, Limits, NotReady, Readiness, harden};
use splashtail_ipc::signing::SignatureGate;
use tracing::info;

use crate::cluster::ShardView;
use crate::framework::check::CommandChecks;

use self::answers::{NO_SHARD, not_ready, unknown_path, unsupported_media_type};

pub use approvals::{ApprovalAnswers, ApprovalQuestion, SightQuestion};
pub use caches::Caches;
pub use guild_info::GuildAnswers;
pub use incidents::{IncidentAnswers, IncidentQuestion};
pub use query::{MAX_GUILDS, Query};
pub use settings::{
    By, ExportQuestion, HistoryQuestion, ImportQuestion, RollbackQuestion, SettingAnswers,
    SettingQuestion,
};
pub use start::{StartError, bind, verifier};

/// Largest request body: some 45,000 guild ids.
pub const MAX_BODY: usize = 1024 * 1024;
/// Clients that may ask.
pub const CLIENTS: [&str; 2] = ["api", "cli"];

const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Iserver {
    view: Arc<dyn ShardView>,
    answers: Answers,
}

/// What else the cluster can answer.
pub struct Answering {
    /// The answer to `Modules`: an object keyed by module id, in registration order.
    pub modules: Value,
    pub checks: Arc<dyn CommandChecks>,
    pub settings: Arc<dyn SettingAnswers>,
    pub incidents: Arc<dyn IncidentAnswers>,
    pub approvals: Arc<dyn ApprovalAnswers>,
    pub guilds: Arc<dyn GuildAnswers>,
    pub caches: Arc<dyn Caches>,
}

/// Set once the modules are there, at the latest before a shard is ready.
pub type Answers = Arc<OnceLock<Answering>>;

/// The routes. `POST /` needs a signature; the others only tell what is no secret on this machine.
/// `readiness` says what else the cluster needs besides its shards; `metrics` renders the process's
/// metrics.
pub fn router(
    view: Arc<dyn ShardView>,
    answers: Answers,
    gate: SignatureGate,
    readiness: Readiness,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    let shards = Arc::clone(&view);
    let readiness = readiness.require("shards", move || {
        std::future::ready(match shards.is_ready() {
            true => Ok(()),
            false => Err(NotReady::new(NO_SHARD)),
        })
    });
    let state = Iserver { view, answers };
    let questions = Router::new()
        .route("/", post(ask))
        .layer(from_fn_with_state(state.clone(), when_ready));
    let questions = gate.protect(questions);
    let open = Router::new()
        .route("/", get(probe))
        .route("/metrics", get(move || async move { metrics() }));
    let router = questions
        .merge(open)
        .fallback(unknown_path)
        .with_state(state)
        .merge(readiness.route());
    harden(
        router,
        Limits {
            body: MAX_BODY,
            answer: DEADLINE,
        },
    )
}

async fn probe(State(Iserver { view, .. }): State<Iserver>) -> Json<IserverState> {
    let cluster = view.cluster();
    Json(IserverState {
        cluster_id: cluster.id,
        cluster_name: cluster.name.clone(),
        shards: cluster.shards.clone(),
        shard_count: cluster.shard_count,
        uptime_s: view.uptime().as_secs(),
        ready: view.is_ready(),
    })
}

async fn when_ready(
    State(Iserver { view, .. }): State<Iserver>,
    request: Request,
    next: Next,
) -> Response {
    if view.is_ready() {
        next.run(request).await
    } else {
        not_ready().into_response()
    }
}

async fn ask(
    State(iserver): State<Iserver>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ErrorResponse> {
    if !is_json(&headers) {
        return Err(unsupported_media_type());
    }
    let query = Query::parse(&body)?;
    let started = Instant::now();
    let name = query.name();
    let answer = query.answer(&iserver).await?;
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    info!(query = name, duration_us, "answered a query");
    metrics::counter!("bot_iserver_queries_total", "query" => name).increment(1);
    Ok(Json(answer))
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| {
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        });
    essence.is_some_and(|essence| {
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}
