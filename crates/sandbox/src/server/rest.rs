//! The REST listener: API, OAuth2 and CDN on one origin, and the faults that befall them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use splashtail_sandbox_world::faults::{Action, later};
use splashtail_sandbox_world::journal::{Caller, Record};
use splashtail_sandbox_world::rest::limits::{Stand, hash};
use splashtail_sandbox_world::rest::{Actor, Request, bucket_of, find_route, public_path, routes};
use tokio_util::sync::CancellationToken;

use super::Edge;
use super::http::{BodyError, Cut, truncated};
use super::struck::{DEFAULT_WAIT, api_error, blocked, injected, insert_all, strikes_on};
use crate::control::routes::meant;
use crate::timer::sleep;
use crate::{cdn, oauth};

/// Ten files of ten mebibytes and what goes with them.
const MAX_UPLOAD: usize = 108 << 20;
/// A picture of ten mebibytes in a `data:` URI and what goes with it.
const MAX_BODY: usize = 16 << 20;

/// What a path of this listener is.
enum Target<'a> {
    /// Below `/api/v10`.
    Api(&'a str),
    OldApi,
    Authorize,
    Authorized,
    Token,
    Revoke,
    Other,
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Self {
        match path {
            "/oauth2/authorize" | "/api/oauth2/authorize" => return Self::Authorize,
            "/oauth2/authorized" => return Self::Authorized,
            _ => {}
        }
        let Some(below) = path.strip_prefix("/api") else {
            return Self::Other;
        };
        let below = match below.strip_prefix("/v") {
            Some(rest) => match rest.split_once('/') {
                Some(("9" | "10", _)) => &rest[rest.find('/').unwrap_or(rest.len())..],
                Some((version, _)) if version.bytes().all(|b| b.is_ascii_digit()) => {
                    return Self::OldApi;
                }
                _ => below,
            },
            None => below,
        };
        match below {
            "/oauth2/token" => Self::Token,
            "/oauth2/token/revoke" => Self::Revoke,
            _ => Self::Api(below),
        }
    }
}

pub(super) async fn handle(
    edge: Arc<Edge>,
    request: http::Request<Incoming>,
    peer: IpAddr,
    shutdown: CancellationToken,
) -> Result<Response, Cut> {
    let guard = edge.count_request();
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let target = Target::of(path);
    let struck = strikes(&edge, &parts, &target);
    let mut spoil = Vec::new();
    let mut late_ms = 0;
    let mut refusal = None;
    for action in struck {
        match action {
            Action::Status { .. } | Action::BlockIp => {
                refusal = Some(action);
                break;
            }
            Action::Latency { ms } => late_ms = later(late_ms, ms),
            other => spoil.push(other),
        }
    }
    if late_ms > 0 {
        sleep(&edge.sandbox.clock, Duration::from_millis(late_ms)).await;
    }
    // As things stand when it answers.
    if let Some(answer) = refusal.and_then(|action| refused(&edge, &parts, &target, action)) {
        note(&edge, &parts, answer.status());
        return Ok(answer);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let limit = match kind.map(HeaderValue::as_bytes) {
        Some(kind) if kind.starts_with(b"multipart/") => MAX_UPLOAD,
        _ => MAX_BODY,
    };
    let (bytes, _room) = match edge.room.read(body, limit).await {
        Ok(read) => read,
        Err(error) => {
            tracing::debug!(%error, "a request was refused");
            let answer = match error {
                BodyError::Broken => return Err(Cut),
                BodyError::TooLarge(_) => api_error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &json!({"message": "Request entity too large", "code": 40005}),
                ),
                BodyError::NoRoom => injected(503, None, None, false, None, None),
            };
            let answer = answer.map(Body::from);
            note(&edge, &parts, answer.status());
            return Ok(answer);
        }
    };
    if let Target::Api(below) = target {
        let slow = edge.sandbox.slowness(&parts.method, below);
        if slow > 0 {
            sleep(&edge.sandbox.clock, Duration::from_millis(slow)).await;
        }
    }
    let answer = match target {
        Target::Api(below) => api(&edge, &parts, below, query, bytes, peer),
        Target::OldApi => {
            let body = json!({"message": "Invalid API version", "code": 50041});
            api_error(StatusCode::BAD_REQUEST, &body).map(Body::from)
        }
        _ => {
            let answer = pages(&edge, &parts, &target, path, query, &bytes).await;
            note(&edge, &parts, answer.status());
            answer
        }
    };
    spoiled(&edge, answer, &spoil, guard, shutdown).await
}

