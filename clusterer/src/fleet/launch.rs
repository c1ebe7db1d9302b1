//! Starting clusters: the map, the queue, the identify budget, `launch_next`.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use splashtail_api_types::clusters::{GatewayBot, SessionStartLimit};
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_ipc::launcher::{COMMAND_ID_LENGTH, IDENTIFY_REST, LauncherCmd, LauncherReply};
use tracing::{error, info, warn};

use super::cluster::{Cluster, ProcessId, State, Via};
use super::event::{Effect, GatewayFailure, Signal, Spawn};
use super::hosts::Hosts;
use super::{Fleet, Now};
use crate::action_log::LogEntry;
use crate::map::{Entry, MapError, Split, cluster_map};

/// An answer older than this is asked for anew before a cluster starts.
const FRESH: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// How often a longer wait is spoken of.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// Pause before asking again when the budget has no reset time.
const EMPTY_BUDGET_RETRY: Duration = Duration::from_secs(30);
/// A cluster that is launching is asked for its health this often; silence does not count.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// A process that is said to have launched listens to the bus after this time at the latest.
const LISTENS_WITHIN: Duration = Duration::from_secs(15);

/// What is known of the sessions that may still be started.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the answer came, or when it was last tried for.
    asked_at: Option<Duration>,
    /// Identifies since the answer.
    used: u32,
    fetching: bool,
    fetch_at: Option<Duration>,
    retry: Option<Duration>,
    /// Too few sessions were left; said so once.
    waiting: bool,
    /// Discord does not want to be asked before.
    silent_until: Option<Duration>,
    /// When a long wait is spoken of again.
    say_at: Option<Duration>,
}

impl Budget {
    /// Sessions that were started, here or by another host.
    pub(super) fn spend(&mut self, sessions: usize) {
        let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
        self.used = self.used.saturating_add(sessions);
    }

    fn stale(&self, now: Duration) -> bool {
        self.asked_at
            .is_none_or(|at| now.saturating_sub(at) > FRESH)
    }
}

impl Fleet {
    pub(super) fn fetch_gateway(&mut self) {
        if !self.budget.fetching {
            self.budget.fetching = true;
            self.budget.fetch_at = None;
            self.effects.push(Effect::FetchGateway);
        }
    }

    pub(super) fn on_gateway(&mut self, now: Now, outcome: Result<GatewayBot, GatewayFailure>) {
        self.budget.fetching = false;
        self.budget.asked_at = Some(now.monotonic);
        match outcome {
            Ok(bot) => {
                self.max_concurrency = bot.session_start_limit.max_concurrency.max(1);
                self.budget.used = 0;
                self.budget.retry = None;
                self.budget.silent_until = None;
                self.effects.push(Effect::KeepGateway(bot.clone()));
                self.gateway = Some(bot);
                if self.resharding() {
                    self.continue_reshard(now);
                } else if self.clusters.is_empty() && self.closing.is_none() {
                    self.build_map(now);
                }
            }
            Err(failure) if self.resharding() => self.fail_reshard(now, &failure.message),
            Err(failure) if failure.fatal && self.clusters.is_empty() => {
                self.give_up(now, failure.message);
            }
            Err(failure) => {
                let pause = self
                    .budget
                    .retry
                    .map_or(FIRST_RETRY, |last| (last * 2).min(LAST_RETRY));
                self.budget.retry = Some(pause);
                let pause = pause.max(failure.retry_after.unwrap_or_default());
                let wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                warn!(
                    error = failure.message,
                    wait_ms, "cannot ask Discord for the gateway"
                );
                self.budget.silent_until = Some(now.monotonic + pause);
                if self.gateway.is_none() && pause >= LAST_RETRY && self.go_without_answer() {
                    if self.clusters.is_empty() && self.closing.is_none() {
                        self.build_map(now);
                    }
                } else if self.gateway.is_none() || self.budget.waiting {
                    self.budget.fetch_at = Some(now.monotonic + pause);
                    self.budget.asked_at = None;
                }
            }
        }
    }

