//! Commands and notifications. A command gets exactly one answer, after validation and before
//! the action; a notification gets none.

use serde_json::{Map, Value, json};
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::LauncherCmd;
use tracing::{info, warn};

use super::cluster::{State, Then, Via};
use super::event::{Effect, Origin};
use super::hosts::Concern;
use super::{Fleet, Now};
use crate::action_log::MAX_ENTRY;
use crate::complaints::shown;

/// Why a command is refused, as `{"error":code}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    UnknownAction,
    InvalidId,
    UnknownCluster,
    /// No host runs the shards of this cluster.
    HostMissing,
    AlreadyRunning,
    NotRunning,
    Stopping,
    NotFullyUp,
    AlreadyRolling,
    ReshardInProgress,
    ReshardDisabled,
    ShuttingDown,
    /// The bus is away, and nothing starts without it.
    BusDown,
    /// Discord refuses what starts.
    DiscordRefuses,
    /// Discord allows too few more identifies.
    NoSessions,
}

impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownAction => "unknown_action",
            Self::InvalidId => "invalid_id",
            Self::UnknownCluster => "unknown_cluster",
            Self::HostMissing => "host_missing",
            Self::AlreadyRunning => "already_running",
            Self::NotRunning => "not_running",
            Self::Stopping => "stopping",
            Self::NotFullyUp => "not_fully_up",
            Self::AlreadyRolling => "already_rolling",
            Self::ReshardInProgress => "reshard_in_progress",
            Self::ReshardDisabled => "reshard_disabled",
            Self::ShuttingDown => "shutting_down",
            Self::BusDown => "bus_down",
            Self::DiscordRefuses => "discord_refuses",
            Self::NoSessions => "no_sessions",
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
        if matches!(origin, Origin::Request(_)) && self.forwards(command) {
            return self.forward(now, origin, command);
        }
        match self.concern(command) {
            Concern::Ours => {}
            Concern::Theirs => return,
            Concern::Everyones => return self.close_as_asked(now, command),
        }
        match command.action.as_str() {
            "launch_next" => match command.cluster_id() {
                Some(cluster) if cluster.get() < self.cluster_count() => {
                    self.on_launch_next(now, cluster);
                }
                _ => self.complain(now, "dropped a launch_next of no cluster", command),
            },
            "identified" => self.on_identified(now, command),
            "diag" => self.on_diag(now, command),
            "action_logs" => self.on_action_log(now, command),
            "statuses" => self.reply(origin, command, self.statuses()),
            "num_processes" => {
                let output =
                    json!({ "clusters": self.cluster_count(), "shards": self.shard_count });
                self.reply(origin, command, output);
            }
            "start" => self.on_cluster(now, origin, command, Self::may_start, Self::start),
            "stop" => self.on_cluster(now, origin, command, Self::may_stop, Self::stop),
            "restart" => {
                let restart: Action =
                    |fleet, now, index| fleet.restart_as_asked(now, index, Via::Restart);
                self.on_cluster(now, origin, command, Self::may_restart, restart);
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
            "restartproc" | "shutdown" => {
                let may = self.may_act();
                if self.answer(origin, command, may) {
                    self.close_as_asked(now, command);
                }
            }
            _ => {
                self.complain(now, "unknown action", command);
                self.answer(origin, command, Err(Refusal::UnknownAction));
            }
        }
    }

    fn close_as_asked(&mut self, now: Now, command: &LauncherCmd) {
        match command.action.as_str() {
            "restartproc" => {
                let reason = "restart of the clusterer was asked for".to_owned();
                self.close(now, 1, Some(reason));
            }
            _ => self.close(now, 0, None),
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
            .and_then(|id: ClusterId| self.index(id).ok_or_else(|| self.why_unknown(id)));
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

    fn why_unknown(&self, cluster: ClusterId) -> Refusal {
        if self.hosts.is_some() && cluster.get() < self.cluster_count() {
            Refusal::HostMissing
        } else {
            Refusal::UnknownCluster
        }
    }

    /// Warns of something a peer sent, with its message cut to size.
    pub(super) fn complain(&mut self, now: Now, what: &str, command: &LauncherCmd) {
        if let Some(unsaid) = self.complaints.allow(now.monotonic) {
            let text = command.to_json();
            warn!(message = shown(&text), unsaid, "{what}");
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
            State::Stopped | State::Backoff { .. } | State::Refused => Ok(()),
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

    /// What runs is not taken down while it could not come up again.
    fn may_restart(&self, index: usize) -> Result<(), Refusal> {
        self.may_stop(index)?;
        let cluster = &self.clusters[index];
        if cluster.occupied {
            self.may_take_down(cluster.shards.len())
        } else {
            Ok(())
        }
    }

    /// Whether processes with so many shards can be started now.
    pub(super) fn may_take_down(&self, shards: usize) -> Result<(), Refusal> {
        let needed = u32::try_from(shards).unwrap_or(u32::MAX);
        let needed = needed.max(self.policy.minimum_sessions);
        if self.bus_down_since.is_some() {
            Err(Refusal::BusDown)
        } else if self.hold.is_some() {
            Err(Refusal::DiscordRefuses)
        } else if self.identifies_left().is_some_and(|left| left < needed) {
            Err(Refusal::NoSessions)
        } else {
            Ok(())
        }
    }

    fn start(&mut self, now: Now, index: usize) {
        self.restart_as_asked(now, index, Via::Start);
    }

    fn stop(&mut self, now: Now, index: usize) {
        self.clusters[index].wanted = false;
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
            State::Queued { .. } | State::Backoff { .. } | State::Refused | State::Stopped => {
                self.set_state(index, State::Stopped);
            }
        }
    }

    fn on_action_log(&mut self, now: Now, command: &LauncherCmd) {
        let data = command.data.as_ref();
        let Some(entry) = data.filter(|data| data.get("event").is_some_and(Value::is_string))
        else {
            return self.complain(now, "dropped an action log entry without event", command);
        };
        let size = serde_json::to_string(entry).map_or(usize::MAX, |text| text.len());
        if size > MAX_ENTRY {
            let what = format!("dropped an action log entry of more than {MAX_ENTRY} bytes");
            return self.complain(now, &what, command);
        }
        self.note(now, entry.clone());
    }

    pub(super) fn note(&mut self, now: Now, mut entry: Map<String, Value>) {
        if !entry.get("ts").is_some_and(Value::is_number) {
            let ts = Value::from(now.wall.timestamp_micros());
            entry.insert("ts".to_owned(), ts);
        }
        self.effects.push(Effect::Log(entry));
    }

    /// mewld's map. Its `status` is always empty there; here it tells the clusters that no host
    /// runs.
    fn statuses(&self) -> Value {
        let mut statuses = Map::new();
        for known in self.whole_fleet() {
            let instance = known.instance;
            let status = if known.missing { "missing" } else { "" };
            let status = json!({
                "active": instance.active,
                "status": status,
                "name": known.name,
                "started_at": instance.started_at.timestamp(),
                "shard_list": instance.shards,
            });
            statuses.insert(instance.cluster_id.to_string(), status);
        }
        Value::Object(statuses)
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
        let reply = Effect::Reply {
            origin: origin.clone(),
            command_id: command.command_id.clone(),
            output,
        };
        match origin {
            Origin::Bus if self.hosts.is_some() => self.answers.push(reply),
            _ => self.effects.push(reply),
        }
    }
}
