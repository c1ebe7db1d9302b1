//! One signed request and its answer.

use std::time::Duration;

use http::{Method, StatusCode};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_api_types::ErrorBody;
use splashtail_core::config::without_slash;
use tracing::debug;
use url::Url;

use crate::signing::{SignError, Signer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A daemon that is being restarted refuses connections for about this long.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Answers above this are not ours.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot build an HTTP client")]
    Build(#[source] reqwest::Error),
    #[error("cannot sign the call")]
    Sign(#[from] SignError),
    #[error("{0} does not accept connections")]
    Unreachable(String, #[source] reqwest::Error),
    #[error("{0} did not answer in time")]
    Timeout(String),
    #[error("the call to {0} broke off")]
    Broken(String, #[source] reqwest::Error),
    /// The daemon said no; `body` tells why.
    #[error("{status}: {}", body.message)]
    Status {
        status: StatusCode,
        body: ErrorBody,
        retry_after: Option<u64>,
    },
    #[error("the answer of {0} is not of the expected shape")]
    Answer(String, #[source] serde_json::Error),
    #[error("the answer of {0} is too large")]
    TooLarge(String),
}

impl ClientError {
    /// The stable code the daemon gave, if it answered at all.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Status { body, .. } => Some(&body.code),
            _ => None,
        }
    }

    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the daemon may not have seen the call at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(..) | Self::Timeout(_) | Self::Broken(..)
        )
    }
}

/// Connect 1 s, total 10 s, one retry after a refused connection, signed anew.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Client,
    base: Url,
    /// `None` for calls that need no signature.
    signer: Option<Signer>,
}

pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Path and query, from the slash on.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    pub(super) headers: &'a [(&'static str, String)],
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            headers: &[],
        }
    }

    pub(super) fn post(path: &'a str, body: &'a Value) -> Self {
        Self {
            method: Method::POST,
            path,
            body: Some(body),
            headers: &[],
        }
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
    pub(super) fn new(http: Client, base: Url, signer: Option<Signer>) -> Self {
        Self { http, base, signer }
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        let body = self.bytes(call).await?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Answer(self.name(), source))
    }

    /// For answers without a body.
    pub(super) async fn done(&self, call: Call<'_>) -> Result<(), ClientError> {
        self.bytes(call).await.map(drop)
    }

    async fn bytes(&self, call: Call<'_>) -> Result<Vec<u8>, ClientError> {
        let response = match self.attempt(&call).await {
            Err(ClientError::Unreachable(_, error)) => {
                debug!(%error, daemon = self.name(), "connection refused, trying once more");
                tokio::time::sleep(RETRY_PAUSE).await;
                self.attempt(&call).await?
            }
            outcome => outcome?,
        };
        let status = response.status();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = self.read(response).await?;
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

    async fn attempt(&self, call: &Call<'_>) -> Result<reqwest::Response, ClientError> {
        let address = format!("{}{}", without_slash(&self.base), call.path);
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
            .map_err(|error| self.classify(error))
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.classify(error))?
        {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(ClientError::TooLarge(self.name()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn classify(&self, error: reqwest::Error) -> ClientError {
        let error = error.without_url();
        if error.is_connect() {
            ClientError::Unreachable(self.name(), error)
        } else if error.is_timeout() {
            ClientError::Timeout(self.name())
        } else {
            ClientError::Broken(self.name(), error)
        }
    }

    fn name(&self) -> String {
        without_slash(&self.base).to_owned()
    }
}
