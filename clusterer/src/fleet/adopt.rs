//! What survives the clusterer: its clusters, and the file that tells the next one about them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_ipc::launcher::COMMAND_ID_LENGTH;
use tracing::{info, warn};

use super::cluster::{Cluster, ProcessId, State, Then, Via};
use super::hosts::Hosts;
use super::{Fleet, Now};
use crate::map::{Entry, Layout};

/// The state file's content that the fleet knows; the boot id and the channel are added by who
/// writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedFleet {
    pub shard_count: u16,
    pub fully_up: bool,
    pub max_concurrency: u16,
    pub clusters: Vec<SavedCluster>,
    /// With several hosts: what this one runs, and since when (unix milliseconds).
    #[serde(default)]
    pub host: Option<(Layout, i64)>,
    /// Identify key and unix milliseconds of its last identify.
    pub identified: Vec<(u16, i64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedCluster {
    pub id: ClusterId,
    pub name: String,
    pub shards: Vec<ShardId>,
    pub incarnation: u64,
    #[serde(default)]
    pub starts: u32,
    pub state: SavedState,
    pub process: Option<ProcessId>,
    /// Its process may identify shards at any time.
    #[serde(default)]
    pub identifying: bool,
    /// Unix milliseconds.
    pub started_at: Option<i64>,
    #[serde(default)]
    pub session_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedState {
    /// An operator stopped it.
    Stopped,
    /// Wanted, but without a process.
    Waiting,
    Starting,
    Running,
    /// On its way to `Stopped`.
    Stopping,
    /// On its way to a new start.
    Restarting,
}

impl SavedFleet {
    /// Of the whole fleet.
    pub fn cluster_count(&self) -> u16 {
        match &self.host {
            Some((layout, _)) => layout.cluster_count(),
            None => u16::try_from(self.clusters.len()).unwrap_or(u16::MAX),
        }
    }
}

impl Fleet {
    pub(super) fn saved(&self, now: Now) -> SavedFleet {
        let unix_ms = |at: Duration| {
            let ago = now.monotonic.saturating_sub(at);
            now.wall.timestamp_millis() - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)
        };
        let mut identified: Vec<_> = self
            .identified
            .iter()
            .map(|(key, at)| (*key, unix_ms(*at)))
            .collect();
        identified.sort_unstable();
        SavedFleet {
            shard_count: self.shard_count,
            fully_up: self.fully_up,
            max_concurrency: self.max_concurrency,
            clusters: self.clusters.iter().map(save).collect(),
            host: self
                .hosts
                .as_ref()
                .map(|hosts| (hosts.layout(), hosts.since())),
            identified,
        }
    }

    /// Continues with the fleet of a predecessor, before any event was handled. `saved` names only
    /// processes that were found alive and are the same ones; all others are absent. The map stays
    /// what it was, whatever Discord recommends today: changing it is a reshard.
    pub fn adopt(&mut self, now: Now, saved: SavedFleet) {
        self.adopt_host(&saved);
        self.shard_count = saved.shard_count;
        self.max_concurrency = saved.max_concurrency.max(1);
        self.fully_up = saved.fully_up;
        self.announce = !saved.fully_up;
        for (key, at) in saved.identified {
            let ago = Duration::from_millis(
                now.wall
                    .timestamp_millis()
                    .saturating_sub(at)
                    .unsigned_abs(),
            );
            self.identified
                .insert(key, now.monotonic.saturating_sub(ago));
        }
        for saved in saved.clusters {
            self.incarnations = self.incarnations.max(saved.incarnation);
            let entry = Entry {
                id: saved.id,
                name: saved.name,
                shards: saved.shards,
            };
            let mut cluster = Cluster::new(entry, saved.incarnation);
            cluster.starts = saved.starts;
            cluster.started_at = saved
                .started_at
                .and_then(chrono::DateTime::from_timestamp_millis);
            let index = self.clusters.len();
            let alive = saved.process.is_some();
            if alive {
                info!(cluster.id = %cluster.id, "adopting a running cluster");
                cluster.process = saved.process;
                cluster.occupied = true;
                cluster.identifying = saved.identifying;
                cluster.session_id = saved.session_id;
                cluster.ping.start(now.monotonic);
            }
            self.clusters.push(cluster);
            if saved.identifying && !alive {
                self.mark_identified(now, index);
            }
            self.adopt_state(now, index, saved.state, alive);
        }
        self.changed = true;
    }

    /// The clusters that run decide what this host announces, not what the file says by now.
    fn adopt_host(&mut self, saved: &SavedFleet) {
        let configured = self.policy.layout;
        let Some((layout, since)) = saved.host.or_else(|| {
            // It was the only host until now.
            let per_cluster = u16::try_from(saved.clusters.first()?.shards.len()).ok()?;
            let all = (0, saved.shard_count.checked_sub(1)?);
            configured?;
            Some((Layout::new(all, saved.shard_count, per_cluster).ok()?, 0))
        }) else {
            return;
        };
        if configured != Some(layout) {
            warn!(
                shards = %layout,
                "the running clusters are not those of `shard_range`: the file applies once they were stopped"
            );
        }
        let id = self.letters(COMMAND_ID_LENGTH);
        let mut hosts = Hosts::new(layout, self.policy.host.clone(), id);
        hosts.adopt(since);
        self.hosts = Some(hosts);
    }

    fn adopt_state(&mut self, now: Now, index: usize, state: SavedState, alive: bool) {
        let shards = self.clusters[index].shards.len();
        match (state, alive) {
            (SavedState::Running, true) => {
                self.set_state(
                    index,
                    State::Running {
                        since: now.monotonic,
                    },
                );
            }
            (SavedState::Starting | SavedState::Waiting, true) => {
                self.clusters[index].identifying = true;
                let deadline = now.monotonic + self.policy.launch_timeout(shards);
                self.set_state(
                    index,
                    State::Launching {
                        deadline,
                        via: Via::StartNext,
                    },
                );
            }
            (SavedState::Stopping | SavedState::Stopped, true) => {
                self.begin_stop(now, index, Then::Stop, self.policy.stop_grace);
            }
            (SavedState::Restarting, true) => {
                self.begin_stop(
                    now,
                    index,
                    Then::Restart(Via::Restart),
                    self.policy.stop_grace,
                );
            }
            (SavedState::Stopped | SavedState::Stopping, false) => {
                self.set_state(index, State::Stopped);
            }
            (SavedState::Running, false) => self.enqueue(index, Via::Observe),
            (_, false) => self.enqueue(index, Via::StartNext),
        }
    }
}

fn save(cluster: &Cluster) -> SavedCluster {
    let state = match cluster.state {
        State::Stopped => SavedState::Stopped,
        State::Queued { .. } | State::Backoff { .. } => SavedState::Waiting,
        State::Launching { .. } => SavedState::Starting,
        State::Running { .. } => SavedState::Running,
        State::Stopping {
            then: Then::Stop, ..
        } => SavedState::Stopping,
        State::Stopping { .. } => SavedState::Restarting,
    };
    SavedCluster {
        id: cluster.id,
        name: cluster.name.clone(),
        shards: cluster.shards.clone(),
        incarnation: cluster.incarnation,
        starts: cluster.starts,
        state,
        process: cluster.process.clone(),
        identifying: cluster.identifying,
        started_at: cluster.started_at.map(|at| at.timestamp_millis()),
        session_id: cluster.session_id.clone(),
    }
}
