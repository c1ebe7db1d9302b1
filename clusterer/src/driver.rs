//! The loop that connects the fleet to the world: messages, processes, Discord, time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::ClusterId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::{Bus, Subscription};
use splashtail_ipc::launcher::{GatewayRefusal, LauncherCmd, LauncherReply};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::complaints::{Complaints, shown};
use crate::fleet::{Effect, Event, Fleet, Now, Origin, ProcessId, SavedFleet, Spawn};
use crate::gateway::{Gateway, LastAnswer};
use crate::handle::{Health, Request};
use crate::outbox::Outbox;
use crate::process::{self, Adopted};
use crate::settings::Program;
use crate::state_file::StateStore;
use crate::web::EventCounter;

/// No tick comes sooner than this after the last one, whatever the fleet asks for.
const SHORTEST_TICK: Duration = Duration::from_millis(1);
/// Time for the last messages to reach the bus.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All clusters are stopped.
    Stopped { code: u8, reason: Option<String> },
    /// A SIGHUP asked for the program to be replaced; the clusters run on.
    Replace,
}

pub(crate) struct Driver {
    pub(crate) fleet: Fleet,
    pub(crate) clock: SharedClock,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) subscription: Subscription,
    pub(crate) channel: String,
    pub(crate) program: Program,
    pub(crate) gateway: Gateway,
    pub(crate) store: StateStore,
    pub(crate) last_answer: LastAnswer,
    pub(crate) adopted: Vec<(ClusterId, u64, ProcessId, Adopted)>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) reload: watch::Receiver<u64>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) counter: EventCounter,
}

/// What the loop keeps beside the fleet.
struct Hands {
    clock: SharedClock,
    program: Program,
    gateway: Gateway,
    outbox: Outbox,
    saver: Saver,
    last_answer: LastAnswer,
    events: mpsc::UnboundedSender<Event>,
    processes: HashMap<ClusterId, (u64, ProcessId)>,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    next_request: u64,
    counter: EventCounter,
    outcome: Option<Outcome>,
}

impl Driver {
    /// Runs until all clusters are stopped or the program is to be replaced.
    pub(crate) async fn run(self) -> Outcome {
        let Self {
            mut fleet,
            clock,
            mut subscription,
            mut requests,
            mut reload,
            shutdown,
            ..
        } = self;
        // Bounded by the number of processes and fetches under way.
        let (sender, mut events) = mpsc::unbounded_channel();
        let mut hands = Hands {
            clock: Arc::clone(&clock),
            program: self.program,
            gateway: self.gateway,
            outbox: Outbox::start(self.bus, self.channel, &clock),
            saver: Saver::start(self.store),
            last_answer: self.last_answer,
            events: sender,
            processes: HashMap::new(),
            waiting: HashMap::new(),
            next_request: 0,
            counter: self.counter,
            outcome: None,
        };
        for (cluster, incarnation, id, adopted) in self.adopted {
            hands.watch(cluster, incarnation, id.pid, adopted.wait());
            hands.processes.insert(cluster, (incarnation, id));
        }
        let mut connected = subscription.connected();
        let mut closing = false;
        let mut complaints = Complaints::default();
        let mut last_tick = clock.monotonic();
        hands.take_in(&mut fleet, Event::Tick);
        while hands.outcome.is_none() {
            // Messages that never end must not keep time from passing.
            let now = clock.monotonic();
            if fleet.next_deadline().is_some_and(|at| at <= now)
                && now.saturating_sub(last_tick) >= SHORTEST_TICK
            {
                last_tick = now;
                hands.take_in(&mut fleet, Event::Tick);
                continue;
            }
            let tick = async {
                match fleet.next_deadline() {
                    Some(at) => {
                        clock
                            .sleep(at.saturating_sub(clock.monotonic()).max(SHORTEST_TICK))
                            .await;
                    }
                    None => std::future::pending().await,
                }
            };
            // Whoever is ready gets a fair turn: a flood on one side starves none of the others.
            let event = tokio::select! {
                Some(event) = events.recv() => event,
                Some(message) = subscription.next_message() => match Event::of_message(&message.payload) {
                    Ok(Some(event)) => event,
                    Ok(None) => continue,
                    Err(error) => {
                        if let Some(unsaid) = complaints.allow(clock.monotonic()) {
                            let message = shown(&message.payload);
                            warn!(error = %Chain(&error), message, unsaid, "dropped a malformed message");
                        }
                        continue;
                    }
                },
                Ok(()) = connected.changed() => Event::Bus { up: *connected.borrow_and_update() },
                Some(request) = requests.recv() => match hands.answer(&fleet, request) {
                    Some(event) => event,
                    None => continue,
                },
                () = shutdown.cancelled(), if !closing => {
                    closing = true;
                    Event::Shutdown
                }
                Ok(()) = reload.changed() => {
                    hands.outcome = Some(Outcome::Replace);
                    continue;
                }
                () = tick => Event::Tick,
            };
            hands.take_in(&mut fleet, event);
        }
        hands.finish().await
    }
}

