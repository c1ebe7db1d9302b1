//! Stopping one cluster, and all of them.

use std::time::Duration;

use tracing::info;

use super::cluster::{State, Then, Via};
use super::event::{Effect, Signal};
use super::hosts::Hosts;
use super::{Fleet, Now};
use crate::action_log::LogEntry;

/// The end of the fleet.
#[derive(Debug)]
pub(super) struct Closing {
    code: u8,
    reason: Option<String>,
    said: bool,
}

impl Fleet {
    /// Tells the process to end, kills it after the grace time, and goes on with `then` once it
    /// is gone. The cluster must be occupied.
    pub(super) fn begin_stop(&mut self, now: Now, index: usize, then: Then, grace: Duration) {
        let cluster = &mut self.clusters[index];
        cluster.session_id.clear();
        cluster.ping.stop();
        if cluster.process.is_some() {
            self.effects.push(Effect::Signal {
                cluster: cluster.id,
                incarnation: cluster.incarnation,
                signal: Signal::Terminate,
            });
        }
        let kill_at = Some(now.monotonic + grace);
        self.set_state(index, State::Stopping { kill_at, then });
    }

    pub(super) fn kill(&mut self, index: usize, then: Then) {
        let cluster = &self.clusters[index];
        self.effects.push(Effect::Signal {
            cluster: cluster.id,
            incarnation: cluster.incarnation,
            signal: Signal::Kill,
        });
        self.set_state(
            index,
            State::Stopping {
                kill_at: None,
                then,
            },
        );
    }

    /// The process of a cluster that was told to end is gone.
    pub(super) fn after_stop(&mut self, now: Now, index: usize, then: Then) {
        let id = self.clusters[index].id;
        self.log(now, LogEntry::of("cluster_stopped", id));
        match then {
            _ if self.closing.is_some() => self.set_state(index, State::Stopped),
            Then::Stop => self.set_state(index, State::Stopped),
            Then::Restart(via) => self.enqueue(index, via),
            Then::Backoff => self.back_off(now, index),
        }
    }

    /// Somebody wants it to run from now on, and deals with what kept it from that: what happened
    /// before is not held against it.
    pub(super) fn restart_as_asked(&mut self, now: Now, index: usize, via: Via) {
        let cluster = &mut self.clusters[index];
        cluster.wanted = true;
        cluster.crashes.clear();
        let id = cluster.id;
        self.try_in_spite_of_hold(id);
        self.restart(now, index, via);
    }

    /// Restarts a cluster whatever it is doing. A stop that is under way ends in a start.
    pub(super) fn restart(&mut self, now: Now, index: usize, via: Via) {
        match self.clusters[index].state {
            State::Launching { .. } | State::Running { .. } => {
                let grace = self.policy.stop_grace;
                self.begin_stop(now, index, Then::Restart(via), grace);
            }
            State::Stopping { kill_at, .. } => {
                self.set_state(
                    index,
                    State::Stopping {
                        kill_at,
                        then: Then::Restart(via),
                    },
                );
            }
            State::Stopped | State::Backoff { .. } | State::Refused => self.enqueue(index, via),
            State::Queued { .. } => {}
        }
    }

    /// Ends supervision and stops every cluster in parallel; [`Effect::Exit`] follows when the
    /// last process is gone. The first call decides the status.
    pub(super) fn close(&mut self, now: Now, code: u8, reason: Option<String>) {
        if self.closing.is_some() {
            return;
        }
        info!("stopping all clusters");
        self.closing = Some(Closing {
            code,
            reason,
            said: false,
        });
        self.sequence = None;
        self.log(now, LogEntry::new("shutdown"));
        let grace = self.policy.shutdown_grace;
        for index in 0..self.clusters.len() {
            match self.clusters[index].state {
                State::Launching { .. } | State::Running { .. } => {
                    self.begin_stop(now, index, Then::Stop, grace);
                }
                State::Stopping { kill_at, .. } => {
                    let kill_at = kill_at.map(|at| at.min(now.monotonic + grace));
                    self.set_state(
                        index,
                        State::Stopping {
                            kill_at,
                            then: Then::Stop,
                        },
                    );
                }
                State::Queued { .. } | State::Backoff { .. } | State::Refused | State::Stopped => {
                    self.set_state(index, State::Stopped);
                }
            }
        }
    }

    pub(super) fn finish_closing(&mut self, now: Now) {
        let occupied = self.clusters.iter().any(|cluster| cluster.occupied);
        // Whoever asked for the end by HTTP is to hear the answer of the others.
        let asked = self.hosts.as_ref().is_some_and(Hosts::owes_answers);
        let closing = self.closing.as_mut();
        let Some(closing) = closing.filter(|closing| !closing.said && !occupied && !asked) else {
            return;
        };
        closing.said = true;
        let (code, reason) = (closing.code, closing.reason.take());
        self.say_good_bye(now);
        self.effects.push(Effect::Exit { code, reason });
    }
}
