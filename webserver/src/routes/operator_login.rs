//! Operators sign in with Discord, where no proxy stands in front.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;
use splashtail_api_types::{Code, ErrorBody};
use tracing::{info, warn};
use utoipa::IntoParams;

use super::ioauth::found;
use crate::app::AppState;
use crate::cookies::Cookie;
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::ioauth::{Destination, login_link};
use crate::operators::{COOKIE, Denied, ROOT, SIGN_IN_LIFETIME, SameOrigin, is_operator};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignInQuery {
    /// The one-time proof of `/ioauth/login`; without it the browser is sent there.
    ioauth: Option<String>,
}

/// Sign in to the operators' page with Discord.
///
/// For the users in `discord_auth.root_users` and in the cluster file; for half an hour.
#[utoipa::path(get, path = "/mewld/login", tag = "Operators", operation_id = "sign_in_operator",
    params(SignInQuery),
    responses(
        (status = 302, description = "To Discord first, then to the operators' page"),
        (status = 400, description = "The proof is unknown, used or was made for another page", body = ErrorBody),
        (status = 401, description = "This user is no operator", body = ErrorBody),
    ))]
pub async fn sign_in(
    State(app): State<AppState>,
    OriginalUri(uri): OriginalUri,
    QueryOf(query): QueryOf<SignInQuery>,
) -> Result<Response, ApiError> {
    let destination = Destination::parse(uri.path()).ok_or(ApiError::UnknownPath)?;
    let Some(handle) = query.ioauth else {
        return Ok(found(&login_link(&destination)));
    };
    let unknown = || {
        ApiError::invalid(
            Code::UnknownProof,
            "this login was used, took too long or was made for another page; sign in again",
        )
        .again_at(destination.link(None))
    };
    let proof = app.proofs.look_up(&handle, &destination.path).await?;
    let proof = proof.ok_or_else(unknown)?;
    if !app.proofs.consume(&handle).await? {
        return Err(unknown());
    }
    let user = proof.user_id;
    if !is_operator(&app, user) {
        warn!(user.id = %user, "somebody who is no operator signed in to the operators' page");
        return Err(ApiError::NotOperator(Denied::NoOperator).again_at(destination.link(None)));
    }
    info!(user.id = %user, "an operator signed in");
    let value = app.sign_ins.issue(user, app.clock.now());
    let cookie = Cookie::below(ROOT, &app.config).strict();
    let cookie = cookie.set(COOKIE, &value, SIGN_IN_LIFETIME);
    Ok(([(SET_COOKIE, cookie)], found("/mewld/")).into_response())
}

/// Sign out of the operators' page.
#[utoipa::path(post, path = "/mewld/logout", tag = "Operators", operation_id = "sign_out_operator",
    responses(
        (status = 204, description = "Signed out"),
        (status = 403, description = "It does not come from the operators' page", body = ErrorBody),
    ))]
pub async fn sign_out(State(app): State<AppState>, _: SameOrigin) -> Response {
    let cookie = Cookie::below(ROOT, &app.config).strict().end(COOKIE);
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}
