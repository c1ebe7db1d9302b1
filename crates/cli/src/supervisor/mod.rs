//! Starts the daemons as real processes and keeps them running (decisions, "Running").
//!
//! The supervisor binds every listener and hands it over, hosts the unix-socket bus when one is
//! used, starts a daemon again when it ends on its own, and leaves no process behind: it is the
//! parent of every orphan below it and kills what is left 9 s after the first signal.

mod orphans;
mod plan;
mod ports;
mod process;
mod readiness;
pub mod report;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use splashtail_core::clock::SharedClock;
use splashtail_core::lifecycle::Lifecycle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use plan::{Plan, PlanOptions, Role, sibling};
pub use ports::PortError;
use process::{DaemonSpec, PidCell, UnexpectedExit};
use report::Ready;

/// The daemons have this long after the first signal; clusters get 5 s of it from the clusterer.
const STOP_DAEMONS_WITHIN: Duration = Duration::from_secs(8);
/// Everything is gone after this.
const KILL_AFTER: Duration = Duration::from_secs(9);
/// How often a start that takes long says what it waits for.
const EXPLAIN_EVERY: Duration = Duration::from_secs(10);
/// A daemon that ends this often in a row during the start stops the start.
const START_ATTEMPTS: u32 = 3;

/// Runs the plan until a signal comes.
///
/// # Errors
/// A daemon cannot be started or does not stay up during the start; its log's end is part of
/// the message.
pub async fn run(
    plan: Plan,
    lifecycle: Lifecycle,
    clock: SharedClock,
    json: bool,
) -> Result<ExitCode> {
    orphans::become_subreaper().context("cannot adopt orphaned processes")?;
    let mut fleet = Fleet::new(clock, lifecycle.reload());
    let shutdown = lifecycle.shutdown();
    let started = tokio::select! {
        started = start(&plan, &mut fleet) => started.map(Some),
        () = shutdown.cancelled() => Ok(None),
    };
    match started {
        Err(error) => {
            fleet.stop(KILL_AFTER).await;
            return Err(error);
        }
        Ok(Some(ready)) => {
            lifecycle.notify_ready();
            if let Err(error) = announce(&ready, &plan, json) {
                warn!(%error, "nobody reads the answer, running all the same");
            }
            watch(&mut fleet, &lifecycle).await;
        }
        Ok(None) => {}
    }
    info!("stopping");
    let clean = fleet.stop(KILL_AFTER).await;
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn announce(ready: &Ready, plan: &Plan, json: bool) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    if json {
        writeln!(stdout, "{}", serde_json::to_string(ready)?)?;
    } else {
        let engines = plan.describe();
        writeln!(stdout, "\nsplashtail is running ({engines})\n\n{ready}")?;
    }
    Ok(stdout.flush()?)
}

async fn start(plan: &Plan, fleet: &mut Fleet) -> Result<Ready> {
    for stage in plan.stages()? {
        let mut waiting = Vec::new();
        for (spec, ready_at) in stage {
            info!(daemon = spec.name, "starting");
            waiting.push((spec.name, ready_at));
            fleet.spawn(spec);
        }
        for (name, ready_at) in waiting {
            fleet
                .wait_ready(
                    name,
                    &plan.data_dir.log(name),
                    readiness::answers(&ready_at),
                )
                .await?;
            info!(daemon = name, "ready");
        }
    }
    if plan.has_clusters() {
        fleet
            .wait_ready(
                "clusters",
                &plan.data_dir.log(plan::CLUSTERER),
                readiness::fully_up(plan),
            )
            .await?;
        info!("all clusters are up");
    }
    readiness::report(plan, &fleet.pids()).await
}

/// Until a signal: restarts are reported, orphans are collected.
async fn watch(fleet: &mut Fleet, lifecycle: &Lifecycle) {
    let shutdown = lifecycle.shutdown();
    let Ok(mut child_ended) = signal(SignalKind::child()) else {
        warn!("SIGCHLD cannot be watched, orphans stay until the end");
        shutdown.cancelled().await;
        return;
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some(()) = child_ended.recv() => orphans::reap(&fleet.known_pids()),
            Some(exit) = fleet.exits.recv() => {
                error!(daemon = exit.name, status = exit.status, "ended, the rest goes on");
            }
        }
    }
}

