//! Simulated processes, gateway and bus around a fleet.

mod invariants;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use splashtail_api_types::clusters::SessionStartLimit;
use splashtail_core::ids::ShardId;
use splashtail_ipc::launcher::{Incoming, LauncherReply};

use super::super::*;
use invariants::check_moves;

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Normal,
    /// Says nothing at all while it launches; like `Hung` otherwise.
    Silent,
    /// Does not say `launch_next`, answers pings.
    Mute,
    /// Answers nothing and ignores SIGTERM.
    Hung,
    /// Works but ignores SIGTERM.
    Stubborn,
    /// Ends right after its start.
    Crashing,
}

#[derive(Debug)]
struct Process {
    cluster: ClusterId,
    shards: Vec<ShardId>,
    started: Duration,
    /// Shards that have not identified, each with the time when it does.
    identifies: Vec<(Duration, ShardId)>,
    launched: bool,
    /// When it ends by itself.
    ends: Option<(Duration, Exit)>,
}

/// Shared between a fleet and its successor: processes outlive the clusterer.
#[derive(Debug)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) policy: Policy,
    pub(super) time: Duration,
    processes: BTreeMap<u64, Process>,
    behaviour: BTreeMap<u16, Behaviour>,
    /// From start to `launch_next`.
    pub(super) boot: Duration,
    /// Longest time until a ping is answered.
    pub(super) latency: Duration,
    pub(super) gateway: GatewayBot,
    pub(super) gateway_failure: Option<GatewayFailure>,
    pub(super) fetches: u32,
    /// Messages under way to the bus: when they arrive there, and the text.
    mail: Vec<(Duration, String)>,
    /// The bus has other hosts on it: what is said goes to `outgoing` and somebody else delivers.
    pub(super) shared: bool,
    pub(super) outgoing: Vec<String>,
    /// Messages are lost.
    pub(super) deaf: bool,
    /// Every event is followed by a check of everything that must hold.
    pub(super) strict: bool,
    /// Published messages are not kept.
    pub(super) quiet: bool,
    pub(super) published: Vec<String>,
    pub(super) pings: u64,
    pub(super) log: Vec<Map<String, Value>>,
    pub(super) replies: Vec<(Origin, Value)>,
    pub(super) spawns: Vec<(Duration, Spawn)>,
    pub(super) signals: Vec<(ClusterId, Signal)>,
    pub(super) exit: Option<(u8, Option<String>)>,
    pub(super) saved: Option<SavedFleet>,
    pub(super) kept: Option<GatewayBot>,
    pub(super) said: Vec<String>,
    /// Fewest launched processes at once since it was last reset.
    pub(super) least_alive: usize,
    identifies: Vec<(Duration, ShardId)>,
    rng: StdRng,
}

impl World {
    pub(super) fn new(shards: u16, per_cluster: u16, max_concurrency: u16) -> Self {
        Self::with(shards, per_cluster, max_concurrency, |_| {})
    }

