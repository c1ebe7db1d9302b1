//! Fixed windows per caller.

use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use splashtail_ipc::http::Network;

use crate::app::{App, AppState};
use crate::auth::Identity;
use crate::error::{ApiError, whole_seconds};
use crate::layers::client_address::ClientAddress;

pub const BUCKET: HeaderName = HeaderName::from_static("bucket");
pub const REQ_LIMIT: HeaderName = HeaderName::from_static("req-limit");
pub const REQ_MADE: HeaderName = HeaderName::from_static("req-made");
/// draft-ietf-httpapi-ratelimit-headers.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

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

    fn key(&self, scope: &str) -> String {
        let scope = hex::encode(Sha256::digest(scope));
        format!("rl:{}-{scope}", self.bucket)
    }
}

pub const IOAUTH: Policy = Policy::new("ioauth", 15, 300);
pub const CREATE_TASK: Policy = Policy::new("create_task", 50, 3600);
/// A server's jobs: each asks the bot, and it may ask Discord.
pub const GUILD_JOBS: Policy = Policy::new("guild_jobs", 120, 60);
pub const CANCEL_JOB: Policy = Policy::new("cancel_job", 50, 3600);
pub const AUTH_TEST: Policy = Policy::new("auth_test", 20, 60);
pub const DOWNLOAD: Policy = Policy::new("download", 20, 60);
/// Each reads a file whole, and tries a password.
pub const BACKUP_LOOKS: Policy = Policy::new("backup_looks", 20, 60);
/// Each may be a hundred megabytes.
pub const UPLOADS: Policy = Policy::new("backup_uploads", 10, 3600);
/// It asks the jobserver, the database and every shard of a cluster.
pub const HEALTH: Policy = Policy::new("guild_health", 60, 60);
pub const TRANSFER: Policy = Policy::new("settings_transfer", 20, 300);
pub const LOGIN: Policy = Policy::new("oauth2_login", 15, 300);
pub const SESSIONS: Policy = Policy::new("sessions", 60, 300);
pub const USER_GUILDS: Policy = Policy::new("get_user_guilds_norefresh", 5, 300);
pub const USER_GUILDS_REFRESH: Policy = Policy::new("get_user_guilds_refresh", 3, 300);
pub const BASE_INFO: Policy = Policy::new("get_user_guild_base_info", 5, 300);
/// It may ask Discord.
pub const CONSENTS: Policy = Policy::new("consents", 60, 300);
pub const PERMISSIONS: Policy = Policy::new("check_permissions", 60, 60);
pub const SETTINGS_VIEW: Policy = Policy::new("settings_view", 60, 300);
pub const SETTINGS_CHANGE: Policy = Policy::new("settings_execute", 10, 300);
pub const HISTORY: Policy = Policy::new("settings_history", 60, 300);
pub const APPROVALS: Policy = Policy::new("approvals", 120, 60);
pub const INCIDENT_ACTS: Policy = Policy::new("incident_acts", 20, 60);
/// Streams that are begun; how many are open at a time is bounded on its own.
pub const EVENTS: Policy = Policy::new("events", 60, 60);
pub const INCIDENTS: Policy = Policy::new("incidents", 120, 60);
/// It may ask Discord.
pub const MEMBERS: Policy = Policy::new("members", 60, 60);
pub const PLATFORM: Policy = Policy::new("platform", 60, 60);
pub const PLATFORM_CLEAR: Policy = Policy::new("platform_clear", 10, 60);
/// It may ask Discord for everybody who is shown.
pub const STAFF_TEAM: Policy = Policy::new("get_staff_team", 5, 180);
pub const WEBHOOKS: Policy = Policy::new("webhooks", 120, 60);
/// Of whatever network it comes; GitHub sends those of everybody from few.
pub const GITLOGS: Policy = Policy::new("gitlogs", 1200, 60);
pub const GITLOGS_OF_HOOK: Policy = Policy::new("gitlogs_of_hook", 120, 60);

/// Where a caller stands in the window of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    policy: Policy,
    made: u64,
    resets_in: Duration,
}