/// The running daemons.
struct Fleet {
    clock: SharedClock,
    reload: watch::Receiver<u64>,
    tasks: JoinSet<(&'static str, std::io::Result<()>)>,
    pids: BTreeMap<&'static str, PidCell>,
    stop_daemons: CancellationToken,
    stop_sandbox: CancellationToken,
    exits_sender: mpsc::UnboundedSender<UnexpectedExit>,
    exits: mpsc::UnboundedReceiver<UnexpectedExit>,
}

impl Fleet {
    fn new(clock: SharedClock, reload: watch::Receiver<u64>) -> Self {
        let (exits_sender, exits) = mpsc::unbounded_channel();
        Self {
            clock,
            reload,
            tasks: JoinSet::new(),
            pids: BTreeMap::new(),
            stop_daemons: CancellationToken::new(),
            stop_sandbox: CancellationToken::new(),
            exits_sender,
            exits,
        }
    }

    fn spawn(&mut self, spec: DaemonSpec) {
        let name = spec.name;
        let pid = self.pids.entry(name).or_default().clone();
        let stop = if name == plan::SANDBOX {
            &self.stop_sandbox
        } else {
            &self.stop_daemons
        };
        let supervised = process::supervise(
            spec,
            pid,
            stop.clone(),
            self.reload.clone(),
            self.exits_sender.clone(),
            self.clock.clone(),
        );
        self.tasks.spawn(async move { (name, supervised.await) });
    }

    /// Waits for `ready` while watching that the daemons stay up. A long wait is explained with the
    /// end of the log, which says what is missing (a database, Redis).
    async fn wait_ready(
        &mut self,
        name: &str,
        log: &Path,
        ready: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        tokio::pin!(ready);
        let clock = self.clock.clone();
        loop {
            tokio::select! {
                () = clock.sleep(EXPLAIN_EVERY) => {
                    let last = process::last_line(log).unwrap_or_default();
                    warn!(log = %log.display(), "still waiting for the {name}: {last}");
                }
                ready = &mut ready => return ready.with_context(|| format!("{name} is not ready")),
                Some(exit) = self.exits.recv() => {
                    if exit.quick_exits >= START_ATTEMPTS {
                        bail!(
                            "the {} does not start ({}):\n{}",
                            exit.name, exit.status, exit.log_tail
                        );
                    }
                }
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok((name, Err(error))) => {
                        return Err(error).context(format!("the {name} cannot be started"));
                    }
                    Ok((name, Ok(()))) => bail!("the {name} was stopped during the start"),
                    Err(error) => return Err(error).context("supervision failed"),
                },
            }
        }
    }

    fn pids(&self) -> BTreeMap<&'static str, u32> {
        self.pids
            .iter()
            .filter_map(|(name, pid)| Some((*name, pid.get()?)))
            .collect()
    }

    fn known_pids(&self) -> HashSet<u32> {
        self.pids().into_values().collect()
    }

    /// The daemons first, so that clusters can still take leave of the sandbox, then the sandbox.
    /// Kills what is left after `limit` in all; returns whether nothing had to be killed.
    async fn stop(&mut self, limit: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + limit;
        let daemons_deadline = deadline.min(tokio::time::Instant::now() + STOP_DAEMONS_WITHIN);
        self.stop_daemons.cancel();
        let sandbox_runs = usize::from(self.pids().contains_key(plan::SANDBOX));
        while self.tasks.len() > sandbox_runs {
            if tokio::time::timeout_at(daemons_deadline, self.tasks.join_next())
                .await
                .is_err()
            {
                break;
            }
        }
        self.stop_sandbox.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout_at(deadline, ended).await.is_ok();
        let killed = orphans::kill_descendants();
        if killed > 0 {
            warn!(processes = killed, "killed what had not stopped in time");
        }
        while self.tasks.join_next().await.is_some() {}
        orphans::reap(&HashSet::new());
        in_time && killed == 0
    }
}
