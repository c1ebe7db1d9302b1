//! The REST listener: API, OAuth2 and CDN on one origin, and the faults that befall them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};
use splashtail_sandbox_world::journal::{Caller, Record};
use splashtail_sandbox_world::rest::limits::{Bucket, hash};
use splashtail_sandbox_world::rest::{
    self, Actor, OAUTH2_REVOKE, OAUTH2_TOKEN, Request, public_path, routes,
};
use splashtail_sandbox_world::world::Id;
use tokio_util::sync::CancellationToken;

use super::Edge;
use super::http::{BodyError, Cut, truncated};
use super::origin::is_foreign;
use super::struck::{Fate, Refusal, Struck};
use crate::control::routes::meant;
use crate::timer::sleep;
use crate::{cdn, oauth};

/// Ten files of ten mebibytes and what goes with them.
const MAX_UPLOAD: usize = 108 << 20;
/// A picture of ten mebibytes in a `data:` URI and what goes with it.
const MAX_BODY: usize = 16 << 20;

/// RFC 9110 §5.6.7, IMF-fixdate.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

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

    /// Belongs to OAuth2, so that nobody who is blocked gets there; with its limit, if it has one.
    fn oauth2(&self) -> Option<Option<&'static Bucket>> {
        match self {
            Self::Authorize | Self::Authorized => Some(None),
            Self::Token => Some(Some(&OAUTH2_TOKEN)),
            Self::Revoke => Some(Some(&OAUTH2_REVOKE)),
            Self::Api(_) | Self::OldApi | Self::Other => None,
        }
    }
}

/// Answers a request, and says when: by the sandbox's clock, from which the ids in the answer come,
/// too. Clients judge by it how old something is.
pub(super) async fn handle(
    edge: Arc<Edge>,
    request: http::Request<Incoming>,
    peer: IpAddr,
    shutdown: CancellationToken,
) -> Result<Response, Cut> {
    let mut answer = answer(edge.clone(), request, peer, shutdown).await?;
    let date = edge.sandbox.clock.now().format(HTTP_DATE).to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        answer.headers_mut().insert(header::DATE, date);
    }
    Ok(answer)
}

async fn answer(
    edge: Arc<Edge>,
    request: http::Request<Incoming>,
    peer: IpAddr,
    shutdown: CancellationToken,
) -> Result<Response, Cut> {
    let guard = edge.count_request();
    let (parts, body) = request.into_parts();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    // Other sites show pictures from here and send people to the consent page, and that is all.
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !edge.names.are_meant_by(&parts.headers) || (!reads && is_foreign(&parts.headers)) {
        let text = "Pages of other sites are not served here";
        let answer = api_error(StatusCode::FORBIDDEN, &json!({"message": text, "code": 0}));
        note(&edge, &parts, answer.status());
        return Ok(answer);
    }
    let target = Target::of(path);
    let below = match target {
        Target::Api(below) => below,
        _ => path,
    };
    let struck = strikes(&edge, &parts, below);
    if struck.late_ms > 0 {
        let late = Duration::from_millis(struck.late_ms);
        sleep(&edge.sandbox.clock, late).await;
    }
    // As things stand when it answers.
    if let Some(refusal) = struck.refusal {
        let answer = refusal.answer(&edge.sandbox, &parts.method, below);
        edge.sandbox.note_refusal(peer, &answer);
        let mut answer = over_http(answer);
        note(&edge, &parts, answer.status());
        show_bucket(&edge, &mut answer, struck.bucket);
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
                BodyError::NoRoom => {
                    let refusal = Refusal::plain(503);
                    over_http(refusal.answer(&edge.sandbox, &parts.method, below))
                }
            };
            note(&edge, &parts, answer.status());
            return Ok(answer);
        }
    };
    let answer = match target {
        Target::Api(below) => {
            let request = Request {
                method: parts.method.clone(),
                path: below.to_owned(),
                query: query.to_owned(),
                headers: parts.headers.clone(),
                body: bytes,
                address: Some(peer),
            };
            api(&edge, request).await
        }
        Target::OldApi => {
            let body = json!({"message": "Invalid API version", "code": 50041});
            api_error(StatusCode::BAD_REQUEST, &body)
        }
        _ => {
            let answer = match target.oauth2() {
                Some(bucket) => oauth2(&edge, &parts, &target, (query, &bytes[..]), (peer, bucket)),
                None => pages(&edge, &parts, path, query).await,
            };
            note(&edge, &parts, answer.status());
            answer
        }
    };
    spoiled(&edge, answer, struck, guard, shutdown).await
}

