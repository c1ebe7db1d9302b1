//! Logging in with Discord.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use sha2::{Digest, Sha256};
use splashtail_api_types::sessions::{ClientConfig, CreatedSession, Login, LoginScope};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::config::{is_local, without_slash};
use splashtail_core::environment::Environment;
use splashtail_core::random;
use splashtail_storage::{NewToken, Owner, TokenHash, TokenKind};
use tracing::info;
use url::{Host, Url};
use uuid::Uuid;

use crate::app::{App, AppState};
use crate::auth::{BANNED, is_banned};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::ioauth::{DiscordUser, Grant};
use crate::lifetime;

/// The only one that there ever was.
const PROTOCOL: &str = "a1";
pub(super) const SCOPES: [&str; 2] = ["identify", "guilds"];
/// The page of the website that takes Discord's answer.
const PAGE: &str = "/authorize";
/// Discord's codes are good for less.
const REPLAY: Duration = Duration::from_secs(600);
const MAX_LOGIN: usize = 16 * 1024;
/// Tells a token from other secrets, for people and for scanners.
const PREFIX: &str = "ar_";

/// What a page needs to begin a login.
#[utoipa::path(get, path = "/config", tag = "Core", operation_id = "get_config",
    responses((status = 200, description = "Of this installation", body = ClientConfig)))]
pub async fn get_config(State(app): State<AppState>) -> Json<ClientConfig> {
    let config = &app.config;
    Json(ClientConfig {
        client_id: config.discord_auth.client_id.map(|id| id.to_string()),
        authorize_url: config.discord.authorize_url.to_string(),
        redirect_uri: format!("{}{PAGE}", without_slash(&config.sites.frontend)),
        scope: SCOPES.join(" "),
        sandbox: is_local(&config.discord.authorize_url),
        main_server: config.servers.main.map(|id| id.to_string()),
        support_server_invite: Some(config.meta.support_server.to_string()),
    })
}

/// Log in.
///
/// Send the browser to `authorize_url` of `/config` with `client_id`, `redirect_uri`, `scope`,
/// `response_type=code`, a random `state` and an S256 `code_challenge`; keep state and verifier in the
/// tab, compare the state when Discord sends the browser back, and send what came here. The session is
/// good for an hour and is extended while it is used, for a week at most.
#[utoipa::path(post, path = "/oauth2", tag = "Auth", operation_id = "log_in", request_body = Login,
    responses(
        (status = 200, description = "Logged in; the token is shown once", body = CreatedSession),
        (status = 400, description = "A field is wrong, the code was used, or Discord refuses it", body = ErrorBody),
        (status = 401, description = "Discord no longer accepts the login", body = ErrorBody),
        (status = 403, description = "The user is banned, or somebody else than Discord answered", body = ErrorBody),
        (status = 502, description = "Discord answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Discord cannot be reached, or no application is configured", body = ErrorBody),
    ))]
pub async fn log_in(
    State(app): State<AppState>,
    JsonBody(login): JsonBody<Login, MAX_LOGIN>,
) -> Result<Json<CreatedSession>, ApiError> {
    if login.protocol != PROTOCOL {
        return Err(ApiError::invalid(
            Code::OutdatedClient,
            "this login speaks a protocol that is no longer taken: reload the page",
        ));
    }
    if !is_ours(&app, &login.redirect_uri) {
        return Err(ApiError::invalid(
            Code::InvalidRedirect,
            "`redirect_uri` is not one of this installation: `/config` names it",
        ));
    }
    if login.code.is_empty() {
        return Err(ApiError::invalid(Code::NoCode, "`code` is empty"));
    }
    let discord = app.discord()?;
    discord.check_issuer(login.iss.as_deref())?;
    let used = format!("codecache:{}", hex::encode(Sha256::digest(&login.code)));
    if !app.cache.claim(&used, REPLAY).await? {
        return Err(ApiError::invalid(
            Code::UnknownState,
            "this code was used; log in again",
        ));
    }
    let verifier = login.code_verifier.as_deref();
    let grant = discord.exchange(&login.code, verifier, &login.redirect_uri);
    let grant = grant.await?;
    grant.require(&SCOPES)?;
    let user = discord.user(&grant.access_token).await?;
    match (is_banned(&app, user.id).await?, login.scope) {
        (true, LoginScope::Normal) => return Err(ApiError::Forbidden(BANNED)),
        (false, LoginScope::BanExempt) => {
            return Err(ApiError::Forbidden("only banned people log in like this"));
        }
        (true, LoginScope::BanExempt) | (false, LoginScope::Normal) => {}
    }
    begin(&app, &user, &grant, TokenHash::of).await.map(Json)
}

/// A session of somebody whom Discord told about: `hash` says what may carry its token. The oldest one
/// goes when there are too many.
///
/// # Errors
/// Discord or the database failed.
pub(super) async fn begin(
    app: &App,
    user: &DiscordUser,
    grant: &Grant,
    hash: fn(&str) -> TokenHash,
) -> Result<CreatedSession, ApiError> {
    let guilds = app.discord()?.guilds(&grant.access_token).await?;
    let now = app.clock.now();
    let told = app.accounts.told(user, guilds, grant, now)?;
    let user = user.id;
    app.storage.accounts().log_in(user, &told, now).await?;
    let (token, created) = new_token(NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(""),
        owner: Owner::User(user),
        kind: TokenKind::Login,
        name: String::new(),
        perm_limits: Vec::new(),
        maker: None,
        created_at: now,
        expires_at: Some(now + lifetime::LOGIN),
    })?;
    let token = NewToken {
        hash: hash(&created.token),
        ..token
    };
    let tokens = app.storage.tokens();
    tokens.issue(&token).await?;
    tokens
        .keep_newest(token.owner, token.kind, lifetime::MOST)
        .await?;
    app.identities.forget(token.owner);
    info!(user.id = %user, session.id = created.session_id, "logged in");
    Ok(created)
}

/// The token with a secret of its own, and what its owner is told.
///
/// # Errors
/// No random bytes.
pub(super) fn new_token(token: NewToken) -> Result<(NewToken, CreatedSession), ApiError> {
    let secret = format!("{PREFIX}{}", random::secret()?);
    let created = CreatedSession {
        user_id: token.owner.id().to_string(),
        session_id: token.id.to_string(),
        // Nobody makes one that never ends.
        expiry: token.expires_at.unwrap_or(token.created_at),
        token: secret,
    };
    let token = NewToken {
        hash: TokenHash::of(&created.token),
        ..token
    };
    Ok((token, created))
}

/// The page of the website; in staging that of any page on this machine, too.
fn is_ours(app: &App, redirect_uri: &str) -> bool {
    let Ok(url) = Url::parse(redirect_uri) else {
        return false;
    };
    let bare = url.path() == PAGE
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let sites = &app.config.sites;
    let own = [&sites.frontend, &sites.api]
        .iter()
        .any(|site| url.origin() == site.origin());
    let local = app.config.environment == Environment::Staging
        && url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
    bare && (own || local)
}
