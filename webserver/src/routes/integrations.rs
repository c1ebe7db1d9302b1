//! Where others send to: GitHub, of repositories.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use splashtail_api_types::gitlogs::{EVENTS, GitDelivery, GitHeard, GitHook};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::config::without_slash;
use splashtail_ipc::http::read_body;
use splashtail_storage::{Heard, NewDelivery};
use tracing::debug;
use utoipa::IntoParams;
use uuid::Uuid;

use super::gitlogs::{shown_delivery, whole};
use super::webhooks::managed;
use crate::app::{App, AppState};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::QueryOf;
use crate::gitlogs::{Way, digest, event, is_signed, render, way};
use crate::layers::MAX_BODY;
use crate::rate_limit::{self, GITLOGS_OF_HOOK};

/// What GitHub sends to try a hook.
const PING: &str = "ping";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HookQuery {
    /// The hook.
    id: Option<Uuid>,
}

/// A hook, with its repositories and rules.
///
/// For the owner and administrators of its server. The token may not be limited.
#[utoipa::path(get, path = "/integrations/gitlogs/kittycat", tag = "Guilds", operation_id = "get_git_hook",
    params(HookQuery), security(("User" = [])),
    responses(
        (status = 200, description = "The hook", body = GitHook),
        (status = 404, description = "No such hook, or the bot is not in its server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn get_git_hook(
    State(app): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<HookQuery>,
) -> Result<Json<GitHook>, ApiError> {
    caller.require_unlimited()?;
    let hook = hook(&app, query.id).await?;
    managed(&app, &caller, &hook.guild.to_string()).await?;
    whole(&app, hook).await.map(Json)
}

/// What GitHub sends.
///
/// The body is signed in `X-Hub-Signature-256`; `X-GitHub-Event` names the event. It is told in the
/// channel of its repository, after what came before it.
#[utoipa::path(post, path = "/integrations/gitlogs/kittycat", tag = "Guilds", operation_id = "hear_git_event",
    params(
        HookQuery,
        ("X-GitHub-Event" = Option<String>, Header, description = "The event"),
        ("X-Hub-Signature-256" = Option<String>, Header, description = "`sha256=` and the HMAC of the body"),
    ),
    request_body(content = Object, description = "As GitHub documents it"),
    responses(
        (status = 200, description = "A ping", body = GitHeard),
        (status = 202, description = "It was noted, now or before", body = GitHeard),
        (status = 206, description = "The hook does not have this repository, or such events are not told", body = GitHeard),
        (status = 400, description = "No event is named, or the body is no JSON", body = ErrorBody),
        (status = 401, description = "The signature is not that of the hook's secret", body = ErrorBody),
        (status = 404, description = "No such hook", body = ErrorBody),
        (status = 429, description = "Too much comes, or too much waits; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn hear_git_event(
    State(app): State<AppState>,
    QueryOf(query): QueryOf<HookQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let hook = hook(&app, query.id).await?;
    let (parts, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await.map_err(|error| {
        if error.status == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::BodyTooLarge(MAX_BODY)
        } else {
            ApiError::invalid(Code::IncompleteBody, error.body.message)
        }
    })?;
    let secret = app.accounts.open_git_hook(&hook)?;
    if !is_signed(secret.as_ref(), &parts.headers, &body) {
        return Err(ApiError::Unauthorized(
            "`X-Hub-Signature-256` is not the signature of this hook's secret",
        ));
    }
    rate_limit::count_one(&app, GITLOGS_OF_HOOK, &hook.id.to_string()).await?;
    let event = event(&parts.headers).ok_or_else(|| {
        ApiError::invalid(Code::BadRequest, "`X-GitHub-Event` does not name an event")
    })?;
    if event == PING {
        return Ok(said(StatusCode::OK, "the hook works", None));
    }
    let payload: Value = serde_json::from_slice(&body).map_err(|error| ApiError::Invalid {
        code: Code::InvalidBody,
        message: "the body is no JSON: set the content type to `application/json`".to_owned(),
        context: Some(("error", error.to_string())),
    })?;
    let name = payload["repository"]["full_name"].as_str();
    let name = name.unwrap_or_default().to_lowercase();
    let gitlogs = app.storage.gitlogs();
    let repos = gitlogs.git_repos(hook.id).await?;
    let Some(repo) = repos.into_iter().find(|repo| repo.name == name) else {
        let message = "the hook does not have this repository";
        return Ok(said(StatusCode::PARTIAL_CONTENT, message, None));
    };
    let Some(embed) = render(event, &payload) else {
        let message = "such events are not told";
        return Ok(said(StatusCode::PARTIAL_CONTENT, message, None));
    };
    let rules = gitlogs.git_rules(hook.id).await?;
    let to = match way(&repo, &rules, event, payload["action"].as_str()) {
        Way::To(channel) => Ok(channel),
        Way::Nowhere(why) => Err(why.to_owned()),
    };
    let id = Uuid::new_v4();
    let new = NewDelivery {
        id,
        hook: hook.id,
        digest: digest(event, &body),
        event: event.to_owned(),
        repo: repo.name,
        to,
        body: embed.to_string(),
        at: app.clock.now(),
    };
    let id = match gitlogs.note_delivery(&new).await? {
        Heard::New => id,
        Heard::Again(before) => before,
        Heard::NoHook => return Err(ApiError::NotFound("hook")),
        Heard::Full => return Err(rate_limit::full(GITLOGS_OF_HOOK)),
    };
    debug!(hook.id = %hook.id, event, "an event of a repository was noted");
    let base = without_slash(&app.config.sites.api);
    let log = format!("{base}/integrations/gitlogs/audit?log_id={id}");
    Ok(said(StatusCode::ACCEPTED, "it is told", Some(log)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Of something that came.
    log_id: Option<Uuid>,
}

/// What became of something that GitHub sent.
///
/// For the owner and administrators of the hook's server. The token may not be limited.
#[utoipa::path(get, path = "/integrations/gitlogs/audit", tag = "Guilds", operation_id = "get_git_delivery",
    params(AuditQuery), security(("User" = [])),
    responses(
        (status = 200, description = "What became of it", body = GitDelivery),
        (status = 404, description = "Nothing such came, or the bot is not in the server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn get_git_delivery(
    State(app): State<AppState>,
    caller: Caller,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Result<Json<GitDelivery>, ApiError> {
    caller.require_unlimited()?;
    let nothing = || ApiError::NotFound("delivery");
    let id = query.log_id.ok_or_else(nothing)?;
    let row = app.storage.gitlogs().delivery(id).await?;
    let row = row.ok_or_else(nothing)?;
    let hook = hook(&app, Some(row.hook)).await?;
    managed(&app, &caller, &hook.guild.to_string()).await?;
    Ok(Json(shown_delivery(row)))
}

/// Events that are told.
#[utoipa::path(get, path = "/integrations/gitlogs/api/events/listview", tag = "Guilds", operation_id = "list_git_events",
    responses((status = 200, description = "Their names at GitHub", body = Vec<String>)))]
pub async fn list_git_events() -> Json<[&'static str; EVENTS.len()]> {
    Json(EVENTS)
}

/// Events that are told, in one line.
#[utoipa::path(get, path = "/integrations/gitlogs/api/events/csview", tag = "Guilds", operation_id = "list_git_events_in_a_line",
    responses((status = 200, description = "Their names at GitHub, with commas between them", body = String, content_type = "text/plain")))]
pub async fn list_git_events_in_a_line() -> Response {
    ([(CONTENT_TYPE, "text/plain")], EVENTS.join(",")).into_response()
}

/// # Errors
/// There is no such hook.
async fn hook(app: &App, id: Option<Uuid>) -> Result<splashtail_storage::GitHook, ApiError> {
    let none = || ApiError::NotFound("hook");
    let hook = app.storage.gitlogs().git_hook(id.ok_or_else(none)?).await?;
    hook.ok_or_else(none)
}

fn said(status: StatusCode, message: &str, log: Option<String>) -> Response {
    let message = message.to_owned();
    (status, Json(GitHeard { message, log })).into_response()
}
