//! Numbers for Prometheus. docs/operating.md lists them.

use std::sync::Arc;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::{Map, Value};
use splashtail_api_types::clusters::InstanceState;

use crate::fleet::{ClusterNumbers, Numbers};

/// Counts action log entries by event and renders the metrics page. One per fleet; no global
/// recorder is involved.
#[derive(Clone)]
pub struct EventCounter(Arc<PrometheusRecorder>);

impl std::fmt::Debug for EventCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventCounter")
    }
}

/// Events of the clusterer itself. Those that bots send are counted together: their names are
/// not ours and may be many.
const EVENTS: [&str; 19] = [
    "cluster_started",
    "cluster_stopped",
    "cluster_crashed",
    "cluster_backoff",
    "cluster_start_failed",
    "cluster_restart_failed",
    "ping_failure",
    "rolling_restart",
    "reshard_begin",
    "reshard_success",
    "reshard_failed",
    "discord_refused",
    "identify_budget_wait",
    "operator_command",
    "host_joined",
    "host_gone",
    "shards_missing",
    "shards_complete",
    "shutdown",
];
const OTHER: &str = "other";

const EVENTS_TOTAL: &str = "splashtail_clusterer_events_total";
const FULLY_UP: &str = "splashtail_clusterer_fully_up";
const HOSTS: &str = "splashtail_clusterer_hosts";
const SHARDS_MISSING: &str = "splashtail_clusterer_shards_missing";
const IDENTIFIES: &str = "splashtail_clusterer_identifies_remaining";
const RUNNING: &str = "splashtail_cluster_running";
const HELD: &str = "splashtail_cluster_held";
const UNRESPONSIVE: &str = "splashtail_cluster_unresponsive";
const STARTS: &str = "splashtail_cluster_starts_total";
const SHARDS: &str = "splashtail_cluster_shards";
const SHARDS_UP: &str = "splashtail_cluster_shards_up";
const GUILDS: &str = "splashtail_cluster_guilds";
const LATENCY: &str = "splashtail_cluster_heartbeat_latency_seconds";

impl Default for EventCounter {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            describe();
            // A counter that is there from the start shows its first increase.
            for event in EVENTS.into_iter().chain([OTHER]) {
                counter!(EVENTS_TOTAL, "event" => event).increment(0);
            }
        });
        Self(Arc::new(recorder))
    }
}

fn describe() {
    describe_counter!(
        EVENTS_TOTAL,
        "Entries of the action log that this clusterer wrote, by event"
    );
    describe_gauge!(
        FULLY_UP,
        "1 when all clusters were launched once and no host is missing"
    );
    describe_gauge!(
        HOSTS,
        "Hosts of the fleet that are there, this one included"
    );
    describe_gauge!(SHARDS_MISSING, "Shards that no host runs");
    describe_gauge!(
        IDENTIFIES,
        "Sessions that may still be started before Discord's limit resets"
    );
    describe_gauge!(RUNNING, "1 while the cluster runs and has launched");
    describe_gauge!(
        HELD,
        "1 while the cluster rests because it crashed too often"
    );
    describe_gauge!(UNRESPONSIVE, "1 while the cluster misses health checks");
    describe_counter!(STARTS, "Processes started for the cluster");
    describe_gauge!(SHARDS, "Shards of the cluster");
    describe_gauge!(SHARDS_UP, "Shards that the cluster said are connected");
    describe_gauge!(GUILDS, "Guilds that the cluster said it knows");
    describe_gauge!(
        LATENCY,
        Unit::Seconds,
        "Round trip of the gateway heartbeat on the cluster's slowest shard; 0 when it is not known"
    );
}

impl EventCounter {
    pub(crate) fn count(&self, entry: &Map<String, Value>) {
        let event = entry.get("event").and_then(Value::as_str);
        let known = EVENTS.into_iter().find(|known| Some(*known) == event);
        with_local_recorder(&*self.0, || {
            counter!(EVENTS_TOTAL, "event" => known.unwrap_or(OTHER)).increment(1);
        });
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn render(&self, fleet: &Numbers) -> String {
        with_local_recorder(&*self.0, || {
            gauge!(FULLY_UP).set(f64::from(fleet.fully_up));
            gauge!(HOSTS).set(fleet.hosts as f64);
            gauge!(SHARDS_MISSING).set(fleet.shards_missing);
            if let Some(left) = fleet.identifies_left {
                gauge!(IDENTIFIES).set(left);
            }
            fleet.clusters.iter().for_each(set);
        });
        self.0.handle().render()
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn set(cluster: &ClusterNumbers) {
    let id = cluster.id.to_string();
    let set = |name: &'static str, value: f64| gauge!(name, "cluster" => id.clone()).set(value);
    let is = |state| f64::from(cluster.state == state);
    set(RUNNING, is(InstanceState::Running));
    set(HELD, is(InstanceState::Held));
    set(UNRESPONSIVE, f64::from(cluster.unresponsive));
    set(SHARDS, cluster.shards as f64);
    set(SHARDS_UP, cluster.shards_up as f64);
    set(GUILDS, cluster.guilds as f64);
    set(LATENCY, cluster.latency_ms / 1000.0);
    counter!(STARTS, "cluster" => id.clone()).absolute(cluster.starts.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_core::ids::ClusterId;

    use super::*;

    fn page(counter: &EventCounter) -> String {
        let cluster = |id, state| ClusterNumbers {
            id: ClusterId(id),
            state,
            unresponsive: id == 1,
            starts: 3,
            shards: 2,
            shards_up: 1,
            guilds: 12,
            latency_ms: 41.0,
        };
        counter.render(&Numbers {
            clusters: vec![
                cluster(0, InstanceState::Running),
                cluster(1, InstanceState::Held),
            ],
            fully_up: true,
            hosts: 1,
            shards_missing: 0,
            identifies_left: Some(998),
        })
    }

    /// The naming rules of Prometheus: base units, `_total` on counters, a help text for each name.
    #[test]
    fn every_number_has_a_help_text_and_a_conventional_name() {
        let text = page(&EventCounter::default());
        let mut names = 0;
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            let (name, kind) = line["# TYPE ".len()..].split_once(' ').unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(!name.contains("milli"), "{name}");
            names += 1;
        }
        assert_eq!(names, 13, "{text}");
        for line in [
            "splashtail_cluster_heartbeat_latency_seconds{cluster=\"0\"} 0.041",
            "splashtail_cluster_starts_total{cluster=\"0\"} 3",
            "splashtail_cluster_running{cluster=\"1\"} 0",
            "splashtail_cluster_held{cluster=\"1\"} 1",
            "splashtail_cluster_unresponsive{cluster=\"1\"} 1",
            "splashtail_clusterer_identifies_remaining 998",
            "splashtail_clusterer_events_total{event=\"ping_failure\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn names_that_bots_choose_make_no_new_lines() {
        let counter = EventCounter::default();
        let before = page(&counter).lines().count();
        for name in 0..1000 {
            let entry = json!({"event": format!("of_a_bot_{name}"), "ts": 0});
            counter.count(entry.as_object().unwrap());
        }
        counter.count(json!({"event": "ping_failure"}).as_object().unwrap());
        let after = page(&counter);
        assert_eq!(after.lines().count(), before);
        assert!(after.contains("event=\"other\"} 1000"), "{after}");
        assert!(after.contains("event=\"ping_failure\"} 1"), "{after}");
    }
}
