//! What backups of a server hold, for whoever may download them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::backups::{
    BackupComparison, BackupInspection, BackupLook, BackupQuestion,
};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_ipc::clients::ClientError;
use splashtail_storage::Owner;

use super::guild_jobs::LOOK;
use super::tasks;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, guild_id};

/// A password and an id.
const MAX_BODY: usize = 8 * 1024;

/// What a backup holds.
///
/// Its sections with their sizes and digests, as `splashtail backup inspect` lists them. An encrypted
/// backup takes its password, which is used for this answer and kept nowhere.
#[utoipa::path(post, path = "/guilds/{guild_id}/jobs/{job}/inspect", tag = "Tasks", operation_id = "inspect_backup",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job that made it"),
    ),
    request_body = BackupLook, security(("User" = [])),
    responses(
        (status = 200, description = "What it holds", body = BackupInspection),
        (status = 400, description = "The password is missing or wrong", body = ErrorBody),
        (status = 403, description = "The user may not look at it", body = ErrorBody),
        (status = 404, description = "No such job of this server, it left no backup, or the bot is not there", body = ErrorBody),
        (status = 409, description = "The file is damaged, too large to be looked into, or no backup", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached, or others have backups looked into; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn inspect_backup(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
    JsonBody(look): JsonBody<BackupLook, MAX_BODY>,
) -> Result<Json<BackupInspection>, ApiError> {
    let (guild, task) = shown(&app, &caller, &guild, &id).await?;
    let found = app
        .jobserver
        .inspect_backup(guild, task, password(&look))
        .await;
    found.map(Json).map_err(refused)
}

/// How two backups differ.
///
/// What was added, removed and changed from this backup to a newer one, as `splashtail backup diff` says
/// it. One password opens both.
#[utoipa::path(post, path = "/guilds/{guild_id}/jobs/{job}/diff", tag = "Tasks", operation_id = "compare_backups",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job that made the older one"),
    ),
    request_body = BackupQuestion, security(("User" = [])),
    responses(
        (status = 200, description = "The differences", body = BackupComparison),
        (status = 400, description = "The body is not valid, or the password is missing or wrong", body = ErrorBody),
        (status = 403, description = "The user may not look at them", body = ErrorBody),
        (status = 404, description = "No such job of this server, it left no backup, or the bot is not there", body = ErrorBody),
        (status = 409, description = "A file is damaged, too large to be looked into, or no backup", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached, or others have backups looked into; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn compare_backups(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
    JsonBody(question): JsonBody<BackupQuestion, MAX_BODY>,
) -> Result<Json<BackupComparison>, ApiError> {
    let (guild, before) = shown(&app, &caller, &guild, &id).await?;
    let after = tasks::owned(&app, Owner::Server(guild), &question.after.to_string()).await?;
    let found = app
        .jobserver
        .compare_backups(guild, before, after.id, password(&question.look))
        .await;
    found.map(Json).map_err(refused)
}

/// A job of the server, for whoever may download what it left.
async fn shown(
    app: &AppState,
    caller: &Caller,
    guild: &str,
    id: &str,
) -> Result<(GuildId, TaskId), ApiError> {
    let guild = guild_id(guild)?;
    app.fleet.standing(guild, caller, LOOK).await?.allowed()?;
    let row = tasks::owned(app, Owner::Server(guild), id).await?;
    Ok((guild, row.id))
}

fn password(look: &BackupLook) -> Option<&str> {
    let password = look.password.as_deref();
    password.filter(|password| !password.is_empty())
}

fn refused(error: ClientError) -> ApiError {
    // Others are looking: it passes.
    if error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) {
        return ApiError::Unreachable {
            name: "jobserver",
            source: Box::new(error),
        };
    }
    ApiError::from_daemon("jobserver", error)
}
