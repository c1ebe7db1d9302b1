//! What somebody may do in a server, and what it has set. The bot decides.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_api_types::settings::{
    Operation, SettingsAnswer, SettingsError, SettingsHistory, SettingsRequest,
};
use splashtail_api_types::users::{CommandAnswer, PermissionAnswer, PermissionQuestion};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::GuildId;
use utoipa::IntoParams;

use super::tasks::page_limit;
use super::users::NOT_THERE;
use crate::app::{App, AppState};
use crate::auth::{Caller, Identity};
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, guild_id};
use crate::fleet::denied;
use crate::layers::client_address::ClientAddress;
use crate::rate_limit::{self, SETTINGS_CHANGE, SETTINGS_VIEW};

/// Commands that one question is about.
const MOST_COMMANDS: usize = 50;
const MAX_QUESTION: usize = 64 * 1024;
const MAX_SETTING: usize = 1024 * 1024;
const DEFAULT_PAGE: u32 = 50;

/// What the bot can do.
#[utoipa::path(get, path = "/modules", tag = "Core", operation_id = "list_all_modules",
    responses(
        (status = 200, description = "In the bot's order", body = Vec<CanonicalModule>),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "No cluster runs; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_all_modules(
    State(app): State<AppState>,
) -> Result<Json<Vec<CanonicalModule>>, ApiError> {
    let modules = app.fleet.any_modules().await?;
    Ok(Json(modules.as_ref().clone()))
}

