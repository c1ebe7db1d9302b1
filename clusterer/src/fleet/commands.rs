//! Commands and notifications. A command gets exactly one answer, after validation and before
//! the action; a notification gets none.

use serde_json::{Map, Value, json};
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::LauncherCmd;
use tracing::{info, warn};

use super::cluster::{Cluster, State, Then, Via};
use super::event::{Effect, Origin};
use super::{Fleet, Now};
use crate::action_log::MAX_ENTRY;

/// Why a command is refused, as `{"error":code}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    UnknownAction,
    InvalidId,
    UnknownCluster,
    AlreadyRunning,
    NotRunning,
    Stopping,
    NotFullyUp,
    AlreadyRolling,
    ReshardInProgress,
    ReshardDisabled,
    ShuttingDown,
}

impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownAction => "unknown_action",
            Self::InvalidId => "invalid_id",
            Self::UnknownCluster => "unknown_cluster",
            Self::AlreadyRunning => "already_running",
            Self::NotRunning => "not_running",
            Self::Stopping => "stopping",
            Self::NotFullyUp => "not_fully_up",
            Self::AlreadyRolling => "already_rolling",
            Self::ReshardInProgress => "reshard_in_progress",
            Self::ReshardDisabled => "reshard_disabled",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// The actions an operator may ask for.
pub const ACTIONS: [&str; 9] = [
    "statuses",
    "num_processes",
    "start",
    "stop",
    "restart",
    "rollingrestart",
    "reshard",
    "restartproc",
    "shutdown",
];

type Action = fn(&mut Fleet, Now, usize);

impl Fleet {
    pub(super) fn on_command(&mut self, now: Now, origin: &Origin, command: &LauncherCmd) {
        match command.action.as_str() {
            "launch_next" => match command.cluster_id() {
                Some(cluster) => self.on_launch_next(now, cluster),
                None => warn!("dropped a launch_next without a usable id"),
            },
            "diag" => self.on_diag(now, command),
            "action_logs" => self.on_action_log(now, command.data.as_ref()),
            "statuses" => self.reply(origin, command, self.statuses()),
            "num_processes" => {
                let output = json!({ "clusters": self.clusters.len(), "shards": self.shard_count });
                self.reply(origin, command, output);
            }
            "start" => self.on_cluster(now, origin, command, Self::may_start, Self::start),
            "stop" => self.on_cluster(now, origin, command, Self::may_stop, Self::stop),
            "restart" => {
                let restart: Action = |fleet, now, index| fleet.restart(now, index, Via::Restart);
                self.on_cluster(now, origin, command, Self::may_stop, restart);
            }
            "rollingrestart" => {
                let may = self.may_run_sequence();
                if self.answer(origin, command, may) {
                    self.begin_rolling_restart(now);
                }
            }
            "reshard" => {
                let may = self.may_reshard();
                if self.answer(origin, command, may) {
                    self.begin_reshard(now);
                }
            }
            "restartproc" => {
                let may = self.may_act();
                if self.answer(origin, command, may) {
                    self.close(
                        now,
                        1,
                        Some("restart of the clusterer was asked for".to_owned()),
                    );
                }
            }
            "shutdown" => {
                let may = self.may_act();
                if self.answer(origin, command, may) {
                    self.close(now, 0, None);
                }
            }
            action => {
                let cut: String = action.chars().take(64).collect();
                warn!(action = cut, "unknown action");
                self.answer(origin, command, Err(Refusal::UnknownAction));
            }
        }
    }

    fn on_cluster(
        &mut self,
        now: Now,
        origin: &Origin,
        command: &LauncherCmd,
        may: fn(&Self, usize) -> Result<(), Refusal>,
        act: Action,
    ) {
        let cluster = command
            .cluster_id()
            .ok_or(Refusal::InvalidId)
            .and_then(|id: ClusterId| self.index(id).ok_or(Refusal::UnknownCluster));
        let allowed = self
            .may_act()
            .and(cluster)
            .and_then(|index| may(self, index).map(|()| index));
        if self.answer(origin, command, allowed.map(drop))
            && let Ok(index) = allowed
        {
            info!(cluster.id = %self.clusters[index].id, action = command.action, "carrying out a command");
            act(self, now, index);
        }
    }

    pub(super) fn may_act(&self) -> Result<(), Refusal> {
        if self.closing.is_some() {
            Err(Refusal::ShuttingDown)
        } else {
            Ok(())
        }
    }

    /// A running cluster is not started a second time: its shards would be in two processes.
    fn may_start(&self, index: usize) -> Result<(), Refusal> {
        match self.clusters[index].state {
            State::Stopped | State::Backoff { .. } => Ok(()),
            State::Stopping { .. } => Err(Refusal::Stopping),
            State::Queued { .. } | State::Launching { .. } | State::Running { .. } => {
                Err(Refusal::AlreadyRunning)
            }
        }
    }

    fn may_stop(&self, index: usize) -> Result<(), Refusal> {
        match self.clusters[index].state {
            State::Stopped => Err(Refusal::NotRunning),
            State::Stopping {
                then: Then::Stop, ..
            } => Err(Refusal::Stopping),
            _ => Ok(()),
        }
    }

    fn start(&mut self, _now: Now, index: usize) {
        self.enqueue(index, Via::Start);
    }

    fn stop(&mut self, now: Now, index: usize) {
        match self.clusters[index].state {
            State::Launching { .. } | State::Running { .. } => {
                self.begin_stop(now, index, Then::Stop, self.policy.stop_grace);
            }
            State::Stopping { kill_at, .. } => {
                self.set_state(
                    index,
                    State::Stopping {
                        kill_at,
                        then: Then::Stop,
                    },
                );
            }
            State::Queued { .. } | State::Backoff { .. } | State::Stopped => {
                self.set_state(index, State::Stopped);
            }
        }
    }

    fn on_action_log(&mut self, now: Now, data: Option<&Map<String, Value>>) {
        let Some(entry) = data else {
            warn!("dropped an action log entry without data");
            return;
        };
        let mut entry = entry.clone();
        entry
            .entry("ts")
            .or_insert_with(|| Value::from(now.wall.timestamp_micros()));
        let size = serde_json::to_string(&entry).map_or(usize::MAX, |text| text.len());
        if size > MAX_ENTRY {
            warn!(
                size,
                limit = MAX_ENTRY,
                "dropped an action log entry that is too large"
            );
            return;
        }
        self.effects.push(Effect::Log(entry));
    }

    fn statuses(&self) -> Value {
        let status = |cluster: &Cluster| {
            let started_at = cluster.started_at.map_or(NEVER, |at| at.timestamp());
            let status = json!({
                "active": cluster.active(),
                "status": "",
                "name": cluster.name,
                "started_at": started_at,
                "shard_list": cluster.shards,
            });
            (cluster.id.to_string(), status)
        };
        Value::Object(self.clusters.iter().map(status).collect())
    }

    /// Whether the action follows.
    fn answer(&mut self, origin: &Origin, command: &LauncherCmd, may: Result<(), Refusal>) -> bool {
        let output = match may {
            Ok(()) => Value::from("ok"),
            Err(refusal) => json!({ "error": refusal.code() }),
        };
        self.reply(origin, command, output);
        may.is_ok()
    }

    fn reply(&mut self, origin: &Origin, command: &LauncherCmd, output: Value) {
        let command_id = command.command_id.clone();
        self.effects.push(Effect::Reply {
            origin: origin.clone(),
            command_id,
            output,
        });
    }
}

/// Unix seconds of Go's zero time.
const NEVER: i64 = -62_135_596_800;
