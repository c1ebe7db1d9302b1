//! A fleet over several hosts: each clusterer runs a range of the shards and tells the others on
//! the bus what it does. Nobody is elected. The owner of a cluster acts on it and answers for it;
//! the host with shard 0 answers for the fleet.

mod announcement;
mod claims;
mod forward;
mod roll;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::Value;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::LauncherCmd;
use tracing::{info, warn};

pub(super) use self::announcement::{Announcement, NamedInstance, RollKind};
use self::announcement::{Done, Roll};
use self::claims::{Claims, Wanted};
pub(super) use self::forward::Concern;
use self::forward::Forwarded;
use super::cluster::Cluster;
use super::event::Effect;
use super::{Fleet, Now};
use crate::action_log::LogEntry;
use crate::complaints::shown;
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

    /// A message that only clusterers send.
    pub(super) fn on_peer(&mut self, now: Now, command: &LauncherCmd) {
        let Some(hosts) = &self.hosts else { return };
        if command.action != "announce" {
            return;
        }
        let Some(said) = Announcement::read(command.data.as_ref()) else {
            return self.complain(now, "dropped an announcement of no host", command);
        };
        if said.id == hosts.id {
            self.on_own_announcement(&said);
        } else if said.leaving {
            self.lose_host(now, &said.id, "said good-bye");
        } else if self.stands_beside(now, &said) {
            self.on_announcement(now, said);
        }
    }

    fn on_own_announcement(&mut self, said: &Announcement) {
        if let Some(hosts) = &mut self.hosts {
            let others = hosts.peers.values();
            let others = others.map(|peer| (peer.said.id.as_str(), peer.said.claims.as_slice()));
            hosts.claims.returned(said.sequence, others);
        }
    }

    /// Whether both hosts can be there at the same time. If not, the younger one ends.
    fn stands_beside(&mut self, now: Now, said: &Announcement) -> bool {
        let Some(hosts) = &self.hosts else {
            return false;
        };
        let (ours, theirs) = (hosts.layout, said.layout);
        let same_fleet =
            (ours.shard_count, ours.per_cluster) == (theirs.shard_count, theirs.per_cluster);
        let problem = if !same_fleet {
            format!(
                "this host {} has {} shards with {} a cluster, host {} has {} with {}: \
                 `fixed_shard_count` and `per_cluster` must be the same on all hosts",
                hosts.name,
                ours.shard_count,
                ours.per_cluster,
                said.name,
                theirs.shard_count,
                theirs.per_cluster
            )
        } else if ours.overlaps(&theirs) {
            format!(
                "the shards {ours} of this host {} overlap with the shards {theirs} of host {} (`shard_range`)",
                hosts.name, said.name
            )
        } else {
            return true;
        };
        let own = (!hosts.joined, hosts.since, hosts.id.as_str());
        if own > said.rank() {
            self.close(now, 1, Some(problem));
            return false;
        }
        if self.complaints.allow(now.monotonic).is_some() {
            warn!(problem, "another host does not fit, it should end now");
        }
        // It ends when it hears of us.
        if let Some(hosts) = &mut self.hosts {
            hosts.due = true;
        }
        false
    }

    fn on_announcement(&mut self, now: Now, said: Announcement) {
        let Some(hosts) = &mut self.hosts else { return };
        let rival = hosts
            .peers
            .values()
            .map(|peer| &peer.said)
            .find(|peer| peer.id != said.id && peer.layout.overlaps(&said.layout));
        if let Some(rival) = rival {
            // A successor on the same host takes its place at once. Two others settle it among
            // themselves.
            if rival.name != said.name && rival.rank() < said.rank() {
                return;
            }
            let rival = rival.id.clone();
            self.lose_host(now, &rival, "was replaced");
        }
        let Some(hosts) = &mut self.hosts else { return };
        if !hosts.peers.contains_key(&said.id) && hosts.peers.len() >= MOST_HOSTS {
            return;
        }
        hosts.claims.heard(&said.id, &said.claims);
        let before = hosts.peers.get(&said.id).map(|peer| &peer.said);
        let launched = before.is_some_and(|before| said.launches > before.launches);
        let spent = before.map_or(0, |before| {
            said.identifies.saturating_sub(before.identifies)
        });
        let new = before.is_none();
        // A newcomer need not wait to hear of us.
        hosts.due |= new;
        let up = (said.layout.first == 0).then_some(said.fleet_up);
        let identified = said.identified.clone();
        let (name, shards) = (said.name.clone(), said.layout.to_string());
        let heard = now.monotonic;
        hosts.peers.insert(said.id.clone(), Peer { heard, said });
        self.announce |= launched || (new && !self.fully_up);
        self.budget
            .spend(usize::try_from(spent).unwrap_or(usize::MAX));
        for (key, ago) in identified {
            let at = now.monotonic.saturating_sub(Duration::from_millis(ago));
            let known = self.identified.entry(key).or_insert(at);
            *known = at.max(*known);
        }
        if let Some(up) = up.filter(|up| *up != self.fully_up) {
            self.fully_up = up;
            self.changed = true;
        }
        if new {
            info!(host = name, shards, "another host is there");
            self.log_for_all(
                now,
                LogEntry::new("host_joined")
                    .with("host", name)
                    .with("shards", shards),
            );
        }
    }

    fn lose_host(&mut self, now: Now, id: &str, how: &str) {
        let Some(hosts) = &mut self.hosts else { return };
        let Some(peer) = hosts.peers.remove(id) else {
            return;
        };
        hosts.claims.heard(id, &[]);
        let (name, shards) = (peer.said.name, peer.said.layout.to_string());
        warn!(host = name, shards, how, "a host is gone");
        let entry = LogEntry::new("host_gone").with("host", name);
        self.log_for_all(now, entry.with("shards", shards).with("how", how));
    }

    /// An entry that one host writes for all of them.
    fn log_for_all(&mut self, now: Now, entry: LogEntry) {
        let first = self.hosts.as_ref().is_some_and(|hosts| {
            hosts
                .peers
                .values()
                .all(|peer| peer.said.layout.first > hosts.layout.first)
        });
        if first {
            self.log(now, entry);
        }
    }

    /// Time passed for the other hosts, too.
    pub(super) fn watch_hosts(&mut self, now: Now) {
        let bus_up = self.bus_down_since.is_none();
        let Some(hosts) = &mut self.hosts else { return };
        if hosts.since == 0 {
            hosts.since = now.wall.timestamp_millis();
        }
        let stood_still = now.monotonic.saturating_sub(hosts.last_event) > INTERVAL * 2;
        hosts.last_event = now.monotonic;
        if hosts.listen_until.is_none() {
            hosts.listen_until = Some(now.monotonic + INTERVAL);
        }
        if stood_still || !bus_up {
            for peer in hosts.peers.values_mut() {
                peer.heard = now.monotonic;
            }
        }
        if !hosts.joined && !hosts.listening(now.monotonic) {
            info!(shards = %hosts.layout, "joining the fleet");
            hosts.joined = true;
            hosts.due = true;
        }
        let silent = |peer: &&Peer| now.monotonic.saturating_sub(peer.heard) >= GONE_AFTER;
        let gone: Vec<_> = hosts.peers.values().filter(silent).collect();
        let gone: Vec<_> = gone.iter().map(|peer| peer.said.id.clone()).collect();
        for id in gone {
            self.lose_host(now, &id, "is silent");
        }
        self.say_what_is_missing(now);
    }

    fn say_what_is_missing(&mut self, now: Now) {
        let Some(hosts) = self.hosts.as_mut().filter(|hosts| hosts.joined) else {
            return;
        };
        let ranges = hosts.missing();
        let print = |(first, last): &(u16, u16)| format!("{first}-{last}");
        let missing = ranges.iter().map(print).collect::<Vec<_>>().join(", ");
        if hosts.said_missing.as_ref() == Some(&missing) {
            return;
        }
        let first_word = hosts.said_missing.replace(missing.clone()).is_none();
        if missing.is_empty() {
            info!("every shard has a host");
            if !first_word {
                self.log_for_all(now, LogEntry::new("shards_complete"));
            }
        } else {
            warn!(shards = missing, "no host runs these shards");
            self.log_for_all(now, LogEntry::new("shards_missing").with("shards", missing));
        }
    }

    /// The connection to the bus is back: what was said meanwhile is lost. Nothing new is claimed
    /// until every other host has been heard.
    pub(super) fn listen_anew(&mut self, now: Now) {
        let used = self.keys_in_use();
        let Some(hosts) = &mut self.hosts else { return };
        hosts.listen_until = Some(now.monotonic + INTERVAL);
        hosts.claims.keep(&used);
        hosts.due = true;
    }

    /// Tells the other hosts what they should know, when it is time.
    pub(super) fn announce_host(&mut self, now: Now) {
        let used = self.keys_in_use();
        let changed = self.changed;
        let Some(hosts) = &mut self.hosts else { return };
        let needed = [&used[..], &hosts.wanted].concat();
        hosts.claims.hold(&used, hosts.sequence + 1);
        hosts.due |= hosts.claims.keep(&needed) | changed;
        let pause = if hosts.due { PACE } else { INTERVAL };
        let early = hosts.last_told.is_some_and(|at| at + pause > now.monotonic);
        if early || self.bus_down_since.is_some() {
            return;
        }
        hosts.due = false;
        hosts.last_told = Some(now.monotonic);
        self.say(now, false);
    }

    /// The last announcement.
    pub(super) fn say_good_bye(&mut self, now: Now) {
        if self.hosts.is_some() {
            self.say(now, true);
        }
    }

    fn say(&mut self, now: Now, leaving: bool) {
        let Some(said) = self.announcement(now, leaving) else {
            return;
        };
        if let Some(hosts) = &mut self.hosts {
            hosts.sequence = said.sequence;
        }
        let message = LauncherCmd::announce(said.data()).to_json();
        self.effects.push(Effect::Publish(message));
    }

    fn announcement(&self, now: Now, leaving: bool) -> Option<Announcement> {
        let hosts = self.hosts.as_ref()?;
        let resting = self.identified.iter().filter_map(|(key, at)| {
            let ago = now.monotonic.saturating_sub(*at);
            let ms = u64::try_from(ago.as_millis()).ok()?;
            (ago <= super::launch::KEY_REST).then_some((*key, ms))
        });
        let settled = !self.clusters.is_empty() && self.clusters.iter().all(Cluster::settled);
        let clusters = self.clusters.iter().map(|cluster| NamedInstance {
            name: cluster.name.clone(),
            instance: super::view::instance(cluster),
        });
        Some(Announcement {
            id: hosts.id.clone(),
            name: hosts.name.clone(),
            since: hosts.since,
            sequence: hosts.sequence + 1,
            layout: hosts.layout,
            joined: hosts.joined,
            leaving,
            settled,
            fleet_up: self.fully_up,
            launches: hosts.launches,
            identifies: hosts.identifies,
            claims: hosts.claims.told(),
            identified: resting.collect(),
            roll: hosts.roll.as_ref().map(|leading| leading.roll.clone()),
            done: hosts.done.clone(),
            clusters: clusters.collect(),
        })
    }

    /// Warns of something a peer sent, with its message cut to size.
    pub(super) fn complain(&mut self, now: Now, what: &str, command: &LauncherCmd) {
        if let Some(unsaid) = self.complaints.allow(now.monotonic) {
            let text = command.to_json();
            warn!(message = shown(&text), unsaid, "{what}");
        }
    }

    /// The output of a command that was asked for on behalf of an HTTP request.
    pub(super) fn on_answer(&mut self, command_id: &str, output: Value) {
        let Some(hosts) = &mut self.hosts else { return };
        if let Some(forwarded) = hosts.forwarded.remove(command_id) {
            self.effects.push(forwarded.answer(output));
        }
    }
}
