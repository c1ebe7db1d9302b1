//! Starts the daemons as real processes and keeps them running (decisions, "Running").
//!
//! The supervisor binds every listener and hands it over, hosts the unix-socket bus when one is
//! used, starts a daemon again when it ends on its own, and leaves no process behind: it is the
//! parent of every orphan below it and kills what is left 9 s after the first signal.

pub mod cluster_copy;
pub mod daemons;
mod fleet;
mod keeper;
mod liveness;
mod logs;
mod orphans;
mod plan;
mod ports;
mod process;
mod readiness;
mod reload;
pub mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use splashtail_core::clock::SharedClock;
use splashtail_core::lifecycle::Lifecycle;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

pub use daemons::{PlanOptions, Role};
pub use plan::{Plan, sibling};
pub use ports::PortError;

use fleet::{Fleet, KILL_AFTER};
use keeper::Event;
use report::Ready;

/// Runs the plan until a signal comes.
///
/// # Errors
/// A daemon does not stay up during the start; its log's end is part of the message.
pub async fn run(
    mut plan: Plan,
    lifecycle: Lifecycle,
    clock: SharedClock,
    json: bool,
) -> Result<ExitCode> {
    orphans::become_subreaper().context("cannot adopt orphaned processes")?;
    let shutdown = lifecycle.shutdown();
    lifecycle.tasks().spawn(logs::keep_short(
        plan.data_dir.logs(),
        clock.clone(),
        shutdown.clone(),
    ));
    let mut fleet = Fleet::new(clock);
    let started = tokio::select! {
        started = fleet.start(&plan) => started.map(Some),
        () = shutdown.cancelled() => Ok(None),
    };
    let watched = match started {
        Err(error) => Err(error),
        Ok(None) => Ok(()),
        Ok(Some(ready)) => {
            write_down(&ready, &plan);
            lifecycle.notify_ready();
            if let Err(error) = announce(&ready, &plan, json) {
                warn!(%error, "nobody reads the answer, running all the same");
            }
            watch(&mut plan, &mut fleet, &lifecycle).await
        }
    };
    info!("stopping");
    let clean = fleet.stop(KILL_AFTER).await;
    let _ = std::fs::remove_file(plan.data_dir.platform());
    watched?;
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

/// For the commands that look for a running platform by its data directory.
fn write_down(ready: &Ready, plan: &Plan) {
    let written = serde_json::to_vec(ready).map_err(std::io::Error::from);
    let path = plan.data_dir.platform();
    let written = written.and_then(|text| splashtail_core::data_dir::write_private(&path, &text));
    if let Err(error) = written {
        warn!(%error, path = %path.display(), "other commands will not find this platform by its data directory");
    }
}

/// Until a signal: daemons that come and go are reported, orphans are collected, wishes to reload
/// carried out.
async fn watch(plan: &mut Plan, fleet: &mut Fleet, lifecycle: &Lifecycle) -> Result<()> {
    let shutdown = lifecycle.shutdown();
    let mut wishes = lifecycle.reload();
    let mut child_ended = signal(SignalKind::child()).context("SIGCHLD cannot be watched")?;
    let mut down = BTreeMap::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            Some(()) = child_ended.recv() => orphans::reap(|| fleet.known_pids()),
            Ok(()) = wishes.changed() => {
                match plan.reload() {
                    Ok(changes) => {
                        for line in changes {
                            info!("reload: {line}");
                        }
                        fleet.reload();
                    }
                    Err(error) => error!(
                        "the configuration cannot be used, everything goes on with the old one:\n{error:#}"
                    ),
                }
            }
            event = fleet.event() => {
                match event? {
                    Event::Up(name) => {
                        if down.remove(name).is_some() {
                            info!(daemon = name, "runs again");
                        }
                        if let Ok(ready) = readiness::report(plan, &fleet.pids()).await {
                            write_down(&ready, plan);
                        }
                    }
                    Event::Down(loss) => {
                        error!(daemon = loss.name, reason = loss.reason, times = loss.quick,
                            "is down, the rest goes on; it is started again until it stays");
                        down.insert(loss.name, loss.reason);
                    }
                    Event::Kept { name, reason, log_tail } => error!(
                        daemon = name, reason, "the successor failed, the old process goes on\n{log_tail}"
                    ),
                }
                lifecycle.notify_status(&status(&down));
            }
        }
    }
}

/// What `systemctl status` shows.
fn status(down: &BTreeMap<&'static str, String>) -> String {
    let down: Vec<_> = down
        .iter()
        .map(|(name, reason)| format!("{name} is down: {reason}"))
        .collect();
    match down.is_empty() {
        true => "all daemons run".to_owned(),
        false => down.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_hears_who_is_down() {
        assert_eq!(status(&BTreeMap::new()), "all daemons run");
        let down = BTreeMap::from([("jobserver", "no such file".to_owned())]);
        assert_eq!(status(&down), "jobserver is down: no such file");
    }
}
