//! When a started platform counts as ready.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use splashtail_api_types::clusters::FleetHold;
use splashtail_core::clock::SystemClock;
use splashtail_ipc::clients::ClustererClient;
use splashtail_ipc::signing::{Signer, tag};
use tracing::warn;
use url::Url;

use super::daemons::CLUSTERER;
use super::plan::Plan;
use super::report::Ready;

const POLL_EVERY: Duration = Duration::from_millis(100);
/// Longer than a daemon takes to find out that a dependency does not answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a daemon said last about why it is not ready.
pub type Missing = Arc<Mutex<Option<String>>>;

/// Waits, without a limit, until `/readyz` of the address answers 200: what keeps a daemon from being ready
/// (a database that is down) may end. Meanwhile `missing` holds what it says.
///
/// # Errors
/// The HTTP client cannot be built.
pub async fn answers(health: &Url, missing: &Missing) -> Result<()> {
    let url = health.join("readyz")?;
    let client = reqwest::Client::builder()
        .timeout(PROBE_TIMEOUT)
        .no_proxy()
        .build()?;
    loop {
        let said = match client.get(url.clone()).send().await {
            Ok(response) if response.status() == 200 => return Ok(()),
            Ok(response) => response.json::<ErrorBody>().await.ok(),
            Err(_) => None,
        };
        *missing.lock().unwrap_or_else(PoisonError::into_inner) = said.map(|body| body.message);
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The part of an error's body that is for people.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// Waits until the clusterer says that every cluster is up.
///
/// # Errors
/// The client cannot be built.
pub async fn fully_up(plan: &Plan) -> Result<()> {
    let client = clusterer_client(plan)?;
    let mut told = None;
    loop {
        if let Ok(list) = client.instance_list().await {
            if list.fully_up {
                return Ok(());
            }
            if told != list.hold {
                told = list.hold;
                tell(told.as_ref());
            }
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Nothing goes on by itself: who started the platform has to act.
fn tell(hold: Option<&FleetHold>) {
    if let Some(hold) = hold {
        warn!(
            "{}: {}, then `splashtail clusters start all`",
            hold.message, hold.remedy
        );
    }
}

fn clusterer_client(plan: &Plan) -> Result<ClustererClient> {
    let secret = plan
        .config
        .client_secret("cli")
        .context("no secret for the client `cli`")?;
    let signer = Signer::new("cli", secret.clone(), tag::CLUSTERER, SystemClock::shared());
    let address = plan.address(CLUSTERER, 0);
    let address = address.context("there is no clusterer")?;
    Ok(ClustererClient::new(address, &signer)?)
}

/// Where everything is, with the process ids of this moment.
///
/// # Errors
/// The clusterer went away again.
pub async fn report(plan: &Plan, pids: &BTreeMap<&'static str, u32>) -> Result<Ready> {
    let mut ready = plan.report();
    ready.pids.splashtail = std::process::id();
    for (name, pid) in &mut ready.pids.daemons {
        *pid = pids.get(name.as_str()).copied();
    }
    if plan.has_clusters() {
        ready.pids.bot = cluster_pids(plan)?;
    }
    ready.iserver = ready
        .pids
        .bot
        .keys()
        .filter_map(|id| Some((*id, plan.iserver(*id)?)))
        .collect();
    Ok(ready)
}

/// The part of `clusterer/state.json` that names the processes.
#[derive(Deserialize)]
struct ClustererState {
    clusters: Vec<ClusterState>,
}

#[derive(Deserialize)]
struct ClusterState {
    id: u16,
    process: Option<ProcessId>,
}

#[derive(Deserialize)]
struct ProcessId {
    pid: u32,
}

fn cluster_pids(plan: &Plan) -> Result<BTreeMap<u16, u32>> {
    let path = plan.data_dir.clusterer_state();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let state: ClustererState =
        serde_json::from_str(&text).with_context(|| format!("{} is broken", path.display()))?;
    Ok(state
        .clusters
        .into_iter()
        .filter_map(|c| Some((c.id, c.process?.pid)))
        .collect())
}
