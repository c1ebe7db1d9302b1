//! What the operators' page asks, under mewld's addresses.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use splashtail_api_types::clusters::{ClusterHealth, InstanceList, LauncherRequest};
use splashtail_api_types::proxy::ProxyStatus;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::SCOPE_LAUNCHER;
use tracing::info;
use utoipa::IntoParams;

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{JsonBody, QueryOf};
use crate::operators::{Operator, SameOrigin};

/// Commands of one cluster that the operators' page may send.
const OF_CLUSTER: [&str; 3] = ["start", "stop", "restart"];
/// Commands of the whole fleet that the operators' page may send. `shutdown` is none of them: nobody at a
/// browser could take it back.
const OF_FLEET: [&str; 3] = ["rollingrestart", "reshard", "restartproc"];
/// A command takes some hundred bytes.
const MAX_COMMAND: usize = 4096;
/// The clusterer takes every command itself.
const RECEIVERS: &str = "1";

/// Is the operators' page open for me?
#[utoipa::path(get, path = "/mewld/api/ping", tag = "Operators", operation_id = "ping_operators",
    security(("DeployProxy" = []), ("Session" = [])),
    responses(
        (status = 200, description = "The word `pong`", body = String, content_type = "text/plain"),
    ))]
pub async fn ping(_: Operator) -> &'static str {
    "pong"
}

/// Everything about the clusters.
#[utoipa::path(get, path = "/mewld/api/instance-list", tag = "Operators", operation_id = "list_instances",
    security(("DeployProxy" = []), ("Session" = [])),
    responses(
        (status = 200, description = "One instance per cluster", body = InstanceList),
        (status = 412, description = "The clusterer is out of reach; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn list_instances(
    _: Operator,
    State(app): State<AppState>,
) -> Result<Json<InstanceList>, ApiError> {
    let mut list = app.fleet.instances().await?.as_ref().clone();
    for instance in &mut list.instances {
        instance.cluster_health.get_or_insert_default();
    }
    Ok(Json(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `ts` of the last entry you have: the answer starts with it, or with the oldest entry when the
    /// log does not hold it any more.
    since: Option<i64>,
    /// At most this many, the newest; all when absent.
    limit: Option<usize>,
}

/// What happened to the clusters.
#[utoipa::path(get, path = "/mewld/api/action-logs", tag = "Operators", operation_id = "list_action_logs",
    security(("DeployProxy" = []), ("Session" = [])), params(LogQuery),
    responses(
        (status = 200, description = "Oldest first; `event`, `ts` in unix microseconds, and what belongs to the event", body = Vec<serde_json::Map<String, Value>>),
        (status = 412, description = "The clusterer is out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The clusterer answered unexpectedly", body = ErrorBody),
    ))]
pub async fn list_action_logs(
    _: Operator,
    State(app): State<AppState>,
    QueryOf(query): QueryOf<LogQuery>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let entries = app.fleet.action_logs(query.since, query.limit).await?;
    Ok(Json(entries))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HealthQuery {
    /// Id of the cluster; 0 when absent.
    #[serde(default)]
    cid: Option<String>,
}

/// The shards of one cluster, as it told last.
#[utoipa::path(get, path = "/mewld/api/cluster-health", tag = "Operators", operation_id = "get_cluster_health",
    security(("DeployProxy" = []), ("Session" = [])), params(HealthQuery),
    responses(
        (status = 200, description = "Whether an operation is under way, and one entry per shard", body = ClusterHealth),
        (status = 400, description = "No such cluster, or not all clusters are up yet", body = ErrorBody),
        (status = 412, description = "The clusterer is out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The clusterer answered unexpectedly", body = ErrorBody),
    ))]
pub async fn get_cluster_health(
    _: Operator,
    State(app): State<AppState>,
    QueryOf(query): QueryOf<HealthQuery>,
) -> Result<Json<ClusterHealth>, ApiError> {
    let cluster = query.cid.as_deref().unwrap_or("0").parse();
    let cluster =
        cluster.map_err(|_| ApiError::invalid(Code::InvalidId, "`cid` is not a cluster id"))?;
    Ok(Json(app.fleet.health(cluster).await?))
}

/// How the gateway proxy does: shards, clients, backlog, buckets and what is left of Discord's limits.
#[utoipa::path(get, path = "/mewld/api/proxy", tag = "Operators", operation_id = "get_proxy",
    security(("DeployProxy" = []), ("Session" = [])),
    responses(
        (status = 200, description = "Whether the platform has a proxy, and what that says of itself", body = ProxyStatus),
    ))]
pub async fn get_proxy(
    _: Operator,
    State(app): State<AppState>,
) -> Result<Json<ProxyStatus>, ApiError> {
    Ok(Json(app.gateway_proxy.status().await?))
}

/// Send a command.
///
/// Accepted are `start`, `stop` and `restart` with `args.id`, `rollingrestart`, `reshard` and
/// `restartproc`. What came of it is in the action log.
#[utoipa::path(post, path = "/mewld/api/redis/pub", tag = "Operators", operation_id = "publish_command",
    security(("DeployProxy" = []), ("Session" = [])), request_body = LauncherRequest,
    responses(
        (status = 200, description = "Accepted; how many received it", body = String, content_type = "text/plain"),
        (status = 400, description = "It is not a command", body = ErrorBody),
        (status = 403, description = "It does not come from the operators' page, or is not one of its commands", body = ErrorBody),
        (status = 409, description = "The clusterer refused; the code says why", body = ErrorBody),
        (status = 412, description = "The clusterer is out of reach; see `Retry-After`", body = ErrorBody),
        (status = 502, description = "The clusterer answered unexpectedly", body = ErrorBody),
    ))]
pub async fn publish(
    Operator(user): Operator,
    _: SameOrigin,
    State(app): State<AppState>,
    JsonBody(request): JsonBody<LauncherRequest, MAX_COMMAND>,
) -> Result<&'static str, ApiError> {
    if request.scope != SCOPE_LAUNCHER {
        return Err(ApiError::invalid(
            Code::InvalidScope,
            "`scope` has to be `launcher`",
        ));
    }
    let action = request.action.as_str();
    let cluster = if OF_CLUSTER.contains(&action) {
        let id = request.args.and_then(|args| args.id).and_then(cluster_id);
        Some(id.ok_or(ApiError::invalid(
            Code::InvalidId,
            "`args.id` has to be a cluster id",
        ))?)
    } else if OF_FLEET.contains(&action) {
        None
    } else {
        return Err(ApiError::Forbidden(
            "the operators' page may not send this command",
        ));
    };
    info!(user.id = %user, action, cluster.id = cluster.map(|id| id.get()), "an operator sends a command");
    app.fleet.command(action, cluster, user).await?;
    Ok(RECEIVERS)
}

/// A number, or one in quotes.
fn cluster_id(id: Value) -> Option<ClusterId> {
    match id {
        Value::Number(id) => u16::try_from(id.as_u64()?).ok().map(ClusterId),
        Value::String(id) => id.parse().ok(),
        _ => None,
    }
}
