//! Work on one cluster after the other: rolling restart and reshard. At most one runs, and it
//! takes no cluster down while another one is not up.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::ClusterId;
use tracing::{info, warn};

use super::cluster::{Cluster, State, Via};
use super::commands::Refusal;
use super::hosts::{Hosts, RollKind};
use super::{Fleet, Now};
use crate::action_log::LogEntry;
use crate::map::Entry;

#[derive(Debug)]
pub(super) struct Sequence {
    kind: Kind,
    remaining: VecDeque<ClusterId>,
    /// The cluster that is being restarted and the incarnation it had before.
    current: Option<(ClusterId, u64)>,
    /// Neither the current cluster nor the wait for the others may take longer.
    deadline: Option<Duration>,
}

/// One as it is written down. The cluster it was at goes on by its own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSequence {
    kind: Kind,
    remaining: Vec<ClusterId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Rolling,
    /// Waits for the gateway's answer.
    Fetching,
    Reshard,
}

impl Sequence {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Gives back the time in which no message could arrive.
    pub(super) fn resume_after(&mut self, lost: Duration) {
        self.deadline = self.deadline.map(|at| at + lost);
    }

    fn new(kind: Kind, remaining: VecDeque<ClusterId>) -> Self {
        Self {
            kind,
            remaining,
            current: None,
            deadline: None,
        }
    }
}

impl Fleet {
    pub(super) fn saved_sequence(&self) -> Option<SavedSequence> {
        let sequence = self.sequence.as_ref()?;
        Some(SavedSequence {
            kind: sequence.kind,
            remaining: sequence.remaining.iter().copied().collect(),
        })
    }

    /// Goes on where a predecessor was. Over several hosts the end of one ends the whole operation.
    pub(super) fn adopt_sequence(&mut self, saved: Option<SavedSequence>) {
        let Some(saved) = saved.filter(|_| self.hosts.is_none()) else {
            return;
        };
        info!(kind = ?saved.kind, clusters = saved.remaining.len(), "going on with a rolling operation");
        match saved.kind {
            Kind::Fetching => self.fetch_for_reshard(),
            kind => self.sequence = Some(Sequence::new(kind, saved.remaining.into())),
        }
    }

    /// Processes that do not run what the map says are what an interrupted or failed reshard left:
    /// it goes on as soon as nothing else is on its way.
    pub(super) fn take_up_reshard(&mut self, now: Now) {
        let idle = self.sequence.is_none()
            && self.closing.is_none()
            && self.roll_of_hosts().is_none()
            && self.bus_down_since.is_none();
        if !idle || !self.all_settled() {
            return;
        }
        let behind = |cluster: &&Cluster| cluster.behind(self.shard_count);
        let left: VecDeque<_> = self.clusters.iter().filter(behind).map(|c| c.id).collect();
        if left.is_empty() {
            return;
        }
        info!(clusters = left.len(), "going on with a reshard");
        let entry = LogEntry::new("reshard_begin").with("subsystem", "clusterer");
        self.log(now, entry.with("left", left.len()));
        self.fully_up &= self.hosts.is_some();
        self.changed = true;
        self.sequence = Some(Sequence::new(Kind::Reshard, left));
    }

    pub(super) fn rolling(&self) -> bool {
        let own = self.sequence.as_ref();
        own.is_some_and(|sequence| sequence.kind == Kind::Rolling)
            || self.roll_of_hosts() == Some(RollKind::Restart)
    }

    pub(super) fn resharding(&self) -> bool {
        self.sequence
            .as_ref()
            .is_some_and(|sequence| sequence.kind == Kind::Fetching)
    }

    pub(super) fn may_run_sequence(&self) -> Result<(), Refusal> {
        self.may_act()?;
        match &self.sequence {
            Some(sequence) if sequence.kind == Kind::Rolling => Err(Refusal::AlreadyRolling),
            Some(_) => Err(Refusal::ReshardInProgress),
            None => match self.roll_of_hosts() {
                Some(RollKind::Restart) => Err(Refusal::AlreadyRolling),
                Some(RollKind::Reshard) => Err(Refusal::ReshardInProgress),
                None if !self.fully_up() => Err(Refusal::NotFullyUp),
                // One after the other: the last ones may find more sessions than there are now.
                None => self.may_take_down(usize::from(self.policy.per_cluster)),
            },
        }
    }

    pub(super) fn may_reshard(&self) -> Result<(), Refusal> {
        self.may_act()?;
        if !self.policy.reshard_enabled {
            return Err(Refusal::ReshardDisabled);
        }
        self.may_run_sequence()?;
        if self.all_settled() {
            Ok(())
        } else {
            Err(Refusal::NotFullyUp)
        }
    }

