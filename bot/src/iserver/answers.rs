//! Refusals.

use axum::http::StatusCode;
use splashtail_core::ids::GuildId;
use splashtail_ipc::http::ErrorResponse;
use splashtail_permissions::PermissionResult;

use crate::arguments::Cluster;

const RETRY_AFTER_S: u64 = 5;

pub async fn unknown_path() -> ErrorResponse {
    ErrorResponse::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
    )
}

pub const NO_SHARD: &str = "no shard of this cluster has been ready yet";

pub fn not_ready() -> ErrorResponse {
    ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", NO_SHARD)
        .retry_after(RETRY_AFTER_S)
}

pub fn unsupported_media_type() -> ErrorResponse {
    let message = "the body has to be application/json";
    ErrorResponse::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        message,
    )
}

pub fn unknown_guild() -> ErrorResponse {
    let message = "the bot is not in this guild";
    ErrorResponse::new(StatusCode::NOT_FOUND, "unknown_guild", message)
}

/// Discord did not say what had to be known.
pub fn upstream(cause: &PermissionResult) -> ErrorResponse {
    let status = StatusCode::GATEWAY_TIMEOUT;
    let response = ErrorResponse::new(status, "discord", cause.to_string());
    response.retry_after(RETRY_AFTER_S)
}

/// Says which shard to look for.
pub fn wrong_cluster(cluster: &Cluster, guild: GuildId) -> ErrorResponse {
    let shard = guild.shard(cluster.shard_count);
    let message = format!("wrong cluster: the guild belongs to shard {shard}");
    let status = StatusCode::MISDIRECTED_REQUEST;
    let mut response = ErrorResponse::new(status, "wrong_cluster", message);
    response.body = response.body.with_context("shard", shard.to_string());
    response
}
