//! The fleet as the operators' page sees it.

use splashtail_api_types::clusters::{
    ClusterHealth, ClusterMapEntry, Instance, InstanceList, InstanceProcess, InstanceState,
    UNSET_TIME,
};
use splashtail_core::ids::ClusterId;

use super::Fleet;
use super::cluster::{Cluster, State};
use super::hosts::Hosts;
use crate::map::cluster_map;

/// Numbers for the metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterNumbers {
    pub id: ClusterId,
    pub state: InstanceState,
    pub unresponsive: bool,
    pub starts: u32,
    pub shards: usize,
    pub shards_up: usize,
    pub guilds: u64,
    /// Of its slowest shard; 0 = not known.
    pub latency_ms: f64,
}

/// The fleet for the metrics page.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Of this host.
    pub clusters: Vec<ClusterNumbers>,
    pub fully_up: bool,
    /// This one included.
    pub hosts: usize,
    /// Shards that no host runs.
    pub shards_missing: u32,
    /// Sessions that may still be started, as far as it is known.
    pub identifies_left: Option<u32>,
}

/// A cluster of the fleet, wherever it runs.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) instance: Instance,
    /// No host runs it.
    pub(super) missing: bool,
}

/// Of a cluster that no host runs.
const NOWHERE: InstanceProcess = InstanceProcess {
    state: InstanceState::Missing,
    pid: None,
    host: None,
    restarts: 0,
    unresponsive: false,
};

impl Fleet {
    /// All clusters in the order of their ids, those that no host runs included, so that an id is
    /// an index.
    pub(super) fn whole_fleet(&self) -> Vec<Known> {
        let own = |cluster: &Cluster| Known {
            name: cluster.name.clone(),
            instance: instance(cluster),
            missing: false,
        };
        let Some(hosts) = self.hosts.as_ref().filter(|_| !self.clusters.is_empty()) else {
            return self.clusters.iter().map(own).collect();
        };
        let layout = hosts.layout();
        // The numbers were checked when the layout was made.
        let map = cluster_map(&self.policy.names, layout.shard_count, layout.per_cluster);
        let known = |entry: crate::map::Entry| {
            if let Some(index) = self.index(entry.id) {
                return own(&self.clusters[index]);
            }
            let told = hosts.elsewhere(entry.id);
            let mut known = match told.and_then(|said| said.cluster(entry.id)) {
                Some(told) => Known {
                    name: told.name.clone(),
                    instance: told.instance.clone(),
                    missing: false,
                },
                None => Known {
                    name: entry.name.clone(),
                    instance: Instance {
                        process: told.is_none().then_some(NOWHERE),
                        ..instance(&Cluster::new(entry, 0))
                    },
                    missing: told.is_none(),
                },
            };
            if let Some(process) = &mut known.instance.process {
                process.host = told.map(|said| said.name.clone());
            }
            known
        };
        map.unwrap_or_default().into_iter().map(known).collect()
    }

    pub fn instance_list(&self) -> InstanceList {
        let fleet = self.whole_fleet();
        let started = fleet.iter().map(|known| known.instance.started_at).max();
        InstanceList {
            last_cluster_started_at: started.unwrap_or(UNSET_TIME),
            map: fleet.iter().map(map_entry).collect(),
            instances: fleet.into_iter().map(|known| known.instance).collect(),
            shard_count: self.shard_count,
            get_gateway_bot: self.gateway.clone().unwrap_or_default(),
            dir: self.policy.dir.clone(),
            roll_restarting: self.rolling(),
            fully_up: self.fully_up(),
            hold: self.hold.as_ref().map(|hold| hold.refusal.hold()),
        }
    }

    /// `None` for an unknown cluster.
    pub fn cluster_health(&self, cluster: ClusterId) -> Option<ClusterHealth> {
        if let Some(index) = self.index(cluster) {
            let cluster = &self.clusters[index];
            return Some(ClusterHealth {
                locked: cluster.busy(),
                health: cluster.health.clone(),
            });
        }
        let host = self.hosts.as_ref()?.elsewhere(cluster)?;
        let instance = &host.cluster(cluster)?.instance;
        Some(ClusterHealth {
            locked: instance.lock_cluster_time.is_some(),
            health: instance.cluster_health.clone().unwrap_or_default(),
        })
    }

    pub fn numbers(&self) -> Numbers {
        let missing = self.hosts.as_ref().map(Hosts::missing).unwrap_or_default();
        let shards = missing
            .iter()
            .map(|(first, last)| u32::from(last - first) + 1);
        Numbers {
            clusters: self.clusters.iter().map(numbers).collect(),
            fully_up: self.fully_up(),
            hosts: self
                .hosts
                .as_ref()
                .map_or(1, |hosts| hosts.others().len() + 1),
            shards_missing: shards.sum(),
            identifies_left: self.identifies_left(),
        }
    }
}

fn map_entry(known: &Known) -> ClusterMapEntry {
    ClusterMapEntry {
        id: known.instance.cluster_id,
        name: known.name.clone(),
        shards: known.instance.shards.clone(),
    }
}

pub(super) fn instance(cluster: &Cluster) -> Instance {
    Instance {
        started_at: cluster.started_at.unwrap_or(UNSET_TIME),
        session_id: cluster.session_id.clone(),
        cluster_id: cluster.id,
        shards: cluster.shards.clone(),
        active: cluster.active(),
        // Never null: the page iterates over it.
        cluster_health: Some(cluster.health.clone()),
        currently_killing: matches!(cluster.state, State::Stopping { .. }),
        lock_cluster_time: cluster.busy_since,
        launched_fully: cluster.launched(),
        last_checked: cluster.last_checked.unwrap_or(UNSET_TIME),
        process: Some(InstanceProcess {
            state: state(cluster),
            pid: pid(cluster),
            host: None,
            restarts: cluster.starts.saturating_sub(1),
            unresponsive: cluster.unresponsive,
        }),
    }
}

fn pid(cluster: &Cluster) -> Option<u32> {
    u32::try_from(cluster.process.as_ref()?.pid).ok()
}

fn state(cluster: &Cluster) -> InstanceState {
    match cluster.state {
        // A reshard has not come to it.
        State::Stopped if cluster.wanted => InstanceState::Queued,
        State::Stopped => InstanceState::Stopped,
        State::Queued { .. } => InstanceState::Queued,
        State::Launching { .. } => InstanceState::Starting,
        State::Running { .. } => InstanceState::Running,
        State::Stopping { .. } => InstanceState::Stopping,
        State::Backoff { held: false, .. } => InstanceState::Backoff,
        State::Backoff { held: true, .. } | State::Refused => InstanceState::Held,
    }
}

fn numbers(cluster: &Cluster) -> ClusterNumbers {
    let health = &cluster.health;
    let slowest = health.iter().map(|shard| shard.latency).fold(0.0, f64::max);
    ClusterNumbers {
        id: cluster.id,
        state: state(cluster),
        unresponsive: cluster.unresponsive,
        starts: cluster.starts,
        shards: cluster.shards.len(),
        shards_up: health.iter().filter(|shard| shard.up).count(),
        guilds: health.iter().map(|shard| shard.guilds).sum(),
        latency_ms: slowest,
    }
}