    /// No cluster of the whole fleet is on its way up or down.
    fn all_settled(&self) -> bool {
        let others = self.hosts.as_ref().is_none_or(Hosts::others_settled);
        others && self.clusters.iter().all(Cluster::settled)
    }

    pub(super) fn begin_rolling_restart(&mut self, now: Now) {
        info!("rolling restart");
        self.log(now, LogEntry::new("rolling_restart"));
        if self.hosts.is_some() {
            self.lead_roll(RollKind::Restart);
        } else {
            self.take_turn();
        }
    }

    /// Restarts the clusters of this host.
    pub(super) fn take_turn(&mut self) {
        let ids = self.clusters.iter().map(|cluster| cluster.id).collect();
        self.sequence = Some(Sequence::new(Kind::Rolling, ids));
        self.changed = true;
    }

    /// Takes down no further cluster.
    pub(super) fn finish_early(&mut self) {
        match &mut self.sequence {
            Some(sequence) if sequence.kind == Kind::Fetching => self.sequence = None,
            Some(sequence) => sequence.remaining.clear(),
            None => {}
        }
    }

    pub(super) fn begin_reshard(&mut self, now: Now) {
        self.log(
            now,
            LogEntry::new("reshard_begin").with("subsystem", "redis"),
        );
        if self.hosts.is_some() {
            self.lead_roll(RollKind::Reshard);
        } else {
            self.fetch_for_reshard();
        }
    }

    pub(super) fn fetch_for_reshard(&mut self) {
        self.sequence = Some(Sequence::new(Kind::Fetching, VecDeque::new()));
        self.changed = true;
        self.fetch_gateway();
    }

    /// The gateway answered: checks everything, then commits to the new map.
    pub(super) fn continue_reshard(&mut self, now: Now) {
        match self.plan_reshard() {
            Ok((shard_count, map)) => self.commit_reshard(shard_count, map),
            Err(problem) => self.fail_reshard(now, &problem),
        }
    }

    fn plan_reshard(&self) -> Result<(u16, Vec<Entry>), String> {
        let bot = self.gateway.as_ref().ok_or("the gateway did not answer")?;
        let shards = self.policy.fixed_shard_count.unwrap_or(bot.shards);
        if self.hosts.is_some() && shards != self.shard_count {
            return Err(
                "hosts change the total together: stop all of them and start them with the new one"
                    .to_owned(),
            );
        }
        let map = self.map_of(shards).map_err(|problem| problem.to_string())?;
        if map.len() < self.clusters.len() {
            return Err(format!(
                "{} clusters run, the new map has only {}",
                self.clusters.len(),
                map.len()
            ));
        }
        let identifies: usize = map
            .iter()
            .filter(|entry| self.changes(entry, shards))
            .map(|entry| entry.shards.len())
            .sum();
        let needed = u32::try_from(identifies)
            .unwrap_or(u32::MAX)
            .max(self.policy.minimum_sessions);
        let remaining = bot.session_start_limit.remaining;
        if remaining < needed {
            return Err(format!(
                "{remaining} sessions are left, {needed} are needed"
            ));
        }
        Ok((shards, map))
    }

    /// What counts is what its process was started with. A cluster whose shards stay the same still
    /// routes by the old total, so a new total changes every cluster.
    fn changes(&self, entry: &Entry, shard_count: u16) -> bool {
        let Some(index) = self.index(entry.id) else {
            return true;
        };
        let cluster = &self.clusters[index];
        let same = match &cluster.runs {
            Some(runs) => runs.is(&entry.shards, shard_count),
            None => {
                (&cluster.shards, self.shard_count) == (&entry.shards, shard_count)
                    && !cluster.behind(shard_count)
            }
        };
        cluster.wanted && (!same || self.policy.reshard_all)
    }

    fn commit_reshard(&mut self, shard_count: u16, map: Vec<Entry>) {
        let changed: VecDeque<ClusterId> = map
            .iter()
            .filter(|entry| self.changes(entry, shard_count))
            .map(|entry| entry.id)
            .collect();
        info!(
            shards = shard_count,
            clusters = map.len(),
            changed = changed.len(),
            "resharding"
        );
        self.shard_count = shard_count;
        // Over several hosts the map stays, and so does the fleet.
        self.fully_up &= self.hosts.is_some();
        for entry in map {
            match self.index(entry.id) {
                // The name stays: it is the cluster's own.
                Some(index) => self.clusters[index].shards = entry.shards,
                None => {
                    let incarnation = self.next_incarnation();
                    self.clusters.push(Cluster::new(entry, incarnation));
                }
            }
        }
        self.changed = true;
        self.sequence = Some(Sequence::new(Kind::Reshard, changed));
    }

