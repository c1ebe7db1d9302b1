use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use splashtail_api_types::events::ServerSentEvent;
use splashtail_api_types::tasks::{Task, TaskCreateResponse, TaskList};
use splashtail_api_types::{Code, ErrorBody, job_kinds};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_jobs::follow::{self, Told};
use splashtail_jobs::render;
use splashtail_storage::{MAX_ENTRIES, Owner, TaskCursor, TaskQuery, TaskRow};
use utoipa::IntoParams;

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::rendered::Rendered;
use crate::sse::stream;

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(super) const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 100;
/// The field of a server's task that names the server.
pub(super) const SERVER_FIELD: &str = "ServerID";
/// What the caller may do in Discord: told by the bot, and nobody's own to say.
pub(super) const CALLER_FIELD: &str = "CallerPermissions";
/// Who that is.
pub(super) const CALLER_ID_FIELD: &str = "CallerID";
/// Deletes only where whoever orders it may.
pub(super) const PRUNE: &str = job_kinds::MESSAGE_PRUNE.name;
/// Discord's bit of Administrator, in decimal.
const ADMINISTRATOR: &str = "8";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// At most 100; 50 when absent.
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<u32>,
    /// The last task of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    pub(super) after: Option<TaskId>,
    /// Only tasks of this kind.
    pub(super) name: Option<String>,
}

/// Tasks of a server or user, newest first.
#[utoipa::path(get, path = "/entities/{id}/tasks", tag = "Tasks", operation_id = "list_tasks",
    params(("id" = String, Path, description = "The server or user that the token belongs to"), ListQuery),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 200, description = "One page", body = TaskList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The token belongs to somebody else", body = ErrorBody),
    ))]
pub async fn list_tasks(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Rendered, ApiError> {
    caller.require(&id)?;
    listing(&app, caller.owner, query).await
}

/// A page of somebody's jobs. Whoever asks for the same one meanwhile gets the same bytes.
///
/// # Errors
/// The query is not valid.
pub(super) async fn listing(
    app: &AppState,
    owner: Owner,
    query: ListQuery,
) -> Result<Rendered, ApiError> {
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let key = (owner, query.name.clone(), query.after, limit);
    let look = async {
        let query = TaskQuery {
            owner,
            name: query.name.as_deref(),
            limit,
            after: cursor(app, owner, query.after).await?,
        };
        let rows = app.storage.tasks().list(&query, app.clock.now()).await?;
        let tasks = rows.iter().map(render::partial_task).collect();
        Ok(Rendered::new(&TaskList { tasks })?)
    };
    Ok(app.listings.get(key, look).await?)
}

/// A task with its whole log.
#[utoipa::path(get, path = "/entities/{id}/tasks/{task}", tag = "Tasks", operation_id = "get_task",
    params(
        ("id" = String, Path, description = "The server or user that the token belongs to"),
        ("task" = uuid::Uuid, Path, description = "The task"),
    ),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 200, description = "The task", body = Task),
        (status = 403, description = "The token belongs to somebody else", body = ErrorBody),
        (status = 404, description = "No such task of this owner", body = ErrorBody),
    ))]
pub async fn get_task(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((id, task)): PathOf<(String, String)>,
) -> Result<Json<Task>, ApiError> {
    caller.require(&id)?;
    let row = owned(&app, caller.owner, &task).await?;
    whole(&app, row).await.map(Json)
}

/// Start a task.
///
/// The body holds the task's own fields. A server's task names its server in `ServerID`, which has
/// to be the server of the token. Send `Idempotency-Key` to make repeating the request safe.
#[utoipa::path(post, path = "/entities/{id}/tasks/{task}", tag = "Tasks", operation_id = "create_task",
    params(
        ("id" = String, Path, description = "The server or user that the token belongs to"),
        ("task" = String, Path, description = "Kind of task, for example `guild_create_backup`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Requests with the same key create one task"),
    ),
    request_body(content = Object, description = "The task's fields"),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 200, description = "Created and started", body = TaskCreateResponse),
        (status = 400, description = "No such kind of task, or its fields are not valid", body = ErrorBody),
        (status = 403, description = "The task would belong to somebody else", body = ErrorBody),
        (status = 409, description = "The server runs such a task already", body = ErrorBody),
        (status = 502, description = "The jobserver answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The jobserver cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn create_task(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((id, name)): PathOf<(String, String)>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Result<Json<TaskCreateResponse>, ApiError> {
    caller.require(&id)?;
    let mut fields = owned_by(&caller, fields)?;
    if name == PRUNE {
        // The operator issues a server's token: it stands for the server, in all its channels.
        fields.insert(CALLER_FIELD.to_owned(), ADMINISTRATOR.into());
    }
    order(&app, &caller, None, &headers, &name, fields).await
}

