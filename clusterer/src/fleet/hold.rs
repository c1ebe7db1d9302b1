//! Discord refuses the bot itself: whatever starts is refused, too, and each try costs an identify.
//! So nothing starts until somebody who may have mended it asks for it, and then only what was
//! asked for, until one cluster is up.

use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::GatewayRefusal;
use tracing::{info, warn};

use super::cluster::{State, Via};
use super::{Fleet, Now};
use crate::action_log::LogEntry;

#[derive(Debug)]
pub(super) struct Hold {
    pub(super) refusal: GatewayRefusal,
    /// Clusters that may try all the same.
    tries: Vec<ClusterId>,
}

impl Fleet {
    /// A process ended because Discord refused it. Other tries go on: each may be of a process
    /// that was started after the cause was mended, unlike this one.
    pub(super) fn hold(&mut self, now: Now, index: usize, refusal: GatewayRefusal) {
        let id = self.clusters[index].id;
        let remedy = refusal.remedy();
        warn!(cluster.id = %id, remedy, "{}: nothing starts until an operator starts a cluster", refusal.message());
        let entry = LogEntry::of("discord_refused", id).with("code", refusal.close_code());
        let entry = entry.with("error", refusal.message());
        self.log(now, entry.with("remedy", remedy));
        let mut tries = self.hold.take().map(|hold| hold.tries).unwrap_or_default();
        tries.retain(|tried| *tried != id);
        self.hold = Some(Hold { refusal, tries });
        self.set_state(index, State::Refused);
        for index in 0..self.clusters.len() {
            let cluster = &self.clusters[index];
            let waits = matches!(cluster.state, State::Queued { .. } | State::Backoff { .. });
            if waits && self.is_held_back(cluster.id) {
                self.set_state(index, State::Refused);
            }
        }
        self.abort_sequence(now, refusal.message());
    }

    /// Goes on with the hold of a predecessor. What was refused may be mended by now, as by the
    /// change of configuration that this start is for: the first cluster tries.
    pub(super) fn adopt_hold(&mut self, refusal: Option<GatewayRefusal>, first: Option<ClusterId>) {
        self.hold = refusal.map(|refusal| Hold {
            refusal,
            tries: first.into_iter().collect(),
        });
    }

    /// Somebody asks for this cluster in particular.
    pub(super) fn try_in_spite_of_hold(&mut self, cluster: ClusterId) {
        if let Some(hold) = &mut self.hold
            && !hold.tries.contains(&cluster)
        {
            hold.tries.push(cluster);
        }
    }

    pub(super) fn is_held_back(&self, cluster: ClusterId) -> bool {
        let hold = self.hold.as_ref();
        hold.is_some_and(|hold| !hold.tries.contains(&cluster))
    }

    /// A cluster is up. If it was one that tried, Discord refuses no more.
    pub(super) fn release(&mut self, cluster: ClusterId) {
        let tried = |hold: &Hold| hold.tries.contains(&cluster);
        if !self.hold.as_ref().is_some_and(tried) {
            return;
        }
        info!("Discord refuses the bot no more");
        self.hold = None;
        self.changed = true;
        for index in 0..self.clusters.len() {
            if self.clusters[index].state == State::Refused {
                self.clusters[index].crashes.clear();
                self.enqueue(index, Via::StartNext);
            }
        }
    }
}
