//! What people allow with Discord's scope `guilds.join`: that a server brings them back when they lost it.
//!
//! A consent is begun by a press on our own page, which names the server: a link from elsewhere only leads
//! to that page. It is finished in the same browser, signed in as the same person. What Discord gives goes to
//! the jobserver, which seals it, and is kept here nowhere.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use splashtail_api_types::consents::{ConsentList, ConsentPage, GivenConsent, ServerConsent};
use splashtail_api_types::users::UserGuild;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_ipc::clients::JoinConsent;
use tracing::info;

use super::ioauth;
use super::users::NOT_THERE;
use crate::app::{App, AppState};
use crate::auth::{BANNED, BanExempt, Caller, Identity};
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};
use crate::ioauth::Destination;

const IN_A_BROWSER: &str =
    "consents are given in a browser that is signed in here, with Discord's own page";

/// Servers that may bring you back.
#[utoipa::path(get, path = "/users/@me/consents", tag = "Users", operation_id = "list_my_consents",
    security(("User" = [])),
    responses((status = 200, description = "All of them", body = ConsentList)))]
pub async fn list_my_consents(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
) -> Result<Json<ConsentList>, ApiError> {
    caller.require_unlimited()?;
    let user = caller.user()?;
    let given = app.storage.join_consents().consents_of(user).await?;
    let guilds = app.accounts.guilds(&app, user).await?.unwrap_or_default();
    let consents = given.into_iter().map(|(server, given_at)| {
        let server_id = server.to_string();
        let known = guilds.iter().find(|guild| guild.id == server_id);
        GivenConsent {
            name: known.map(|guild| guild.name.clone()),
            server_id,
            given_at,
        }
    });
    Ok(Json(ConsentList {
        consents: consents.collect(),
    }))
}

/// May this server of yours bring you back?
#[utoipa::path(get, path = "/users/@me/consents/{server}", tag = "Users", operation_id = "get_my_consent",
    params(("server" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "Its name, and since when it may", body = ServerConsent),
        (status = 401, description = "No token, or Discord wants a new login", body = ErrorBody),
        (status = 403, description = "You are not in it, or the token is limited", body = ErrorBody),
        (status = 404, description = "The bot is not in it", body = ErrorBody),
        (status = 429, description = "Too many requests, here or at Discord", body = ErrorBody),
        (status = 502, description = "Discord answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Discord cannot be reached", body = ErrorBody),
    ))]
pub async fn get_my_consent(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
    PathOf(server): PathOf<String>,
) -> Result<Json<ServerConsent>, ApiError> {
    caller.require_unlimited()?;
    let (guild, user) = (guild_id(&server)?, caller.user()?);
    let known = asking(&app, user, guild).await?;
    let given = app.storage.join_consents().consents_of(user).await?;
    let given = given.into_iter().find(|(server, _)| *server == guild);
    Ok(Json(ServerConsent {
        server_id: known.id,
        name: known.name,
        avatar: known.avatar,
        given_at: given.map(|(_, at)| at),
    }))
}

/// Begin to let a server bring you back.
///
/// For a browser that is signed in, and a page of this site: go to `url`, Discord's page, where the scope
/// `guilds.join` is named. It leads back here, in this browser alone, and then to the page of the consent.
#[utoipa::path(post, path = "/users/@me/consents/{server}", tag = "Users", operation_id = "begin_my_consent",
    params(("server" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "Go there", body = ConsentPage),
        (status = 401, description = "Nobody is signed in, or Discord wants a new login", body = ErrorBody),
        (status = 403, description = "No browser's session, no page of this site, or you are not in the server", body = ErrorBody),
        (status = 404, description = "The bot is not in it", body = ErrorBody),
        (status = 429, description = "Too many requests, here or at Discord", body = ErrorBody),
        (status = 502, description = "Discord answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Discord cannot be reached, or no application is configured", body = ErrorBody),
    ))]
