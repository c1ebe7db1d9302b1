//! The control API: act as any user, move the clock, break things, and watch.
//!
//! It has a listener of its own and asks for no authorisation, so it belongs on a loopback
//! address and refuses calls that a foreign web page makes a browser send. Acts of users go
//! through the dispatcher of the REST API: permissions, audit entries, limits and events follow
//! from the same code.

pub mod acts;
pub mod client;
mod clock;
mod commands;
mod consent;
mod create;
mod drills;
mod faults;
mod happen;
mod interact;
mod limits;
mod lists;
pub mod page;
pub(crate) mod routes;
pub mod types;
mod usable;
mod view;
mod watch;
mod worlds;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::rest::Response as Answered;
use splashtail_sandbox_world::world::Id;
use tokio_util::sync::CancellationToken;

use page::Page;
pub use routes::calls;

use crate::server::Edge;
use crate::server::http::BODY_TIME;
use crate::server::origin::{is_foreign, is_loopback};

/// Largest body of a control call: a file of ten mebibytes travels in it as base64.
const MAX_BODY: usize = 16 << 20;

/// What every handler works with.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) edge: Arc<Edge>,
    pub(crate) shutdown: CancellationToken,
}

impl Control {
    /// Journals a call that changes something.
    fn note(&self, act: &str, detail: Value) {
        let act = act.to_owned();
        self.edge.note(Record::Control { act, detail });
    }
}

/// A refused call.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    context: Value,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            context: Value::Null,
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what} {id}"),
        )
    }

    /// A fault answered what a person sent.
    pub(crate) fn struck(answer: &Answered) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let message = format!("a fault answered with {status}");
        Self::new(status, "struck", message).with(answer.json())
    }

    /// A fault kept back what a person would have been told.
    pub(crate) fn unheard() -> Self {
        let message = "a fault kept the answer back; what was asked for may have happened";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "no_answer", message)
    }

    pub(crate) fn with(mut self, context: Value) -> Self {
        self.context = context;
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = json!({"code": self.code, "message": self.message});
        if !self.context.is_null() {
            body["context"] = self.context;
        }
        (self.status, Json(body)).into_response()
    }
}

/// A JSON body; one that does not fit is answered in the API's own error shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let refuse = |e: axum::extract::rejection::JsonRejection| {
            Failure::new(e.status(), "bad_request", e.body_text())
        };
        let read = Json::<T>::from_request(request, state);
        let Ok(read) = tokio::time::timeout(BODY_TIME, read).await else {
            let message = "the body came too slowly";
            return Err(Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                message,
            ));
        };
        let Json(value) = read.map_err(refuse)?;
        Ok(Self(value))
    }
}

/// The parameters of an address, refused like [`Body`].
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(value)| Self(value))
            .map_err(|error| Failure::bad(error.body_text()))
    }
}

pub(crate) type Answer<T = Value> = Result<Json<T>, Failure>;

/// All routes of the control listener.
pub(crate) fn router(edge: Arc<Edge>, page: Page, shutdown: CancellationToken) -> Router {
    let pictures = edge
        .sandbox
        .with_world(|world| world.addresses.rest.clone());
    let page = Arc::new(page);
    let file = move |method: Method, uri: Uri, headers: HeaderMap| {
        std::future::ready(page.answer(&method, &uri, &headers, &pictures))
    };
    let ready = Router::new().route("/readyz", get(|| async { "ready\n" }));
    routes::routes()
        .into_iter()
        .fold(ready, |router, call| router.route(call.path, call.handler))
        .route(
            "/ctl/{*rest}",
            any(|uri: Uri| async move { routes::unknown(uri.path()) }),
        )
        .fallback(file)
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            let message = format!("{} does not take {method}", uri.path());
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(own_calls_only))
        .with_state(Control { edge, shutdown })
}

/// Web pages of other origins may not steer the sandbox through a visitor's browser, not even
/// with a host name that resolves to loopback.
async fn own_calls_only(request: Request, next: Next) -> Response {
    // The page itself may be linked to from anywhere.
    let call = request.uri().path().starts_with("/ctl");
    if is_own(request.headers(), call) {
        return next.run(request).await;
    }
    Failure::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "calls from other sites are refused",
    )
    .into_response()
}

/// Pictures and links of other pages name no origin: of a `call`, what the browser says of their site
/// counts, too.
fn is_own(headers: &HeaderMap, call: bool) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|v: &HeaderValue| v.to_str().ok())
    };
    let Some(host) = text(header::HOST) else {
        return false;
    };
    if !is_loopback(host) || (call && is_foreign(headers)) {
        return false;
    }
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => origin.strip_prefix("http://") == Some(host),
    }
}

/// Reads an id of a path or body.
pub(crate) fn id(text: &str) -> Result<Id, Failure> {
    let id = text.parse().ok().filter(|id: &Id| id.0 != 0);
    id.ok_or_else(|| Failure::bad(format!("`{text}` is not an id")))
}

/// A user that exists.
pub(crate) fn known_user(edge: &Edge, text: &str) -> Result<Id, Failure> {
    let user = id(text)?;
    let known = edge
        .sandbox
        .with_world(|world| world.users.contains_key(&user));
    if known {
        Ok(user)
    } else {
        Err(Failure::missing("user", text))
    }
}

/// `State`, spelled once.
pub(crate) type Ctl = State<Control>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_refused() {
        let own = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_own(&headers, true)
        };
        assert!(own("127.0.0.1:4402", None));
        assert!(own("localhost:4402", Some("http://localhost:4402")));
        assert!(own("[::1]:4402", None));
        assert!(!own("127.0.0.1:4402", Some("http://evil.test")));
        assert!(!own("127.0.0.1:4402", Some("http://127.0.0.1:8081")));
        assert!(!own("rebound.test:4402", None));
    }

    #[test]
    fn pictures_on_foreign_pages_call_nothing() {
        let own = |site: &str, call| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:4402".parse().unwrap());
            headers.insert("sec-fetch-site", site.parse().unwrap());
            is_own(&headers, call)
        };
        assert!(own("same-origin", true) && own("none", true));
        assert!(!own("cross-site", true) && !own("same-site", true));
        assert!(own("cross-site", false), "a link to the page");
    }
}
