use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use crate::client::{Discord, Inner, REQUEST_TIMEOUT, UserAgent};
use crate::error::{ApiError, DiscordError, RateLimitScope, Unanswered};
use crate::form::{Form, Upload};
use crate::ratelimit::{Lane, Limited, Pass, Standing, Told, read_429};
use crate::retry::{self, Retry};
use crate::route::Route;

/// Longest time that a call stands in line, unless the caller says otherwise. Longer limits (a
/// day of role creations) are the caller's decision.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// 429 answers accepted for one call; more means that the limits cannot be followed.
const MOST_LIMITED: u32 = 20;
/// No answer of the API comes near; a list of 1000 members takes about 1 MB.
const LARGEST_ANSWER: usize = 64 << 20;
/// How long a cancelled call waits for the answer to an effect that was already sent. It is
/// shorter than any daemon's time to stop.
const EFFECT_GRACE: Duration = Duration::from_secs(4);
/// Characters of an audit log reason (Discord docs, "Audit Logs").
pub(crate) const REASON_CHARACTERS: usize = 512;
/// Everything outside the unreserved ASCII of a header value (Discord docs, "Audit Logs").
const REASON_ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// A REST proxy is asked to keep a call in line for no longer; whoever can wait longer asks again.
const LONGEST_STAY: Duration = Duration::from_secs(600);

/// What is said between us and the REST proxy of the platform, and never to Discord.
pub mod proxied {
    /// Whose call it is: callers of a lane take turns.
    pub const CALLER: &str = "x-proxy-client";
    /// The name of a [`Lane`](crate::Lane).
    pub const PRIORITY: &str = "x-proxy-priority";
    /// Milliseconds that the call can wait for its turn.
    pub const PATIENCE: &str = "x-proxy-timeout";
    /// On an answer that is the proxy's own: why.
    pub const GENERATED: &str = "x-proxy-generated";
}

/// A request being put together; nothing is sent before one of the `send` methods.
#[must_use]
pub struct Request {
    discord: Discord,
    method: Method,
    path: String,
    route: Route,
    query: Vec<(String, String)>,
    body: Option<Result<Bytes, serde_json::Error>>,
    content_type: HeaderValue,
    /// In the name of the bot; else who asks is in the body.
    of_bot: bool,
    reason: Option<HeaderValue>,
    idempotent: bool,
    repeat_within: Option<Duration>,
    repeated: bool,
    lane: Lane,
    longest_wait: Duration,
    /// How often it is tried, and the pause between, where it is not the usual one.
    tries: u32,
    pause: Option<Duration>,
    cancelled: Option<CancellationToken>,
}

impl Request {
    pub(crate) fn new(discord: Discord, method: Method, path: String, lane: Lane) -> Self {
        Self {
            discord,
            route: Route::new(&method, &path),
            idempotent: retry::is_idempotent(&method),
            method,
            path,
            query: Vec::new(),
            body: None,
            content_type: HeaderValue::from_static("application/json"),
            of_bot: true,
            reason: None,
            repeat_within: None,
            repeated: false,
            lane,
            longest_wait: LONGEST_WAIT,
            tries: retry::ATTEMPTS,
            pause: None,
            cancelled: None,
        }
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sends a JSON body.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        self.body = Some(serde_json::to_vec(body).map(Bytes::from));
        self
    }

