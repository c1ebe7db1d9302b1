//! The clusters of one bot as a state machine without I/O.
//!
//! [`Fleet::handle`] takes one event and the time and returns what is to be done; nothing here
//! waits, reads a clock or talks to anyone. Each [`Cluster`] is an actor in the sense that only
//! its own transitions change it, one at a time, and that everything which concerns a process
//! carries the incarnation it was started under: whatever arrives for an older one is dropped.

mod adopt;
mod cluster;
mod commands;
mod event;
mod hold;
mod hosts;
mod launch;
mod sequence;
mod stop;
mod supervise;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::{COMMAND_ID_LENGTH, nonce};

pub use adopt::{Remembered, SavedCluster, SavedFleet, SavedState};
pub use cluster::{Cluster, ProcessId, State, Then, Via};
pub use commands::{ACTIONS, Refusal};
pub use event::{Effect, Event, Exit, GatewayFailure, Origin, Signal, Spawn};

pub use view::{ClusterNumbers, Numbers};

use crate::action_log::LogEntry;
use crate::complaints::Complaints;
use crate::map::{Layout, Ports};
use hold::Hold;
use hosts::{Alone, Hosts};
use launch::Budget;
use sequence::Sequence;
use stop::Closing;

/// The two times an event happens at.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub monotonic: Duration,
    pub wall: DateTime<Utc>,
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Policy {
    pub names: Vec<String>,
    pub per_cluster: u16,
    pub fixed_shard_count: Option<u16>,
    /// What this host runs, when the fleet has several.
    pub layout: Option<Layout>,
    /// Host name and port, as other hosts show it.
    pub host: String,
    pub minimum_sessions: u32,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub start_next_delay: Duration,
    /// The clusters understand `IDENTIFY_NOT_BEFORE`, so they may boot while a key rests.
    pub overlap_boot: bool,
    /// Grace between SIGTERM and SIGKILL for one cluster.
    pub stop_grace: Duration,
    /// How long to listen for other clusterers, once messages come back, before anything starts.
    pub listen: Duration,
    /// The same when the whole fleet stops.
    pub shutdown_grace: Duration,
    /// Time to launch beyond what each shard gets.
    pub launch_base: Duration,
    pub reshard_enabled: bool,
    pub reshard_all: bool,
    pub ports: Ports,
    /// Directory of the clusters, for the instance list.
    pub dir: String,
}

/// What one shard may take to identify and become ready.
const LAUNCH_PER_SHARD: Duration = Duration::from_secs(15);

impl Policy {
    fn launch_timeout(&self, shards: usize) -> Duration {
        self.launch_base
            + LAUNCH_PER_SHARD.saturating_mul(u32::try_from(shards).unwrap_or(u32::MAX))
    }
}

#[derive(Debug)]
pub struct Fleet {
    policy: Policy,
    rng: StdRng,
    /// Of this host, in the order of their ids.
    clusters: Vec<Cluster>,
    /// Of the whole fleet.
    shard_count: u16,
    /// The others, when the fleet has several hosts.
    hosts: Option<Hosts>,
    /// How it tells others that there are none, when it has not.
    alone: Option<Alone>,
    complaints: Complaints,
    gateway: Option<GatewayBot>,
    /// What Discord said to a predecessor.
    last_answer: Option<GatewayBot>,
    /// Shards with equal `id % max_concurrency` share an identify key.
    max_concurrency: u16,
    budget: Budget,
    /// When a shard of an identify key (`shard % max_concurrency`) last identified.
    identified: HashMap<u16, Duration>,
    /// No start of the initial launch before this.
    chain_not_before: Duration,
    /// `Some(since)` while messages do not arrive.
    bus_down_since: Option<Duration>,
    /// All clusters were launched once. Crashes do not change it, resharding does.
    fully_up: bool,
    /// A cluster launched since this was last told to everyone.
    announce: bool,
    sequence: Option<Sequence>,
    /// Discord refuses the bot.
    hold: Option<Hold>,
    /// The fleet is being stopped for good.
    closing: Option<Closing>,
    /// What a predecessor knew whose clusters are gone.
    remembered: Remembered,
    incarnations: u64,
    queue_tickets: u64,
    changed: bool,
    effects: Vec<Effect>,
    /// Answers to commands on a bus with several hosts.
    answers: Vec<Effect>,
}

