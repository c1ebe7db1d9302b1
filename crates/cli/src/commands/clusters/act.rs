//! `clusters start|stop|restart`: sends the commands and waits until they are carried out. The
//! clusterer answers before it acts, so what happens then is read from its state.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use splashtail_api_types::clusters::InstanceState;
use splashtail_core::ids::ClusterId;
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::fleet::{Cluster, Fleet};
use super::patience::{TIMED_OUT, span};
use super::target::Target;
use super::terminal::say;
use super::{events, refusal};
use crate::commands::source::ConfigSource;

const PERIOD: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub struct ActArgs {
    #[command(flatten)]
    target: Target,
    /// Return as soon as the clusterer has accepted the command.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait until it is done, such as `90s` or `5m`.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = span)]
    timeout: Duration,
    #[command(flatten)]
    source: ConfigSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Restart,
}

impl Action {
    const fn command(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Start => "runs",
            Self::Stop => "is stopped",
            Self::Restart => "runs again",
        }
    }
}

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Waiting,
    Done,
    /// It will not get there by itself, or not soon.
    Failed(&'static str),
}

/// `session` is that of before the command.
fn judge(action: Action, session: &str, cluster: &Cluster) -> Verdict {
    use InstanceState::{Backoff, Held, Running, Starting, Stopped};
    let other_process = !cluster.session.is_empty() && cluster.session != session;
    match (action, cluster.state) {
        (Action::Stop, Stopped) => Verdict::Done,
        (Action::Stop, Starting | Running) if other_process => {
            Verdict::Failed("was started again by somebody else")
        }
        (Action::Start, Running) => Verdict::Done,
        (Action::Restart, Running) if other_process => Verdict::Done,
        (Action::Start | Action::Restart, Stopped) => Verdict::Failed("was stopped meanwhile"),
        (Action::Start | Action::Restart, Backoff | Held) => Verdict::Failed("did not come up"),
        _ => Verdict::Waiting,
    }
}

/// Exit code 0: done; 1: refused or failed; 3: not in time.
///
/// # Errors
/// Nothing was sent: the clusterer cannot be reached, or there is no such cluster.
pub async fn run(action: Action, args: ActArgs) -> Result<ExitCode> {
    let connection = Connection::open(&args.source)?;
    let before = connection
        .fleet()
        .await
        .map_err(|error| connection.explain(&error))?;
    let targets = args.target.resolve(&before)?;
    let since = last_entry(&connection).await;

    let mut failed = false;
    let mut waiting = BTreeMap::new();
    for cluster in targets {
        let subject = format!("cluster {}", cluster.label());
        match connection.command(action.command(), Some(cluster.id)).await {
            Ok(()) => {
                waiting.insert(cluster.id, cluster.session.clone());
            }
            Err(error) => {
                failed = true;
                let id = Some(cluster.id.get());
                say(&refusal::explain(&connection, &subject, id, &error));
            }
        }
    }
    if args.no_wait {
        for id in waiting.keys() {
            say(&format!(
                "{} of cluster {id} is under way",
                action.command()
            ));
        }
        return Ok(code(failed, false));
    }
    let mut wait = Wait {
        connection: &connection,
        action,
        since,
        waiting,
        failed,
        reporter: Reporter::new(&before),
    };
    let timed_out = wait.until(Instant::now() + args.timeout).await;
    if timed_out {
        for id in wait.waiting.keys() {
            say(&format!(
                "cluster {id} is not there after {} s; the clusterer goes on: `splashtail clusters status`",
                args.timeout.as_secs()
            ));
        }
    }
    Ok(code(wait.failed, timed_out))
}

fn code(failed: bool, timed_out: bool) -> ExitCode {
    match (failed, timed_out) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(TIMED_OUT),
        (false, false) => ExitCode::SUCCESS,
    }
}

struct Wait<'a> {
    connection: &'a Connection,
    action: Action,
    /// Of the last entry of the action log before the commands.
    since: Option<DateTime<Utc>>,
    waiting: BTreeMap<ClusterId, String>,
    failed: bool,
    reporter: Reporter,
}

