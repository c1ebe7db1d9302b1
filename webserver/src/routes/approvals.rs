//! What waits for a second person in a server.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::ErrorBody;
use splashtail_api_types::approvals::{
    Approval, ApprovalAnswer, ApprovalHeard, ApprovalList, ApprovalOrder,
};
use splashtail_storage::{Answer, GuardedRequest};
use tracing::info;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, guild_id};
use crate::fleet::denied;

/// Requests that one answer has.
const MOST: u32 = 50;
const MAX_ORDER: usize = 4 * 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApprovalQuery {
    /// Also what is decided.
    #[serde(default)]
    all: bool,
}

/// Requests that wait for a second trusted person, newest first.
///
/// For the owner, people trusted by name and administrators.
#[utoipa::path(get, path = "/guilds/{guild_id}/approvals", tag = "Guilds", operation_id = "list_approvals",
    params(("guild_id" = String, Path, description = "The server"), ApprovalQuery),
    security(("User" = [])),
    responses(
        (status = 200, description = "At most 50", body = ApprovalList),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_approvals(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<ApprovalQuery>,
) -> Result<Json<ApprovalList>, ApiError> {
    let guild = guild_id(&guild)?;
    let sight = json!({"ApprovalSight": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    match app.fleet.ask(guild, &sight).await? {
        Sight::Ok {} => {}
        Sight::PermissionError { res } => return Err(denied(res)),
    }
    let store = app.storage.guarded();
    let requests = store.list(guild, !query.all, MOST).await?;
    let mut approvals = Vec::with_capacity(requests.len());
    for request in requests {
        let answers = store.answers(request.id).await?;
        approvals.push(shown(request, answers));
    }
    Ok(Json(ApprovalList { approvals }))
}

/// Agree to a request, refuse it or withdraw it.
///
/// Whose word counts is the bot's to say, as in Discord: the owner and people trusted by name, and nobody
/// for their own request alone. `approval` shows whether it did, to whoever may look. The token may not be limited.
#[utoipa::path(post, path = "/guilds/{guild_id}/approvals/{request}", tag = "Guilds", operation_id = "answer_approval",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("request" = uuid::Uuid, Path, description = "The request"),
    ),
    request_body = ApprovalOrder, security(("User" = [])),
    responses(
        (status = 200, description = "Heard", body = ApprovalHeard),
        (status = 400, description = "The body is not valid", body = ErrorBody),
        (status = 403, description = "You are not in this server, or the token is limited", body = ErrorBody),
        (status = 404, description = "No such request of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn answer_approval(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, request)): PathOf<(String, Uuid)>,
    JsonBody(order): JsonBody<ApprovalOrder, MAX_ORDER>,
) -> Result<Json<ApprovalHeard>, ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    caller.require_unlimited()?;
    let query = json!({"ApprovalAnswer": {
        "guild_id": guild,
        "user_id": user,
        "request": request,
        "answer": order.answer,
    }});
    let (message, may_look) = match app.fleet.ask_once(guild, &query).await? {
        Said::Ok { message, may_look } => (message, may_look),
        Said::PermissionError { res } => return Err(denied(res)),
    };
    info!(guild.id = %guild, user.id = %user, request.id = %request, answer = ?order.answer, "a request was answered");
    let store = app.storage.guarded();
    let found = store.get(request).await?;
    let found = found.filter(|found| found.guild == guild);
    let found = found.ok_or(ApiError::NotFound("request"))?;
    let approval = match may_look || found.asked_by == user {
        true => Some(shown(found, store.answers(request).await?)),
        false => None,
    };
    Ok(Json(ApprovalHeard { message, approval }))
}

/// Whether they may look.
#[derive(Deserialize)]
enum Sight {
    Ok {},
    PermissionError { res: Value },
}

#[derive(Deserialize)]
enum Said {
    Ok {
        message: String,
        #[serde(default)]
        may_look: bool,
    },
    PermissionError {
        res: Value,
    },
}

fn shown(request: GuardedRequest, answers: Vec<Answer>) -> Approval {
    let answers = answers.into_iter().map(|answer| ApprovalAnswer {
        user: answer.user.to_string(),
        answer: answer.answer,
        at: answer.at,
    });
    Approval {
        id: request.id.to_string(),
        operation: request.operation,
        summary: request.summary,
        asked_by: request.asked_by.to_string(),
        asked_at: request.asked_at,
        expires_at: request.expires_at,
        state: request.state.as_str().to_owned(),
        outcome: request.outcome,
        ended_at: request.ended_at,
        answers: answers.collect(),
    }
}
