use std::fmt;
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
    /// Our own guard: Discord blocks addresses whose requests it refuses too often.
    Refusals,
    /// Our own bound: too many requests stand in line.
    Line,
}

impl fmt::Display for RateLimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "this bot's on this route",
            Self::Global => "this bot's on all routes",
            Self::Shared => "everybody's on this resource",
            Self::Refusals => "our own, before Discord blocks us for refused requests",
            Self::Line => "our own, too many requests are waiting",
        })
    }
}

/// What was there instead of a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// A server in trouble.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// The connection broke or timed out.
    #[error("the connection failed")]
    Network(#[source] reqwest::Error),
    /// A success that is not the JSON it should be.
    #[error("its answer is unreadable")]
    Unreadable(#[source] serde_json::Error),
    /// A success larger than any answer of the API.
    #[error("its answer is too large")]
    TooLarge,
    /// The caller could not wait for the answer any longer.
    #[error("the answer was not waited for")]
    Cancelled,
}

impl Unanswered {
    /// Whether another try may end otherwise.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Network(_))
    }
}

impl ApiError {
    /// The object itself is unknown: code 10001 and following. An unknown guild says nothing
    /// about what is in it, and a 404 without such a code nothing at all.
    pub fn is_gone(&self) -> bool {
        const UNKNOWN_GUILD: u64 = 10_004;
        self.status == StatusCode::NOT_FOUND
            && (10_001..=10_999).contains(&self.code)
            && self.code != UNKNOWN_GUILD
    }

    /// Too many direct channels were opened: a limit in the guise of a 403 that does not say how long
    /// it lasts.
    pub fn is_too_fast(&self) -> bool {
        const OPENING_DMS: u64 = 40_003;
        self.code == OPENING_DMS
    }
}

/// Why a request gave no usable answer. Rate limits and passing failures were already waited for
/// and tried again as far as that is safe. All but [`DiscordError::Ambiguous`] mean that a request
/// which is not idempotent had no effect.
#[derive(Debug, thiserror::Error)]
pub enum DiscordError {
    /// Discord answered with an error that trying again does not cure.
    #[error(transparent)]
    Api(#[from] Box<ApiError>),
    /// The turn would come later than the caller is ready to wait for.
    #[error("the rate limit on {route} ({scope}) lasts {retry_after:?}")]
    RateLimited {
        /// Method and route template.
        route: String,
        /// How long to wait, reckoned from the place in line.
        retry_after: Duration,
        /// Which limit it is.
        scope: RateLimitScope,
    },
    /// It may have happened, or not: the request was sent and nothing usable came back, and doing
    /// it twice is not the same as once. Neither success nor failure; look up what became of it.
    #[error("it is not known whether {route} took effect")]
    Ambiguous {
        /// Method and route template.
        route: String,
        /// Why it is not known.
        #[source]
        cause: Unanswered,
    },
    /// Discord kept failing on its side, or what stands before it lets nothing through (a 403 that
    /// is not Discord's own).
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

    /// Whether the same request may succeed later without anybody changing anything. An ambiguous
    /// one is neither this nor failed for good.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Network { .. } => true,
            Self::Api(error) => error.is_too_fast(),
            _ => false,
        }
    }

    /// Whether direct channels are opened too fast: nobody else can be written to either.
    pub fn is_too_fast(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_too_fast())
    }

    /// Whether it may have taken effect although it did not succeed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous { .. })
    }

    /// 404: the object is gone or was never there.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// 403 of Discord itself: the bot may not.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api(error) if error.status == StatusCode::FORBIDDEN)
    }

    /// 401: the token is not valid.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_direct_messages_too_fast_passes() {
        let refused = |code| {
            DiscordError::Api(Box::new(ApiError {
                status: StatusCode::FORBIDDEN,
                code,
                message: "no".into(),
                errors: None,
                route: "POST /users/@me/channels".into(),
            }))
        };
        assert!(refused(40_003).is_transient());
        assert!(!refused(50_007).is_transient());
    }
}