/// May you run these commands in a server?
///
/// The bot answers, by the limits of your token, too. A no is an answer, not an error.
#[utoipa::path(post, path = "/guilds/{guild_id}/permissions", tag = "Guilds", operation_id = "check_permissions",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = PermissionQuestion, security(("User" = [])),
    responses(
        (status = 200, description = "By command", body = PermissionAnswer),
        (status = 400, description = "No commands, or too many", body = ErrorBody),
        (status = 403, description = "You are not in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn check_permissions(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(question): JsonBody<PermissionQuestion, MAX_QUESTION>,
) -> Result<Json<PermissionAnswer>, ApiError> {
    let guild = guild_id(&guild)?;
    let commands = question.commands;
    let empty = commands.iter().any(|command| command.trim().is_empty());
    if commands.is_empty() || commands.len() > MOST_COMMANDS || empty {
        return Err(ApiError::invalid(
            Code::InvalidBody,
            format!("`commands` takes 1 to {MOST_COMMANDS} names such as `backups create`"),
        ));
    }
    let standings = app.fleet.standings(guild, &caller, &commands).await?;
    // Who is not there learns nothing about what the server has set.
    let permissions = standings.permissions;
    let permissions = permissions.ok_or(ApiError::Forbidden(NOT_THERE))?;
    let answers = standings.commands.into_iter().map(|(command, standing)| {
        let answer = CommandAnswer {
            allowed: standing.is_ok,
            result: standing.perm_res,
        };
        (command, answer)
    });
    Ok(Json(PermissionAnswer {
        permissions: Some(permissions.to_string()),
        commands: answers.collect::<BTreeMap<_, _>>(),
    }))
}

/// Show or change what a server has set.
///
/// Rights are those of the bot's command, for example `/guild_roles update`. A denial has the
/// `X-Error-Type` `permission_check`, a wrong value `settings_error`; both say more beside `code`. 60
/// views and 10 changes pass in 5 minutes.
#[utoipa::path(post, path = "/guilds/{guild_id}/settings", tag = "Guilds", operation_id = "execute_setting",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = SettingsRequest, security(("User" = [])),
    responses(
        (status = 200, description = "The rows, or what became of the row", body = SettingsAnswer),
        (status = 400, description = "The body or a value is not valid", body = ErrorBody),
        (status = 403, description = "You may not do that in this server", body = ErrorBody),
        (status = 404, description = "No such setting, or the bot is not in this server", body = ErrorBody),
        (status = 409, description = "Others change the settings right now", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 429, description = "Too many requests; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn execute_setting(
    State(app): State<AppState>,
    caller: Caller,
    Extension(identity): Extension<Identity>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    PathOf(guild): PathOf<String>,
    JsonBody(request): JsonBody<SettingsRequest, MAX_SETTING>,
) -> Result<Response, ApiError> {
    let guild = guild_id(&guild)?;
    caller.user()?;
    let policy = match request.operation {
        Operation::View => SETTINGS_VIEW,
        Operation::Create | Operation::Update | Operation::Delete => SETTINGS_CHANGE,
    };
    let standing = rate_limit::count(&app, policy, &identity, address).await?;
    let answer = operate(&app, &caller, guild, &request).await?;
    let mut response = Json(answer).into_response();
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    Ok(response)
}

/// Has the bot show or change rows of a setting.
///
/// # Errors
/// The bot refuses, or its cluster cannot be asked.
pub(super) async fn operate(
    app: &App,
    caller: &Caller,
    guild: GuildId,
    request: &SettingsRequest,
) -> Result<SettingsAnswer, ApiError> {
    let query = json!({"SettingsOperation": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "setting": request.setting,
        "module": request.module,
        "op": request.operation,
        "fields": request.fields,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    let said = match request.operation {
        Operation::View => app.fleet.ask(guild, &query).await?,
        _ => app.fleet.ask_once(guild, &query).await?,
    };
    read(said)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Only what is older than this version.
    before: Option<i64>,
    /// At most 100; 50 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Changes of what a server has set, newest first.
///
/// What you may not view is left out.
#[utoipa::path(get, path = "/guilds/{guild_id}/settings/history", tag = "Guilds", operation_id = "list_setting_changes",
    params(("guild_id" = String, Path, description = "The server"), HistoryQuery), security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = SettingsHistory),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_setting_changes(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Result<Json<SettingsHistory>, ApiError> {
    let guild = guild_id(&guild)?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    allow(&app, guild, &caller, "perms history").await?;
    let query = json!({"SettingsHistory": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "below": query.before,
        "limit": limit,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    read(app.fleet.ask(guild, &query).await?).map(Json)
}

/// Take a change back.
///
/// That is a change like any other, judged by the same rules; what was changed again since is in the
/// way.
#[utoipa::path(post, path = "/guilds/{guild_id}/settings/history/{version}/rollback", tag = "Guilds", operation_id = "roll_back_setting",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("version" = i64, Path, description = "Of the change"),
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "Taken back", body = SettingsAnswer),
        (status = 400, description = "There is no such change, or something is in the way", body = ErrorBody),
        (status = 403, description = "You may not do that in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "Others change the settings right now", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn roll_back_setting(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, version)): PathOf<(String, i64)>,
) -> Result<Json<SettingsAnswer>, ApiError> {
    let guild = guild_id(&guild)?;
    allow(&app, guild, &caller, "perms undo").await?;
    let query = json!({"SettingsRollback": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "version": version,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    read(app.fleet.ask_once(guild, &query).await?).map(Json)
}

/// # Errors
/// The bot says that they may not run the command there.
pub(super) async fn allow(
    app: &App,
    guild: GuildId,
    caller: &Caller,
    command: &str,
) -> Result<u64, ApiError> {
    app.fleet.standing(guild, caller, command).await?.allowed()
}

/// `{"Ok":…}`, `{"PermissionError":{"res":…}}` or `{"Err":{"error":…}}` of an IServer.
///
/// # Errors
/// The bot refuses, or says what cannot be read.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, ApiError> {
    #[derive(Deserialize)]
    enum Said {
        Ok(Value),
        PermissionError { res: Value },
        Err { error: SettingsError },
    }
    match serde_json::from_value(answer)? {
        Said::Ok(value) => Ok(serde_json::from_value(value)?),
        Said::PermissionError { res } => Err(denied(res)),
        Said::Err { error } => Err(ApiError::Setting(Box::new(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bots_words_become_an_answer() {
        let status = |answer| {
            let read: Result<SettingsAnswer, _> = read(answer);
            read.map_err(|error| error.status().as_u16())
        };
        let row = json!({"a": 1});
        let ok = status(json!({"Ok": {"fields": [row], "version": 7}})).unwrap();
        assert_eq!((ok.fields.len(), ok.version), (1, Some(7)));
        let no = json!({"PermissionError": {"res": {"var": "ModuleNotFound"}}});
        assert_eq!(status(no), Err(403));
        let wrong =
            json!({"Err": {"error": {"RowDoesNotExist": {"column_id": "id"}}, "errors": []}});
        assert_eq!(status(wrong), Err(400));
        assert_eq!(status(json!({"Other": 1})), Err(500));
    }
}