impl Hands {
    fn now(&self) -> Now {
        Now {
            monotonic: self.clock.monotonic(),
            wall: self.clock.now(),
        }
    }

    fn take_in(&mut self, fleet: &mut Fleet, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if let Event::Exited {
                cluster,
                incarnation,
                ..
            } = &event
                && self
                    .processes
                    .get(cluster)
                    .is_some_and(|(current, _)| current == incarnation)
            {
                self.processes.remove(cluster);
            }
            let effects = fleet.handle(self.now(), event);
            events.extend(
                effects
                    .into_iter()
                    .filter_map(|effect| self.carry_out(effect)),
            );
        }
    }

    /// Some effects have their outcome at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn(spawn) => return Some(self.spawn(&spawn)),
            Effect::Signal {
                cluster,
                incarnation,
                signal,
            } => match self.processes.get(&cluster) {
                Some((current, process)) if *current == incarnation => {
                    if let Err(error) = process::send(process, signal) {
                        warn!(%error, cluster.id = %cluster, "cannot signal a cluster");
                    }
                }
                _ => debug!(cluster.id = %cluster, "no process to signal"),
            },
            Effect::Publish(message) => self.outbox.publish(message),
            Effect::Reply {
                origin: Origin::Bus,
                command_id,
                output,
            } => {
                let reply = LauncherReply::answer(command_id.as_deref(), output);
                self.outbox.publish(reply.to_json());
            }
            Effect::Reply {
                origin: Origin::Request(number),
                output,
                ..
            } => {
                if let Some(waiting) = self.waiting.remove(&number) {
                    // The asker may have given up.
                    let _ = waiting.send(output);
                }
            }
            Effect::Log(entry) => {
                self.counter.count(&entry);
                self.outbox.log(entry);
            }
            Effect::FetchGateway => {
                let (gateway, events) = (self.gateway.clone(), self.events.clone());
                tokio::spawn(async move {
                    // The loop may have ended meanwhile.
                    let _ = events.send(Event::Gateway(gateway.fetch().await));
                });
            }
            Effect::KeepGateway(bot) => {
                let (file, at) = (self.last_answer.clone(), self.clock.now());
                // Nothing waits for it.
                tokio::task::spawn_blocking(move || file.write(bot, at));
            }
            Effect::Say(text) => warn!("{text}"),
            Effect::Save(saved) => self.saver.save(saved),
            Effect::Exit { code, reason } => self.outcome = Some(Outcome::Stopped { code, reason }),
        }
        None
    }

    /// Done in the loop itself: a cluster counts as started only when the kernel has said so.
    fn spawn(&mut self, spawn: &Spawn) -> Event {
        let (cluster, incarnation) = (spawn.cluster, spawn.incarnation);
        let shards = splashtail_ipc::args::print_shards(&spawn.shards);
        process::mark_log(
            &self.program.logs,
            cluster,
            self.clock.now(),
            &format!("starting shards {shards}"),
        );
        match process::start(&self.program, spawn) {
            Ok(started) => {
                info!(cluster.id = %cluster, pid = started.id.pid, shards, "started cluster");
                self.processes
                    .insert(cluster, (incarnation, started.id.clone()));
                self.watch(
                    cluster,
                    incarnation,
                    started.id.pid,
                    process::wait(started.id.clone(), started.child),
                );
                Event::Spawned {
                    cluster,
                    incarnation,
                    process: started.id,
                }
            }
            Err(error) => Event::SpawnFailed {
                cluster,
                incarnation,
                error: error.to_string(),
            },
        }
    }

    fn watch(
        &self,
        cluster: ClusterId,
        incarnation: u64,
        pid: i32,
        end: impl Future<Output = crate::fleet::Exit> + Send + 'static,
    ) {
        let events = self.events.clone();
        let end_file = process::end_file(&self.program, cluster);
        tokio::spawn(async move {
            let mut exit = end.await;
            exit.refused = GatewayRefusal::take(&end_file, pid);
            // The loop may have ended meanwhile.
            let _ = events.send(Event::Exited {
                cluster,
                incarnation,
                exit,
            });
        });
    }

    /// Answers from the fleet's state, or turns a command into an event.
    fn answer(&mut self, fleet: &Fleet, request: Request) -> Option<Event> {
        match request {
            Request::InstanceList(answer) => {
                let _ = answer.send(fleet.instance_list());
            }
            Request::Health(cluster, answer) => {
                let cluster = fleet.cluster_health(cluster);
                let _ = answer.send(Health {
                    fully_up: fleet.fully_up(),
                    cluster,
                });
            }
            Request::Numbers(answer) => {
                let _ = answer.send(fleet.numbers());
            }
            Request::Command(command, answer) => return Some(self.request(command, answer)),
            Request::Note(entry) => return Some(Event::Note(entry)),
        }
        None
    }

    fn request(&mut self, command: LauncherCmd, answer: oneshot::Sender<Value>) -> Event {
        self.next_request += 1;
        self.waiting.insert(self.next_request, answer);
        Event::Command {
            origin: Origin::Request(self.next_request),
            command,
        }
    }

    async fn finish(self) -> Outcome {
        let outcome = self.outcome.unwrap_or(Outcome::Stopped {
            code: 0,
            reason: None,
        });
        if tokio::time::timeout(LAST_WORDS, self.outbox.finish())
            .await
            .is_err()
        {
            debug!("the bus did not take the last messages");
        }
        self.saver.finish(outcome == Outcome::Replace).await;
        outcome
    }
}

