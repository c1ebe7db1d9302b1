//! What faults do to requests: over the network, and those of people and attackers, who have no
//! connection that could be cut.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::faults::{Action, Facts, later};
use splashtail_sandbox_world::journal::Caller;
use splashtail_sandbox_world::rest::limits::Stand;
use splashtail_sandbox_world::rest::{
    Actor, Request, Response, VIA, blocked, bucket_of, find_route, guild_in,
};
use splashtail_sandbox_world::world::Id;

use super::Edge;
use crate::timer::sleep;

/// Seconds to wait that a 429 of a fault names when the rule does not.
const DEFAULT_WAIT: f64 = 1.0;

const RETRY_AFTER: &str = "Retry-After";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=UTF-8";

/// What befalls a request, whichever way it comes.
#[derive(Debug, Default)]
pub(crate) struct Struck {
    /// Milliseconds of the sandbox's clock that it takes.
    pub late_ms: u64,
    /// What is answered instead of running it.
    pub refusal: Option<Refusal>,
    /// The answer shows another bucket: this one, or one of its own. That of a refusal, too.
    pub bucket: Option<Option<String>>,
    pub fate: Fate,
}

/// What becomes of the answer to a request that had its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Arrives,
    /// It breaks off in the middle.
    Truncated,
    Reset,
    /// The connection stays open, so that whoever sent the request goes on waiting.
    Hangs,
}

/// The answer of a fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// What a blocked address is told.
    Blocked,
    Status {
        status: u16,
        scope: Option<String>,
        retry_after: Option<f64>,
        header_retry_after: Option<u64>,
        html: bool,
        body: Option<Value>,
    },
}

impl Struck {
    /// What these do together: those that have an effect beside each other.
    fn by(actions: Vec<Action>) -> Self {
        let mut struck = Self::default();
        for action in actions {
            match action {
                Action::Status {
                    status,
                    scope,
                    retry_after,
                    header_retry_after,
                    html,
                    body,
                } => {
                    struck.refusal = Some(Refusal::Status {
                        status,
                        scope,
                        retry_after,
                        header_retry_after,
                        html,
                        body,
                    });
                }
                Action::BlockIp {} => struck.refusal = Some(Refusal::Blocked),
                Action::Latency { ms } => struck.late_ms = later(struck.late_ms, ms),
                Action::Bucket { name } => struck.bucket = Some(name),
                Action::Hang {} => struck.fate = Fate::Hangs,
                Action::Reset {} => struck.fate = Fate::Reset,
                Action::Truncate {} => struck.fate = Fate::Truncated,
                // They do not strike requests.
                Action::GwClose { .. }
                | Action::GwDrop {}
                | Action::GwZombie {}
                | Action::GwHeartbeat {}
                | Action::GwReconnect {}
                | Action::GwInvalid { .. }
                | Action::GwRefuse { .. }
                | Action::GwDup {}
                | Action::GwDelay { .. }
                | Action::GwLose {}
                | Action::GwMemberAgain {}
                | Action::AuditDelay { .. }
                | Action::AuditLose {}
                | Action::Outage { .. } => {}
            }
        }
        struck
    }

    /// Draws what befalls a request of the user or application `token`.
    pub fn draw(sandbox: &Sandbox, method: &Method, path: &str, token: Option<&str>) -> Self {
        Self::by(strikes_on(sandbox, method, path, token))
    }

    /// The same of a request that did not come over the network, with what is slow by itself.
    pub fn draw_of(sandbox: &Sandbox, caller: Option<Id>, request: &Request) -> Self {
        let token = caller.map(|id| id.to_string());
        let mut struck = Self::draw(sandbox, &request.method, &request.path, token.as_deref());
        if struck.refusal.is_none() {
            let slow = sandbox.slowness(|| caller, request);
            struck.late_ms = later(struck.late_ms, slow);
        }
        struck
    }

    /// Whether nobody learns what came of the request.
    pub fn keeps_back(&self) -> bool {
        self.fate != Fate::Arrives
    }

    pub fn hangs(&self) -> bool {
        self.fate == Fate::Hangs
    }
}

impl Refusal {
    /// A plain error of the API.
    pub fn plain(status: u16) -> Self {
        Self::Status {
            status,
            scope: None,
            retry_after: None,
            header_retry_after: None,
            html: false,
            body: None,
        }
    }

