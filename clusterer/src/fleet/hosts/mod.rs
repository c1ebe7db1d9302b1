//! A fleet over several hosts: each clusterer runs a range of the shards and tells the others on
//! the bus what it does. Nobody is elected. The owner of a cluster acts on it and answers for it;
//! the host with shard 0 answers for the fleet.

mod alone;
mod announcement;
mod claims;
mod forward;
mod hear;
mod roll;
mod tell;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use splashtail_core::ids::ClusterId;

pub(super) use self::alone::Alone;
pub(super) use self::announcement::{Announcement, NamedInstance, RollKind};
use self::announcement::{Done, Roll};
use self::claims::{Claims, Wanted};
pub(super) use self::forward::Concern;
use self::forward::Forwarded;
use super::Fleet;
use crate::map::Layout;

/// A host says what it does this often, and at once when it changes.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// One that is silent for three of them is gone.
const GONE_AFTER: Duration = Duration::from_secs(15);
/// Shortest time between two announcements of one host.
const PACE: Duration = Duration::from_millis(50);
/// More than this many hosts are not believed.
const MOST_HOSTS: usize = 256;

#[derive(Debug)]
pub(super) struct Hosts {
    id: String,
    name: String,
    /// See [`Announcement::since`]; 0 until the first event.
    since: i64,
    layout: Layout,
    sequence: u64,
    joined: bool,
    /// Until then it only listens, after its start and after a loss of the bus.
    listen_until: Option<Duration>,
    last_told: Option<Duration>,
    /// There is news to tell.
    due: bool,
    /// When the fleet last handled an event: later than a tick was due means that this process
    /// stood still, and silence of others proves nothing.
    last_event: Duration,
    peers: BTreeMap<String, Peer>,
    launches: u64,
    identifies: u64,
    claims: Claims,
    /// Keys that queued clusters asked for in the last pass.
    wanted: Vec<u16>,
    /// The rolling operation that this host, having shard 0, leads.
    roll: Option<Leading>,
    /// The one in which it is its turn.
    turn: Option<String>,
    done: Option<Done>,
    forwarded: HashMap<String, Forwarded>,
    /// What was last said about missing shards.
    said_missing: Option<String>,
}

#[derive(Debug)]
struct Peer {
    heard: Duration,
    said: Announcement,
}

#[derive(Debug)]
struct Leading {
    roll: Roll,
    /// Ids of the other hosts when it began.
    with: Vec<String>,
}

impl Hosts {
    pub(super) fn new(layout: Layout, name: String, id: String) -> Self {
        Self {
            id,
            name,
            since: 0,
            layout,
            sequence: 0,
            joined: false,
            listen_until: None,
            last_told: None,
            due: true,
            last_event: Duration::ZERO,
            peers: BTreeMap::new(),
            launches: 0,
            identifies: 0,
            claims: Claims::default(),
            wanted: Vec::new(),
            roll: None,
            turn: None,
            done: None,
            forwarded: HashMap::new(),
            said_missing: None,
        }
    }

    /// Continues with the clusters of a predecessor: there is nothing to wait for.
    pub(super) fn adopt(&mut self, since: i64) {
        self.since = since;
        self.joined = true;
    }

