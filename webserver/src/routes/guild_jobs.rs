//! Jobs of a server, for its members: the bot says who may do what there.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use splashtail_api_types::events::ServerSentEvent;
use splashtail_api_types::tasks::{
    BackupSchedule, JobSchedule, ScheduleList, Task, TaskCreateResponse, TaskList,
};
use splashtail_api_types::{Code, ErrorBody, job_kinds};
use splashtail_core::ids::GuildId;
use splashtail_ipc::clients::ScheduleOrder;
use splashtail_storage::{Owner, Schedule};
use tracing::info;
use uuid::Uuid;

use super::download::{self, DownloadLink};
use super::tasks::{self, CALLER_FIELD, CALLER_ID_FIELD, ListQuery, LogQuery, SERVER_FIELD};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, guild_id};
use crate::rendered::Rendered;

/// Discord's bits of Administrator and Manage Messages. The job asks again in every channel.
const MANAGE_MESSAGES: u64 = 1 << 3 | 1 << 13;
/// Whoever may see the list of backups may see jobs.
pub(super) const LOOK: &str = "backups list";

/// Whoever may delete backups may delete what other jobs left.
const DELETE: &str = "backups delete";

const MANAGE: &str = "this takes Manage Messages in the server";

/// What ordering a kind of job takes.
enum Right {
    /// That of a command of the bot.
    Command(&'static str),
    /// One of these permissions in the server.
    Permissions(u64),
}

fn right(job: &str) -> Option<Right> {
    const CREATE: &str = job_kinds::CREATE_BACKUP.name;
    const RESTORE: &str = job_kinds::RESTORE_BACKUP.name;
    const REJOIN: &str = job_kinds::REJOIN_MEMBERS.name;
    Some(match job {
        CREATE => Right::Command("backups create"),
        RESTORE => Right::Command("backups restore"),
        REJOIN => Right::Command("members rejoin"),
        tasks::PRUNE => Right::Permissions(MANAGE_MESSAGES),
        // What undoes an attack is ordered under its alert, where the trusted people are.
        _ => return None,
    })
}

/// Start a job in a server.
///
/// The token is a user's: whoever may run the bot's matching command there may start the job, and
/// nothing is given by it that the user could not give. The body holds the job's own fields;
/// `ServerID` may be left out.
#[utoipa::path(post, path = "/guilds/{guild_id}/jobs/{job}", tag = "Tasks", operation_id = "create_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = String, Path, description = "Kind of job, for example `guild_create_backup`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Requests with the same key create one job"),
    ),
    request_body(content = Object, description = "The job's fields"),
    security(("User" = [])),
    responses(
        (status = 200, description = "Created and started", body = TaskCreateResponse),
        (status = 400, description = "No such kind of job, or its fields are not valid", body = ErrorBody),
        (status = 403, description = "The user may not do that in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "The server runs such a job already", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn create_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, name)): PathOf<(String, String)>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Result<Json<TaskCreateResponse>, ApiError> {
    let guild = guild_id(&guild)?;
    let fields = ordered(&app, &caller, guild, &name, fields).await?;
    tasks::order(&app, &caller, Some(guild), &headers, &name, fields).await
}

/// Have a job say what it would do in a server.
///
/// Nothing is changed: the plan is the job's output, and has a hash. The same order with that as
/// `PlanHash` in its `Options` does this and nothing else. Whoever may order the job may ask.
#[utoipa::path(post, path = "/guilds/{guild_id}/jobs/{job}/plan", tag = "Tasks", operation_id = "plan_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = String, Path, description = "Kind of job, for example `guild_restore_backup`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Requests with the same key create one job"),
    ),
    request_body(content = Object, description = "The job's fields"),
    security(("User" = [])),
    responses(
        (status = 200, description = "Created and started", body = TaskCreateResponse),
        (status = 400, description = "No such kind of job, it has no plans, or its fields are not valid", body = ErrorBody),
        (status = 403, description = "The user may not do that in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "The server runs such a job already", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn plan_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, name)): PathOf<(String, String)>,
    headers: HeaderMap,
    JsonBody(fields): JsonBody<Map<String, Value>>,
) -> Result<Json<TaskCreateResponse>, ApiError> {
    let guild = guild_id(&guild)?;
    let fields = ordered(&app, &caller, guild, &name, fields).await?;
    tasks::plan(&app, &caller, guild, &headers, &name, fields).await
}

/// The fields of an order, with who gives it and what they may there.
///
/// # Errors
/// There is no such kind of job, its fields are not valid, or they may not order it.
async fn ordered(
    app: &AppState,
    caller: &Caller,
    guild: GuildId,
    name: &str,
    fields: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    let right = right(name)
        .ok_or_else(|| ApiError::invalid(Code::UnknownTask, "there is no such kind of job"))?;
    let mut fields = of_server(guild, fields)?;
    let permissions = match right {
        Right::Command(command) => app
            .fleet
            .standing(guild, caller, command)
            .await?
            .allowed()?,
        Right::Permissions(needed) => {
            caller.require_unlimited()?;
            let standing = app.fleet.standing(guild, caller, LOOK).await?;
            let permissions = standing.permissions.unwrap_or_default();
            if permissions & needed == 0 {
                return Err(ApiError::Forbidden(MANAGE));
            }
            permissions
        }
    };
    fields.insert(CALLER_FIELD.to_owned(), permissions.to_string().into());
    fields.insert(
        CALLER_ID_FIELD.to_owned(),
        caller.user()?.to_string().into(),
    );
    Ok(fields)
}

/// Jobs of a server, newest first.
#[utoipa::path(get, path = "/guilds/{guild_id}/jobs", tag = "Tasks", operation_id = "list_guild_jobs",
    params(("guild_id" = String, Path, description = "The server"), ListQuery),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = TaskList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The user may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_guild_jobs(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Rendered, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    tasks::listing(&app, Owner::Server(guild), query).await
}

/// A job of a server with its whole log.
#[utoipa::path(get, path = "/guilds/{guild_id}/jobs/{job}", tag = "Tasks", operation_id = "get_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "The job", body = Task),
        (status = 403, description = "The user may not look at it", body = ErrorBody),
        (status = 404, description = "No such job of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
) -> Result<Json<Task>, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    tasks::whole(&app, row).await.map(Json)
}