    /// What a request is told now; of a 429 with how the limit of its route stands.
    pub fn answer(self, sandbox: &Sandbox, method: &Method, path: &str) -> Response {
        let (status, scope, retry_after, header_retry_after, html, body) = match self {
            Self::Blocked => {
                let error = blocked();
                return answer(error.status, JSON, error.json().to_string());
            }
            Self::Status {
                status,
                scope,
                retry_after,
                header_retry_after,
                html,
                body,
            } => (status, scope, retry_after, header_retry_after, html, body),
        };
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = code.canonical_reason().unwrap_or("Error");
        let wait = retry_after.unwrap_or(DEFAULT_WAIT).max(0.0);
        let header_wait = header_retry_after.unwrap_or(wait.ceil() as u64);
        if html {
            let page = format!("<html><head><title>{status} {reason}</title></head></html>\n");
            let mut answer = answer(status, HTML, page);
            if header_retry_after.is_some() {
                answer.headers.push((RETRY_AFTER, header_wait.to_string()));
            }
            return answer;
        }
        if status != 429 {
            let plain = || json!({"message": format!("{status}: {reason}"), "code": 0});
            return answer(status, JSON, body.unwrap_or_else(plain).to_string());
        }
        let scope = scope.unwrap_or_else(|| "user".to_owned());
        let message = match &*scope {
            "shared" => "The resource is being rate limited.",
            _ => "You are being rate limited.",
        };
        let body = body.unwrap_or_else(
            || json!({"message": message, "retry_after": wait, "global": scope == "global"}),
        );
        let mut answer = answer(status, JSON, body.to_string());
        let headers = &mut answer.headers;
        headers.push((VIA.0, VIA.1.to_owned()));
        headers.push((RETRY_AFTER, header_wait.to_string()));
        if scope == "global" {
            headers.push(("X-RateLimit-Global", "true".to_owned()));
        } else if let Some(stand) = stand(sandbox, method, path, wait) {
            headers.extend(stand.headers(sandbox.clock.set_back_ms()));
        }
        headers.push(("X-RateLimit-Scope", scope));
        answer
    }
}

/// How a made-up 429 says that the route's limit stands.
fn stand(sandbox: &Sandbox, method: &Method, path: &str, wait: f64) -> Option<Stand> {
    let (route, parameters) = find_route(method, path).ok()?;
    let (bucket, _) = bucket_of(route, &parameters, sandbox.clock.now_ms());
    let now = sandbox.clock.steady_ms();
    Some(Stand::spent(&bucket, (wait * 1000.0) as i64, now))
}

/// What a fault says, to nobody in particular.
fn answer(status: u16, content_type: &'static str, body: String) -> Response {
    Response {
        status,
        headers: Vec::new(),
        content_type: Some(content_type),
        body: Bytes::from(body),
        route: None,
        operation: None,
        bucket: None,
        code: None,
        caller: Caller {
            kind: "none".into(),
            id: None,
        },
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
        let struck = Struck::draw_of(&self.sandbox, Some(user), request);
        self.arrives(struck.late_ms).await;
        if let Some(refusal) = struck.refusal {
            return Some(Err(self.refused(refusal, request)));
        }
        let done = click();
        (struck.fate == Fate::Arrives).then_some(Ok(done))
    }

    /// Sends a request of a person in a client: faults strike it like any other, and what is slow
    /// is slow. `None` when a fault keeps the answer back; the request may have had its effect.
    pub(crate) async fn request_as(&self, user: Id, request: Request) -> Option<Response> {
        let struck = Struck::draw_of(&self.sandbox, Some(user), &request);
        self.arrives(struck.late_ms).await;
        if let Some(refusal) = struck.refusal {
            return Some(self.refused(refusal, &request));
        }
        let answer = self.sandbox.dispatch(Actor::User(user), request);
        (struck.fate == Fate::Arrives).then_some(answer)
    }

    async fn arrives(&self, late_ms: u64) {
        if late_ms > 0 {
            sleep(&self.sandbox.clock, Duration::from_millis(late_ms)).await;
        }
    }

    fn refused(&self, refusal: Refusal, request: &Request) -> Response {
        refusal.answer(&self.sandbox, &request.method, &request.path)
    }
}

/// The faults that strike a request of whoever has this application or user id.
fn strikes_on(sandbox: &Sandbox, method: &Method, path: &str, token: Option<&str>) -> Vec<Action> {
    if sandbox.faults.is_empty() {
        return Vec::new();
    }
    let found = find_route(method, path).ok();
    let guild = sandbox.with_world(|world| guild_in(world, path));
    let guild = guild.map(|guild| guild.to_string());
    sandbox.faults.on_request(&Facts {
        method: method.as_str(),
        route: found.as_ref().map_or("", |(route, _)| route.template),
        path,
        guild: guild.as_deref(),
        token,
        ..Facts::default()
    })
}

#[cfg(test)]
mod tests {
    use splashtail_sandbox_world::faults::{Faults, Rule};

    use super::*;

    fn by(actions: Value) -> Struck {
        let faults = Faults::new(1);
        for action in actions.as_array().unwrap() {
            let rule: Rule = serde_json::from_value(json!({"action": action})).unwrap();
            faults.add(rule).unwrap();
        }
        Struck::by(faults.on_request(&Facts::default()))
    }

    #[test]
    fn the_first_refusal_answers_and_delays_before_it_add_up() {
        let struck = by(json!([
            {"type": "latency", "ms": 5}, {"type": "hang"}, {"type": "latency", "ms": 2},
            {"type": "status", "status": 503}, {"type": "latency", "ms": 9}, {"type": "block_ip"}]));
        assert_eq!(struck.late_ms, 7);
        assert_eq!(struck.refusal, Some(Refusal::plain(503)));
        assert!(!struck.keeps_back(), "the refusal arrives");
    }

    #[test]
    fn an_answer_is_lost_once() {
        for (actions, fate) in [
            (json!([]), Fate::Arrives),
            (json!([{"type": "truncate"}, {"type": "hang"}]), Fate::Hangs),
            (json!([{"type": "reset"}, {"type": "hang"}]), Fate::Reset),
            (json!([{"type": "hang"}, {"type": "truncate"}]), Fate::Hangs),
        ] {
            assert_eq!(by(actions.clone()).fate, fate, "{actions}");
        }
    }
}