    /// Sends a JSON body with files, as a form.
    pub fn form(mut self, body: &(impl Serialize + ?Sized), files: &[Upload]) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => {
                let form = Form::new(&body, files);
                self.content_type = form.content_type;
                self.body = Some(Ok(form.body));
            }
            Err(error) => self.body = Some(Err(error)),
        }
        self
    }

    /// Sends plain fields and one file, as a form.
    pub fn fields(mut self, fields: &[(&str, &str)], file: &Upload) -> Self {
        let form = Form::fields(fields, file);
        self.content_type = form.content_type;
        self.body = Some(Ok(form.body));
        self
    }

    /// Sends fields as RFC 6749 has them, in the name of the application that they name.
    pub(crate) fn of_application(mut self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.body = Some(Ok(Bytes::from(form.finish())));
        self.of_bot = false;
        self
    }

    /// The reason shown in the audit log, cut to 512 characters. Blank reasons are not sent.
    pub fn reason(mut self, reason: &str) -> Self {
        let cut: String = reason.trim().chars().take(REASON_CHARACTERS).collect();
        let encoded = utf8_percent_encode(&cut, REASON_ENCODED).to_string();
        self.reason = HeaderValue::try_from(encoded)
            .ok()
            .filter(|value| !value.is_empty());
        self
    }

    /// Says whether doing it twice is the same as doing it once, where the method does not tell:
    /// a `PATCH` to absolute values, or a `POST` that only asks.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Doing it twice is the same as doing it once for so long after the first time, as with an
    /// enforced nonce. When it is still not known by then whether it took effect, the failure is
    /// [`DiscordError::Ambiguous`].
    pub fn idempotent_within(mut self, time: Duration) -> Self {
        self.repeat_within = Some(time);
        self
    }

    /// The same request may have been sent before, in another life of the caller: a `DELETE` that
    /// finds nothing has then succeeded.
    pub fn repeated(mut self, repeated: bool) -> Self {
        self.repeated = repeated;
        self
    }

    /// Which line to stand in.
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// How long the call is ready to stand in line, all its attempts together. When its turn comes
    /// later, it gives up at once with [`DiscordError::RateLimited`].
    pub fn longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = longest_wait;
        self
    }

    /// Tries again only once when Discord fails, after this pause: for a caller who knows another way.
    pub fn once_more_after(mut self, pause: Duration) -> Self {
        self.tries = 2;
        self.pause = Some(pause);
        self
    }

    /// Ends the call when the token fires: waits and reads at once. The answer to an effect that
    /// was already sent is waited for a few seconds, because without it nobody knows.
    pub fn cancelled_by(mut self, token: &CancellationToken) -> Self {
        self.cancelled = Some(token.clone());
        self
    }

    /// The answer as JSON; `null` when Discord answers without content.
    ///
    /// # Errors
    /// See [`DiscordError`].
    pub async fn send(self) -> Result<Value, DiscordError> {
        let unreadable = self.unreadable();
        let answer = self.answer().await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(unreadable)
    }

    /// Only whether it succeeded; what `204` routes need.
    ///
    /// # Errors
    /// See [`DiscordError`].
    pub async fn send_empty(self) -> Result<(), DiscordError> {
        self.answer().await.map(drop)
    }

    /// An answer that says yes and cannot be read leaves open what was made.
    fn unreadable(&self) -> impl FnOnce(serde_json::Error) -> DiscordError + use<> {
        let (route, idempotent) = (self.route.template.clone(), self.idempotent);
        move |source| {
            if idempotent {
                return DiscordError::Malformed { route, source };
            }
            let cause = Unanswered::Unreadable(source);
            DiscordError::Ambiguous { route, cause }
        }
    }

    async fn answer(self) -> Result<Answer, DiscordError> {
        Box::pin(self.run()).await
    }

    async fn run(self) -> Result<Answer, DiscordError> {
        let mut unanswered = None;
        let result = self.attempts(&mut unanswered).await;
        match (result, unanswered) {
            // Whatever ended the call, an attempt before that may have taken effect.
            (Err(_), Some(cause)) => Err(self.ambiguous(cause)),
            (result, _) => result,
        }
    }

    /// `unanswered`: why nobody knows what became of an attempt that must not be made twice.
    async fn attempts(&self, unanswered: &mut Option<Unanswered>) -> Result<Answer, DiscordError> {
        let url = self.url()?;
        let inner = &self.discord.inner;
        let mut standing = inner.limits.arrive(self.lane, self.longest_wait);
        let _place = self.place(standing).await?;
        let mut attempts = 0;
        let mut limited = 0;
        // An earlier attempt may have taken effect.
        let mut repeated = self.repeated;
        let mut harmless_until = None;
        loop {
            let pass = match self.discord.caller {
                Some(_) => inner.limits.aside(standing),
                None => self.unless_cancelled(self.turn(standing)).await??,
            };
            let sent_at = inner.clock.monotonic();
            if harmless_until.is_some_and(|end| sent_at >= end)
                && let Some(cause) = unanswered.take()
            {
                return Err(self.ambiguous(cause));
            }
            attempts += 1;
            let cause = match self.once(url.clone(), pass, standing).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    limited += 1;
                    attempts -= 1;
                    self.check_limited(&answer, limited)?;
                    self.sit_out(&answer, standing).await?;
                    continue;
                }
                Ok(answer) if answer.was_not_passed_on() => {
                    if attempts >= self.tries {
                        return Err(self.given_up(Unanswered::Status(answer.status), attempts));
                    }
                    self.pause(attempts, "the REST proxy could not pass it on")
                        .await?;
                    continue;
                }
                Ok(answer) => match retry::on_status(answer.status, self.idempotent) {
                    Retry::Pointless if answer.is_the_edges() => {
                        // Discord itself never saw it.
                        let cause = Unanswered::Status(answer.status);
                        return Err(self.given_up(cause, attempts));
                    }
                    Retry::Pointless => {
                        let refused = self.refused(&answer);
                        if repeated && self.method == Method::DELETE && refused.is_gone() {
                            return Ok(answer.without_content());
                        }
                        return Err(Box::new(refused).into());
                    }
                    Retry::Unsafe | Retry::Safe => Unanswered::Status(answer.status),
                },
                Err(Failure::NeverSent(source)) => {
                    if attempts >= self.tries {
                        return Err(self.given_up(Unanswered::Network(source), attempts));
                    }
                    self.pause(attempts, &source.to_string()).await?;
                    continue;
                }
                Err(Failure::Unbuilt(source)) => return Err(self.bad(source.to_string())),
                Err(Failure::Unanswered(cause)) => cause,
            };
            let last = attempts >= self.tries || !cause.passes();
            let why = cause.to_string();
            match self.repeat_within {
                _ if self.idempotent && last => return Err(self.given_up(cause, attempts)),
                _ if self.idempotent => {}
                Some(within) if !last => {
                    let end = *harmless_until.get_or_insert(sent_at.saturating_add(within));
                    standing = standing.no_later_than(end);
                    *unanswered = Some(cause);
                }
                _ => return Err(self.ambiguous(cause)),
            }
            repeated = true;
            self.pause(attempts, &why).await?;
        }
    }

    /// Behind a REST proxy, which keeps the order of those who are there.
    async fn place(&self, standing: Standing) -> Result<Option<SemaphorePermit<'_>>, DiscordError> {
        let inner = &self.discord.inner;
        let lane = match self.lane {
            Lane::Interactive => 0,
            Lane::Bulk => 1,
            Lane::Containment => return Ok(None),
        };
        if self.discord.caller.is_none() {
            return Ok(None);
        }
        let until = standing.give_up_at();
        let waiting = async {
            tokio::select! {
                biased;
                place = inner.there[lane].acquire() => place.ok(),
                () = inner.clock.sleep(until.saturating_sub(inner.clock.monotonic())) => None,
            }
        };
        match self.unless_cancelled(waiting).await? {
            Some(place) => Ok(Some(place)),
            None => Err(self.rate_limited(Duration::from_secs(1), RateLimitScope::Line)),
        }
    }

    async fn turn(&self, standing: Standing) -> Result<Pass<'_>, DiscordError> {
        let limits = &self.discord.inner.limits;
        let turn = limits.turn(&self.route, standing).await;
        turn.map_err(|late| self.rate_limited(late.retry_after, late.scope))
    }

    /// One request and its answer.
    async fn once(
        &self,
        url: Url,
        mut pass: Pass<'_>,
        standing: Standing,
    ) -> Result<Answer, Failure> {
        let inner = &self.discord.inner;
        let mut request = inner
            .http
            .request(self.method.clone(), url)
            .header(USER_AGENT, UserAgent::VALUE);
        if self.of_bot {
            request = request.header(AUTHORIZATION, inner.authorization.clone());
        }
        if let Some(caller) = self.discord.caller {
            let wait = standing
                .give_up_at()
                .saturating_sub(inner.clock.monotonic())
                .min(LONGEST_STAY);
            request = request
                .header(proxied::CALLER, caller)
                .header(proxied::PRIORITY, self.lane.name())
                .header(proxied::PATIENCE, wait.as_millis().max(1).to_string())
                // It stands in line there, and is answered before that.
                .timeout(wait + REQUEST_TIMEOUT);
        }
        if let Some(reason) = &self.reason {
            request = request.header("X-Audit-Log-Reason", reason.clone());
        }
        if let Some(Ok(body)) = &self.body {
            request = request
                .header(CONTENT_TYPE, self.content_type.clone())
                .body(body.clone());
        }
        if let Some(witness) = inner.witness.get().filter(|_| !self.method.is_safe()) {
            witness.sends(&self.method, &self.path);
        }
        pass.sent();
        let exchange = Box::pin(exchange(inner, request, pass));
        let Some(token) = &self.cancelled else {
            return exchange.await;
        };
        let only_asks = self.method.is_safe();
        let ended = async {
            token.cancelled().await;
            if !only_asks {
                inner.clock.sleep(EFFECT_GRACE).await;
            }
        };
        tokio::select! {
            biased;
            answer = exchange => answer,
            () = ended => Err(Failure::Unanswered(Unanswered::Cancelled)),
        }
    }

    async fn pause(&self, attempts: u32, cause: &str) -> Result<(), DiscordError> {
        let pause = self.pause.unwrap_or_else(|| retry::pause(attempts + 1));
        warn!(
            discord.route = self.route.template,
            attempt = attempts,
            cause,
            wait_ms = pause.as_millis(),
            "Discord failed, trying again"
        );
        self.unless_cancelled(self.discord.inner.clock.sleep(pause))
            .await
    }

    async fn unless_cancelled<T>(&self, wait: impl Future<Output = T>) -> Result<T, DiscordError> {
        match &self.cancelled {
            None => Ok(wait.await),
            Some(token) => {
                let ended = token.run_until_cancelled(wait).await;
                ended.ok_or(DiscordError::Cancelled)
            }
        }
    }

    /// A 429 holds back the next attempt together with everything else that it concerns; here it
    /// is only told, and counted.
    fn check_limited(&self, answer: &Answer, times: u32) -> Result<(), DiscordError> {
        let Some(Limited { retry_after, scope }) = answer.limited else {
            return Ok(());
        };
        warn!(
            discord.route = self.route.template,
            retry_after_ms = retry_after.as_millis(),
            ?scope,
            "Discord limits the rate of requests"
        );
        if times >= MOST_LIMITED || retry_after > self.longest_wait {
            return Err(self.rate_limited(retry_after, scope));
        }
        Ok(())
    }

    /// Where our own lines do not hold the next attempt back.
    async fn sit_out(&self, answer: &Answer, standing: Standing) -> Result<(), DiscordError> {
        let (Some(_), Some(limited)) = (self.discord.caller, answer.limited) else {
            return Ok(());
        };
        let Limited { retry_after, scope } = limited;
        let clock = &self.discord.inner.clock;
        let too_late = clock.monotonic().saturating_add(retry_after) >= standing.give_up_at();
        if answer.is_the_proxys || too_late {
            // Its turn comes too late, as the proxy reckons.
            return Err(self.rate_limited(retry_after, scope));
        }
        self.unless_cancelled(clock.sleep(retry_after)).await
    }

    fn rate_limited(&self, retry_after: Duration, scope: RateLimitScope) -> DiscordError {
        DiscordError::RateLimited {
            route: self.route.template.clone(),
            retry_after,
            scope,
        }
    }

    fn ambiguous(&self, cause: Unanswered) -> DiscordError {
        let route = self.route.template.clone();
        DiscordError::Ambiguous { route, cause }
    }

    /// What remains of a failure whose repetition is harmless, or which had no effect.
    fn given_up(&self, cause: Unanswered, attempts: u32) -> DiscordError {
        let route = self.route.template.clone();
        match cause {
            Unanswered::Status(status) => DiscordError::Unavailable {
                route,
                status,
                attempts,
            },
            Unanswered::Network(source) => DiscordError::Network {
                route,
                attempts,
                source,
            },
            Unanswered::Unreadable(source) => DiscordError::Malformed { route, source },
            Unanswered::TooLarge => DiscordError::TooLarge {
                route,
                limit: LARGEST_ANSWER,
            },
            Unanswered::Cancelled => DiscordError::Cancelled,
        }
    }

    fn bad(&self, why: String) -> DiscordError {
        let route = self.route.template.clone();
        DiscordError::BadRequest { route, why }
    }

    fn url(&self) -> Result<Url, DiscordError> {
        if let Some(Err(error)) = &self.body {
            return Err(self.bad(error.to_string()));
        }
        let mut url = Url::parse(&format!("{}{}", self.discord.inner.api, self.path))
            .map_err(|error| self.bad(error.to_string()))?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    fn refused(&self, answer: &Answer) -> ApiError {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let reason = || {
            answer
                .status
                .canonical_reason()
                .unwrap_or("no reason given")
                .to_owned()
        };
        ApiError {
            status: answer.status,
            code: body["code"].as_u64().unwrap_or_default(),
            // The second one is OAuth2's.
            message: body["message"]
                .as_str()
                .or_else(|| body["error"].as_str())
                .map_or_else(reason, str::to_owned),
            errors: body.get("errors").cloned(),
            route: self.route.template.clone(),
        }
    }
}

