//! Fixed windows per caller.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::app::AppState;
use crate::auth::Identity;
use crate::error::{ApiError, whole_seconds};
use crate::layers::client_address::ClientAddress;

pub const BUCKET: HeaderName = HeaderName::from_static("bucket");
pub const REQ_LIMIT: HeaderName = HeaderName::from_static("req-limit");
pub const REQ_MADE: HeaderName = HeaderName::from_static("req-made");

/// How often one caller may do something: `limit` requests pass per `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub bucket: &'static str,
    pub limit: u64,
    pub window: Duration,
}

impl Policy {
    const fn new(bucket: &'static str, limit: u64, seconds: u64) -> Self {
        Self {
            bucket,
            limit,
            window: Duration::from_secs(seconds),
        }
    }
}

pub const IOAUTH: Policy = Policy::new("ioauth", 15, 300);
pub const CREATE_TASK: Policy = Policy::new("create_task", 50, 3600);
pub const AUTH_TEST: Policy = Policy::new("auth_test", 20, 60);
pub const DOWNLOAD: Policy = Policy::new("download", 20, 60);

/// Where a caller stands in the window of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    policy: Policy,
    made: u64,
}

impl Standing {
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(BUCKET, HeaderValue::from_static(self.policy.bucket));
        headers.insert(REQ_LIMIT, HeaderValue::from(self.policy.limit));
        headers.insert(REQ_MADE, HeaderValue::from(self.made));
    }
}

/// One request more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    pub window: Standing,
    resets_in: Duration,
}

impl Exceeded {
    /// Seconds.
    pub fn retry_after(&self) -> u64 {
        whole_seconds(self.resets_in)
    }
}

/// A layer for one route. It counts per user or server when the caller is known, else per client
/// address. When the counter cannot be reached the request fails.
pub async fn limit(
    State((app, policy)): State<(AppState, Policy)>,
    Extension(identity): Extension<Identity>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if app.config.meta.web_disable_ratelimits {
        return Ok(next.run(request).await);
    }
    let caller = match identity.caller() {
        Some(caller) => caller.key(),
        None => address.to_string(),
    };
    let key = format!(
        "rl:{}-{}",
        policy.bucket,
        hex::encode(Sha256::digest(caller))
    );
    let window = app.cache.incr_window(&key, policy.window).await?;
    let standing = Standing {
        policy,
        made: window.count,
    };
    if window.count > policy.limit {
        let exceeded = Exceeded {
            window: standing,
            resets_in: window.resets_in,
        };
        return Err(ApiError::RateLimited(exceeded));
    }
    let mut response = next.run(request).await;
    standing.write(response.headers_mut());
    Ok(response)
}
