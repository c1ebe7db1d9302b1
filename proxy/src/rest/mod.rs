//! The REST half of the proxy: everything that acts in the name of a token goes to Discord through here,
//! so that one place keeps the limits that all of it shares.
//!
//! The lines of buckets are those of `splashtail_discord::ratelimit`, one set per token; `pace` is the
//! second over all routes, `guard` what all tokens of the address have in common.

mod answer;
mod call;
mod guard;
mod identity;
mod pace;
mod path;
mod payload;
mod state;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use metrics::{counter, gauge, histogram};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{is_local, without_slash};
use splashtail_discord::Skew;
use splashtail_ipc::http::{Limits, harden};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::gateway::{self, Gateway};
use guard::Guard;
use identity::{Identities, Identity};
use path::Target;

/// What Discord lets a bot do in a second unless it agreed to more with its owner.
pub const USUAL_LIMIT: usize = 50;
/// KiB of bodies that wait to be sent; what does not fit flows through without being kept.
const BODIES: usize = 32 << 10;
const CONNECT: Duration = Duration::from_secs(5);
/// Between two parts of an answer.
const STALL: Duration = Duration::from_secs(30);
/// Connections to Discord kept open beyond those in use.
const IDLE: usize = 64;
/// Longer than any call takes, bodies not counted.
const LONGEST_CALL: Duration = Duration::from_secs(2 * 3_600);
/// Routes with metrics of their own.
const MOST_LABELS: usize = 256;
const SECRET: &str = "x-proxy-secret";
const REAL: &str = "x-proxy-real";

#[derive(Debug, Clone)]
pub struct Settings {
    /// Discord's own REST API.
    pub api: Url,
    pub token: SecretString,
    /// Requests in a second, for each bot.
    pub per_second: usize,
    /// Lets callers leave the token out.
    pub secret: Option<SecretString>,
    /// Where what is known of buckets and refusals outlives the process.
    pub state_dir: Option<PathBuf>,
}

pub struct Rest {
    origin: String,
    http: reqwest::Client,
    clock: SharedClock,
    settings: Settings,
    /// Of the bot whose token we have.
    own: HeaderValue,
    own_id: Option<String>,
    identities: Identities,
    guard: Mutex<Guard>,
    skew: Skew,
    /// Discord has told what time it is.
    heard: AtomicBool,
    bodies: Arc<Semaphore>,
    labels: Mutex<HashSet<String>>,
    in_flight: AtomicUsize,
    tasks: TaskTracker,
    /// Calls that wait are sent away, to come back to whoever follows.
    pub stopping: CancellationToken,
}

/// How the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    pub tokens: usize,
    pub waiting: usize,
    pub in_flight: usize,
    pub buckets: usize,
    /// Requests that our own bot may send at once.
    pub left_in_second: usize,
    pub per_second: usize,
    /// Of the 10,000 at which Discord blocks the address.
    pub refused_in_ten_minutes: u64,
}

