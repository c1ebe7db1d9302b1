use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

use crate::cdn::Downloader;
use crate::error::{ApiError, DiscordError, RateLimitScope};
use crate::ratelimit::{self, Limited, RateLimits};
use crate::retry::{self, Retry};
use crate::route::Route;

/// Longest rate limit that is waited for in a call. Longer ones (a day of role creations) are the
/// caller's decision.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// 429 answers accepted for one call; more means that the limits cannot be followed.
const MOST_LIMITED: u32 = 20;
/// No answer of the API comes near; a list of 1000 members takes about 1 MB.
const LARGEST_ANSWER: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REASON_CHARACTERS: usize = 512;
/// Everything outside the unreserved ASCII of a header value (Discord docs, "Audit Logs").
const REASON_ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// `DiscordBot (<url>, <version>)`, the form that Discord demands.
#[derive(Debug, Clone, Copy)]
pub struct UserAgent;

impl UserAgent {
    /// The value sent by this platform.
    pub const VALUE: &'static str = concat!(
        "DiscordBot (https://github.com/anti-raid/splashtail, ",
        env!("CARGO_PKG_VERSION"),
        ")"
    );
}

/// Discord's REST API and CDN in the name of one bot.
#[derive(Clone)]
pub struct Discord(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    api: String,
    cdn_base: Url,
    authorization: HeaderValue,
    limits: RateLimits,
    clock: SharedClock,
    downloader: Downloader,
}

impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discord")
            .field("api", &self.0.api)
            .finish_non_exhaustive()
    }
}

impl Discord {
    /// A client for an API and a CDN. `api_base` is an origin or the address of a proxy, without
    /// `/api`. A rustls provider must be installed.
    ///
    /// # Errors
    /// The token holds characters no header can carry, or TLS cannot be set up.
    pub fn new(
        api_base: &Url,
        cdn_base: &Url,
        token: &SecretString,
        clock: SharedClock,
    ) -> Result<Self, DiscordError> {
        let bad = |why: &str| DiscordError::BadRequest {
            route: "setup".into(),
            why: why.into(),
        };
        let token = token.expose_secret().trim();
        let token = token.strip_prefix("Bot ").unwrap_or(token);
        let mut authorization = HeaderValue::try_from(format!("Bot {token}"))
            .map_err(|_| bad("the bot token holds unusable characters"))?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| bad("the HTTP client cannot be set up"))?;
        Ok(Self(Arc::new(Inner {
            http,
            api: format!("{}/api/v10", api_base.as_str().trim_end_matches('/')),
            cdn_base: cdn_base.clone(),
            authorization,
            limits: RateLimits::new(clock.clone()),
            downloader: Downloader::new(cdn_base, clock.clone())
                .map_err(|_| bad("the HTTP client cannot be set up"))?,
            clock,
        })))
    }

    /// A request. `path` starts with `/` and follows the version, e.g. `/guilds/1/channels`.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        let path = path.into();
        Request {
            discord: self.clone(),
            route: Route::new(&method, &path),
            idempotent: retry::is_idempotent(&method),
            method,
            path,
            query: Vec::new(),
            body: None,
            reason: None,
            longest_wait: LONGEST_WAIT,
            cancelled: None,
        }
    }

    /// `GET`.
    pub fn get(&self, path: impl Into<String>) -> Request {
        self.request(Method::GET, path)
    }

    /// `POST`.
    pub fn post(&self, path: impl Into<String>) -> Request {
        self.request(Method::POST, path)
    }

    /// `PATCH`.
    pub fn patch(&self, path: impl Into<String>) -> Request {
        self.request(Method::PATCH, path)
    }

    /// `PUT`.
    pub fn put(&self, path: impl Into<String>) -> Request {
        self.request(Method::PUT, path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: impl Into<String>) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Origin of images and attachments.
    pub fn cdn_base(&self) -> &Url {
        &self.0.cdn_base
    }

    pub(crate) fn downloader(&self) -> &Downloader {
        &self.0.downloader
    }
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
    reason: Option<HeaderValue>,
    idempotent: bool,
    longest_wait: Duration,
    cancelled: Option<CancellationToken>,
}