    pub(super) fn since(&self) -> i64 {
        self.since
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// It answers for the fleet.
    pub(super) fn leads(&self) -> bool {
        self.layout.first == 0
    }

    pub(super) fn listening(&self, now: Duration) -> bool {
        self.listen_until.is_none_or(|until| until > now)
    }

    /// It has heard long enough to speak of others.
    fn knows(&self, now: Duration) -> bool {
        self.joined && !self.listening(now)
    }

    pub(super) fn listen_until(&self) -> Option<Duration> {
        self.listen_until
    }

    /// What the other hosts said, in the order of their ranges.
    pub(super) fn others(&self) -> Vec<&Announcement> {
        let mut others: Vec<_> = self.peers.values().map(|peer| &peer.said).collect();
        others.sort_by_key(|said| said.layout.first);
        others
    }

    fn leader(&self) -> Option<&Announcement> {
        self.others()
            .into_iter()
            .find(|said| said.layout.first == 0)
    }

    /// Another host has the cluster.
    pub(super) fn elsewhere(&self, cluster: ClusterId) -> Option<&Announcement> {
        let mut others = self.peers.values().map(|peer| &peer.said);
        others.find(|said| said.layout.has_cluster(cluster))
    }

    /// Shards that no host runs, as ranges.
    pub(super) fn missing(&self) -> Vec<(u16, u16)> {
        let mut ranges = vec![self.layout];
        ranges.extend(self.peers.values().map(|peer| peer.said.layout));
        let mut missing: Vec<(u16, u16)> = Vec::new();
        for shard in 0..self.layout.shard_count {
            if ranges.iter().any(|range| range.has_shard(shard)) {
                continue;
            }
            match missing.last_mut() {
                Some((_, last)) if *last + 1 == shard => *last = shard,
                _ => missing.push((shard, shard)),
            }
        }
        missing
    }

    /// Every shard has a host, and all other hosts have launched what they run.
    fn others_are_up(&self) -> bool {
        let up = |said: &Announcement| said.joined && said.settled;
        self.missing().is_empty() && self.peers.values().all(|peer| up(&peer.said))
    }

    /// No cluster of another host is on its way up or down.
    pub(super) fn others_settled(&self) -> bool {
        self.peers.values().all(|peer| peer.said.settled)
    }

    pub(super) fn count_launch(&mut self) {
        self.launches += 1;
    }

    pub(super) fn count_identifies(&mut self, shards: usize) {
        self.identifies += u64::try_from(shards).unwrap_or(u64::MAX);
    }

    /// Whether the keys are ours to identify with. If not, it asks for them.
    pub(super) fn claim(&mut self, keys: &[u16]) -> bool {
        self.wanted.extend(keys);
        match self.claims.want(keys, self.sequence + 1) {
            Wanted::Granted => true,
            Wanted::Waiting => false,
            Wanted::Claimed => {
                self.due = true;
                false
            }
        }
    }

    /// The keys are asked for, and it depends on others when they are ours.
    pub(super) fn waits_for(&self, keys: &[u16]) -> bool {
        self.claims.waits(keys)
    }

    /// Before a pass over the start queue: only what is asked for in it stays claimed.
    pub(super) fn forget_wanted(&mut self) {
        self.wanted.clear();
    }

    /// A request by HTTP waits for another host.
    pub(super) fn owes_answers(&self) -> bool {
        !self.forwarded.is_empty()
    }

    /// When the next thing happens here, if nobody says anything.
    pub(super) fn next_deadline(&self, bus_up: bool) -> Option<Duration> {
        let told = match self.last_told {
            None => Duration::ZERO,
            Some(at) if self.due => at + PACE,
            Some(at) => at + INTERVAL,
        };
        let told = bus_up.then_some(told);
        let gone = self.peers.values().map(|peer| peer.heard + GONE_AFTER);
        let forwarded = self.forwarded.values().map(Forwarded::deadline);
        let listening = self.listen_until.filter(|_| !self.joined);
        gone.chain(forwarded).chain(listening).chain(told).min()
    }
}

impl Fleet {
    /// A fleet with one host is always complete.
    pub(super) fn complete(&self) -> bool {
        self.hosts
            .as_ref()
            .is_none_or(|hosts| hosts.missing().is_empty())
    }

    pub(super) fn others_are_up(&self) -> bool {
        self.hosts.as_ref().is_none_or(Hosts::others_are_up)
    }

    /// Whether this host speaks for the fleet.
    pub(super) fn leads(&self) -> bool {
        self.hosts.as_ref().is_none_or(Hosts::leads)
    }
}
