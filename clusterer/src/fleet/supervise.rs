//! Watching over clusters: timers, ends of processes, crashes, pings.

use std::time::Duration;

use rand::RngExt;
use serde_json::Value;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::{DiagReply, DiagRequest, LauncherCmd, NONCE_LENGTH};
use tracing::{debug, info, warn};

use super::cluster::{HEALTHY_AFTER, State, Then, Via, Waiting};
use super::event::Exit;
use super::launch::PROBE_INTERVAL;
use super::{Fleet, Now};
use crate::action_log::LogEntry;

/// A process that did not answer two pings is not expected to react to SIGTERM either.
const UNRESPONSIVE_GRACE: Duration = Duration::from_secs(1);
/// A timer that fires this late shows that this process itself was not running.
const STALL: Duration = Duration::from_secs(1);
/// Consecutive misses that lead to a restart.
const MISSES: u32 = 2;

impl Fleet {
    pub(super) fn run_timers(&mut self, now: Now, index: usize) {
        let bus_up = self.bus_down_since.is_none();
        let clock = now.monotonic;
        match self.clusters[index].state {
            State::Launching { deadline, via } if bus_up => {
                if deadline <= clock {
                    self.launch_timed_out(now, index, via);
                } else {
                    self.run_probe(now, index);
                }
            }
            State::Running { since } => {
                if clock.saturating_sub(since) >= HEALTHY_AFTER
                    && !self.clusters[index].crashes.is_clean()
                {
                    self.clusters[index].crashes.clear();
                }
                if bus_up {
                    self.run_ping(now, index);
                }
            }
            State::Stopping {
                kill_at: Some(at),
                then,
            } if at <= clock => {
                // Without a process the spawn is still under way and comes first.
                if self.clusters[index].process.is_some() {
                    warn!(cluster.id = %self.clusters[index].id, "cluster did not stop in time, killing it");
                    self.kill(index, then);
                } else {
                    self.set_state(
                        index,
                        State::Stopping {
                            kill_at: Some(clock + STALL),
                            then,
                        },
                    );
                }
            }
            State::Backoff { until, .. } if until <= clock => self.enqueue(index, Via::Observe),
            _ => {}
        }
    }

    fn launch_timed_out(&mut self, now: Now, index: usize, via: Via) {
        let id = self.clusters[index].id;
        warn!(cluster.id = %id, "cluster did not launch in time");
        let entry = LogEntry::of(via.failure_event(), id).with("via", via.as_str());
        self.log(now, entry.with("error", "launch deadline passed"));
        let grace = self.policy.stop_grace;
        self.begin_stop(now, index, Then::Backoff, grace);
    }

    pub(super) fn on_spawn_failed(
        &mut self,
        now: Now,
        cluster: ClusterId,
        incarnation: u64,
        error: &str,
    ) {
        let Some(index) = self.current(cluster, incarnation) else {
            return;
        };
        warn!(cluster.id = %cluster, error, "cannot start cluster");
        let state = self.clusters[index].state;
        self.vacate(index);
        self.clusters[index].identifying.clear();
        match state {
            State::Launching { via, .. } => {
                let entry = LogEntry::of(via.failure_event(), cluster).with("via", via.as_str());
                self.log(now, entry.with("error", error));
                self.back_off(now, index);
            }
            State::Stopping { then, .. } => self.after_stop(now, index, then),
            _ => {}
        }
    }

    pub(super) fn on_exited(&mut self, now: Now, cluster: ClusterId, incarnation: u64, exit: Exit) {
        let Some(index) = self.current(cluster, incarnation) else {
            return;
        };
        if !self.clusters[index].occupied {
            return;
        }
        self.mark_identified(now, index);
        self.vacate(index);
        match self.clusters[index].state {
            State::Stopping { then, .. } => self.after_stop(now, index, then),
            State::Launching { .. } | State::Running { .. } => match exit.refused {
                Some(refusal) => self.hold(now, index, refusal),
                // Nobody asked for it, so it is a crash, exit status 0 included.
                None => self.crashed(now, index, exit),
            },
            State::Stopped | State::Queued { .. } | State::Backoff { .. } | State::Refused => {}
        }
    }