    pub(super) fn with(
        shards: u16,
        per_cluster: u16,
        max_concurrency: u16,
        change: impl FnOnce(&mut Policy),
    ) -> Self {
        let mut policy = Policy {
            names: ["Flare", "Waffle", "Aqua"].map(str::to_owned).to_vec(),
            per_cluster,
            fixed_shard_count: None,
            layout: None,
            host: "host".to_owned(),
            minimum_sessions: 3,
            ping_interval: seconds(1),
            ping_timeout: seconds(3),
            start_next_delay: Duration::ZERO,
            overlap_boot: true,
            stop_grace: seconds(10),
            listen: Duration::ZERO,
            shutdown_grace: seconds(5),
            launch_base: seconds(60),
            reshard_enabled: true,
            reshard_all: false,
            ports: Ports {
                base: 5000,
                used: Vec::new(),
            },
            dir: "/bot".to_owned(),
        };
        change(&mut policy);
        let seed = policy.layout.map_or(7, |layout| {
            7 + 1000 * u64::from(layout.first) + u64::from(layout.last)
        });
        Self {
            fleet: Fleet::new(policy.clone(), seed),
            policy,
            time: Duration::ZERO,
            processes: BTreeMap::new(),
            behaviour: BTreeMap::new(),
            boot: seconds(1),
            latency: Duration::from_millis(50),
            gateway: GatewayBot {
                url: "wss://gateway".to_owned(),
                shards,
                session_start_limit: SessionStartLimit {
                    total: 1000,
                    remaining: 1000,
                    reset_after: 0,
                    max_concurrency,
                },
            },
            gateway_failure: None,
            fetches: 0,
            mail: Vec::new(),
            shared: false,
            outgoing: Vec::new(),
            deaf: false,
            strict: false,
            quiet: false,
            published: Vec::new(),
            pings: 0,
            log: Vec::new(),
            replies: Vec::new(),
            spawns: Vec::new(),
            signals: Vec::new(),
            exit: None,
            saved: None,
            kept: None,
            said: Vec::new(),
            least_alive: usize::MAX,
            identifies: Vec::new(),
            rng: StdRng::seed_from_u64(11),
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = DateTime::from_timestamp(1_700_000_000, 0).unwrap() + self.time;
        Now {
            monotonic: self.time,
            wall,
        }
    }

    pub(super) fn behave(&mut self, cluster: u16, behaviour: Behaviour) {
        self.behaviour.insert(cluster, behaviour);
        if behaviour == Behaviour::Crashing {
            let end = self.time + Duration::from_millis(100);
            let own = self
                .processes
                .values_mut()
                .filter(|process| process.cluster.get() == cluster);
            own.for_each(|process| {
                process.ends = Some((
                    end,
                    Exit {
                        code: Some(1),
                        signal: None,
                        refused: None,
                    },
                ));
            });
        }
    }

    fn behaviour(&self, cluster: ClusterId) -> Behaviour {
        self.behaviour
            .get(&cluster.get())
            .copied()
            .unwrap_or(Behaviour::Normal)
    }

    /// Ids of live processes, one entry each.
    pub(super) fn alive(&self) -> Vec<u16> {
        let mut alive: Vec<_> = self
            .processes
            .values()
            .map(|process| process.cluster.get())
            .collect();
        alive.sort_unstable();
        alive
    }

    pub(super) fn shards_alive(&self) -> Vec<ShardId> {
        self.processes
            .values()
            .flat_map(|process| process.shards.clone())
            .collect()
    }

    pub(super) fn events(&self, event: &str) -> Vec<&Map<String, Value>> {
        self.log
            .iter()
            .filter(|entry| entry["event"] == event)
            .collect()
    }

    pub(super) fn announcements(&self) -> usize {
        self.published
            .iter()
            .filter(|text| text.contains("all_clusters_launched"))
            .count()
    }

    pub(super) fn start_of(&self, cluster: u16) -> i64 {
        self.fleet.clusters()[self.fleet.index(ClusterId(cluster)).unwrap()]
            .started_at
            .unwrap()
            .timestamp()
    }

    pub(super) fn event(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let before = self.strict.then(|| self.places_before(&event));
            let effects = self.fleet.handle(self.now(), event);
            if let Some(before) = before {
                check_moves(&before, &self.places());
            }
            for effect in effects {
                events.extend(self.carry_out(effect));
            }
        }
        if self.strict {
            self.check_invariants();
        }
        let launched = self
            .processes
            .values()
            .filter(|process| process.launched)
            .count();
        self.least_alive = self.least_alive.min(launched);
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn(spawn) => {
                let identifies = self.identify_times(&spawn);
                let process = Process {
                    cluster: spawn.cluster,
                    shards: spawn.shards.clone(),
                    started: self.time,
                    identifies,
                    launched: false,
                    ends: (self.behaviour(spawn.cluster) == Behaviour::Crashing).then(|| {
                        (
                            self.time + Duration::from_millis(100),
                            Exit {
                                code: Some(1),
                                signal: None,
                                refused: None,
                            },
                        )
                    }),
                };
                let (cluster, incarnation) = (spawn.cluster, spawn.incarnation);
                assert!(self.processes.insert(incarnation, process).is_none());
                self.spawns.push((self.time, spawn));
                let pid = i32::try_from(incarnation).unwrap();
                let process = ProcessId {
                    pid,
                    start_ticks: 1,
                    executable: "bot".to_owned(),
                };
                return Some(Event::Spawned {
                    cluster,
                    incarnation,
                    process,
                });
            }
            Effect::Signal {
                cluster,
                incarnation,
                signal,
            } => {
                self.signals.push((cluster, signal));
                let deaf = matches!(
                    self.behaviour(cluster),
                    Behaviour::Stubborn | Behaviour::Hung
                );
                if let Some(process) = self.processes.get_mut(&incarnation) {
                    let millis = if signal == Signal::Kill { 1 } else { 300 };
                    if signal == Signal::Kill || !deaf {
                        let number = if signal == Signal::Kill { 9 } else { 15 };
                        let exit = Exit {
                            code: None,
                            signal: Some(number),
                            refused: None,
                        };
                        process.ends = Some((self.time + Duration::from_millis(millis), exit));
                    }
                }
            }
            Effect::Publish(text) => {
                if let Ok(Incoming::DiagRequest(request)) = Incoming::parse(&text) {
                    self.pings += 1;
                    self.deliver_ping(request.id, &request.nonce);
                }
                // Everything comes back from the bus.
                if self.shared {
                    self.outgoing.push(text.clone());
                } else {
                    self.mail.push((self.time, text.clone()));
                }
                if !self.quiet {
                    self.published.push(text);
                }
            }
            Effect::Reply {
                origin,
                output,
                command_id,
            } => {
                if origin == Origin::Bus && self.shared {
                    let reply = LauncherReply::answer(command_id.as_deref(), output.clone());
                    self.outgoing.push(reply.to_json());
                }
                self.replies.push((origin, output));
            }
            Effect::Log(entry) => self.log.push(entry),
            Effect::FetchGateway => {
                self.fetches += 1;
                return Some(Event::Gateway(match &self.gateway_failure {
                    Some(failure) => Err(failure.clone()),
                    None => Ok(self.gateway.clone()),
                }));
            }
            Effect::KeepGateway(bot) => self.kept = Some(bot),
            Effect::Say(text) => self.said.push(text),
            Effect::Save(saved) => self.saved = Some(saved),
            Effect::Exit { code, reason } => {
                assert!(self.exit.is_none(), "one end");
                assert!(self.processes.is_empty(), "no process is left behind");
                self.exit = Some((code, reason));
            }
        }
        None
    }

    fn deliver_ping(&mut self, cluster: ClusterId, nonce: &str) {
        let answers = matches!(
            self.behaviour(cluster),
            Behaviour::Normal | Behaviour::Mute | Behaviour::Stubborn
        );
        let delay = self.rng.random_range(Duration::ZERO..=self.latency);
        let Some(process) = self
            .processes
            .values()
            .find(|process| process.cluster == cluster)
        else {
            return;
        };
        if !answers {
            return;
        }
        // What does not say that it launched identifies all the same.
        let silently = self.behaviour(cluster) == Behaviour::Mute;
        let done = process.identifies.iter().all(|(at, _)| *at <= self.time);
        let up = process.launched || (silently && done);
        let health = |shard: &ShardId| json!({"shard_id": shard, "up": up, "latency": 1.0, "guilds": 0, "users": 0});
        let data: Vec<Value> = process.shards.iter().map(health).collect();
        let output = json!({"cluster_id": cluster, "Nonce": nonce, "Data": data}).to_string();
        let text = json!({"scope": "launcher", "action": "diag", "output": output}).to_string();
        self.mail.push((self.time + delay, text));
    }

    /// The earliest thing that happens in the simulated world.
    pub(super) fn next_happening(&self) -> Option<Duration> {
        let launches = self
            .processes
            .values()
            .filter(|process| !process.launched && self.speaks(process))
            .map(|process| {
                let next = process.identifies.iter().map(|(at, _)| *at).min();
                next.unwrap_or_default().max(self.time)
            });
        let ends = self
            .processes
            .values()
            .filter_map(|process| process.ends.map(|(at, _)| at));
        let mail = self.mail.iter().map(|(at, _)| *at);
        launches.chain(ends).chain(mail).min()
    }

    fn speaks(&self, process: &Process) -> bool {
        matches!(
            self.behaviour(process.cluster),
            Behaviour::Normal | Behaviour::Stubborn
        )
    }

    /// Lets everything happen that is due now.
    pub(super) fn happen(&mut self) {
        let due = self
            .mail
            .extract_if(.., |(at, _)| *at <= self.time)
            .collect::<Vec<_>>();
        for (_, text) in due {
            if self.shared {
                self.outgoing.push(text);
            } else if !self.deaf {
                self.message(&text);
            }
        }
        let launching: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| !process.launched && self.speaks(process))
            .map(|(incarnation, process)| (*incarnation, process.cluster))
            .collect();
        for (incarnation, cluster) in launching {
            self.identify(incarnation, cluster);
        }
        let ended: Vec<_> = self
            .processes
            .iter()
            .filter_map(|(incarnation, process)| Some((*incarnation, process.ends?)))
            .filter(|(_, (at, _))| *at <= self.time)
            .collect();
        for (incarnation, (_, exit)) in ended {
            self.end(incarnation, exit);
        }
    }

    /// Shards of one key identify 5 s apart within a process.
    fn identify_times(&self, spawn: &Spawn) -> Vec<(Duration, ShardId)> {
        let booted = self.time + self.boot;
        let mut next: BTreeMap<u16, Duration> = BTreeMap::new();
        let time = |shard: &ShardId| {
            let key = shard.get() % self.gateway.session_start_limit.max_concurrency;
            let floor = spawn.floors.get(&key).map(|at| *at - self.now().wall);
            let rested = self.time
                + floor
                    .and_then(|wait| wait.to_std().ok())
                    .unwrap_or_default();
            let next = next.entry(key).or_insert(rested.max(booted));
            let at = *next;
            *next += seconds(5);
            (at, *shard)
        };
        spawn.shards.iter().map(time).collect()
    }

    fn identify(&mut self, incarnation: u64, cluster: ClusterId) {
        let time = self.time;
        let Some(process) = self.processes.get_mut(&incarnation) else {
            return;
        };
        let due = |(at, _): &mut (Duration, ShardId)| *at <= time;
        let done: Vec<_> = process.identifies.extract_if(.., due).collect();
        process.launched = process.identifies.is_empty();
        let launched = process.launched;
        let shards: Vec<_> = done.into_iter().map(|(_, shard)| shard).collect();
        self.identifies
            .extend(shards.iter().map(|shard| (time, *shard)));
        if self.deaf {
            return;
        }
        // Only our bot knows the word.
        if self.policy.overlap_boot && !shards.is_empty() {
            self.notify("identified", json!({ "id": cluster, "shards": shards }));
        }
        if launched {
            self.notify("launch_next", json!({ "id": cluster }));
        }
    }

    fn end(&mut self, incarnation: u64, exit: Exit) {
        if let Some(process) = self.processes.remove(&incarnation) {
            self.event(Event::Exited {
                cluster: process.cluster,
                incarnation,
                exit,
            });
        }
    }

    pub(super) fn crash(&mut self, cluster: u16, exit: Exit) {
        let found = self
            .processes
            .iter()
            .find(|(_, process)| process.cluster.get() == cluster);
        if let Some((&incarnation, _)) = found {
            self.end(incarnation, exit);
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass from one event to the next until the condition holds or `time` is over.
    pub(super) fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.time + time;
        if self.time.is_zero() && self.spawns.is_empty() && self.fetches == 0 {
            self.event(Event::Tick);
        }
        while !done(self) {
            let fleet = self.fleet.next_deadline();
            let Some(next) = fleet
                .into_iter()
                .chain(self.next_happening())
                .min()
                .filter(|at| *at <= end)
            else {
                self.time = end;
                self.event(Event::Tick);
                return;
            };
            let stuck = next <= self.time && fleet.is_some_and(|at| at <= self.time);
            self.time = next.max(self.time);
            self.happen();
            self.event(Event::Tick);
            let still = self.fleet.next_deadline().is_some_and(|at| at <= self.time);
            assert!(
                !(stuck && still),
                "the fleet asks for ticks without end at {:?}",
                self.time
            );
        }
    }

    /// Time passes and the fleet does not run at all; what was due is delivered late.
    pub(super) fn sleep_through(&mut self, time: Duration) {
        self.time += time;
        self.event(Event::Tick);
        self.happen();
    }

    pub(super) fn message(&mut self, text: &str) {
        if let Ok(Some(event)) = Event::of_message(text) {
            self.event(event);
        }
    }

    pub(super) fn notify(&mut self, action: &str, args: Value) {
        let text = json!({"scope": "launcher", "action": action, "args": args}).to_string();
        if self.shared {
            self.outgoing.push(text);
        } else {
            self.message(&text);
        }
    }

    pub(super) fn diag(&mut self, output: Value) {
        self.message(&json!({"scope": "launcher", "action": "diag", "output": output}).to_string());
    }

    /// The one reply to a command.
    pub(super) fn ask(&mut self, action: &str, cluster: Option<u16>) -> Value {
        let before = self.replies.len();
        let args = cluster.map_or(Value::Null, |id| json!({ "id": id }));
        let text = json!({"scope": "launcher", "action": action, "args": args, "command_id": "c"});
        self.message(&text.to_string());
        assert_eq!(self.replies.len(), before + 1, "{action} gets one reply");
        self.replies[before].1.clone()
    }

    pub(super) fn identifies(&self) -> &[(Duration, ShardId)] {
        &self.identifies
    }

    /// Pairs of identifies of one key that lie less than 5 s apart.
    pub(super) fn identify_violations(&self) -> Vec<(Duration, ShardId)> {
        let concurrency = self.gateway.session_start_limit.max_concurrency;
        let mut last: BTreeMap<u16, Duration> = BTreeMap::new();
        let mut violations = Vec::new();
        for (at, shard) in &self.identifies {
            let key = shard.get() % concurrency;
            if last
                .insert(key, *at)
                .is_some_and(|last| *at - last < seconds(5))
            {
                violations.push((*at, *shard));
            }
        }
        violations
    }

    /// The same world with a new fleet that has handled nothing yet.
    pub(super) fn succeed(self) -> Self {
        // Every start has a seed of its own.
        let seed = u64::try_from(self.time.as_millis()).unwrap();
        let fleet = Fleet::new(self.policy.clone(), seed);
        Self {
            fleet,
            mail: Vec::new(),
            outgoing: Vec::new(),
            spawns: Vec::new(),
            signals: Vec::new(),
            log: Vec::new(),
            ..self
        }
    }

    /// The clusterer is killed and the next one takes over, in the middle of whatever it is.
    pub(super) fn relive(&mut self) {
        let seed = 1 + u64::try_from(self.time.as_millis()).unwrap();
        self.fleet = Fleet::new(self.policy.clone(), seed);
        self.mail.clear();
        self.adopt();
    }

    pub(super) fn die_unseen(&mut self, cluster: u16) {
        self.processes
            .retain(|_, process| process.cluster.get() != cluster);
    }

    /// The new fleet reads what the old one saved.
    pub(super) fn adopt(&mut self) {
        let mut saved = self.saved.clone().unwrap();
        for cluster in &mut saved.clusters {
            if !self.processes.contains_key(&cluster.incarnation) {
                cluster.process = None;
            }
        }
        let now = self.now();
        self.fleet.adopt(now, saved);
        self.event(Event::Tick);
    }
}