    pub(super) fn fail_reshard(&mut self, now: Now, problem: &str) {
        warn!(error = problem, "reshard failed");
        self.sequence = None;
        self.changed = true;
        if self.end_turn(Some(problem)) {
            return;
        }
        let entry = LogEntry::new("reshard_failed").with("subsystem", "redis");
        self.log(now, entry.with("error", problem));
    }

    pub(super) fn advance_sequence(&mut self, now: Now) {
        while let Some(sequence) = &self.sequence {
            if sequence.kind == Kind::Fetching {
                return;
            }
            if let Some((cluster, before)) = sequence.current {
                let done = self.index(cluster).is_none_or(|index| {
                    let cluster = &self.clusters[index];
                    // An operator may stop the cluster in the middle of it.
                    match cluster.state {
                        State::Running { .. } => cluster.incarnation != before,
                        State::Stopped => true,
                        _ => false,
                    }
                });
                if !done {
                    return self.check_sequence_deadline(now, Some(cluster));
                }
                if let Some(sequence) = &mut self.sequence {
                    sequence.current = None;
                    sequence.deadline = None;
                }
                continue;
            }
            let Some(&next) = sequence.remaining.front() else {
                return self.finish_sequence(now);
            };
            if self.bus_down_since.is_some() {
                return;
            }
            if !self.all_settled() {
                // Another cluster is down at the moment: wait for it, but not for ever.
                let limit = now.monotonic + self.sequence_limit(1);
                if let Some(sequence) = &mut self.sequence {
                    sequence.deadline.get_or_insert(limit);
                }
                return self.check_sequence_deadline(now, None);
            }
            self.take_next(now, next);
        }
    }

    fn take_next(&mut self, now: Now, next: ClusterId) {
        let index = self.index(next);
        let shards = index.map_or(1, |index| self.clusters[index].shards.len());
        let limit = now.monotonic + self.sequence_limit(shards);
        let Some(sequence) = &mut self.sequence else {
            return;
        };
        sequence.remaining.pop_front();
        sequence.deadline = None;
        let Some(index) = index else { return };
        let via = match sequence.kind {
            Kind::Rolling => Via::RollingRestart,
            Kind::Fetching | Kind::Reshard => Via::Reshard,
        };
        self.changed = true;
        // What an operator stopped stays stopped; a cluster that a reshard adds starts.
        if !self.clusters[index].wanted {
            return;
        }
        sequence.current = Some((next, self.clusters[index].incarnation));
        sequence.deadline = Some(limit);
        self.restart_as_asked(now, index, via);
    }

    fn sequence_limit(&self, shards: usize) -> Duration {
        self.policy.stop_grace + self.policy.launch_timeout(shards) + Duration::from_secs(30)
    }

    fn check_sequence_deadline(&mut self, now: Now, current: Option<ClusterId>) {
        let Some(sequence) = &self.sequence else {
            return;
        };
        if self.bus_down_since.is_some() || sequence.deadline.is_none_or(|at| at > now.monotonic) {
            return;
        }
        let problem = match current {
            Some(cluster) => format!("cluster {cluster} did not come up in time"),
            None => "another cluster stayed down".to_owned(),
        };
        self.abort_sequence(now, &problem);
    }

    /// Takes down no further cluster because of this.
    pub(super) fn abort_sequence(&mut self, now: Now, problem: &str) {
        let Some(sequence) = &self.sequence else {
            return;
        };
        let (kind, current) = (sequence.kind, sequence.current.map(|(cluster, _)| cluster));
        self.changed = true;
        if kind == Kind::Fetching {
            return self.fail_reshard(now, problem);
        }
        warn!(error = problem, "giving up a rolling operation");
        let via = if kind == Kind::Rolling {
            Via::RollingRestart
        } else {
            Via::Reshard
        };
        if kind == Kind::Rolling && self.end_turn(Some(problem)) {
            self.sequence = None;
            return;
        }
        let mut entry = LogEntry::new(via.failure_event()).with("via", via.as_str());
        if let Some(cluster) = current {
            entry = entry.with("id", cluster.get());
        }
        self.log(now, entry.with("error", problem));
        if kind == Kind::Rolling {
            self.sequence = None;
        } else {
            self.fail_reshard(now, problem);
            // What is left of the new map follows when this cluster is up.
            self.announce = true;
        }
    }

    fn finish_sequence(&mut self, now: Now) {
        if !self.clusters.iter().all(Cluster::settled) {
            return;
        }
        let kind = self.sequence.take().map(|sequence| sequence.kind);
        self.changed = true;
        self.announce = true;
        if self.end_turn(None) {
            return;
        }
        if kind == Some(Kind::Reshard) {
            self.log(
                now,
                LogEntry::new("reshard_success").with("subsystem", "redis"),
            );
        }
    }
}