fn api(
    edge: &Edge,
    parts: &http::request::Parts,
    path: &str,
    query: &str,
    body: Bytes,
    peer: IpAddr,
) -> Response {
    let request = Request {
        method: parts.method.clone(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: parts.headers.clone(),
        body,
        address: Some(peer),
    };
    let answer = edge.sandbox.dispatch(Actor::Http, request);
    if answer.route.is_none() && answer.status == 404 {
        let mine = routes().iter().filter(|r| r.method == parts.method);
        let nearest = meant(path, mine.map(|r| r.template));
        let path = public_path(path);
        tracing::warn!(method = %parts.method, path, nearest, "a client asked for an unknown route");
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = answer.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    insert_all(headers, answer.headers);
    response
}

async fn pages(
    edge: &Edge,
    parts: &http::request::Parts,
    target: &Target<'_>,
    path: &str,
    query: &str,
    body: &[u8],
) -> Response {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let authorization = text(header::AUTHORIZATION);
    let (sandbox, grants) = (&edge.sandbox, &edge.grants);
    match (target, &parts.method) {
        (Target::Authorize, &Method::GET) => {
            let visitor = edge.visitor();
            sandbox.with_world(|world| oauth::page(world, grants, query, visitor))
        }
        (Target::Authorize, &Method::POST) => {
            sandbox.with_world(|world| oauth::consent_form(world, grants, query, body))
        }
        (Target::Authorized, &Method::GET) => oauth::authorized(),
        (Target::Token, &Method::POST) => {
            sandbox.with_world(|world| oauth::exchange(world, grants, kind, authorization, body))
        }
        (Target::Revoke, &Method::POST) => {
            sandbox.with_world(|world| oauth::revoke(world, grants, kind, authorization, body))
        }
        (Target::Other, &Method::GET | &Method::HEAD) => {
            match cdn::answer(sandbox, path, query).await {
                Some(answer) => answer,
                None => not_found(),
            }
        }
        (Target::Other, _) => not_found(),
        _ => {
            let body = json!({"message": "405: Method Not Allowed", "code": 0});
            api_error(StatusCode::METHOD_NOT_ALLOWED, &body).map(Body::from)
        }
    }
}

fn not_found() -> Response {
    api_error(
        StatusCode::NOT_FOUND,
        &json!({"message": "404: Not Found", "code": 0}),
    )
    .map(Body::from)
}

/// Journals what does not go through the dispatcher.
fn note(edge: &Edge, parts: &http::request::Parts, status: StatusCode) {
    edge.note(Record::Request {
        caller: Caller {
            kind: "none".into(),
            id: None,
        },
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        route: None,
        status: status.as_u16(),
        bucket: None,
        code: None,
        reason: None,
        digest: None,
    });
}

/// The faults that strike this request.
fn strikes(edge: &Edge, parts: &http::request::Parts, target: &Target<'_>) -> Vec<Action> {
    if edge.sandbox.faults.is_empty() {
        return Vec::new();
    }
    let path = match target {
        Target::Api(below) => below,
        _ => parts.uri.path(),
    };
    let token = caller(edge, &parts.headers);
    strikes_on(&edge.sandbox, &parts.method, path, token.as_deref())
}

fn caller(edge: &Edge, headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = given.split_once(' ')?;
    edge.sandbox.with_world(|world| match scheme {
        "Bot" => world.app_by_token(secret).map(|app| app.id.to_string()),
        "Bearer" => world.grant(secret).map(|grant| grant.user.to_string()),
        _ => None,
    })
}

/// The answer of a fault that refuses.
fn refused(
    edge: &Edge,
    parts: &http::request::Parts,
    target: &Target<'_>,
    action: Action,
) -> Option<Response> {
    match action {
        Action::Status {
            status,
            scope,
            retry_after,
            header_retry_after,
            html,
            body,
        } => {
            let stand = stand(edge, parts, target, retry_after);
            let answer = injected(status, scope.as_deref(), retry_after, html, body, stand);
            let mut answer = answer.map(Body::from);
            if let Some(seconds) = header_retry_after {
                let headers = answer.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Some(answer)
        }
        Action::BlockIp => Some(blocked().map(Body::from)),
        _ => None,
    }
}

/// How a made-up 429 says that the route's limit stands.
fn stand(
    edge: &Edge,
    parts: &http::request::Parts,
    target: &Target<'_>,
    wait: Option<f64>,
) -> Option<Stand> {
    let Target::Api(below) = target else {
        return None;
    };
    let (route, parameters) = find_route(&parts.method, below).ok()?;
    let now = edge.sandbox.clock.now_ms();
    let (bucket, _) = bucket_of(route, &parameters, now);
    let wait_ms = (wait.unwrap_or(DEFAULT_WAIT) * 1000.0).max(0.0) as i64;
    Some(Stand::spent(&bucket, wait_ms, now))
}

/// Loses or breaks an answer whose request has already had its effect.
async fn spoiled(
    edge: &Edge,
    answer: Response,
    actions: &[Action],
    guard: super::RequestGuard,
    shutdown: CancellationToken,
) -> Result<Response, Cut> {
    let mut answer = answer;
    for action in actions {
        match action {
            Action::Bucket { name } => {
                let headers = answer.headers_mut();
                let shown = match name {
                    Some(name) => name.clone(),
                    None => hash(&edge.sandbox.journal.last().to_string()),
                };
                let key = HeaderName::from_static("x-ratelimit-bucket");
                if headers.contains_key(&key)
                    && let Ok(value) = HeaderValue::from_str(&shown)
                {
                    headers.insert(key, value);
                }
            }
            Action::Reset => return Err(Cut),
            Action::Hang => {
                // Whoever waits for the sandbox to settle must not wait for this.
                drop(guard);
                shutdown.cancelled().await;
                return Err(Cut);
            }
            Action::Truncate => {
                let (mut head, body) = answer.into_parts();
                let bytes = axum::body::to_bytes(body, usize::MAX)
                    .await
                    .map_err(|_| Cut)?;
                head.headers
                    .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                answer = Response::from_parts(head, truncated(bytes));
            }
            _ => {}
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_optional_and_old_ones_refused() {
        let below = |path| match Target::of(path) {
            Target::Api(below) => below.to_owned(),
            Target::OldApi => "old".to_owned(),
            Target::Token => "token".to_owned(),
            _ => "other".to_owned(),
        };
        assert_eq!(below("/api/v10/gateway"), "/gateway");
        assert_eq!(below("/api/v9/users/@me"), "/users/@me");
        assert_eq!(below("/api/gateway"), "/gateway");
        assert_eq!(below("/api/voice/regions"), "/voice/regions");
        assert_eq!(below("/api/v6/gateway"), "old");
        assert_eq!(below("/api/v10/oauth2/token"), "token");
        assert_eq!(below("/api/oauth2/token"), "token");
        assert_eq!(below("/icons/1/a.png"), "other");
    }
}
