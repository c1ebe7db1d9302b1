//! Which other origins may read answers: the website, and in staging any page on this machine; of
//! the operators' page none. Tokens travel in headers, so credentials are never allowed.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::{Host, Origin, Url};

use super::request_log::X_REQUEST_ID;
use crate::error::X_ERROR_TYPE;
use crate::operators;
use crate::rate_limit::{BUCKET, RATE_LIMIT, RATE_LIMIT_POLICY, REQ_LIMIT, REQ_MADE};

const SERVER_AUTH: HeaderName = HeaderName::from_static("server-auth");
const USER_AUTH: HeaderName = HeaderName::from_static("user-auth");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

pub fn layer(config: &Config) -> CorsLayer {
    let frontend = config.sites.frontend.origin();
    let loopback = config.environment == Environment::Staging;
    let allowed = AllowOrigin::predicate(move |origin: &HeaderValue, request: &Parts| {
        !operators::contains(request.uri.path())
            && origin
                .to_str()
                .is_ok_and(|origin| is_allowed(origin, &frontend, loopback))
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            X_CLIENT,
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            USER_AUTH,
            SERVER_AUTH,
            IDEMPOTENCY_KEY,
            LAST_EVENT_ID,
        ])
        .expose_headers([
            BUCKET,
            header::RETRY_AFTER,
            REQ_LIMIT,
            REQ_MADE,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            X_ERROR_TYPE,
            X_REQUEST_ID,
        ])
}

fn is_allowed(origin: &str, frontend: &Origin, loopback: bool) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    // `null` and opaque origins never compare equal.
    url.origin() == *frontend || (loopback && is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_website_and_in_staging_this_machine() {
        let frontend = Url::parse("https://antiraid.example/").unwrap().origin();
        for (origin, staging, prod) in [
            ("https://antiraid.example", true, true),
            ("https://antiraid.example:8443", false, false),
            ("http://antiraid.example", false, false),
            ("https://antiraid.example.evil.example", false, false),
            ("http://localhost:5173", true, false),
            ("http://127.0.0.1:8081", true, false),
            ("http://[::1]:8081", true, false),
            ("http://localhost.evil.example", false, false),
            ("null", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                is_allowed(origin, &frontend, true),
                staging,
                "{origin} in staging"
            );
            assert_eq!(
                is_allowed(origin, &frontend, false),
                prod,
                "{origin} in prod"
            );
        }
    }
}
