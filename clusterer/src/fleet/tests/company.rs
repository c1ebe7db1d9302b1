//! Several hosts on one bus.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use splashtail_ipc::launcher::LauncherCmd;

use super::super::*;
use super::world::{World, seconds};

/// The bus hands every message to every host in one order. A host whose cluster is not there any
/// more, or that is cut off, hears and says nothing.
pub(super) struct Company {
    pub(super) hosts: Vec<World>,
    pub(super) cut: Vec<bool>,
    time: Duration,
    rng: StdRng,
    questions: u64,
    /// Fewest launched clusters in the whole fleet since it was last reset.
    pub(super) least_alive: usize,
}

pub(super) fn host(range: (u16, u16), shards: u16, per_cluster: u16, keys: u16) -> World {
    host_with(range, shards, per_cluster, keys, seconds(1))
}

fn host_with(
    range: (u16, u16),
    shards: u16,
    per_cluster: u16,
    keys: u16,
    ping_interval: Duration,
) -> World {
    let layout = Layout::new(range, shards, per_cluster).unwrap();
    let mut world = World::with(1, per_cluster, keys, |policy| {
        policy.layout = Some(layout);
        policy.fixed_shard_count = Some(shards);
        policy.host = format!("host-{layout}");
        policy.ping_interval = ping_interval;
    });
    world.shared = true;
    world
}

impl Company {
    /// Whole clusters of `per_cluster` shards, divided among hosts at the given first shards.
    pub(super) fn new(firsts: &[u16], shards: u16, per_cluster: u16, keys: u16) -> Self {
        Self::pinging(firsts, shards, per_cluster, keys, seconds(1))
    }

    pub(super) fn pinging(
        firsts: &[u16],
        shards: u16,
        per_cluster: u16,
        keys: u16,
        ping_interval: Duration,
    ) -> Self {
        let ends = firsts[1..].iter().copied().chain([shards]);
        let ranges = firsts.iter().copied().zip(ends);
        let hosts = ranges.map(|(first, end)| {
            host_with((first, end - 1), shards, per_cluster, keys, ping_interval)
        });
        let mut company = Self {
            hosts: Vec::new(),
            cut: Vec::new(),
            time: Duration::ZERO,
            rng: StdRng::seed_from_u64(5),
            questions: 0,
            least_alive: usize::MAX,
        };
        hosts.for_each(|host| company.join(host));
        company
    }

    pub(super) fn join(&mut self, mut host: World) {
        host.time = self.time;
        host.event(Event::Tick);
        self.hosts.push(host);
        self.cut.push(false);
        self.deliver();
    }

