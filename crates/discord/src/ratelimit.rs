//! Pacing by what Discord's answers say. Nothing is assumed about a limit before its first answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use splashtail_core::clock::SharedClock;

use crate::error::RateLimitScope;
use crate::route::Route;

/// Buckets forgotten once this many are known and they have reset.
const SWEEP_ABOVE: usize = 2048;

/// Limits of one bot, shared by everything that sends in its name.
#[derive(Debug)]
pub(crate) struct RateLimits {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Hash that Discord gave for a template.
    hashes: HashMap<String, String>,
    /// By hash (or template while unknown) and major id.
    buckets: HashMap<(String, String), Bucket>,
    /// Nothing is sent before this time.
    global_until: Duration,
}

#[derive(Debug, Default)]
struct Bucket {
    limit: u64,
    remaining: u64,
    in_flight: u64,
    resets_at: Duration,
}

/// A 429 in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limited {
    pub(crate) retry_after: Duration,
    pub(crate) scope: RateLimitScope,
}

impl RateLimits {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Takes one request of the route's budget, or says how long to wait before asking again.
    pub(crate) fn take(&self, route: &Route) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        if let Some(wait) = state
            .global_until
            .checked_sub(now)
            .filter(|wait| !wait.is_zero())
        {
            return Err(wait);
        }
        let key = state.key(route);
        let Some(bucket) = state.buckets.get_mut(&key) else {
            return Ok(());
        };
        if bucket.resets_at <= now {
            bucket.remaining = bucket.limit.saturating_sub(bucket.in_flight).max(1);
        }
        if bucket.remaining == 0 {
            return Err(bucket
                .resets_at
                .saturating_sub(now)
                .max(Duration::from_millis(1)));
        }
        bucket.remaining -= 1;
        bucket.in_flight += 1;
        Ok(())
    }

    /// Learns from an answer, or from its absence (`headers` empty).
    fn answered(&self, route: &Route, headers: &HeaderMap) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let old_key = state.key(route);
        if let Some(bucket) = state.buckets.get_mut(&old_key) {
            bucket.in_flight = bucket.in_flight.saturating_sub(1);
        }
        let Some(hash) = text(headers, "x-ratelimit-bucket") else {
            return;
        };
        let (Some(limit), Some(remaining), Some(reset_after)) = (
            text(headers, "x-ratelimit-limit").and_then(|limit| limit.parse::<u64>().ok()),
            text(headers, "x-ratelimit-remaining").and_then(|left| left.parse::<u64>().ok()),
            text(headers, "x-ratelimit-reset-after").and_then(seconds),
        ) else {
            return;
        };
        // One route may answer with several hashes (deleting old and new messages): follow it.
        if state
            .hashes
            .get(&route.template)
            .is_none_or(|known| known != hash)
        {
            state.hashes.insert(route.template.clone(), hash.to_owned());
        }
        let resets_at = now + reset_after;
        let bucket = state
            .buckets
            .entry((hash.to_owned(), route.major.clone()))
            .or_default();
        bucket.limit = limit;
        let left = remaining.saturating_sub(bucket.in_flight);
        // An answer of the same window that arrives late must not give budget back.
        let same_window = bucket.resets_at > now
            && resets_at.abs_diff(bucket.resets_at) < Duration::from_millis(500);
        bucket.remaining = if same_window {
            bucket.remaining.min(left)
        } else {
            left
        };
        bucket.resets_at = resets_at;
        if state.buckets.len() > SWEEP_ABOVE {
            state
                .buckets
                .retain(|_, bucket| bucket.in_flight > 0 || bucket.resets_at > now);
        }
    }

    /// Holds back what a 429 concerns: everything, or the route's bucket.
    pub(crate) fn limited(&self, route: &Route, limited: Limited) {
        let until = self.clock.monotonic() + limited.retry_after;
        let mut state = self.state();
        if limited.scope == RateLimitScope::Global {
            state.global_until = state.global_until.max(until);
            return;
        }
        let key = state.key(route);
        let bucket = state.buckets.entry(key).or_default();
        bucket.limit = bucket.limit.max(1);
        bucket.remaining = 0;
        bucket.resets_at = bucket.resets_at.max(until);
    }

    /// Marks a request as under way until its answer is known, or until the caller gives up.
    pub(crate) fn in_flight<'a>(&'a self, route: &'a Route) -> InFlight<'a> {
        InFlight {
            limits: self,
            route,
            answered: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request taken with [`RateLimits::take`]. Dropping it without an answer gives its place back.
pub(crate) struct InFlight<'a> {
    limits: &'a RateLimits,
    route: &'a Route,
    answered: bool,
}

impl InFlight<'_> {
    pub(crate) fn answered(mut self, headers: &HeaderMap) {
        self.answered = true;
        self.limits.answered(self.route, headers);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.limits.answered(self.route, &HeaderMap::new());
        }
    }
}

