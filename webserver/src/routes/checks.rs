//! Checks of commands before they are stored: how they read, and whom they let in.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::guilds::BaseGuildUserInfo;
use splashtail_api_types::users::{ChecksPreview, ChecksQuestion};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::GuildId;
use splashtail_permissions::kittycat::{Position, resolve};
use splashtail_permissions::{NativePermissions, Permission, PermissionChecks};
use splashtail_storage::SettingRow;

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, guild_id};

/// Whoever may see which powers roles have.
const LOOK: &str = "guild_roles view";
const SETTING: &str = "guild_roles";
const MAX_BODY: usize = 64 * 1024;

/// How checks of a command read, and which roles pass them.
///
/// `checks` comes back as a server may store it. Nothing is stored.
#[utoipa::path(post, path = "/guilds/{guild_id}/permission-checks", tag = "Guilds", operation_id = "preview_permission_checks",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = ChecksQuestion, security(("User" = [])),
    responses(
        (status = 200, description = "What they mean in this server now", body = ChecksPreview),
        (status = 400, description = "A server cannot store these checks", body = ErrorBody),
        (status = 403, description = "You may not look at the powers of roles", body = ErrorBody),
        (status = 404, description = "The bot, or you, are not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn preview_checks(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(question): JsonBody<ChecksQuestion, MAX_BODY>,
) -> Result<Json<ChecksPreview>, ApiError> {
    let guild = guild_id(&guild)?;
    app.fleet.standing(guild, &caller, LOOK).await?.allowed()?;
    let query = json!({"ParsePermissionChecks": {"guild_id": guild, "checks": question.checks}});
    let read: Read = app.fleet.ask(guild, &query).await.map_err(invalid)?;
    let checks: PermissionChecks = serde_json::from_value(read.checks.clone())?;
    let query = json!({"BaseGuildUserInfo": {"guild_id": guild, "user_id": caller.user()?}});
    let info: BaseGuildUserInfo = app.fleet.ask(guild, &query).await?;
    let rows = app
        .storage
        .settings()
        .read(guild, Some(SETTING))
        .await?
        .rows;
    let passing = passing(guild, &info, &rows, &checks);
    Ok(Json(ChecksPreview {
        checks: read.checks,
        text: read.text,
        everybody: passing.contains(&guild.to_string()),
        roles: passing,
    }))
}

#[derive(Deserialize)]
struct Read {
    checks: Value,
    text: String,
}

/// What the bot cannot read is the caller's to mend.
fn invalid(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { status, body, .. } if status == StatusCode::UNPROCESSABLE_ENTITY => {
            let context = body.context.unwrap_or_default();
            let detail = context.get("detail").cloned().unwrap_or(body.message);
            ApiError::Invalid {
                code: Code::InvalidBody,
                message: "these are no checks that a server can store".to_owned(),
                context: Some(("checks", detail)),
            }
        }
        error => error,
    }
}

/// Roles whose holders pass by that role alone, everyone's among them.
fn passing(
    guild: GuildId,
    info: &BaseGuildUserInfo,
    rows: &[SettingRow],
    checks: &PermissionChecks,
) -> Vec<String> {
    let own: BTreeMap<&str, &SettingRow> =
        rows.iter().map(|row| (row.entry.as_str(), row)).collect();
    let bits = |permissions: &str| permissions.parse::<u64>().unwrap_or_default();
    let everyone = info.roles.iter();
    let everyone = everyone.filter(|(id, _)| id.get() == guild.get());
    let base = everyone
        .map(|(_, role)| bits(&role.permissions))
        .sum::<u64>();
    let positions = |id: &str| {
        // Whoever has a role has everyone's, too.
        let each = [guild.to_string(), id.to_owned()];
        let rows = each.iter().filter_map(|id| own.get(id.as_str()));
        rows.map(|row| position(row)).collect::<Vec<Position>>()
    };
    let passes = info.roles.iter().filter(|(id, role)| {
        let native = NativePermissions(base | bits(&role.permissions));
        let kittycat = resolve(&positions(&id.to_string()), &[]);
        checks.run(native, &kittycat).is_ok()
    });
    passes.map(|(id, _)| id.to_string()).collect()
}

fn position(row: &SettingRow) -> Position {
    let perms = row.fields["perms"].as_array().into_iter().flatten();
    Position {
        id: row.entry.clone(),
        index: i32::try_from(row.fields["index"].as_i64().unwrap_or_default()).unwrap_or(i32::MAX),
        perms: perms
            .filter_map(Value::as_str)
            .map(Permission::parse)
            .collect(),
    }
}
