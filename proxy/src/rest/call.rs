//! One call from a program to Discord: its turn, the request, the answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use splashtail_discord::ratelimit::{Limited, Pass, Standing, Told, is_refusal, read_429};
use splashtail_discord::{Lane, RateLimitScope, proxied};
use tracing::{debug, warn};
use url::Url;

use super::Rest;
use super::answer::{self, Local};
use super::guard::{self, Asked, Ended, Verdict};
use super::identity::{Identity, Kind};
use super::path::{PathError, Target, below};
use super::payload::Payload;

/// A call waits for its turn for so long, unless it says otherwise, …
const PATIENCE: Duration = Duration::from_secs(60);
/// … and never longer than this.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3_600);
/// 429 answers taken for one call.
const MOST_LIMITED: u32 = 3;
/// Connections that were refused, for one call.
const MOST_UNSENT: u32 = 3;
const UNSENT_PAUSE: Duration = Duration::from_millis(200);
/// For the head of Discord's answer, when there is no body.
const ANSWER: Duration = Duration::from_secs(15);
/// Bodies of refusals, which are looked at.
const REFUSAL: usize = 1 << 20;

/// What a call is about.
struct Call {
    method: Method,
    url: Url,
    target: Target,
    identity: Arc<Identity>,
    authorization: Option<HeaderValue>,
    lane: Lane,
    caller: u64,
    give_up_at: Duration,
    /// A digest of all that Discord may judge by, but for the body.
    head: u64,
    /// The same with the body, once that is known.
    exactly: Option<u64>,
    webhook: Option<u64>,
}

/// What became of one request.
enum Sent {
    Answer(http::Response<reqwest::Body>),
    /// No connection was made.
    Unsent,
}

impl Rest {
    /// Passes a call on, and its answer back.
    pub async fn call(self: &Arc<Self>, request: axum::extract::Request) -> Response {
        let begun = self.clock.monotonic();
        let (parts, body) = request.into_parts();
        let mut call = match self.read(&parts) {
            Ok(call) => call,
            Err(local) => return local.into_response(),
        };
        let answer = Box::pin(self.carry(&mut call, &parts.headers, body)).await;
        let response = answer.unwrap_or_else(Local::into_response);
        let scope = match response.headers() {
            headers if headers.contains_key(proxied::GENERATED) => "local",
            headers => match headers.get("x-ratelimit-scope").map(HeaderValue::as_bytes) {
                Some(b"user") => "user",
                Some(b"global") => "global",
                Some(b"shared") => "shared",
                _ => "none",
            },
        };
        let label = self.label(&call.target.route.template, response.status());
        self.meter(&call.method, label, response.status(), scope, begun);
        response
    }