/// Sends, learns from the headers as soon as they are there, and reads the body.
async fn exchange(
    inner: &Inner,
    request: reqwest::RequestBuilder,
    pass: Pass<'_>,
) -> Result<Answer, Failure> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_builder() => {
            pass.not_sent();
            return Err(Failure::Unbuilt(error.without_url()));
        }
        Err(error) if error.is_connect() => {
            pass.not_sent();
            return Err(Failure::NeverSent(error.without_url()));
        }
        Err(error) => return Err(Failure::network(error)),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let told = Told::read(&headers);
    let is_the_proxys = headers.contains_key(proxied::GENERATED);
    // The proxy's own answers are dated by the clock of its machine, which may be ours.
    if !is_the_proxys {
        inner.skew.learn(&headers, inner.clock.now());
    }
    if status != StatusCode::TOO_MANY_REQUESTS {
        pass.answered(status, told.as_ref(), None);
        let body = read(response).await?;
        return Ok(Answer {
            status,
            is_the_proxys,
            limited: None,
            body,
        });
    }
    // The body says for how long; the place is kept until it is read.
    let body = read(response).await.unwrap_or_default();
    let limited = read_limit(&headers, &body);
    pass.answered(status, told.as_ref(), Some(limited));
    let limited = Some(limited);
    Ok(Answer {
        status,
        is_the_proxys,
        limited,
        body,
    })
}

