use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use splashtail_api_types::{Code, ErrorBody};
use url::Url;
use utoipa::IntoParams;

use super::{browser, consents};
use crate::app::{App, AppState};
use crate::auth::Identity;
use crate::cookies::{Cookie, find_cookie};
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::ioauth::{
    ATTEMPT_LIFETIME, Destination, LastLogin, Proof, RETURN_COOKIE, login_link, nonce_cookie,
};

/// Nobody else needs the cookies of a login.
const PATH: &str = "/ioauth";
/// How long a browser knows which login it began last, so that it can begin it again.
const RETURN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LoginQuery {
    /// First step: base64url without padding of `{"dest": "<path and query>", "scopes": [...]}`.
    rd: Option<String>,
    /// Second step, sent by Discord.
    code: Option<String>,
    /// Second step, sent by Discord: the handle of the first step.
    state: Option<String>,
    /// Second step, sent by Discord when the user declined.
    error: Option<String>,
    /// Second step, sent by Discord: who answers (RFC 9207).
    iss: Option<String>,
}

/// Prove who you are to a link that asks for it.
///
/// Browsers come here twice: with `rd` they are sent to Discord's consent page, and with Discord's
/// answer they are sent back to the link, which then carries a one-time proof in `ioauth`.
#[utoipa::path(get, path = "/ioauth/login", tag = "Auth", operation_id = "ioauth_login", params(LoginQuery),
    responses(
        (status = 302, description = "On to Discord, or back to the link"),
        (status = 400, description = "An address that takes no login, an unknown or used state, or Discord's refusal", body = ErrorBody),
        (status = 401, description = "Discord no longer accepts the login", body = ErrorBody),
        (status = 403, description = "The user declined, or another browser began the login", body = ErrorBody),
        (status = 409, description = "An earlier consent is being ended at Discord; allow it once more", body = ErrorBody),
        (status = 502, description = "Discord answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Discord cannot be reached, or no application is configured", body = ErrorBody),
    ))]
pub async fn login(
    State(app): State<AppState>,
    headers: HeaderMap,
    Extension(identity): Extension<Identity>,
    QueryOf(query): QueryOf<LoginQuery>,
) -> Result<Response, ApiError> {
    match (query.rd, query.state) {
        (Some(rd), None) => begin(&app, &rd).await,
        (None, Some(state)) => {
            let answer = Answer {
                code: query.code,
                error: query.error,
                issuer: query.iss,
            };
            finish(&app, &headers, &identity, &state, answer).await
        }
        _ => {
            let error = ApiError::invalid(
                Code::BadRequest,
                "open the protected link itself; it leads here by itself",
            );
            let last = LastLogin::read(find_cookie(&headers, RETURN_COOKIE));
            Err(match last {
                Some(last) => error.again_at(login_link(&last.destination)),
                None => error,
            })
        }
    }
}

async fn begin(app: &AppState, rd: &str) -> Result<Response, ApiError> {
    let destination = Destination::decode(rd)
        .map_err(|error| ApiError::invalid(Code::InvalidDestination, error.to_string()))?;
    let Outset { page, state, nonce } = start(app, &destination).await?;
    let last = LastLogin::cookie(&state, &destination);
    let last = Cookie::below(PATH, &app.config).set(RETURN_COOKIE, &last, RETURN_LIFETIME);
    let cookies = AppendHeaders([(SET_COOKIE, nonce), (SET_COOKIE, last)]);
    Ok((cookies, found(page.as_str())).into_response())
}

/// What a browser needs to go to Discord.
pub(super) struct Outset {
    pub page: Url,
    state: String,
    /// The cookie by which it is known when it comes back.
    pub nonce: String,
}

/// Begins a login or consent.
///
/// # Errors
/// No application is configured, there are no random bytes, or the cache failed.
pub(super) async fn start(app: &App, destination: &Destination) -> Result<Outset, ApiError> {
    let discord = app.discord()?;
    let started = app.attempts.begin(destination).await?;
    let page = discord.consent_page(destination.scopes, &started.state, &started.challenge);
    let name = nonce_cookie(&started.state);
    let cookie = Cookie::below(PATH, &app.config);
    Ok(Outset {
        page,
        state: started.state,
        nonce: cookie.set(&name, &started.nonce, ATTEMPT_LIFETIME),
    })
}

/// What came back from the consent page.
struct Answer {
    code: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
}

async fn finish(
    app: &AppState,
    headers: &HeaderMap,
    identity: &Identity,
    state: &str,
    answer: Answer,
) -> Result<Response, ApiError> {
    // Read and removed at once: a state works once, whatever happens next.
    let attempt = app.attempts.end(state).await?.ok_or_else(|| {
        let error = ApiError::invalid(
            Code::UnknownState,
            "this login was finished or took too long; start again",
        );
        match LastLogin::read(find_cookie(headers, RETURN_COOKIE)) {
            Some(last) if last.is_of(state) => error.again_at(login_link(&last.destination)),
            _ => error,
        }
    })?;
    let nonce = find_cookie(headers, &nonce_cookie(state)).unwrap_or_default();
    if !attempt.began_with(nonce) {
        return Err(ApiError::Forbidden(
            "this login was begun in another browser; start again",
        ));
    }
    let destination = attempt
        .destination()
        .ok_or(ApiError::NotFound("page to return to"))?;
    let again = |error: ApiError| error.again_at(destination.again());
    let spent = Cookie::below(PATH, &app.config).end(&nonce_cookie(state));
    if let Some(guild) = destination.consented() {
        let code = code(app, answer).map_err(again)?;
        let (verifier, scopes) = (&attempt.verifier, destination.scopes);
        let given = consents::finish(app, identity, guild, &code, verifier, scopes).await;
        given.map_err(again)?;
        return Ok(([(SET_COOKIE, spent)], found(&destination.link(None))).into_response());
    }
    if let Some(page) = destination.page() {
        let code = code(app, answer).map_err(again)?;
        let session = browser::begin(app, &code, &attempt.verifier).await;
        let cookies = AppendHeaders([(SET_COOKIE, session.map_err(again)?), (SET_COOKIE, spent)]);
        return Ok((cookies, found(page)).into_response());
    }
    let handle = prove(app, &destination, &attempt.verifier, answer)
        .await
        .map_err(again)?;
    Ok((
        [(SET_COOKIE, spent)],
        found(&destination.link(Some(&handle))),
    )
        .into_response())
}

/// The code that Discord sent.
fn code(app: &App, answer: Answer) -> Result<String, ApiError> {
    app.discord()?.check_issuer(answer.issuer.as_deref())?;
    answer.code.ok_or_else(|| match answer.error.as_deref() {
        Some("access_denied") => ApiError::Forbidden("the consent was declined"),
        _ => ApiError::invalid(Code::NoCode, "Discord sent no code"),
    })
}

/// The handle of a proof for the destination.
async fn prove(
    app: &AppState,
    destination: &Destination,
    verifier: &str,
    answer: Answer,
) -> Result<String, ApiError> {
    let code = code(app, answer)?;
    let identity = app
        .discord()?
        .identify(&code, verifier, destination.scopes)
        .await?;
    app.proofs.issue(&Proof::new(destination, identity)).await
}

/// 302: what clients of the original follow.
pub fn found(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        // Destinations are checked and everything else in an address is escaped.
        Err(_) => ApiError::invalid(Code::BadRequest, "not an address").into_response(),
    }
}
