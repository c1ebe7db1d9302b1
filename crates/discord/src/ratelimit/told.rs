//! What an answer says about its limit.

use std::time::Duration;

use http::HeaderMap;

use crate::error::RateLimitScope;

/// No limit lasts longer, whatever an answer says.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The rate limit headers of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Opaque name of the bucket, without its major id.
    pub(super) hash: String,
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset_after: Duration,
    /// End of the window on Discord's own clock. It names the window however late an answer
    /// arrives; proxies and old fakes leave it out.
    pub(super) ends: Option<Duration>,
}

/// A 429 in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limited {
    /// Nothing is to be sent for so long, …
    pub retry_after: Duration,
    /// … of what this names.
    pub scope: RateLimitScope,
}

impl Told {
    /// `None`: they are not there, or not all of them, or no numbers.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| text(headers, name)?.parse::<u64>().ok();
        Some(Self {
            hash: text(headers, "x-ratelimit-bucket")?.to_owned(),
            limit: number("x-ratelimit-limit")?.max(1),
            remaining: number("x-ratelimit-remaining")?,
            reset_after: text(headers, "x-ratelimit-reset-after").and_then(span)?,
            ends: text(headers, "x-ratelimit-reset").and_then(seconds),
        })
    }
}

/// What a 429 says. The body is the authority; the header rounds up to whole seconds. An answer
/// that is not Discord's JSON is the edge's: it blocks the address, so everything. Without any
/// time, `None`.
pub fn read_429(headers: &HeaderMap, body: &[u8]) -> Option<Limited> {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let from_body = body.as_ref().and_then(|body| body["retry_after"].as_f64());
    let retry_after = from_body
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|wait| wait.min(LONGEST))
        .or_else(|| text(headers, "retry-after").and_then(span))?;
    let global = body.as_ref().is_none_or(|body| body["global"] == true)
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

fn span(text: &str) -> Option<Duration> {
    seconds(text).map(|span| span.min(LONGEST))
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Such a number added to the time of day was no time any more.
    #[test]
    fn nothing_is_waited_for_ever() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-bucket", "h"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "18446744073709549568"),
            ("retry-after", "18446744073709549568"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(Told::read(&headers).unwrap().reset_after, LONGEST);
        assert_eq!(read_429(&headers, b"").unwrap().retry_after, LONGEST);
        let body = br#"{"retry_after":1e19,"global":false}"#;
        assert_eq!(read_429(&headers, body).unwrap().retry_after, LONGEST);
        headers.insert("x-ratelimit-reset-after", "-1".parse().unwrap());
        assert_eq!(Told::read(&headers), None);
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
        let edge = read_429(&headers, b"<html>").unwrap();
        assert_eq!(edge.retry_after, Duration::from_secs(65));
        assert_eq!(edge.scope, RateLimitScope::Global, "it blocks the address");
        assert_eq!(read_429(&HeaderMap::new(), b"<html>"), None);
        let global = read_429(&HeaderMap::new(), br#"{"retry_after":1,"global":true}"#).unwrap();
        assert_eq!(global.scope, RateLimitScope::Global);
    }
}
