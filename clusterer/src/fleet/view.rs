//! The fleet as the dashboard sees it.

use splashtail_api_types::clusters::{
    ClusterHealth, ClusterMapEntry, Instance, InstanceList, InstanceProcess, InstanceState,
    UNSET_TIME,
};
use splashtail_core::ids::ClusterId;

use super::Fleet;
use super::cluster::{Cluster, State};

/// Numbers for the metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterNumbers {
    pub id: ClusterId,
    pub state: &'static str,
    pub unresponsive: bool,
    pub incarnation: u64,
    pub shards_up: usize,
    pub guilds: u64,
    pub latency_ms: f64,
}

impl Fleet {
    pub fn instance_list(&self) -> InstanceList {
        InstanceList {
            last_cluster_started_at: self.last_started_at.unwrap_or(UNSET_TIME),
            map: self.clusters.iter().map(map_entry).collect(),
            instances: self.clusters.iter().map(instance).collect(),
            shard_count: self.shard_count,
            get_gateway_bot: self.gateway.clone().unwrap_or_default(),
            dir: self.policy.dir.clone(),
            roll_restarting: self.rolling(),
            fully_up: self.fully_up,
        }
    }

    /// `None` for an unknown cluster.
    pub fn cluster_health(&self, cluster: ClusterId) -> Option<ClusterHealth> {
        let cluster = &self.clusters[self.index(cluster)?];
        Some(ClusterHealth {
            locked: cluster.busy(),
            health: cluster.health.clone(),
        })
    }

    pub fn numbers(&self) -> Vec<ClusterNumbers> {
        self.clusters.iter().map(numbers).collect()
    }
}

fn map_entry(cluster: &Cluster) -> ClusterMapEntry {
    ClusterMapEntry {
        id: cluster.id,
        name: cluster.name.clone(),
        shards: cluster.shards.clone(),
    }
}

fn instance(cluster: &Cluster) -> Instance {
    Instance {
        started_at: cluster.started_at.unwrap_or(UNSET_TIME),
        session_id: cluster.session_id.clone(),
        cluster_id: cluster.id,
        shards: cluster.shards.clone(),
        active: cluster.active(),
        // Never null: dashboards iterate over it.
        cluster_health: Some(cluster.health.clone()),
        currently_killing: matches!(cluster.state, State::Stopping { .. }),
        lock_cluster_time: cluster.busy_since,
        launched_fully: cluster.launched(),
        last_checked: cluster.last_checked.unwrap_or(UNSET_TIME),
        process: Some(InstanceProcess {
            state: cluster.state.into(),
            pid: pid(cluster),
            restarts: cluster.starts.saturating_sub(1),
            unresponsive: cluster.unresponsive,
        }),
    }
}

fn pid(cluster: &Cluster) -> Option<u32> {
    u32::try_from(cluster.process.as_ref()?.pid).ok()
}

impl From<State> for InstanceState {
    fn from(state: State) -> Self {
        match state {
            State::Stopped => Self::Stopped,
            State::Queued { .. } => Self::Queued,
            State::Launching { .. } => Self::Starting,
            State::Running { .. } => Self::Running,
            State::Stopping { .. } => Self::Stopping,
            State::Backoff { held: false, .. } => Self::Backoff,
            State::Backoff { held: true, .. } => Self::Held,
        }
    }
}

fn numbers(cluster: &Cluster) -> ClusterNumbers {
    let health = &cluster.health;
    let slowest = health.iter().map(|shard| shard.latency).fold(0.0, f64::max);
    ClusterNumbers {
        id: cluster.id,
        state: InstanceState::from(cluster.state).as_str(),
        unresponsive: cluster.unresponsive,
        incarnation: cluster.incarnation,
        shards_up: health.iter().filter(|shard| shard.up).count(),
        guilds: health.iter().map(|shard| shard.guilds).sum(),
        latency_ms: slowest,
    }
}
