//! Backups that somebody brings to a server.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use chrono::TimeDelta;
use http::Method;
use serde_json::{Map, json};
use splashtail_api_types::backups::UploadedBackup;
use splashtail_api_types::job_kinds::BROUGHT_BACKUP;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Level, NewLogEntry, NewTask, Owner, Priority, TaskOutput, TaskQuery};
use tracing::{info, warn};

use crate::app::AppState;
use crate::auth::{self, Caller};
use crate::brought::Brought;
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};

/// Whoever may have a backup restored may bring one.
const BRING: &str = "backups restore";
const FILENAME: &str = "uploaded.iblfile";
/// That a server has at a time.
const MOST: u32 = 10;
/// So long they are kept at most.
const KEPT: TimeDelta = TimeDelta::days(30);
/// Until a file has come.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long a request may take until its answer, where that is longer than usual.
pub fn patience(request: &Request) -> Option<Duration> {
    let path = request.uri().path();
    let is_upload = request.method() == Method::POST
        && path.starts_with("/guilds/")
        && path.ends_with("/backups");
    is_upload.then_some(PATIENCE)
}

/// Bring a backup.
///
/// The body is the file. It is verified, all of it where it is not encrypted, before it is kept, for 30
/// days at most; a server has room for ten. You send one at a time, with at least 128 KiB in a second. Give the id as `BackupSource` of a restore or its plan, inspect
/// or compare it as any other. What it says counts as a stranger's word: only the owner and administrators
/// restore it, and ids in it are not followed.
#[utoipa::path(post, path = "/guilds/{guild_id}/backups", tag = "Tasks", operation_id = "upload_backup",
    params(("guild_id" = String, Path, description = "The server")),
    request_body(content = String, content_type = "application/octet-stream", description = "An `.iblfile`"),
    security(("User" = [])),
    responses(
        (status = 200, description = "It is kept", body = UploadedBackup),
        (status = 400, description = "It is no backup of a server, or damaged, or it came too slowly", body = ErrorBody),
        (status = 403, description = "The user may not restore backups in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "The server has as many as it may", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run, or you or others send files; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn upload_backup(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    request: Request,
) -> Result<Json<UploadedBackup>, ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    app.fleet.standing(guild, &caller, BRING).await?.allowed()?;
    let places = (app.uploaders.take(user)?, app.uploads.take(guild)?);
    let owner = Owner::Server(guild);
    let query = TaskQuery {
        name: Some(BROUGHT_BACKUP),
        ..TaskQuery::newest(owner, MOST)
    };
    let kept = app.storage.tasks().list(&query, app.clock.now()).await?;
    if kept.len() >= MOST as usize {
        let message = format!("this server has {MOST} of them: delete one first");
        return Err(ApiError::invalid(Code::TooManyUploads, message));
    }
    let most = usize::try_from(app.config.plans.free.max_body_size).unwrap_or(usize::MAX);
    let directory = app.config.data_dir.join("tmp");
    let clock = app.clock.as_ref();
    let brought = Brought::receive(request.into_body(), &directory, most, clock).await?;
    // It may have taken long.
    if !auth::is_alive(&app, &caller).await? {
        return Err(ApiError::Unauthorized("the token ended meanwhile"));
    }
    app.fleet.standing(guild, &caller, BRING).await?.allowed()?;
    // Whoever sent it all and leaves has sent it.
    let keeping = tokio::spawn(async move {
        let _places = places;
        keep(&app, guild, user, brought).await
    });
    match keeping.await {
        Ok(kept) => kept.map(Json),
        Err(panicked) => Err(ApiError::File(std::io::Error::other(panicked))),
    }
}

/// First the row of a job that nobody asked to run, which upkeep clears away with all that it left should
/// this process die; then the file; then the row says so.
async fn keep(
    app: &AppState,
    guild: GuildId,
    user: UserId,
    brought: Brought,
) -> Result<UploadedBackup, ApiError> {
    let (id, now) = (TaskId::random(), app.clock.now());
    let Brought {
        file,
        size,
        sha256,
        encrypted,
    } = brought;
    let row = NewTask {
        id,
        name: BROUGHT_BACKUP.to_owned(),
        owner: Owner::Server(guild),
        fields: json!({"ServerID": guild, "CallerID": user, "Size": size, "SHA256": sha256}),
        encrypted,
        wrapped_secret: None,
        slot: None,
        idempotency: None,
        execute: false,
        priority: Priority::Scheduled,
        run_after: None,
        deadline: None,
        expires_at: Some(now + KEPT),
        created_at: now,
    };
    let tasks = app.storage.tasks();
    // Without a key nothing is repeated, and without a slot nothing is in the way.
    let _ = tasks.create(&row).await?;
    if let Err(error) = app.objects.keep(id, FILENAME, file).await {
        let message = "The file could not be kept";
        let entry = NewLogEntry::new(Level::Error, app.clock.now(), message, Map::new());
        if let Err(error) = tasks.cancel(id, &entry).await {
            warn!(job.id = %id, error = %Chain(&error), "an upload that failed is left for the upkeep");
        }
        return Err(error);
    }
    let output = TaskOutput {
        filename: FILENAME.to_owned(),
        segregated: false,
    };
    let entry = NewLogEntry::new(Level::Info, app.clock.now(), "Uploaded", Map::new());
    let kept = tasks.keep(id, &output, &entry).await?;
    kept.ok_or(ApiError::NotFound("upload: it was deleted meanwhile"))?;
    info!(guild.id = %guild, user.id = %user, job.id = %id, size, encrypted, "a backup was uploaded");
    Ok(UploadedBackup {
        task_id: id,
        size,
        sha256,
        encrypted,
    })
}
