//! What faults do to requests: over the network, and those of people and attackers, who have no
//! connection that could be cut.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::faults::{Action, Facts, later};
use splashtail_sandbox_world::journal::Caller;
use splashtail_sandbox_world::rest::limits::Stand;
use splashtail_sandbox_world::rest::{Actor, Request, Response, VIA, find_route};
use splashtail_sandbox_world::world::{Id, World};

use super::Edge;
use crate::timer::sleep;

/// Seconds to wait that a 429 of a fault names when the rule does not.
pub(super) const DEFAULT_WAIT: f64 = 1.0;

const BLOCKED: &str = "<!DOCTYPE html>\n<title>Access denied</title>\n<h1>Access denied</h1>\n";

/// What befalls a request that did not come over the network.
#[derive(Debug, Default)]
pub(crate) struct Struck {
    /// Milliseconds of the sandbox's clock that it takes, faults and what is slow by itself.
    pub late_ms: u64,
    /// What is answered instead of running it.
    pub answer: Option<Response>,
    /// It runs, and nobody learns what came of it.
    pub kept_back: bool,
    /// And the connection stays open, so that whoever sent it goes on waiting.
    pub hangs: bool,
}

impl Struck {
    /// Draws what befalls `request` of the user or application `caller`.
    pub fn draw(sandbox: &Sandbox, caller: Option<Id>, request: &Request) -> Self {
        let token = caller.map(|id| id.to_string());
        let mut struck = Self::default();
        for action in strikes_on(sandbox, &request.method, &request.path, token.as_deref()) {
            match action {
                Action::Status {
                    status,
                    scope,
                    retry_after,
                    html,
                    body,
                    ..
                } => {
                    let answer = injected(status, scope.as_deref(), retry_after, html, body, None);
                    return Self::answered(struck.late_ms, spoken(answer, caller));
                }
                Action::BlockIp => {
                    return Self::answered(struck.late_ms, spoken(blocked(), caller));
                }
                Action::Latency { ms } => struck.late_ms = later(struck.late_ms, ms),
                Action::Hang => (struck.kept_back, struck.hangs) = (true, true),
                Action::Reset | Action::Truncate => struck.kept_back = true,
                _ => {}
            }
        }
        let slow = sandbox.slowness(&request.method, &request.path);
        struck.late_ms = later(struck.late_ms, slow);
        struck
    }

    /// The answer arrives, whatever other rules would have done to that of the request.
    fn answered(late_ms: u64, answer: Response) -> Self {
        Self {
            late_ms,
            answer: Some(answer),
            ..Self::default()
        }
    }
}

/// What a client sends when its user joins a server that lets everyone in.
pub(crate) fn joining(guild: Id) -> Request {
    let path = format!("/guilds/{guild}/members/@me");
    Request::act(Method::PUT, path, &Value::Null)
}

impl Edge {
    /// Does what a person clicks, for which bots have no request: faults strike it as they strike
    /// the `request` that a client would send. `None` when a fault keeps the answer back.
    pub(crate) async fn click_as<T>(
        &self,
        user: Id,
        request: &Request,
        click: impl FnOnce() -> T,
    ) -> Option<Result<T, Response>> {
        let struck = Struck::draw(&self.sandbox, Some(user), request);
        if struck.late_ms > 0 {
            sleep(&self.sandbox.clock, Duration::from_millis(struck.late_ms)).await;
        }
        if let Some(answer) = struck.answer {
            return Some(Err(answer));
        }
        let done = click();
        (!struck.kept_back).then_some(Ok(done))
    }

    /// Sends a request of a person in a client: faults strike it like any other, and what is slow
    /// is slow. `None` when a fault keeps the answer back; the request may have had its effect.
    pub(crate) async fn request_as(&self, user: Id, request: Request) -> Option<Response> {
        let struck = Struck::draw(&self.sandbox, Some(user), &request);
        if struck.late_ms > 0 {
            sleep(&self.sandbox.clock, Duration::from_millis(struck.late_ms)).await;
        }
        if struck.answer.is_some() {
            return struck.answer;
        }
        let answer = self.sandbox.dispatch(Actor::User(user), request);
        (!struck.kept_back).then_some(answer)
    }
}

/// What a fault says to someone who sent no HTTP.
fn spoken(answer: http::Response<Bytes>, caller: Option<Id>) -> Response {
    let kind = if caller.is_some() { "user" } else { "none" };
    Response {
        status: answer.status().as_u16(),
        headers: Vec::new(),
        content_type: None,
        body: answer.into_body(),
        route: None,
        operation: None,
        bucket: None,
        code: None,
        caller: Caller {
            kind: kind.into(),
            id: caller.map(|id| id.to_string()),
        },
    }
}

