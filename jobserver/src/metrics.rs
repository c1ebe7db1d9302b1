//! What Prometheus can ask.

use splashtail_storage::Storage;

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
