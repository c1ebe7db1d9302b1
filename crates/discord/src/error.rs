use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

/// Discord's own answer to a request it refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Discord refused {route}: {status}, {message} (code {code})")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Discord's JSON error code; 0 when the body had none.
    pub code: u64,
    /// Discord's message, or the reason phrase when the body had none.
    pub message: String,
    /// The tree of field errors, if any.
    pub errors: Option<Value>,
    /// Method and route template, without ids.
    pub route: String,
}

/// Which limit a 429 came from (`X-RateLimit-Scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitScope {
    /// This bot on this route.
    User,
    /// This bot on all routes.
    Global,
    /// Everyone on this resource.
    Shared,
}

/// Why a request gave no usable answer. Rate limits and passing failures were already waited for
/// and tried again as far as that is safe.
#[derive(Debug, thiserror::Error)]
pub enum DiscordError {
    /// Discord answered with an error that trying again does not cure.
    #[error(transparent)]
    Api(#[from] Box<ApiError>),
    /// A rate limit that lasts longer than the caller is willing to wait.
    #[error("Discord's rate limit on {route} lasts {retry_after:?}")]
    RateLimited {
        /// Method and route template.
        route: String,
        /// How long to wait.
        retry_after: Duration,
        /// Which limit it is.
        scope: RateLimitScope,
    },
    /// Discord kept failing on its side.
    #[error("Discord is unavailable: {route} answered {status} {attempts} times")]
    Unavailable {
        /// Method and route template.
        route: String,
        /// The last status.
        status: StatusCode,
        /// Requests made.
        attempts: u32,
    },
    /// No answer arrived.
    #[error("no answer from Discord to {route} in {attempts} attempts")]
    Network {
        /// Method and route template.
        route: String,
        /// Requests made.
        attempts: u32,
        /// The last failure, without its address.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is not the JSON that was asked for.
    #[error("unreadable answer from Discord to {route}")]
    Malformed {
        /// Method and route template.
        route: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is larger than any answer of the API.
    #[error("the answer from Discord to {route} is larger than {limit} bytes")]
    TooLarge {
        /// Method and route template.
        route: String,
        /// The limit.
        limit: usize,
    },
    /// The route or a header could not be turned into a request.
    #[error("the request for {route} cannot be built: {why}")]
    BadRequest {
        /// Method and route template.
        route: String,
        /// What is wrong with it.
        why: String,
    },
    /// The caller's cancellation token fired.
    #[error("the request was cancelled")]
    Cancelled,
}

impl DiscordError {
    /// Status of Discord's answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Api(error) => Some(error.status),
            Self::Unavailable { status, .. } => Some(*status),
            Self::RateLimited { .. } => Some(StatusCode::TOO_MANY_REQUESTS),
            _ => None,
        }
    }

    /// Discord's JSON error code, if it gave one.
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Api(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Network { .. }
        )
    }

    /// 404: the object is gone or was never there.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// 403: the bot may not.
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// 401: the token is not valid.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }
}
