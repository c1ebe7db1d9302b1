//! Server-sent events as every stream of the web API sends them.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use http::{HeaderName, HeaderValue};

/// Between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// nginx gathers an answer until a buffer is full, unless the answer says otherwise.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer that tells `events` while they happen, also through a reverse proxy.
pub fn stream<S>(events: S) -> Response
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    let kept = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let mut response = kept.into_response();
    let headers = response.headers_mut();
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}