    fn read(&self, parts: &Parts) -> Result<Call, Local> {
        let path = parts.uri.path();
        let below = below(path).map_err(|error| match error {
            PathError::Outside => Local::Outside,
            PathError::Crooked => Local::Crooked,
        })?;
        let url = parts.uri.path_and_query().map_or(path, |all| all.as_str());
        let url = Url::parse(&format!("{}{url}", self.origin)).map_err(|_| Local::Unusable)?;
        let target = Target::of(&parts.method, below, self.own_id(), self.discord_now());
        let headers = &parts.headers;
        let given = headers.get(AUTHORIZATION).cloned();
        let authorization = given.or_else(|| self.lent(headers));
        let identity = self.identity(authorization.as_ref());
        let text = |name: &'static str| headers.get(name)?.to_str().ok();
        let lane = text(proxied::PRIORITY).and_then(Lane::of_name);
        let patience = match text(proxied::PATIENCE).and_then(|text| text.trim().parse().ok()) {
            None => PATIENCE,
            Some(0) => LONGEST_PATIENCE,
            Some(ms) => Duration::from_millis(ms).min(LONGEST_PATIENCE),
        };
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let caller = match text(proxied::CALLER) {
            Some(name) => digest(&name),
            None => digest(&peer.map(|peer| peer.0.ip())),
        };
        let head = (
            authorization.as_ref().map(HeaderValue::as_bytes),
            parts.method.as_str(),
            url.as_str(),
            headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes),
        );
        Ok(Call {
            head: digest(&head),
            exactly: None,
            webhook: target.webhook.as_ref().map(digest),
            method: parts.method.clone(),
            lane: lane.unwrap_or_else(|| target.lane()),
            give_up_at: self.clock.monotonic().saturating_add(patience),
            url,
            target,
            identity,
            authorization,
            caller,
        })
    }

    async fn carry(
        self: &Arc<Self>,
        call: &mut Call,
        given: &HeaderMap,
        body: Body,
    ) -> Result<Response, Local> {
        self.check_token(call)?;
        self.admit(call).await?;
        let mut payload = Payload::read(body, &self.bodies, &self.clock).await?;
        let sent = payload.looked_at();
        call.exactly = sent.map(|sent| digest(&(call.head, sent)));
        let call = &*call;
        let mut headers = answer::request_headers(given, payload.keeps_length());
        if let Some(authorization) = &call.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let patience = call.give_up_at.saturating_sub(self.clock.monotonic());
        let standing = call.identity.limits.arrive(call.lane, patience);
        let (mut limited, mut unsent) = (0, 0);
        loop {
            self.admit(call).await?;
            let pass = self.turn(call, standing).await?;
            // Much can have become known while it stood in line.
            self.check_token(call)?;
            if self.is_too_late(&call.target) {
                return Err(Local::Late);
            }
            if self.judge(call) != Verdict::Go {
                continue;
            }
            let response = match self.send(call, &headers, &mut payload, pass).await? {
                Sent::Answer(response) => response,
                Sent::Unsent => {
                    unsent += 1;
                    if unsent >= MOST_UNSENT || !payload.is_whole() {
                        return Err(Local::Unsent);
                    }
                    self.clock.sleep(UNSENT_PAUSE).await;
                    continue;
                }
            };
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                return self.settle(call, response).await;
            }
            limited += 1;
            let (response, retry_after) = self.limited(call, response).await?;
            let now = self.clock.monotonic();
            let is_over = now.saturating_add(retry_after) >= call.give_up_at;
            if limited > MOST_LIMITED || is_over || !payload.is_whole() {
                return Ok(response);
            }
        }
    }

    /// A token that Discord does not know would only bring us nearer to being blocked.
    fn check_token(&self, call: &Call) -> Result<(), Local> {
        let is_refused = call.identity.is_refused(self.clock.monotonic());
        match is_refused && !call.target.has_token {
            true => Err(Local::Token),
            false => Ok(()),
        }
    }

    /// Past the guard, waiting where that is what it wants and there is the time.
    async fn admit(&self, call: &Call) -> Result<(), Local> {
        loop {
            let now = self.clock.monotonic();
            let wait = match self.judge(call) {
                Verdict::Go => return Ok(()),
                Verdict::Forbidden(body) => return Err(Local::Forbidden(body)),
                Verdict::NoWebhook => return Err(Local::Webhook),
                Verdict::Wait(wait) => wait,
            };
            if now.saturating_add(wait) >= call.give_up_at {
                return Err(Local::Guard(wait));
            }
            tokio::select! {
                () = self.stopping.cancelled() => return Err(Local::Stopping),
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    fn judge(&self, call: &Call) -> Verdict {
        let now = self.clock.monotonic();
        self.guard().judge(call.asked(), now)
    }

    /// The place in the bucket, then in the second.
    async fn turn<'a>(&self, call: &'a Call, standing: Standing) -> Result<Pass<'a>, Local> {
        let begun = self.clock.monotonic();
        let limits = &call.identity.limits;
        let route = &call.target.route;
        let turn = limits.turn_and(route, standing, move || self.second(call));
        let turn = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return Err(Local::Stopping),
            turn = turn => turn,
        };
        let waited = self.clock.monotonic().saturating_sub(begun);
        metrics::histogram!("splashtail_proxy_rest_queue_seconds", "priority" => call.lane.name())
            .record(waited.as_secs_f64());
        turn
    }

    /// What lets a call through besides its bucket: the pace of a slowed route, then the second.
    async fn second(&self, call: &Call) -> Result<(), Local> {
        loop {
            let now = self.clock.monotonic();
            let slowed = self.guard().slow(call.asked(), now);
            let Some(wait) = slowed else { break };
            if now.saturating_add(wait) >= call.give_up_at {
                return Err(Local::Guard(wait));
            }
            self.clock.sleep(wait).await;
        }
        if !call.target.of_interaction {
            let pace = &call.identity.pace;
            pace.turn(call.lane, call.caller, call.give_up_at).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        call: &Call,
        headers: &HeaderMap,
        payload: &mut Payload,
        mut pass: Pass<'_>,
    ) -> Result<Sent, Local> {
        let (body, more) = payload.send()?;
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        let silent = Local::Silent {
            repeatable: call.method.is_idempotent(),
        };
        let begun = self.clock.monotonic();
        pass.sent();
        let _flight = self.flight();
        let response = tokio::select! {
            response = request.send() => response,
            // Dropped, the pass counts as lost: Discord may know of it.
            () = self.clock.sleep(ANSWER + more) => return Err(silent),
        };
        let response = match response {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                pass.not_sent();
                return Err(Local::Unusable);
            }
            Err(error) if error.is_connect() => {
                pass.not_sent();
                debug!(error = %error.without_url(), "no connection to Discord");
                return Ok(Sent::Unsent);
            }
            Err(error) => {
                debug!(error = %error.without_url(), "Discord's connection broke");
                return Err(silent);
            }
        };
        let took = self.clock.monotonic().saturating_sub(begun);
        metrics::histogram!("splashtail_proxy_rest_upstream_seconds").record(took.as_secs_f64());
        self.skew.learn(response.headers(), self.clock.now());
        self.heard.store(true, Ordering::Relaxed);
        if response.status() != StatusCode::TOO_MANY_REQUESTS {
            let told = Told::read(response.headers());
            pass.answered(response.status(), told.as_ref(), None);
            return Ok(Sent::Answer(response.into()));
        }
        // The body says for how long; the place is kept until it is read.
        let (head, body) = http::Response::from(response).into_parts();
        let body = collect(body).await.map_err(|_| silent)?;
        let limited = self.read_limit(&head.headers, &body);
        let told = Told::read(&head.headers);
        pass.answered(head.status, told.as_ref(), Some(limited));
        let mut response = http::Response::from_parts(head, reqwest::Body::from(body));
        response.extensions_mut().insert(Limit(limited));
        Ok(Sent::Answer(response))
    }

    fn read_limit(&self, headers: &HeaderMap, body: &[u8]) -> Limited {
        let limited = read_429(headers, body);
        if serde_json::from_slice::<Value>(body).is_ok() {
            return limited.unwrap_or(Limited {
                retry_after: Duration::from_secs(1),
                scope: RateLimitScope::User,
            });
        }
        // What stands before Discord blocks the address, whatever the token.
        let limited = limited.unwrap_or(Limited {
            retry_after: guard::BLOCKED,
            scope: RateLimitScope::Global,
        });
        let wait_ms = u64::try_from(limited.retry_after.as_millis()).unwrap_or(u64::MAX);
        warn!(wait_ms, "this address is blocked; nothing is sent");
        self.guard()
            .block(limited.retry_after, self.clock.monotonic());
        limited
    }

    /// Counts a 429. How long it lasts, and the answer as it came.
    async fn limited(
        &self,
        call: &Call,
        response: http::Response<reqwest::Body>,
    ) -> Result<(Response, Duration), Local> {
        let limit = response.extensions().get::<Limit>().map(|limit| limit.0);
        if is_refusal(response.status(), limit) {
            self.ended(call, Ended::Refused);
        }
        let retry_after = limit.map_or(Duration::from_secs(1), |limit| limit.retry_after);
        let wait_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        warn!(
            discord.route = call.target.route.template,
            wait_ms,
            scope = ?limit.map(|limit| limit.scope),
            "Discord limits the rate of requests"
        );
        Ok((pass_back(response), retry_after))
    }

    /// Looks at an answer that is no 429, as far as it matters here.
    async fn settle(
        self: &Arc<Self>,
        call: &Call,
        response: http::Response<reqwest::Body>,
    ) -> Result<Response, Local> {
        let status = response.status();
        if status.is_success() {
            self.ended(call, Ended::Well);
            return Ok(pass_back(response));
        }
        if status == StatusCode::UNAUTHORIZED {
            self.ended(call, Ended::Refused);
            self.doubt(call);
            return Ok(pass_back(response));
        }
        let is_no_webhook = status == StatusCode::NOT_FOUND && call.webhook.is_some();
        if status != StatusCode::FORBIDDEN && !is_no_webhook {
            return Ok(pass_back(response));
        }
        let (head, body) = response.into_parts();
        let body = collect(body).await.map_err(|_| Local::Silent {
            repeatable: call.method.is_idempotent(),
        })?;
        let code = refusal_code(&body);
        match (status, code) {
            // Without Discord's JSON it is the edge's, and says nothing about the call.
            (StatusCode::FORBIDDEN, Some(_)) => self.ended(call, Ended::Forbidden(body.clone())),
            (StatusCode::FORBIDDEN, None) => self.ended(call, Ended::Refused),
            (_, Some(10_015)) => self.ended(call, Ended::NoWebhook),
            _ => {}
        }
        let response = http::Response::from_parts(head, reqwest::Body::from(body));
        Ok(pass_back(response))
    }

    /// Finds out whether it is the token that is wrong: a 401 is also the answer to some calls that a
    /// bot may not make at all.
    fn doubt(self: &Arc<Self>, call: &Call) {
        let Some(authorization) = call.authorization.clone() else {
            return;
        };
        if call.identity.kind != Kind::Bot || call.target.has_token || !call.identity.doubt() {
            return;
        }
        let (rest, identity) = (Arc::clone(self), Arc::clone(&call.identity));
        self.tasks.spawn(async move {
            let is_known = rest.is_known(authorization).await;
            if !is_known {
                warn!("Discord does not know a bot's token; it is asked again later");
            }
            identity.settle(is_known, rest.clock.monotonic());
        });
    }

    async fn is_known(&self, authorization: HeaderValue) -> bool {
        let asking = self
            .http
            .get(format!("{}/api/v10/users/@me", self.origin))
            .header(AUTHORIZATION, authorization)
            .header(
                http::header::USER_AGENT,
                splashtail_discord::UserAgent::VALUE,
            )
            .send();
        let answer = tokio::select! {
            answer = asking => answer,
            () = self.clock.sleep(ANSWER) => return true,
            () = self.stopping.cancelled() => return true,
        };
        !answer.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED)
    }

    fn ended(&self, call: &Call, ended: Ended) {
        let now = self.clock.monotonic();
        self.guard().ended(call.asked(), ended, now);
    }
}

impl Call {
    fn asked(&self) -> Asked<'_> {
        Asked {
            template: &self.target.route.template,
            exactly: self.exactly,
            webhook: self.webhook,
            lane: self.lane,
            replies: self.target.of_interaction,
        }
    }
}

/// What a 429 said, beside its answer.
#[derive(Debug, Clone, Copy)]
struct Limit(Limited);

fn pass_back(response: http::Response<reqwest::Body>) -> Response {
    let (head, body) = response.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    *response.headers_mut() = answer::response_headers(&head.headers);
    response.extensions_mut().insert(answer::Discords);
    response
}

async fn collect(body: reqwest::Body) -> Result<Bytes, axum::Error> {
    to_bytes(Body::new(body), REFUSAL).await
}

/// Discord's code, if the refusal is Discord's own.
fn refusal_code(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u64,
        #[allow(dead_code, reason = "only Discord's own has both")]
        message: String,
    }
    serde_json::from_slice::<Refusal>(body)
        .ok()
        .map(|refusal| refusal.code)
}

fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
