//! People as the platform shows them, and who looks after servers.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::guilds::{BaseGuildUserInfo, StaffMember, StaffRole, StaffTeam};
use splashtail_api_types::users::{ClearedProfile, PlatformUser, PublicUser};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_storage::SettingRow;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, guild_id};
use crate::operators;
use crate::people;

const DISCORD: &str = "discord";
/// So long a team is shown as it was.
const TEAM_KEPT: Duration = Duration::from_secs(600);
/// Public people of a team that are shown.
const MOST: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlatformQuery {
    /// `discord`, which is the only one.
    platform: Option<String>,
}

/// Somebody, as Discord shows them to everyone.
///
/// What Discord told is kept: after 8 hours it is asked again behind the answer.
#[utoipa::path(get, path = "/platform/user/{id}", tag = "Users", operation_id = "get_platform_user",
    params(("id" = String, Path, description = "The user"), PlatformQuery),
    responses(
        (status = 200, description = "As Discord told", body = PlatformUser),
        (status = 404, description = "Nobody has this id", body = ErrorBody),
        (status = 415, description = "No such platform", body = ErrorBody),
    ))]
pub async fn get_platform_user(
    State(app): State<AppState>,
    PathOf(user): PathOf<String>,
    QueryOf(query): QueryOf<PlatformQuery>,
) -> Result<Json<PlatformUser>, ApiError> {
    let user = on_discord(&user, &query)?;
    known(&app, user).await.map(Json)
}

/// Forget what Discord told of you; operators may have it forgotten of anybody, in their browser.
#[utoipa::path(delete, path = "/platform/user/{id}", tag = "Users", operation_id = "forget_platform_user",
    params(("id" = String, Path, description = "The user"), PlatformQuery), security(("User" = [])),
    responses(
        (status = 200, description = "What was forgotten", body = ClearedProfile),
        (status = 404, description = "Nothing is known of this user", body = ErrorBody),
        (status = 415, description = "No such platform", body = ErrorBody),
    ))]
pub async fn forget_platform_user(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(user): PathOf<String>,
    QueryOf(query): QueryOf<PlatformQuery>,
) -> Result<Json<ClearedProfile>, ApiError> {
    caller.require_unlimited()?;
    let user = on_discord(&user, &query)?;
    let asks = caller.user()?;
    if asks != user && !operators::has_rights(&app, &caller).await? {
        return Err(ApiError::Forbidden("this is somebody else's profile"));
    }
    let known = app.storage.profiles().profile(user).await?;
    let cleared = people::forget(&app, user).await?;
    if cleared.is_empty() {
        return Err(ApiError::NotFound("profile"));
    }
    let profile = known.map(|(text, _)| serde_json::from_str::<PlatformUser>(&text));
    Ok(Json(ClearedProfile {
        cleared_from: cleared.into_iter().map(str::to_owned).collect(),
        is_bot: profile.transpose()?.is_some_and(|profile| profile.bot),
    }))
}

/// Somebody, and how they stand with this installation.
#[utoipa::path(get, path = "/users/{id}", tag = "Users", operation_id = "get_user",
    params(("id" = String, Path, description = "The user")),
    responses(
        (status = 200, description = "As Discord told, and as is known here", body = PublicUser),
        (status = 404, description = "Nobody has this id", body = ErrorBody),
    ))]
pub async fn get_user(
    State(app): State<AppState>,
    PathOf(user): PathOf<String>,
) -> Result<Json<PublicUser>, ApiError> {
    let user = user_id(&user)?;
    let row = app.storage.users().get(user).await?;
    Ok(Json(PublicUser {
        user: known(&app, user).await?,
        state: row
            .as_ref()
            .map_or("normal", |row| row.state.as_str())
            .to_owned(),
        vote_banned: row.as_ref().is_some_and(|row| row.vote_banned),
        created_at: row.as_ref().map(|row| row.created_at),
        updated_at: row.map(|row| row.updated_at),
    }))
}

