//! What this host tells the others.

use std::time::Duration;

use splashtail_ipc::launcher::{IDENTIFY_REST, LauncherCmd};

use super::super::cluster::Cluster;
use super::super::event::Effect;
use super::super::view::instance;
use super::super::{Fleet, Now};
use super::{Announcement, INTERVAL, NamedInstance, PACE};

impl Fleet {
    /// The other hosts hear of a command's effect before its answer: whoever got the answer through
    /// one of them finds there what it says. Both come before anything is done.
    pub(in crate::fleet) fn announce_and_answer(&mut self, now: Now) {
        let earlier = self.effects.len();
        self.announce_host(now);
        if !self.answers.is_empty() {
            let mut first = self.effects.split_off(earlier);
            first.append(&mut self.answers);
            self.effects.splice(0..0, first);
        }
    }

    /// Tells the other hosts what they should know, when it is time.
    fn announce_host(&mut self, now: Now) {
        let used = self.keys_in_use();
        let changed = self.changed;
        self.announce_alone(now);
        let Some(hosts) = &mut self.hosts else { return };
        let needed = [&used[..], &hosts.wanted].concat();
        hosts.claims.hold(&used, hosts.sequence + 1);
        hosts.due |= hosts.claims.keep(&needed) | changed;
        let pause = match hosts.due {
            true if !self.answers.is_empty() => Duration::ZERO,
            true => PACE,
            false => INTERVAL,
        };
        let early = hosts.last_told.is_some_and(|at| at + pause > now.monotonic);
        if early || self.bus_down_since.is_some() {
            return;
        }
        hosts.due = false;
        hosts.last_told = Some(now.monotonic);
        self.say(now, false);
    }

    /// The last announcement.
    pub(in crate::fleet) fn say_good_bye(&mut self, now: Now) {
        if self.hosts.is_some() {
            self.say(now, true);
        } else {
            self.say_alone(now, true);
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
            (ago <= IDENTIFY_REST).then_some((*key, ms))
        });
        let settled = !self.clusters.is_empty() && self.clusters.iter().all(Cluster::settled);
        let clusters = self.clusters.iter().map(|cluster| NamedInstance {
            name: cluster.name.clone(),
            instance: instance(cluster),
        });
        Some(Announcement {
            id: hosts.id.clone(),
            name: hosts.name.clone(),
            since: hosts.since,
            sequence: hosts.sequence + 1,
            layout: hosts.layout,
            whole: false,
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
}