impl Request {
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
    /// a `POST` that only asks, or one made safe by an enforced nonce.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Longest single rate limit to wait for before giving up with
    /// [`DiscordError::RateLimited`].
    pub fn longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = longest_wait;
        self
    }

    /// Ends the call, waits included, when the token fires.
    pub fn cancelled_by(mut self, token: &CancellationToken) -> Self {
        self.cancelled = Some(token.clone());
        self
    }

    /// The answer as JSON.
    pub async fn send(self) -> Result<Value, DiscordError> {
        self.send_as().await
    }

    /// The answer as a type.
    pub async fn send_as<T: DeserializeOwned>(self) -> Result<T, DiscordError> {
        let route = self.route.template.clone();
        let body = self.send_bytes().await?;
        serde_json::from_slice(&body).map_err(|source| DiscordError::Malformed { route, source })
    }

    /// Only whether it succeeded; what `204` routes need.
    pub async fn send_empty(self) -> Result<(), DiscordError> {
        self.send_bytes().await.map(drop)
    }

    /// The answer's bytes.
    pub async fn send_bytes(self) -> Result<Bytes, DiscordError> {
        match self.cancelled.clone() {
            None => Box::pin(self.run()).await,
            Some(token) => {
                let run = Box::pin(self.run());
                token
                    .run_until_cancelled(run)
                    .await
                    .unwrap_or(Err(DiscordError::Cancelled))
            }
        }
    }

    async fn run(self) -> Result<Bytes, DiscordError> {
        let url = self.url()?;
        let mut attempts = 0;
        let mut limited = 0;
        loop {
            self.wait_for_budget().await?;
            attempts += 1;
            let outcome = self.once(url.clone()).await;
            let retry = match outcome {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    limited += 1;
                    attempts -= 1;
                    self.hold_back(&answer, limited).await?;
                    continue;
                }
                Ok(answer) => {
                    let retry = retry::on_status(answer.status, self.idempotent);
                    if retry == Retry::Pointless {
                        return Err(Box::new(self.refused(&answer)).into());
                    }
                    if retry == Retry::Unsafe || attempts >= retry::ATTEMPTS {
                        let (route, status) = (self.route.template.clone(), answer.status);
                        return Err(DiscordError::Unavailable {
                            route,
                            status,
                            attempts,
                        });
                    }
                    answer.status.to_string()
                }
                Err(Failure::TooLarge) => {
                    let route = self.route.template.clone();
                    return Err(DiscordError::TooLarge {
                        route,
                        limit: LARGEST_ANSWER,
                    });
                }
                Err(Failure::Network(source)) => {
                    let retry = retry::on_network(&source, self.idempotent);
                    if retry != Retry::Safe || attempts >= retry::ATTEMPTS {
                        let (route, source) = (self.route.template.clone(), source.without_url());
                        return Err(DiscordError::Network {
                            route,
                            attempts,
                            source,
                        });
                    }
                    source.without_url().to_string()
                }
            };
            let pause = retry::pause(attempts + 1);
            warn!(
                discord.route = self.route.template,
                attempt = attempts,
                cause = retry,
                wait_ms = pause.as_millis(),
                "Discord failed, trying again"
            );
            self.discord.0.clock.sleep(pause).await;
        }
    }

    async fn wait_for_budget(&self) -> Result<(), DiscordError> {
        let inner = &self.discord.0;
        while let Err(wait) = inner.limits.take(&self.route) {
            self.check_wait(wait, RateLimitScope::User)?;
            debug!(
                discord.route = self.route.template,
                wait_ms = wait.as_millis(),
                "waiting for the rate limit"
            );
            inner.clock.sleep(wait).await;
        }
        Ok(())
    }

    fn check_wait(&self, wait: Duration, scope: RateLimitScope) -> Result<(), DiscordError> {
        if wait <= self.longest_wait {
            return Ok(());
        }
        let route = self.route.template.clone();
        Err(DiscordError::RateLimited {
            route,
            retry_after: wait,
            scope,
        })
    }

    /// Deals with a 429: remembers what it holds back. The wait itself happens before the next
    /// attempt, together with everything else that it concerns.
    async fn hold_back(&self, answer: &Answer, times: u32) -> Result<(), DiscordError> {
        let inner = &self.discord.0;
        let told = ratelimit::read_429(&answer.headers, &answer.body);
        let limited = told.unwrap_or_else(|| Limited {
            // The edge blocks without saying for how long.
            retry_after: retry::pause(times + 1),
            scope: RateLimitScope::User,
        });
        warn!(
            discord.route = self.route.template,
            retry_after_ms = limited.retry_after.as_millis(),
            scope = ?limited.scope,
            "Discord limits the rate of requests"
        );
        inner.limits.limited(&self.route, limited);
        self.check_wait(limited.retry_after, limited.scope)?;
        if times >= MOST_LIMITED {
            let route = self.route.template.clone();
            let Limited { retry_after, scope } = limited;
            return Err(DiscordError::RateLimited {
                route,
                retry_after,
                scope,
            });
        }
        Ok(())
    }

    async fn once(&self, url: Url) -> Result<Answer, Failure> {
        let inner = &self.discord.0;
        let mut request = inner
            .http
            .request(self.method.clone(), url)
            .header(AUTHORIZATION, inner.authorization.clone())
            .header(USER_AGENT, UserAgent::VALUE);
        if let Some(reason) = &self.reason {
            request = request.header("X-Audit-Log-Reason", reason.clone());
        }
        if let Some(Ok(body)) = &self.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let in_flight = inner.limits.in_flight(&self.route);
        let response = request.send().await.map_err(Failure::Network)?;
        let (status, headers) = (response.status(), response.headers().clone());
        in_flight.answered(&headers);
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(Failure::Network)?;
            if body.len() + part.len() > LARGEST_ANSWER {
                return Err(Failure::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
        })
    }

    fn url(&self) -> Result<Url, DiscordError> {
        let bad = |why: String| DiscordError::BadRequest {
            route: self.route.template.clone(),
            why,
        };
        if let Some(Err(error)) = &self.body {
            return Err(bad(error.to_string()));
        }
        let mut url = Url::parse(&format!("{}{}", self.discord.0.api, self.path))
            .map_err(|error| bad(error.to_string()))?;
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
            message: body["message"].as_str().map_or_else(reason, str::to_owned),
            errors: body.get("errors").cloned(),
            route: self.route.template.clone(),
        }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

enum Failure {
    Network(reqwest::Error),
    TooLarge,
}
