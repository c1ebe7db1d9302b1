//! What Prometheus can ask.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use splashtail_storage::Storage;

/// Installs the recorder of this process; later calls return the same handle. `None` when another
/// recorder was there first.
pub fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| match PrometheusBuilder::new().install_recorder() {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::warn!(%error, "metrics are not available");
            None
        }
    });
    handle.clone()
}

/// Counts a control call by its outcome.
pub fn called(name: &'static str, status: u16) {
    metrics::counter!(
        "splashtail_jobserver_calls_total", "call" => name, "status" => status.to_string()
    )
    .increment(1);
}

/// Tasks per state, as the database has them now.
#[allow(clippy::cast_precision_loss)]
pub async fn refresh(storage: &Storage) {
    let Ok(counts) = storage.tasks().summary().await else {
        return;
    };
    for (state, count) in [
        ("pending", counts.pending),
        ("running", counts.running),
        ("completed", counts.completed),
        ("failed", counts.failed),
    ] {
        metrics::gauge!("splashtail_tasks", "state" => state).set(count as f64);
    }
}
