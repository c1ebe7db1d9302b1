//! What an engine does beside its runs: ends what is abandoned.

use serde_json::{Map, Value};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Level, NewLogEntry};
use tokio_util::sync::CancellationToken;

use crate::deadline::{CallError, within};
use crate::engine::Engine;

/// Abandoned tasks that one sweep ends.
const SWEEP_LIMIT: u32 = 100;

pub(crate) async fn run(engine: Engine, shutdown: CancellationToken) {
    let sweeps = async {
        loop {
            if let Err(error) = abandoned(&engine).await {
                tracing::warn!(error = %Chain(&error), "abandoned tasks were not looked for");
            }
            engine.inner.clock.sleep(engine.inner.timing.sweep).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sweeps => {}
    }
}

/// Ends tasks that were created and never started, and with them their secrets.
async fn abandoned(engine: &Engine) -> Result<(), CallError> {
    let (tasks, timing) = (engine.inner.storage.tasks(), engine.inner.timing);
    let now = engine.inner.clock.now();
    let found = tasks.abandoned(now - timing.abandon, SWEEP_LIMIT);
    for id in within(timing.deadline, found).await? {
        let extra = Map::from_iter([("code".to_owned(), Value::from("never_started"))]);
        let entry = NewLogEntry::new(Level::Error, now, "Nobody started this task", extra);
        within(timing.deadline, tasks.cancel(id, &entry)).await?;
    }
    Ok(())
}
