//! Rolling operations over several hosts. The host with shard 0 announces one and hosts take their
//! turns in the order of their ranges: each begins when all before it have announced that they are
//! done. A host that joins or goes meanwhile ends it.

use splashtail_ipc::launcher::COMMAND_ID_LENGTH;
use tracing::{info, warn};

use super::super::cluster::Via;
use super::super::{Fleet, Now};
use super::{Done, Leading, Roll, RollKind};
use crate::action_log::LogEntry;

impl Fleet {
    /// Only on the host with shard 0.
    pub(in crate::fleet) fn lead_roll(&mut self, kind: RollKind) {
        let roll = Roll {
            id: self.letters(COMMAND_ID_LENGTH),
            kind,
        };
        if let Some(hosts) = &mut self.hosts {
            let with = hosts.peers.keys().cloned().collect();
            hosts.roll = Some(Leading { roll, with });
            hosts.due = true;
        }
    }

    /// The operation under way anywhere in the fleet.
    pub(in crate::fleet) fn roll_of_hosts(&self) -> Option<RollKind> {
        self.current_roll().map(|roll| roll.kind)
    }

    fn current_roll(&self) -> Option<&Roll> {
        let hosts = self.hosts.as_ref()?;
        if hosts.leads() {
            return hosts.roll.as_ref().map(|leading| &leading.roll);
        }
        hosts.leader()?.roll.as_ref()
    }

    pub(in crate::fleet) fn advance_roll(&mut self, now: Now) {
        self.lead_on(now);
        let roll = self.current_roll().cloned();
        let Some(hosts) = &mut self.hosts else { return };
        if let Some(turn) = &hosts.turn {
            if roll.is_none_or(|roll| roll.id != *turn) {
                warn!("the rolling operation of the fleet was given up");
                hosts.turn = None;
                self.finish_early();
            }
            return;
        }
        let Some(roll) = roll.filter(|_| self.sequence.is_none() && self.closing.is_none()) else {
            return;
        };
        let done = |done: &Option<Done>| done.as_ref().is_some_and(|done| done.roll == roll.id);
        let before = |peer: &&super::Peer| peer.said.layout.first < hosts.layout.first;
        let our_turn = hosts
            .peers
            .values()
            .filter(before)
            .all(|peer| done(&peer.said.done));
        if our_turn && !done(&hosts.done) {
            info!("it is this host's turn in the rolling operation");
            hosts.turn = Some(roll.id.clone());
            match roll.kind {
                RollKind::Restart => self.take_turn(),
                RollKind::Reshard => self.fetch_for_reshard(),
            }
        }
    }

    /// The host with shard 0 watches over all turns.
    fn lead_on(&mut self, now: Now) {
        let Some(hosts) = &self.hosts else { return };
        let Some(leading) = &hosts.roll else { return };
        let all = hosts
            .peers
            .values()
            .map(|peer| &peer.said.done)
            .chain([&hosts.done]);
        let ours = all
            .flatten()
            .filter(|done| done.roll == leading.roll.id)
            .collect::<Vec<_>>();
        let failed = ours.iter().find_map(|done| done.error.clone());
        let same = hosts.peers.keys().eq(&leading.with);
        let problem = failed
            .or_else(|| (!same).then(|| "a host came or went during the operation".to_owned()));
        let over = ours.len() == hosts.peers.len() + 1;
        if problem.is_none() && !over {
            return;
        }
        let kind = leading.roll.kind;
        if let Some(hosts) = &mut self.hosts {
            hosts.roll = None;
            hosts.due = true;
        }
        self.announce = true;
        let entry = match (kind, problem) {
            (RollKind::Restart, None) => return,
            (RollKind::Restart, Some(problem)) => {
                LogEntry::new(Via::RollingRestart.failure_event())
                    .with("via", Via::RollingRestart.as_str())
                    .with("error", problem)
            }
            (RollKind::Reshard, None) => {
                LogEntry::new("reshard_success").with("subsystem", "redis")
            }
            (RollKind::Reshard, Some(problem)) => LogEntry::new("reshard_failed")
                .with("subsystem", "redis")
                .with("error", problem),
        };
        self.log(now, entry);
    }

    /// This host has taken its turn. Whether it had one.
    pub(in crate::fleet) fn end_turn(&mut self, error: Option<&str>) -> bool {
        let Some(hosts) = &mut self.hosts else {
            return false;
        };
        let Some(roll) = hosts.turn.take() else {
            return false;
        };
        let error = error.map(|error| error.chars().take(200).collect());
        hosts.done = Some(Done { roll, error });
        hosts.due = true;
        true
    }
}
