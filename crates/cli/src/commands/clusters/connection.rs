//! The way to the clusterer, and what to say when there is none.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use reqwest::StatusCode;
use serde_json::Value;
use splashtail_core::clock::SystemClock;
use splashtail_core::config::{Component, without_slash};
use splashtail_core::data_dir::DataPaths;
use splashtail_core::ids::ClusterId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::{ClientError, ClustererClient};
use splashtail_ipc::signing::{Signer, tag};

use super::fleet::Fleet;
use crate::commands::source::ConfigSource;

/// The name under which this command signs its calls.
const CLIENT: &str = "cli";

#[derive(Debug)]
pub struct Connection {
    client: ClustererClient,
    address: String,
    /// Where the address is written.
    origin: String,
    /// Directory of the clusters' logs, if they are on this machine.
    pub logs: PathBuf,
}

impl Connection {
    /// Asks nobody yet. A platform that runs in the data directory is found at the addresses it
    /// wrote down, since it may have chosen its ports itself.
    ///
    /// # Errors
    /// The configuration is invalid or has no secret for us.
    pub fn open(source: &ConfigSource) -> Result<Self> {
        let loaded = source.in_force(source.load_or_embedded(Component::Cli)?);
        let config = &loaded.config;
        let origin = match &loaded.path {
            Some(path) => path.display().to_string(),
            None => "the built-in configuration".to_owned(),
        };
        let secret = config.client_secret(CLIENT).with_context(|| {
            format!(
                "no platform has run with the data directory {}: name another --data-dir or --config, or set \
                 `meta.jobserver_secrets`",
                config.data_dir.display()
            )
        })?;
        let signer = Signer::new(
            CLIENT,
            secret.clone(),
            tag::CLUSTERER,
            SystemClock::shared(),
        );
        let url = config.meta.clusterer_url.clone();
        Ok(Self {
            address: without_slash(&url).to_owned(),
            client: ClustererClient::new(url, &signer)?,
            origin,
            logs: DataPaths::new(&config.data_dir).logs(),
        })
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn fleet(&self) -> Result<Fleet, ClientError> {
        self.client.instance_list().await.map(Fleet::from)
    }

    /// Oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn action_log(&self) -> Result<Vec<Value>, ClientError> {
        self.client.action_logs().await
    }

    /// # Errors
    /// See [`ClientError`]; a refusal is a 409 with its code.
    pub async fn command(
        &self,
        action: &str,
        cluster: Option<ClusterId>,
    ) -> Result<(), ClientError> {
        self.client.command(action, cluster, None).await.map(drop)
    }

    /// One sentence that says what to do.
    pub fn explain(&self, error: &ClientError) -> anyhow::Error {
        let (address, origin) = (&self.address, &self.origin);
        // One that has no place for us does run.
        if error.is_unreachable() && error.status().is_none() {
            return anyhow!(
                "no clusterer answers at {address} (`meta.clusterer_url` in {origin}): start it with `splashtail up` \
                 or `splashtail webserver`"
            );
        }
        match error.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => anyhow!(
                "the clusterer at {address} does not accept the secret of the client `{CLIENT}` in {origin} \
                 ({}): use the configuration or the data directory that it was started with",
                error.code().unwrap_or("no reason given")
            ),
            Some(StatusCode::SERVICE_UNAVAILABLE) => {
                anyhow!("the clusterer at {address} is not ready yet: try again in some seconds")
            }
            _ => anyhow!("the clusterer at {address} failed: {}", Chain(error)),
        }
    }

    /// Short, for a line that is shown again and again.
    pub fn trouble(&self, error: &ClientError) -> String {
        if error.is_unreachable() && error.status().is_none() {
            format!("clusterer unreachable at {}, retrying", self.address)
        } else {
            format!("{:#}, retrying", self.explain(error))
        }
    }
}
