//! The one who asks, and their servers.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;
use splashtail_api_types::guilds::BaseGuildUserInfo;
use splashtail_api_types::users::{Me, UserGuild, UserGuilds, UserProfile};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::GuildId;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::auth::{BanExempt, Caller, Identity};
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, guild_id};
use crate::layers::client_address::ClientAddress;
use crate::rate_limit::{self, USER_GUILDS, USER_GUILDS_REFRESH};

pub(super) const NOT_THERE: &str = "you are not in this server";

/// Who you are.
#[utoipa::path(get, path = "/users/@me", tag = "Users", operation_id = "get_me",
    security(("User" = [])),
    responses((status = 200, description = "As Discord said at your last login", body = Me)))]
pub async fn get_me(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
) -> Result<Json<Me>, ApiError> {
    let user = caller.user()?;
    let row = app.storage.users().get(user).await?;
    let account = app.storage.accounts().account(user).await?;
    let profile = account.map(|account| serde_json::from_str(&account.profile));
    let nameless = || UserProfile {
        id: user.to_string(),
        username: user.to_string(),
        display_name: user.to_string(),
        avatar: String::new(),
    };
    Ok(Json(Me {
        user: profile.transpose()?.unwrap_or_else(nameless),
        state: if caller.banned { "banned" } else { "normal" }.to_owned(),
        vote_banned: row.as_ref().is_some_and(|row| row.vote_banned),
        created_at: row.as_ref().map(|row| row.created_at),
        updated_at: row.map(|row| row.updated_at),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GuildsQuery {
    /// Ask Discord now instead of going by what is remembered.
    #[serde(default)]
    refresh: bool,
}

/// Servers that you are in.
///
/// With `refresh` Discord is asked anew, which is limited to 3 times in 5 minutes. A cluster that does
/// not run makes its servers unknown and never fails the list.
#[utoipa::path(get, path = "/users/@me/guilds", tag = "Users", operation_id = "list_my_guilds",
    params(GuildsQuery), security(("User" = [])),
    responses(
        (status = 200, description = "All of them, and which have the bot", body = UserGuilds),
        (status = 401, description = "No token, or Discord wants a new login", body = ErrorBody),
        (status = 429, description = "Too many requests, here or at Discord", body = ErrorBody),
        (status = 502, description = "Discord answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Discord cannot be reached", body = ErrorBody),
    ))]
pub async fn list_my_guilds(
    State(app): State<AppState>,
    caller: Caller,
    Extension(identity): Extension<Identity>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    QueryOf(query): QueryOf<GuildsQuery>,
) -> Result<Response, ApiError> {
    let user = caller.user()?;
    let policy = match query.refresh {
        true => USER_GUILDS_REFRESH,
        false => USER_GUILDS,
    };
    let standing = rate_limit::count(&app, policy, &identity, address).await?;
    let remembered = match query.refresh {
        true => None,
        false => app.accounts.guilds(&app, user).await?,
    };
    let guilds = match remembered {
        Some(guilds) => guilds,
        None => app.accounts.refreshed(&app, user).await?,
    };
    let ids: Vec<GuildId> = guilds.iter().filter_map(id).collect();
    let presence = app.fleet.presence(&ids).await;
    let texts = |ids: Vec<GuildId>| ids.iter().map(GuildId::to_string).collect();
    let answer = UserGuilds {
        guilds,
        has_bot: texts(presence.has_bot),
        unknown_guilds: texts(presence.unknown),
    };
    let mut response = Json(answer).into_response();
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    Ok(response)
}

fn id(guild: &UserGuild) -> Option<GuildId> {
    guild.id.parse().ok()
}

/// One of your servers, with its roles, yours and the bot's.
#[utoipa::path(get, path = "/users/@me/guilds/{guild_id}", tag = "Users", operation_id = "get_my_guild",
    params(("guild_id" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "As the bot sees it", body = BaseGuildUserInfo),
        (status = 403, description = "You are not in it, or the token is limited", body = ErrorBody),
        (status = 404, description = "The bot is not in it", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_my_guild(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<BaseGuildUserInfo>, ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    caller.require_unlimited()?;
    let query = json!({"BaseGuildUserInfo": {"guild_id": guild, "user_id": user}});
    match app.fleet.ask(guild, &query).await {
        Err(ApiError::Refused { body, .. }) if body.code == Code::UnknownMember.as_str() => {
            Err(ApiError::Forbidden(NOT_THERE))
        }
        answer => answer.map(Json),
    }
}
