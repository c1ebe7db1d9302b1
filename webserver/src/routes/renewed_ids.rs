//! What became of ids: which object a restore made in whose place, for other bots that knew the old one.

use axum::Json;
use axum::extract::State;
use object_store::GetOptions;
use serde::Deserialize;
use splashtail_api_types::tasks::{RenewedId, RenewedIds};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_storage::{Owner, TaskRow};
use utoipa::IntoParams;

use super::guild_jobs::LOOK;
use super::tasks;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf, guild_id};
use crate::objects::OutputOf;

const PAGE: u32 = 500;
const MAX_PAGE: u32 = 1000;
/// Largest report that is read here, in bytes: some hundred thousand messages.
const LARGEST: u64 = 16 * 1024 * 1024;
const REPORT: &str = ".json";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IdsQuery {
    /// Only of this kind: `role`, `channel`, `thread`, `message`, `emoji` and so on.
    kind: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// At most 1000; 500 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// New ids by the old ones, after a task that made things again.
///
/// Of a restore or a put-back that was completed. What kept its id is not listed.
#[utoipa::path(get, path = "/entities/{id}/tasks/{task}/ids", tag = "Tasks", operation_id = "list_renewed_ids",
    params(
        ("id" = String, Path, description = "The server or user that the token belongs to"),
        ("task" = uuid::Uuid, Path, description = "The task"),
        IdsQuery,
    ),
    security(("User" = []), ("Server" = [])),
    responses(
        (status = 200, description = "One page", body = RenewedIds),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The token belongs to somebody else", body = ErrorBody),
        (status = 404, description = "No such task of this owner, or it has made nothing again", body = ErrorBody),
    ))]
pub async fn list_renewed_ids(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((id, task)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<IdsQuery>,
) -> Result<Json<RenewedIds>, ApiError> {
    caller.require(&id)?;
    let row = tasks::owned(&app, caller.owner, &task).await?;
    page_of(&app, &row, &query).await.map(Json)
}

/// New ids by the old ones, after a job that made things again.
///
/// As of `/entities/{id}/tasks/{task}/ids`.
#[utoipa::path(get, path = "/guilds/{guild_id}/jobs/{job}/ids", tag = "Tasks", operation_id = "list_guild_renewed_ids",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("job" = uuid::Uuid, Path, description = "The job"),
        IdsQuery,
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = RenewedIds),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "The user may not look at it", body = ErrorBody),
        (status = 404, description = "No such job of this server, it has made nothing again, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "Another daemon answered unexpectedly", body = ErrorBody),
        (status = 503, description = "Another daemon cannot be reached; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_guild_renewed_ids(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<IdsQuery>,
) -> Result<Json<RenewedIds>, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let row = tasks::owned(&app, Owner::Server(guild), &id).await?;
    page_of(&app, &row, &query).await.map(Json)
}

async fn page_of(app: &AppState, row: &TaskRow, query: &IdsQuery) -> Result<RenewedIds, ApiError> {
    const NONE: ApiError = ApiError::NotFound("list of new ids: this job has made nothing again");
    let limit = tasks::limit_of(query.limit, PAGE, MAX_PAGE)?;
    let after = query.after.as_deref().map(cursor).transpose()?;
    let output = row.output.as_ref();
    let output = output
        .filter(|output| output.filename.ends_with(REPORT))
        .ok_or(NONE)?;
    let object = OutputOf {
        task: row.id,
        name: &row.name,
        owner: row.owner,
        output,
    };
    let meta = app.objects.find(&object).await?.ok_or(NONE)?;
    if meta.size > LARGEST {
        return Err(ApiError::NotFound(
            "list of new ids: the report is too large, download it instead",
        ));
    }
    let report = app.objects.read(&meta.location, GetOptions::default());
    let report = report.await?.bytes().await?;
    let all = tokio::task::spawn_blocking(move || RenewedId::all_of(&report)).await;
    let all = all.map_err(|_| NONE)??.ok_or(NONE)?;
    let kind = query.kind.as_deref();
    Ok(page(all, kind, after, limit as usize))
}

/// Kind and old id, digits first by their number.
type Place<'a> = (&'a str, usize, &'a str);

fn place<'a>(kind: &'a str, old: &'a str) -> Place<'a> {
    (kind, old.len(), old)
}

fn cursor(after: &str) -> Result<Place<'_>, ApiError> {
    let read = after.split_once(':');
    read.map(|(kind, old)| place(kind, old))
        .ok_or_else(|| ApiError::invalid(Code::UnknownCursor, "`after` is no `next` of a page"))
}

fn page(
    all: Vec<RenewedId>,
    kind: Option<&str>,
    after: Option<Place<'_>>,
    limit: usize,
) -> RenewedIds {
    let wanted = |one: &RenewedId| {
        let is_after = after.is_none_or(|after| place(&one.kind, &one.old) > after);
        is_after && kind.is_none_or(|kind| one.kind == kind)
    };
    let mut ids: Vec<RenewedId> = all.into_iter().filter(wanted).take(limit + 1).collect();
    let more = ids.len() > limit;
    ids.truncate(limit);
    let last = ids.last().filter(|_| more);
    let next = last.map(|last| format!("{}:{}", last.kind, last.old));
    RenewedIds { ids, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let report = r#"{"ids": {"role": {"9": "90", "10": "100", "5": "5"}, "emoji": {"7": "70"},
            "channel": {}, "guild": {"1": "1"}}}"#;
        let all = RenewedId::all_of(report.as_bytes()).unwrap().unwrap();
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let from = after.as_deref().map(|after| cursor(after).unwrap());
            let RenewedIds { ids, next } = page(all.clone(), None, from, 1);
            seen.extend(ids.into_iter().map(|one| (one.kind, one.old, one.new)));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let expected = [
            ("emoji", "7", "70"),
            ("role", "9", "90"),
            ("role", "10", "100"),
        ];
        let expected = expected.map(|(kind, old, new)| (kind.into(), old.into(), new.into()));
        assert_eq!(seen, expected);
        assert_eq!(page(all, Some("emoji"), None, 5).ids.len(), 1);
        assert!(cursor("7").is_err());
        assert_eq!(RenewedId::all_of(b"{}").unwrap(), None);
    }
}
