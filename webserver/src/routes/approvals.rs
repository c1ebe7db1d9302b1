//! What waits for a second person in a server.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::approvals::{Approval, ApprovalAnswer, ApprovalList};
use splashtail_storage::{Answer, GuardedRequest};
use utoipa::IntoParams;

use super::guilds::allow;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, guild_id};

/// Requests that one answer has.
const MOST: u32 = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApprovalQuery {
    /// Also what is decided.
    #[serde(default)]
    all: bool,
}

/// Requests that wait for a second trusted person, newest first.
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
    allow(&app, guild, &caller, "guarded pending").await?;
    let store = app.storage.guarded();
    let requests = store.list(guild, !query.all, MOST).await?;
    let mut approvals = Vec::with_capacity(requests.len());
    for request in requests {
        let answers = store.answers(request.id).await?;
        approvals.push(shown(request, answers));
    }
    Ok(Json(ApprovalList { approvals }))
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