    pub(super) fn seed(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    pub(super) fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.time + time;
        let mut idle = 0;
        while !done(self) {
            let living = self.hosts.iter().filter(|host| host.exit.is_none());
            let next = living
                .flat_map(|host| [host.fleet.next_deadline(), host.next_happening()])
                .flatten()
                .min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.time = end;
                self.pass();
                return;
            };
            idle = if next <= self.time { idle + 1 } else { 0 };
            assert!(idle < 1000, "ticks without end at {:?}", self.time);
            self.time = next.max(self.time);
            self.pass();
        }
    }

    fn pass(&mut self) {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.shuffle(&mut self.rng);
        for index in order {
            let host = &mut self.hosts[index];
            host.time = self.time;
            if host.exit.is_none() {
                host.happen();
                host.event(Event::Tick);
            }
        }
        self.deliver();
        let launched = |host: &World| {
            let clusters = host.fleet.clusters().iter();
            clusters.filter(|cluster| cluster.launched()).count()
        };
        let alive = self.hosts.iter().map(launched).sum();
        self.least_alive = self.least_alive.min(alive);
    }

    fn deliver(&mut self) {
        loop {
            let mut queue = Vec::new();
            for (host, cut) in self.hosts.iter_mut().zip(&self.cut) {
                let said = std::mem::take(&mut host.outgoing);
                if !cut {
                    queue.push(said);
                }
            }
            // Each host keeps the order of its own words.
            queue.shuffle(&mut self.rng);
            let queue: Vec<String> = queue.into_iter().flatten().collect();
            if queue.is_empty() {
                return;
            }
            for text in queue {
                self.broadcast(&text);
            }
        }
    }

    pub(super) fn broadcast(&mut self, text: &str) {
        for (host, cut) in self.hosts.iter_mut().zip(&self.cut) {
            if !cut && host.exit.is_none() {
                host.message(text);
            }
        }
    }

    /// A command on the bus, and the replies of all hosts with the index of who replied.
    pub(super) fn replies(&mut self, action: &str, id: Value) -> Vec<(usize, Value)> {
        let before: Vec<usize> = self.hosts.iter().map(|host| host.replies.len()).collect();
        self.questions += 1;
        let text = json!({
            "scope": "launcher", "action": action, "args": {"id": id},
            "command_id": self.questions.to_string(),
        });
        self.broadcast(&text.to_string());
        self.deliver();
        let mut replies = Vec::new();
        for (index, (host, before)) in self.hosts.iter().zip(before).enumerate() {
            let new = host.replies[before..].iter();
            replies.extend(new.map(|(_, output)| (index, output.clone())));
        }
        replies
    }

    /// The one reply in the fleet.
    pub(super) fn ask(&mut self, action: &str, id: impl Into<Value>) -> (usize, Value) {
        let mut replies = self.replies(action, id.into());
        assert_eq!(replies.len(), 1, "{action} gets one reply: {replies:?}");
        replies.remove(0)
    }

    /// The answer to the same by HTTP at one host.
    pub(super) fn request(&mut self, host: usize, action: &str, id: Option<u16>) -> Value {
        let before = self.hosts[host].replies.len();
        self.questions += 1;
        let origin = Origin::Request(self.questions);
        let mut command = LauncherCmd::command(action, id.map(ClusterId), "");
        command.command_id = None;
        self.hosts[host].event(Event::Command {
            origin: origin.clone(),
            command,
        });
        self.deliver();
        self.run_until(seconds(4), |company| {
            let new = &company.hosts[host].replies[before..];
            new.iter().any(|(to, _)| *to == origin)
        });
        let new = &self.hosts[host].replies[before..];
        let mut answers = new.iter().filter(|(to, _)| *to == origin);
        let answer = answers.next().expect("an answer").1.clone();
        assert_eq!(answers.count(), 0, "one answer");
        answer
    }

    /// The connection of one host to the bus.
    pub(super) fn connect(&mut self, host: usize, up: bool) {
        self.cut[host] = !up;
        if self.hosts[host].exit.is_none() {
            self.hosts[host].event(Event::Bus { up });
        }
        self.deliver();
    }

    /// The clusterer of one host starts anew; its clusters run on.
    pub(super) fn replace(&mut self, index: usize) {
        let host = self.hosts.remove(index);
        let mut successor = host.succeed();
        successor.time = self.time;
        successor.adopt();
        self.hosts.insert(index, successor);
        self.deliver();
    }

    pub(super) fn random(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    pub(super) fn events(&self, event: &str) -> Vec<&serde_json::Map<String, Value>> {
        self.hosts
            .iter()
            .flat_map(|host| host.events(event))
            .collect()
    }

    pub(super) fn announcements(&self) -> usize {
        self.hosts.iter().map(World::announcements).sum()
    }

    pub(super) fn alive(&self) -> Vec<u16> {
        let mut alive: Vec<u16> = self.hosts.iter().flat_map(World::alive).collect();
        alive.sort_unstable();
        alive
    }

    /// No shard runs twice anywhere, no identify key is used twice within 5 s, and each host is
    /// sound in itself. For fleets with one shard a cluster.
    pub(super) fn check_invariants(&self) {
        let mut shards: Vec<_> = self.hosts.iter().flat_map(World::shards_alive).collect();
        let count = shards.len();
        shards.sort_unstable();
        shards.dedup();
        assert_eq!(shards.len(), count, "a shard runs twice at {:?}", self.time);
        for host in self.hosts.iter().filter(|host| host.exit.is_none()) {
            host.check_invariants();
        }
        self.check_identifies();
    }

    pub(super) fn check_identifies(&self) {
        let keys = self.hosts[0].gateway.session_start_limit.max_concurrency;
        let mut all: Vec<_> = self
            .hosts
            .iter()
            .flat_map(|host| host.identifies().to_vec())
            .collect();
        all.sort_unstable_by_key(|(at, shard)| (shard.get() % keys, *at));
        for pair in all.windows(2) {
            let [(before, one), (after, two)] = pair else {
                continue;
            };
            let close = after.saturating_sub(*before) < seconds(5);
            let same = one.get() % keys == two.get() % keys;
            assert!(
                !(close && same),
                "shards {one} and {two} at {before:?} and {after:?}"
            );
        }
    }
}