/// Has the jobserver create and start a job, once for an `Idempotency-Key` of this caller and server.
pub(super) async fn order(
    app: &AppState,
    caller: &Caller,
    guild: Option<GuildId>,
    headers: &HeaderMap,
    name: &str,
    fields: Map<String, Value>,
) -> Result<Json<TaskCreateResponse>, ApiError> {
    let key = key_of(caller, guild, headers);
    app.jobserver
        .create_task(name, Value::Object(fields), true, key.as_deref())
        .await
        .map(Json)
        .map_err(|error| ApiError::from_daemon("jobserver", error))
}

/// Has the jobserver say what a task would do, likewise.
pub(super) async fn plan(
    app: &AppState,
    caller: &Caller,
    guild: GuildId,
    headers: &HeaderMap,
    name: &str,
    fields: Map<String, Value>,
) -> Result<Json<TaskCreateResponse>, ApiError> {
    let key = key_of(caller, Some(guild), headers);
    app.jobserver
        .plan_task(name, Value::Object(fields), key.as_deref())
        .await
        .map(Json)
        .map_err(|error| ApiError::from_daemon("jobserver", error))
}

fn key_of(caller: &Caller, guild: Option<GuildId>, headers: &HeaderMap) -> Option<String> {
    let key = headers.get(IDEMPOTENCY_KEY)?;
    Some(idempotency_key(caller, guild, key.as_bytes()))
}

/// Cancel a task.
///
/// A task that has ended stays as it is.
#[utoipa::path(post, path = "/entities/{id}/tasks/{task}/cancel", tag = "Tasks", operation_id = "cancel_task",
    params(
        ("id" = String, Path, description = "The server or user that the token belongs to"),
        ("task" = uuid::Uuid, Path, description = "The task"),
    ),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 204, description = "The task has ended"),
        (status = 403, description = "The token belongs to somebody else", body = ErrorBody),
        (status = 404, description = "No such task of this owner", body = ErrorBody),
        (status = 502, description = "The jobserver answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The jobserver cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn cancel_task(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((id, task)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.require(&id)?;
    let row = owned(&app, caller.owner, &task).await?;
    end(&app, &row).await
}

/// Has the jobserver end a task.
pub(super) async fn end(app: &AppState, row: &TaskRow) -> Result<StatusCode, ApiError> {
    app.jobserver
        .cancel_task(row.id)
        .await
        .map_err(|error| ApiError::from_daemon("jobserver", error))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only what is behind this entry; as the header `Last-Event-ID`, which wins.
    after: Option<i64>,
}

/// Follow a task's log.
///
/// Server-sent events: `entry` (a `StatusEntry`) under its number, `progress` (a `TaskProgress`), and
/// `end` with the task's state. The stream ends after a quarter of an hour at the latest; with
/// `Last-Event-ID` it goes on.
#[utoipa::path(get, path = "/entities/{id}/tasks/{task}/log", tag = "Tasks", operation_id = "follow_task",
    params(
        ("id" = String, Path, description = "The server or user that the token belongs to"),
        ("task" = uuid::Uuid, Path, description = "The task"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last entry that is known"),
        LogQuery,
    ),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 200, description = "The log while it grows", content_type = "text/event-stream", body = ServerSentEvent),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The token belongs to somebody else", body = ErrorBody),
        (status = 404, description = "No such task of this owner", body = ErrorBody),
        (status = 503, description = "Too many logs are followed at this time; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn follow_task(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((id, task)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(&id)?;
    let row = owned(&app, caller.owner, &task).await?;
    log_of(&app, &caller, &row, &query, &headers)
}