impl Wait<'_> {
    /// Whether the time ran out first.
    async fn until(&mut self, deadline: Instant) -> bool {
        while !self.waiting.is_empty() {
            match self.connection.fleet().await {
                Ok(fleet) => self.look(&fleet).await,
                Err(error) => self.reporter.trouble(self.connection.trouble(&error)),
            }
            if !self.waiting.is_empty() {
                if Instant::now() >= deadline {
                    return true;
                }
                sleep(PERIOD).await;
            }
        }
        false
    }

    async fn look(&mut self, fleet: &Fleet) {
        let waiting = std::mem::take(&mut self.waiting);
        for (id, session) in waiting {
            let Some(cluster) = fleet.cluster(id) else {
                self.failed = true;
                say(&format!("cluster {id} does not exist any more"));
                continue;
            };
            match judge(self.action, &session, cluster) {
                Verdict::Done => {
                    say(&format!(
                        "cluster {} {}",
                        cluster.label(),
                        self.action.done()
                    ));
                }
                Verdict::Failed(how) => {
                    self.failed = true;
                    let log = self.connection.action_log().await.unwrap_or_default();
                    let reason = events::failure_of(&log, id, self.since)
                        .map(|reason| format!(": {reason}"))
                        .unwrap_or_default();
                    say(&format!("cluster {} {how}{reason}", cluster.label()));
                }
                Verdict::Waiting => {
                    self.reporter.progress(cluster);
                    self.waiting.insert(id, session);
                }
            }
        }
    }
}

/// When the newest entry of the action log was written; `None` also when it cannot be read, which
/// costs only a reason.
pub async fn last_entry(connection: &Connection) -> Option<DateTime<Utc>> {
    let log = connection.action_log().await.ok()?;
    log.iter().rev().find_map(events::time)
}

/// Tells of every change of a cluster's state once.
pub struct Reporter {
    states: BTreeMap<ClusterId, InstanceState>,
    trouble: Option<String>,
}

impl Reporter {
    pub fn new(fleet: &Fleet) -> Self {
        Self {
            states: fleet
                .clusters
                .iter()
                .map(|cluster| (cluster.id, cluster.state))
                .collect(),
            trouble: None,
        }
    }

    pub fn progress(&mut self, cluster: &Cluster) {
        self.trouble = None;
        if self.states.insert(cluster.id, cluster.state) != Some(cluster.state) {
            say(&format!(
                "cluster {}: {}",
                cluster.label(),
                cluster.state.as_str()
            ));
        }
    }

    pub fn trouble(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            say(&trouble);
            self.trouble = Some(trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fleet::samples::fleet;
    use super::*;

    #[test]
    fn the_state_tells_when_a_command_is_done() {
        use InstanceState::*;
        let fleet = fleet(&["Flare"]);
        let seen = |action, state, session: &str| {
            let cluster = Cluster {
                state,
                session: session.to_owned(),
                ..fleet.clusters[0].clone()
            };
            match judge(action, "old", &cluster) {
                Verdict::Waiting => "waiting",
                Verdict::Done => "done",
                Verdict::Failed(_) => "failed",
            }
        };
        for (action, state, session, expected) in [
            (Action::Stop, Running, "old", "waiting"),
            (Action::Stop, Stopping, "old", "waiting"),
            (Action::Stop, Stopped, "", "done"),
            (Action::Stop, Starting, "new", "failed"),
            (Action::Start, Queued, "", "waiting"),
            (Action::Start, Starting, "new", "waiting"),
            (Action::Start, Running, "new", "done"),
            (Action::Start, Stopped, "", "failed"),
            (Action::Start, Backoff, "", "failed"),
            // It still is the process of before.
            (Action::Restart, Running, "old", "waiting"),
            (Action::Restart, Stopping, "old", "waiting"),
            (Action::Restart, Queued, "", "waiting"),
            (Action::Restart, Running, "new", "done"),
            (Action::Restart, Held, "new", "failed"),
        ] {
            assert_eq!(
                seen(action, state, session),
                expected,
                "{action:?} {state:?} {session}"
            );
        }
    }
}
