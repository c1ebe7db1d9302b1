//! Modules and commands of a server, as rows of its settings: the bot judges both ways alike.

use axum::Json;
use axum::extract::State;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_api_types::configurations::{
    ChecksChange, CommandConfiguration, CommandConfigurationChange, ModuleConfiguration,
    ModuleConfigurationChange, ToggleChange,
};
use splashtail_api_types::settings::{Fields, Operation, SettingsError, SettingsRequest};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::GuildId;

use super::guilds::operate;
use crate::app::{App, AppState};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, guild_id};

const MODULE: &str = "settings";
const MODULES: &str = "module_configuration";
const COMMANDS: &str = "command_configuration";
const MAX_CHANGE: usize = 64 * 1024;

/// What a server has set for modules.
///
/// The same as a View of the setting `module_configuration`.
#[utoipa::path(get, path = "/guilds/{guild_id}/module-configurations", tag = "Guilds", operation_id = "list_module_configurations",
    params(("guild_id" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "All rows", body = Vec<ModuleConfiguration>),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_module_configurations(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<Vec<ModuleConfiguration>>, ApiError> {
    let guild = guild_id(&guild)?;
    let rows = rows(&app, &caller, guild, MODULES).await?;
    rows.into_iter()
        .map(|row| of(guild, row))
        .collect::<Result<_, _>>()
        .map(Json)
}

/// Change what a server has set for a module.
///
/// As an Update, or a Create, of the setting `module_configuration`.
#[utoipa::path(patch, path = "/guilds/{guild_id}/module-configurations", tag = "Guilds", operation_id = "change_module_configuration",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = ModuleConfigurationChange, security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = ModuleConfiguration),
        (status = 400, description = "There is nothing to change, or a value is not valid", body = ErrorBody),
        (status = 403, description = "You may not do that in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "Others change the settings right now", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn change_module_configuration(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(change): JsonBody<ModuleConfigurationChange, MAX_CHANGE>,
) -> Result<Json<ModuleConfiguration>, ApiError> {
    let guild = guild_id(&guild)?;
    let mut fields = Fields::new();
    toggle(&mut fields, change.disabled)?;
    checks(&mut fields, "default_perms", change.default_perms)?;
    let key = ("module", change.module);
    let row = changed(&app, &caller, guild, MODULES, key, fields).await?;
    of(guild, row).map(Json)
}

/// What a server has set for commands.
///
/// The same as a View of the setting `command_configuration`.
#[utoipa::path(get, path = "/guilds/{guild_id}/command-configurations", tag = "Guilds", operation_id = "list_command_configurations",
    params(("guild_id" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "All rows", body = Vec<CommandConfiguration>),
        (status = 403, description = "You may not look at them", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_command_configurations(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<Vec<CommandConfiguration>>, ApiError> {
    let guild = guild_id(&guild)?;
    let rows = rows(&app, &caller, guild, COMMANDS).await?;
    rows.into_iter()
        .map(|row| of(guild, row))
        .collect::<Result<_, _>>()
        .map(Json)
}

/// Change what a server has set for a command.
///
/// As an Update, or a Create, of the setting `command_configuration`.
#[utoipa::path(patch, path = "/guilds/{guild_id}/command-configurations", tag = "Guilds", operation_id = "change_command_configuration",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = CommandConfigurationChange, security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = CommandConfiguration),
        (status = 400, description = "There is nothing to change, or a value is not valid", body = ErrorBody),
        (status = 403, description = "You may not do that in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 409, description = "Others change the settings right now", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn change_command_configuration(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(change): JsonBody<CommandConfigurationChange, MAX_CHANGE>,
) -> Result<Json<CommandConfiguration>, ApiError> {
    let guild = guild_id(&guild)?;
    let mut fields = Fields::new();
    toggle(&mut fields, change.disabled)?;
    checks(&mut fields, "perms", change.perms)?;
    let key = ("command", change.command);
    let row = changed(&app, &caller, guild, COMMANDS, key, fields).await?;
    of(guild, row).map(Json)
}

async fn rows(
    app: &App,
    caller: &Caller,
    guild: GuildId,
    setting: &str,
) -> Result<Vec<Fields>, ApiError> {
    let request = request(Operation::View, setting, Fields::new());
    Ok(operate(app, caller, guild, &request).await?.fields)
}

/// Changes the row, or makes it where there is none.
async fn changed(
    app: &App,
    caller: &Caller,
    guild: GuildId,
    setting: &str,
    (column, key): (&'static str, String),
    mut fields: Fields,
) -> Result<Fields, ApiError> {
    if fields.is_empty() {
        return Err(ApiError::invalid(
            Code::InvalidBody,
            "there is nothing to change",
        ));
    }
    fields.insert(column.to_owned(), key.into());
    let update = request(Operation::Update, setting, fields);
    let done = match operate(app, caller, guild, &update).await {
        Err(ApiError::Setting(error))
            if matches!(*error, SettingsError::RowDoesNotExist { .. }) =>
        {
            let create = SettingsRequest {
                operation: Operation::Create,
                ..update
            };
            operate(app, caller, guild, &create).await?
        }
        done => done?,
    };
    let row = done.fields.into_iter().next();
    row.ok_or(ApiError::NotFound("configuration"))
}

fn request(operation: Operation, setting: &str, fields: Fields) -> SettingsRequest {
    SettingsRequest {
        operation,
        module: MODULE.to_owned(),
        setting: setting.to_owned(),
        fields,
    }
}

fn of<T: DeserializeOwned>(guild: GuildId, mut row: Fields) -> Result<T, ApiError> {
    row.insert("guild_id".to_owned(), guild.to_string().into());
    Ok(serde_json::from_value(Value::Object(row))?)
}

fn toggle(fields: &mut Fields, change: Option<ToggleChange>) -> Result<(), ApiError> {
    let change = change.map(|change| (change.clear, change.value.map(Value::Bool)));
    set(fields, "disabled", change)
}

fn checks(
    fields: &mut Fields,
    name: &'static str,
    change: Option<ChecksChange>,
) -> Result<(), ApiError> {
    set(
        fields,
        name,
        change.map(|change| (change.clear, change.value)),
    )
}

/// Clear or a value, and not both.
fn set(
    fields: &mut Fields,
    name: &'static str,
    change: Option<(bool, Option<Value>)>,
) -> Result<(), ApiError> {
    let value = match change {
        None => return Ok(()),
        Some((true, None)) => Value::Null,
        Some((false, Some(value))) => value,
        Some((true, Some(_)) | (false, None)) => {
            return Err(ApiError::Invalid {
                code: Code::InvalidBody,
                message: format!("`{name}` takes either `clear` or a `value`"),
                context: Some((name, "is both or none of them [exclusive]".to_owned())),
            });
        }
    };
    fields.insert(name.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_cleared_or_has_a_value() {
        let set_to = |change: Value| {
            let mut fields = Fields::new();
            let change = serde_json::from_value(change).unwrap();
            let set = toggle(&mut fields, change);
            set.map(|()| Value::Object(fields))
                .map_err(|error| error.status().as_u16())
        };
        assert_eq!(set_to(Value::Null), Ok(json!({})));
        assert_eq!(
            set_to(json!({"clear": true})),
            Ok(json!({"disabled": null}))
        );
        assert_eq!(
            set_to(json!({"value": false})),
            Ok(json!({"disabled": false}))
        );
        assert_eq!(set_to(json!({})), Err(400));
        assert_eq!(set_to(json!({"clear": true, "value": true})), Err(400));
    }
}
