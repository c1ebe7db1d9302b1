//! What must hold after every event.

use super::super::super::*;
use super::World;

#[derive(Debug)]
pub(super) struct Place {
    state: State,
    incarnation: u64,
    occupied: bool,
}

impl World {
    /// An end that the event reports has happened already.
    pub(super) fn places_before(&self, event: &Event) -> Vec<Place> {
        let mut places = self.places();
        if let Event::Exited {
            cluster,
            incarnation,
            ..
        }
        | Event::SpawnFailed {
            cluster,
            incarnation,
            ..
        } = event
            && let Some(index) = self.fleet.current(*cluster, *incarnation)
        {
            places[index].occupied = false;
        }
        places
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let place = |cluster: &Cluster| Place {
            state: cluster.state,
            incarnation: cluster.incarnation,
            occupied: cluster.occupied,
        };
        self.fleet.clusters().iter().map(place).collect()
    }

    pub(in super::super) fn check_invariants(&self) {
        let mut shards = self.shards_alive();
        let count = shards.len();
        shards.sort_unstable();
        shards.dedup();
        assert_eq!(shards.len(), count, "a shard runs in two processes");
        for (incarnation, process) in &self.processes {
            let cluster = &self.fleet.clusters()[self.fleet.index(process.cluster).unwrap()];
            assert_eq!(cluster.incarnation, *incarnation, "a process nobody knows");
            assert!(cluster.occupied);
            assert!(process.started <= self.time);
        }
        for cluster in self.fleet.clusters() {
            let lives = self.processes.contains_key(&cluster.incarnation);
            assert_eq!(cluster.occupied, lives, "{cluster:?}");
            let wants = matches!(
                cluster.state,
                State::Launching { .. } | State::Running { .. } | State::Stopping { .. }
            );
            assert_eq!(wants, lives, "{cluster:?}");
        }
    }
}

/// What one event may do to a cluster.
pub(super) fn check_moves(before: &[Place], after: &[Place]) {
    for (id, (was, is)) in before.iter().zip(after).enumerate() {
        let same = was.incarnation == is.incarnation;
        assert!(
            same || !was.occupied,
            "cluster {id} started beside its old process"
        );
        let launching = matches!(was.state, State::Launching { .. });
        let running = matches!(was.state, State::Running { .. });
        let stopping = matches!(was.state, State::Stopping { .. });
        let legal = match is.state {
            State::Running { .. } => same && (launching || running),
            State::Stopping { .. } => same && (launching || running || stopping),
            // Its start comes after an end or a decision, never out of a life.
            State::Launching { .. } => (same && launching) || !running,
            State::Queued { .. } => !launching && !running,
            State::Stopped | State::Backoff { .. } | State::Refused => !is.occupied,
        };
        assert!(legal, "cluster {id}: {was:?} became {is:?}");
    }
}
