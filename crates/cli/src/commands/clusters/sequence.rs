//! `clusters rolling-restart` and `clusters reshard`: the clusterer goes through the clusters one
//! by one; this follows it to the end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_api_types::clusters::InstanceState;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::clients::ClientError;
use tokio::time::{Instant, sleep};

use super::act::{Reporter, last_entry};
use super::connection::Connection;
use super::fleet::Fleet;
use super::patience::{TIMED_OUT, span};
use super::terminal::say;
use super::{events, refusal};
use crate::commands::source::ConfigSource;

const PERIOD: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct SequenceArgs {
    /// Return as soon as the clusterer has accepted the command.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for each cluster, such as `90s` or `5m`.
    #[arg(long, value_name = "SPAN", default_value = "120s", value_parser = span)]
    timeout: Duration,
    #[command(flatten)]
    source: ConfigSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    Rolling,
    Reshard,
}

impl Sequence {
    const fn command(self) -> &'static str {
        match self {
            Self::Rolling => "rollingrestart",
            Self::Reshard => "reshard",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rolling => "the rolling restart",
            Self::Reshard => "the reshard",
        }
    }
}

/// Exit code 0: done; 1: refused or failed; 3: not in time.
///
/// # Errors
/// The clusterer cannot be reached or refuses.
pub async fn run(sequence: Sequence, args: SequenceArgs) -> Result<ExitCode> {
    let connection = Connection::open(&args.source)?;
    let before = connection
        .fleet()
        .await
        .map_err(|error| connection.explain(&error))?;
    let since = last_entry(&connection).await;
    if let Err(error) = connection.command(sequence.command(), None).await {
        bail!(refusal::explain(&connection, sequence.name(), None, &error));
    }
    if args.no_wait {
        say(&format!("{} is under way", sequence.name()));
        return Ok(ExitCode::SUCCESS);
    }
    let clusters = u32::try_from(before.clusters.len()).unwrap_or(u32::MAX);
    let deadline = Instant::now() + args.timeout.saturating_mul(clusters.max(1));
    let mut reporter = Reporter::new(&before);
    let mut told = Restarted::new(&before);
    loop {
        match look(&connection).await {
            Ok((fleet, log)) => {
                told.report(&fleet, &mut reporter);
                match verdict(sequence, &told, &fleet, &log, since) {
                    Some(Ok(summary)) => {
                        say(&summary);
                        return Ok(ExitCode::SUCCESS);
                    }
                    Some(Err(problem)) => bail!(problem),
                    None => {}
                }
            }
            Err(error) => reporter.trouble(connection.trouble(&error)),
        }
        if Instant::now() >= deadline {
            say(&format!(
                "{} is not finished yet; the clusterer goes on: `splashtail clusters status --watch`",
                sequence.name()
            ));
            return Ok(ExitCode::from(TIMED_OUT));
        }
        sleep(PERIOD).await;
    }
}

/// The state first: whatever the log says then is at least as new.
async fn look(connection: &Connection) -> Result<(Fleet, Vec<Value>), ClientError> {
    let fleet = connection.fleet().await?;
    Ok((fleet, connection.action_log().await?))
}

/// Which clusters run in a process that was not there before.
struct Restarted {
    sessions: BTreeMap<ClusterId, String>,
    told: BTreeMap<ClusterId, String>,
}

impl Restarted {
    fn new(before: &Fleet) -> Self {
        let sessions = before.clusters.iter();
        Self {
            sessions: sessions
                .map(|cluster| (cluster.id, cluster.session.clone()))
                .collect(),
            told: BTreeMap::new(),
        }
    }

    fn report(&mut self, fleet: &Fleet, reporter: &mut Reporter) {
        for cluster in &fleet.clusters {
            let is_new = self.sessions.get(&cluster.id) != Some(&cluster.session);
            if is_new && cluster.state == InstanceState::Running {
                let session = cluster.session.clone();
                if self.told.insert(cluster.id, session).as_ref() != Some(&cluster.session) {
                    say(&format!(
                        "cluster {} runs again ({} of {})",
                        cluster.label(),
                        self.told.len(),
                        fleet.clusters.len()
                    ));
                }
            } else {
                reporter.progress(cluster);
            }
        }
    }
}