    /// What Discord said last is good enough while it does not answer, and so is a known number of
    /// shards, one at a time. Whether there is such a thing.
    fn go_without_answer(&mut self) -> bool {
        let known = (self.shard_count > 0).then_some(self.shard_count);
        let known = known.or(self.policy.fixed_shard_count);
        let bot = self.last_answer.clone().or_else(|| {
            let shards = known?;
            Some(GatewayBot {
                shards,
                session_start_limit: SessionStartLimit {
                    remaining: u32::from(shards) + self.policy.minimum_sessions,
                    max_concurrency: 1,
                    ..SessionStartLimit::default()
                },
                ..GatewayBot::default()
            })
        });
        let Some(bot) = bot else { return false };
        warn!(
            shards = known.unwrap_or(bot.shards),
            "going by what Discord said before"
        );
        self.max_concurrency = bot.session_start_limit.max_concurrency.max(1);
        self.gateway = Some(bot);
        true
    }

    /// A wait of more than a minute is spoken of once a minute.
    pub(super) fn say_long_wait(&mut self, now: Now) {
        let what = if self.gateway.is_none() {
            "no cluster starts before Discord says how many shards to run, and it does not want to be \
             asked (`fixed_shard_count` in the cluster file starts them without)"
        } else {
            "clusters wait to start: too few sessions are left until Discord's limit resets"
        };
        let waits = self.gateway.is_none() || self.budget.waiting;
        let until = self
            .budget
            .fetch_at
            .filter(|_| waits && self.closing.is_none());
        let left = until.map_or(Duration::ZERO, |at| at.saturating_sub(now.monotonic));
        if left <= SAY_EVERY {
            self.budget.say_at = None;
        } else if self.budget.say_at.is_none_or(|at| at <= now.monotonic) {
            self.budget.say_at = Some(now.monotonic + SAY_EVERY);
            self.effects
                .push(Effect::Say(format!("{what}; {} s to go", left.as_secs())));
        }
    }

    /// Ends before anything was started.
    fn give_up(&mut self, now: Now, reason: String) {
        error!(reason, "cannot start the clusters");
        self.close(now, 1, Some(reason));
    }

    fn build_map(&mut self, now: Now) {
        let recommended = self.gateway.as_ref().map_or(0, |bot| bot.shards);
        let shards = self.policy.fixed_shard_count.unwrap_or(recommended);
        match self.map_of(shards) {
            Ok(map) => {
                info!(shards, clusters = map.len(), "launching the clusters");
                self.shard_count = shards;
                for entry in map {
                    let incarnation = self.next_incarnation();
                    let mut cluster = Cluster::new(entry, incarnation);
                    cluster.wanted = !self.remembered.keeps_stopped(cluster.id);
                    self.clusters.push(cluster);
                }
                let wanted = self.clusters.iter().find(|cluster| cluster.wanted);
                let first = wanted.map(|cluster| cluster.id);
                self.adopt_hold(self.remembered.refusal, first);
                for index in 0..self.clusters.len() {
                    if self.clusters[index].wanted {
                        self.enqueue(index, Via::StartNext);
                    }
                }
                // With nothing to launch nobody else would say so.
                self.announce = true;
                self.changed = true;
            }
            Err(problem) => self.give_up(now, MapError::to_string(&problem)),
        }
    }

    /// The clusters of this host in a fleet of so many shards.
    pub(super) fn map_of(&self, shards: u16) -> Result<Vec<Entry>, MapError> {
        let mut map = cluster_map(&self.policy.names, shards, self.policy.per_cluster)?;
        if let Some(hosts) = &self.hosts {
            map.retain(|entry| hosts.layout().has_cluster(entry.id));
        }
        self.policy.ports.check(&map)?;
        Ok(map)
    }

    pub(super) fn next_incarnation(&mut self) -> u64 {
        self.incarnations += 1;
        self.incarnations
    }

    pub(super) fn enqueue(&mut self, index: usize, via: Via) {
        if self.is_held_back(self.clusters[index].id) {
            return self.set_state(index, State::Refused);
        }
        self.queue_tickets += 1;
        self.set_state(
            index,
            State::Queued {
                ticket: self.queue_tickets,
                via,
            },
        );
    }

