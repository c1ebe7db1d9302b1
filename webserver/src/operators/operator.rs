use std::time::Duration;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::ORIGIN;
use http::request::Parts;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use tracing::{debug, warn};
use url::Url;

use super::deploy_proxy::{Denied, DeployProxy, X_DP_HOST};
use crate::app::{App, AppState};
use crate::auth::{Caller, Identity, is_from, is_opened};
use crate::error::ApiError;

/// So long after an operator's last act their rights end, whatever the session is good for.
const IDLE: Duration = Duration::from_secs(30 * 60);

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
            let is_act = !parts.method.is_safe() || is_opened(&parts.headers);
            in_browser(app, identity, is_act).await?
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

/// In this browser: a token in a header is good for servers, not for the installation. What a person
/// does lets their rights last, what an open page asks for by itself does not.
async fn in_browser(
    app: &App,
    identity: Option<&Identity>,
    is_act: bool,
) -> Result<Result<UserId, Denied>, ApiError> {
    let caller = identity.and_then(Identity::caller);
    let caller = caller.filter(|caller| caller.by_cookie && !caller.banned);
    let Some((caller, user)) = caller.and_then(|caller| Some((caller, caller.user().ok()?))) else {
        return Ok(Err(Denied::NotSignedIn));
    };
    if !is_operator(app, user) {
        return Ok(Err(Denied::NoOperator));
    }
    if !has_rights(app, caller).await? {
        return Ok(Err(Denied::Idle));
    }
    if is_act {
        signed_in(app, user, &caller.token.to_string()).await?;
    }
    Ok(Ok(user))
}

/// A person opened the operators' page: their rights last from then on, if they have any.
pub async fn opened(app: &App, identity: Option<&Identity>, headers: &HeaderMap) {
    let caller = identity.and_then(Identity::caller);
    let Some(caller) = caller.filter(|_| is_opened(headers)) else {
        return;
    };
    let noted = async {
        if has_rights(app, caller).await? {
            signed_in(app, caller.user()?, &caller.token.to_string()).await?;
        }
        Ok::<_, ApiError>(())
    };
    if let Err(error) = noted.await {
        // The page itself says what does not work.
        warn!(error = %Chain(&error), "a visit to the operators' page was not noted");
    }
}

fn key(session: &str) -> String {
    format!("operator:{session}")
}

/// Gives a browser's session an operator's rights for [`IDLE`], if it is one's.
///
/// # Errors
/// The cache failed.
pub async fn signed_in(app: &App, user: UserId, session: &str) -> Result<(), ApiError> {
    if is_operator(app, user) {
        app.cache
            .set(&key(session), &user.to_string(), IDLE)
            .await?;
    }
    Ok(())
}

/// Whether the request comes from a browser in which an operator signed in, or did something, a short
/// time ago.
///
/// # Errors
/// The cache failed.
pub async fn has_rights(app: &App, caller: &Caller) -> Result<bool, ApiError> {
    let Ok(user) = caller.user() else {
        return Ok(false);
    };
    if !caller.by_cookie || caller.banned || !is_operator(app, user) {
        return Ok(false);
    }
    let held = app.cache.get(&key(&caller.token.to_string())).await?;
    Ok(held == Some(user.to_string()))
}

/// Whoever may sign in here: asked at every request, so that it ends with the configuration.
fn is_operator(app: &App, user: UserId) -> bool {
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
