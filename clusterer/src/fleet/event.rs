//! What the fleet hears and what it wants done.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_ipc::launcher::{
    DiagRequest, GatewayRefusal, Incoming, LauncherCmd, Malformed, SCOPE_BOT, SCOPE_CLUSTERER,
    SCOPE_LAUNCHER,
};

use super::{ProcessId, SavedFleet};

#[allow(
    clippy::large_enum_variant,
    reason = "moved a few times per message and never stored"
)]
#[derive(Debug)]
pub enum Event {
    /// Time passed.
    Tick,
    /// The answer to [`Effect::FetchGateway`].
    Gateway(Result<GatewayBot, GatewayFailure>),
    /// The answers to [`Effect::Spawn`].
    Spawned {
        cluster: ClusterId,
        incarnation: u64,
        process: ProcessId,
    },
    SpawnFailed {
        cluster: ClusterId,
        incarnation: u64,
        error: String,
    },
    /// A process ended. Comes once per spawned or adopted process.
    Exited {
        cluster: ClusterId,
        incarnation: u64,
        exit: Exit,
    },
    /// A command or notification with the scope of the clusterer.
    Command {
        origin: Origin,
        command: LauncherCmd,
    },
    /// An entry for the action log.
    Note(Map<String, Value>),
    /// A ping came back from the bus: whoever it is for can have received it.
    PingHeard(DiagRequest),
    /// A message of a clusterer to those of other hosts.
    Peer(LauncherCmd),
    /// Some clusterer's answer to a command.
    Answer {
        command_id: String,
        output: Value,
    },
    /// The subscription stands or fell.
    Bus {
        up: bool,
    },
    Shutdown,
}

impl Event {
    /// What a message of the main channel means to the fleet; `None` for what does not concern it.
    ///
    /// # Errors
    /// The message is to be dropped.
    pub fn of_message(text: &str) -> Result<Option<Self>, Malformed> {
        let command = match Incoming::parse(text)? {
            Incoming::DiagRequest(request) => return Ok(Some(Self::PingHeard(request))),
            Incoming::Command(command) => command,
        };
        Ok(match command.scope.as_str() {
            SCOPE_LAUNCHER => Some(Self::Command {
                origin: Origin::Bus,
                command,
            }),
            SCOPE_CLUSTERER => Some(Self::Peer(command)),
            SCOPE_BOT if command.action.is_empty() => {
                let output = command.output.unwrap_or_default();
                command
                    .command_id
                    .map(|command_id| Self::Answer { command_id, output })
            }
            _ => None,
        })
    }
}

/// Who waits for the answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The answer is published and carries the command's id.
    Bus,
    /// The answer goes to the request with this number.
    Request(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFailure {
    pub message: String,
    /// Discord refused the token: trying again is pointless.
    pub fatal: bool,
    pub retry_after: Option<Duration>,
}

/// How a process ended. Code and signal are absent for an adopted process, whose status only its parent
/// learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// It said that Discord refuses it.
    pub refused: Option<GatewayRefusal>,
}

impl Exit {
    /// `SIGABRT`
    pub fn signal_name(&self) -> Option<String> {
        let number = self.signal?;
        let known = nix::sys::signal::Signal::try_from(number).ok();
        Some(known.map_or_else(
            || format!("signal {number}"),
            |known| known.as_str().to_owned(),
        ))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Spawn(Spawn),
    Signal {
        cluster: ClusterId,
        incarnation: u64,
        signal: Signal,
    },
    /// To the main channel.
    Publish(String),
    /// The one answer to a command.
    Reply {
        origin: Origin,
        command_id: Option<String>,
        output: Value,
    },
    /// An entry for the action log.
    Log(Map<String, Value>),
    FetchGateway,
    /// An answer of Discord, for the time when it does not.
    KeepGateway(GatewayBot),
    /// For the process's own log.
    Say(String),
    Save(SavedFleet),
    /// All processes are gone; end with this status.
    Exit {
        code: u8,
        reason: Option<String>,
    },
}

/// Everything about a process that the fleet decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawn {
    pub cluster: ClusterId,
    pub incarnation: u64,
    pub name: String,
    pub shards: Vec<ShardId>,
    pub shard_count: u16,
    pub cluster_count: u16,
    /// The process may boot now, but with identify keys that still rest not identify before these
    /// times.
    pub floors: BTreeMap<u16, DateTime<Utc>>,
    /// What Discord said, so that a process need not ask. Empty when it is not known.
    pub gateway_url: String,
    pub max_concurrency: u16,
}

/// Sent to the whole process group of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Kill,
}
