use axum::Json;
use axum::extract::State;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::clusters::{BotStats, InstanceList};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_core::ids::ClusterId;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::PathOf;

/// Live state of the bot's clusters.
///
/// Names no directory and no session: `Dir` and `SessionID` are empty.
#[utoipa::path(get, path = "/clusters/health", tag = "Core", operation_id = "get_clusters_health",
    responses(
        (status = 200, description = "One instance per cluster", body = InstanceList),
        (status = 412, description = "The fleet is starting or out of reach; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_health(State(app): State<AppState>) -> Result<Json<InstanceList>, ApiError> {
    let list = app.fleet.instances().await?;
    Ok(Json(list.as_ref().clone().public()))
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
    Ok(Json(BotStats::of(&list)))
}
