//! Calls to the small servers inside the bot clusters.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{ClusterId, ShardId};
use url::Url;

use super::ClientError;
use super::transport::{Call, Transport, Whom, http_client};
use crate::signing::{Signer, tag};

/// Many clusters are asked for one page: one that is not up is left out, not waited for.
const CLUSTER: Whom = Whom {
    name: "the bot cluster",
    key: "meta.bot_iserver_base_port",
    patience: Duration::ZERO,
};

/// One client for all clusters of a fleet.
#[derive(Debug, Clone)]
pub struct IserverClient {
    http: reqwest::Client,
    address: IpAddr,
    base_port: u16,
    signer: Signer,
}

/// What `GET /` of a cluster says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IserverState {
    pub cluster_id: ClusterId,
    pub cluster_name: String,
    pub shards: Vec<ShardId>,
    pub shard_count: u16,
    pub uptime_s: u64,
    pub ready: bool,
}

impl IserverClient {
    /// Cluster `i` listens on `base_port + i`. The signer's tag is set per call.
    ///
    /// # Errors
    /// [`ClientError::Build`]: no TLS provider is installed.
    pub fn new(address: IpAddr, base_port: u16, signer: &Signer) -> Result<Self, ClientError> {
        Ok(Self {
            http: http_client()?,
            address,
            base_port,
            signer: signer.clone(),
        })
    }

    /// Sends one externally tagged query such as `"Modules"` or `{"GuildsExist":{…}}`.
    ///
    /// # Errors
    /// See [`ClientError`]; a status of 421 means that the guild belongs to another cluster.
    pub async fn query<T: DeserializeOwned>(
        &self,
        cluster: ClusterId,
        query: &Value,
    ) -> Result<T, ClientError> {
        self.ask(cluster, query, true).await
    }

    /// The same for a query that changes something: it is not sent again when it may have arrived.
    ///
    /// # Errors
    /// As [`IserverClient::query`].
    pub async fn order<T: DeserializeOwned>(
        &self,
        cluster: ClusterId,
        query: &Value,
    ) -> Result<T, ClientError> {
        self.ask(cluster, query, false).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        cluster: ClusterId,
        query: &Value,
        repeatable: bool,
    ) -> Result<T, ClientError> {
        let signer = self.signer.with_tag(tag::iserver(cluster));
        self.transport(cluster, Some(signer))?
            .json(Call::post("/", query).repeatable(repeatable))
            .await
    }

    /// Asks whether the cluster is there; needs no signature.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn probe(&self, cluster: ClusterId) -> Result<IserverState, ClientError> {
        self.transport(cluster, None)?.json(Call::get("/")).await
    }

    fn transport(
        &self,
        cluster: ClusterId,
        signer: Option<Signer>,
    ) -> Result<Transport, ClientError> {
        // A port range that overflows is refused when the fleet starts.
        let port = self.base_port.saturating_add(cluster.get());
        Transport::new(
            self.http.clone(),
            CLUSTER,
            vec![origin(SocketAddr::new(self.address, port))],
            signer,
        )
    }
}

#[allow(
    clippy::expect_used,
    reason = "an address and a port always make a URL"
)]
fn origin(address: SocketAddr) -> Url {
    format!("http://{address}")
        .parse()
        .expect("an address makes a URL")
}
