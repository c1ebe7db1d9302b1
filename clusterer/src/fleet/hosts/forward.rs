//! Who answers a command. Each host hears every command on the bus; one of them replies. What
//! comes in by HTTP and concerns others is put on the bus, and their reply is passed back.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::{COMMAND_ID_LENGTH, LauncherCmd};

use super::super::event::{Effect, Origin};
use super::super::{Fleet, Now};

/// How long the other hosts may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Requests that may wait at once; the port takes no more either.
const MOST_WAITING: usize = 256;

#[derive(Debug)]
pub(super) struct Forwarded {
    origin: Origin,
    deadline: Duration,
}

impl Forwarded {
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn answer(self, output: Value) -> Effect {
        Effect::Reply {
            origin: self.origin,
            command_id: None,
            output,
        }
    }
}

/// What a host does with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Concern {
    /// Acts and answers.
    Ours,
    /// Acts and lets the host with shard 0 answer.
    Everyones,
    /// Another host acts and answers.
    Theirs,
}

impl Fleet {
    pub(in crate::fleet) fn concern(&self, command: &LauncherCmd) -> Concern {
        let Some(hosts) = &self.hosts else {
            return Concern::Ours;
        };
        let leads = hosts.leads();
        let own = |cluster: ClusterId| self.index(cluster).is_some();
        let ours = match command.action.as_str() {
            "launch_next" | "diag" => true,
            "start" | "stop" | "restart" => match command.cluster_id() {
                Some(cluster) if own(cluster) => true,
                Some(cluster) if hosts.elsewhere(cluster).is_some() => false,
                // Nobody has it, so the one who answers for the fleet says so.
                _ => leads,
            },
            "restartproc" | "shutdown" if !leads => return Concern::Everyones,
            _ => leads,
        };
        if ours { Concern::Ours } else { Concern::Theirs }
    }

    /// A command by HTTP goes over the bus when others have to act on it.
    pub(in crate::fleet) fn forwards(&self, command: &LauncherCmd) -> bool {
        let all = matches!(command.action.as_str(), "restartproc" | "shutdown");
        self.hosts.is_some() && (all || self.concern(command) != Concern::Ours)
    }

    pub(in crate::fleet) fn forward(&mut self, now: Now, origin: &Origin, command: &LauncherCmd) {
        let id = self.letters(COMMAND_ID_LENGTH);
        let bus_up = self.bus_down_since.is_none();
        let forwarded = Forwarded {
            origin: origin.clone(),
            deadline: now.monotonic + PATIENCE,
        };
        let Some(hosts) = &mut self.hosts else { return };
        if !bus_up || hosts.forwarded.len() >= MOST_WAITING {
            let answer = forwarded.answer(json!({ "error": "bus_unavailable" }));
            return self.effects.push(answer);
        }
        hosts.forwarded.insert(id.clone(), forwarded);
        let command = LauncherCmd {
            command_id: Some(id),
            ..command.clone()
        };
        self.publish(command.to_json());
    }

    /// Nobody answered in time.
    pub(in crate::fleet) fn give_up_forwarded(&mut self, now: Now) {
        let Some(hosts) = &mut self.hosts else { return };
        let late = |_: &String, waiting: &mut Forwarded| waiting.deadline <= now.monotonic;
        for (_, forwarded) in hosts.forwarded.extract_if(late) {
            self.effects
                .push(forwarded.answer(json!({ "error": "no_answer" })));
        }
    }

    /// The output of a command that was asked for on behalf of an HTTP request.
    pub(in crate::fleet) fn on_answer(&mut self, command_id: &str, output: Value) {
        let Some(hosts) = &mut self.hosts else { return };
        if let Some(forwarded) = hosts.forwarded.remove(command_id) {
            self.effects.push(forwarded.answer(output));
        }
    }
}
