//! A clusterer without `shard_range` runs every shard, so on its bus there can be no other. It says
//! that it is there and listens before it starts anything, as the hosts of a larger fleet do: two
//! files that do not know of each other must not run one bot twice.

use std::time::Duration;

use splashtail_ipc::launcher::LauncherCmd;
use tracing::warn;

use super::super::event::Effect;
use super::super::{Fleet, Now};
use super::{Announcement, INTERVAL, PACE};
use crate::map::Layout;

/// A first word that does not come back is said again after this time.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in crate::fleet) struct Alone {
    id: String,
    /// See [`Announcement::since`]; 0 until the first event.
    since: i64,
    joined: bool,
    told: Option<Duration>,
    /// When its own word first came back: everybody else has it, too.
    heard_itself: Option<Duration>,
    due: bool,
    sequence: u64,
}

impl Alone {
    pub(in crate::fleet) fn new(id: String) -> Self {
        Self {
            id,
            since: 0,
            joined: false,
            told: None,
            heard_itself: None,
            due: true,
            sequence: 0,
        }
    }

    pub(in crate::fleet) fn since(&self) -> i64 {
        self.since
    }

    /// Continues with the clusters of a predecessor: there is nothing to wait for.
    pub(in crate::fleet) fn adopt(&mut self, since: i64) {
        self.since = since;
        self.joined = true;
    }

    fn pause(&self) -> Duration {
        match (self.due, self.heard_itself) {
            (true, _) => PACE,
            (false, None) => AGAIN,
            (false, Some(_)) => INTERVAL,
        }
    }

    pub(in crate::fleet) fn next_deadline(&self, listen: Duration) -> Option<Duration> {
        let tell = self.told.map_or(Duration::ZERO, |told| told + self.pause());
        let begin = self.heard_itself.filter(|_| !self.joined);
        begin
            .map(|heard| heard + listen)
            .into_iter()
            .chain([tell])
            .min()
    }
}

impl Fleet {
    /// Whether it has listened long enough to start clusters.
    pub(in crate::fleet) fn has_listened(&self) -> bool {
        self.alone.as_ref().is_none_or(|alone| alone.joined)
    }

    pub(in crate::fleet) fn listen(&mut self, now: Now) {
        let listen = self.policy.listen;
        let Some(alone) = &mut self.alone else { return };
        let listened = |heard: Duration| heard + listen <= now.monotonic;
        if !alone.joined && alone.heard_itself.is_some_and(listened) {
            alone.joined = true;
            alone.due = true;
        }
    }

    pub(in crate::fleet) fn announce_alone(&mut self, now: Now) {
        let Some(alone) = &mut self.alone else { return };
        if alone.since == 0 {
            alone.since = now.wall.timestamp_millis();
        }
        let early = alone
            .told
            .is_some_and(|told| told + alone.pause() > now.monotonic);
        if early || self.bus_down_since.is_some() || self.closing.is_some() {
            return;
        }
        self.say_alone(now, false);
    }

    /// The connection to the bus is back: who is new there has not heard of us.
    pub(in crate::fleet) fn tell_anew(&mut self) {
        if let Some(alone) = &mut self.alone {
            alone.due = true;
        }
    }

    pub(in crate::fleet) fn say_alone(&mut self, now: Now, leaving: bool) {
        let fully_up = self.fully_up;
        let layout = self.whole_layout();
        let name = self.policy.host.clone();
        let Some(alone) = &mut self.alone else { return };
        alone.sequence += 1;
        alone.due = false;
        alone.told = Some(now.monotonic);
        let said = Announcement {
            id: alone.id.clone(),
            name,
            since: alone.since,
            sequence: alone.sequence,
            layout,
            whole: true,
            joined: alone.joined,
            leaving,
            settled: false,
            fleet_up: fully_up,
            launches: 0,
            identifies: 0,
            claims: Vec::new(),
            identified: Vec::new(),
            roll: None,
            done: None,
            clusters: Vec::new(),
        };
        let message = LauncherCmd::announce(said.data()).to_json();
        self.effects.push(Effect::Publish(message));
    }

    /// All shards; one as long as nobody knows how many there are.
    fn whole_layout(&self) -> Layout {
        let last = self.shard_count.saturating_sub(1);
        let per_cluster = self.policy.per_cluster;
        let whole = Layout::new((0, last), self.shard_count, per_cluster).ok();
        whole.unwrap_or(Layout {
            first: 0,
            last: 0,
            shard_count: 1,
            per_cluster: 1,
        })
    }

    /// Any other clusterer on this bus is one too many. The younger one ends.
    pub(super) fn on_peer_alone(&mut self, now: Now, command: &LauncherCmd) {
        let Some(said) = Announcement::read(command.data.as_ref()) else {
            return self.complain(now, "dropped an announcement of no host", command);
        };
        let Some(alone) = &mut self.alone else { return };
        if said.id == alone.id {
            alone.heard_itself.get_or_insert(now.monotonic);
            return;
        }
        if said.leaving || self.closing.is_some() {
            return;
        }
        let own = (!alone.joined, alone.since, alone.id.as_str());
        let younger = own > said.rank();
        // It ends when it hears of us.
        alone.due = true;
        let problem = format!(
            "another clusterer is on this bus: {} runs {}. One bot has one clusterer without `shard_range`; \
             run a webserver alone without a clusterer, or give each a `shard_range` or a `redis_channel` of its own",
            said.name,
            said.shards()
        );
        if younger {
            self.close(now, 1, Some(problem));
        } else if self.complaints.allow(now.monotonic).is_some() {
            warn!(
                other = said.name,
                runs = said.shards(),
                "another clusterer is on this bus, it should end now"
            );
        }
    }
}
