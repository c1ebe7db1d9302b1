//! A browser signs in with Discord: it gets a cookie that no script reads.

use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::sessions::BrowserSession;
use splashtail_storage::TokenHash;
use utoipa::IntoParams;

use super::ioauth::found;
use super::{login, sessions, users};
use crate::app::{App, AppState};
use crate::auth::{BanExempt, Identity, is_from, session_cookie};
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::ioauth::{Destination, login_link};
use crate::lifetime;
use crate::operators;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignInQuery {
    /// The page to show then: a path of this site with its query. Without it, or with anything else, the
    /// list of servers.
    #[allow(dead_code, reason = "a destination reads it from the address")]
    to: Option<String>,
}

/// Sign a browser in with Discord.
///
/// It comes back with a session in a cookie that no script reads, which this site's own pages are asked
/// with. It is good for an hour and extended while it is used, for a week at most.
#[utoipa::path(get, path = "/login", tag = "Auth", operation_id = "sign_in", params(SignInQuery),
    responses((status = 302, description = "On to Discord, and from there to the page")))]
pub async fn sign_in(
    OriginalUri(uri): OriginalUri,
    QueryOf(_): QueryOf<SignInQuery>,
) -> Result<Response, ApiError> {
    let given = uri
        .path_and_query()
        .map_or(uri.path(), |given| given.as_str());
    let destination = Destination::parse(given).ok_or(ApiError::UnknownPath)?;
    Ok(found(&login_link(&destination)))
}

/// Sign this browser out.
#[utoipa::path(post, path = "/logout", tag = "Auth", operation_id = "sign_out",
    responses(
        (status = 204, description = "Its session has ended, if it had any"),
        (status = 403, description = "No page of this site asked for it", body = ErrorBody),
    ))]
pub async fn sign_out(
    State(app): State<AppState>,
    headers: HeaderMap,
    Extension(identity): Extension<Identity>,
) -> Result<Response, ApiError> {
    // Browsers do not always send the cookie to what another site has them ask, but take the answer's.
    if !is_from(&headers, &app.config.sites.api) {
        return Err(ApiError::foreign());
    }
    match &identity {
        Identity::Known(caller) if caller.by_cookie => {
            sessions::end(&app, caller.user()?, caller.token).await?;
        }
        // Somebody else's token is left alone.
        Identity::Known(_) | Identity::Anonymous | Identity::Rejected | Identity::Foreign => {}
    }
    let (cookie, name) = session_cookie(&app.config);
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie.end(name))]).into_response())
}

/// Who is signed in in this browser.
#[utoipa::path(get, path = "/session", tag = "Auth", operation_id = "get_session",
    responses((status = 200, description = "`user` is `null`: nobody", body = BrowserSession)))]
pub async fn get_session(
    State(app): State<AppState>,
    Extension(identity): Extension<Identity>,
) -> Result<Json<BrowserSession>, ApiError> {
    let caller = identity.caller().filter(|caller| caller.by_cookie);
    let Some(caller) = caller.cloned() else {
        return Ok(Json(BrowserSession::default()));
    };
    let operator = operators::has_rights(&app, &caller).await?;
    let expires_at = caller.expires_at;
    let Json(user) = users::get_me(State(app), BanExempt(caller)).await?;
    Ok(Json(BrowserSession {
        user: Some(user),
        expires_at,
        operator,
    }))
}

/// The cookie of a new session. Banned people get one, too: their sessions are theirs to see and end.
///
/// # Errors
/// Discord or the database failed.
pub(super) async fn begin(app: &App, code: &str, verifier: &str) -> Result<String, ApiError> {
    let discord = app.discord()?;
    let grant = discord.exchange(code, Some(verifier), &discord.redirect_uri);
    let grant = grant.await?;
    grant.require(&login::SCOPES)?;
    let user = discord.user(&grant.access_token).await?;
    let session = login::begin(app, &user, &grant, TokenHash::of_cookie).await?;
    operators::signed_in(app, user.id, &session.session_id).await?;
    let longest = lifetime::LONGEST_LOGIN.to_std().unwrap_or(Duration::ZERO);
    let (cookie, name) = session_cookie(&app.config);
    Ok(cookie.set(name, &session.token, longest))
}