async fn api(edge: &Edge, request: Request) -> Response {
    let sender = || caller(edge, &request.headers);
    let slow = edge.sandbox.slowness(sender, &request);
    if slow > 0 {
        sleep(&edge.sandbox.clock, Duration::from_millis(slow)).await;
    }
    let (method, path) = (request.method.clone(), request.path.clone());
    let answer = edge.sandbox.dispatch(Actor::Http, request);
    if answer.route.is_none() && answer.status == 404 {
        let mine = routes().iter().filter(|r| r.method == method);
        let nearest = meant(&path, mine.map(|r| r.template));
        let path = public_path(&path);
        tracing::warn!(%method, path, nearest, "a client asked for an unknown route");
    }
    over_http(answer)
}

fn over_http(answer: rest::Response) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = answer.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    response
}

fn api_error(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Within the limits of the API.
fn oauth2(
    edge: &Edge,
    parts: &http::request::Parts,
    target: &Target<'_>,
    (query, body): (&str, &[u8]),
    (peer, bucket): (IpAddr, Option<&'static Bucket>),
) -> Response {
    let sandbox = &edge.sandbox;
    let stand = match sandbox.admit(peer, bucket) {
        Ok(stand) => stand,
        Err(refused) => return over_http(*refused),
    };
    let mut answer = consents_and_tokens(edge, parts, target, query, body);
    if bucket.is_some() && matches!(answer.status().as_u16(), 401 | 403 | 429) {
        let now = sandbox.clock.steady_ms();
        sandbox.limits.note_invalid(peer, now);
    }
    let set_back_ms = sandbox.clock.set_back_ms();
    for (name, value) in stand.into_iter().flat_map(|s| s.headers(set_back_ms)) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn consents_and_tokens(
    edge: &Edge,
    parts: &http::request::Parts,
    target: &Target<'_>,
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
        _ => {
            let body = json!({"message": "405: Method Not Allowed", "code": 0});
            api_error(StatusCode::METHOD_NOT_ALLOWED, &body)
        }
    }
}

/// What is no API: files, and nothing.
async fn pages(edge: &Edge, parts: &http::request::Parts, path: &str, query: &str) -> Response {
    let found = match parts.method {
        Method::GET | Method::HEAD => cdn::answer(&edge.sandbox, path, query).await,
        _ => None,
    };
    found.unwrap_or_else(not_found)
}

fn not_found() -> Response {
    api_error(
        StatusCode::NOT_FOUND,
        &json!({"message": "404: Not Found", "code": 0}),
    )
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

/// What faults do to this request.
fn strikes(edge: &Edge, parts: &http::request::Parts, path: &str) -> Struck {
    if edge.sandbox.faults.is_empty() {
        return Struck::default();
    }
    let token = caller(edge, &parts.headers).map(|id| id.to_string());
    Struck::draw(&edge.sandbox, &parts.method, path, token.as_deref())
}

/// The application or user of a token.
fn caller(edge: &Edge, headers: &HeaderMap) -> Option<Id> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = given.split_once(' ')?;
    edge.sandbox.with_world(|world| match scheme {
        "Bot" => world.app_by_token(secret).map(|app| app.id),
        "Bearer" => world.grant(secret).map(|grant| grant.user),
        _ => None,
    })
}

/// Lets an answer that tells of its bucket tell of another one.
fn show_bucket(edge: &Edge, answer: &mut Response, bucket: Option<Option<String>>) {
    let key = HeaderName::from_static("x-ratelimit-bucket");
    let Some(name) = bucket else { return };
    if let Some(shown) = answer.headers_mut().get_mut(key) {
        let name = name.unwrap_or_else(|| hash(&edge.sandbox.journal.last().to_string()));
        if let Ok(name) = HeaderValue::from_str(&name) {
            *shown = name;
        }
    }
}

/// Loses or breaks an answer whose request has already had its effect.
async fn spoiled(
    edge: &Edge,
    mut answer: Response,
    struck: Struck,
    guard: super::RequestGuard,
    shutdown: CancellationToken,
) -> Result<Response, Cut> {
    show_bucket(edge, &mut answer, struck.bucket);
    match struck.fate {
        Fate::Arrives => Ok(answer),
        Fate::Reset => Err(Cut),
        Fate::Hangs => {
            // Whoever waits for the sandbox to settle must not wait for this.
            drop(guard);
            shutdown.cancelled().await;
            Err(Cut)
        }
        Fate::Truncated => {
            let (mut head, body) = answer.into_parts();
            let bytes = axum::body::to_bytes(body, usize::MAX);
            let bytes = bytes.await.map_err(|_| Cut)?;
            let length = HeaderValue::from(bytes.len());
            head.headers.insert(header::CONTENT_LENGTH, length);
            Ok(Response::from_parts(head, truncated(bytes)))
        }
    }
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