/// A link to what a job of a server left, for whoever may look at it.
#[utoipa::path(get, path = "/guilds/{guild_id}/jobs/{job}/output", tag = "Tasks", operation_id = "get_guild_job_output",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "The link", body = DownloadLink),
        (status = 403, description = "The user may not look at it", body = ErrorBody),
        (status = 404, description = "No such job of this server, it left nothing, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_guild_job_output(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
) -> Result<Json<DownloadLink>, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    let message = download::link_to(&app, &row).await?;
    Ok(Json(DownloadLink { message }))
}

/// Cancel a job of a server.
///
/// Whoever may start such a job there may cancel it. A job that has ended stays as it is.
#[utoipa::path(post, path = "/guilds/{guild_id}/jobs/{job}/cancel", tag = "Tasks", operation_id = "cancel_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "The job has ended"),
        (status = 403, description = "The user may not do that in this server", body = ErrorBody),
        (status = 404, description = "No such job of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn cancel_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let guild = guild_id(&guild)?;
    // Who may not even look learns nothing of what there is.
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    match right(&row.name) {
        Some(Right::Command(command)) => {
            app.fleet
                .standing(guild, &caller, command)
                .await?
                .allowed()?;
        }
        Some(Right::Permissions(needed)) => {
            caller.require_unlimited()?;
            let standing = app.fleet.standing(guild, &caller, LOOK).await?;
            if standing.permissions.unwrap_or_default() & needed == 0 {
                return Err(ApiError::Forbidden(MANAGE));
            }
        }
        None => {
            return Err(ApiError::Forbidden(
                "jobs of this kind are ordered and ended in Discord alone",
            ));
        }
    }
    tasks::end(&app, &row).await
}