    fn crashed(&mut self, now: Now, index: usize, exit: Exit) {
        let id = self.clusters[index].id;
        let signal = exit.signal_name();
        warn!(cluster.id = %id, code = exit.code, signal, "cluster ended by itself");
        let entry = LogEntry::of("cluster_crashed", id).with("code", exit.code);
        let entry = entry.with("signal", exit.signal);
        self.log(now, entry.with("signal_name", signal));
        self.back_off(now, index);
    }

    /// The process is gone: nothing of it may be mistaken for the next one's.
    fn vacate(&mut self, index: usize) {
        let cluster = &mut self.clusters[index];
        cluster.occupied = false;
        cluster.process = None;
        cluster.runs = None;
        cluster.session_id.clear();
        cluster.health.clear();
        cluster.unresponsive = false;
        cluster.ping.stop();
        self.changed = true;
    }

    pub(super) fn back_off(&mut self, now: Now, index: usize) {
        if self.closing.is_some() {
            return self.set_state(index, State::Stopped);
        }
        let jitter = self.rng.random_range(0.0..1.0);
        let pause = self.clusters[index].crashes.add(now.monotonic, jitter);
        let id = self.clusters[index].id;
        if pause.held {
            warn!(cluster.id = %id, "cluster keeps crashing, holding it");
        }
        let delay_s = pause.delay.as_secs();
        self.log(
            now,
            LogEntry::of("cluster_backoff", id)
                .with("delay_s", delay_s)
                .with("held", pause.held),
        );
        self.set_state(
            index,
            State::Backoff {
                until: now.monotonic + pause.delay,
                held: pause.held,
            },
        );
    }

    /// While a cluster launches it is asked for its health so that a lost `launch_next` does not
    /// matter and the cluster knows that it has a clusterer. Silence does not count.
    fn run_probe(&mut self, now: Now, index: usize) {
        let ping = &mut self.clusters[index].ping;
        if ping
            .waiting
            .as_ref()
            .is_some_and(|waiting| waiting.deadline <= now.monotonic)
        {
            ping.start(now.monotonic);
        }
        if ping.waiting.is_none() && ping.at.is_some_and(|at| at <= now.monotonic) {
            self.send_ping(now, index, PROBE_INTERVAL);
        }
    }

    fn run_ping(&mut self, now: Now, index: usize) {
        let clock = now.monotonic;
        let ping = &mut self.clusters[index].ping;
        if let Some(waiting) = ping.waiting.take_if(|waiting| waiting.deadline <= clock) {
            ping.at = Some(clock);
            let excused = if clock.saturating_sub(waiting.deadline) > STALL {
                Some("this process stood still")
            } else if !waiting.heard {
                Some("the bus has not delivered it")
            } else if ping.excused_until.is_some_and(|until| until > clock) {
                Some("the cluster may not be listening yet")
            } else {
                None
            };
            match excused {
                Some(reason) => {
                    debug!(cluster.id = %self.clusters[index].id, reason, "not counting a ping");
                }
                None => self.on_miss(now, index),
            }
        } else if ping.waiting.is_some() {
            return;
        }
        let due = self.clusters[index].ping.at.is_some_and(|at| at <= clock);
        if due && matches!(self.clusters[index].state, State::Running { .. }) {
            self.send_ping(now, index, self.policy.ping_timeout);
        }
    }

    fn send_ping(&mut self, now: Now, index: usize, timeout: Duration) {
        let nonce = self.letters(NONCE_LENGTH);
        let cluster = &mut self.clusters[index];
        cluster.ping.at = None;
        let (sent, deadline) = (now.monotonic, now.monotonic + timeout);
        cluster.ping.waiting = Some(Waiting {
            nonce: nonce.clone(),
            sent,
            deadline,
            heard: false,
        });
        let request = DiagRequest::new(cluster.id, nonce);
        self.publish(request.to_json());
    }

