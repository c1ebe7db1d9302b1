//! All that a server has set as one file, and back.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use splashtail_api_types::settings::{SettingsFile, SettingsImport, SettingsImported};
use splashtail_api_types::{Code, ErrorBody};
use tracing::info;

use super::guilds::read;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, guild_id};

/// Of a file; the bot takes no larger one.
const MAX_FILE: usize = 256 * 1024;
/// Of a body: text may take several bytes a character in JSON.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// All that a server has set, as a file.
///
/// As `/settings export`: what you may view, without secrets.
#[utoipa::path(get, path = "/guilds/{guild_id}/settings/export", tag = "Guilds", operation_id = "export_settings",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "The file", body = SettingsFile),
        (status = 403, description = "You may not have it", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn export_settings(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<SettingsFile>, ApiError> {
    let guild = guild_id(&guild)?;
    let query = json!({"SettingsExport": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    read(app.fleet.ask(guild, &query).await?).map(Json)
}

/// Have a server set what a file says.
///
/// As `/settings import`: without `plan_hash` it is only said what would change, and with the hash of that
/// it is done, as one change. Every entry is judged as if it had been entered by hand, in your name.
#[utoipa::path(post, path = "/guilds/{guild_id}/settings/import", tag = "Guilds", operation_id = "import_settings",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = SettingsImport, security(("User" = [])),
    responses(
        (status = 200, description = "What changes, or has changed", body = SettingsImported),
        (status = 400, description = "The file cannot be read, or a value is not valid", body = ErrorBody),
        (status = 403, description = "You may not do that in this server", body = ErrorBody),
        (status = 404, description = "No such setting, or the bot is not in this server", body = ErrorBody),
        (status = 409, description = "Something else would change than was shown, or others change the settings right now", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn import_settings(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(import): JsonBody<SettingsImport, MAX_BODY>,
) -> Result<Json<SettingsImported>, ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    if import.file.len() > MAX_FILE {
        return Err(ApiError::invalid(
            Code::InvalidBody,
            format!("`file` takes at most {MAX_FILE} bytes"),
        ));
    }
    let query = json!({"SettingsImport": {
        "guild_id": guild,
        "user_id": user,
        "file": import.file,
        "replace": import.replace,
        "plan_hash": import.plan_hash,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    let said = match import.plan_hash {
        None => app.fleet.ask(guild, &query).await?,
        Some(_) => app.fleet.ask_once(guild, &query).await?,
    };
    let imported: SettingsImported = read(said)?;
    if let Some(version) = imported.version {
        info!(guild.id = %guild, user.id = %user, version, "settings were imported");
    }
    Ok(Json(imported))
}