impl Rest {
    /// A rustls provider must be installed.
    ///
    /// # Errors
    /// The token can be carried by no header, or TLS cannot be set up.
    pub fn new(
        settings: Settings,
        clock: SharedClock,
        tasks: TaskTracker,
    ) -> anyhow::Result<Arc<Self>> {
        let token = settings.token.expose_secret().trim();
        let token = token.strip_prefix("Bot ").unwrap_or(token);
        let mut own = HeaderValue::try_from(format!("Bot {token}"))
            .context("discord_auth.token cannot be used")?;
        own.set_sensitive(true);
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .pool_max_idle_per_host(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Bodies are passed on as they come.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if is_local(&settings.api) {
            http = http.no_proxy();
        }
        let rest = Self {
            origin: without_slash(&settings.api).to_owned(),
            http: http.build().context("the HTTP client cannot be set up")?,
            own_id: bot_id(token),
            own,
            identities: Identities::new(Arc::clone(&clock)),
            guard: Mutex::default(),
            skew: Skew::default(),
            heard: AtomicBool::new(false),
            bodies: Arc::new(Semaphore::new(BODIES)),
            labels: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            tasks,
            stopping: CancellationToken::new(),
            settings,
            clock,
        };
        rest.restore();
        Ok(Arc::new(rest))
    }

    /// Everything on the port of the REST proxy: Discord's API, and where the gateway is.
    pub fn router(self: &Arc<Self>, gateway: &Arc<Gateway>) -> Router {
        let both = Both {
            rest: Arc::clone(self),
            gateway: Arc::clone(gateway),
        };
        let mut router = Router::new();
        for prefix in ["/api", "/api/{version}"] {
            router = router
                .route(&format!("{prefix}/gateway"), get(where_it_is))
                .route(&format!("{prefix}/gateway/bot"), get(where_it_is));
        }
        let router = router
            .fallback(async |State(both): State<Both>, request: Request| {
                both.rest.call(request).await
            })
            .with_state(both)
            // Some libraries look for the gateway where the API is.
            .layer(from_fn_with_state(
                Arc::clone(gateway),
                gateway::http::websocket,
            ))
            .layer(from_fn_with_state(
                Arc::clone(gateway),
                gateway::visitors::programs_only,
            ));
        let limits = Limits {
            body: usize::MAX,
            answer: LONGEST_CALL,
        };
        harden(router, limits).layer(map_response(answer::mark))
    }

    pub fn report(&self) -> Report {
        let now = self.clock.monotonic();
        let all = self.identities.list();
        let loads: Vec<_> = all.iter().map(|one| one.limits.load()).collect();
        Report {
            tokens: all.len(),
            waiting: loads.iter().map(|load| load.waiting).sum::<usize>()
                + all.iter().map(|one| one.pace.waiting()).sum::<usize>(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            buckets: loads.iter().map(|load| load.buckets).sum(),
            left_in_second: self.identity(Some(&self.own)).pace.left(),
            per_second: self.settings.per_second,
            refused_in_ten_minutes: self.guard().refusals(now),
        }
    }

    /// What the metrics page shows of the lines.
    pub fn keep_up(&self) {
        let report = self.report();
        gauge!("splashtail_proxy_rest_inflight").set(report.in_flight as f64);
        gauge!("splashtail_proxy_rest_waiting").set(report.waiting as f64);
        gauge!("splashtail_proxy_rest_buckets").set(report.buckets as f64);
        gauge!("splashtail_proxy_rest_global_tokens").set(report.left_in_second as f64);
        gauge!("splashtail_proxy_rest_invalid_window").set(report.refused_in_ten_minutes as f64);
    }

    fn identity(&self, authorization: Option<&HeaderValue>) -> Arc<Identity> {
        self.identities.of(authorization, self.settings.per_second)
    }

    /// Our own token, for a caller who knows the secret and brings none.
    fn lent(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let secret = self.settings.secret.as_ref()?.expose_secret();
        let given = headers.get(SECRET)?.as_bytes();
        let is_it = bool::from(secret.as_bytes().ct_eq(given));
        (is_it && !headers.contains_key(AUTHORIZATION)).then(|| self.own.clone())
    }

    fn own_id(&self) -> Option<&str> {
        self.own_id.as_deref()
    }

    /// Whether Discord has given up on what a call would answer. Without its time nobody knows.
    fn is_too_late(&self, target: &Target) -> bool {
        self.heard.load(Ordering::Relaxed) && target.is_too_late(self.discord_now())
    }

    /// The time by the clock that makes ids.
    fn discord_now(&self) -> DateTime<Utc> {
        self.clock.now() - self.skew.ahead()
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a route in the metrics. What Discord does not know gets none of its own.
    fn label(&self, template: &str, status: StatusCode) -> String {
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        if !labels.contains(template) {
            if !status.is_success() || labels.len() >= MOST_LABELS {
                return "other".to_owned();
            }
            labels.insert(template.to_owned());
        }
        template.to_owned()
    }

    fn meter(
        &self,
        method: &Method,
        route: String,
        status: StatusCode,
        scope: &'static str,
        begun: Duration,
    ) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        let took = self.clock.monotonic().saturating_sub(begun);
        histogram!("splashtail_proxy_rest_seconds").record(took.as_secs_f64());
        let status = status.as_u16().to_string();
        counter!(
            "splashtail_proxy_rest_requests_total",
            "method" => method, "route" => route, "status" => status, "scope" => scope
        )
        .increment(1);
    }

    fn flight(&self) -> Flight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(&self.in_flight)
    }
}

/// One request that is under way.
struct Flight<'a>(&'a AtomicUsize);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Both {
    rest: Arc<Rest>,
    gateway: Arc<Gateway>,
}

/// Where our gateway is; Discord's own answer for who wants it.
async fn where_it_is(State(both): State<Both>, request: Request) -> axum::response::Response {
    let real = request.headers().get(REAL);
    match real.is_some_and(|value| value == "1") {
        true => both.rest.call(request).await,
        false => gateway::http::gateway_bot(State(both.gateway)).await,
    }
}

/// A token begins with the bot's id in base64.
fn bot_id(token: &str) -> Option<String> {
    let first = token.split('.').next()?.trim_end_matches('=');
    let id = String::from_utf8(STANDARD_NO_PAD.decode(first).ok()?).ok()?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_begin_with_the_bots_id() {
        let token = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small";
        assert_eq!(bot_id(token).as_deref(), Some("1100000000000000001"));
        assert_eq!(bot_id("MTEw==.x.y").as_deref(), Some("110"));
        for none in ["", ".", "token", "äö.x"] {
            assert_eq!(bot_id(none), None, "{none}");
        }
    }
}
