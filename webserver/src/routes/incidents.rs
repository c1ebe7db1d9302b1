//! What was stopped in a server, or would have been.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::incidents::{
    IncidentAct, IncidentDetail, IncidentList, IncidentOrder, IncidentOrdered, IncidentSummary,
};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::TaskId;
use splashtail_storage::IncidentRow;
use tracing::info;
use utoipa::IntoParams;

use super::guilds::allow;
use super::tasks::page_limit;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, guild_id};
use crate::fleet::denied;

const DEFAULT_PAGE: u32 = 25;
const MAX_ORDER: usize = 16 * 1024;
const MOST_PARTS: usize = 25;
/// After which the jobserver is worth another try.
const RETRY_AFTER_S: u64 = 10;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IncidentQuery {
    /// Only what is older than this incident.
    before: Option<String>,
    /// At most 100; 25 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Incidents of a server, newest first.
#[utoipa::path(get, path = "/guilds/{guild_id}/incidents", tag = "Guilds", operation_id = "list_incidents",
    params(("guild_id" = String, Path, description = "The server"), IncidentQuery),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = IncidentList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_incidents(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<IncidentQuery>,
) -> Result<Json<IncidentList>, ApiError> {
    let guild = guild_id(&guild)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let before = query.before.map(|id| id.parse::<i64>()).transpose();
    let before = before
        .map_err(|_| ApiError::invalid(Code::UnknownCursor, "`before` is not an incident's id"))?;
    allow(&app, guild, &caller, "incidents list").await?;
    let rows = app.storage.protections().incidents(guild, before, limit);
    Ok(Json(IncidentList {
        incidents: rows.await?.into_iter().map(summary).collect(),
    }))
}

/// An incident with everything that is known of it.
///
/// `document` has who did what when, what was done about it and what came of that; who it names as
/// suspects, why, and what no put-back brings back.
#[utoipa::path(get, path = "/guilds/{guild_id}/incidents/{incident}", tag = "Guilds", operation_id = "get_incident",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("incident" = String, Path, description = "The incident"),
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "The incident", body = IncidentDetail),
        (status = 403, description = "You may not look at it", body = ErrorBody),
        (status = 404, description = "No such incident of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_incident(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, incident)): PathOf<(String, String)>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let guild = guild_id(&guild)?;
    let incident: i64 = incident
        .parse()
        .map_err(|_| ApiError::NotFound("incident"))?;
    allow(&app, guild, &caller, "incidents view").await?;
    let row = app.storage.protections().incident(guild, incident).await?;
    let row = row.ok_or(ApiError::NotFound("incident"))?;
    let document = serde_json::from_str(&row.document)?;
    Ok(Json(IncidentDetail {
        incident: summary(row),
        document,
    }))
}

/// Have something done about an incident.
///
/// As its buttons in Discord: the owner may everything, people trusted by name too unless they are
/// suspects, trusted roles may `contain` and `panic`, and where protection is on any administrator may
/// `panic`. `panic` and `calm` are about the server and take any incident. What a put-back planned is the
/// output of its job; `approve` does that and nothing else. The token may not be limited.
#[utoipa::path(post, path = "/guilds/{guild_id}/incidents/{incident}/acts", tag = "Guilds", operation_id = "act_on_incident",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("incident" = String, Path, description = "The incident"),
    ),
    request_body = IncidentOrder, security(("User" = [])),
    responses(
        (status = 202, description = "It is being done; `job` names the job where one does it", body = IncidentOrdered),
        (status = 400, description = "The body is not valid", body = ErrorBody),
        (status = 403, description = "It is not yours to do; the message says whose it is", body = ErrorBody),
        (status = 404, description = "No such incident of this server, or the bot is not there", body = ErrorBody),
        (status = 409, description = "Others have to agree first, or a job of the server goes on; nothing was ordered", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster or the jobserver answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server or the jobserver does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn act_on_incident(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, incident)): PathOf<(String, String)>,
    JsonBody(order): JsonBody<IncidentOrder, MAX_ORDER>,
) -> Result<(StatusCode, Json<IncidentOrdered>), ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    caller.require_unlimited()?;
    let incident: u64 = incident
        .parse()
        .map_err(|_| ApiError::NotFound("incident"))?;
    let is_hash = |hash: &String| {
        (16..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if let Some(message) = lacking(&order, is_hash) {
        return Err(ApiError::invalid(Code::InvalidBody, message));
    }
    if order.parts.len() > MOST_PARTS {
        return Err(ApiError::invalid(
            Code::InvalidBody,
            format!("`parts` takes at most {MOST_PARTS} names"),
        ));
    }
    let query = json!({"IncidentAct": {
        "guild_id": guild,
        "user_id": user,
        "incident": incident.to_string(),
        "act": order.act,
        "parts": order.parts,
        "plan_hash": order.plan_hash,
        "job": order.job,
    }});
    let said: Said = app.fleet.ask_once(guild, &query).await?;
    info!(guild.id = %guild, user.id = %user, act = ?order.act, "an act on an incident was asked for");
    match said {
        Said::Ok { message, job } => {
            Ok((StatusCode::ACCEPTED, Json(IncidentOrdered { message, job })))
        }
        Said::PermissionError { res } => Err(denied(res)),
        Said::Unknown {} => Err(ApiError::NotFound("incident")),
        Said::Refused { message } => Err(ApiError::invalid(Code::NotYours, message)),
        Said::Guarded { message } => Err(ApiError::invalid(Code::Guarded, message)),
        Said::NotOrdered {
            status,
            code,
            message,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
            Err(ApiError::Refused {
                status,
                body: ErrorBody::new(code, message),
                retry_after: status.is_server_error().then_some(RETRY_AFTER_S),
            })
        }
    }
}

/// What belongs to an act and is not there.
fn lacking(order: &IncidentOrder, is_hash: impl Fn(&String) -> bool) -> Option<&'static str> {
    let hash = order.plan_hash.as_ref();
    if hash.is_some_and(|hash| !is_hash(hash)) {
        return Some("`plan_hash` is 16 to 64 hexadecimal digits");
    }
    match order.act {
        IncidentAct::Approve if hash.is_none() => {
            Some("`approve` takes the `plan_hash` of the plan")
        }
        IncidentAct::TakeBack if order.job.is_none() => {
            Some("`take_back` takes the `job` that put back")
        }
        _ => None,
    }
}

#[derive(Deserialize)]
enum Said {
    Ok {
        message: String,
        #[serde(default)]
        job: Option<TaskId>,
    },
    PermissionError {
        res: Value,
    },
    Refused {
        message: String,
    },
    /// Others have to agree first.
    Guarded {
        message: String,
    },
    /// No job takes it on.
    NotOrdered {
        status: u16,
        code: String,
        message: String,
    },
    /// There is no such incident, or none that something can still be done about.
    Unknown {},
}

pub(super) fn summary(row: IncidentRow) -> IncidentSummary {
    IncidentSummary {
        id: row.incident.to_string(),
        kind: row.kind,
        mode: row.mode,
        state: row.state,
        alert_channel: row.alert.map(|(channel, _)| channel.to_string()),
        alert_message: row.alert.map(|(_, message)| message.to_string()),
        updated_at: row.updated_at,
    }
}