/// Who looks after a server, as far as they let themselves be shown.
///
/// Roles with powers of ours, the lowest index first, and people who have one and are public.
#[utoipa::path(get, path = "/guilds/{guild_id}/staff-team", tag = "Guilds", operation_id = "get_staff_team",
    params(("guild_id" = String, Path, description = "The server")),
    responses(
        (status = 200, description = "As it was in the last ten minutes", body = StaffTeam),
        (status = 404, description = "Nobody of this server is public, or the bot is not in it", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run, or Discord cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_staff_team(
    State(app): State<AppState>,
    PathOf(guild): PathOf<String>,
) -> Result<Json<StaffTeam>, ApiError> {
    let guild = guild_id(&guild)?;
    let key = format!("staff_team:{guild}");
    if let Some(team) = app.cache.get(&key).await? {
        return Ok(Json(serde_json::from_str(&team)?));
    }
    let settings = app.storage.settings();
    let members = settings.read(guild, Some("guild_members")).await?.rows;
    let shown: Vec<UserId> = members.iter().filter_map(public).take(MOST).collect();
    if shown.is_empty() {
        return Err(ApiError::NotFound("public staff of this server"));
    }
    let rows = settings.read(guild, Some("guild_roles")).await?.rows;
    let mut roles: Vec<StaffRole> = rows.iter().filter_map(role).collect();
    roles.sort_by_key(|role| role.index);
    let mut team = StaffTeam {
        members: Vec::new(),
        roles,
    };
    for user in shown {
        if let Some(member) = member(&app, guild, user, &team.roles).await? {
            team.members.push(member);
        }
    }
    let best: BTreeMap<&str, i64> = team
        .roles
        .iter()
        .map(|role| (role.role_id.as_str(), role.index))
        .collect();
    team.members.sort_by_key(|member| {
        let indexes = member.role.iter().filter_map(|id| best.get(id.as_str()));
        (indexes.min().copied(), usize::MAX - member.role.len())
    });
    app.cache
        .set(&key, &serde_json::to_string(&team)?, TEAM_KEPT)
        .await?;
    Ok(Json(team))
}

/// `None`: they have no role of the team, or are not there any more.
async fn member(
    app: &AppState,
    guild: GuildId,
    user: UserId,
    roles: &[StaffRole],
) -> Result<Option<StaffMember>, ApiError> {
    let query = json!({"BaseGuildUserInfo": {"guild_id": guild, "user_id": user}});
    let info: BaseGuildUserInfo = match app.fleet.ask(guild, &query).await {
        Err(ApiError::Refused { body, .. }) if body.code == Code::UnknownMember.as_str() => {
            return Ok(None);
        }
        info => info?,
    };
    let has = |role: &&StaffRole| {
        info.user_roles
            .iter()
            .any(|id| id.to_string() == role.role_id)
    };
    let role: Vec<_> = roles
        .iter()
        .filter(has)
        .map(|role| role.role_id.clone())
        .collect();
    if role.is_empty() {
        return Ok(None);
    }
    let user = people::find(app, user).await?;
    Ok(user.map(|user| StaffMember {
        user,
        role,
        public: true,
    }))
}

fn public(row: &SettingRow) -> Option<UserId> {
    let is_public = row.fields["public"] == Value::Bool(true);
    row.entry.parse().ok().filter(|_| is_public)
}

fn role(row: &SettingRow) -> Option<StaffRole> {
    let perms = row.fields["perms"].as_array()?.iter();
    let perms: Vec<_> = perms
        .filter_map(|perm| Some(perm.as_str()?.to_owned()))
        .collect();
    (!perms.is_empty()).then(|| StaffRole {
        role_id: row.entry.clone(),
        perms,
        index: row.fields["index"].as_i64().unwrap_or(i64::MAX),
        display_name: row.fields["display_name"].as_str().map(str::to_owned),
    })
}

async fn known(app: &AppState, user: UserId) -> Result<PlatformUser, ApiError> {
    people::find(app, user)
        .await?
        .ok_or(ApiError::NotFound("user"))
}

fn user_id(text: &str) -> Result<UserId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("user"))
}

fn on_discord(user: &str, query: &PlatformQuery) -> Result<UserId, ApiError> {
    match query.platform.as_deref() {
        None | Some(DISCORD) => user_id(user),
        Some(_) => Err(ApiError::invalid(
            Code::UnknownPlatform,
            "the only platform is `discord`",
        )),
    }
}