impl Standing {
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(BUCKET, HeaderValue::from_static(self.policy.bucket));
        headers.insert(REQ_LIMIT, HeaderValue::from(self.policy.limit));
        headers.insert(REQ_MADE, HeaderValue::from(self.made));
        let Policy {
            bucket,
            limit,
            window,
        } = self.policy;
        let (left, resets) = (
            limit.saturating_sub(self.made),
            whole_seconds(self.resets_in),
        );
        let policy = format!("\"{bucket}\";q={limit};w={}", window.as_secs());
        for (name, value) in [
            (RATE_LIMIT_POLICY, policy),
            (RATE_LIMIT, format!("\"{bucket}\";r={left};t={resets}")),
        ] {
            // Buckets are plain words.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// One request more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    pub window: Standing,
}

impl Exceeded {
    /// Seconds.
    pub fn retry_after(&self) -> u64 {
        whole_seconds(self.window.resets_in)
    }
}

/// A layer for one route.
pub async fn limit(
    State((app, policy)): State<(AppState, Policy)>,
    Extension(identity): Extension<Identity>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let standing = count(&app, policy, &identity, address).await?;
    let mut response = next.run(request).await;
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    Ok(response)
}

/// Counts a request: per user or server when the caller is known, else per network of the client.
/// `None`: nothing is limited here.
///
/// # Errors
/// It is one too many, or the counter cannot be reached.
pub async fn count(
    app: &App,
    policy: Policy,
    identity: &Identity,
    address: IpAddr,
) -> Result<Option<Standing>, ApiError> {
    if app.config.meta.web_disable_ratelimits {
        return Ok(None);
    }
    let (scope, blocks) = match identity.caller() {
        Some(caller) => (caller.key(), Vec::new()),
        None => (Network::of(address).to_string(), blocks(address)),
    };
    for (block, limit) in &blocks {
        let made = app.cache.get(&policy.key(block)).await?;
        let made = made.and_then(|made| made.parse().ok()).unwrap_or(0);
        if made >= limit * policy.limit {
            let window = Standing {
                policy,
                made,
                resets_in: policy.window,
            };
            return Err(ApiError::RateLimited(Exceeded { window }));
        }
    }
    let window = app
        .cache
        .incr_window(&policy.key(&scope), policy.window)
        .await?;
    let standing = Standing {
        policy,
        made: window.count,
        resets_in: window.resets_in,
    };
    if window.count > policy.limit {
        return Err(ApiError::RateLimited(Exceeded { window: standing }));
    }
    for (block, _) in &blocks {
        app.cache
            .incr_window(&policy.key(block), policy.window)
            .await?;
    }
    Ok(Some(standing))
}

/// Counts what is about one thing, whoever asks.
///
/// # Errors
/// It is one too many, or the counter cannot be reached.
pub async fn count_one(app: &App, policy: Policy, thing: &str) -> Result<(), ApiError> {
    if app.config.meta.web_disable_ratelimits {
        return Ok(());
    }
    let key = policy.key(thing);
    let window = app.cache.incr_window(&key, policy.window).await?;
    if window.count <= policy.limit {
        return Ok(());
    }
    let standing = Standing {
        policy,
        made: window.count,
        resets_in: window.resets_in,
    };
    Err(ApiError::RateLimited(Exceeded { window: standing }))
}

/// What is behind cannot keep up.
pub fn full(policy: Policy) -> ApiError {
    let window = Standing {
        policy,
        made: policy.limit,
        resets_in: policy.window,
    };
    ApiError::RateLimited(Exceeded { window })
}

/// The blocks of IPv6 that a stranger's address lies in, and how many customers at their limit
/// each may hold. A block at its limit is refused before its customers are counted, so they do not
/// fill the cache; what a customer is refused does not count for the block, so one cannot use up
/// the share of all.
fn blocks(address: IpAddr) -> Vec<(String, u64)> {
    const CUSTOMERS: [u64; 2] = [20, 400];
    Network::blocks(address)
        .map(|block| block.to_string())
        .zip(CUSTOMERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ipv6_lie_in_blocks() {
        let blocks = |address: &str| blocks(address.parse().unwrap());
        assert_eq!(blocks("203.0.113.9"), []);
        assert_eq!(blocks("::ffff:203.0.113.9"), []);
        assert_eq!(
            blocks("2001:db8:1:2:3::4"),
            [
                ("2001:db8:1::/48".to_owned(), 20),
                ("2001:db8::/32".to_owned(), 400)
            ]
        );
    }
}
