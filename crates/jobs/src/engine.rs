use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture, OptionFuture};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Claimed, Priority, Storage, StorageError, TaskRow, Wanted, Which};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::deadline::{CallError, within};
use crate::guard::Guard;
use crate::held::{Held, Stop};
use crate::job::{Job, Sweep};
use crate::run::{run_claimed, tidy_up};
use crate::secret::DataKey;
use crate::timing::Timing;
use crate::unreported::Unreported;
use crate::upkeep;
use crate::watch::{Ask, Hint, Limits, Load, Watch, has_room};

/// Runs at a time, when each has the weight 1.
const DEFAULT_CAPACITY: u32 = 64;
/// New tasks of this process that wait to be taken by their id; the rest is found by looking.
const MOST_HINTS: usize = 1024;
/// How long a stopping engine waits for the answer to its last question.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Takes orders for jobs, and runs them once started. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub storage: Storage,
    pub clock: SharedClock,
    pub data_key: DataKey,
    pub jobs: HashMap<&'static str, Arc<dyn Job>>,
    pub timing: Timing,
    /// How long a task, its log and what it left are kept after its end; `None` = for ever.
    pub keep: Option<Duration>,
    pub sweeps: Vec<Arc<dyn Sweep>>,
    pub guard: Option<Arc<dyn Guard>>,
    pub unreported: Option<Unreported>,
    runner: String,
    capacity: u32,
    /// Something may be there to run.
    wake: Notify,
    hints: Mutex<VecDeque<Hint>>,
    running: Mutex<HashMap<TaskId, Run>>,
    /// Schedules of which it was said that what they made has fallen, and of which task, until that task is done with.
    fallen: Mutex<HashMap<Uuid, TaskId>>,
}

/// A run of this process.
struct Run {
    held: Arc<Held>,
    weight: u32,
}

impl Run {
    fn fence(&self) -> i64 {
        self.held.lease.fence
    }
}

/// Collects the kinds of jobs that an engine knows.
pub struct EngineBuilder(Inner);

impl Engine {
    pub fn builder(storage: Storage, clock: SharedClock, data_key: DataKey) -> EngineBuilder {
        EngineBuilder(Inner {
            storage,
            clock,
            data_key,
            jobs: HashMap::new(),
            timing: Timing::default(),
            keep: None,
            sweeps: Vec::new(),
            guard: None,
            unreported: None,
            runner: format!("{}-{}", std::process::id(), TaskId::random()),
            capacity: DEFAULT_CAPACITY,
            wake: Notify::new(),
            hints: Mutex::default(),
            running: Mutex::default(),
            fallen: Mutex::default(),
        })
    }

    /// Every kind of job that it knows, in no order.
    pub fn kinds(&self) -> impl Iterator<Item = &dyn Job> {
        self.inner.jobs.values().map(|job| &**job)
    }

    /// [`Engine::run`] as a task of its own.
    pub fn start(&self, shutdown: CancellationToken) -> JoinHandle<()> {
        let engine = self.clone();
        tokio::spawn(async move { engine.run(shutdown).await })
    }

