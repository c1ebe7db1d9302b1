//! The REST API: one way in for clients over HTTP and for control acts.
//!
//! [`Sandbox::dispatch`] settles, in this order: block, authorisation, rate limit, route, and
//! then lets the operation settle target, access, permission, body and rule. Operations are plain
//! functions on the locked world.

pub mod body;
pub mod caps;
mod cx;
pub mod error;
pub mod form;
mod guild_of_path;
pub mod limits;
mod ops;
pub mod people;
mod routes;
mod slow;
mod window;

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

pub use cx::{Caller, Content, Cx, Reply, public_path};
pub use guild_of_path::guild_in;
pub use ops::LEFT_OUT;
pub use routes::{
    Auth, OAUTH2_REVOKE, OAUTH2_TOKEN, Route, all as routes, bucket_of, find as find_route,
};

use crate::Sandbox;
use crate::journal;
use crate::openapi::Exchange;
use crate::world::{Id, World};
use error::ApiError;

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever the `Authorization` header says.
    Http,
    /// A person using a client: a control act.
    User(Id),
}

/// A request, wherever it comes from.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Below `/api/v10`, starting with `/`, still percent-encoded.
    pub path: String,
    /// Without `?`.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Absent for control acts.
    pub address: Option<IpAddr>,
}

impl Request {
    /// A JSON request of a control act.
    pub fn act(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            headers.insert(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/json"),
            );
            Bytes::from(body.to_string())
        };
        Self {
            method,
            path: path.into(),
            query: String::new(),
            headers,
            body: bytes,
            address: None,
        }
    }

    /// Adds the reason for the audit log.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(reason, percent_encoding::NON_ALPHANUMERIC);
        if let Ok(value) = encoded.to_string().parse() {
            self.headers.insert("x-audit-log-reason", value);
        }
        self
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// Without `Content-Type` and `Content-Length`.
    pub headers: Vec<(&'static str, String)>,
    /// `None` together with an empty body.
    pub content_type: Option<&'static str>,
    pub body: Bytes,
    /// Template of the route, when there is one.
    pub route: Option<&'static str>,
    /// Operation id of the description.
    pub operation: Option<&'static str>,
    /// Public name of the bucket.
    pub bucket: Option<String>,
    /// JSON error code.
    pub code: Option<i64>,
    pub caller: journal::Caller,
}

impl Response {
    /// The body as JSON; null when there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What the edge says to a blocked address: the same for everyone, so without a time.
const BLOCKED: &str = "You are being blocked from accessing our API temporarily due to exceeding our rate limits frequently.";
/// Every answer of the API itself, and none of the edge before it, has passed here. discord.py
/// takes a 429 without it for a ban.
pub const VIA: (&str, &str) = ("Via", "1.1 google");

struct Outcome {
    result: Result<Reply, ApiError>,
    stand: Option<limits::Stand>,
    caller: journal::Caller,
    /// The edge answered before the API was reached: its answers are in no description.
    by_edge: bool,
}

impl Sandbox {
    /// Runs one request to its end: the only way in.
    pub fn dispatch(&self, actor: Actor, request: Request) -> Response {
        let route = routes::find(&request.method, &request.path);
        let body = body::read(&request.headers, &request.body);
        let outcome = self.with_world(|world| self.settle(world, actor, &request, &route, body));
        let by_edge = outcome.by_edge;
        let route = route.as_ref().ok().map(|(r, _)| *r);
        let response = respond(outcome, route, self.clock.set_back_ms());
        if let Some(address) = request.address {
            self.note_refusal(address, &response);
        }
        self.record(&request, &response);
        if !by_edge {
            self.judge(&request, &response);
        }
        response
    }

    /// Counts an answer to an address towards its block, if it is one of those that count. An answer
    /// that was [dispatched](Self::dispatch) is counted already.
    pub fn note_refusal(&self, address: IpAddr, answer: &Response) {
        let shared = ("X-RateLimit-Scope", "shared");
        let is_shared = |(name, value): &(&str, String)| (*name, value.as_str()) == shared;
        if matches!(answer.status, 401 | 403 | 429) && !answer.headers.iter().any(is_shared) {
            self.limits.note_invalid(address, self.clock.steady_ms());
        }
    }

    /// Whether a request of OAuth2, for which there is no route, may come in: where it has a limit, how
    /// that stands, and otherwise what it is told instead. The pages of OAuth2 have none, but nobody
    /// who is blocked sees them.
    ///
    /// # Errors
    /// What is answered. It is counted already.
    pub fn admit(
        &self,
        address: IpAddr,
        bucket: Option<&limits::Bucket>,
    ) -> Result<Option<limits::Stand>, Box<Response>> {
        let now = self.clock.steady_ms();
        let name = address.to_string();
        let (stand, admitted) = if self.limits.blocked(address, now) {
            (None, Err(blocked()))
        } else if let Some(bucket) = bucket {
            match self.limits.global(&name, now) {
                Ok(()) => self.limits.take(&name, bucket, "", now),
                Err(error) => (None, Err(error)),
            }
        } else {
            (None, Ok(()))
        };
        let Err(error) = admitted else {
            return Ok(stand);
        };
        let outcome = Outcome {
            result: Err(error),
            stand,
            caller: journal::Caller {
                kind: "none".into(),
                id: None,
            },
            by_edge: true,
        };
        let answer = respond(outcome, None, self.clock.set_back_ms());
        self.note_refusal(address, &answer);
        Err(Box::new(answer))
    }

