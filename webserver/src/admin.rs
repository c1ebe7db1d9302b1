//! What operators and supervisors ask on the admin address: is it ready, and how is it doing.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use splashtail_core::clock::SharedClock;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::meters;
use splashtail_ipc::http::{ErrorResponse, Limits, NotReady, Readiness, harden};
use tokio::sync::watch;

use crate::app::AppState;

/// Holds the application once the database was reached.
pub type Started = watch::Receiver<Option<AppState>>;

pub fn router(started: Started, lifecycle: &Lifecycle, clock: SharedClock) -> Router<()> {
    let readiness = readiness(started.clone(), clock);
    let (looks, shutdown) = (readiness.clone(), lifecycle.shutdown());
    let mut reached = started.clone();
    lifecycle.tasks().spawn(async move {
        // Before that the wait for the database says what is missing.
        let begun = async { reached.wait_for(Option::is_some).await.is_ok() };
        if let Some(true) = shutdown.run_until_cancelled(begun).await {
            looks.watch(shutdown.clone()).await;
        }
    });
    let readyz = async move || {
        // Known at once, and not worth remembering for a second.
        if started.borrow().is_none() {
            return starting().into_response();
        }
        readiness.answer().await
    };
    let router = Router::new()
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            ErrorResponse::new(
                StatusCode::NOT_FOUND,
                "unknown_path",
                "there is no such path",
            )
        });
    harden(router, Limits::default())
}

/// What requests need. The jobserver and the clusterer may be away: their routes say so, and the
/// rest of the site goes on.
fn readiness(started: Started, clock: SharedClock) -> Readiness {
    let app = move || {
        let app = started.borrow().clone();
        app.ok_or(NotReady::new("starting"))
    };
    let database = {
        let app = app.clone();
        move || {
            let app = app();
            async move {
                let pinged = app?.storage.ping().await;
                pinged.map_err(|error| NotReady::because("the database does not answer", error))
            }
        }
    };
    let cache = move || {
        let app = app();
        async move { app?.cache.check().await.map_err(NotReady::from) }
    };
    Readiness::new(clock)
        .require("database", database)
        .require("cache", cache)
}

fn starting() -> ErrorResponse {
    ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "starting").retry_after(1)
}

async fn metrics() -> Response {
    match meters::render() {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response(),
        None => ErrorResponse::internal().into_response(),
    }
}