/// `None` while it goes on.
fn verdict(
    sequence: Sequence,
    restarted: &Restarted,
    fleet: &Fleet,
    log: &[Value],
    since: Option<DateTime<Utc>>,
) -> Option<Result<String, String>> {
    let news = || log.iter().filter(|entry| events::time(entry) > since);
    let done = restarted.told.len();
    match sequence {
        Sequence::Rolling => {
            if fleet.roll_restarting {
                return None;
            }
            let failure = news().find(|entry| {
                events::event(entry) == "cluster_restart_failed"
                    && entry.get("via").and_then(Value::as_str) == Some("rolling_restart")
            });
            if let Some(failure) = failure {
                return Some(Err(format!(
                    "the rolling restart ended after {done} clusters: {}",
                    events::words(failure, Some(fleet))
                )));
            }
            let left: Vec<_> = fleet
                .clusters
                .iter()
                .filter(|cluster| {
                    cluster.state != InstanceState::Stopped
                        && !restarted.told.contains_key(&cluster.id)
                })
                .map(|cluster| cluster.id.to_string())
                .collect();
            if left.is_empty() {
                Some(Ok(format!(
                    "the rolling restart is done: {done} clusters restarted"
                )))
            } else {
                Some(Err(format!(
                    "the rolling restart ended early: not restarted were the clusters {}; see `splashtail clusters logs`",
                    left.join(", ")
                )))
            }
        }
        Sequence::Reshard => news().find_map(|entry| match events::event(entry) {
            "reshard_success" => Some(Ok(format!(
                "the reshard is done: {} shards in {} clusters, {done} clusters restarted",
                fleet.shard_count,
                fleet.clusters.len()
            ))),
            "reshard_failed" => Some(Err(events::words(entry, Some(fleet)))),
            _ => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fleet::samples::{fleet, start};
    use super::*;

    /// A fleet of two whose first `restarted` clusters run in new processes, as `verdict` sees it.
    fn after(restarted: usize, rolling: bool) -> (Fleet, Restarted) {
        let before = fleet(&["Flare", "Waffle"]);
        let mut now = before.clone();
        now.roll_restarting = rolling;
        for cluster in &mut now.clusters[..restarted] {
            cluster.session = format!("new-{}", cluster.id);
        }
        let mut told = Restarted::new(&before);
        told.report(&now, &mut Reporter::new(&before));
        (now, told)
    }

    fn judged(sequence: Sequence, (fleet, told): &(Fleet, Restarted), log: &[Value]) -> String {
        match verdict(sequence, told, fleet, log, Some(start())) {
            None => "goes on".to_owned(),
            Some(Ok(done)) => done,
            Some(Err(problem)) => format!("failed: {problem}"),
        }
    }

    fn entry(event: &str, seconds: i64) -> Value {
        json!({"event": event, "ts": (start().timestamp() + seconds) * 1_000_000})
    }

    #[test]
    fn a_rolling_restart_ends_when_every_cluster_has_a_new_process() {
        fn rolling(state: &(Fleet, Restarted), log: &[Value]) -> String {
            judged(Sequence::Rolling, state, log)
        }
        assert_eq!(rolling(&after(1, true), &[]), "goes on");
        assert_eq!(
            rolling(&after(2, false), &[]),
            "the rolling restart is done: 2 clusters restarted"
        );
        assert!(rolling(&after(1, false), &[]).contains("not restarted were the clusters 1"));
        // What was stopped stays stopped.
        let mut stopped = after(1, false);
        stopped.0.clusters[1].state = InstanceState::Stopped;
        assert_eq!(
            rolling(&stopped, &[]),
            "the rolling restart is done: 1 clusters restarted"
        );
        let mut failure = entry("cluster_restart_failed", 5);
        failure["via"] = "rolling_restart".into();
        failure["id"] = 1.into();
        failure["error"] = "it did not come up in time".into();
        assert!(
            rolling(&after(1, false), &[failure.clone()]).contains("it did not come up in time")
        );
        failure["ts"] = entry("", -5)["ts"].clone();
        assert!(!rolling(&after(1, false), &[failure]).contains("it did not come up in time"));
    }

    #[test]
    fn a_reshard_ends_when_the_log_says_so() {
        let state = after(2, false);
        let reshard = |log: &[Value]| judged(Sequence::Reshard, &state, log);
        assert_eq!(
            reshard(&[entry("reshard_success", -9), entry("reshard_begin", 1)]),
            "goes on"
        );
        assert_eq!(
            reshard(&[entry("reshard_begin", 1), entry("reshard_success", 9)]),
            "the reshard is done: 4 shards in 2 clusters, 2 clusters restarted"
        );
        let mut failed = entry("reshard_failed", 2);
        failed["error"] = "1 sessions are left, 4 are needed".into();
        assert_eq!(
            reshard(&[failed]),
            "failed: the reshard failed: 1 sessions are left, 4 are needed"
        );
    }
}