/// Delete a job of a server that has ended, with everything that it left.
///
/// As `/backups delete`: a backup is gone then for good.
#[utoipa::path(delete, path = "/guilds/{guild_id}/jobs/{job}", tag = "Tasks", operation_id = "delete_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "The user may not do that in this server", body = ErrorBody),
        (status = 404, description = "No such job of this server, or the bot is not there", body = ErrorBody),
        (status = 409, description = "The job has not ended", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn delete_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    app.fleet
        .standing(guild, &caller, DELETE)
        .await?
        .allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    let deleted = app.jobserver.delete_task(row.id, guild).await;
    deleted.map_err(|error| ApiError::from_daemon("jobserver", error))?;
    info!(guild.id = %guild, user.id = %user, job.id = %row.id, "a job was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// What a server has ordered again and again.
#[utoipa::path(get, path = "/guilds/{guild_id}/schedules", tag = "Tasks", operation_id = "list_guild_schedules",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "All of them", body = ScheduleList),
        (status = 403, description = "The user may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_guild_schedules(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<ScheduleList>, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let schedules = app.storage.schedules().of_guild(guild).await?;
    Ok(Json(ScheduleList {
        schedules: schedules.into_iter().map(shown).collect(),
    }))
}

fn shown(schedule: Schedule) -> JobSchedule {
    JobSchedule {
        id: schedule.id.to_string(),
        job: schedule.name,
        cron: schedule.cron,
        next_at: schedule.next_at,
        last_task: schedule.last_task,
        keep_count: schedule.keep.count,
        keep_days: schedule.keep.days,
    }
}

/// Have backups made again and again.
///
/// As `/backups schedule add`. The id is yours to choose, a new UUID for each; under that of a schedule of this
/// server, that one is changed. A server has at most five.
#[utoipa::path(put, path = "/guilds/{guild_id}/schedules/{schedule}", tag = "Tasks", operation_id = "put_guild_schedule",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("schedule" = uuid::Uuid, Path, description = "The schedule"),
    ),
    request_body = BackupSchedule, security(("User" = [])),
    responses(
        (status = 200, description = "As it is stored", body = JobSchedule),
        (status = 400, description = "A value is out of its bounds, or the server has as many as it may", body = ErrorBody),
        (status = 403, description = "The user may not schedule backups in this server", body = ErrorBody),
        (status = 404, description = "It is not this server's, or no backups are made by it, or the bot is not there", body = ErrorBody),
        (status = 409, description = "What is scheduled has to be agreed to in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn put_guild_schedule(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
    JsonBody(wanted): JsonBody<BackupSchedule>,
) -> Result<Json<JobSchedule>, ApiError> {
    const ADD: &str = "backups schedule add";
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    app.fleet.standing(guild, &caller, ADD).await?.allowed()?;
    let id = schedule_id(&id)?;
    let schedules = app.storage.schedules();
    if let Some(known) = schedules.get(id).await?
        && (known.guild != Some(guild) || known.name != job_kinds::CREATE_BACKUP.name)
    {
        return Err(ApiError::NotFound(SCHEDULE));
    }
    check(&wanted)?;
    let order = ScheduleOrder::of_backups(id, guild, user, &wanted);
    let put = app.jobserver.put_schedule(&order).await;
    put.map_err(|error| ApiError::from_daemon("jobserver", error))?;
    info!(guild.id = %guild, user.id = %user, schedule.id = %id, cron = order.cron, "backups were scheduled");
    // Somebody may have removed it meanwhile.
    let stored = schedules.get(id).await?;
    let stored = stored.filter(|stored| stored.guild == Some(guild));
    stored
        .map(|stored| Json(shown(stored)))
        .ok_or(ApiError::NotFound(SCHEDULE))
}

/// Order something no more again and again.
///
/// As `/backups schedule remove`. What was made stays.
#[utoipa::path(delete, path = "/guilds/{guild_id}/schedules/{schedule}", tag = "Tasks", operation_id = "remove_guild_schedule",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("schedule" = uuid::Uuid, Path, description = "The schedule"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "The user may not schedule backups in this server", body = ErrorBody),
        (status = 404, description = "No such schedule of this server, or the bot is not there", body = ErrorBody),
        (status = 409, description = "It cannot be removed at this moment", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn remove_guild_schedule(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    const REMOVE: &str = "backups schedule remove";
    let (guild, user) = (guild_id(&guild)?, caller.user()?);
    app.fleet
        .standing(guild, &caller, REMOVE)
        .await?
        .allowed()?;
    let id = schedule_id(&id)?;
    let known = app.storage.schedules().get(id).await?;
    if known.is_none_or(|known| known.guild != Some(guild)) {
        return Err(ApiError::NotFound(SCHEDULE));
    }
    let removed = app.jobserver.remove_schedule(id, guild).await;
    removed.map_err(|error| ApiError::from_daemon("jobserver", error))?;
    info!(guild.id = %guild, user.id = %user, schedule.id = %id, "a schedule was removed");
    Ok(StatusCode::NO_CONTENT)
}

const SCHEDULE: &str = "schedule";

fn schedule_id(text: &str) -> Result<Uuid, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound(SCHEDULE))
}

/// As Discord does it for the bot's command.
fn check(wanted: &BackupSchedule) -> Result<(), ApiError> {
    let within =
        |value: Option<u32>, least, most| value.is_none_or(|value| (least..=most).contains(&value));
    for (name, fits, bounds) in [
        ("hour", within(wanted.hour, 0, 23), "0 to 23"),
        ("keep", within(wanted.keep, 1, 100), "1 to 100"),
        ("keep_days", within(wanted.keep_days, 1, 3650), "1 to 3650"),
    ] {
        if !fits {
            let message = format!("`{name}` takes {bounds}");
            return Err(ApiError::invalid(Code::InvalidBody, message));
        }
    }
    Ok(())
}

/// Follow the log of a server's job.
///
/// Server-sent events as of `/entities/{id}/tasks/{task}/log`.
#[utoipa::path(get, path = "/guilds/{guild_id}/jobs/{job}/log", tag = "Tasks", operation_id = "follow_guild_job",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last entry that is known"),
        LogQuery,
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "The log while it grows", content_type = "text/event-stream", body = ServerSentEvent),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The user may not look at it", body = ErrorBody),
        (status = 404, description = "No such job of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached, or too many logs are followed; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn follow_guild_job(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    tasks::log_of(&app, &caller, &row, &query, &headers)
}