fn read_limit(headers: &HeaderMap, body: &[u8]) -> Limited {
    read_429(headers, body).unwrap_or_else(|| Limited {
        // It does not say for how long.
        retry_after: retry::pause(3),
        scope: RateLimitScope::User,
    })
}

async fn read(response: reqwest::Response) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(Failure::network)?;
        if body.len() + part.len() > LARGEST_ANSWER {
            return Err(Failure::Unanswered(Unanswered::TooLarge));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

struct Answer {
    status: StatusCode,
    /// A REST proxy answered instead of Discord.
    is_the_proxys: bool,
    limited: Option<Limited>,
    body: Bytes,
}

impl Answer {
    /// The proxy stops, or has no connection to Discord, who never saw it.
    fn was_not_passed_on(&self) -> bool {
        self.is_the_proxys && self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// A 403 of what stands before Discord: it blocks an address or a way of asking for a time, and
    /// says nothing about what the bot may do. Discord's own refusals are JSON with message and code.
    fn is_the_edges(&self) -> bool {
        /// "internal network error": the edge's refusal in Discord's form.
        const BLOCKED: u64 = 40_333;
        if self.status != StatusCode::FORBIDDEN {
            return false;
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body["code"].as_u64().filter(|code| *code != BLOCKED);
        code.is_none() || !body["message"].is_string()
    }

    fn without_content(self) -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Bytes::new(),
            ..self
        }
    }
}

enum Failure {
    /// The request cannot be made of these parts.
    Unbuilt(reqwest::Error),
    /// No connection: it cannot have had an effect.
    NeverSent(reqwest::Error),
    /// It was sent, and what it did is not known.
    Unanswered(Unanswered),
}

impl Failure {
    fn network(error: reqwest::Error) -> Self {
        Self::Unanswered(Unanswered::Network(error.without_url()))
    }
}
