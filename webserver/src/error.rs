//! What a handler can fail with, and how that looks on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use splashtail_api_types::settings::SettingsError;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::places::Full;
use splashtail_core::random::RandomError;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::cache::CacheError;
use splashtail_ipc::clients::ClientError;
use splashtail_permissions::PermissionResult;
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
        code: Code,
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
    /// The bot's evaluator said no.
    #[error("{0}")]
    Denied(Box<PermissionResult>),
    /// What was asked of a setting is not valid.
    #[error("{0}")]
    Setting(Box<SettingsError>),
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
    /// Asked in the bot's name.
    #[error("Discord cannot be reached at the moment")]
    NoWord(#[source] splashtail_discord::DiscordError),
    #[error("logging in with Discord is not configured: set {0}")]
    NotConfigured(&'static str),
    #[error("the database failed")]
    Storage(#[from] StorageError),
    #[error("the cache failed")]
    Cache(#[from] CacheError),
    #[error("the object store failed")]
    Objects(#[from] object_store::Error),
    /// A temporary file.
    #[error("a file could not be read or written")]
    File(#[source] std::io::Error),
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
    /// A change that a browser was made to ask for by a page which is none of this site's.
    pub fn foreign() -> Self {
        Self::Forbidden(
            "a browser's session changes things for pages of this site alone: `Origin` is not \
             `sites.api`. Programs send a token in `Authorization`",
        )
    }

    pub fn invalid(code: Code, message: impl Into<String>) -> Self {
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
        let code = match self {
            Self::UnknownPath => Code::UnknownPath,
            Self::NotFound(_) => Code::NotFound,
            Self::Invalid { code, .. } => *code,
            Self::BodyTooLarge(_) => Code::BodyTooLarge,
            Self::Unauthorized(_) | Self::NotOperator(_) => Code::Unauthorized,
            Self::Forbidden(_) => Code::Forbidden,
            Self::Denied(_) => Code::PermissionDenied,
            Self::Setting(_) => Code::SettingsRefused,
            Self::RateLimited(_) => Code::RateLimited,
            Self::FleetUnavailable => Code::FleetUnavailable,
            Self::ClusterUnavailable => Code::ClusterUnavailable,
            Self::ClusterElsewhere => Code::ClusterElsewhere,
            Self::Crowded(_) => Code::Crowded,
            Self::Range { .. } => Code::RangeNotSatisfiable,
            Self::Refused { status, body, .. } => return (*status, &body.code),
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Upstream { .. } => Code::BadGateway,
            Self::Discord(error) => error.code(),
            Self::NoWord(_) => Code::DiscordUnavailable,
            Self::NotConfigured(_) => Code::NotConfigured,
            Self::Storage(StorageError::Unavailable(_)) => Code::DatabaseUnavailable,
            Self::Cache(error) if error.passes() => Code::CacheUnavailable,
            Self::Storage(_)
            | Self::Cache(_)
            | Self::Objects(_)
            | Self::File(_)
            | Self::Random(_)
            | Self::Stored(_) => Code::Internal,
            Self::Again { error, .. } => return error.status_and_code(),
            Self::Shared(error) => return error.status_and_code(),
        };
        // The table has statuses only.
        let status = StatusCode::from_u16(code.status());
        (
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code.as_str(),
        )
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(exceeded) => Some(exceeded.retry_after()),
            Self::FleetUnavailable => Some(FLEET_RETRY),
            Self::ClusterUnavailable
            | Self::Crowded(_)
            | Self::NoWord(_)
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

/// Says that the body has more to it than every error has.
pub const X_ERROR_TYPE: HeaderName = HeaderName::from_static("x-error-type");

impl ApiError {
    /// With the fields of what the bot said beside those that every error has.
    fn detailed(&self, body: ErrorBody) -> Value {
        let said = match self {
            Self::Denied(result) => serde_json::to_value(result),
            Self::Setting(error) => serde_json::to_value(error),
            _ => Ok(Value::Null),
        };
        let mut whole = match serde_json::to_value(body) {
            Ok(Value::Object(whole)) => whole,
            _ => Map::new(),
        };
        if let Ok(Value::Object(said)) = said {
            for (name, value) in said {
                whole.entry(name).or_insert(value);
            }
        }
        Value::Object(whole)
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
        let mut response = (status, Json(self.detailed(body))).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::Denied(_) => {
                headers.insert(X_ERROR_TYPE, HeaderValue::from_static("permission_check"));
            }
            Self::Setting(_) => {
                headers.insert(X_ERROR_TYPE, HeaderValue::from_static("settings_error"));
            }
            _ => {}
        }
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
