//! The drills of a sandbox: starting, stopping, and keeping the last reports.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::world::{Id, Stamp};
use tokio_util::sync::CancellationToken;

use super::cast::Stage;
use super::run::Drill;
use super::settings::settle;
use super::types::{DrillReport, NewDrill};

/// Drills that are remembered.
const KEPT: usize = 50;

/// Why a drill does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrillError {
    #[error("there is no guild {0}")]
    UnknownGuild(Id),
    #[error("drill {running} is still running in this guild")]
    Busy { running: u64 },
    #[error("{KEPT} drills are running")]
    TooMany,
    #[error("{0}")]
    Bad(String),
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    /// Oldest first.
    drills: VecDeque<Arc<Drill>>,
}

/// All drills of a sandbox.
#[derive(Debug, Default)]
pub(crate) struct Drills {
    kept: Mutex<Kept>,
}

impl Drills {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the scene and lets the attack begin; the number of the drill.
    pub fn start(
        &self,
        sandbox: &Arc<Sandbox>,
        order: &NewDrill,
        guild: Id,
        shutdown: &CancellationToken,
    ) -> Result<u64, DrillError> {
        let now = sandbox.clock.now_ms();
        let settings = settle(order, Stamp(now))?;
        let drill = {
            let mut kept = self.kept();
            let running = kept.drills.iter().filter(|d| !d.is_finished());
            if let Some(other) = running.clone().find(|d| d.guild == guild) {
                return Err(DrillError::Busy { running: other.id });
            }
            if running.count() >= KEPT {
                return Err(DrillError::TooMany);
            }
            let id = kept.last + 1;
            let stage =
                sandbox.with_world(|world| Stage::set(world, guild, id, order.kind, &settings))?;
            let stop = shutdown.child_token();
            let drill = Arc::new(Drill::new(sandbox, id, order.kind, settings, stage, stop));
            kept.last = id;
            if kept.drills.len() >= KEPT
                && let Some(oldest) = kept.drills.iter().position(|d| d.is_finished())
            {
                kept.drills.remove(oldest);
            }
            kept.drills.push_back(drill.clone());
            drill
        };
        let id = drill.id;
        let detail = json!({"id": id, "order": order});
        let act = "drill".to_owned();
        sandbox.journal.record(now, Record::Control { act, detail });
        let sandbox = sandbox.clone();
        tokio::spawn(async move { drill.run(&sandbox).await });
        Ok(id)
    }

    /// Reports, newest first.
    pub fn list(&self, sandbox: &Sandbox) -> Vec<DrillReport> {
        let drills: Vec<Arc<Drill>> = self.kept().drills.iter().rev().cloned().collect();
        let brief = |drill: &Arc<Drill>| DrillReport {
            deeds: Vec::new(),
            ..drill.report(sandbox)
        };
        drills.iter().map(brief).collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Drill>> {
        self.kept().drills.iter().find(|d| d.id == id).cloned()
    }

    /// The report of a drill; of a running one once it is finished, or when `patience` is over.
    pub async fn report(
        &self,
        sandbox: &Sandbox,
        id: u64,
        patience: impl Future<Output = ()>,
    ) -> Option<DrillReport> {
        let drill = self.get(id)?;
        tokio::select! {
            biased;
            () = drill.finished() => {}
            () = patience => {}
        }
        Some(drill.report(sandbox))
    }

    /// Ends a drill and reports.
    pub async fn stop(&self, sandbox: &Sandbox, id: u64) -> Option<DrillReport> {
        let drill = self.get(id)?;
        drill.stop.cancel();
        drill.finished().await;
        Some(drill.report(sandbox))
    }

    /// Ends all drills and forgets them: their world is about to go.
    pub async fn clear(&self) {
        let kept = std::mem::take(&mut *self.kept());
        kept.drills.iter().for_each(|drill| drill.stop.cancel());
        for drill in kept.drills {
            drill.finished().await;
        }
    }
}
