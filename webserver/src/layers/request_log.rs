//! One log line and one measurement per request, and the id that connects a line to an answer.

use std::borrow::Cow;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, Uri};
use metrics::{counter, histogram};
use tracing::{Instrument, debug, info, info_span};
use uuid::Uuid;

use crate::app::AppState;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Query values that open something.
const SECRET_PARAMETERS: [&str; 6] = ["ioauth", "code", "rd", "state", "sig", "token"];

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request that this task answers.
pub fn current_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// The id is always ours: one sent by the client could imitate another line of the log.
pub async fn record(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().simple().to_string();
    let method = request.method().clone();
    let target = redacted(request.uri());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "site".to_owned(), |path| path.as_str().to_owned());
    let span = info_span!("http.request", request.id = id, method = %method, target);
    let started = app.clock.monotonic();
    let mut response = REQUEST_ID
        .scope(id.clone(), next.run(request))
        .instrument(span.clone())
        .await;
    let took = app.clock.monotonic().saturating_sub(started);

    let status = response.status();
    let wait_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let quiet = status.is_success() && (method == Method::GET || method == Method::HEAD);
    span.in_scope(|| {
        if quiet {
            debug!(status = status.as_u16(), wait_ms, "request answered");
        } else {
            info!(status = status.as_u16(), wait_ms, "request answered");
        }
    });
    let labels = [
        ("method", method_label(&method).to_owned()),
        ("route", route),
        ("status", status.as_u16().to_string()),
    ];
    counter!("http_requests_total", &labels).increment(1);
    histogram!("http_request_duration_seconds", &labels[..2]).record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// A method is any word that a client likes, and every value of a label is a series for ever.
fn method_label(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// Path and query without the values of secret parameters.
fn redacted(uri: &Uri) -> String {
    let Some(query) = uri.query() else {
        return uri.path().to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name) => Cow::Owned(format!("{name}=…")),
        _ => Cow::Borrowed(pair),
    });
    format!("{}?{}", uri.path(), pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_open_something_are_not_logged() {
        let uri = "/ioauth/login?code=abc&state=def&page=2&flag"
            .parse()
            .unwrap();
        assert_eq!(redacted(&uri), "/ioauth/login?code=…&state=…&page=2&flag");
        let uri = "/tasks/1/output?exp=5&sig=abc".parse().unwrap();
        assert_eq!(redacted(&uri), "/tasks/1/output?exp=5&sig=…");
        assert_eq!(redacted(&"/x".parse().unwrap()), "/x");
    }
}