pub async fn begin_my_consent(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(server): PathOf<String>,
) -> Result<Response, ApiError> {
    caller.require_unlimited()?;
    if !caller.by_cookie {
        return Err(ApiError::Forbidden(IN_A_BROWSER));
    }
    let (guild, user) = (guild_id(&server)?, caller.user()?);
    asking(&app, user, guild).await?;
    let started = ioauth::start(&app, &Destination::consent(guild)).await?;
    let page = ConsentPage {
        url: started.page.into(),
    };
    let cookies = AppendHeaders([(SET_COOKIE, started.nonce)]);
    Ok((cookies, Json(page)).into_response())
}

/// Let a server bring you back no more.
///
/// What is gone stays gone. With the last one what Discord gave is revoked there, at once or as soon as
/// Discord can be reached.
#[utoipa::path(delete, path = "/users/@me/consents/{server}", tag = "Users", operation_id = "remove_my_consent",
    params(("server" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 204, description = "It may not"),
        (status = 409, description = "Something else is going on; try again", body = ErrorBody),
        (status = 502, description = "The jobserver answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The jobserver cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn remove_my_consent(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
    PathOf(server): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    caller.require_unlimited()?;
    let (guild, user) = (guild_id(&server)?, caller.user()?);
    let removed = app.jobserver.remove_join_consent(user, Some(guild)).await;
    removed.map_err(|error| ApiError::from_daemon("jobserver", error))?;
    info!(guild.id = %guild, user.id = %user, "a consent was taken back");
    Ok(StatusCode::NO_CONTENT)
}

/// Discord's answer to what [`begin_my_consent`] began.
///
/// # Errors
/// The browser is signed in as nobody or as somebody else, Discord refuses, or the jobserver does.
pub(super) async fn finish(
    app: &App,
    identity: &Identity,
    guild: GuildId,
    code: &str,
    verifier: &str,
    scopes: &[&'static str],
) -> Result<(), ApiError> {
    let caller = identity.caller().filter(|caller| caller.by_cookie);
    let caller = caller.ok_or(ApiError::Unauthorized(
        "your session here has ended meanwhile: sign in, and allow it once more",
    ))?;
    if caller.banned {
        return Err(ApiError::Forbidden(BANNED));
    }
    let discord = app.discord()?;
    let grant = discord.exchange(code, Some(verifier), &discord.redirect_uri);
    let grant = grant.await?;
    grant.require(scopes)?;
    let user = discord.user(&grant.access_token).await?.id;
    if user != caller.user()? {
        return Err(ApiError::Forbidden(
            "Discord answered for another person than the one who is signed in here: switch the account \
             there or sign in anew here",
        ));
    }
    let refresh_token = grant.refresh_token.as_ref().ok_or_else(|| {
        let message = "Discord gave nothing by which the consent lasts";
        ApiError::invalid(Code::DiscordUnexpected, message)
    })?;
    let consent = JoinConsent {
        server: guild,
        user,
        access_token: &grant.access_token,
        refresh_token,
        expires_in: Duration::from_secs(grant.expires_in),
    };
    let kept = app.jobserver.put_join_consent(&consent).await;
    kept.map_err(|error| ApiError::from_daemon("jobserver", error))?;
    info!(guild.id = %guild, user.id = %user, "a consent was given");
    Ok(())
}

/// A server that may ask this person: they are in it, and so is the bot, unless nobody can tell.
async fn asking(app: &App, user: UserId, guild: GuildId) -> Result<UserGuild, ApiError> {
    let id = guild.to_string();
    let find = |guilds: Vec<UserGuild>| guilds.into_iter().find(|guild| guild.id == id);
    let remembered = app.accounts.guilds(app, user).await?;
    let known = match remembered.and_then(find) {
        Some(known) => known,
        // They may have joined after they signed in.
        None => {
            let fresh = app.accounts.refreshed(app, user).await?;
            find(fresh).ok_or(ApiError::Forbidden(NOT_THERE))?
        }
    };
    let presence = app.fleet.presence(&[guild]).await;
    match presence.has_bot.is_empty() && presence.unknown.is_empty() {
        true => Err(ApiError::NotFound("server with the bot")),
        false => Ok(known),
    }
}