/// Writes the newest state, skipping those that were overtaken.
struct Saver {
    newest: watch::Sender<Option<SavedFleet>>,
    task: JoinHandle<StateStore>,
}

impl Saver {
    fn start(store: StateStore) -> Self {
        let (newest, mut changed) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut store = store;
            while changed.changed().await.is_ok() {
                let Some(saved) = changed.borrow_and_update().clone() else {
                    continue;
                };
                store = write(store, saved).await;
            }
            store
        });
        Self { newest, task }
    }

    fn save(&self, saved: SavedFleet) {
        self.newest.send_replace(Some(saved));
    }

    /// Keeps the file for a successor, or removes it.
    async fn finish(self, keep: bool) {
        let last = self.newest.borrow().clone();
        drop(self.newest);
        let Ok(store) = self.task.await else { return };
        match last {
            Some(saved) if keep => {
                write(store, saved).await;
            }
            _ if keep => {}
            last => {
                // Nobody waits for it but the end of this process.
                let _ = tokio::task::spawn_blocking(move || store.leave(last)).await;
            }
        }
    }
}

async fn write(store: StateStore, saved: SavedFleet) -> StateStore {
    let path = store.clone();
    let written = tokio::task::spawn_blocking(move || store.write(&saved)).await;
    if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
        warn!(%error, "cannot write the state file: a successor could not adopt the clusters");
    }
    path
}
