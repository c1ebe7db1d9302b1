//! One signed request and its answer, at the first of several addresses that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_api_types::ErrorBody;
use splashtail_core::config::without_slash;
use tokio::time::Instant;
use tracing::debug;
use url::Url;

use super::error::{Callee, ClientError};
use crate::http::CROWDED;
use crate::signing::{SIGN_AGAIN, Signer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A daemon that is being restarted refuses connections for about this long.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// A daemon that asks for no time at all still gets some.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// How long a daemon that did nothing may ask to be called again, also of callers without patience.
/// After its start that takes a second, plus what clocks differ by.
const UNDONE_PATIENCE: Duration = Duration::from_secs(3);
/// Answers above this are not ours.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Connect 1 s, total 10 s, each attempt signed anew.
///
/// A refused connection leads to the next address, and after the last one to one more round. What
/// may have been carried out is repeated only when the call says that it can be. Clones share which
/// address worked last, and begin there.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Client,
    callee: Whom,
    addresses: Arc<[Url]>,
    preferred: Arc<AtomicUsize>,
    /// `None` for calls that need no signature.
    signer: Option<Signer>,
}

/// The kind of daemon a transport leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whom {
    pub(super) name: &'static str,
    /// Where the config says where it is.
    pub(super) key: &'static str,
    /// How long `Retry-After` is followed for calls that can be repeated, from their beginning.
    pub(super) patience: Duration,
}

#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'a Method,
    /// Path and query, from the slash on.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    pub(super) headers: &'a [(&'static str, String)],
    /// Whether making it twice does no more than making it once.
    pub(super) repeatable: bool,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: &Method::GET,
            path,
            body: None,
            headers: &[],
            repeatable: true,
        }
    }

    pub(super) fn post(path: &'a str, body: &'a Value) -> Self {
        Self {
            method: &Method::POST,
            path,
            body: Some(body),
            headers: &[],
            repeatable: false,
        }
    }

    pub(super) fn repeatable(self, repeatable: bool) -> Self {
        Self { repeatable, ..self }
    }
}

pub(super) fn http_client() -> Result<Client, ClientError> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        // Daemons are on this machine or next to it; environment proxies are for the outside.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(ClientError::Build)
}

