//! What the clusterer and the bot's clusters say, remembered for a moment.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use moka::future::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};
use splashtail_api_types::clusters::{ClusterHealth, Instance, InstanceList};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ClusterId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::{ClientError, ClustererClient, IserverClient};
use tracing::warn;

use crate::error::ApiError;
use crate::fresh::Fresh;

/// The page polls every few seconds from many browsers; the clusterer is asked once a second.
const LIST_PERIOD: Duration = Duration::from_secs(1);
const MODULES_LIFETIME: Duration = Duration::from_secs(600);
const CLUSTERS: u64 = 4096;

#[derive(Debug)]
pub struct Fleet {
    clusterer: ClustererClient,
    iservers: IserverClient,
    list: Fresh<Arc<InstanceList>, ApiError>,
    /// By cluster and incarnation: a restarted bot may have other modules.
    modules: Cache<(ClusterId, String), Arc<Vec<CanonicalModule>>>,
}

/// `Modules` of an IServer: by module id, in registration order.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct ModulesById(Map<String, Value>);

impl Fleet {
    pub fn new(clusterer: ClustererClient, iservers: IserverClient, clock: SharedClock) -> Self {
        Self {
            clusterer,
            iservers,
            list: Fresh::new(LIST_PERIOD, clock),
            modules: Cache::builder()
                .max_capacity(CLUSTERS)
                .time_to_live(MODULES_LIFETIME)
                .build(),
        }
    }

    /// With everything that only operators may see.
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]: the clusterer does not answer.
    pub async fn instances(&self) -> Result<Arc<InstanceList>, ApiError> {
        let ask = async {
            match self.clusterer.instance_list().await {
                Ok(list) => Ok(Arc::new(list)),
                Err(error) => {
                    warn!(error = %Chain(&error), "the clusterer does not answer (`meta.clusterer_url`)");
                    Err(ApiError::FleetUnavailable)
                }
            }
        };
        Ok(self.list.get(ask).await?)
    }

    /// Oldest first, see [`ClustererClient::action_logs_since`].
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]: the clusterer does not answer.
    pub async fn action_logs(
        &self,
        since: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Vec<Value>, ApiError> {
        let entries = self.clusterer.action_logs_since(since, limit).await;
        entries.map_err(refused)
    }

    /// # Errors
    /// [`ApiError::FleetUnavailable`]; 400 for an unknown cluster and while not all are up.
    pub async fn health(&self, cluster: ClusterId) -> Result<ClusterHealth, ApiError> {
        self.clusterer
            .cluster_health(cluster)
            .await
            .map_err(refused)
    }

    /// Sends a command in the name of an operator. It is accepted when this returns, not done.
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]; 409 with the clusterer's reason when it refuses.
    pub async fn command(
        &self,
        action: &str,
        cluster: Option<ClusterId>,
        operator: UserId,
    ) -> Result<(), ApiError> {
        let sent = self
            .clusterer
            .command(action, cluster, Some(operator))
            .await;
        sent.map(drop).map_err(refused)
    }

    /// What the cluster's bot can do, in its own order.
    ///
    /// # Errors
    /// 404 for an unknown cluster, 503 for one that does not run or runs on another host.
    pub async fn modules(&self, cluster: ClusterId) -> Result<Arc<Vec<CanonicalModule>>, ApiError> {
        let list = self.instances().await?;
        let instance = list
            .instances
            .iter()
            .find(|instance| instance.cluster_id == cluster)
            .ok_or(ApiError::NotFound("cluster"))?;
        if !answers(instance) {
            return Err(ApiError::ClusterUnavailable);
        }
        // IServers listen on the loopback of their own host.
        let process = instance.process.as_ref();
        if process.is_some_and(|process| process.host.is_some()) {
            return Err(ApiError::ClusterElsewhere);
        }
        let key = (cluster, instance.session_id.clone());
        if let Some(modules) = self.modules.get(&key).await {
            return Ok(modules);
        }
        let by_id: ModulesById = self
            .iservers
            .query(cluster, &Value::from("Modules"))
            .await
            .map_err(|error| ApiError::from_daemon("cluster", error))?;
        let modules = by_id
            .0
            .into_values()
            .map(serde_json::from_value)
            .collect::<Result<Vec<CanonicalModule>, _>>()?;
        let modules = Arc::new(modules);
        self.modules.insert(key, modules.clone()).await;
        Ok(modules)
    }
}

/// A clusterer that is away and one that is not ready are the same to whoever asks.
fn refused(error: ClientError) -> ApiError {
    if error.is_unreachable() || error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) {
        warn!(error = %Chain(&error), "the clusterer does not answer (`meta.clusterer_url`)");
        return ApiError::FleetUnavailable;
    }
    ApiError::from_daemon("clusterer", error)
}

fn answers(instance: &Instance) -> bool {
    instance.active && !instance.currently_killing && instance.cluster_health.is_some()
}
