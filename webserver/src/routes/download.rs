use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::Uri;
use serde::{Deserialize, Serialize};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::config::without_slash;
use splashtail_core::ids::TaskId;
use splashtail_storage::{Owner, TaskRow};
use utoipa::{IntoParams, ToSchema};

use super::guild_jobs::LOOK;
use super::ioauth::found;
use crate::app::{App, AppState};
use crate::auth::{BANNED, is_banned};
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::ioauth::{Destination, Proof, login_link};
use crate::objects::OutputOf;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DownloadQuery {
    /// The one-time proof of `/ioauth/login`; without it the browser is sent there.
    ioauth: Option<String>,
    /// `true`: answer the link instead of going there.
    #[serde(default)]
    no_redirect: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DownloadLink {
    /// Works for ten minutes without any login.
    pub(super) message: String,
}

/// Download what a task left.
///
/// A task of a user is for that user, a task of a server for its owner and for members with
/// Administrator or Manage Server.
#[utoipa::path(get, path = "/tasks/{id}/ioauth/download-link", tag = "Tasks", operation_id = "get_download_link",
    params(("id" = uuid::Uuid, Path, description = "The task"), DownloadQuery),
    responses(
        (status = 200, description = "With `no_redirect`", body = DownloadLink),
        (status = 302, description = "To the file, or to the login first"),
        (status = 400, description = "The proof is unknown, used or was made for another page", body = ErrorBody),
        (status = 403, description = "Not yours to download", body = ErrorBody),
        (status = 404, description = "No such task, or it has no output", body = ErrorBody),
    ))]
pub async fn get_download_link(
    State(app): State<AppState>,
    OriginalUri(uri): OriginalUri,
    PathOf(task): PathOf<TaskId>,
    QueryOf(query): QueryOf<DownloadQuery>,
) -> Result<Response, ApiError> {
    download(&app, &uri, task, query, Judge::Discord).await
}

/// Download what a job left.
///
/// A job of a user is for that user, a job of a server for whoever may list its backups in Discord: the
/// bot says who that is.
#[utoipa::path(get, path = "/jobs/{id}/ioauth/download-link", tag = "Tasks", operation_id = "get_job_download_link",
    params(("id" = uuid::Uuid, Path, description = "The job"), DownloadQuery),
    responses(
        (status = 200, description = "With `no_redirect`", body = DownloadLink),
        (status = 302, description = "To the file, or to the login first"),
        (status = 400, description = "The proof is unknown, used or was made for another page", body = ErrorBody),
        (status = 403, description = "Not yours to download", body = ErrorBody),
        (status = 404, description = "No such job, it has no output, or the bot is not in the server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_job_download_link(
    State(app): State<AppState>,
    OriginalUri(uri): OriginalUri,
    PathOf(task): PathOf<TaskId>,
    QueryOf(query): QueryOf<DownloadQuery>,
) -> Result<Response, ApiError> {
    download(&app, &uri, task, query, Judge::Bot).await
}

/// Who says what members of a server may download.
enum Judge {
    /// By the list of servers that came with the login.
    Discord,
    Bot,
}

async fn download(
    app: &App,
    uri: &Uri,
    task: TaskId,
    query: DownloadQuery,
    judge: Judge,
) -> Result<Response, ApiError> {
    let target = uri
        .path_and_query()
        .map_or(uri.path(), |target| target.as_str());
    let destination = Destination::parse(target).ok_or(ApiError::NotFound("task"))?;
    let Some(handle) = query.ioauth else {
        return Ok(found(&login_link(&destination)));
    };
    let unknown = || {
        ApiError::invalid(
            Code::UnknownProof,
            "this login was used, took too long or was made for another page; open the link again",
        )
        .again_at(destination.link(None))
    };
    let proof = app
        .proofs
        .look_up(&handle, &destination.path)
        .await?
        .ok_or_else(unknown)?;
    if is_banned(app, proof.user_id).await? {
        return Err(ApiError::Forbidden(BANNED));
    }

    let row = app.storage.tasks().get(task, app.clock.now()).await?;
    let row = row.ok_or(ApiError::NotFound("task"))?;
    may_download(app, &row, &proof, judge).await?;
    let link = link_to(app, &row).await?;
    if !app.proofs.consume(&handle).await? {
        return Err(unknown());
    }
    if query.no_redirect {
        return Ok(Json(DownloadLink { message: link }).into_response());
    }
    Ok(found(&link))
}

/// A link to what a task left, which works for ten minutes without any login.
///
/// # Errors
/// There is none, or the object store failed.
pub(super) async fn link_to(app: &App, row: &TaskRow) -> Result<String, ApiError> {
    let none = || ApiError::NotFound("output of this task");
    let output = row.output.as_ref().ok_or_else(none)?;
    let object = OutputOf {
        task: row.id,
        name: &row.name,
        owner: row.owner,
        output,
    };
    let meta = app.objects.find(&object).await?.ok_or_else(none)?;
    let presigned = app.objects.presign(&meta.location, &output.filename);
    Ok(match presigned.await? {
        Some(url) => url.to_string(),
        None => {
            let base = without_slash(&app.config.sites.api);
            format!("{base}{}", app.links.sign(row.id, app.clock.now()))
        }
    })
}

/// # Errors
/// It is not theirs to download, or the bot cannot be asked.
async fn may_download(
    app: &App,
    row: &TaskRow,
    proof: &Proof,
    judge: Judge,
) -> Result<(), ApiError> {
    let (may, why) = match (row.owner, judge) {
        (Owner::User(user), _) => (user == proof.user_id, "only its owner may download this"),
        (Owner::Server(guild), Judge::Discord) => (
            proof.may_manage(guild),
            "only the owner, or members with Administrator or Manage Server, may download this",
        ),
        (Owner::Server(guild), Judge::Bot) => {
            let standing = app.fleet.standing_of(guild, proof.user_id, None, LOOK);
            return standing.await?.allowed().map(drop);
        }
    };
    if may {
        Ok(())
    } else {
        Err(ApiError::Forbidden(why))
    }
}
