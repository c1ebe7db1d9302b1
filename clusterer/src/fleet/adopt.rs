//! What survives the clusterer: its clusters, and the file that tells the next one about them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_ipc::launcher::{COMMAND_ID_LENGTH, GatewayRefusal};
use tracing::{info, warn};

use super::cluster::{Cluster, ProcessId, State, Then, Via};
use super::hosts::{Alone, Hosts};
use super::sequence::SavedSequence;
use super::{Fleet, Now};
use crate::map::{Entry, Layout, Split};

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
    /// Without: since when this one runs all of them.
    #[serde(default)]
    pub since: i64,
    /// Identify key and unix milliseconds of its last identify.
    pub identified: Vec<(u16, i64)>,
    /// The rolling restart or reshard under way.
    #[serde(default)]
    pub sequence: Option<SavedSequence>,
    /// Discord refuses the bot.
    #[serde(default)]
    pub refusal: Option<GatewayRefusal>,
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
    /// What the process was started with, when that is known.
    #[serde(default)]
    pub runs: Option<Split>,
    /// Shards that its process may identify at any time.
    #[serde(default)]
    pub may_identify: Vec<ShardId>,
    /// Unix milliseconds.
    pub started_at: Option<i64>,
    #[serde(default)]
    pub session_id: String,
}

impl SavedCluster {
    /// One that nobody wrote down: its process may still be launching.
    pub fn rebuilt(entry: Entry, process: Option<ProcessId>) -> Self {
        let alive = process.is_some();
        Self {
            id: entry.id,
            name: entry.name,
            shards: entry.shards,
            // Each process needs one of its own; no event of an older one can come.
            incarnation: 1 + u64::from(entry.id.get()),
            starts: u32::from(alive),
            state: if alive {
                SavedState::Starting
            } else {
                SavedState::Waiting
            },
            process,
            runs: None,
            may_identify: Vec::new(),
            started_at: None,
            session_id: String::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedState {
    /// An operator stopped it.
    Stopped,
    /// Wanted, but without a process.
    Waiting,
    /// A reshard added it and has not started it yet.
    New,
    Starting,
    Running,
    /// On its way to `Stopped`.
    Stopping,
    /// On its way to a new start.
    Restarting,
}

impl SavedFleet {
    /// Whether a fleet can be made of it: ids follow each other, and every shard is there at most
    /// once and below the total.
    pub fn is_sound(&self) -> bool {
        let first = self.clusters.first().map_or(0, |cluster| cluster.id.get());
        let ids = self.clusters.iter().map(|cluster| cluster.id.get());
        let shards = self.clusters.iter().flat_map(|cluster| &cluster.shards);
        let mut seen = BTreeSet::new();
        self.shard_count > 0
            && ids.eq((first..).take(self.clusters.len()))
            && self
                .clusters
                .iter()
                .all(|cluster| !cluster.shards.is_empty())
            && shards
                .into_iter()
                .all(|shard| shard.get() < self.shard_count && seen.insert(*shard))
    }

    /// From what the processes tell: which keys identified when is not known, nor who was stopped.
    pub fn rebuilt(shard_count: u16, layout: Option<Layout>, clusters: Vec<SavedCluster>) -> Self {
        Self {
            shard_count,
            fully_up: false,
            max_concurrency: 1,
            clusters,
            host: layout.map(|layout| (layout, 0)),
            since: 0,
            identified: Vec::new(),
            sequence: None,
            refusal: None,
        }
    }

    /// The operators' part, for when no process is left.
    pub fn remember(&self) -> Remembered {
        let stopped = |cluster: &&SavedCluster| {
            matches!(cluster.state, SavedState::Stopped | SavedState::Stopping)
        };
        let clusters = self.clusters.iter();
        let stopped: BTreeSet<_> = clusters.filter(stopped).map(|cluster| cluster.id).collect();
        Remembered {
            all: !stopped.is_empty() && stopped.len() == self.clusters.len(),
            stopped,
            refusal: self.refusal,
        }
    }
}

/// What outlives the clusters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    stopped: BTreeSet<ClusterId>,
    /// Every cluster was stopped: those of a larger map are, too.
    all: bool,
    pub(super) refusal: Option<GatewayRefusal>,
}

impl Remembered {
    pub(super) fn keeps_stopped(&self, cluster: ClusterId) -> bool {
        self.all || self.stopped.contains(&cluster)
    }

    pub fn is_empty(&self) -> bool {
        self.stopped.is_empty()
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
            since: self.alone.as_ref().map_or(0, Alone::since),
            sequence: self.saved_sequence(),
            refusal: self.hold.as_ref().map(|hold| hold.refusal),
        }
    }

    /// Starts afresh with what a predecessor knew, before any event was handled.
    pub fn remember(&mut self, remembered: Remembered) {
        self.remembered = remembered;
    }

    /// Continues with the fleet of a predecessor, before any event was handled. `saved` names only
    /// processes that were found alive and are the same ones; all others are absent. The map stays
    /// what it was, whatever Discord recommends today: changing it is a reshard.
    pub fn adopt(&mut self, now: Now, saved: SavedFleet) {
        self.adopt_host(&saved);
        if let Some(alone) = &mut self.alone {
            alone.adopt(saved.since);
        }
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
        let waits = |cluster: &&SavedCluster| {
            cluster.process.is_none() && cluster.state == SavedState::Waiting
        };
        let first = saved.clusters.iter().find(waits).map(|cluster| cluster.id);
        self.adopt_hold(saved.refusal, first);
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
                cluster.runs = saved.runs.or_else(|| {
                    let shards = cluster.shards.clone();
                    Some(Split {
                        shards,
                        shard_count: self.shard_count,
                    })
                });
                cluster.session_id = saved.session_id;
                cluster.ping.start(now.monotonic);
            }
            cluster.identifying = saved.may_identify;
            self.clusters.push(cluster);
            if !alive {
                self.mark_identified(now, index);
            }
            self.adopt_state(now, index, saved.state, alive);
        }
        self.adopt_sequence(saved.sequence);
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
        self.alone = None;
    }

    fn adopt_state(&mut self, now: Now, index: usize, state: SavedState, alive: bool) {
        let cluster = &mut self.clusters[index];
        cluster.wanted = !matches!(state, SavedState::Stopped | SavedState::Stopping);
        let shards = cluster.shards.len();
        match (state, alive) {
            (SavedState::Running, true) => {
                self.set_state(
                    index,
                    State::Running {
                        since: now.monotonic,
                    },
                );
            }
            (SavedState::Starting | SavedState::Waiting | SavedState::New, true) => {
                if cluster.identifying.is_empty() {
                    let runs = cluster.runs.as_ref().map(|runs| runs.shards.clone());
                    cluster.identifying = runs.unwrap_or_default();
                }
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
            (SavedState::Stopped | SavedState::Stopping | SavedState::New, false) => {
                self.set_state(index, State::Stopped);
            }
            (SavedState::Running, false) => self.enqueue(index, Via::Observe),
            (_, false) => self.enqueue(index, Via::StartNext),
        }
    }
}

fn save(cluster: &Cluster) -> SavedCluster {
    let state = match cluster.state {
        State::Stopped if cluster.wanted => SavedState::New,
        State::Stopped => SavedState::Stopped,
        State::Queued { .. } | State::Backoff { .. } | State::Refused => SavedState::Waiting,
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
        runs: cluster.runs.clone(),
        may_identify: cluster.identifying.clone(),
        started_at: cluster.started_at.map(|at| at.timestamp_millis()),
        session_id: cluster.session_id.clone(),
    }
}
