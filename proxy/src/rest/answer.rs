//! Answers that are the proxy's own, in Discord's form, and what of headers is passed on.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RETRY_AFTER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use splashtail_discord::ratelimit::TooLong;
use splashtail_discord::{UserAgent, proxied};

/// Why the proxy answers itself. But for [`Silent`](Local::Silent) Discord never heard of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// Its turn comes too late.
    Queue(Duration),
    /// Discord has refused too much lately.
    Guard(Duration),
    /// The bot's token is not known to Discord.
    Token,
    /// An interaction that is over.
    Late,
    /// A webhook that is gone.
    Webhook,
    /// What Discord said each time before.
    Forbidden(Bytes),
    /// No connection to Discord.
    Unsent,
    /// The proxy stops.
    Stopping,
    /// Discord did not answer; `repeatable`: asking twice is harmless.
    Silent {
        repeatable: bool,
    },
    /// The body did not come, or is too long.
    Body,
    Outside,
    Crooked,
    /// The call cannot be passed on as it is.
    Unusable,
}

impl From<TooLong> for Local {
    fn from(late: TooLong) -> Self {
        Self::Queue(late.retry_after)
    }
}

impl Local {
    fn why(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Guard(_) => "guard",
            Self::Token => "token",
            Self::Late => "late",
            Self::Webhook => "webhook",
            Self::Forbidden(_) => "forbidden",
            Self::Unsent => "unsent",
            Self::Stopping => "stopping",
            Self::Silent { .. } => "silent",
            Self::Body => "body",
            Self::Outside | Self::Crooked => "path",
            Self::Unusable => "request",
        }
    }

    /// Status, Discord's code and words for people.
    fn parts(&self) -> (StatusCode, u32, &'static str) {
        match self {
            Self::Queue(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                0,
                "The proxy cannot send this in the time that it may wait.",
            ),
            Self::Guard(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                0,
                "Discord has refused too many requests lately; the proxy waits before it blocks this address.",
            ),
            Self::Token => (StatusCode::UNAUTHORIZED, 0, "401: Unauthorized"),
            Self::Late => (StatusCode::NOT_FOUND, 10_062, "Unknown interaction"),
            Self::Webhook => (StatusCode::NOT_FOUND, 10_015, "Unknown Webhook"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, 0, "Forbidden"),
            Self::Unsent => (
                StatusCode::SERVICE_UNAVAILABLE,
                0,
                "The proxy has no connection to Discord.",
            ),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, 0, "The proxy stops."),
            // Libraries repeat a 504; what could happen twice must not be.
            Self::Silent { repeatable: true } => {
                (StatusCode::GATEWAY_TIMEOUT, 0, "Discord does not answer.")
            }
            Self::Silent { repeatable: false } => {
                (StatusCode::REQUEST_TIMEOUT, 0, "Discord does not answer.")
            }
            Self::Body => (StatusCode::BAD_REQUEST, 0, "The body broke off."),
            Self::Outside => (
                StatusCode::NOT_FOUND,
                0,
                "Discord's API is below /api, as in /api/v10/users/@me.",
            ),
            Self::Crooked => (
                StatusCode::BAD_REQUEST,
                0,
                "The path holds dots or slashes that lead elsewhere.",
            ),
            Self::Unusable => (
                StatusCode::BAD_REQUEST,
                0,
                "The request cannot be passed on as it is.",
            ),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Queue(wait) | Self::Guard(wait) => Some(*wait),
            Self::Unsent | Self::Stopping => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl IntoResponse for Local {
    fn into_response(self) -> Response {
        let (status, code, message) = self.parts();
        let retry_after = self.retry_after();
        let mut body = json!({"message": message, "code": code});
        if let Some(wait) = retry_after.filter(|_| status == StatusCode::TOO_MANY_REQUESTS) {
            body["retry_after"] = json!(wait.as_secs_f64());
            body["global"] = json!(false);
        }
        let mut response = match &self {
            Self::Forbidden(known) => {
                let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                (status, json, known.clone()).into_response()
            }
            _ => (status, Json(body)).into_response(),
        };
        let headers = response.headers_mut();
        let why = HeaderValue::from_static(self.why());
        headers.insert(HeaderName::from_static(proxied::GENERATED), why);
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

/// On an answer that came from Discord.
#[derive(Debug, Clone, Copy)]
pub struct Discords;

/// Whatever did not come from Discord says so, whoever here made it.
pub async fn mark(mut response: Response) -> Response {
    if response.extensions().get::<Discords>().is_none() {
        let own = HeaderValue::from_static("proxy");
        let name = HeaderName::from_static(proxied::GENERATED);
        response.headers_mut().entry(name).or_insert(own);
    }
    response
}

/// What the next one is told of what this one said. The length of a body that is not kept goes along.
pub fn request_headers(headers: &HeaderMap, keeps_length: bool) -> HeaderMap {
    let mut passed = passed_on(headers);
    for name in [HOST, EXPECT] {
        passed.remove(name);
    }
    passed.remove("x-ratelimit-precision");
    if !keeps_length {
        passed.remove(CONTENT_LENGTH);
    }
    passed
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static(UserAgent::VALUE));
    passed
}

/// The answer's, for the caller.
pub fn response_headers(headers: &HeaderMap) -> HeaderMap {
    passed_on(headers)
}

/// Without what is between two neighbours only (RFC 9110, section 7.6.1), and what is ours.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let is_between = |name: &HeaderName| {
        [
            CONNECTION,
            PROXY_AUTHENTICATE,
            PROXY_AUTHORIZATION,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
        ]
        .contains(name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection")
            || name.as_str().starts_with("x-proxy-")
            || named.iter().any(|named| named == name.as_str())
    };
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !is_between(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let given = headers(&[
            ("host", "127.0.0.1:3219"),
            ("connection", "keep-alive, X-Odd"),
            ("x-odd", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("x-proxy-priority", "bulk"),
            ("x-ratelimit-precision", "millisecond"),
            ("authorization", "Bot x"),
            ("x-audit-log-reason", "why"),
            ("cookie", "a"),
            ("cookie", "b"),
        ]);
        let passed = request_headers(&given, false);
        let expected = headers(&[
            ("authorization", "Bot x"),
            ("x-audit-log-reason", "why"),
            ("cookie", "a"),
            ("cookie", "b"),
            ("user-agent", UserAgent::VALUE),
        ]);
        assert_eq!(passed, expected);
        assert_eq!(request_headers(&given, true)["content-length"], "3");
        let own = headers(&[("user-agent", "DiscordBot (x, 1)")]);
        assert_eq!(
            request_headers(&own, false)["user-agent"],
            "DiscordBot (x, 1)"
        );
    }

    #[test]
    fn answers_of_our_own_are_known_as_such() {
        let wait = Duration::from_millis(2_500);
        for (local, status, retry_after) in [
            (Local::Queue(wait), 429, Some("3")),
            (Local::Guard(wait), 429, Some("3")),
            (Local::Stopping, 503, Some("1")),
            (Local::Silent { repeatable: true }, 504, None),
            (Local::Silent { repeatable: false }, 408, None),
            (Local::Late, 404, None),
        ] {
            let why = local.why();
            let response = local.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[proxied::GENERATED], why);
            let given = response.headers().get(RETRY_AFTER);
            assert_eq!(given.map(|value| value.to_str().unwrap()), retry_after);
        }
    }
}