    /// Runs tasks until `shutdown`; then lets the steps under way end within their grace, hands the
    /// tasks over to whoever is there, and returns, whether the database answers or not. Starting
    /// fails nothing. Dropping this future is what a crash is: leases run out.
    pub async fn run(&self, shutdown: CancellationToken) {
        let upkeep = upkeep::run(self.clone(), shutdown.clone());
        let _upkeep = AbortOnDropHandle::new(tokio::spawn(upkeep));
        let (mut runs, mut watch) = (JoinSet::new(), Watch::default());
        // Side by side: a look passes what an old snapshot keeps, a task is found by its id.
        let mut look: Option<BoxFuture<'_, Answer>> = None;
        let mut look_for_left: Option<BoxFuture<'_, Answer>> = None;
        let mut order: Option<BoxFuture<'_, Answer>> = None;
        let mut ordered = 0;
        while !shutdown.is_cancelled() {
            while runs.try_join_next().is_some() {}
            let Timing { scan, left, .. } = self.inner.timing;
            let looks = |look: &Option<_>, left: &Option<_>| (look.is_some(), left.is_some());
            while let Some(ask) = self.next(&mut watch, looks(&look, &look_for_left), ordered) {
                match ask {
                    Ask::Waiting(last) => {
                        look = Some(self.claim(Which::Waiting(last), &shutdown).boxed());
                    }
                    Ask::Left(last) => {
                        look_for_left = Some(self.claim(Which::Left(last), &shutdown).boxed());
                    }
                    Ask::One(hint) => {
                        ordered = hint.weight;
                        order = Some(self.claim(Which::One(hint.task), &shutdown).boxed());
                    }
                }
            }
            let due = watch.due(looks(&look, &look_for_left));
            let idle = due.map(|due| due.saturating_sub(self.inner.clock.monotonic()));
            let idle = idle.map(|idle| if idle.is_zero() { scan } else { idle });
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.inner.wake.notified() => {}
                Some(_) = runs.join_next() => {}
                Some(answer) = OptionFuture::from(order.as_mut()) => {
                    (order, ordered) = (None, 0);
                    watch.heard(answer.as_ref().err(), self.inner.clock.monotonic() + scan);
                    self.answered(answer, &mut runs);
                }
                Some(answer) = OptionFuture::from(look.as_mut()) => {
                    look = None;
                    watch.looked(answer.as_ref().map(Option::is_some), self.inner.clock.monotonic() + scan);
                    self.answered(answer, &mut runs);
                }
                Some(answer) = OptionFuture::from(look_for_left.as_mut()) => {
                    look_for_left = None;
                    let next_look = self.inner.clock.monotonic() + left;
                    watch.looked_for_left(answer.as_ref().map(Option::is_some), next_look);
                    if let Ok(Some(taken)) = answer {
                        self.begin(&mut runs, taken);
                    }
                }
                () = self.inner.clock.sleep(idle.unwrap_or(scan)), if idle.is_some() => {}
            }
        }
        let last = [look, look_for_left, order].into_iter().flatten();
        for answer in future::join_all(last).await {
            self.answered(answer, &mut runs);
        }
        self.drain(runs).await;
    }

    /// Runs this one task and no other until it has ended, or until `shutdown` as [`Engine::run`]
    /// does. Waits that it has to sit out are waited for; there is no upkeep.
    pub async fn run_only(&self, task: TaskId, shutdown: CancellationToken) {
        let (mut runs, scan) = (JoinSet::new(), self.inner.timing.scan);
        while !shutdown.is_cancelled() {
            while runs.try_join_next().is_some() {}
            if runs.is_empty() {
                if let Ok(Some(taken)) = self.claim(Which::One(task), &shutdown).await {
                    self.begin(&mut runs, taken);
                    continue;
                }
                let row = self.inner.storage.tasks();
                let row = row.get(task, self.inner.clock.now());
                let row = within(self.inner.timing.deadline, row).await;
                if row.is_ok_and(|row| row.is_none_or(|row| row.state.is_terminal())) {
                    return;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(_) = runs.join_next() => {}
                () = self.inner.clock.sleep(scan) => {}
            }
        }
        self.drain(runs).await;
    }

    /// What to ask the database for beside what is asked already.
    fn next(&self, watch: &mut Watch, looks: (bool, bool), ordered: u32) -> Option<Ask> {
        let (looking, looking_for_left) = looks;
        let heaviest = self.open_kinds().map(|job| job.weight()).max();
        let load = Load {
            limits: Limits::new(self.inner.capacity),
            heaviest: heaviest.unwrap_or_default().max(1),
            running: self
                .running()
                .values()
                .map(|run| u64::from(run.weight))
                .sum(),
            looking,
            looking_for_left,
            ordered,
        };
        let now = self.inner.clock.monotonic();
        watch.next(&load, &mut lock(&self.inner.hints), now)
    }

    /// Kinds of jobs of which one more may begin.
    fn open_kinds(&self) -> impl Iterator<Item = &Arc<dyn Job>> {
        let running = self.running();
        let weights = running.values().map(|run| run.weight);
        let heavy: u64 = weights.filter(|weight| *weight > 1).map(u64::from).sum();
        drop(running);
        let (jobs, capacity) = (self.inner.jobs.values(), self.inner.capacity);
        jobs.filter(move |job| has_room(job.weight(), heavy, capacity))
    }

    fn answered(&self, answer: Answer, runs: &mut JoinSet<()>) {
        match answer {
            Ok(Some(taken)) => self.begin(runs, taken),
            Ok(None) => {}
            // The next look finds them.
            Err(_) => lock(&self.inner.hints).clear(),
        }
    }

    /// A claim that is not waited for any more may still have taken a task: it is given back.
    /// The question is sent at once, and its answer kept until somebody waits for it.
    fn claim<'a>(
        &'a self,
        which: Which,
        shutdown: &'a CancellationToken,
    ) -> impl Future<Output = Answer> + Send + 'a {
        let inner = self.inner.clone();
        let asked = inner.clock.monotonic();
        let names: Vec<&'static str> = self.open_kinds().map(|job| job.name()).collect();
        let mut claiming = AbortOnDropHandle::new(tokio::spawn(async move {
            let wanted = Wanted {
                runner: &inner.runner,
                names: &names,
                which,
                lease: inner.timing.lease,
            };
            inner.storage.queue().claim(&wanted).await
        }));
        let deadline = self.inner.timing.deadline;
        async move {
            tokio::select! {
                biased;
                answer = &mut claiming => {
                    let claimed = answer.unwrap_or(Ok(None))?;
                    Ok(claimed.map(|claimed| Taken { claimed, asked }))
                }
                () = shutdown.cancelled() => {
                    let _ = tokio::time::timeout(LAST_ANSWER, self.give_back(claiming)).await;
                    Ok(None)
                }
                () = tokio::time::sleep(deadline) => {
                    let engine = self.clone();
                    tokio::spawn(async move { engine.give_back(claiming).await });
                    Err(CallError::Late(deadline))
                }
            }
        }
    }

    async fn give_back(&self, claiming: AbortOnDropHandle<Result<Option<Claimed>, StorageError>>) {
        let Ok(Ok(Some(claimed))) = claiming.await else {
            return;
        };
        let released = self.inner.storage.queue().release(claimed.lease);
        if let Err(error) = within(self.inner.timing.deadline, released).await {
            tracing::warn!(job.id = %claimed.task.id, error = %Chain(&error),
                "a task that came too late was not given back");
        }
    }

    fn begin(&self, runs: &mut JoinSet<()>, taken: Taken) {
        let Taken { claimed, asked } = taken;
        let inner = &self.inner;
        let Some(job) = inner.jobs.get(claimed.task.name.as_str()).cloned() else {
            return;
        };
        let present = self.running().get(&claimed.task.id).map(Run::fence);
        if present.is_some_and(|fence| fence > claimed.lease.fence) {
            // An answer that was overtaken: its lease is over.
            return;
        }
        let held = Held::new(
            claimed.lease,
            job.name(),
            inner.storage.clone(),
            inner.clock.clone(),
            inner.timing,
        );
        let run = Run {
            held: held.clone(),
            weight: job.weight().max(1),
        };
        let before = self.running().insert(claimed.task.id, run);
        if let Some(before) = &before {
            // The lease ran out although the run lives: one ends before the next begins.
            before.held.stop(Stop::Lost);
        }
        let entry = Running {
            engine: self.clone(),
            held: held.clone(),
        };
        runs.spawn(async move {
            if let Some(before) = before {
                before.held.gone().cancelled().await;
            }
            run_claimed(&entry.engine.inner.data_key, job, held, claimed, asked).await;
            drop(entry);
        });
    }

    async fn drain(&self, mut runs: JoinSet<()>) {
        let held: Vec<_> = self
            .running()
            .values()
            .map(|run| run.held.clone())
            .collect();
        for run in &held {
            run.stop(Stop::Draining);
        }
        let Timing {
            grace,
            tidy,
            deadline,
            ..
        } = self.inner.timing;
        let leave = || {
            if let Some(unreported) = &self.inner.unreported {
                unreported.leave(&held);
            }
        };
        tokio::select! {
            () = async { while runs.join_next().await.is_some() {} } => {}
            // What does not answer by then is dropped: its leases run out.
            () = async {
                self.inner.clock.sleep(grace + tidy).await;
                // Nothing but the database is waited for now, and this process may end any moment.
                leave();
                tokio::time::sleep(deadline).await;
            } => {}
        }
        leave();
    }

    /// Tells a running engine of a task that may run.
    pub(crate) fn hint(&self, task: TaskId, job: &dyn Job, priority: Priority) {
        let mut hints = lock(&self.inner.hints);
        if hints.len() < MOST_HINTS {
            hints.push_back(Hint {
                task,
                weight: job.weight().max(1),
                priority,
            });
        }
        drop(hints);
        self.inner.wake.notify_one();
    }

    /// Clears away what a task left that was ended from outside: a run that is under way does so by
    /// itself, but there may be none. Whoever ended it does not wait for that.
    pub(crate) fn tidy_up_later(&self, task: &TaskRow) {
        if let Some(job) = self.inner.jobs.get(task.name.as_str()) {
            let (job, id) = (Arc::clone(job), task.id);
            tokio::spawn(async move { tidy_up(&*job, id).await });
        }
    }

    /// Stops a run of this process at once; others notice at their next write or heartbeat.
    pub(crate) fn stop_cancelled(&self, task: TaskId) {
        if let Some(run) = self.running().get(&task) {
            run.held.stop(Stop::Cancelled);
        }
    }

    pub(crate) fn fallen(&self) -> MutexGuard<'_, HashMap<Uuid, TaskId>> {
        lock(&self.inner.fallen)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TaskId, Run>> {
        lock(&self.inner.running)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EngineBuilder {
    #[must_use]
    pub fn register(mut self, job: impl Job) -> Self {
        self.0.jobs.insert(job.name(), Arc::new(job));
        self
    }

    /// Tasks are begun while the [`Job::weight`]s of those that run are below it. The last one
    /// begun may exceed it, so that a heavy one does not wait for ever behind light ones. A part of
    /// it is for what is urgent, and half of it the most for kinds that weigh more than 1.
    #[must_use]
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.0.capacity = capacity.max(1);
        self
    }

    /// A task that has ended so long ago is deleted, with all that it left.
    #[must_use]
    pub fn keep(mut self, keep: Option<Duration>) -> Self {
        self.0.keep = keep;
        self
    }

    /// Lets upkeep do this, too.
    #[must_use]
    pub fn sweep(mut self, sweep: impl Sweep) -> Self {
        self.0.sweeps.push(Arc::new(sweep));
        self
    }

    /// Who is asked about orders that change a server; without one, nobody is.
    #[must_use]
    pub fn guard(mut self, guard: impl Guard) -> Self {
        self.0.guard = Some(Arc::new(guard));
        self
    }

    /// Where runs are noted that ended while the database was silent, so that they do not count as
    /// crashes: a directory that exists, of this host's engines alone.
    #[must_use]
    pub fn unreported(mut self, directory: PathBuf) -> Self {
        self.0.unreported = Some(Unreported::new(directory, &self.0.runner));
        self
    }

    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.0.timing = timing;
        self
    }

    pub fn build(self) -> Engine {
        Engine {
            inner: Arc::new(self.0),
        }
    }
}

struct Taken {
    claimed: Claimed,
    /// When it was asked for, on the clock that does not jump.
    asked: Duration,
}

/// A task that was taken, if there was one.
type Answer = Result<Option<Taken>, CallError>;

/// A run is listed for exactly as long as it lives, however it ends.
struct Running {
    engine: Engine,
    held: Arc<Held>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.held.gone().cancel();
        let mut running = self.engine.running();
        // A later run of the same task may be listed already.
        if running
            .get(&self.held.lease.task)
            .is_some_and(|run| Arc::ptr_eq(&run.held, &self.held))
        {
            running.remove(&self.held.lease.task);
        }
    }
}
