//! Why a call to a daemon gave nothing.

use std::fmt;

use http::StatusCode;
use splashtail_api_types::ErrorBody;

use crate::http::CROWDED;
use crate::signing::SignError;

/// Which daemon was called, and the key that says where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callee {
    pub name: &'static str,
    pub address: String,
    pub key: &'static str,
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot build an HTTP client")]
    Build(#[source] reqwest::Error),
    #[error("`{0}` names no address")]
    NoAddress(&'static str),
    #[error("cannot sign the call")]
    Sign(#[from] SignError),
    #[error("{0} does not accept connections: is it running, and is `{key}` right?", key = .0.key)]
    Unreachable(Callee, #[source] reqwest::Error),
    #[error("{0} did not answer in time: it may be overloaded, its log says more")]
    Timeout(Callee),
    #[error("the call to {0} broke off: it may have been carried out")]
    Broken(Callee, #[source] reqwest::Error),
    /// The daemon said no; `body` tells why.
    #[error("{status}: {}", body.message)]
    Status {
        status: StatusCode,
        body: ErrorBody,
        retry_after: Option<u64>,
    },
    #[error("the answer of {0} is not of the expected shape: are both of the same version, and is `{key}` right?", key = .0.key)]
    Answer(Callee, #[source] serde_json::Error),
    #[error("the answer of {0} is too large")]
    TooLarge(Callee),
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
        ) || self.code() == Some(CROWDED)
    }
}
