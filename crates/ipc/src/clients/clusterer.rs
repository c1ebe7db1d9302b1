//! Calls to the clusterer.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_api_types::clusters::{ClusterHealth, InstanceList};
use splashtail_core::ids::{ClusterId, UserId};
use url::Url;

use super::ClientError;
use super::transport::{Call, Transport, Whom, http_client};
use crate::signing::{Signer, tag};

/// Its state is asked for again and again by whoever shows it: nothing waits here.
const CLUSTERER: Whom = Whom {
    name: "the clusterer",
    key: "meta.clusterer_url",
    patience: Duration::ZERO,
};

#[derive(Debug, Clone)]
pub struct ClustererClient {
    transport: Transport,
}

impl ClustererClient {
    /// The signer's tag is set here.
    ///
    /// # Errors
    /// [`ClientError::Build`]: no TLS provider is installed.
    pub fn new(base: Url, signer: &Signer) -> Result<Self, ClientError> {
        let signer = signer.with_tag(tag::CLUSTERER);
        Ok(Self {
            transport: Transport::new(http_client()?, CLUSTERER, vec![base], Some(signer))?,
        })
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn instance_list(&self) -> Result<InstanceList, ClientError> {
        self.transport.json(Call::get("/instance-list")).await
    }

    /// Oldest first; all of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn action_logs(&self) -> Result<Vec<Value>, ClientError> {
        self.transport.json(Call::get("/action-logs")).await
    }

    /// The newest entries, oldest first: at most `limit`, and those from the first entry whose `ts` is `since`,
    /// as far as there is one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn action_logs_since(
        &self,
        since: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Vec<Value>, ClientError> {
        let since = since.map(|since| format!("since={since}"));
        let limit = limit.map(|limit| format!("limit={limit}"));
        let query: Vec<_> = since.into_iter().chain(limit).collect();
        let path = format!("/action-logs?{}", query.join("&"));
        self.transport.json(Call::get(&path)).await
    }

    /// # Errors
    /// See [`ClientError`]; 400 for an unknown cluster and while the fleet is not fully up.
    pub async fn cluster_health(&self, cluster: ClusterId) -> Result<ClusterHealth, ClientError> {
        let path = format!("/cluster-health?cid={cluster}");
        self.transport.json(Call::get(&path)).await
    }

    /// Sends one of the bus commands (`restart`, `rollingrestart`, …) and returns its output:
    /// `"ok"` or the answer. `user` is who asks for it, when it is not the client itself. A refused command is a status of 409 with the refusal as code.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn command(
        &self,
        action: &str,
        cluster: Option<ClusterId>,
        user: Option<UserId>,
    ) -> Result<Value, ClientError> {
        // In the body, which the signature covers; the header is for logs on the way.
        let mut body = json!({});
        if let Some(cluster) = cluster {
            body["id"] = json!(cluster);
        }
        if let Some(user) = user {
            body["user_id"] = json!(user.to_string());
        }
        let path = format!("/commands/{action}");
        let headers: Vec<_> = user
            .map(|user| ("x-user-id", user.to_string()))
            .into_iter()
            .collect();
        self.transport
            .json(Call {
                headers: &headers,
                ..Call::post(&path, &body)
            })
            .await
    }
}
