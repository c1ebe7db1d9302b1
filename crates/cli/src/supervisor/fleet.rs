//! The running daemons: started stage by stage, stopped in the reverse order.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use splashtail_core::clock::SharedClock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::daemons::CLUSTERER;
use super::keeper::{Event, Keeper, Pids};
use super::plan::Plan;
use super::process::{DaemonSpec, last_line};
use super::readiness::Missing;
use super::report::Ready;
use super::{orphans, readiness};

/// Everything is gone after this.
pub const KILL_AFTER: Duration = Duration::from_secs(9);
/// Of which each stage that is stopped later keeps so much.
const LATER_STAGE: Duration = Duration::from_secs(1);
/// How often a start that takes long says what it waits for.
const EXPLAIN_EVERY: Duration = Duration::from_secs(10);
/// A daemon that is lost this often in a row during the start stops the start.
const START_ATTEMPTS: u32 = 3;

pub struct Fleet {
    clock: SharedClock,
    reload: watch::Sender<u64>,
    tasks: JoinSet<(&'static str, std::io::Result<bool>)>,
    /// In the order of the start.
    stages: Vec<Vec<Running>>,
    events_sender: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

struct Running {
    name: &'static str,
    pids: Pids,
    stop: CancellationToken,
}

impl Fleet {
    pub fn new(clock: SharedClock) -> Self {
        let (events_sender, events) = mpsc::unbounded_channel();
        Self {
            clock,
            reload: watch::Sender::new(0),
            tasks: JoinSet::new(),
            stages: Vec::new(),
            events_sender,
            events,
        }
    }

    /// Starts every stage of the plan and waits until all is ready.
    ///
    /// # Errors
    /// A daemon does not stay up.
    pub async fn start(&mut self, plan: &Plan) -> Result<Ready> {
        for stage in plan.stages()? {
            let waiting: Vec<_> = stage
                .iter()
                .map(|spec| (spec.name, spec.health.clone(), spec.log.clone()))
                .collect();
            let running = stage.into_iter().map(|spec| self.keep(spec)).collect();
            self.stages.push(running);
            for (name, health, log) in waiting {
                let missing = Missing::default();
                let ready = readiness::answers(&health, &missing);
                self.wait_ready(name, &log, &missing, ready).await?;
                info!(daemon = name, "ready");
            }
        }
        if plan.has_clusters() {
            let log = plan.data_dir.log(CLUSTERER);
            let ready = readiness::fully_up(plan);
            self.wait_ready("clusters", &log, &Missing::default(), ready)
                .await?;
            info!("all clusters are up");
        }
        readiness::report(plan, &self.pids()).await
    }

    fn keep(&mut self, spec: DaemonSpec) -> Running {
        let running = Running {
            name: spec.name,
            pids: Pids::default(),
            stop: CancellationToken::new(),
        };
        info!(daemon = spec.name, "starting");
        let keeper = Keeper {
            spec,
            pids: running.pids.clone(),
            stop: running.stop.clone(),
            reload: self.reload.subscribe(),
            events: self.events_sender.clone(),
            clock: self.clock.clone(),
        };
        let name = running.name;
        self.tasks.spawn(async move { (name, keeper.run().await) });
        running
    }

    /// Waits for `ready` while watching that the daemons stay up. A long wait is explained with what
    /// the daemon says is missing (a database, Redis), or with the end of its log.
    async fn wait_ready(
        &mut self,
        name: &str,
        log: &Path,
        missing: &Missing,
        ready: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        tokio::pin!(ready);
        let clock = self.clock.clone();
        loop {
            tokio::select! {
                () = clock.sleep(EXPLAIN_EVERY) => {
                    let said = missing.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let why = said.or_else(|| last_line(log)).unwrap_or_default();
                    warn!(log = %log.display(), "still waiting for the {name}: {why}");
                }
                ready = &mut ready => return ready.with_context(|| format!("{name} is not ready")),
                event = self.event() => match event? {
                    Event::Down(loss) if loss.quick >= START_ATTEMPTS => bail!(
                        "the {} does not start ({})\n{}",
                        loss.name, loss.reason, loss.log_tail
                    ),
                    _ => {}
                },
            }
        }
    }

    /// What happens next. Dropping it loses nothing.
    ///
    /// # Errors
    /// A daemon is not kept any more, although nobody stopped it.
    pub async fn event(&mut self) -> Result<Event> {
        tokio::select! {
            Some(event) = self.events.recv() => Ok(event),
            Some(ended) = self.tasks.join_next() => match ended {
                Ok((name, Err(error))) => Err(error).with_context(|| format!("the {name} cannot be kept running")),
                Ok((name, Ok(_))) => bail!("the {name} is not kept running any more"),
                Err(error) => Err(error).context("supervision failed"),
            },
        }
    }

    /// Hands a wish to reload to every daemon.
    pub fn reload(&self) {
        self.reload.send_modify(|count| *count += 1);
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.stages.iter().flatten()
    }

    pub fn pids(&self) -> BTreeMap<&'static str, u32> {
        self.running()
            .filter_map(|running| Some((running.name, running.pids.serving()?)))
            .collect()
    }

    pub fn known_pids(&self) -> HashSet<u32> {
        self.running()
            .flat_map(|running| running.pids.all())
            .collect()
    }

    /// Stops the stages in the reverse order of their start, so that clusters can still take leave
    /// of what they are connected to. What lost its parent ends with the stage that is stopped
    /// then. Kills what is left after `limit` in all; returns whether nothing had to be killed.
    pub async fn stop(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut clean = true;
        let mut left: BTreeSet<_> = self.running().map(|running| running.name).collect();
        for at in (0..self.stages.len()).rev() {
            let later = u32::try_from(at).unwrap_or(u32::MAX);
            let until = deadline - (LATER_STAGE * later).min(limit);
            for running in &self.stages[at] {
                running.stop.cancel();
            }
            let names: Vec<_> = self.stages[at].iter().map(|running| running.name).collect();
            while names.iter().any(|name| left.contains(name)) {
                match tokio::time::timeout_at(until, self.tasks.join_next()).await {
                    Ok(Some(Ok((name, ended)))) => {
                        left.remove(name);
                        clean &= ended.unwrap_or(false);
                    }
                    Ok(Some(Err(_))) => clean = false,
                    Ok(None) | Err(_) => break,
                }
            }
            orphans::end(|| self.known_pids(), until).await;
        }
        let killed = orphans::kill_descendants();
        if killed > 0 {
            warn!(processes = killed, "killed what had not stopped in time");
        }
        while self.tasks.join_next().await.is_some() {}
        orphans::reap(HashSet::new);
        clean && killed == 0
    }
}