impl State {
    fn key(&self, route: &Route) -> (String, String) {
        let hash = self.hashes.get(&route.template).unwrap_or(&route.template);
        (hash.clone(), route.major.clone())
    }
}

/// What a 429 says. The body is the authority; the header rounds up to whole seconds. Without
/// either (an HTML page of the edge), `None`.
pub(crate) fn read_429(headers: &HeaderMap, body: &[u8]) -> Option<Limited> {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let from_body = body.as_ref().and_then(|body| body["retry_after"].as_f64());
    let retry_after = from_body
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| text(headers, "retry-after").and_then(seconds))?;
    let global = body.as_ref().is_some_and(|body| body["global"] == true)
        || text(headers, "x-ratelimit-global").is_some_and(|value| value == "true");
    let scope = match text(headers, "x-ratelimit-scope") {
        _ if global => RateLimitScope::Global,
        Some("global") => RateLimitScope::Global,
        Some("shared") => RateLimitScope::Shared,
        _ => RateLimitScope::User,
    };
    Some(Limited { retry_after, scope })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use http::Method;
    use splashtail_core::clock::ManualClock;

    fn setup() -> (ManualClock, RateLimits) {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let limits = RateLimits::new(clock.shared());
        (clock, limits)
    }

    fn headers(hash: &str, limit: u64, remaining: u64, reset_after: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-bucket", hash.to_owned()),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset-after", reset_after.to_owned()),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    fn messages(channel: u64) -> Route {
        Route::new(&Method::GET, &format!("/channels/{channel}/messages"))
    }

    #[test]
    fn a_spent_bucket_waits_for_its_reset() {
        let (clock, limits) = setup();
        limits.take(&messages(1)).unwrap();
        limits.answered(&messages(1), &headers("h", 2, 1, "3.5"));
        limits.take(&messages(1)).unwrap();
        assert_eq!(limits.take(&messages(1)), Err(Duration::from_millis(3500)));
        limits
            .take(&messages(2))
            .expect("another channel has its own budget");
        clock.advance(Duration::from_millis(3500));
        limits.take(&messages(1)).unwrap();
    }

    #[test]
    fn late_answers_do_not_refill_a_bucket() {
        let (_clock, limits) = setup();
        limits.answered(&messages(1), &headers("h", 5, 0, "5"));
        limits.answered(&messages(1), &headers("h", 5, 3, "5"));
        assert!(limits.take(&messages(1)).is_err());
    }

    #[test]
    fn global_limits_hold_everything() {
        let (clock, limits) = setup();
        let limited = Limited {
            retry_after: Duration::from_secs(2),
            scope: RateLimitScope::Global,
        };
        limits.limited(&messages(1), limited);
        assert_eq!(limits.take(&messages(2)), Err(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(2));
        limits.take(&messages(2)).unwrap();
    }

    #[test]
    fn a_user_limit_holds_one_route() {
        let (_clock, limits) = setup();
        let limited = Limited {
            retry_after: Duration::from_secs(2),
            scope: RateLimitScope::User,
        };
        limits.limited(&messages(1), limited);
        assert!(limits.take(&messages(1)).is_err());
        limits.take(&messages(2)).unwrap();
    }

    #[test]
    fn bodies_of_429_win_over_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "65".parse().unwrap());
        headers.insert("x-ratelimit-scope", "shared".parse().unwrap());
        let body = br#"{"message":"The resource is being rate limited.","retry_after":64.57,"global":false}"#;
        assert_eq!(
            read_429(&headers, body),
            Some(Limited {
                retry_after: Duration::from_millis(64_570),
                scope: RateLimitScope::Shared
            })
        );
        let wait = read_429(&headers, b"<html>").unwrap().retry_after;
        assert_eq!(wait, Duration::from_secs(65));
        assert_eq!(read_429(&HeaderMap::new(), b"<html>"), None);
        let global = read_429(&HeaderMap::new(), br#"{"retry_after":1,"global":true}"#).unwrap();
        assert_eq!(global.scope, RateLimitScope::Global);
    }
}