    /// Indices of queued clusters, first come first.
    fn queue(&self) -> Vec<(usize, Via)> {
        let mut queue: Vec<_> = self
            .clusters
            .iter()
            .enumerate()
            .filter_map(|(index, cluster)| match cluster.state {
                State::Queued { ticket, via } => Some((ticket, index, via)),
                _ => None,
            })
            .collect();
        queue.sort_unstable_by_key(|(ticket, ..)| *ticket);
        queue
            .into_iter()
            .map(|(_, index, via)| (index, via))
            .collect()
    }

    fn keys(&self, shards: &[ShardId]) -> Vec<u16> {
        shards
            .iter()
            .map(|shard| shard.get() % self.max_concurrency)
            .collect()
    }

    /// Starts what may start now.
    pub(super) fn admit(&mut self, now: Now) {
        if let Some(hosts) = &mut self.hosts {
            hosts.forget_wanted();
        }
        if self.closing.is_some() || self.bus_down_since.is_some() {
            return;
        }
        if self.gateway.is_none() {
            if self.budget.fetch_at.is_none_or(|at| at <= now.monotonic) {
                self.fetch_gateway();
            }
            return;
        }
        if self
            .listening_until()
            .is_some_and(|until| until > now.monotonic)
            || !self.has_listened()
        {
            return;
        }
        let mut taken = self.keys_in_use();
        for (index, via) in self.queue() {
            let keys = self.keys(&self.clusters[index].shards);
            let free = !keys.iter().any(|key| taken.contains(key));
            // The first in the queue keeps its place even while it waits.
            taken.extend(&keys);
            if !free || (via == Via::StartNext && self.chain_not_before > now.monotonic) {
                continue;
            }
            let rested = self.rested(&keys);
            if rested > now.monotonic && !self.policy.overlap_boot {
                continue;
            }
            if !self.affordable(now, self.clusters[index].shards.len()) {
                return;
            }
            if let Some(hosts) = &mut self.hosts
                && !hosts.claim(&keys)
            {
                continue;
            }
            self.spawn(now, index, via);
        }
    }

    /// Keys of the shards that may identify right now: of clusters that launch, or were told to end
    /// before they had launched.
    pub(super) fn keys_in_use(&self) -> Vec<u16> {
        self.clusters
            .iter()
            .flat_map(|cluster| self.keys(&cluster.identifying))
            .collect()
    }

    /// With several hosts nothing starts before the others have been heard.
    fn listening_until(&self) -> Option<Duration> {
        self.hosts.as_ref().and_then(Hosts::listen_until)
    }

    fn rested(&self, keys: &[u16]) -> Duration {
        let last = keys.iter().filter_map(|key| self.identified.get(key)).max();
        last.map_or(Duration::ZERO, |last| *last + IDENTIFY_REST)
    }

    /// When the queue has to be looked at again, if nothing else happens.
    pub(super) fn next_admission(&self) -> Option<Duration> {
        if self.closing.is_some() || self.bus_down_since.is_some() || self.budget.fetching {
            return None;
        }
        let queue = self.queue();
        if self.budget.fetch_at.is_some() && (!queue.is_empty() || self.gateway.is_none()) {
            return self
                .budget
                .fetch_at
                .into_iter()
                .chain(self.budget.say_at)
                .min();
        }
        if !self.has_listened() {
            return None;
        }
        let mut taken = self.keys_in_use();
        let mut earliest: Option<Duration> = None;
        for (index, via) in queue {
            let keys = self.keys(&self.clusters[index].shards);
            let free = !keys.iter().any(|key| taken.contains(key));
            taken.extend(&keys);
            let waits = |hosts: &Hosts| hosts.waits_for(&keys);
            if !free || self.hosts.as_ref().is_some_and(waits) {
                continue;
            }
            let chain = if via == Via::StartNext {
                self.chain_not_before
            } else {
                Duration::ZERO
            };
            let rested = if self.policy.overlap_boot {
                Duration::ZERO
            } else {
                self.rested(&keys)
            };
            let at = chain.max(rested);
            let at = self.listening_until().map_or(at, |until| until.max(at));
            if earliest.is_none_or(|earliest| at < earliest) {
                earliest = Some(at);
            }
        }
        earliest
    }

