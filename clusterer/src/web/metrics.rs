//! Numbers for Prometheus.

use std::sync::Arc;

use metrics::{counter, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::{Map, Value};

use crate::fleet::Numbers;

/// Counts action log entries by event and renders the metrics page. One per fleet; no global
/// recorder is involved.
#[derive(Clone)]
pub struct EventCounter(Arc<PrometheusRecorder>);

impl std::fmt::Debug for EventCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventCounter")
    }
}

impl Default for EventCounter {
    fn default() -> Self {
        Self(Arc::new(PrometheusBuilder::new().build_recorder()))
    }
}

/// Events of the clusterer itself. Those that bots send are counted together: their names are
/// not ours and may be many.
const EVENTS: [&str; 17] = [
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
    "identify_budget_wait",
    "host_joined",
    "host_gone",
    "shards_missing",
    "shards_complete",
    "shutdown",
];

impl EventCounter {
    pub(crate) fn count(&self, entry: &Map<String, Value>) {
        let event = entry.get("event").and_then(Value::as_str);
        let event = EVENTS
            .into_iter()
            .find(|known| Some(*known) == event)
            .unwrap_or("other");
        with_local_recorder(&*self.0, || {
            counter!("splashtail_clusterer_events_total", "event" => event).increment(1);
        });
    }

    pub(crate) fn render(&self, fleet: &Numbers) -> String {
        with_local_recorder(&*self.0, || {
            gauge!("splashtail_clusterer_fully_up").set(f64::from(fleet.fully_up));
            gauge!("splashtail_clusterer_shards_missing").set(fleet.shards_missing);
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            gauge!("splashtail_clusterer_hosts").set(fleet.hosts as f64);
            for cluster in &fleet.clusters {
                let id = cluster.id.to_string();
                let set = |name: &'static str, value: f64| {
                    gauge!(name, "cluster" => id.clone()).set(value);
                };
                set(
                    "splashtail_cluster_running",
                    f64::from(cluster.state == "running"),
                );
                set(
                    "splashtail_cluster_held",
                    f64::from(cluster.state == "held"),
                );
                set(
                    "splashtail_cluster_unresponsive",
                    f64::from(cluster.unresponsive),
                );
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                {
                    set("splashtail_cluster_shards_up", cluster.shards_up as f64);
                    set("splashtail_cluster_guilds", cluster.guilds as f64);
                }
                set(
                    "splashtail_cluster_latency_milliseconds",
                    cluster.latency_ms,
                );
            }
        });
        self.0.handle().render()
    }
}