/// The stream of a task's log.
///
/// # Errors
/// As many are followed as may be.
pub(super) fn log_of(
    app: &AppState,
    caller: &Caller,
    row: &TaskRow,
    query: &LogQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let known = headers.get(LAST_EVENT_ID);
    let known = known.and_then(|known| known.to_str().ok()?.trim().parse().ok());
    let after = known.or(query.after).unwrap_or_default();
    let place = app.followers.take(caller.owner)?;
    let (clock, shutdown) = (app.clock.clone(), app.shutdown.clone());
    let told = follow::follow(app.storage.clone(), clock, shutdown, row.id, after);
    let events = told.map(move |told| {
        // Held for as long as somebody listens.
        let _place = &place;
        Ok::<_, Infallible>(event(told))
    });
    Ok(stream(events))
}

fn event(told: Told) -> Event {
    let (event, data) = match told {
        Told::Entry(number, entry) => (
            Event::default().event("entry").id(number.to_string()),
            json!(entry),
        ),
        Told::Progress(progress) => (Event::default().event("progress"), json!(progress)),
        Told::End(state) => (Event::default().event("end"), json!({"state": state})),
    };
    event.data(data.to_string())
}

/// The fields with exactly one server field, which is the caller's.
///
/// Readers of these fields may ignore the case of their names, so a second spelling must not get
/// through: it could name another server than the one that was checked.
fn owned_by(
    caller: &Caller,
    mut fields: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    let Owner::Server(server) = caller.owner else {
        return Err(ApiError::Forbidden(
            "these tasks belong to servers: use a server's token",
        ));
    };
    refuse_caller_field(&fields)?;
    let spellings: Vec<String> = fields
        .keys()
        .filter(|name| name.eq_ignore_ascii_case(SERVER_FIELD))
        .cloned()
        .collect();
    let named = match spellings.as_slice() {
        [] => {
            return Err(ApiError::Invalid {
                code: Code::InvalidBody,
                message: format!("`{SERVER_FIELD}` is required"),
                context: Some((SERVER_FIELD, "is missing [required]".to_owned())),
            });
        }
        [name] => fields.remove(name),
        _ => {
            return Err(ApiError::invalid(
                Code::InvalidBody,
                format!("`{SERVER_FIELD}` may be given once"),
            ));
        }
    };
    if named != Some(Value::from(server.to_string())) {
        return Err(ApiError::Forbidden(
            "the task would belong to another server",
        ));
    }
    fields.insert(SERVER_FIELD.to_owned(), Value::from(server.to_string()));
    Ok(fields)
}

/// Keys of different callers, or for different servers, never meet; the jobserver takes 64
/// characters.
fn idempotency_key(caller: &Caller, server: Option<GuildId>, key: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"api\0");
    hash.update(caller.key());
    hash.update(b"\0");
    hash.update(server.map_or(0, GuildId::get).to_be_bytes());
    hash.update(key);
    hex::encode(hash.finalize())
}

/// # Errors
/// The caller says what the caller may do.
pub(super) fn refuse_caller_field(fields: &Map<String, Value>) -> Result<(), ApiError> {
    let given = |told: &&str| fields.keys().any(|name| name.eq_ignore_ascii_case(told));
    match [CALLER_FIELD, CALLER_ID_FIELD].iter().copied().find(given) {
        None => Ok(()),
        Some(told) => Err(ApiError::Invalid {
            code: Code::InvalidBody,
            message: format!("`{told}` cannot be given"),
            context: Some((told, "is not the caller's to say".to_owned())),
        }),
    }
}

/// How many a page has: what was asked for, else as many as it has by itself.
///
/// # Errors
/// None, or more than a page may have.
pub(super) fn page_limit(asked: Option<u32>, default: u32) -> Result<u32, ApiError> {
    limit_of(asked, default, MAX_PAGE)
}