    fn settle(
        &self,
        world: &mut World,
        actor: Actor,
        request: &Request,
        route: &Result<routes::Found, ApiError>,
        body: Result<body::Body, ApiError>,
    ) -> Outcome {
        let now = self.clock.steady_ms();
        let mut outcome = Outcome {
            result: Err(ApiError::unauthorized()),
            stand: None,
            caller: journal::Caller {
                kind: "none".into(),
                id: None,
            },
            by_edge: false,
        };
        if request.address.is_some_and(|a| self.limits.blocked(a, now)) {
            outcome.by_edge = true;
            outcome.result = Err(blocked());
            return outcome;
        }
        if actor == Actor::Http && !cx::acceptable_agent(&request.headers) {
            outcome.result = Err(error::BAD_USER_AGENT.into());
            return outcome;
        }
        let needed = route.as_ref().map_or(Auth::Bot, |(r, _)| r.auth);
        let caller = match Caller::identify(world, actor, &request.headers, needed) {
            Ok(caller) => caller,
            Err(error) => {
                outcome.result = Err(error);
                return outcome;
            }
        };
        outcome.caller = caller.journal();
        let name = caller.limit_key(request.address);
        let limited = !matches!(caller, Caller::User(_)) || self.limits.rules().users;
        let exempt = route
            .as_ref()
            .is_ok_and(|(r, params)| cx::is_exempt(world, r, params));
        if limited
            && !exempt
            && let Err(error) = self.limits.global(&name, now)
        {
            outcome.result = Err(error);
            return outcome;
        }
        let (route, params) = match route {
            Ok(found) => found,
            Err(error) => {
                outcome.result = Err(error.clone());
                return outcome;
            }
        };
        if limited && !(exempt && route.operation == "create_interaction_response") {
            let (bucket, major) = routes::bucket_of(route, params, self.clock.now_ms());
            let (stand, taken) = self.limits.take(&name, &bucket, &major, now);
            outcome.stand = stand;
            if let Err(error) = taken {
                outcome.result = Err(error);
                return outcome;
            }
        }
        if let Some(down) = outage(world, &request.path) {
            outcome.by_edge = true;
            outcome.result = Err(down);
            return outcome;
        }
        let mut cx = Cx::new(
            world,
            &self.limits,
            caller,
            route,
            params.clone(),
            request,
            body,
        );
        outcome.result = cx.run();
        outcome.by_edge = outcome.result.as_ref().is_err_and(|e| e.status >= 500);
        outcome
    }

    fn record(&self, request: &Request, response: &Response) {
        let reason = request
            .headers
            .get("x-audit-log-reason")
            .and_then(|v| v.to_str().ok());
        let reason = reason.map(|r| {
            percent_encoding::percent_decode_str(r)
                .decode_utf8_lossy()
                .into_owned()
        });
        self.journal.record(
            self.clock.now_ms(),
            journal::Record::Request {
                caller: response.caller.clone(),
                method: request.method.to_string(),
                path: cx::public_path(&request.path),
                route: response.route.map(Into::into),
                status: response.status,
                bucket: response.bucket.clone(),
                code: response.code,
                reason,
                digest: self.journal.digest_of(|| request.body.to_vec()),
            },
        );
    }

    /// Holds the exchange against the description.
    fn judge(&self, request: &Request, response: &Response) {
        let Some(checker) = self.checker.get() else {
            return;
        };
        let header = |name| request.headers.get(name).and_then(|v| v.to_str().ok());
        checker.submit(Exchange {
            method: request.method.to_string(),
            sender: request.address.map(|_| {
                header(http::header::USER_AGENT)
                    .unwrap_or_default()
                    .to_owned()
            }),
            path: request.path.clone(),
            query: request.query.clone(),
            content_type: header(http::header::CONTENT_TYPE)
                .unwrap_or_default()
                .to_owned(),
            request: request.body.clone(),
            status: response.status,
            response_type: response.content_type.unwrap_or_default().to_owned(),
            response: response.body.clone(),
        });
    }
}

/// What whoever asks about a guild is told while that is down: it will pass.
fn outage(world: &World, path: &str) -> Option<ApiError> {
    let guild = guild_in(world, path)?;
    let down = world.guilds.get(&guild).is_some_and(|g| g.unavailable);
    down.then(|| outage_error(world))
}

fn outage_error(world: &World) -> ApiError {
    ApiError::unavailable(world.conduct.outage_status)
}

/// What a blocked address is told.
pub fn blocked() -> ApiError {
    ApiError::new(429, 0, BLOCKED)
}

fn respond(outcome: Outcome, route: Option<&'static Route>, set_back_ms: i64) -> Response {
    let mut headers = Vec::new();
    let (status, body, code, retry) = match outcome.result {
        Ok(reply) => (reply.status, reply.body.map(Content::into_text), None, None),
        Err(error) => {
            let text = error.json().to_string();
            (error.status, Some(text), Some(error.code), error.retry)
        }
    };
    if let Some(stand) = outcome
        .stand
        .as_ref()
        .filter(|_| retry.as_ref().is_none_or(|r| !r.global))
    {
        headers.extend(stand.headers(set_back_ms));
    }
    if let Some(retry) = retry {
        headers.push((VIA.0, VIA.1.to_owned()));
        headers.push((
            "Retry-After",
            (retry.after_ms.max(1) as u64).div_ceil(1000).to_string(),
        ));
        headers.push(("X-RateLimit-Scope", retry.scope.to_owned()));
        if retry.global {
            headers.push(("X-RateLimit-Global", "true".to_owned()));
        }
    }
    let content_type = body.as_ref().map(|_| "application/json");
    Response {
        status,
        headers,
        content_type,
        body: body.map(Bytes::from).unwrap_or_default(),
        route: route.map(|r| r.template),
        operation: route.map(|r| r.operation),
        bucket: outcome.stand.map(|s| s.bucket),
        code,
        caller: outcome.caller,
    }
}
