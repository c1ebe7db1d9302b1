use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::ORIGIN;
use http::request::Parts;
use splashtail_core::ids::UserId;
use tracing::{debug, warn};
use url::Url;

use super::deploy_proxy::{Denied, DeployProxy, X_DP_HOST};
use crate::app::{App, AppState};
use crate::auth::{Identity, is_from};
use crate::error::ApiError;

/// A user whom the proxy vouches for and the allow-list names, or an operator who signed in here.
#[derive(Debug, Clone, Copy)]
pub struct Operator(pub UserId);

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let identity = parts.extensions.get();
        let checked = if DeployProxy::has_signed(&parts.headers) {
            app.proxy.check(&parts.headers, app.clock.now())
        } else if matches!(identity, Some(Identity::Foreign)) {
            return Err(ApiError::foreign());
        } else {
            signed_in(app, identity)
        };
        checked.map(Self).map_err(|denied| {
            match denied {
                // Every visitor who has not signed in.
                Denied::NotSignedIn => {
                    debug!(reason = %denied, "not signed in");
                }
                _ => warn!(reason = %denied, "refused a request to the operators' page"),
            }
            ApiError::NotOperator(denied)
        })
    }
}

/// In this browser: a token in a header is good for servers, not for the installation.
fn signed_in(app: &App, identity: Option<&Identity>) -> Result<UserId, Denied> {
    let caller = identity.and_then(Identity::caller);
    let caller = caller.filter(|caller| caller.by_cookie && !caller.banned);
    let user = caller.and_then(|caller| caller.user().ok());
    let user = user.ok_or(Denied::NotSignedIn)?;
    match is_operator(app, user) {
        true => Ok(user),
        false => Err(Denied::NoOperator),
    }
}

/// Whoever may sign in here: asked at every request, so that it ends with the configuration.
pub fn is_operator(app: &App, user: UserId) -> bool {
    app.config.discord_auth.root_users.contains(&user) || app.proxy.allowed().contains(&user)
}

/// The request was made by a page of the operators' page itself. The proxy adds its headers, and the
/// browser its cookie, to whatever another site makes a browser send.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl FromRequestParts<AppState> for SameOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let (same, why) = if DeployProxy::has_signed(headers) {
            (
                is_same_origin(headers),
                "commands are taken from the operators' own page only: Origin is not X-DP-Host",
            )
        } else {
            (
                is_from(headers, &app.config.sites.api),
                "commands are taken from the operators' own page only: Origin is not `sites.api`",
            )
        };
        if same {
            Ok(Self)
        } else {
            Err(ApiError::Forbidden(why))
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