impl Transport {
    pub(super) fn new(
        http: Client,
        callee: Whom,
        addresses: Vec<Url>,
        signer: Option<Signer>,
    ) -> Result<Self, ClientError> {
        if addresses.is_empty() {
            return Err(ClientError::NoAddress(callee.key));
        }
        Ok(Self {
            http,
            callee,
            addresses: addresses.into(),
            preferred: Arc::default(),
            signer,
        })
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        let (place, body) = self.bytes(call).await?;
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Answer(self.name(place), source))
    }

    /// For answers without a body.
    pub(super) async fn done(&self, call: Call<'_>) -> Result<(), ClientError> {
        self.bytes(call).await.map(drop)
    }

    /// The answer and which address gave it.
    async fn bytes(&self, call: Call<'_>) -> Result<(usize, Vec<u8>), ClientError> {
        let started = Instant::now();
        let count = self.addresses.len();
        let mut place = self.preferred.load(Ordering::Relaxed) % count;
        let mut failed_in_a_row = 0;
        let mut rounds = Rounds::default();
        loop {
            let error = match self.attempt(place, &call).await {
                Ok(body) => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return Ok((place, body));
                }
                Err(error) => error,
            };
            let spent = started.elapsed();
            let Some(next) = Next::after(&error, call.repeatable, spent, self.callee.patience)
            else {
                return Err(error);
            };
            if next.elsewhere {
                place = (place + 1) % count;
                failed_in_a_row += 1;
            }
            if !next.elsewhere || failed_in_a_row == count {
                failed_in_a_row = 0;
                let Some(pause) = rounds.pause(next.then) else {
                    return Err(error);
                };
                debug!(%error, daemon = self.callee.name, ?pause, "making a call again");
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn attempt(&self, place: usize, call: &Call<'_>) -> Result<Vec<u8>, ClientError> {
        let response = self.send(place, call).await?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = self.read(place, response).await?;
        if status.is_success() {
            return Ok(body);
        }
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            ErrorBody {
                code: "unexpected_answer".to_owned(),
                message: text,
                context: None,
            }
        });
        Err(ClientError::Status {
            status,
            body,
            retry_after,
        })
    }

    async fn send(&self, place: usize, call: &Call<'_>) -> Result<reqwest::Response, ClientError> {
        let address = format!("{}{}", without_slash(&self.addresses[place]), call.path);
        let mut builder = self.http.request(call.method.clone(), address);
        for (name, value) in call.headers {
            builder = builder.header(*name, value);
        }
        if let Some(body) = call.body {
            builder = builder.json(body);
        }
        let mut request = builder.build().map_err(ClientError::Build)?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request)?;
        }
        self.http
            .execute(request)
            .await
            .map_err(|error| self.classify(place, error))
    }

    async fn read(
        &self,
        place: usize,
        mut response: reqwest::Response,
    ) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.classify(place, error))?
        {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(ClientError::TooLarge(self.name(place)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn classify(&self, place: usize, error: reqwest::Error) -> ClientError {
        let error = error.without_url();
        if error.is_connect() {
            ClientError::Unreachable(self.name(place), error)
        } else if error.is_timeout() {
            ClientError::Timeout(self.name(place))
        } else {
            ClientError::Broken(self.name(place), error)
        }
    }

    fn name(&self, place: usize) -> Callee {
        Callee {
            name: self.callee.name,
            address: without_slash(&self.addresses[place]).to_owned(),
            key: self.callee.key,
        }
    }
}

/// How a failed call goes on.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    /// First at the other addresses: what one daemon cannot do another may.
    elsewhere: bool,
    /// Once all addresses have failed.
    then: Then,
}

#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// As a rule it was an idle connection that the other end had closed, or the daemon was killed
    /// and its successor listens already.
    AtOnce,
    /// Nobody listens for the moment.
    AfterPause,
    /// The daemon named the time.
    After(Duration),
}

impl Next {
    /// `None` when the caller is to hear of the error, `spent` after the call began.
    fn after(
        error: &ClientError,
        repeatable: bool,
        spent: Duration,
        patience: Duration,
    ) -> Option<Self> {
        let others_first = |then| {
            Some(Self {
                elsewhere: true,
                then,
            })
        };
        match error {
            // Nobody saw the call.
            ClientError::Unreachable(..) => others_first(Then::AfterPause),
            ClientError::Broken(..) if repeatable => others_first(Then::AtOnce),
            // The daemon had its time; another one may still answer within the caller's.
            ClientError::Timeout(_) if repeatable && spent < patience => others_first(Then::AtOnce),
            ClientError::Status {
                status,
                body,
                retry_after: Some(seconds),
            } => {
                let wait = Duration::from_secs(*seconds);
                let within = |patience| spent + wait <= patience;
                let then = Then::After(wait);
                match body.code.as_str() {
                    // Refused before anything was done, and by the one daemon that would do it.
                    SIGN_AGAIN => within(UNDONE_PATIENCE.max(patience)).then_some(Self {
                        elsewhere: false,
                        then,
                    }),
                    // Nobody read the call.
                    CROWDED => within(UNDONE_PATIENCE.max(patience))
                        .then(|| others_first(then))
                        .flatten(),
                    _ if *status == StatusCode::SERVICE_UNAVAILABLE && repeatable => {
                        within(patience).then(|| others_first(then)).flatten()
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Rounds over all addresses that nobody asked for: each kind once.
#[derive(Debug, Default)]
struct Rounds {
    at_once: bool,
    after_pause: bool,
}

impl Rounds {
    fn pause(&mut self, then: Then) -> Option<Duration> {
        let (used, pause) = match then {
            Then::AtOnce => (&mut self.at_once, Duration::ZERO),
            Then::AfterPause => (&mut self.after_pause, RETRY_PAUSE),
            // Bounded by the patience.
            Then::After(wait) => return Some(wait.max(SHORTEST_WAIT)),
        };
        (!std::mem::replace(used, true)).then_some(pause)
    }
}
