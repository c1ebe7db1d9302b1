//! What a handler can fail with, and how that looks on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use splashtail_api_types::ErrorBody;
use splashtail_core::random::RandomError;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::cache::CacheError;
use splashtail_ipc::clients::ClientError;
use splashtail_jobs::follow::Full;
use splashtail_storage::StorageError;
use tracing::error;

use crate::ioauth::DiscordError;
use crate::layers::request_log;
use crate::operators::Denied;
use crate::rate_limit::Exceeded;

/// Seconds after which a fleet that is starting is worth another look.
const FLEET_RETRY: u64 = 5;
/// Seconds after which a part of the platform that failed is worth another try.
const OUTAGE_RETRY: u64 = 10;

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("there is no such path")]
    UnknownPath,
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The message says what to change.
    #[error("{message}")]
    Invalid {
        code: &'static str,
        message: String,
        context: Option<(&'static str, String)>,
    },
    #[error("the request body may have at most {0} bytes")]
    BodyTooLarge(usize),
    #[error("{0}")]
    Unauthorized(&'static str),
    #[error("{}", .0.answer())]
    NotOperator(Denied),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("too many requests; try again in {} s", .0.retry_after())]
    RateLimited(Exceeded),
    #[error("the bot's clusters are starting or out of reach")]
    FleetUnavailable,
    #[error("this cluster is not running at the moment")]
    ClusterUnavailable,
    #[error("this cluster runs on another host, and only the webserver there can ask it")]
    ClusterElsewhere,
    #[error(transparent)]
    Crowded(#[from] Full),
    #[error("the range lies outside the file")]
    Range { size: u64 },
    /// Another daemon said no to what the caller asked for.
    #[error("{}", .body.message)]
    Refused {
        status: StatusCode,
        body: ErrorBody,
        retry_after: Option<u64>,
    },
    #[error("the {name} cannot be reached at the moment")]
    Unreachable {
        name: &'static str,
        #[source]
        source: Box<ClientError>,
    },
    #[error("the {name} answered unexpectedly")]
    Upstream {
        name: &'static str,
        #[source]
        source: Box<ClientError>,
    },
    #[error(transparent)]
    Discord(#[from] DiscordError),
    #[error("logging in with Discord is not configured: set {0}")]
    NotConfigured(&'static str),
    #[error("the database failed")]
    Storage(#[from] StorageError),
    #[error("the cache failed")]
    Cache(#[from] CacheError),
    #[error("the object store failed")]
    Objects(#[from] object_store::Error),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("a stored value cannot be read")]
    Stored(#[from] serde_json::Error),
    /// With the address at which a person can start the same thing again.
    #[error("{error}")]
    Again { error: Box<ApiError>, link: String },
    /// What several requests waited for together.
    #[error(transparent)]
    Shared(#[from] Arc<ApiError>),
}

impl ApiError {
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            message: message.into(),
            context: None,
        }
    }

    /// `link` is a path of ours.
    #[must_use]
    pub fn again_at(self, link: impl Into<String>) -> Self {
        Self::Again {
            error: Box::new(self),
            link: link.into(),
        }
    }

    /// The failure of a call to another daemon. Its 4xx answers concern the caller and pass
    /// through, apart from those that concern us (a signature, a shape we do not know).
    pub fn from_daemon(name: &'static str, source: ClientError) -> Self {
        match source {
            source if source.is_unreachable() => Self::Unreachable {
                name,
                source: Box::new(source),
            },
            ClientError::Status {
                status,
                body,
                retry_after,
            } if status.is_client_error()
                && status != StatusCode::UNAUTHORIZED
                && body.code != "unexpected_answer" =>
            {
                Self::Refused {
                    status,
                    body,
                    retry_after,
                }
            }
            source => Self::Upstream {
                name,
                source: Box::new(source),
            },
        }
    }

    #[cfg(test)]
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    fn status_and_code(&self) -> (StatusCode, &str) {
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown_path"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Invalid { code, .. } => (StatusCode::BAD_REQUEST, code),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Unauthorized(_) | Self::NotOperator(_) => {
                (StatusCode::UNAUTHORIZED, "unauthorized")
            }
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::FleetUnavailable => (StatusCode::PRECONDITION_FAILED, "fleet_unavailable"),
            Self::ClusterUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "cluster_unavailable"),
            Self::ClusterElsewhere => (StatusCode::SERVICE_UNAVAILABLE, "cluster_elsewhere"),
            Self::Crowded(_) => (StatusCode::SERVICE_UNAVAILABLE, "crowded"),
            Self::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
            Self::Refused { status, body, .. } => (*status, &body.code),
            Self::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Upstream { .. } => (StatusCode::BAD_GATEWAY, "bad_gateway"),
            Self::Discord(error) => error.status_and_code(),
            Self::NotConfigured(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_configured"),
            Self::Storage(StorageError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::Cache(error) if error.passes() => {
                (StatusCode::SERVICE_UNAVAILABLE, "cache_unavailable")
            }
            Self::Storage(_)
            | Self::Cache(_)
            | Self::Objects(_)
            | Self::Random(_)
            | Self::Stored(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Again { error, .. } => error.status_and_code(),
            Self::Shared(error) => error.status_and_code(),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(exceeded) => Some(exceeded.retry_after()),
            Self::FleetUnavailable => Some(FLEET_RETRY),
            Self::ClusterUnavailable
            | Self::Crowded(_)
            | Self::Unreachable { .. }
            | Self::Upstream { .. } => Some(OUTAGE_RETRY),
            Self::Storage(StorageError::Unavailable(_)) => Some(OUTAGE_RETRY),
            Self::Cache(error) if error.passes() => Some(OUTAGE_RETRY),
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Discord(error) => error.retry_after(),
            Self::Again { error, .. } => error.retry_after(),
            Self::Shared(error) => error.retry_after(),
            _ => None,
        }
    }

    fn context(&self) -> Option<BTreeMap<String, String>> {
        match self {
            Self::Invalid {
                context: Some((name, detail)),
                ..
            } => Some(BTreeMap::from([((*name).to_owned(), detail.clone())])),
            Self::Refused { body, .. } => body.context.clone(),
            Self::Discord(error) => error.context(),
            Self::Again { error, .. } => error.context(),
            Self::Shared(error) => error.context(),
            _ => None,
        }
    }
}

/// Rides on an error answer to the page that people see.
#[derive(Debug, Clone)]
pub struct AgainLink(pub String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Again { error, link } = self {
            let mut response = error.into_response();
            response.extensions_mut().insert(AgainLink(link));
            return response;
        }
        let (status, code) = self.status_and_code();
        let mut body = ErrorBody::new(code, self.to_string());
        body.context = self.context();
        if status.is_server_error() {
            error!(error = %Chain(&self), status = status.as_u16(), "request failed");
            if status == StatusCode::INTERNAL_SERVER_ERROR {
                "internal error".clone_into(&mut body.message);
            }
            if let Some(id) = request_log::current_id() {
                body = body.with_context("request_id", id);
            }
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        match &self {
            Self::RateLimited(exceeded) => exceeded.window.write(headers),
            Self::Range { size } => {
                headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, value);
                }
            }
            _ => {}
        }
        response
    }
}

/// Whole seconds, rounded up, at least one: what `Retry-After` takes.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_millis()
        .div_ceil(1000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use splashtail_ipc::redis::RedisFault;

    use super::*;

    /// It is our connection that found no place, not the person's.
    #[test]
    fn a_daemon_without_a_place_for_us_is_out_of_reach() {
        let crowded = ClientError::Status {
            status: StatusCode::TOO_MANY_REQUESTS,
            body: ErrorBody::new("crowded", "no place"),
            retry_after: Some(1),
        };
        let error = ApiError::from_daemon("jobserver", crowded);
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    /// Each failure of the cache used to be a fault of ours.
    #[test]
    fn an_outage_passes_and_a_fault_does_not() {
        let answer = |error: CacheError| {
            let response = ApiError::from(error).into_response();
            let retry = response.headers().get(RETRY_AFTER).cloned();
            (response.status().as_u16(), retry)
        };
        let retry = Some(HeaderValue::from(OUTAGE_RETRY));
        for outage in [CacheError::Full, RedisFault::Timeout.into()] {
            assert_eq!(answer(outage), (503, retry.clone()));
        }
    }
}
