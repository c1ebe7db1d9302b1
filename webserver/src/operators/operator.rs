use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::ORIGIN;
use http::request::Parts;
use splashtail_core::ids::UserId;
use tracing::warn;
use url::Url;

use super::deploy_proxy::X_DP_HOST;
use crate::app::AppState;
use crate::error::ApiError;

/// A user whom the proxy vouches for and the allow-list names.
#[derive(Debug, Clone, Copy)]
pub struct Operator(pub UserId);

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        match app.proxy.check(&parts.headers, app.clock.now()) {
            Ok(user) => Ok(Self(user)),
            Err(denied) => {
                warn!(reason = %denied, "refused a request to the operators' page");
                Err(ApiError::NotOperator(denied))
            }
        }
    }
}

/// The request was made by a page of the operators' page itself. The proxy adds its headers to whatever
/// a browser sends, also to what another site made it send.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl<S: Send + Sync> FromRequestParts<S> for SameOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        if is_same_origin(&parts.headers) {
            Ok(Self)
        } else {
            Err(ApiError::Forbidden(
                "commands are taken from the operators' own page only: Origin is not X-DP-Host",
            ))
        }
    }
}

/// `X-DP-Host` is the name under which the proxy was asked. Which scheme it speaks is its affair.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    let fetched = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text(ORIGIN.as_str()).and_then(|origin| Url::parse(origin).ok());
    let (Some(origin), Some(host)) = (origin, text(X_DP_HOST.as_str())) else {
        return false;
    };
    // Read with the origin's scheme, so that its default port is the same in both.
    let own = Url::parse(&format!("{}://{host}", origin.scheme()));
    fetched && own.is_ok_and(|own| own.origin().is_tuple() && own.origin() == origin.origin())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn only_the_page_behind_the_proxy_is_the_same_origin() {
        for (host, origin, site, same) in [
            ("dash.test", "https://dash.test", "same-origin", true),
            ("dash.test", "https://dash.test", "", true),
            ("dash.test:443", "https://dash.test", "", true),
            ("DASH.test", "https://dash.test", "", true),
            (
                "127.0.0.1:4000",
                "http://127.0.0.1:4000",
                "same-origin",
                true,
            ),
            ("dash.test", "", "", false),
            ("dash.test", "", "same-origin", false),
            ("", "https://dash.test", "same-origin", false),
            ("dash.test", "null", "", false),
            ("dash.test", "https://evil.test", "cross-site", false),
            ("dash.test", "https://dash.test", "cross-site", false),
            ("dash.test", "https://dash.test", "same-site", false),
            ("dash.test", "https://dash.test.evil.test", "", false),
            ("dash.test", "https://dash.test:8443", "", false),
            ("dash.test/x", "https://dash.test.evil.test", "", false),
            ("user@evil.test", "https://dash.test", "", false),
        ] {
            let lines = [
                ("x-dp-host", host),
                ("origin", origin),
                ("sec-fetch-site", site),
            ];
            let headers: HeaderMap = lines
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(is_same_origin(&headers), same, "{host} {origin} {site}");
        }
    }
}