impl Fleet {
    /// A fleet without clusters that asks for the gateway's answer first. `seed` drives nonces,
    /// session ids and jitter.
    pub fn new(policy: Policy, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let id = nonce(COMMAND_ID_LENGTH, &mut rng);
        let alone = policy.layout.is_none().then(|| Alone::new(id.clone()));
        let hosts = policy
            .layout
            .map(|layout| Hosts::new(layout, policy.host.clone(), id));
        Self {
            alone,
            policy,
            rng,
            hosts,
            complaints: Complaints::default(),
            clusters: Vec::new(),
            shard_count: 0,
            gateway: None,
            last_answer: None,
            max_concurrency: 1,
            budget: Budget::default(),
            identified: HashMap::new(),
            chain_not_before: Duration::ZERO,
            bus_down_since: None,
            fully_up: false,
            announce: false,
            sequence: None,
            hold: None,
            closing: None,
            remembered: Remembered::default(),
            incarnations: 0,
            queue_tickets: 0,
            changed: false,
            effects: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// What Discord said when it was asked last, for when it does not answer.
    pub fn recall(&mut self, answer: Option<GatewayBot>) {
        self.last_answer = answer;
    }

    /// Takes one event in and returns what has to be done, in order. The effects are to be carried
    /// out before the next event is taken in.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Effect> {
        match event {
            Event::Tick => {}
            Event::Gateway(outcome) => self.on_gateway(now, outcome),
            Event::Spawned {
                cluster,
                incarnation,
                process,
            } => {
                self.on_spawned(now, cluster, incarnation, process);
            }
            Event::SpawnFailed {
                cluster,
                incarnation,
                error,
            } => {
                self.on_spawn_failed(now, cluster, incarnation, &error);
            }
            Event::Exited {
                cluster,
                incarnation,
                exit,
            } => {
                self.on_exited(now, cluster, incarnation, exit);
            }
            Event::Command { origin, command } => self.on_command(now, &origin, &command),
            Event::Note(entry) => self.note(now, entry),
            Event::PingHeard(request) => self.on_ping_heard(now, &request),
            Event::Peer(command) => self.on_peer(now, &command),
            Event::Answer { command_id, output } => self.on_answer(&command_id, output),
            Event::Bus { up } => self.on_bus(now, up),
            Event::Shutdown => self.close(now, 0, None),
        }
        self.advance(now);
        self.announce_and_answer(now);
        self.finish_closing(now);
        // While the fleet closes, the file keeps telling what was wanted before.
        if std::mem::take(&mut self.changed) && self.closing.is_none() {
            let saved = self.saved(now);
            self.effects.push(Effect::Save(saved));
        }
        std::mem::take(&mut self.effects)
    }

    /// Everything that time or the last event made due.
    fn advance(&mut self, now: Now) {
        for index in 0..self.clusters.len() {
            self.run_timers(now, index);
        }
        self.watch_hosts(now);
        self.listen(now);
        self.advance_roll(now);
        self.take_up_reshard(now);
        self.advance_sequence(now);
        self.admit(now);
        self.say_long_wait(now);
        self.announce_when_up();
        self.give_up_forwarded(now);
        for cluster in &mut self.clusters {
            let since = cluster.busy_since.unwrap_or(now.wall);
            cluster.busy_since = cluster.busy().then_some(since);
        }
    }

    /// When [`Event::Tick`] is needed next, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Duration> {
        let bus_up = self.bus_down_since.is_none();
        let clusters = self
            .clusters
            .iter()
            .filter_map(|cluster| cluster.next_deadline(bus_up));
        let sequence = self.sequence.as_ref().filter(|_| bus_up);
        let sequence = sequence.and_then(Sequence::deadline);
        let hosts = self.hosts.as_ref();
        let hosts = hosts.and_then(|hosts| hosts.next_deadline(bus_up));
        let alone = self
            .alone
            .as_ref()
            .filter(|_| bus_up && self.closing.is_none());
        let alone = alone.and_then(|alone| alone.next_deadline(self.policy.listen));
        clusters
            .chain(sequence)
            .chain(self.next_admission())
            .chain(hosts)
            .chain(alone)
            .min()
    }

    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// All clusters were launched once, and no host is missing.
    pub fn fully_up(&self) -> bool {
        self.fully_up && self.complete()
    }

    /// Id of the first cluster of this host.
    fn first_cluster(&self) -> u16 {
        self.hosts
            .as_ref()
            .map_or(0, |hosts| hosts.layout().first_cluster())
    }

    /// Of the whole fleet.
    fn cluster_count(&self) -> u16 {
        match &self.hosts {
            Some(hosts) => hosts.layout().cluster_count(),
            None => u16::try_from(self.clusters.len()).unwrap_or(u16::MAX),
        }
    }

    fn index(&self, cluster: ClusterId) -> Option<usize> {
        let index = usize::from(cluster.get().checked_sub(self.first_cluster())?);
        (index < self.clusters.len()).then_some(index)
    }

    /// The cluster, if the incarnation is still its own.
    fn current(&self, cluster: ClusterId, incarnation: u64) -> Option<usize> {
        let index = self.index(cluster)?;
        (self.clusters[index].incarnation == incarnation).then_some(index)
    }

    fn log(&mut self, now: Now, entry: LogEntry) {
        self.effects.push(Effect::Log(entry.at(now.wall)));
    }

    fn publish(&mut self, message: String) {
        self.effects.push(Effect::Publish(message));
    }

    fn letters(&mut self, length: usize) -> String {
        nonce(length, &mut self.rng)
    }

    fn set_state(&mut self, index: usize, state: State) {
        self.clusters[index].state = state;
        self.changed = true;
    }

    fn on_bus(&mut self, now: Now, up: bool) {
        match (self.bus_down_since, up) {
            (None, false) => {
                self.bus_down_since = Some(now.monotonic);
                for cluster in &mut self.clusters {
                    cluster.ping.forget();
                }
            }
            (Some(since), true) => {
                let lost = now.monotonic.saturating_sub(since);
                self.bus_down_since = None;
                if let Some(sequence) = &mut self.sequence {
                    sequence.resume_after(lost);
                }
                for cluster in &mut self.clusters {
                    cluster.resume_after(now.monotonic, lost, self.policy.ping_interval);
                }
                self.listen_anew(now);
                self.tell_anew();
            }
            _ => {}
        }
    }
}
