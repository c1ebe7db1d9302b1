use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::clusters::{BotStats, GuildShard, InstanceList};
use splashtail_api_types::modules::{BotState, CanonicalModule};
use splashtail_core::ids::ClusterId;
use splashtail_permissions::PermissionChecks;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};
use crate::rendered::Rendered;

/// Live state of the bot's clusters.
///
/// Names no directory and no session: `Dir` and `SessionID` are empty.
#[utoipa::path(get, path = "/clusters/health", tag = "Core", operation_id = "get_clusters_health",
    responses(
        (status = 200, description = "One instance per cluster", body = InstanceList),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_health(State(app): State<AppState>) -> Result<Rendered, ApiError> {
    app.fleet.public_instances().await
}

/// Does the bot look after a server now?
///
/// Discord gives every server to one shard, by its id; whether the bot is in the server plays no part.
#[utoipa::path(get, path = "/guilds/{guild_id}/shard", tag = "Core", operation_id = "get_guild_shard",
    params(("guild_id" = String, Path, description = "The server")),
    responses(
        (status = 200, description = "Its shard, and how that is", body = GuildShard),
        (status = 404, description = "That is no id of a server", body = ErrorBody),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_shard(
    State(app): State<AppState>,
    PathOf(guild): PathOf<String>,
) -> Result<Json<GuildShard>, ApiError> {
    let guild = guild_id(&guild)?;
    let list = app.fleet.instances().await?;
    let shard = GuildShard::of(&list, guild);
    shard.map(Json).ok_or(ApiError::FleetUnavailable)
}

/// What the bot of one cluster can do.
#[utoipa::path(get, path = "/clusters/{cluster_id}/modules", tag = "Core", operation_id = "list_modules",
    params(("cluster_id" = u16, Path, description = "Number of the cluster, from 0")),
    responses(
        (status = 200, description = "In the bot's order", body = Vec<CanonicalModule>),
        (status = 404, description = "No such cluster", body = ErrorBody),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster does not run (see `Retry-After`), or runs on another host", body = ErrorBody),
    ))]
pub async fn list_modules(
    State(app): State<AppState>,
    PathOf(cluster): PathOf<ClusterId>,
) -> Result<Json<Vec<CanonicalModule>>, ApiError> {
    let modules = app.fleet.modules(cluster).await?;
    Ok(Json(modules.as_ref().clone()))
}

/// How the bot is doing, in numbers.
#[utoipa::path(get, path = "/bot-stats", tag = "Core", operation_id = "get_bot_stats",
    responses(
        (status = 200, description = "Of the last seconds", body = BotStats),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_bot_stats(State(app): State<AppState>) -> Result<Json<BotStats>, ApiError> {
    let list = app.fleet.instances().await?;
    Ok(Json(BotStats::of(&list, app.clock.now())))
}

/// All that the bot can do.
///
/// The commands and settings of all modules together; `/modules` has them one by one.
#[utoipa::path(get, path = "/bot-state", tag = "Core", operation_id = "get_bot_state",
    responses(
        (status = 200, description = "In the bot's order", body = BotState),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "No cluster runs; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_bot_state(State(app): State<AppState>) -> Result<Json<BotState>, ApiError> {
    let modules = app.fleet.any_modules().await?;
    Ok(Json(state(&modules)?))
}

/// # Errors
/// The checks of a command cannot be read.
fn state(modules: &[CanonicalModule]) -> Result<BotState, serde_json::Error> {
    let shown = || modules.iter().filter(|module| !module.web_hidden);
    let mut command_permissions = BTreeMap::new();
    let mut commands = Vec::new();
    for command in shown().flat_map(|module| &module.commands) {
        let root = command.command.qualified_name.as_str();
        for (path, data) in &command.extended_data {
            if data.web_hidden {
                continue;
            }
            let name = format!("{root} {path}").trim_end().to_owned();
            let checks: Option<PermissionChecks> =
                serde_json::from_value(data.default_perms.clone())?;
            let lines = checks.map(|checks| checks.to_string()).unwrap_or_default();
            let lines = lines.lines().map(str::to_owned).collect();
            command_permissions.insert(name, lines);
        }
        let is_hidden = command
            .extended_data
            .get("")
            .is_some_and(|data| data.web_hidden);
        if !is_hidden {
            commands.push(command.command.clone());
        }
    }
    let settings = shown().flat_map(|module| module.config_options.iter().cloned());
    Ok(BotState {
        commands,
        settings: settings.collect(),
        command_permissions,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modules_are_one_state_without_what_is_hidden() {
        let command = |name: &str, extended: serde_json::Value| {
            json!({"command": {"name": name, "qualified_name": name, "description": null, "nsfw": false,
                "subcommands": [], "subcommand_required": true, "arguments": []},
                "extended_data": extended})
        };
        let asks = json!({"default_perms": {"checks": [{"kittycat_perms": ["a.b"],
            "native_perms": ["8"]}], "checks_needed": 1}});
        let hidden =
            json!({"default_perms": {"checks": [], "checks_needed": 0}, "web_hidden": true});
        let modules: Vec<CanonicalModule> = serde_json::from_value(json!([
            {"id": "a", "name": "A", "config_options": [{"id": "s"}], "commands": [
                command("backups", json!({"": asks, "create": asks, "secret": hidden})),
                command("owner", json!({"": hidden})),
            ]},
            {"id": "h", "name": "H", "web_hidden": true, "config_options": [{"id": "t"}],
                "commands": [command("root", json!({"": asks}))]},
        ]))
        .unwrap();
        let state = state(&modules).unwrap();
        let names = state.commands.iter().map(|command| command.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["backups"]);
        assert_eq!(state.settings, [json!({"id": "s"})]);
        let asked = &state.command_permissions;
        assert_eq!(
            asked.keys().collect::<Vec<_>>(),
            ["backups", "backups create"]
        );
        let line = &asked["backups create"][0];
        assert!(line.contains("`a.b`") && line.contains("Discord"), "{line}");
    }
}
