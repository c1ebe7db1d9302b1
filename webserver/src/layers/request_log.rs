//! One log line and one measurement per request, and the id that connects a line to an answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, Uri};
use metrics::{Counter, Histogram, counter, histogram};
use tracing::{Instrument, debug, info, info_span};
use uuid::Uuid;

use crate::app::AppState;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Query values that open something.
const SECRET_PARAMETERS: [&str; 6] = ["ioauth", "code", "rd", "state", "sig", "token"];

tokio::task_local! {
    static REQUEST_ID: Uuid;
}

/// The id of the request that this task answers.
pub fn current_id() -> Option<String> {
    let id = REQUEST_ID.try_with(|id| *id).ok()?;
    Some(id.simple().to_string())
}

/// The id is always ours: one sent by the client could imitate another line of the log.
pub async fn record(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let id = Uuid::new_v4();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = {
        let (id, target) = (id.simple(), redacted(request.uri()));
        info_span!("http.request", request.id = %id, method = %method, target = %target)
    };
    let started = app.clock.monotonic();
    let mut response = REQUEST_ID
        .scope(id, next.run(request))
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
    let route = route.as_ref().map_or(SITE, MatchedPath::as_str);
    let meters = app.meters.of(method_label(&method), route, status.as_u16());
    meters.requests.increment(1);
    meters.duration.record(took.as_secs_f64());
    let mut digits = Uuid::encode_buffer();
    let id = id.simple().encode_lower(&mut digits);
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// What is no operation of the API.
const SITE: &str = "site";

/// The series of what was asked for so far, so that none is looked for by its labels again. There are
/// as many as operations, with the statuses that each answers.
#[derive(Default)]
pub struct RequestMeters(RwLock<HashMap<(&'static str, u16), Routes>>);

/// What was asked for with one method and answered with one status, by route.
type Routes = BTreeMap<String, Meters>;

#[derive(Clone)]
struct Meters {
    requests: Counter,
    duration: Histogram,
}

impl RequestMeters {
    fn of(&self, method: &'static str, route: &str, status: u16) -> Meters {
        {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let meters = known.get(&(method, status));
            if let Some(meters) = meters.and_then(|routes| routes.get(route)) {
                return meters.clone();
            }
        }
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        let meters = Meters {
            requests: counter!("http_requests_total", &labels),
            duration: histogram!("http_request_duration_seconds", &labels[..2]),
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let routes = known.entry((method, status)).or_default();
        routes.insert(route.to_owned(), meters.clone());
        meters
    }
}

impl std::fmt::Debug for RequestMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestMeters").finish_non_exhaustive()
    }
}

/// A method is any word that a client likes, and every value of a label is a series for ever.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Path and query without the values of secret parameters.
fn redacted(uri: &Uri) -> Cow<'_, str> {
    let Some(query) = uri.query() else {
        return uri.path().into();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name) => Cow::Owned(format!("{name}=…")),
        _ => Cow::Borrowed(pair),
    });
    format!("{}?{}", uri.path(), pairs.collect::<Vec<_>>().join("&")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_open_something_are_not_logged() {
        let uri: Uri = "/ioauth/login?code=abc&state=def&page=2&flag"
            .parse()
            .unwrap();
        assert_eq!(redacted(&uri), "/ioauth/login?code=…&state=…&page=2&flag");
        let uri: Uri = "/tasks/1/output?exp=5&sig=abc".parse().unwrap();
        assert_eq!(redacted(&uri), "/tasks/1/output?exp=5&sig=…");
        assert_eq!(redacted(&"/x".parse::<Uri>().unwrap()), "/x");
    }
}
