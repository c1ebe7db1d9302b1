//! What operators and supervisors ask on the admin address: is it ready, and how is it doing.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::{ErrorResponse, Limits, harden};
use splashtail_storage::Storage;
use tokio::sync::watch;
use tracing::warn;

const PING_LIMIT: Duration = Duration::from_secs(2);
const DURATIONS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];

/// Holds the database once it was reached.
pub type Readiness = watch::Receiver<Option<Storage>>;

pub fn router(readiness: Readiness) -> Router<()> {
    let router = Router::new()
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            ErrorResponse::new(
                StatusCode::NOT_FOUND,
                "unknown_path",
                "there is no such path",
            )
        })
        .with_state(readiness);
    harden(router, Limits::default())
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let storage = readiness.borrow().clone();
    let not_ready = |message: &str| {
        ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
            .retry_after(1)
            .into_response()
    };
    let Some(storage) = storage else {
        return not_ready("starting");
    };
    match tokio::time::timeout(PING_LIMIT, storage.ping()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => {
            warn!(error = %Chain(&error), "the database does not answer");
            not_ready("the database does not answer")
        }
        Err(_) => not_ready("the database does not answer in time"),
    }
}

async fn metrics() -> Response {
    match recorder() {
        Some(handle) => {
            handle.run_upkeep();
            (
                [(CONTENT_TYPE, "text/plain; version=0.0.4")],
                handle.render(),
            )
                .into_response()
        }
        None => ErrorResponse::internal().into_response(),
    }
}

/// Starts measuring, once per process.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let matcher = Matcher::Suffix("_seconds".to_owned());
            PrometheusBuilder::new()
                .set_buckets_for_metric(matcher, &DURATIONS)
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| warn!(error = %Chain(&error), "nothing is measured"))
                .ok()
        })
        .as_ref()
}