    /// Whether the identify budget allows for so many shards; asks Discord when that is not known
    /// well enough.
    fn affordable(&mut self, now: Now, shards: usize) -> bool {
        if self.budget.fetching {
            return false;
        }
        if self.budget.fetch_at.is_some_and(|at| at > now.monotonic) {
            return false;
        }
        let silent = self
            .budget
            .silent_until
            .filter(|until| *until > now.monotonic);
        if self.budget.stale(now.monotonic) && silent.is_none() {
            self.fetch_gateway();
            return false;
        }
        let Some(remaining) = self.identifies_left() else {
            return false;
        };
        let limit = self.gateway.as_ref().map(|bot| &bot.session_start_limit);
        let reset_after = limit.map_or(0, |limit| limit.reset_after);
        let needed = u32::try_from(shards).unwrap_or(u32::MAX);
        if remaining >= needed && remaining >= self.policy.minimum_sessions {
            self.budget.waiting = false;
            return true;
        }
        let reset = Duration::from_millis(reset_after);
        let pause = if reset.is_zero() {
            EMPTY_BUDGET_RETRY
        } else {
            reset
        };
        let asked = self.budget.asked_at.unwrap_or(now.monotonic);
        let again = (asked + pause).max(now.monotonic + FIRST_RETRY);
        self.budget.fetch_at = Some(again.max(silent.unwrap_or_default()));
        // Marks the answer as used up, so that the time above leads to a new one.
        self.budget.asked_at = None;
        if !self.budget.waiting {
            self.budget.waiting = true;
            warn!(
                remaining,
                needed,
                floor = self.policy.minimum_sessions,
                "too few sessions left, waiting for the limit to reset"
            );
            let wait_s = pause.as_secs();
            self.log(
                now,
                LogEntry::new("identify_budget_wait")
                    .with("remaining", remaining)
                    .with("wait_s", wait_s),
            );
        }
        false
    }

    /// What Discord said, less what was used since.
    pub(super) fn identifies_left(&self) -> Option<u32> {
        let limit = &self.gateway.as_ref()?.session_start_limit;
        Some(limit.remaining.saturating_sub(self.budget.used))
    }

    /// When each of these keys that still rests may be used again.
    fn floors(&self, now: Now, keys: &[u16]) -> BTreeMap<u16, DateTime<Utc>> {
        let rests = |key: &u16| {
            let rested = *self.identified.get(key)? + IDENTIFY_REST;
            let rest = rested.checked_sub(now.monotonic)?;
            (!rest.is_zero()).then(|| (*key, now.wall + rest))
        };
        keys.iter().filter_map(rests).collect()
    }

    fn spawn(&mut self, now: Now, index: usize, via: Via) {
        let keys = self.keys(&self.clusters[index].shards);
        let rest = self.rested(&keys).saturating_sub(now.monotonic);
        let floors = self.floors(now, &keys);
        let incarnation = self.next_incarnation();
        let session_id = self.letters(32);
        let cluster_count = self.cluster_count();
        let shard_count = self.shard_count;
        let timeout = self
            .policy
            .launch_timeout(self.clusters[index].shards.len());
        let cluster = &mut self.clusters[index];
        cluster.incarnation = incarnation;
        cluster.starts = cluster.starts.saturating_add(1);
        cluster.session_id = session_id;
        cluster.started_at = Some(now.wall);
        cluster.process = None;
        cluster.occupied = true;
        cluster.identifying.clone_from(&cluster.shards);
        cluster.runs = Some(Split {
            shards: cluster.shards.clone(),
            shard_count,
        });
        cluster.health.clear();
        cluster.last_checked = None;
        cluster.unresponsive = false;
        cluster.ping.stop();
        let spawn = Spawn {
            cluster: cluster.id,
            incarnation,
            name: cluster.name.clone(),
            shards: cluster.shards.clone(),
            shard_count,
            cluster_count,
            floors,
            gateway_url: self
                .gateway
                .as_ref()
                .map_or_else(String::new, |bot| bot.url.clone()),
            max_concurrency: self.max_concurrency,
        };
        self.budget.spend(spawn.shards.len());
        if let Some(hosts) = &mut self.hosts {
            hosts.count_identifies(spawn.shards.len());
        }
        self.set_state(
            index,
            State::Launching {
                deadline: now.monotonic + timeout + rest,
                via,
            },
        );
        self.effects.push(Effect::Spawn(spawn));
    }

