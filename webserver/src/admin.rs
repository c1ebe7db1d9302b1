//! What operators and supervisors ask on the admin address: is it ready, and how is it doing.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use splashtail_core::meters;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::{ErrorResponse, Limits, harden};
use tokio::sync::watch;
use tracing::warn;

use crate::app::AppState;

const PING_LIMIT: Duration = Duration::from_secs(2);

/// Holds the application once the database was reached.
pub type Readiness = watch::Receiver<Option<AppState>>;

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
    let app = readiness.borrow().clone();
    let Some(app) = app else {
        return not_ready("starting");
    };
    let database = bounded("the database does not answer", app.storage.ping());
    let cache = bounded(
        "the cache does not answer (`meta.redis_url`)",
        app.cache.get("readyz"),
    );
    match tokio::try_join!(database, cache) {
        Ok(_) => "ready\n".into_response(),
        Err(what) => not_ready(what),
    }
}

fn not_ready(why: &str) -> Response {
    ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why)
        .retry_after(1)
        .into_response()
}

/// What hangs is as bad as what fails, and is told as soon.
async fn bounded<T, E: std::error::Error + 'static>(
    failure: &'static str,
    look: impl Future<Output = Result<T, E>>,
) -> Result<(), &'static str> {
    match tokio::time::timeout(PING_LIMIT, look).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            warn!(error = %Chain(&error), "{failure}");
            Err(failure)
        }
        Err(_) => {
            warn!(limit_ms = PING_LIMIT.as_millis(), "{failure} in time");
            Err(failure)
        }
    }
}

async fn metrics() -> Response {
    match meters::render() {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response(),
        None => ErrorResponse::internal().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_or_fails_is_not_ready() {
        let hung = bounded("gone", std::future::pending::<Result<(), std::io::Error>>());
        assert_eq!(hung.await, Err("gone"));
        let failed = bounded("gone", async { Err::<(), _>(std::io::Error::other("x")) });
        assert_eq!(failed.await, Err("gone"));
        let fine = bounded("gone", async { Ok::<_, std::io::Error>(1) });
        assert_eq!(fine.await, Ok(()));
    }
}
