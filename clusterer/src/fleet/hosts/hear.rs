//! Listening to the other hosts: who is there, who does not fit, who is gone.

use std::time::Duration;

use splashtail_ipc::launcher::LauncherCmd;
use tracing::{info, warn};

use super::super::{Fleet, Now};
use super::{Announcement, GONE_AFTER, INTERVAL, MOST_HOSTS, Peer};
use crate::action_log::LogEntry;

impl Fleet {
    /// A message that only clusterers send.
    pub(in crate::fleet) fn on_peer(&mut self, now: Now, command: &LauncherCmd) {
        if command.action != "announce" {
            return;
        }
        let Some(hosts) = &self.hosts else {
            return self.on_peer_alone(now, command);
        };
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
        let problem = if said.whole {
            format!(
                "this host {} runs the shards {ours}, and {} runs all shards: it needs a `shard_range`, or must end",
                hosts.name, said.name
            )
        } else if !same_fleet {
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

    /// Time passed for the other hosts, too.
    pub(in crate::fleet) fn watch_hosts(&mut self, now: Now) {
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
        let Some(hosts) = self
            .hosts
            .as_mut()
            .filter(|hosts| hosts.knows(now.monotonic))
        else {
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
    pub(in crate::fleet) fn listen_anew(&mut self, now: Now) {
        let used = self.keys_in_use();
        let Some(hosts) = &mut self.hosts else { return };
        hosts.listen_until = Some(now.monotonic + INTERVAL);
        hosts.claims.keep(&used);
        hosts.due = true;
    }

    /// An entry that one host writes for all of them.
    fn log_for_all(&mut self, now: Now, entry: LogEntry) {
        let first = self.hosts.as_ref().is_some_and(|hosts| {
            hosts.knows(now.monotonic)
                && hosts
                    .peers
                    .values()
                    .all(|peer| peer.said.layout.first > hosts.layout.first)
        });
        if first {
            self.log(now, entry);
        }
    }
}