/// The fields, of this server and no other, and without what only the bot can say.
fn of_server(
    guild: GuildId,
    mut fields: Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    let own = Value::from(guild.to_string());
    for (name, value) in &fields {
        if name.eq_ignore_ascii_case(SERVER_FIELD) && *value != own {
            return Err(ApiError::Forbidden(
                "the job would belong to another server",
            ));
        }
    }
    tasks::refuse_caller_field(&fields)?;
    fields.retain(|name, _| !name.eq_ignore_ascii_case(SERVER_FIELD));
    fields.insert(SERVER_FIELD.to_owned(), own);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_api_types::tasks::ScheduleEvery;

    use super::*;

    fn checked(fields: Value) -> Result<Value, u16> {
        let Value::Object(fields) = fields else {
            panic!("an object")
        };
        let checked = of_server(GuildId::new(5).unwrap(), fields);
        checked
            .map(Value::Object)
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn a_schedule_has_the_bounds_of_the_command() {
        let wanted = |hour, keep, keep_days| {
            let wanted = BackupSchedule {
                every: ScheduleEvery::Day,
                hour,
                messages: false,
                attachments: false,
                keep,
                keep_days,
            };
            check(&wanted).is_ok()
        };
        assert!(wanted(None, None, None) && wanted(Some(23), Some(100), Some(3650)));
        assert!(wanted(Some(0), Some(1), Some(1)));
        for (hour, keep, days) in [
            (Some(24), None, None),
            (None, Some(0), None),
            (None, Some(101), None),
            (None, None, Some(0)),
            (None, None, Some(3651)),
        ] {
            assert!(!wanted(hour, keep, days), "{hour:?} {keep:?} {days:?}");
        }
    }

    /// What nobody but the bot may order has no right here.
    #[test]
    fn kinds_of_jobs_are_ordered_by_whoever_may_run_their_command() {
        for (job, wanted) in [
            ("guild_create_backup", Some("backups create")),
            ("guild_restore_backup", Some("backups restore")),
            ("guild_rejoin_members", Some("members rejoin")),
            ("guild_revert_incident", None),
            ("mass_ban", None),
            ("made_up", None),
        ] {
            let command = right(job).and_then(|right| match right {
                Right::Command(command) => Some(command),
                Right::Permissions(_) => None,
            });
            assert_eq!(command, wanted, "{job}");
        }
    }

    /// The original checked the server of the path and ran on that of the body.
    #[test]
    fn a_job_is_of_the_server_of_its_path() {
        assert_eq!(
            checked(json!({"a": 1})),
            Ok(json!({"a": 1, "ServerID": "5"}))
        );
        assert_eq!(
            checked(json!({"serverid": "5"})),
            Ok(json!({"ServerID": "5"}))
        );
        for other in [
            json!({"ServerID": "6"}),
            json!({"ServerID": "5", "serverid": "6"}),
            json!({"ServerID": 5}),
        ] {
            assert_eq!(checked(other), Err(403));
        }
        assert_eq!(checked(json!({"callerpermissions": "8"})), Err(400));
    }
}
