//! Limits around a router, with answers in our error shape.

use std::any::Any;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Body};
use http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use super::ErrorResponse;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes an extractor reads of a body.
    pub body: usize,
    /// Time until the head of the answer has to exist; a streaming answer may go on after it.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            answer: Duration::from_secs(30),
        }
    }
}

/// Bounds bodies and time, turns a panic into a 500, and answers unknown paths with a JSON 404
/// unless the router has a fallback of its own.
pub fn harden<S: Clone + Send + Sync + 'static>(router: Router<S>, limits: Limits) -> Router<S> {
    harden_but(router, limits, |_| None)
}

/// The same, with another time for requests that take longer by their nature.
pub fn harden_but<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    limits: Limits,
    patience: fn(&Request) -> Option<Duration>,
) -> Router<S> {
    router
        .method_not_allowed_fallback(async || {
            ErrorResponse::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not take this method",
            )
        })
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(from_fn(move |request: Request, next: Next| async move {
            let answer = patience(&request).unwrap_or(limits.answer);
            match tokio::time::timeout(answer, next.run(request)).await {
                Ok(response) => response,
                Err(_) => ErrorResponse::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "timeout",
                    "the answer took too long",
                )
                .into_response(),
            }
        }))
        .layer(CatchPanicLayer::custom(after_panic))
}

fn after_panic(payload: Box<dyn Any + Send>) -> Response<Body> {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    error!(panic = message, "a request handler panicked");
    ErrorResponse::internal().into_response()
}