    /// A ping came back from the bus, which shows that the bus works and how far behind it is.
    pub(super) fn on_ping_heard(&mut self, now: Now, request: &DiagRequest) {
        let Some(index) = self.index(request.id) else {
            return;
        };
        let cluster = &mut self.clusters[index];
        let timeout = if cluster.launched() {
            self.policy.ping_timeout
        } else {
            PROBE_INTERVAL
        };
        if let Some(waiting) = &mut cluster.ping.waiting
            && waiting.nonce == request.nonce
            && !waiting.heard
        {
            waiting.heard = true;
            waiting.deadline = now.monotonic + timeout;
        }
    }

    fn on_miss(&mut self, now: Now, index: usize) {
        let cluster = &mut self.clusters[index];
        cluster.ping.misses += 1;
        cluster.unresponsive = true;
        let (id, misses) = (cluster.id, cluster.ping.misses);
        warn!(cluster.id = %id, misses, "cluster does not answer");
        self.log(now, LogEntry::of("ping_failure", id).with("misses", misses));
        if misses < MISSES {
            return;
        }
        // The first restart is immediate; a cluster that hangs again and again backs off.
        let fresh = self.clusters[index].crashes.is_clean();
        let then = if fresh {
            Then::Restart(Via::PingCheck)
        } else {
            Then::Backoff
        };
        if fresh {
            self.clusters[index].crashes.add(now.monotonic, 0.0);
        }
        self.begin_stop(now, index, then, UNRESPONSIVE_GRACE);
    }

    /// An answer counts when its nonce is the one that is waited for, the sender is the cluster
    /// that was asked and the health is of that cluster's shards: a peer that answers every ping it
    /// hears, whoever was asked, proves nothing. Everything else, late answers too, is dropped.
    pub(super) fn on_diag(&mut self, now: Now, command: &LauncherCmd) {
        let waiting_for = |nonce: &str| {
            self.clusters.iter().position(|cluster| {
                cluster
                    .ping
                    .waiting
                    .as_ref()
                    .is_some_and(|waiting| waiting.nonce == nonce)
            })
        };
        let output = command.output.as_ref().unwrap_or(&Value::Null);
        let sender = |nonce: &str| waiting_for(nonce).map(|index| self.clusters[index].id);
        let Some(reply) = DiagReply::from_output_of(output, sender) else {
            debug!("dropped a diag reply that nobody waits for");
            return;
        };
        let Some(index) = waiting_for(&reply.nonce) else {
            debug!(cluster.id = %reply.cluster_id, "dropped a late diag reply");
            return;
        };
        if self.clusters[index].id != reply.cluster_id {
            return self.complain(
                now,
                "dropped a diag reply in another cluster's name",
                command,
            );
        }
        let own = &self.clusters[index].shards;
        if reply
            .data
            .iter()
            .any(|health| !own.contains(&health.shard_id))
        {
            return self.complain(
                now,
                "dropped a diag reply about another cluster's shards",
                command,
            );
        }
        let interval = if self.clusters[index].launched() {
            self.policy.ping_interval
        } else {
            PROBE_INTERVAL
        };
        let cluster = &mut self.clusters[index];
        if let Some(waiting) = cluster.ping.waiting.take() {
            cluster.ping.at = Some((waiting.sent + interval).max(now.monotonic));
        }
        if cluster.unresponsive {
            info!(cluster.id = %cluster.id, "cluster answers again");
        }
        cluster.ping.misses = 0;
        cluster.ping.excused_until = None;
        cluster.unresponsive = false;
        cluster.health = reply.data;
        cluster.last_checked = Some(now.wall);
        let id = cluster.id;
        let up = |shard| {
            cluster
                .health
                .iter()
                .any(|health| health.shard_id == shard && health.up)
        };
        let all_up = cluster.shards.iter().all(|shard| up(*shard));
        if all_up && matches!(cluster.state, State::Launching { .. }) {
            info!(cluster.id = %id, "all shards are up: taking that for launch_next");
            self.on_launch_next(now, id);
        }
    }
}