/// The same of a page that may have `most`.
///
/// # Errors
/// As of [`page_limit`].
pub(super) fn limit_of(asked: Option<u32>, default: u32, most: u32) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(default);
    if !(1..=most).contains(&limit) {
        return Err(ApiError::Invalid {
            code: Code::InvalidQuery,
            message: format!("`limit` is at least 1 and at most {most}"),
            context: Some(("limit", format!("{limit} is out of range [1..{most}]"))),
        });
    }
    Ok(limit)
}

/// Where a page goes on.
///
/// # Errors
/// The task is not one of the owner's.
pub(super) async fn cursor(
    app: &AppState,
    owner: Owner,
    after: Option<TaskId>,
) -> Result<Option<TaskCursor>, ApiError> {
    let Some(id) = after else { return Ok(None) };
    let row = visible(app, owner, id).await?.ok_or_else(|| {
        ApiError::invalid(Code::UnknownCursor, "`after` is not one of these tasks")
    })?;
    Ok(Some(row.cursor()))
}

/// # Errors
/// There is no such task of this owner.
pub(super) async fn owned(app: &AppState, owner: Owner, task: &str) -> Result<TaskRow, ApiError> {
    let task: TaskId = task.parse().map_err(|_| ApiError::NotFound("task"))?;
    visible(app, owner, task)
        .await?
        .ok_or(ApiError::NotFound("task"))
}

/// With its whole log.
pub(super) async fn whole(app: &AppState, row: TaskRow) -> Result<Task, ApiError> {
    // The note that the log is full, and the entry that ends the task, come on top.
    let entries = u32::try_from(MAX_ENTRIES + 2).unwrap_or(u32::MAX);
    let log = app.storage.tasks().log(row.id, 0, entries).await?;
    Ok(render::task(row, log))
}

/// The row if it is the owner's.
async fn visible(app: &AppState, owner: Owner, task: TaskId) -> Result<Option<TaskRow>, ApiError> {
    let row = app.storage.tasks().get(task, app.clock.now()).await?;
    Ok(row.filter(|row| row.owner == owner))
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::UserId;

    use super::*;

    fn of(owner: Owner) -> Caller {
        Caller::unlimited(owner)
    }

    fn server(id: u64) -> Caller {
        of(Owner::Server(GuildId::new(id).unwrap()))
    }

    fn checked(caller: &Caller, fields: Value) -> Result<Value, u16> {
        let Value::Object(fields) = fields else {
            panic!("an object")
        };
        owned_by(caller, fields)
            .map(Value::Object)
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn the_body_names_the_callers_server_once() {
        let caller = server(5);
        assert_eq!(
            checked(&caller, json!({"ServerID": "5", "a": 1})),
            Ok(json!({"a": 1, "ServerID": "5"}))
        );
        assert_eq!(
            checked(&caller, json!({"serverid": "5"})),
            Ok(json!({"ServerID": "5"}))
        );
        assert_eq!(checked(&caller, json!({"ServerID": "6"})), Err(403));
        assert_eq!(checked(&caller, json!({"ServerID": 5})), Err(403));
        assert_eq!(checked(&caller, json!({})), Err(400));
        assert_eq!(
            checked(&caller, json!({"ServerID": "5", "serverId": "6"})),
            Err(400)
        );
        for name in [
            "CallerPermissions",
            "callerpermissions",
            "CallerID",
            "callerid",
        ] {
            assert_eq!(
                checked(&caller, json!({"ServerID": "5", name: "8"})),
                Err(400)
            );
        }
        let user = of(Owner::User(UserId::new(5).unwrap()));
        assert_eq!(checked(&user, json!({"ServerID": "5"})), Err(403));
    }

    #[test]
    fn idempotency_keys_of_two_callers_differ_and_fit() {
        let of = |caller: u64, guild: Option<u64>, key: &[u8]| {
            idempotency_key(&server(caller), guild.and_then(GuildId::new), key)
        };
        let key = of(5, None, b"k");
        assert_eq!(key.len(), 64);
        for other in [of(6, None, b"k"), of(5, None, b"l"), of(5, Some(7), b"k")] {
            assert_ne!(key, other);
        }
        assert_ne!(of(5, Some(7), b"k"), of(5, Some(8), b"k"));
    }
}
