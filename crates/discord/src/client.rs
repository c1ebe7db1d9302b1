use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, Method};
use secrecy::{ExposeSecret as _, SecretString};
use splashtail_core::clock::SharedClock;
use splashtail_core::config::is_local;
use tokio::sync::Semaphore;
use url::Url;

use crate::cdn::Downloader;
use crate::error::DiscordError;
use crate::ratelimit::{Lane, Load, RateLimits};
use crate::request::Request;
use crate::skew::Skew;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls of a lane that stand in line at a REST proxy at a time: each holds a connection. What stops an
/// attack has no such bound.
const MOST_THERE: usize = 256;
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Told of what a client does.
pub trait Witness: Send + Sync {
    /// A request that may change something is about to be sent, perhaps not for the first time.
    /// `path` is as it was given, below the API's version. Must not block.
    fn sends(&self, method: &Method, path: &str);
}

/// Discord's REST API and CDN in the name of one bot. Clones share their rate limits.
#[derive(Clone)]
pub struct Discord {
    pub(crate) inner: Arc<Inner>,
    lane: Lane,
    /// Who we are to a REST proxy that keeps the limits for us.
    pub(crate) caller: Option<&'static str>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) api: String,
    cdn_base: Url,
    pub(crate) authorization: HeaderValue,
    pub(crate) limits: RateLimits,
    pub(crate) clock: SharedClock,
    pub(crate) skew: Skew,
    pub(crate) witness: OnceLock<Arc<dyn Witness>>,
    /// Behind a REST proxy: places there for what is interactive and for jobs.
    pub(crate) there: [Semaphore; 2],
    downloader: Downloader,
}

impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discord")
            .field("api", &self.inner.api)
            .field("lane", &self.lane)
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
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_local(api_base) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|_| bad("the HTTP client cannot be set up"))?;
        let inner = Inner {
            http,
            api: format!("{}/api/v10", api_base.as_str().trim_end_matches('/')),
            cdn_base: cdn_base.clone(),
            authorization,
            limits: RateLimits::new(clock.clone()),
            downloader: Downloader::new(cdn_base, clock.clone())
                .map_err(|_| bad("the HTTP client cannot be set up"))?,
            clock,
            skew: Skew::default(),
            witness: OnceLock::new(),
            there: std::array::from_fn(|_| Semaphore::new(MOST_THERE)),
        };
        Ok(Self {
            inner: Arc::new(inner),
            lane: Lane::default(),
            caller: None,
        })
    }

    /// The same client where a REST proxy, if there is one (`meta.proxy`), keeps the limits for all of us:
    /// requests are sent at once, with their lane and how long they can wait, and stand in line there.
    /// `caller` tells us from others there.
    pub fn behind(self, proxy: Option<&Url>, caller: &'static str) -> Self {
        Self {
            caller: proxy.map(|_| caller),
            ..self
        }
    }

    /// Has the witness told of what all clones of this client do. There is one: `false` when
    /// somebody else is it already.
    pub fn witnessed_by(&self, witness: Arc<dyn Witness>) -> bool {
        self.inner.witness.set(witness).is_ok()
    }

    /// The same client for another purpose: requests made from it stand in this lane.
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self {
            inner: self.inner.clone(),
            lane,
            caller: self.caller,
        }
    }

    /// How far our clock is ahead of the one by which Discord makes ids, as its last answer told; never
    /// less than nothing.
    pub fn clock_ahead(&self) -> chrono::Duration {
        self.inner.skew.ahead()
    }

    /// What time it is by that one, as far as is known.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now() - self.clock_ahead()
    }

    /// How full the lines before Discord's limits are.
    pub fn load(&self) -> Load {
        self.inner.limits.load()
    }

    /// A request. `path` starts with `/` and follows the version, e.g. `/guilds/1/channels`.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        Request::new(self.clone(), method, path.into(), self.lane)
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
        &self.inner.cdn_base
    }

    pub(crate) fn downloader(&self) -> &Downloader {
        &self.inner.downloader
    }
}