    pub(super) fn on_spawned(
        &mut self,
        now: Now,
        cluster: ClusterId,
        incarnation: u64,
        process: ProcessId,
    ) {
        let Some(index) = self.current(cluster, incarnation) else {
            return;
        };
        self.log(
            now,
            LogEntry::of("cluster_started", cluster).with("pid", process.pid),
        );
        let cluster = &mut self.clusters[index];
        cluster.process = Some(process);
        match cluster.state {
            State::Launching { .. } => cluster.ping.start(now.monotonic + PROBE_INTERVAL),
            // It was told to end before it was there to be told.
            _ => self.effects.push(Effect::Signal {
                cluster: cluster.id,
                incarnation,
                signal: Signal::Terminate,
            }),
        }
        self.changed = true;
    }

    /// The cluster says that all its shards have been ready. Counts once per incarnation and only
    /// while a process of the cluster is launching.
    ///
    /// mewld's message names a cluster, but neither its sender nor an incarnation: whoever is on
    /// the bus can say it. Believing a wrong one costs the order of starts, not the cluster: keys
    /// still rest, and as long as the process itself has not answered a ping, it has some time to
    /// find the bus.
    pub(super) fn on_launch_next(&mut self, now: Now, cluster: ClusterId) {
        let Some(index) = self.index(cluster) else {
            return;
        };
        let named = &self.clusters[index];
        if !matches!(named.state, State::Launching { .. }) || named.process.is_none() {
            return;
        }
        let id = cluster;
        info!(cluster.id = %id, "cluster launched");
        self.mark_identified(now, index);
        let cluster = &mut self.clusters[index];
        // At once: whoever asks for its health need not wait for a long `ping_interval`.
        cluster.ping.start(now.monotonic);
        if cluster.last_checked.is_none() {
            cluster.ping.excused_until = Some(now.monotonic + LISTENS_WITHIN);
        }
        self.set_state(
            index,
            State::Running {
                since: now.monotonic,
            },
        );
        self.chain_not_before = now.monotonic + self.policy.start_next_delay;
        self.announce = true;
        self.release(id);
        if let Some(hosts) = &mut self.hosts {
            hosts.count_launch();
        }
    }

    /// Its process says which shards have identified: others need not wait for all of it to be
    /// ready. As with `launch_next`, a false word costs the order of starts.
    pub(super) fn on_identified(&mut self, now: Now, command: &LauncherCmd) {
        let named = command.cluster_id().and_then(|id| self.index(id));
        let Some((index, said)) = named.zip(command.shards()) else {
            return self.complain(now, "dropped an `identified` of no cluster", command);
        };
        let cluster = &mut self.clusters[index];
        // With a pause between starts it begins when all of the cluster is up.
        if cluster.process.is_none() || !self.policy.start_next_delay.is_zero() {
            return;
        }
        let done = |shard: &mut ShardId| said.contains(shard);
        let shards: Vec<_> = cluster.identifying.extract_if(.., done).collect();
        self.rest_keys(now, &shards);
    }

    /// The cluster has identified or can do so no more: its keys rest from now on.
    pub(super) fn mark_identified(&mut self, now: Now, index: usize) {
        let shards = std::mem::take(&mut self.clusters[index].identifying);
        self.rest_keys(now, &shards);
    }

    fn rest_keys(&mut self, now: Now, shards: &[ShardId]) {
        for key in self.keys(shards) {
            self.identified.insert(key, now.monotonic);
            self.changed = true;
        }
    }

    /// Tells everyone once no cluster is left to launch. Said again whenever a restarted cluster
    /// has launched, as mewld does; a rolling restart or reshard says it once, at its end.
    pub(super) fn announce_when_up(&mut self) {
        let waiting = !self.announce
            || self.sequence.is_some()
            || self.roll_of_hosts().is_some()
            || self.closing.is_some();
        let up = !self.clusters.is_empty() && self.clusters.iter().all(Cluster::settled);
        // One host says it for all of them.
        if waiting || !up || !self.leads() || !self.others_are_up() {
            return;
        }
        self.changed |= !self.fully_up;
        self.announce = false;
        self.fully_up = true;
        info!("all clusters launched");
        let command_id = self.letters(COMMAND_ID_LENGTH);
        self.publish(LauncherReply::all_clusters_launched(command_id).to_json());
    }
}