/// The page that a blocked address gets.
pub(super) fn blocked() -> http::Response<Bytes> {
    page(StatusCode::FORBIDDEN, BLOCKED.to_owned())
}

/// The faults that strike a request of whoever has this application or user id.
pub(super) fn strikes_on(
    sandbox: &Sandbox,
    method: &Method,
    path: &str,
    token: Option<&str>,
) -> Vec<Action> {
    if sandbox.faults.is_empty() {
        return Vec::new();
    }
    let found = find_route(method, path).ok();
    let parameter = |wanted: &str| {
        let (_, parameters) = found.as_ref()?;
        parameters
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.clone())
    };
    let guild = parameter("guild_id").or_else(|| {
        let guild = sandbox.with_world(|world| guild_in(world, path))?;
        Some(guild.to_string())
    });
    sandbox.faults.on_request(&Facts {
        method: method.as_str(),
        route: found.as_ref().map_or("", |(route, _)| route.template),
        path,
        guild: guild.as_deref(),
        token,
        ..Facts::default()
    })
}

/// The guild that a path leads into, whether or not bots have a route of that name.
fn guild_in(world: &World, path: &str) -> Option<Id> {
    let mut steps = path.split('/').skip(1);
    let (kind, name) = (steps.next()?, steps.next()?);
    match kind {
        "guilds" => name.parse().ok(),
        "channels" => world.guild_of(name.parse().ok()?),
        "invites" => world.guild_behind(name),
        _ => None,
    }
}

/// The answer of a fault.
pub(super) fn injected(
    status: u16,
    scope: Option<&str>,
    retry_after: Option<f64>,
    html: bool,
    body: Option<Value>,
    stand: Option<Stand>,
) -> http::Response<Bytes> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = code.canonical_reason().unwrap_or("Error");
    if html {
        return page(
            code,
            format!("<html><head><title>{status} {reason}</title></head></html>\n"),
        );
    }
    if status != 429 {
        let body =
            body.unwrap_or_else(|| json!({"message": format!("{status}: {reason}"), "code": 0}));
        return api_error(code, &body);
    }
    let scope = scope.unwrap_or("user");
    let wait = retry_after.unwrap_or(DEFAULT_WAIT).max(0.0);
    let message = match scope {
        "shared" => "The resource is being rate limited.",
        _ => "You are being rate limited.",
    };
    let body = body.unwrap_or_else(
        || json!({"message": message, "retry_after": wait, "global": scope == "global"}),
    );
    let mut response = api_error(code, &body);
    let headers = response.headers_mut();
    headers.insert(header::VIA, HeaderValue::from_static(VIA.1));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.ceil() as u64));
    if let Some(stand) = stand.filter(|_| scope != "global") {
        insert_all(headers, stand.headers());
    }
    if let Ok(scope) = HeaderValue::from_str(scope) {
        headers.insert(HeaderName::from_static("x-ratelimit-scope"), scope);
    }
    if scope == "global" {
        let name = HeaderName::from_static("x-ratelimit-global");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}

pub(super) fn api_error(status: StatusCode, body: &Value) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn page(status: StatusCode, text: String) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

pub(super) fn insert_all(
    headers: &mut HeaderMap,
    all: impl IntoIterator<Item = (&'static str, String)>,
) {
    for (name, value) in all {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use splashtail_sandbox_world::clock::SandboxClock;
    use splashtail_sandbox_world::seed::{self, small};
    use splashtail_sandbox_world::world::Addresses;

    use super::*;

    #[test]
    fn a_path_leads_into_a_guild_by_its_id_its_channels_and_its_addresses() {
        let clock = Arc::new(SandboxClock::frozen(chrono::DateTime::UNIX_EPOCH));
        let nowhere = Addresses {
            rest: String::new(),
            gateway: String::new(),
        };
        let mut world = seed::build("small", 1, &nowhere, &clock).unwrap();
        let guild = small::GUILDS[1];
        let place = world.guilds.get_mut(&guild).unwrap();
        place.vanity_url_code = Some("harbour".to_owned());
        let channel = *place.channels.first().unwrap();
        for path in [
            format!("/guilds/{guild}/members/@me"),
            format!("/channels/{channel}"),
            "/invites/harbour".to_owned(),
        ] {
            assert_eq!(guild_in(&world, &path), Some(guild), "{path}");
        }
        assert_eq!(guild_in(&world, "/invites/elsewhere"), None);
    }
}
